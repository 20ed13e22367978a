//! Data of many patients leaves when one person asked for it and another agreed.

use event::{Leaves, Time};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use thiserror::Error;

/// How long requests and leaves last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExportLimits {
    /// A request that nobody answered lapses after this long.
    pub asked_ms: i64,
    /// What was agreed to may be carried out for this long.
    pub agreed_ms: i64,
}

impl Default for ExportLimits {
    fn default() -> ExportLimits {
        const HOUR: i64 = 3_600_000;
        ExportLimits {
            asked_ms: 7 * 24 * HOUR,
            agreed_ms: 24 * HOUR,
        }
    }
}

/// A request, and what was said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Index of the request in the record: what names it.
    pub index: u64,
    /// When it was asked for.
    pub at: Time,
    /// Account and name of who asked.
    pub asker: (String, String),
    /// What is to leave.
    pub what: String,
    /// To whom.
    pub recipient: String,
    /// Why.
    pub reason: String,
    /// What leaves, as a command checks it; `None`: it is said in words alone.
    pub leaves: Option<Leaves>,
    /// What another person said.
    pub answer: Option<Answer>,
}

/// What another person said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Index of the answer in the record.
    pub index: u64,
    /// When.
    pub at: Time,
    /// Account and name of who answered.
    pub answerer: (String, String),
    /// Yes or no.
    pub approved: bool,
    /// Why.
    pub reason: String,
}

/// Leave to take out what was agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// The request with its answer.
    pub export: Export,
    /// It ends then.
    pub until: Time,
}

/// Why there is no leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoLeave {
    /// There is no such request.
    #[error(
        "there is no request for an export at this index; ask for one on the page Access, Exports"
    )]
    Unknown,
    /// Nobody answered yet.
    #[error(
        "nobody has agreed to this export yet; another person has to, on the page Access, Exports"
    )]
    Unanswered,
    /// Another person said no.
    #[error("this export was refused; the reason stands on the page Access, Exports")]
    Refused,
    /// It was asked for or agreed to too long ago.
    #[error("this export lapsed; ask for it again")]
    Lapsed,
    /// What was agreed to is something else.
    #[error(
        "another person agreed to something else; `salus export-request` says what, and by which command it leaves"
    )]
    Other,
    /// The request says only in words what is to leave.
    #[error(
        "the request says only in words what is to leave; ask for it again, and say which charts, on the page Access, Exports"
    )]
    Unsaid,
}

impl Export {
    /// Whether somebody may still answer it.
    pub fn open(&self, limits: &ExportLimits, now: Time) -> bool {
        self.answer.is_none() && now.since(self.at) < limits.asked_ms
    }

    /// Leave to carry it out now, or why not.
    ///
    /// # Errors
    /// [`NoLeave`].
    pub fn leave(self, limits: &ExportLimits, now: Time) -> Result<Leave, NoLeave> {
        let Some(answer) = &self.answer else {
            let open = self.open(limits, now);
            return Err(if open {
                NoLeave::Unanswered
            } else {
                NoLeave::Lapsed
            });
        };
        // INVARIANT: asker and answerer are two people, whatever a page or a command let through.
        if answer.answerer.0 == self.asker.0 {
            return Err(NoLeave::Unanswered);
        }
        if !answer.approved {
            return Err(NoLeave::Refused);
        }
        let until = answer.at.plus_millis(limits.agreed_ms);
        match now < until && answer.at.since(self.at) < limits.asked_ms {
            true => Ok(Leave {
                export: self,
                until,
            }),
            false => Err(NoLeave::Lapsed),
        }
    }
}

