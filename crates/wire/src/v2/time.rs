//! HL7 times (DTM, TS, DT, TM) as FHIR writes them, with the precision they came with.

use std::fmt::Write;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

/// A time as FHIR writes it, and what was done to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// `2024`, `2024-05`, `2024-05-06` or `2024-05-06T07:08:09+02:00`.
    pub(super) text: String,
    /// What of it is not in the original.
    pub(super) source: Source,
}

/// Where the parts of a [`Moment`] come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Everything stands in the original.
    Said,
    /// Seconds, minutes or the offset were supplied: the original is worth keeping.
    Supplied,
    /// As before, and the clocks passed this hour twice: it was read as the first.
    Twice,
    /// As before, and the clocks leapt over this hour: it was read by the offset before the leap.
    Never,
}

impl Moment {
    /// The day, without the time on it.
    pub(super) fn day(&self) -> &str {
        self.text.get(..10).unwrap_or(&self.text)
    }

    /// Whether it has a time of day.
    pub(super) fn has_clock(&self) -> bool {
        self.text.len() > 10
    }
}

/// The zone of that IANA name, from the rules that are built in.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// Reads `YYYY[MM[DD[HH[MM[SS[.S...]]]]]][+/-ZZZZ]`. `None`: it is no time.
///
/// Without an offset the zone's is taken. Without a zone only the day can be told.
pub(super) fn moment(text: &str, zone: Option<&TimeZone>) -> Option<Moment> {
    let (digits, offset) = split_offset(text)?;
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) if whole.len() == 14 => (whole, Some(checked_fraction(fraction)?)),
        Some(_) => return None,
        None => (digits, None),
    };
    if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match whole.len() {
        4 | 6 | 8 => day(whole),
        10 | 12 | 14 => clock(
            Parts {
                whole,
                fraction,
                offset,
            },
            zone,
        ),
        _ => None,
    }
}

/// A time of ours, that many minutes later, with the same offset. `None`: it has no time of day.
pub(super) fn later(text: &str, minutes: i64) -> Option<String> {
    let at: jiff::Timestamp = text.parse().ok()?;
    let after = at
        .checked_add(jiff::SignedDuration::from_mins(minutes))
        .ok()?;
    let sign = text.get(10..)?.rfind(['+', '-'])?;
    let offset = text.get(10 + sign..)?;
    let (_, offset) = split_offset(&offset.replace(':', ""))?;
    let offset = offset?;
    let moved = after.to_zoned(TimeZone::fixed(offset));
    let mut out = moved.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    write_offset(&mut out, offset)?;
    Some(out)
}

/// Reads `HH[MM[SS[.S...]]]`; an offset is left out, a FHIR time has none.
pub(super) fn time_of_day(text: &str) -> Option<String> {
    let (digits, _) = match text.find(['+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) if whole.len() == 6 => (whole, Some(checked_fraction(fraction)?)),
        Some(_) => return None,
        None => (digits, None),
    };
    if !matches!(whole.len(), 2 | 4 | 6) || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    time(whole)?;
    let mut out = String::with_capacity(16);
    write_clock(&mut out, whole, fraction);
    Some(out)
}

struct Parts<'t> {
    whole: &'t str,
    fraction: Option<&'t str>,
    offset: Option<Offset>,
}

fn split_offset(text: &str) -> Option<(&str, Option<Offset>)> {
    let Some(at) = text.find(['+', '-']) else {
        return Some((text, None));
    };
    let (digits, offset) = text.split_at(at);
    let (hours, minutes) = (number(offset.get(1..3)?)?, number(offset.get(3..5)?)?);
    if offset.len() != 5 || minutes > 59 || hours > 14 || (hours == 14 && minutes > 0) {
        return None;
    }
    let minutes = hours * 60 + minutes;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let offset = Offset::from_seconds(sign * i32::from(minutes) * 60).ok()?;
    Some((digits, Some(offset)))
}

fn day(whole: &str) -> Option<Moment> {
    date(whole)?;
    let mut text = String::with_capacity(10);
    write_date(&mut text, whole);
    Some(Moment {
        text,
        source: Source::Said,
    })
}

fn clock(parts: Parts<'_>, zone: Option<&TimeZone>) -> Option<Moment> {
    let date = date(parts.whole.get(..8)?)?;
    let time = time(parts.whole.get(8..)?)?;
    let (offset, mut source) = match (parts.offset, zone) {
        (Some(offset), _) => (offset, Source::Said),
        (None, Some(zone)) => in_zone(zone, DateTime::from_parts(date, time)),
        (None, None) => {
            let mut moment = day(parts.whole.get(..8)?)?;
            moment.source = Source::Supplied;
            return Some(moment);
        }
    };
    if parts.whole.len() < 14 && source == Source::Said {
        source = Source::Supplied;
    }
    let mut text = String::with_capacity(32);
    write_date(&mut text, parts.whole.get(..8)?);
    text.push('T');
    write_clock(&mut text, parts.whole.get(8..)?, parts.fraction);
    write_offset(&mut text, offset)?;
    Some(Moment { text, source })
}

