//! What of a question the policies see, and so all that can change what they say to it.

use event::{Act, Facts, Relation, Role, Subject, Taking};

use crate::Ask;
use crate::scopes::{bound, uncovered};

/// Security labels of people whom many would like to look up: `CEL` is HL7's, `VIP` that of PV1-16.
const VIP: [&str; 2] = ["CEL", "VIP"];

/// One question as the policies see it.
///
/// INVARIANT: requests and entities are made of this alone ([`Slicer`](crate::slice::Slicer)), and
/// [`Key`](crate::remembered::Key) names every part of it, so that questions with one key are one question.
#[derive(Debug)]
pub(crate) struct Posed<'q> {
    pub(crate) act: Act,
    pub(crate) role: Role,
    pub(crate) account: &'q str,
    pub(crate) wards: &'q [String],
    /// `on`, `off` or `unknown`.
    pub(crate) shift: &'static str,
    pub(crate) subject: &'q Subject,
    /// How the asker stands to the patient, if the question is about one.
    pub(crate) patient: Option<Patient<'q>>,
    pub(crate) purpose: &'q str,
    /// What was typed, without the blanks around it.
    pub(crate) reason: &'q str,
    pub(crate) kinds: &'q [String],
    /// What scopes do not cover.
    pub(crate) uncovered: Vec<String>,
    pub(crate) stepped_up: bool,
    /// What a review comes to; "" for anything else.
    pub(crate) verdict: &'q str,
    pub(crate) own_act: bool,
    /// How much was taken; where nobody counted, nothing new can be.
    pub(crate) taking: Taking,
}

/// A patient as the asker stands to them.
#[derive(Debug)]
pub(crate) struct Patient<'q> {
    pub(crate) wards: Vec<&'q str>,
    pub(crate) labels: &'q [String],
    /// Whether the asker is one of those who care for them.
    pub(crate) team: bool,
    /// What holds or does not, by the name that policies call it.
    pub(crate) flags: [(&'static str, bool); 8],
}

impl<'q> Posed<'q> {
    pub(crate) fn of(ask: &'q Ask, facts: &'q Facts) -> Posed<'q> {
        let about_patient = ask.subject.patient().is_some();
        Posed {
            act: ask.act,
            role: ask.identity.role(),
            account: &ask.identity.actor.id,
            wards: &ask.identity.wards,
            shift: shift(ask.identity.on_shift),
            subject: &ask.subject,
            patient: about_patient.then(|| Patient::of(ask, facts)),
            purpose: &ask.purpose,
            reason: ask.reason.as_deref().unwrap_or_default().trim(),
            kinds: &ask.kinds,
            uncovered: missing(ask),
            stepped_up: ask.identity.stepped_up,
            verdict: match ask.act {
                Act::Review => &ask.detail,
                _ => "",
            },
            own_act: facts.own_act,
            taking: facts.taking.unwrap_or_default(),
        }
    }
}

impl<'q> Patient<'q> {
    fn of(ask: &Ask, facts: &'q Facts) -> Patient<'q> {
        let is = |wanted: fn(&Relation) -> bool| facts.relations.iter().any(wanted);
        let ward = |relation: &'q Relation| match relation {
            Relation::Ward(code) => Some(code.as_str()),
            _ => None,
        };
        let is_vip = |label: &String| VIP.contains(&label.as_str());
        Patient {
            wards: facts.relations.iter().filter_map(ward).collect(),
            labels: &facts.labels,
            team: is(|one| matches!(one, Relation::CareTeam(_))),
            flags: [
                (
                    "appointment",
                    is(|one| matches!(one, Relation::Appointment(_))),
                ),
                ("ordered", is(|one| matches!(one, Relation::Order(_)))),
                ("referred", is(|one| matches!(one, Relation::Referral(_)))),
                ("agreed", says(ask, facts, Answer::Yes)),
                ("refused", says(ask, facts, Answer::No)),
                ("vip", facts.labels.iter().any(is_vip)),
                ("own", facts.own),
                ("glass", facts.glass.is_some()),
            ],
        }
    }
}

/// What a patient's consent can say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
}

/// Whether a consent says so of what is asked. A `no` that touches a part of it is a no; a `yes`
/// has to cover all of it.
fn says(ask: &Ask, facts: &Facts, answer: Answer) -> bool {
    let wanted = answer == Answer::Yes;
    let about = facts.consents.iter().filter(|one| one.permits == wanted);
    let mut about =
        about.filter(|one| one.purposes.is_empty() || one.purposes.contains(&ask.purpose));
    about.any(|one| {
        let named = |kind: &String| one.kinds.contains(kind);
        match (one.kinds.is_empty(), answer) {
            (true, _) => true,
            (false, Answer::Yes) => !ask.kinds.is_empty() && ask.kinds.iter().all(named),
            (false, Answer::No) => ask.kinds.is_empty() || ask.kinds.iter().any(named),
        }
    })
}

pub(crate) const fn shift(on: Option<bool>) -> &'static str {
    match on {
        Some(true) => "on",
        Some(false) => "off",
        None => "unknown",
    }
}

/// Scopes say something about clients and apps only; for anybody else nothing is covered by them.
fn missing(ask: &Ask) -> Vec<String> {
    match ask.identity.role() {
        _ if bound(ask) => uncovered(ask),
        _ if ask.kinds.is_empty() => vec!["*".to_owned()],
        _ => ask.kinds.clone(),
    }
}
