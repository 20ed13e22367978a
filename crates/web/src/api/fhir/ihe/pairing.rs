//! `Patient/$match` (FHIR R4; IHE PDQm, ITI-119): which patients somebody may be, and how sure that is.

use std::collections::BTreeMap;

use guard::Identity;
use serde_json::Value;
use wire::fhir::search::escaped;
use wire::fhir::{Code, Grade, Issue, Likeness, Severity, alike};

use super::super::answer::Answer;
use super::super::door::Door;
use super::super::fault::{Fault, outcome};
use super::super::json::{self, Head, quoted};
use super::super::look::Look;
use super::{Asking, Fitting, Known, Pair, pair};

/// Matches that are answered if nobody says how many.
const MATCHES: usize = 20;
/// Identifiers and names that are looked for.
const VALUES_MAX: usize = 10;
const MATCH_GRADE: &str = "http://hl7.org/fhir/StructureDefinition/match-grade";

/// What is asked.
struct Wanted {
    patient: Value,
    only_certain: bool,
    count: usize,
}

/// A search set of those who may be meant, the surest first.
///
/// # Errors
/// 400 for what is no Patient, or says nothing to look for; 403 for who may not ask.
pub(crate) async fn pairing(door: &Door, who: &Identity, look: &Look) -> Result<Answer, Fault> {
    let wanted = Wanted::of(door, look)?;
    let searches = searches(&wanted.patient);
    let Some(first) = searches.first() else {
        let words =
            "the Patient has no identifier, and not two of family name, given name and birth date";
        return Err(Fault::bad(Code::Required, words));
    };
    let asking = Asking::of(door, who, ("$match", first, &asked(&searches))).await?;
    let (found, cut) = candidates(&asking, &wanted.patient, &searches).await?;
    let mut found = surviving(&asking, found).await?;
    // The surest first; of equals by id, so that the order says nothing else.
    found.sort_by(|one, other| {
        let by_id = || one.1.stored.id.cmp(&other.1.stored.id);
        other.0.cmp(&one.0).then_with(by_id)
    });
    if wanted.only_certain {
        found.retain(|(alike, _)| alike.grade == Grade::Certain);
        // Two who are certain are not one person here: whoever wants one wants none of them. Nor is one
        // as long as not everybody with the identifier was looked at.
        if found.len() > 1 || cut.iter().any(|search| search.starts_with("identifier")) {
            found.clear();
        }
    }
    found.truncate(wanted.count);
    let shown = found.iter().map(|(_, known)| known.stored.id.clone());
    asking.shown(shown.collect()).await?;
    let entries = found.iter().map(Entry::Match).collect::<Vec<_>>();
    let told = cut_words(&cut, door.app.settings.match_candidates_max);
    let entries = entries.into_iter().chain(told.map(Entry::Told)).collect();
    Ok(Answer::body(bundle(&door.app.settings.fhir_base, entries)))
}

/// Whoever the searches bring and who is alike, each once; and which searches did not bring everybody.
async fn candidates(
    asking: &Asking<'_>,
    patient: &Value,
    searches: &[Vec<Pair>],
) -> Result<(Vec<(Likeness, Known)>, Vec<String>), Fault> {
    let max = asking.door.app.settings.match_candidates_max;
    let mut found: BTreeMap<String, (Likeness, Known)> = BTreeMap::new();
    let (mut answered, mut costly, mut cut) = (false, None, Vec::new());
    for search in searches {
        let names: Vec<&str> = search.iter().map(|(name, _)| name.as_str()).collect();
        let graded = |known: Known| alike(patient, &known.json).map(|alike| (alike, known));
        let kept = match asking.fitting((search, max), graded).await? {
            Fitting::All(kept) => kept,
            Fitting::Some(kept) => {
                cut.push(names.join(" and "));
                kept
            }
            // One that is too broad brings nobody; the others still do.
            Fitting::TooBroad(why) => {
                cut.push(names.join(" and "));
                costly = Some(why);
                continue;
            }
        };
        answered = true;
        for (alike, known) in kept {
            let id = known.stored.id.clone();
            found.entry(id).or_insert((alike, known));
        }
    }
    match costly.filter(|_| !answered) {
        Some(why) => Err(why.into()),
        None => Ok((found.into_values().collect(), cut)),
    }
}

