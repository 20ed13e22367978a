//! What an agreed request lets out, and by which command.

use event::Leaves;

use crate::exports::{Export, Leave, NoLeave};

/// Patients that one request names, at most.
const PATIENTS_MAX: usize = 100;
/// Characters of a code of a ward, at most.
const WARD_LETTERS_MAX: usize = 64;

/// What somebody says that is to leave: its sort (`charts`, `ward`, `patients` or `study`) and which one.
/// The ids of patients stand apart by blanks or commas.
///
/// # Errors
/// What is wrong with it, in words.
pub fn leaves(sort: &str, which: &str) -> Result<Leaves, String> {
    let which = which.trim();
    match sort {
        "charts" if which.is_empty() => Ok(Leaves::Charts),
        "charts" => Err(format!(
            "`{which}` says which, and all charts are to leave: leave it empty, or say what it names"
        )),
        "ward" if is_ward(which) => Ok(Leaves::Ward {
            ward: which.to_owned(),
        }),
        "ward" => Err(format!(
            "give the code of the ward: 1 to {WARD_LETTERS_MAX} characters, none of them a control character"
        )),
        "patients" => patients(which),
        "study" if is_uid(which) => Ok(Leaves::Study {
            study: which.to_owned(),
        }),
        "study" => Err(format!(
            "`{which}` is no UID of a study: digits and full stops, at most {UID_LETTERS_MAX}"
        )),
        _ => Err(format!(
            "`{sort}` is nothing that leaves: say charts, ward, patients or study"
        )),
    }
}

/// What leaves, in words.
pub fn words_of(leaves: &Leaves) -> String {
    match leaves {
        Leaves::Charts => "all charts".to_owned(),
        Leaves::Ward { ward } => {
            format!("the charts of who lies on ward {ward}, or is expected there, on that day")
        }
        Leaves::Patients { patients } if patients.is_empty() => "no chart any more".to_owned(),
        Leaves::Patients { patients } => format!("the charts of {}", patients.join(", ")),
        Leaves::Study { study } => format!("the images of the study {study}"),
    }
}

impl Export {
    /// The operator's command for it; `None`: the request does not say what leaves, and has to be asked anew.
    pub fn command(&self) -> Option<String> {
        let to = format!("--agreed {} --to FOLDER --reason '\u{2026}'", self.index);
        Some(match self.leaves.as_ref()? {
            Leaves::Study { study } => format!("salus deidentify --study {study} {to}"),
            Leaves::Charts | Leaves::Ward { .. } | Leaves::Patients { .. } => {
                format!("salus export --deidentify {to}")
            }
        })
    }
}

impl Leave {
    /// What it lets out of charts.
    ///
    /// # Errors
    /// [`NoLeave::Other`] if two people agreed to something else, [`NoLeave::Unsaid`] if the request says it only in
    /// words.
    pub fn charts(&self) -> Result<&Leaves, NoLeave> {
        match &self.export.leaves {
            Some(Leaves::Study { .. }) => Err(NoLeave::Other),
            Some(leaves) => Ok(leaves),
            None => Err(NoLeave::Unsaid),
        }
    }

    /// Whether it lets this study out. A request from before they said what leaves counts if its words name the UID.
    pub fn lets_study(&self, uid: &str) -> bool {
        match &self.export.leaves {
            Some(Leaves::Study { study }) => !uid.is_empty() && study == uid,
            Some(_) => false,
            None => names(&self.export.what, uid),
        }
    }
}

/// Characters of a UID, at most (PS3.5 9.1).
const UID_LETTERS_MAX: usize = 64;

/// It is shown to people as it is, also at a terminal.
fn is_ward(text: &str) -> bool {
    let letters = text.chars().count();
    (1..=WARD_LETTERS_MAX).contains(&letters) && !text.chars().any(char::is_control)
}

fn is_uid(text: &str) -> bool {
    let parts = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= UID_LETTERS_MAX && text.split('.').all(parts)
}

fn patients(which: &str) -> Result<Leaves, String> {
    let apart = |letter: char| letter.is_whitespace() || letter == ',';
    let mut patients: Vec<String> = which
        .split(apart)
        .filter(|id| !id.is_empty())
        .map(|id| id.trim_start_matches("Patient/").to_owned())
        .collect();
    patients.sort();
    patients.dedup();
    // FHIR `id`.
    let is_id = |id: &String| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        (1..=64).contains(&id.len()) && id.bytes().all(fits)
    };
    if let Some(wrong) = patients.iter().find(|id| !is_id(id)) {
        return Err(format!(
            "`{wrong}` is no id of a patient: take it from the address of the chart"
        ));
    }
    match patients.len() {
        1..=PATIENTS_MAX => Ok(Leaves::Patients { patients }),
        _ => Err(format!("name 1 to {PATIENTS_MAX} patients by their ids")),
    }
}

/// Whether a request names a UID as a whole word, with a full stop behind it or not.
fn names(what: &str, uid: &str) -> bool {
    let in_word = |letter: char| letter.is_alphanumeric() || ['.', '-', '_'].contains(&letter);
    let mut words = what.split(|letter: char| !in_word(letter));
    !uid.is_empty() && words.any(|word| word.trim_end_matches('.') == uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_is_said_by_its_sort() {
        assert_eq!(leaves("charts", " "), Ok(Leaves::Charts));
        let ward = leaves("ward", "ICU").unwrap();
        assert!(words_of(&ward).contains("ward ICU"));
        let two = Leaves::Patients {
            patients: vec!["a1".into(), "b-2".into()],
        };
        assert_eq!(leaves("patients", "b-2, Patient/a1 b-2"), Ok(two));
        let study = Leaves::Study {
            study: "1.2.3".into(),
        };
        assert_eq!(leaves("study", "1.2.3"), Ok(study));
        let many = "p ".repeat(3) + &(0..101).map(|one| format!("p{one} ")).collect::<String>();
        for (sort, which) in [
            ("", ""),
            ("everything", ""),
            ("charts", "ICU"),
            ("ward", " "),
            ("ward", "A\u{1b}[2K"),
            ("patients", ""),
            ("patients", "a1;rm"),
            ("patients", &many),
            ("study", ""),
            ("study", "1..2"),
            ("study", "1.2 --to /"),
        ] {
            assert!(leaves(sort, which).is_err(), "{sort} {which}");
        }
    }

    #[test]
    fn a_request_names_a_study_by_its_whole_uid() {
        for what in ["1.2.3", "study 1.2.3.", "(1.2.3), and 1.9", "UID:1.2.3"] {
            assert!(names(what, "1.2.3"), "{what}");
        }
        for what in [
            "",
            "all charts",
            "1.2.3.4",
            "11.2.3",
            "1.2.33",
            "0.1.2.3",
            ".1.2.3",
            "1.2.3-a",
        ] {
            assert!(!names(what, "1.2.3"), "{what}");
        }
        assert!(!names("all charts", ""));
    }
}
