//! Who is on duty when, and whose own chart is which: what the house knows of its staff.

use std::collections::HashMap;

use jiff::civil::{DateTime, Weekday};
use serde::Deserialize;
use thiserror::Error;

/// Minutes of a week.
const WEEK: u32 = 7 * 24 * 60;

/// The rota: weekly hours of people, in the house's zone.
#[derive(Debug, Clone, Default)]
pub struct Rota(HashMap<String, Entry>);

#[derive(Debug, Clone, Default)]
struct Entry {
    /// (minute of the week, minutes); `None`: no hours are kept.
    shifts: Option<Vec<(u32, u32)>>,
    patient: Option<String>,
}

/// Why a rota cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the rota is wrong: {why}; write for instance `shifts = [\"mon 06:00-14:30\"]` under `[[person]]`"
)]
pub struct BadRota {
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    person: Vec<Person>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    account: String,
    shifts: Option<Vec<String>>,
    patient: Option<String>,
}

impl Rota {
    /// Reads `[[person]]` tables: `account`, `shifts` (`mon 06:00-14:30`; past midnight if the end
    /// is before the beginning) and `patient`, the id of the person's own Patient resource.
    ///
    /// # Errors
    /// [`BadRota`] says which line or shift is wrong.
    pub fn parse(text: &str) -> Result<Rota, BadRota> {
        let file: File = toml::from_str(text).map_err(|why| BadRota {
            why: why.to_string(),
        })?;
        let mut people = HashMap::new();
        for person in file.person {
            let shifts = match &person.shifts {
                None => None,
                Some(shifts) => Some(
                    shifts
                        .iter()
                        .map(|text| shift(text))
                        .collect::<Result<_, _>>()?,
                ),
            };
            let entry = Entry {
                shifts,
                patient: person.patient,
            };
            if people.insert(person.account.clone(), entry).is_some() {
                let why = format!("`{}` stands in it twice", person.account);
                return Err(BadRota { why });
            }
        }
        Ok(Rota(people))
    }

    /// Whether an account is on duty at a moment of the house's clock; `None`: nothing is kept.
    pub fn on_shift(&self, account: &str, at: DateTime) -> Option<bool> {
        let shifts = self.0.get(account)?.shifts.as_ref()?;
        let day = u32::from(at.weekday().to_monday_zero_offset().unsigned_abs());
        let minute = clock(at.hour(), at.minute());
        let now = day * 24 * 60 + minute;
        Some(
            shifts
                .iter()
                .any(|(from, minutes)| (now + WEEK - from) % WEEK < *minutes),
        )
    }

    /// The id of somebody's own Patient resource.
    pub fn own_patient(&self, account: &str) -> Option<&str> {
        self.0.get(account)?.patient.as_deref()
    }
}

fn clock(hour: i8, minute: i8) -> u32 {
    u32::from(hour.unsigned_abs()) * 60 + u32::from(minute.unsigned_abs())
}

fn shift(text: &str) -> Result<(u32, u32), BadRota> {
    let bad = || BadRota {
        why: format!("`{text}` is no shift"),
    };
    let (day, hours) = text.trim().split_once(' ').ok_or_else(bad)?;
    let (from, to) = hours.trim().split_once('-').ok_or_else(bad)?;
    let day = weekday(day).ok_or_else(bad)?;
    let time = |text: &str| -> Option<u32> {
        let (hour, minute) = text.trim().split_once(':')?;
        let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let (from, to) = (time(from).ok_or_else(bad)?, time(to).ok_or_else(bad)?);
    let minutes = (to + 24 * 60 - from) % (24 * 60);
    let minutes = if minutes == 0 { 24 * 60 } else { minutes };
    let offset = u32::from(day.to_monday_zero_offset().unsigned_abs());
    Ok((offset * 24 * 60 + from, minutes))
}

fn weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const TEXT: &str = "
        [[person]]
        account = \"nora\"
        shifts = [\"mon 06:00-14:30\", \"sun 22:00-06:00\"]
        patient = \"p1\"
        [[person]]
        account = \"phil\"
        patient = \"p2\"
    ";

    #[test]
    fn a_shift_holds_from_its_first_minute_to_its_last_and_past_midnight() {
        let rota = Rota::parse(TEXT).unwrap();
        // 2026-11-23 is a Monday.
        let on =
            |day, hour, minute| rota.on_shift("nora", date(2026, 11, day).at(hour, minute, 0, 0));
        assert_eq!(on(23, 6, 0), Some(true));
        assert_eq!(on(23, 14, 29), Some(true));
        assert_eq!(on(23, 14, 30), Some(false));
        assert_eq!(on(22, 23, 0), Some(true));
        assert_eq!(on(23, 5, 59), Some(true));
        assert_eq!(on(24, 6, 0), Some(false));
    }

    #[test]
    fn who_has_no_hours_is_neither_on_nor_off() {
        let rota = Rota::parse(TEXT).unwrap();
        let noon = date(2026, 11, 23).at(12, 0, 0, 0);
        assert_eq!(rota.on_shift("phil", noon), None);
        assert_eq!(rota.on_shift("nobody", noon), None);
        assert_eq!(rota.own_patient("phil"), Some("p2"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            (
                "[[person]]\naccount = \"a\"\nshifts = [\"mo 6-7\"]",
                "`mo 6-7`",
            ),
            (
                "[[person]]\naccount = \"a\"\nshifts = [\"mon 06:00-25:00\"]",
                "25:00",
            ),
            (
                "[[person]]\naccount = \"a\"\n[[person]]\naccount = \"a\"",
                "twice",
            ),
            ("[[people]]", "people"),
        ] {
            let why = Rota::parse(text).unwrap_err().to_string();
            assert!(why.contains(part), "{why}");
        }
    }
}
