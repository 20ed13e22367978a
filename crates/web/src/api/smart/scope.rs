//! The scopes an app may ask for, and what each means in plain words.

use guard::{Context, Scope};

/// Scopes that are about the launch and the person, not about resources.
const WORDS: [(&str, &str); 8] = [
    ("fhirUser", "learn which practitioner you are"),
    ("launch", "learn which patient's page you opened it from"),
    (
        "launch/encounter",
        "learn which visit the patient is here for",
    ),
    ("launch/patient", "work with one patient, whom you choose"),
    (
        "offline_access",
        "go on working when you have signed out, until somebody takes its access away",
    ),
    (
        "online_access",
        "go on working for as long as you are signed in",
    ),
    ("openid", "learn your sign-in name"),
    ("profile", "learn your name"),
];

/// Whether `text` is a scope about the launch or the person.
pub fn is_app_word(text: &str) -> bool {
    WORDS.iter().any(|(word, _)| *word == text)
}

/// Those of `wanted` that lie within what is `registered`, each once, in order.
pub(crate) fn within(wanted: &str, registered: &[String]) -> Vec<String> {
    let known: Vec<Scope> = read(registered.iter().map(String::as_str));
    let mut out: Vec<String> = Vec::new();
    for text in wanted.split_ascii_whitespace() {
        let granted = match Scope::parse(text) {
            Ok(scope) => known.iter().any(|known| scope.within(known)),
            Err(_) => is_app_word(text) && registered.iter().any(|one| one == text),
        };
        if granted && !out.iter().any(|one| one == text) {
            out.push(text.to_owned());
        }
    }
    out
}

/// Whether any of the scopes is about one patient's data.
pub(crate) fn needs_patient(scopes: &[String]) -> bool {
    let all = read(scopes.iter().map(String::as_str));
    has(scopes, "launch/patient")
        || has(scopes, "launch/encounter")
        || all.iter().any(|one| one.context() == Context::Patient)
}

pub(crate) fn has(scopes: &[String], word: &str) -> bool {
    scopes.iter().any(|scope| scope == word)
}

fn read<'a>(scopes: impl Iterator<Item = &'a str>) -> Vec<Scope> {
    scopes.filter_map(|text| Scope::parse(text).ok()).collect()
}

/// What a scope lets an app do, for whoever has to agree to it.
pub(crate) fn told(text: &str) -> String {
    if let Some((_, words)) = WORDS.iter().find(|(word, _)| *word == text) {
        return (*words).to_owned();
    }
    let Ok(scope) = Scope::parse(text) else {
        return text.to_owned();
    };
    let acts: Vec<&str> = scope.letters().chars().map(act).collect();
    let whose = match scope.context() {
        Context::Patient => "of this patient",
        Context::System => "of every patient",
        Context::User => "of every patient you may see",
    };
    let what = match scope.kind() {
        "*" => "everything in the record".to_owned(),
        kind => spaced(kind),
    };
    let mut out = format!("{} {what} {whose}", joined(&acts));
    for (name, value) in scope.narrowed() {
        out.push_str(&format!(", only where {name} is {}", code(value)));
    }
    out
}

fn act(letter: char) -> &'static str {
    match letter {
        'c' => "add",
        'r' => "read",
        'u' => "change",
        'd' => "delete",
        _ => "search",
    }
}

fn joined(acts: &[&str]) -> String {
    match acts {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `MedicationRequest` as `medication requests`.
fn spaced(kind: &str) -> String {
    let mut out = String::with_capacity(kind.len() + 4);
    for letter in kind.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out.push('s');
    out
}

/// The code without its system's address, which says nothing to people.
fn code(value: &str) -> &str {
    value.rsplit_once('|').map_or(value, |(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_told_in_plain_words() {
        for (scope, words) in [
            (
                "patient/Observation.rs",
                "read and search observations of this patient",
            ),
            (
                "user/MedicationRequest.cud",
                "add, change and delete medication requests of every patient you may see",
            ),
            (
                "patient/*.read",
                "read and search everything in the record of this patient",
            ),
            (
                "patient/Observation.rs?category=http://x%7Claboratory",
                "read and search observations of this patient, only where category is laboratory",
            ),
            ("openid", "learn your sign-in name"),
        ] {
            assert_eq!(told(scope), words);
        }
    }

    #[test]
    fn an_app_gets_what_it_is_registered_for() {
        let registered = ["patient/*.rs", "openid", "launch"].map(str::to_owned);
        let wanted = "openid fhirUser launch patient/Observation.rs patient/Observation.cruds \
                      user/*.rs openid nonsense";
        let granted = within(wanted, &registered);
        assert_eq!(granted, ["openid", "launch", "patient/Observation.rs"]);
        assert!(needs_patient(&granted));
        assert!(!needs_patient(&[
            "openid".to_owned(),
            "user/*.rs".to_owned()
        ]));
    }
}
