//! What the guard says, in sentences for people.

use event::{Act, Facts, Relation, Role, Subject, Taking};

use crate::Ask;
use crate::scopes::{letter, uncovered};

const BLANKS: [&str; 5] = ["{ward}", "{part}", "{types}", "{taken}", "{ceiling}"];

/// The first `{...}` in a policy's words that nothing can fill.
pub(crate) fn unknown_blank(words: &str) -> Option<String> {
    let mut rest = words;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, next)) = after.split_once('}') else {
            return Some(format!("{{{after}"));
        };
        let blank = format!("{{{name}}}");
        if !BLANKS.contains(&blank.as_str()) {
            return Some(blank);
        }
        rest = next;
    }
    None
}

/// A policy's words with its blanks filled in for this question.
pub(crate) fn fill(words: &str, ask: &Ask, facts: &Facts) -> String {
    if !words.contains('{') {
        return words.to_owned();
    }
    words
        .replace("{ward}", &wards(ask, facts))
        .replace("{part}", &parts(facts))
        .replace("{types}", &types(&ask.kinds))
        .replace("{taken}", &taken(facts))
        .replace("{ceiling}", &ceiling(facts))
}

/// `40 different patients in the last hour`: of hour and day, what is further above its ceiling.
fn taken(facts: &Facts) -> String {
    let taking = facts.taking.unwrap_or_default();
    match by_the_day(&taking) {
        true => format!("{} different patients in 24 hours", taking.patients_day),
        false => format!("{} different patients in an hour", taking.patients_hour),
    }
}

fn ceiling(facts: &Facts) -> String {
    let taking = facts.taking.unwrap_or_default();
    match by_the_day(&taking) {
        true => format!("{} in 24 hours", taking.ceiling_day),
        false => format!("{} in an hour", taking.ceiling_hour),
    }
}

fn by_the_day(taking: &Taking) -> bool {
    let (hour, day) = (taking.patients_hour, taking.patients_day);
    let (by_hour, by_day) = (
        u64::from(hour) * u64::from(taking.ceiling_day),
        u64::from(day) * u64::from(taking.ceiling_hour),
    );
    by_day > by_hour
}

/// What would have had to be otherwise, for a refusal that no policy made.
pub(crate) fn needed(ask: &Ask, facts: &Facts) -> String {
    let looking = matches!(ask.act, Act::Read | Act::History | Act::Search);
    match (ask.identity.role(), &ask.subject) {
        (Role::Nurse | Role::Physician, subject) if looking => bedside(ask, facts, subject),
        (Role::Nurse | Role::Physician, Subject::Patient(_)) if ask.act == Act::BreakGlass => {
            "breaking the glass is for treatment (`TREAT`) or an emergency (`ETREAT`)".to_owned()
        }
        (_, Subject::Patient(_)) if ask.act == Act::Fetch => {
            "fetching a patient's images needs a nurse or a physician who cares for them, and a typed reason"
                .to_owned()
        }
        (Role::Nurse | Role::Physician, Subject::Patient(_)) => {
            "people do not write to charts through Salus yet: clinical systems do".to_owned()
        }
        (Role::Client, _) => client(ask),
        (_, Subject::Patient(_)) if ask.act == Act::Review => {
            "closing what was opened in an emergency needs a privacy officer and a few words"
                .to_owned()
        }
        _ if ask.act == Act::Export => {
            "exporting is for the operator of the machine, with a typed reason".to_owned()
        }
        (_, Subject::Patient(_)) if ask.act == Act::Unmerge => {
            "taking a merge back needs an administrator and a typed reason".to_owned()
        }
        (_, Subject::Patient(_)) if ask.act == Act::Erase => {
            "erasing a patient needs an administrator, or the operator of this machine, and a typed \
             reason"
                .to_owned()
        }
        _ => general(ask),
    }
}

fn bedside(ask: &Ask, facts: &Facts, subject: &Subject) -> String {
    let at_bedside = matches!(subject, Subject::Patient(_) | Subject::Ward(_))
        || matches!(subject, Subject::Kind(kind) if kind == "Patient");
    if at_bedside && ask.purpose != "TREAT" {
        return format!(
            "nurses and physicians see charts for treatment (`TREAT`), not for `{}`",
            ask.purpose
        );
    }
    match subject {
        Subject::Patient(_) if shared_wards(ask, facts).is_empty() => stranger(ask),
        Subject::Ward(code) => format!(
            "ward {code} is none of yours: {}; an administrator can change that",
            own_wards(ask)
        ),
        Subject::Kind(kind) if kind == "Patient" => {
            "a patient is looked up by who they are: ask for `Patient` alone".to_owned()
        }
        Subject::Kind(kind) => {
            format!("`{kind}` is read chart by chart: open a patient's chart first")
        }
        _ => general(ask),
    }
}

