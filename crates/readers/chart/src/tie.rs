//! What connects people with a patient beside wards and encounters: appointments, orders,
//! referrals; and what the patient agreed to.

use event::{Consent, Relation, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::member;

/// An appointment connects from a day before it begins to a day after it ends.
const AROUND_MS: i64 = 24 * 60 * 60 * 1_000;
/// An order that is done, and a report, connect for a week.
const AFTER_MS: i64 = 7 * AROUND_MS;

/// One person connected with a patient by one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tie {
    /// `appointment`, `order` or `referral`.
    pub(crate) what: &'static str,
    /// `Practitioner/1`, or an identifier.
    pub(crate) who: String,
    pub(crate) since: i64,
    pub(crate) until: i64,
}

/// Types that can tie.
pub(crate) fn ties(kind: &str) -> bool {
    matches!(
        kind,
        "Appointment" | "DiagnosticReport" | "MedicationRequest" | "ServiceRequest"
    )
}

/// The ties of a resource that was sealed at a moment.
pub(crate) fn of(kind: &str, resource: &Value, at: Time) -> Vec<Tie> {
    let mut all = match kind {
        "Appointment" => appointment(resource),
        "DiagnosticReport" => {
            let until = at.plus_millis(AFTER_MS).millis();
            let places = ["performer", "resultsInterpreter"];
            named(resource, &places, ("order", until))
        }
        "MedicationRequest" | "ServiceRequest" => order(resource, at),
        _ => Vec::new(),
    };
    all.sort();
    all.dedup_by(|a, b| (a.what, &a.who) == (b.what, &b.who));
    all
}

