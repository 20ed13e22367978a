//! Numbers, moments and roles as a person would say them.

use event::{Role, Time};
use jiff::tz::TimeZone;

/// A moment, ready to be shown: never without its age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// RFC 3339, for `datetime`.
    pub iso: String,
    /// `14:03`
    pub clock: String,
    /// `14:03:22`
    pub exact: String,
    /// `2026-11-21`
    pub day: String,
    /// `4 min`
    pub age: String,
    /// Whether it was on the same day as the page was made.
    pub today: bool,
}

impl Stamp {
    /// `time` as seen at `eye.now` in `eye.zone`.
    pub(crate) fn new(time: Time, eye: &Eye) -> Stamp {
        let zoned = time.timestamp().to_zoned(eye.zone.clone());
        let today = eye.now.timestamp().to_zoned(eye.zone.clone()).date() == zoned.date();
        Stamp {
            iso: time.to_string(),
            clock: zoned.strftime("%H:%M").to_string(),
            exact: zoned.strftime("%H:%M:%S").to_string(),
            day: zoned.strftime("%Y-%m-%d").to_string(),
            age: span(eye.now.since(time)),
            today,
        }
    }

    /// `14:03` today, `2026-11-21 14:03` before.
    pub(crate) fn short(&self) -> String {
        if self.today {
            self.clock.clone()
        } else {
            format!("{} {}", self.day, self.clock)
        }
    }
}

/// From when and where a page is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Eye {
    /// The moment the page is made.
    pub now: Time,
    /// The zone in which it shows times.
    pub zone: TimeZone,
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A length of time in milliseconds, as coarse as is useful: `4 s`, `12 min`, `3 h 5 min`, `2 days`.
pub(crate) fn span(millis: i64) -> String {
    let millis = millis.max(0);
    if millis < MINUTE {
        return format!("{} s", millis / SECOND);
    }
    if millis < HOUR {
        return format!("{} min", millis / MINUTE);
    }
    if millis < DAY {
        let minutes = millis % HOUR / MINUTE;
        return match minutes {
            0 => format!("{} h", millis / HOUR),
            _ => format!("{} h {minutes} min", millis / HOUR),
        };
    }
    match millis / DAY {
        1 => "1 day".to_owned(),
        days => format!("{} days", thousands(days.unsigned_abs())),
    }
}

/// `12,345`
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 patient`, `12 patients`, `no patients`
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    match number {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        _ => format!("{} {many}", thousands(number)),
    }
}

/// A value as it stands in the query of an address.
pub(crate) fn in_query(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A value as it stands in one segment of the path of an address.
pub(crate) fn in_path(value: &str) -> String {
    in_query(value).replace('/', "%2F")
}

/// `A, B and C`
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The words with a capital at the front.
pub(crate) fn capital(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(letters).collect()
}

/// The words as a sentence: a capital at the front, a full stop at the end.
pub(crate) fn sentence(words: &str) -> String {
    let mut out = capital(words);
    if out.is_empty() {
        return out;
    }
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

/// Quotes what messages put between backticks the way a page does.
pub(crate) fn quoted(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for (place, part) in message.split('`').enumerate() {
        match place {
            0 => {}
            odd if odd % 2 == 1 => out.push('\u{201c}'),
            _ => out.push('\u{201d}'),
        }
        out.push_str(part);
    }
    out
}

/// `MA` for `Maria Adler`.
pub(crate) fn initials(name: &str) -> String {
    name.split_whitespace()
        .filter_map(|word| word.chars().find(|letter| letter.is_alphabetic()))
        .take(2)
        .flat_map(char::to_uppercase)
        .collect()
}

/// What a role is called on a page.
pub(crate) const fn role(role: Role) -> &'static str {
    match role {
        Role::Administrator => "administrator",
        Role::Client => "system client",
        Role::Feed => "feed",
        Role::Nurse => "nurse",
        Role::Operator => "operator of this machine",
        Role::Physician => "physician",
        Role::PrivacyOfficer => "privacy officer",
        Role::Salus => "Salus itself",
    }
}