fn stranger(ask: &Ask) -> String {
    let place = match ask.identity.wards.as_slice() {
        [] => "you work on no ward".to_owned(),
        wards => format!("the patient is not on {}, where you work", named(wards)),
    };
    format!(
        "you have no care relationship with this patient: {place}, and no current encounter, \
         appointment or order names you; ask a colleague who cares for the patient"
    )
}

fn client(ask: &Ask) -> String {
    let missing = uncovered(ask);
    let Some(letter) = letter(ask.act, &ask.subject).filter(|_| !missing.is_empty()) else {
        return general(ask);
    };
    let scopes: Vec<String> = missing
        .iter()
        .map(|kind| format!("`system/{kind}.{letter}`"))
        .collect();
    format!(
        "the client's scopes do not cover `{}` of {}: it would need {}",
        ask.act.word(),
        types(&missing),
        join(&scopes)
    )
}

fn general(ask: &Ask) -> String {
    format!(
        "no policy lets the role `{}` do `{}` to {}",
        ask.identity.role().word(),
        ask.act.word(),
        match &ask.subject {
            Subject::Account(_) => "an account",
            Subject::Feed(_) => "a feed",
            Subject::Kind(_) => "a type of resource as a whole",
            Subject::Patient(_) => "a patient",
            Subject::Record => "the record",
            Subject::Ward(_) => "a ward",
        }
    )
}

fn own_wards(ask: &Ask) -> String {
    match ask.identity.wards.as_slice() {
        [] => "you work on no ward".to_owned(),
        wards => format!("you work on {}", named(wards)),
    }
}

fn named(wards: &[String]) -> String {
    match wards {
        [only] => format!("ward {only}"),
        several => format!("wards {}", join(several)),
    }
}

fn wards(ask: &Ask, facts: &Facts) -> String {
    match &ask.subject {
        Subject::Ward(code) => format!("ward {code}"),
        _ => named(&shared_wards(ask, facts)),
    }
}

fn shared_wards(ask: &Ask, facts: &Facts) -> Vec<String> {
    let has = |ward: &String| facts.relations.contains(&Relation::Ward(ward.clone()));
    let own = ask.identity.wards.iter();
    own.filter(|ward| has(ward)).cloned().collect()
}

fn parts(facts: &Facts) -> String {
    let mut parts: Vec<String> = Vec::new();
    for relation in &facts.relations {
        let Relation::CareTeam(code) = relation else {
            continue;
        };
        let part = part(code).to_owned();
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    join(&parts)
}

/// A code of HL7 v3 ParticipationType in words; what is no such code stands for itself.
fn part(code: &str) -> &str {
    match code {
        "ADM" => "admitting",
        "ATND" => "attending",
        "CON" => "consulting",
        "DIS" => "discharging",
        "PPRF" => "chiefly responsible",
        "REF" => "referring",
        "SPRF" => "assisting",
        "" | "PART" => "taking part",
        other => other,
    }
}

fn types(kinds: &[String]) -> String {
    let quoted: Vec<String> = kinds
        .iter()
        .map(|kind| match kind.as_str() {
            "*" => "every type".to_owned(),
            name => format!("`{name}`"),
        })
        .collect();
    match quoted.is_empty() {
        true => "every type".to_owned(),
        false => join(&quoted),
    }
}

fn join(items: &[String]) -> String {
    match items {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_blanks_can_be_filled() {
        assert_eq!(unknown_blank("on {ward} as {part} for {types}"), None);
        assert_eq!(unknown_blank("on {bed}"), Some("{bed}".to_owned()));
        assert_eq!(unknown_blank("on {ward"), Some("{ward".to_owned()));
    }

    #[test]
    fn lists_read_like_sentences() {
        let items = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(join(&items(&["A"])), "A");
        assert_eq!(join(&items(&["A", "B", "C"])), "A, B and C");
    }
}