/// The offset at that reading of the clock. Where the clocks were set, the offset before that.
fn in_zone(zone: &TimeZone, at: DateTime) -> (Offset, Source) {
    match zone.to_ambiguous_timestamp(at).offset() {
        AmbiguousOffset::Unambiguous { offset } => (offset, Source::Supplied),
        AmbiguousOffset::Gap { before, .. } => (before, Source::Never),
        AmbiguousOffset::Fold { before, .. } => (before, Source::Twice),
    }
}

/// 4, 6 or 8 digits that are on the calendar.
fn date(digits: &str) -> Option<Date> {
    let year = number(digits.get(..4)?)?;
    let month = digits.get(4..6).map_or(Some(1), number)?;
    let day = digits.get(6..8).map_or(Some(1), number)?;
    if year == 0 {
        return None;
    }
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// 2, 4 or 6 digits that are on the clock.
fn time(digits: &str) -> Option<Time> {
    let part =
        |range| -> Option<i8> { i8::try_from(digits.get(range).map_or(Some(0), number)?).ok() };
    Time::new(part(0..2)?, part(2..4)?, part(4..6)?, 0).ok()
}

fn number(digits: &str) -> Option<i16> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

fn checked_fraction(fraction: &str) -> Option<&str> {
    let plain =
        (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    plain.then_some(fraction)
}

fn write_date(out: &mut String, digits: &str) {
    for (at, range) in [(0, 0..4), (4, 4..6), (6, 6..8)] {
        if let Some(part) = digits.get(range) {
            out.push_str(if at == 0 { "" } else { "-" });
            out.push_str(part);
        }
    }
}

/// `HH:MM:SS` of 2, 4 or 6 digits that were checked; what is missing is zero.
fn write_clock(out: &mut String, digits: &str, fraction: Option<&str>) {
    out.push_str(digits.get(..2).unwrap_or("00"));
    for range in [2..4, 4..6] {
        out.push(':');
        out.push_str(digits.get(range).unwrap_or("00"));
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
}

/// FHIR offsets have no seconds; those of the time before standard time lose them.
fn write_offset(out: &mut String, offset: Offset) -> Option<()> {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Source)> {
        let zone = zone("Europe/Berlin");
        moment(text, zone.as_ref()).map(|moment| (moment.text, moment.source))
    }

    fn is(text: &str, expected: &str, source: Source) {
        assert_eq!(read(text), Some((expected.into(), source)), "{text}");
    }

    #[test]
    fn precision_is_kept() {
        is("2024", "2024", Source::Said);
        is("202405", "2024-05", Source::Said);
        is("20240506", "2024-05-06", Source::Said);
        is("20240506+0200", "2024-05-06", Source::Said);
        is(
            "20240506070809+0530",
            "2024-05-06T07:08:09+05:30",
            Source::Said,
        );
        is(
            "20240506070809.1200-0330",
            "2024-05-06T07:08:09.1200-03:30",
            Source::Said,
        );
    }

    #[test]
    fn an_offset_that_no_clock_has_is_no_moment() {
        for offset in [
            "+1401",
            "+9932767",
            "-0060",
            "+02000",
            "+020",
            "+02\u{e9}",
            "+",
        ] {
            assert_eq!(read(&format!("20240506070809{offset}")), None, "{offset}");
        }
        is(
            "20240506070809+1400",
            "2024-05-06T07:08:09+14:00",
            Source::Said,
        );
    }

    #[test]
    fn the_zone_says_what_the_text_does_not() {
        is(
            "20240506070809",
            "2024-05-06T07:08:09+02:00",
            Source::Supplied,
        );
        is(
            "202401060708",
            "2024-01-06T07:08:00+01:00",
            Source::Supplied,
        );
        is("2024010607", "2024-01-06T07:00:00+01:00", Source::Supplied);
        is(
            "202401060708+0000",
            "2024-01-06T07:08:00+00:00",
            Source::Supplied,
        );
    }

    #[test]
    fn the_hours_when_clocks_are_set() {
        is("20250330023000", "2025-03-30T02:30:00+01:00", Source::Never);
        is("20251026023000", "2025-10-26T02:30:00+02:00", Source::Twice);
        is(
            "20251026023000+0100",
            "2025-10-26T02:30:00+01:00",
            Source::Said,
        );
    }

    #[test]
    fn without_a_zone_only_the_day_is_known() {
        let moment = moment("20240506070809", None).unwrap();
        assert_eq!(
            (moment.text.as_str(), moment.has_clock()),
            ("2024-05-06", false)
        );
        assert!(zone("Mars/Olympus").is_none());
    }

    #[test]
    fn what_is_no_time() {
        for bad in [
            "",
            "19",
            "0000",
            "20241301",
            "20230229",
            "2024010625",
            "202401060760",
            "2024-01-06",
            "Aug 14, 2004",
            "20240106070809.",
            "20240106070809+1",
            "20240106070809+0260",
            "２０２４",
            "20240106070860",
            "+0100",
            "20240106070809+é000",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_of_day() {
        assert_eq!(time_of_day("0730").as_deref(), Some("07:30:00"));
        assert_eq!(time_of_day("073015.5+0100").as_deref(), Some("07:30:15.5"));
        assert_eq!(time_of_day("2500"), None);
        assert_eq!(time_of_day("7:30"), None);
    }
}