fn status(resource: &Value) -> &str {
    resource
        .get("status")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn appointment(resource: &Value) -> Vec<Tie> {
    if !matches!(
        status(resource),
        "pending" | "booked" | "arrived" | "checked-in" | "fulfilled"
    ) {
        return Vec::new();
    }
    let moment = |name: &str| {
        let text = resource.get(name)?.as_str()?;
        wire::fhir::search::span_of(text)
    };
    let Some(start) = moment("start") else {
        return Vec::new();
    };
    let end = moment("end").unwrap_or(start);
    let participants = resource.get("participant").and_then(Value::as_array);
    let people = participants.into_iter().flatten();
    people
        .filter_map(|one| person(one.get("actor")?))
        .map(|who| Tie {
            what: "appointment",
            who,
            since: start.lo_ms.saturating_sub(AROUND_MS),
            until: end.hi_ms.saturating_add(AROUND_MS),
        })
        .collect()
}

fn order(resource: &Value, at: Time) -> Vec<Tie> {
    let until = match status(resource) {
        "draft" | "active" | "on-hold" => i64::MAX,
        "completed" | "stopped" | "unknown" => at.plus_millis(AFTER_MS).millis(),
        _ => return Vec::new(),
    };
    let mut all = named(resource, &["requester"], ("order", until));
    if resource.get("resourceType").and_then(Value::as_str) == Some("ServiceRequest") {
        all.extend(named(resource, &["performer"], ("referral", until)));
    }
    all
}

/// The people that References at these places name.
fn named(resource: &Value, places: &[&str], (what, until): (&'static str, i64)) -> Vec<Tie> {
    let mut all = Vec::new();
    for place in places {
        let found: Vec<&Value> = match resource.get(*place) {
            Some(Value::Array(several)) => several.iter().collect(),
            Some(one) => vec![one],
            None => Vec::new(),
        };
        all.extend(found.into_iter().filter_map(person).map(|who| Tie {
            what,
            who,
            since: i64::MIN,
            until,
        }));
    }
    all
}

/// How a Reference names a person: `Practitioner/1`, else the number of an identifier.
fn person(reference: &Value) -> Option<String> {
    let to = reference.get("reference").and_then(Value::as_str);
    if let Some(to) = to {
        let person = to.starts_with("Practitioner/");
        return person.then(|| to.to_owned());
    }
    let number = reference.pointer("/identifier/value")?.as_str()?;
    Some(number.to_owned())
}

/// The relation that a tie is.
pub(crate) fn relation(what: &str, by: String) -> Option<Relation> {
    Some(match what {
        "appointment" => Relation::Appointment(by),
        "order" => Relation::Order(by),
        "referral" => Relation::Referral(by),
        _ => return None,
    })
}

/// One provision of a Consent, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Provision {
    permits: bool,
    /// Whom it names, people and groups; empty: nobody in particular.
    people: Vec<String>,
    roles: Vec<String>,
    purposes: Vec<String>,
    kinds: Vec<String>,
    since: i64,
    until: i64,
}

/// What a Consent provides for those who treat; empty: nothing, or it is not in force.
///
/// The root that names neither a person, a role nor a purpose is the base rule of the form, and says
/// nothing about anybody (R4 gives it no type). Within it a `deny` that names nobody binds everybody,
/// while a `permit` that names nobody opens nothing. Research and advance directives are other matters.
pub(crate) fn provisions(consent: &Value) -> Vec<Provision> {
    let scope = codes(consent.get("scope"));
    let about_care = scope
        .iter()
        .any(|code| matches!(code.as_str(), "patient-privacy" | "treatment"));
    let mut all = Vec::new();
    if status(consent) == "active"
        && about_care
        && let Some(root) = consent.get("provision")
    {
        let (own, span) = provision(root, (i64::MIN, i64::MAX));
        all.extend(own.filter(Provision::names_somebody));
        within(root, span, &mut all);
    }
    all
}

/// Those within a provision; each holds at most as long as the one around it.
fn within(around: &Value, span: (i64, i64), all: &mut Vec<Provision>) {
    let list = around.get("provision").and_then(Value::as_array);
    for inner in list.into_iter().flatten() {
        let (own, span) = provision(inner, span);
        all.extend(own.filter(|one| one.names_somebody() || !one.permits));
        within(inner, span, all);
    }
}

/// What one provision says by itself, if it can be read, and while it holds.
fn provision(one: &Value, (since, until): (i64, i64)) -> (Option<Provision>, (i64, i64)) {
    let moment = |path: &str| wire::fhir::search::span_of(one.pointer(path)?.as_str()?);
    let since = moment("/period/start").map_or(since, |span| since.max(span.lo_ms));
    let until = moment("/period/end").map_or(until, |span| until.min(span.hi_ms));
    let list = |name: &str| one.get(name).and_then(Value::as_array);
    let actors = || list("actor").into_iter().flatten();
    let said = Provision {
        permits: one.get("type").and_then(Value::as_str) == Some("permit"),
        people: actors()
            .filter_map(|actor| actor.get("reference"))
            .filter_map(|who| member::group(who).or_else(|| person(who)))
            .collect(),
        roles: actors()
            .flat_map(|actor| codes(actor.get("role")))
            .collect(),
        purposes: coded(list("purpose")),
        kinds: coded(list("class")),
        since,
        until,
    };
    // An actor that cannot be read names somebody, only not anybody we know.
    let unread = said.anybody() && actors().next().is_some();
    let said = (!unread && one.get("type").is_some()).then_some(said);
    (said, (since, until))
}

fn coded(list: Option<&Vec<Value>>) -> Vec<String> {
    let codings = list.into_iter().flatten();
    codings
        .filter_map(|coding| coding.get("code")?.as_str())
        .map(str::to_owned)
        .collect()
}

fn codes(concept: Option<&Value>) -> Vec<String> {
    coded(concept.and_then(|concept| concept.get("coding")?.as_array()))
}

impl Provision {
    /// The people and groups it names.
    pub(crate) fn people(&self) -> impl Iterator<Item = &str> {
        self.people.iter().map(String::as_str)
    }

    const fn anybody(&self) -> bool {
        self.people.is_empty() && self.roles.is_empty()
    }

    const fn names_somebody(&self) -> bool {
        !self.anybody() || !self.purposes.is_empty()
    }

    /// What it says to somebody with these names (references and numbers) and role at a moment.
    pub(crate) fn says(self, names: &[String], role: &str, now: i64) -> Option<Consent> {
        let by_name = self.people.iter().any(|name| names.contains(name));
        // Where a person is named, their role only describes them.
        let by_role = self.people.is_empty() && self.roles.iter().any(|one| one == role);
        let holds = (by_name || by_role || self.anybody()) && self.since <= now && now < self.until;
        holds.then_some(Consent {
            permits: self.permits,
            purposes: self.purposes,
            kinds: self.kinds,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DAY: i64 = AROUND_MS;

    #[test]
    fn an_appointment_connects_around_its_day() {
        let appointment = json!({
            "status": "booked", "start": "2026-11-26T09:00:00Z", "end": "2026-11-26T09:30:00Z",
            "participant": [
                {"actor": {"reference": "Patient/p"}}, {"actor": {"reference": "Practitioner/d"}}
            ],
        });
        let ties = of("Appointment", &appointment, Time::from_millis(0));
        assert_eq!(ties.len(), 1);
        assert_eq!(ties[0].who, "Practitioner/d");
        let start = 1_795_683_600_000;
        assert_eq!(ties[0].since, start - DAY);
        assert!(ties[0].until >= start + 30 * 60_000 + DAY);
        let cancelled = json!({"status": "cancelled", "start": "2026-11-26T09:00:00Z"});
        assert!(of("Appointment", &cancelled, Time::from_millis(0)).is_empty());
    }

    #[test]
    fn an_order_connects_while_it_is_open_and_a_week_after() {
        let mut request = json!({
            "resourceType": "ServiceRequest", "status": "active",
            "requester": {"reference": "Practitioner/a"},
            "performer": [{"identifier": {"value": "D7"}}],
        });
        let open = of("ServiceRequest", &request, Time::from_millis(5));
        let said: Vec<(&str, &str)> = open
            .iter()
            .map(|tie| (tie.what, tie.who.as_str()))
            .collect();
        assert_eq!(said, [("order", "Practitioner/a"), ("referral", "D7")]);
        assert!(open.iter().all(|tie| tie.until == i64::MAX));
        request["status"] = "completed".into();
        let done = of("ServiceRequest", &request, Time::from_millis(5));
        assert!(done.iter().all(|tie| tie.until == 5 + 7 * DAY));
        request["status"] = "revoked".into();
        assert!(of("ServiceRequest", &request, Time::from_millis(5)).is_empty());
    }

    fn consent() -> Value {
        json!({
            "status": "active", "scope": {"coding": [{"code": "patient-privacy"}]},
            "provision": {
                "type": "permit",
                "provision": [
                    {"type": "deny", "actor": [{"reference": {"reference": "Practitioner/x"}}],
                     "class": [{"code": "Condition"}],
                     "period": {"start": "2026-01-01", "end": "2026-12-31"}},
                    {"type": "permit", "purpose": [{"code": "HRESCH"}]},
                ],
            },
        })
    }

    #[test]
    fn a_no_to_one_person_is_about_nobody_else() {
        let now = 1_795_683_600_000;
        let says = |name: &str, now: i64| -> Vec<Consent> {
            let names = [name.to_owned()];
            let all = provisions(&consent()).into_iter();
            all.filter_map(|one| one.says(&names, "nurse", now))
                .collect()
        };
        let research = Consent {
            permits: true,
            purposes: vec!["HRESCH".into()],
            kinds: Vec::new(),
        };
        assert_eq!(
            says("Practitioner/y", now),
            *std::slice::from_ref(&research)
        );
        let both = says("Practitioner/x", now);
        assert!(!both[0].permits && both[0].kinds == ["Condition"] && both[1] == research);
        assert_eq!(says("Practitioner/x", now + 400 * DAY), [research]);
    }

    #[test]
    fn a_no_to_everybody_within_the_base_rule_binds_everybody_and_a_yes_opens_nothing() {
        let form = json!({
            "status": "active", "scope": {"coding": [{"code": "patient-privacy"}]},
            "provision": {
                "type": "deny",
                "provision": [
                    {"type": "permit", "class": [{"code": "Observation"}], "provision": [
                        {"type": "deny", "class": [{"code": "Condition"}],
                         "period": {"start": "2026-01-01", "end": "2026-12-31"}}
                    ]},
                ],
            },
        });
        let said = |now: i64| -> Vec<Consent> {
            let all = provisions(&form).into_iter();
            all.filter_map(|one| one.says(&["Practitioner/x".to_owned()], "nurse", now))
                .collect()
        };
        let now = 1_795_683_600_000;
        let no = Consent {
            permits: false,
            purposes: Vec::new(),
            kinds: vec!["Condition".into()],
        };
        assert_eq!(said(now), [no]);
        assert!(said(now + 400 * DAY).is_empty());
    }

    #[test]
    fn a_no_to_a_house_is_about_those_who_belong_to_it() {
        let mut house = consent();
        house["provision"] = json!({"type": "deny", "actor": [
            {"reference": {"reference": "Organization/o"}},
            {"reference": {"type": "CareTeam", "identifier": {"value": "7"}}}]});
        let said = |name: &str| {
            let names = [name.to_owned()];
            let all = provisions(&house).into_iter();
            all.filter_map(|one| one.says(&names, "nurse", 0)).count()
        };
        assert_eq!((said("Organization/o"), said("CareTeam|7")), (1, 1));
        assert_eq!((said("Organization/x"), said("7")), (0, 0));
    }

    #[test]
    fn research_drafts_and_unread_actors_say_nothing() {
        let mut research = consent();
        research["scope"] = json!({"coding": [{"code": "research"}]});
        assert!(provisions(&research).is_empty());
        let mut draft = consent();
        draft["status"] = "draft".into();
        assert!(provisions(&draft).is_empty());
        let mut group = consent();
        group["provision"] = json!({
            "type": "deny", "actor": [{"reference": {"reference": "Group/g"}}],
        });
        assert!(provisions(&group).is_empty());
    }
}
