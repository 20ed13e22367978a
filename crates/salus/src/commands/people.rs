use std::path::Path;

use anyhow::{Context as _, Result, bail};
use event::{Clock as _, Time};
use serde::Deserialize;
use web::{Ended, Leaver};

use crate::cli::{Format, People};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::local::{Leavers, Operator};
use crate::output;

/// One line of a list of leavers, as it is written.
#[derive(Deserialize)]
struct Line {
    account: String,
    #[serde(default)]
    left: Option<String>,
}

/// Somebody who stands on a list of leavers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) account: String,
    /// When access has to end; `None`: the line does not say.
    pub(crate) due: Option<Time>,
}

impl Listed {
    /// The same, due at `otherwise` if the line does not say when.
    pub(crate) fn leaver(&self, otherwise: Time) -> Leaver {
        Leaver {
            account: self.account.clone(),
            due: self.due.unwrap_or(otherwise),
        }
    }
}

pub(crate) async fn run(config: Config, command: People, format: Format) -> Result<u8> {
    let People::Leavers { file } = command;
    let (people, now) = (somebody(&file)?, SystemClock.now());
    let list = Leavers {
        source: format!(
            "list:{}",
            file.file_name().unwrap_or_default().to_string_lossy()
        ),
        people: people.iter().map(|one| one.leaver(now)).collect(),
    };
    let operator = Operator::reach(config).await?;
    let done = operator.leavers(&list).await;
    operator.done().await;
    let done = done?;
    output::result(format, &done, |done| words(done));
    let missed = done.iter().any(|(_, ended)| *ended == Ended::Nobody);
    Ok(if missed { output::FOUND } else { output::WELL })
}

/// The people on a list that has to name somebody.
fn somebody(file: &Path) -> Result<Vec<Listed>> {
    match read(file)? {
        people if people.is_empty() => bail!("nobody stands in `{}`", file.display()),
        people => Ok(people),
    }
}

/// The people on a list; nobody's access ends if a line of it makes no sense. Of a list with its heading
/// alone everybody was taken off; a file without even that is none.
pub(crate) fn read(file: &Path) -> Result<Vec<Listed>> {
    let name = file.display();
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(file)
        .with_context(|| format!("cannot read `{name}`"))?;
    let wrong = || format!("`{name}` is not a list of leavers");
    let mut heading = reader.headers().with_context(wrong)?.iter();
    if !heading.any(|column| column == "account") {
        bail!("{}: its first line names no column `account`", wrong());
    }
    let lines = reader.deserialize().enumerate();
    let people = lines.map(|(number, line)| {
        let line: Line = line.with_context(wrong)?;
        let due = match line.left.as_deref() {
            None | Some("") => None,
            Some(left) => {
                let wrong = || format!("`{name}`, line {}: `{left}` is no time", number + 2);
                Some(moment(left).with_context(wrong)?)
            }
        };
        Ok(Listed {
            account: line.account,
            due,
        })
    });
    people.collect()
}

fn moment(text: &str) -> Result<Time> {
    let moment: jiff::Timestamp = text.parse()?;
    Ok(Time::from_millis(moment.as_millisecond()))
}

fn words(done: &[(String, Ended)]) -> String {
    let line = |(account, ended): &(String, Ended)| match ended {
        Ended::Now { sessions } => format!("{account}: access ended, {sessions} sessions with it"),
        Ended::Before => format!("{account}: had no access any more"),
        Ended::Nobody => format!("{account}: NO SUCH PERSON HERE"),
    };
    done.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<Vec<Listed>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("left.csv");
        std::fs::write(&file, text)?;
        read(&file)
    }

    #[test]
    fn a_list_of_leavers_is_read() {
        let read = list("account, left\nanna, 2026-11-26T12:00:00Z\npaul,\n").unwrap();
        assert_eq!(read.len(), 2);
        let anna = read[0].leaver(Time::from_millis(7));
        assert_eq!(
            (anna.account.as_str(), anna.due.to_string().as_str()),
            ("anna", "2026-11-26T12:00:00.000Z")
        );
        assert_eq!(read[1].due, None);
        let paul = read[1].leaver(Time::from_millis(7));
        assert_eq!(paul.due, Time::from_millis(7));
        assert_eq!(list("account\nanna\n").unwrap().len(), 1);
    }

    #[test]
    fn a_list_with_one_wrong_line_ends_nobodys_access() {
        for wrong in [
            "account,left\nanna,yesterday\n",
            "name\nanna\n",
            "name\n",
            "",
        ] {
            assert!(list(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_may_be_empty_and_a_command_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("left.csv");
        std::fs::write(&file, "account,left\n").unwrap();
        assert_eq!(read(&file).unwrap(), []);
        let why = somebody(&file).unwrap_err().to_string();
        assert!(why.contains("nobody stands in"), "{why}");
    }
}
