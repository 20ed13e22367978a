//! The fields of one line, as a form sends them.

use event::{Line, LineKind};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use lifeline::Lifeline;

use crate::pages::visit::Fields;

/// What was typed into one row; kept as it was typed so that a form with a mistake shows it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    pub row: u16,
    pub day: String,
    pub time: String,
    pub kind: String,
    pub what: String,
    pub value: String,
    pub unit: String,
    pub by: String,
    pub wrong: Option<String>,
}

impl Typed {
    /// The fields whose names end with the number of the row.
    pub(crate) fn of(fields: &Fields, row: u16) -> Typed {
        let get = |name: &str| fields.get(&format!("{name}{row}")).to_owned();
        Typed {
            row,
            day: get("day"),
            time: get("time"),
            kind: get("kind"),
            what: get("what"),
            value: get("value"),
            unit: get("unit"),
            by: get("by"),
            wrong: None,
        }
    }

    /// A line again, as a form shows it.
    pub(crate) fn from(line: &Line, zone: &TimeZone, row: u16) -> Typed {
        let moment: Option<jiff::Timestamp> = line.happened.parse().ok();
        let moment = moment.map(|moment| moment.to_zoned(zone.clone()));
        let said = |format: &str| {
            let said = moment
                .as_ref()
                .map(|moment| moment.strftime(format).to_string());
            said.unwrap_or_default()
        };
        Typed {
            row,
            day: said("%Y-%m-%d"),
            time: said("%H:%M"),
            kind: line.kind.word().to_owned(),
            what: line.what.clone(),
            value: line.value.clone(),
            unit: line.unit.clone(),
            by: line.by.clone(),
            wrong: None,
        }
    }

    /// Nobody wrote on this row.
    pub(crate) fn is_blank(&self) -> bool {
        [&self.what, &self.value, &self.time]
            .iter()
            .all(|one| one.is_empty())
    }

    /// The line, or what is wrong with it.
    pub(crate) fn line(&self, zone: &TimeZone) -> Result<Line, String> {
        let kind = LineKind::of(&self.kind).ok_or("choose what kind of line it is")?;
        let line = Line {
            kind,
            happened: moment(&self.day, &self.time, zone)?,
            what: self.what.clone(),
            value: self.value.clone(),
            unit: self.unit.clone(),
            by: self.by.clone(),
        };
        Lifeline::check(&line)?;
        Ok(line)
    }
}

/// `2026-11-21`, `14:03` in the zone of the house as a FHIR `dateTime`.
fn moment(day: &str, time: &str, zone: &TimeZone) -> Result<String, String> {
    let wrong = || format!("`{day} {time}` is no moment: type it as 2026-11-21 and 14:03");
    let civil: DateTime = format!("{day}T{time}:00").parse().map_err(|_| wrong())?;
    let zoned = civil.to_zoned(zone.clone()).map_err(|_| wrong())?;
    Ok(zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(day: &str, time: &str, kind: &str, what: &str, value: &str) -> Typed {
        Typed {
            row: 1,
            day: day.into(),
            time: time.into(),
            kind: kind.into(),
            what: what.into(),
            value: value.into(),
            ..Typed::default()
        }
    }

    #[test]
    fn a_line_is_when_the_house_says_it_was() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let line = typed("2026-11-21", "09:05", "vital", "Pulse", "88")
            .line(&zone)
            .unwrap();
        assert_eq!(line.happened, "2026-11-21T09:05:00+01:00");
        assert_eq!(Typed::from(&line, &zone, 1).time, "09:05");
    }

    #[test]
    fn what_cannot_be_right_is_said_before_it_is_sealed() {
        let zone = TimeZone::UTC;
        for (wrong, says) in [
            (
                typed("2026-11-31", "09:05", "vital", "Pulse", "88"),
                "no moment",
            ),
            (typed("2026-11-21", "", "vital", "Pulse", "88"), "no moment"),
            (typed("2026-11-21", "09:05", "", "Pulse", "88"), "what kind"),
            (
                typed("2026-11-21", "09:05", "vital", "", "88"),
                "what it was",
            ),
            (
                typed("2026-11-21", "09:05", "vital", "Pulse", "high"),
                "no measured value",
            ),
        ] {
            let said = wrong.line(&zone).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
        assert!(Typed::default().is_blank());
    }
}