/// The newest requests first.
pub(crate) async fn list(pool: &SqlitePool, rows: usize) -> Result<Vec<Export>, sqlx::Error> {
    let sql = "SELECT * FROM export ORDER BY idx DESC LIMIT $1";
    let rows = sqlx::query(sql)
        .bind(i64::try_from(rows).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await?;
    rows.iter().map(export).collect()
}

pub(crate) async fn one(pool: &SqlitePool, index: u64) -> Result<Option<Export>, sqlx::Error> {
    let sql = "SELECT * FROM export WHERE idx = $1";
    let row = sqlx::query(sql)
        .bind(index.cast_signed())
        .fetch_optional(pool)
        .await?;
    row.as_ref().map(export).transpose()
}

fn export(row: &SqliteRow) -> Result<Export, sqlx::Error> {
    let answer: Option<i64> = row.try_get("answer")?;
    let answer = answer
        .map(|index| {
            Ok::<Answer, sqlx::Error>(Answer {
                index: index.unsigned_abs(),
                at: Time::from_millis(row.try_get("answered_at")?),
                answerer: (row.try_get("answerer")?, row.try_get("answerer_name")?),
                approved: row.try_get::<i64, _>("approved")? == 1,
                reason: row.try_get("answer_reason")?,
            })
        })
        .transpose()?;
    let leaves: Option<String> = row.try_get("leaves")?;
    Ok(Export {
        // What cannot be read lets nothing out.
        leaves: leaves.and_then(|json| serde_json::from_str(&json).ok()),
        index: row.try_get::<i64, _>("idx")?.unsigned_abs(),
        at: Time::from_millis(row.try_get("at")?),
        asker: (row.try_get("asker")?, row.try_get("asker_name")?),
        what: row.try_get("what")?,
        recipient: row.try_get("recipient")?,
        reason: row.try_get("reason")?,
        answer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn asked(answer: Option<(&str, bool, i64)>) -> Export {
        Export {
            index: 7,
            at: Time::from_millis(0),
            asker: ("rita".into(), "Rita".into()),
            what: "ward ICU, 2026".into(),
            recipient: "the registry".into(),
            reason: "yearly report".into(),
            leaves: None,
            answer: answer.map(|(who, approved, hour)| Answer {
                index: 8,
                at: Time::from_millis(hour * HOUR),
                answerer: (who.into(), who.into()),
                approved,
                reason: String::new(),
            }),
        }
    }

    fn leave(answer: Option<(&str, bool, i64)>, hour: i64) -> Result<Time, NoLeave> {
        let now = Time::from_millis(hour * HOUR);
        let leave = asked(answer).leave(&ExportLimits::default(), now);
        leave.map(|leave| leave.until)
    }

    #[test]
    fn it_takes_another_person_and_lasts_a_day() {
        assert_eq!(leave(None, 1), Err(NoLeave::Unanswered));
        assert_eq!(leave(None, 24 * 8), Err(NoLeave::Lapsed));
        assert_eq!(leave(Some(("tomas", false, 2)), 3), Err(NoLeave::Refused));
        assert_eq!(leave(Some(("rita", true, 2)), 3), Err(NoLeave::Unanswered));
        let until = Time::from_millis(26 * HOUR);
        assert_eq!(leave(Some(("tomas", true, 2)), 3), Ok(until));
        assert_eq!(leave(Some(("tomas", true, 2)), 26), Err(NoLeave::Lapsed));
        assert_eq!(
            leave(Some(("tomas", true, 24 * 8)), 24 * 8),
            Err(NoLeave::Lapsed)
        );
    }

    #[test]
    fn an_agreement_lets_out_what_it_says_and_nothing_else() {
        let agreed = |what: &str, leaves: Option<Leaves>| {
            let export = Export {
                what: what.into(),
                leaves,
                ..asked(Some(("tomas", true, 2)))
            };
            let now = Time::from_millis(3 * HOUR);
            export.leave(&ExportLimits::default(), now).unwrap()
        };
        let study = agreed(
            "all charts",
            Some(Leaves::Study {
                study: "1.2".into(),
            }),
        );
        assert_eq!(study.charts(), Err(NoLeave::Other));
        assert!(study.lets_study("1.2") && !study.lets_study("1.2.3"));
        let charts = agreed("the study 1.2", Some(Leaves::Charts));
        assert_eq!(charts.charts(), Ok(&Leaves::Charts));
        assert!(!charts.lets_study("1.2"), "the words do not count");
        let old = agreed("all charts and 1.2", None);
        assert_eq!(old.charts(), Err(NoLeave::Unsaid));
        assert!(old.lets_study("1.2") && !old.lets_study("1.3"));
        assert_eq!(old.export.command(), None);
        let command = study.export.command().unwrap();
        assert!(command.starts_with("salus deidentify --study 1.2 --agreed 7 "));
        let command = charts.export.command().unwrap();
        assert!(command.starts_with("salus export --deidentify --agreed 7 "));
    }
}