/// The moment that a FHIR `dateTime` with a time names; `None`: it names a day or less.
pub(crate) fn moment(fhir: &str) -> Option<Time> {
    let timestamp: jiff::Timestamp = fhir.parse().ok()?;
    Some(Time::from_millis(timestamp.as_millisecond()))
}

/// A FHIR `date` or `dateTime` for reading: `2026-11-21 14:03`, or the day, month or year alone.
pub(crate) fn written(fhir: &str, eye: &Eye) -> String {
    match moment(fhir) {
        Some(time) => {
            let stamp = Stamp::new(time, eye);
            format!("{} {}", stamp.day, stamp.clock)
        }
        None => fhir.to_owned(),
    }
}

/// Whole years between a FHIR date (`1950`, `1950-04`, `1950-04-12`) and now, if it can be told.
pub(crate) fn years_since(date: &str, eye: &Eye) -> Option<i32> {
    let mut parts = date.split('-').map(str::parse::<i32>);
    let year = parts.next()?.ok()?;
    let month = parts.next().and_then(Result::ok);
    let day = parts.next().and_then(Result::ok);
    let today = eye.now.timestamp().to_zoned(eye.zone.clone()).date();
    let had_birthday = match (month, day) {
        (Some(month), Some(day)) => {
            (i32::from(today.month()), i32::from(today.day())) >= (month, day)
        }
        (Some(month), None) => i32::from(today.month()) > month,
        (None, _) => true,
    };
    let years = i32::from(today.year()) - year - i32::from(!had_birthday);
    (0..150).contains(&years).then_some(years)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eye() -> Eye {
        Eye {
            now: Time::from_millis(1_700_000_000_000),
            zone: TimeZone::UTC,
        }
    }

    #[test]
    fn spans_are_as_coarse_as_is_useful() {
        let said: Vec<String> = [
            -5,
            4_200,
            12 * MINUTE,
            3 * HOUR,
            3 * HOUR + 5 * MINUTE,
            DAY,
            3 * DAY,
        ]
        .map(span)
        .to_vec();
        assert_eq!(
            said,
            [
                "0 s",
                "4 s",
                "12 min",
                "3 h",
                "3 h 5 min",
                "1 day",
                "3 days"
            ]
        );
    }

    #[test]
    fn counts_and_lists_read_as_speech() {
        assert_eq!(count(0, "patient", "patients"), "no patients");
        assert_eq!(count(1, "patient", "patients"), "1 patient");
        assert_eq!(count(1_234_567, "event", "events"), "1,234,567 events");
        assert_eq!(list(&["A".into(), "B".into(), "C".into()]), "A, B and C");
        assert_eq!(sentence("the lab is silent"), "The lab is silent.");
        assert_eq!(
            quoted("ward `ICU` has `7`"),
            "ward \u{201c}ICU\u{201d} has \u{201c}7\u{201d}"
        );
        assert_eq!(initials("Maria van Adler"), "MV");
    }

    #[test]
    fn a_stamp_says_the_day_only_when_it_is_not_today() {
        let now = Stamp::new(Time::from_millis(1_699_999_000_000), &eye());
        assert_eq!(
            (now.short().as_str(), now.age.as_str()),
            ("21:56", "16 min")
        );
        let old = Stamp::new(Time::from_millis(1_690_000_000_000), &eye());
        assert_eq!(old.short(), "2023-07-22 04:26");
    }

    #[test]
    fn senders_times_are_shown_in_our_zone_and_partial_ones_as_they_are() {
        assert_eq!(
            written("2023-11-14T23:13:20+01:00", &eye()),
            "2023-11-14 22:13"
        );
        assert_eq!(written("2023-11", &eye()), "2023-11");
        assert_eq!(moment("2023-11-14"), None);
    }

    #[test]
    fn ages_count_birthdays_and_bear_partial_dates() {
        assert_eq!(years_since("1950-11-14", &eye()), Some(73));
        assert_eq!(years_since("1950-11-15", &eye()), Some(72));
        assert_eq!(years_since("1950", &eye()), Some(73));
        assert_eq!(years_since("soon", &eye()), None);
        assert_eq!(years_since("2950", &eye()), None);
    }
}