/// What is told of searches that did not bring everybody, as an `OperationOutcome`; `None`: all did.
fn cut_words(cut: &[String], max: usize) -> Option<Vec<u8>> {
    let first = cut.first()?;
    let which = cut
        .iter()
        .skip(1)
        .fold(first.clone(), |all, one| format!("{all}; {one}"));
    let issue = Issue {
        severity: Severity::Warning,
        code: Code::TooCostly,
        path: String::new(),
        words: format!(
            "not everybody was looked at who fits by {which}: more than {max} do, or too many would \
             have to be read; say more of the patient"
        ),
    };
    Some(outcome(&[issue]))
}

/// An entry of the answer.
enum Entry<'f> {
    Match(&'f (Likeness, Known)),
    /// An `OperationOutcome`.
    Told(Vec<u8>),
}

impl Wanted {
    fn of(door: &Door, look: &Look) -> Result<Wanted, Fault> {
        if let Some((name, _)) = look.pairs.first() {
            let words = format!("`$match` takes a body, and no parameter `{name}` in the address");
            return Err(Fault::bad(Code::NotSupported, words));
        }
        let body = wire::fhir::parse(&look.body, &door.limits())?;
        let mut wanted = Wanted {
            patient: Value::Null,
            only_certain: false,
            count: MATCHES,
        };
        match body.get("resourceType").and_then(Value::as_str) {
            Some("Parameters") => wanted.parameters(&body)?,
            _ => wanted.patient = body,
        }
        wanted.count = wanted.count.min(door.app.settings.page_size_max);
        wanted.checked()
    }

    fn parameters(&mut self, body: &Value) -> Result<(), Fault> {
        let all = body.get("parameter").and_then(Value::as_array);
        for part in all.into_iter().flatten() {
            let name = part.get("name").and_then(Value::as_str).unwrap_or_default();
            let wrong = || Fault::bad(Code::Value, format!("`{name}` has no value that fits"));
            match name {
                "resource" => {
                    let resource = part.get("resource").ok_or_else(wrong)?;
                    self.patient = resource.clone();
                }
                "onlyCertainMatches" => {
                    let only = part.get("valueBoolean").and_then(Value::as_bool);
                    self.only_certain = only.ok_or_else(wrong)?;
                }
                "count" => {
                    let count = ["valueInteger", "valuePositiveInt"];
                    let count = count.iter().find_map(|name| part.get(*name)?.as_u64());
                    let count = count.and_then(|count| usize::try_from(count).ok());
                    self.count = count.ok_or_else(wrong)?;
                }
                _ => {
                    let words = format!(
                        "`$match` has no parameter `{name}`; it has `resource`, `onlyCertainMatches` and `count`"
                    );
                    return Err(Fault::bad(Code::NotSupported, words));
                }
            }
        }
        Ok(())
    }

    fn checked(self) -> Result<Wanted, Fault> {
        let kind = self.patient.get("resourceType").and_then(Value::as_str);
        if kind != Some("Patient") {
            return Err(Fault::bad(Code::Required, "`$match` takes a Patient"));
        }
        // PDQm: what would change the meaning of the rest is not understood.
        for name in ["implicitRules", "modifierExtension"] {
            if self.patient.get(name).is_some() {
                let words = format!("`Patient.{name}` is not taken by `$match`");
                return Err(Fault::bad(Code::NotSupported, words));
            }
        }
        let issues = wire::fhir::check(&self.patient);
        match issues.iter().any(Issue::refuses) {
            true => Err(Fault::of(axum::http::StatusCode::BAD_REQUEST, issues)),
            false => Ok(self),
        }
    }
}

