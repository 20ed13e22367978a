//! How alike two Patients are: the grades of `$match` (FHIR R4, `match-grade`; IHE PDQm ITI-119).
//!
//! The rules are few, so that a person can say why: an identifier makes a match certain, as long as
//! nothing speaks against it; name and birth date without one are probable at most.

use serde_json::Value;

use super::search::fold;

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Some of it agrees.
    Possible,
    /// All that is known of name, birth date and sex agrees; or an identifier, against one of them.
    Probable,
    /// An identifier agrees, and nothing speaks against it.
    Certain,
}

impl Grade {
    /// Its code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Grade::Possible => "possible",
            Grade::Probable => "probable",
            Grade::Certain => "certain",
        }
    }
}

/// How alike they are, with a score of 0 to 100 that orders matches of one grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Likeness {
    /// How sure it is.
    pub grade: Grade,
    /// The score.
    pub score: u8,
}

/// What one property of two Patients says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Same,
    Other,
    /// One of them does not say.
    Nothing,
}

/// How alike `kept` is to what is `asked` for; `None`: too little of it agrees.
#[must_use]
pub fn alike(asked: &Value, kept: &Value) -> Option<Likeness> {
    let identifier = same(&identifiers(asked), &identifiers(kept));
    let family = same(&names(asked, family), &names(kept, family));
    let given = same(&names(asked, given), &names(kept, given));
    let birth = birth(asked, kept);
    let sex = sex(asked, kept);
    let all = [family, given, birth, sex];
    let count = |wanted: Says| all.iter().filter(|one| **one == wanted).count();
    let (agree, differ) = (count(Says::Same), count(Says::Other));
    let whole = [family, given, birth].iter().all(|one| *one == Says::Same);
    let grade = match identifier {
        Says::Same if differ == 0 => Grade::Certain,
        Says::Same if differ == 1 => Grade::Probable,
        Says::Same => Grade::Possible,
        Says::Other | Says::Nothing if whole && sex != Says::Other => Grade::Probable,
        Says::Other | Says::Nothing if agree >= 2 && differ <= 1 && birth != Says::Other => {
            Grade::Possible
        }
        Says::Other | Says::Nothing => return None,
    };
    let base: usize = match grade {
        Grade::Certain => 92,
        Grade::Probable => 70,
        Grade::Possible => 40,
    };
    let score = (base + 2 * agree).saturating_sub(3 * differ);
    Some(Likeness {
        grade,
        score: u8::try_from(score).unwrap_or(100).min(100),
    })
}

/// Members in common are the same; without any, both have to say something to differ.
fn same(asked: &[String], kept: &[String]) -> Says {
    if asked.is_empty() || kept.is_empty() {
        return Says::Nothing;
    }
    match asked.iter().any(|one| kept.contains(one)) {
        true => Says::Same,
        false => Says::Other,
    }
}

/// `system|value` of each identifier that has both.
fn identifiers(patient: &Value) -> Vec<String> {
    let all = patient.get("identifier").and_then(Value::as_array);
    let one = |identifier: &Value| {
        let system = identifier.get("system")?.as_str()?;
        let value = identifier.get("value")?.as_str()?.trim();
        (!value.is_empty()).then(|| format!("{system}|{value}"))
    };
    all.into_iter().flatten().filter_map(one).collect()
}

/// Of every name of the patient what `part` takes of it, folded.
fn names(patient: &Value, part: fn(&Value) -> Option<&str>) -> Vec<String> {
    let all = patient.get("name").and_then(Value::as_array);
    let texts = all.into_iter().flatten().filter_map(part);
    let folded = texts.map(|text| fold(text.trim()));
    folded.filter(|text| !text.is_empty()).collect()
}

fn family(name: &Value) -> Option<&str> {
    name.get("family")?.as_str()
}

/// The first given name: the others are often left out.
fn given(name: &Value) -> Option<&str> {
    name.get("given")?.as_array()?.first()?.as_str()
}

/// Birth dates agree as far as both say: a year agrees with a day in it.
fn birth(asked: &Value, kept: &Value) -> Says {
    let date = |patient: &Value| {
        let date = patient.get("birthDate").and_then(Value::as_str);
        date.filter(|date| !date.is_empty()).map(str::to_owned)
    };
    match (date(asked), date(kept)) {
        (Some(one), Some(other)) if one.starts_with(&other) || other.starts_with(&one) => {
            Says::Same
        }
        (Some(_), Some(_)) => Says::Other,
        _ => Says::Nothing,
    }
}

fn sex(asked: &Value, kept: &Value) -> Says {
    let gender = |patient: &Value| {
        let gender = patient.get("gender").and_then(Value::as_str);
        gender
            .filter(|gender| *gender != "unknown")
            .map(str::to_owned)
    };
    match (gender(asked), gender(kept)) {
        (Some(one), Some(other)) if one == other => Says::Same,
        (Some(_), Some(_)) => Says::Other,
        _ => Says::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn person(number: &str, family: &str, given: &str, (birth, gender): (&str, &str)) -> Value {
        json!({
            "resourceType": "Patient",
            "identifier": [{"system": "urn:oid:1.2", "value": number}],
            "name": [{"family": family, "given": [given, "X"]}],
            "birthDate": birth,
            "gender": gender,
        })
    }

    #[test]
    fn an_identifier_is_certain_unless_something_speaks_against_it() {
        let anna = person("7", "M\u{fc}ller", "Anna", ("1970-01-02", "female"));
        for (asked, wanted) in [
            (
                person("7", "MULLER", "anna", ("1970-01-02", "female")),
                Some(Grade::Certain),
            ),
            (
                person("7", "Muller", "Anna", ("1970", "unknown")),
                Some(Grade::Certain),
            ),
            (
                json!({"identifier": [{"system": "urn:oid:1.2", "value": "7"}]}),
                Some(Grade::Certain),
            ),
            (
                person("7", "Muller", "Anna", ("1971-01-02", "female")),
                Some(Grade::Probable),
            ),
            (
                person("7", "Maier", "Bert", ("1971-01-02", "male")),
                Some(Grade::Possible),
            ),
            (
                person("8", "Muller", "Anna", ("1970-01-02", "female")),
                Some(Grade::Probable),
            ),
            (
                person("8", "Muller", "Anna", ("1970-01-02", "male")),
                Some(Grade::Possible),
            ),
            (
                person("8", "Maier", "Anna", ("1970-01-02", "female")),
                Some(Grade::Possible),
            ),
            (
                person("8", "Muller", "Anna", ("1980-01-02", "female")),
                None,
            ),
            (person("8", "Maier", "Bert", ("1970-01-02", "female")), None),
            (json!({"identifier": [{"value": "7"}]}), None),
            (
                json!({"identifier": [{"system": "urn:oid:1.3", "value": "7"}]}),
                None,
            ),
            (json!({}), None),
        ] {
            let found = alike(&asked, &anna);
            assert_eq!(found.map(|one| one.grade), wanted, "{asked}");
            assert!(found.is_none_or(|one| one.score <= 100));
        }
    }

    #[test]
    fn more_that_agrees_scores_higher_within_a_grade_and_no_grade_reaches_into_another() {
        let anna = person("7", "M", "Anna", ("1970-01-02", "female"));
        let sure = alike(&anna, &anna).unwrap();
        let bare = json!({"identifier": [{"system": "urn:oid:1.2", "value": "7"}]});
        let bare = alike(&bare, &anna).unwrap();
        assert!(sure > bare && bare.score > 80);
    }
}