/// What brings everybody who could be graded: by identifier, and by two of name and birth date.
fn searches(patient: &Value) -> Vec<Vec<(String, String)>> {
    let list = |name: &str| {
        let all = patient.get(name).and_then(Value::as_array);
        all.into_iter().flatten().take(VALUES_MAX)
    };
    let text = |one: &Value, path: &str| {
        let text = one.pointer(path).and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty()).map(escaped)
    };
    let tokens = list("identifier").filter_map(|one| {
        Some(format!(
            "{}|{}",
            text(one, "/system")?,
            text(one, "/value")?
        ))
    });
    let tokens: Vec<String> = tokens.collect();
    let families: Vec<String> = list("name")
        .filter_map(|one| text(one, "/family"))
        .collect();
    let given: Vec<String> = list("name")
        .filter_map(|one| text(one, "/given/0"))
        .collect();
    let birth: Vec<String> = text(patient, "/birthDate").into_iter().collect();
    let mut all = Vec::new();
    if !tokens.is_empty() {
        all.push(vec![pair("identifier", &tokens.join(","))]);
    }
    // Of whom only the month or the year is known here.
    let rough: Vec<String> = birth
        .iter()
        .flat_map(|date| [date.get(..7), date.get(..4)])
        .flatten()
        .filter(|rough| !birth.iter().any(|date| date == rough))
        .map(str::to_owned)
        .collect();
    let (families, given) = (("family", families), ("given", given));
    let (birth, rough) = (("birthdate", birth), ("birthdate", rough));
    for (one, other) in [
        (&families, &given),
        (&families, &birth),
        (&given, &birth),
        (&families, &rough),
        (&given, &rough),
    ] {
        if !one.1.is_empty() && !other.1.is_empty() {
            all.push(vec![
                pair(one.0, &one.1.join(",")),
                pair(other.0, &other.1.join(",")),
            ]);
        }
    }
    all
}

/// All that the searches look for, each once: what is sealed of the question.
fn asked(searches: &[Vec<(String, String)>]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for one in searches.iter().flatten() {
        if !all.contains(one) {
            all.push(one.clone());
        }
    }
    all
}

/// Whoever was merged stands for the one they were merged into, with the best of the grades.
async fn surviving(
    asking: &Asking<'_>,
    found: Vec<(Likeness, Known)>,
) -> Result<Vec<(Likeness, Known)>, Fault> {
    let chart = &asking.door.app.chart;
    let mut kept: Vec<(Likeness, Known)> = Vec::new();
    let mut moved: Vec<(Likeness, String)> = Vec::new();
    for (alike, known) in found {
        match chart.survivor(&known.stored.id).await? {
            Some(survivor) => moved.push((alike, survivor)),
            None => kept.push((alike, known)),
        }
    }
    for (alike, survivor) in moved {
        if let Some((best, _)) = kept
            .iter_mut()
            .find(|(_, known)| known.stored.id == survivor)
        {
            *best = alike.max(*best);
            continue;
        }
        let known = asking.with_ids(&[survivor]).await?;
        kept.extend(known.into_iter().map(|known| (alike, known)));
    }
    Ok(kept)
}

fn bundle(base: &str, entries: Vec<Entry<'_>>) -> Vec<u8> {
    let matches = entries.iter().filter(|one| matches!(one, Entry::Match(_)));
    let head = Head {
        kind: "searchset",
        total: Some(matches.count() as u64),
        links: Vec::new(),
    };
    json::bundle(&head, &entries, |entry, out| {
        let (alike, known) = match entry {
            Entry::Match(one) => one,
            Entry::Told(outcome) => {
                out.extend_from_slice(b"{\"resource\":");
                out.extend_from_slice(outcome);
                return out.extend_from_slice(b",\"search\":{\"mode\":\"outcome\"}}");
            }
        };
        let full_url = quoted(&format!("{base}/Patient/{}", known.stored.id));
        out.extend_from_slice(format!("{{\"fullUrl\":{full_url},\"resource\":").as_bytes());
        out.extend_from_slice(&known.stored.json);
        let search = format!(
            ",\"search\":{{\"extension\":[{{\"url\":\"{MATCH_GRADE}\",\"valueCode\":\"{}\"}}],\"mode\":\"match\",\"score\":{}.{:02}}}}}",
            alike.grade.code(),
            alike.score / 100,
            alike.score % 100,
        );
        out.extend_from_slice(search.as_bytes());
    })
}
