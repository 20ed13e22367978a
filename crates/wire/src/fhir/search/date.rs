//! Dates of any precision as spans of time.

/// A stretch of time in milliseconds since 1970 UTC: `lo_ms <= t < hi_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first millisecond in it; `i64::MIN` when open.
    pub lo_ms: i64,
    /// The first millisecond after it; `i64::MAX` when open.
    pub hi_ms: i64,
}

const DAY_MS: i64 = 86_400_000;

/// The span a date covers: `2020` the year, `2020-02-01T10:30Z` the minute. Takes the forms of R4
/// `date`, `dateTime` and `instant`, and of search values (minutes without seconds, no zone).
/// Without a zone the time counts as UTC.
#[must_use]
pub fn span_of(text: &str) -> Option<Span> {
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let mut parts = day.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts
        .next()
        .map(|m| digits(m, 2))
        .map_or(Some(None), |m| m.map(Some))?;
    let date = parts
        .next()
        .map(|d| digits(d, 2))
        .map_or(Some(None), |d| d.map(Some))?;
    if parts.next().is_some() || year == 0 {
        return None;
    }
    match (month, date, time) {
        (None, None, None) => days(epoch_day(year, 1, 1)?, epoch_day(year + 1, 1, 1)?),
        (Some(month), None, None) => {
            let (next_year, next) = if month == 12 {
                (year + 1, 1)
            } else {
                (year, month + 1)
            };
            days(epoch_day(year, month, 1)?, epoch_day(next_year, next, 1)?)
        }
        (Some(month), Some(date), None) => {
            let day = epoch_day(year, month, date)?;
            days(day, day + 1)
        }
        (Some(month), Some(date), Some(time)) => time_span(epoch_day(year, month, date)?, time),
        _ => None,
    }
}

fn days(lo: i64, hi: i64) -> Option<Span> {
    Some(Span {
        lo_ms: lo * DAY_MS,
        hi_ms: hi * DAY_MS,
    })
}

/// Days since 1970-01-01 in the Gregorian calendar; `None` when there is no such day.
fn epoch_day(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Count from 1 March, so that the leap day is the last of its year.
    let (y, m) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let (era, in_era) = (y.div_euclid(400), y.rem_euclid(400));
    let day_of_year = (153 * m + 2) / 5 + day - 1;
    Some(era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + day_of_year - 719_468)
}

fn time_span(day: i64, text: &str) -> Option<Span> {
    let (clock, offset_ms) = zone(text)?;
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2).filter(|h| *h < 24)?;
    let minute = digits(parts.next()?, 2).filter(|m| *m < 60)?;
    let lo = day * DAY_MS + (hour * 60 + minute) * 60_000 - offset_ms;
    let Some(seconds) = parts.next() else {
        return Some(Span {
            lo_ms: lo,
            hi_ms: lo + 60_000,
        });
    };
    if parts.next().is_some() {
        return None;
    }
    let (whole, fraction) = seconds
        .split_once('.')
        .map_or((seconds, None), |(w, f)| (w, Some(f)));
    // A leap second counts with the one before it.
    let second = digits(whole, 2).filter(|s| *s <= 60)?.min(59);
    let lo = lo + second * 1000;
    match fraction {
        None => Some(Span {
            lo_ms: lo,
            hi_ms: lo + 1000,
        }),
        Some(f) => {
            let (ms, width) = fraction_ms(f)?;
            Some(Span {
                lo_ms: lo + ms,
                hi_ms: lo + ms + width,
            })
        }
    }
}

/// `.5` is 500 ms and covers 100; beyond three digits a millisecond is the finest.
fn fraction_ms(text: &str) -> Option<(i64, i64)> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kept = text.get(..3).unwrap_or(text);
    let width = match kept.len() {
        1 => 100,
        2 => 10,
        _ => 1,
    };
    Some((kept.parse::<i64>().ok()? * width, width))
}

/// Splits the zone off: the clock and the offset from UTC.
fn zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some(at) = text.find(['+', '-']) else {
        return Some((text, 0));
    };
    let (clock, zone) = text.split_at_checked(at)?;
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hour, minute) = zone.get(1..)?.split_once(':')?;
    let hour = digits(hour, 2).filter(|h| *h <= 14)?;
    let minute = digits(minute, 2).filter(|m| *m < 60)?;
    Some((clock, sign * (hour * 60 + minute) * 60_000))
}

fn digits(text: &str, length: usize) -> Option<i64> {
    if text.len() != length || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> (i64, i64) {
        let s = span_of(text).unwrap();
        (s.lo_ms, s.hi_ms)
    }

    #[test]
    fn a_date_covers_what_its_precision_leaves_open() {
        assert_eq!(span("1970"), (0, 365 * DAY_MS));
        assert_eq!(span("1970-02"), (31 * DAY_MS, 59 * DAY_MS));
        assert_eq!(span("1970-12"), (334 * DAY_MS, 365 * DAY_MS));
        assert_eq!(span("2000-02-29"), (11_016 * DAY_MS, 11_017 * DAY_MS));
        assert_eq!(span("1970-01-01T00:01Z"), (60_000, 120_000));
        assert_eq!(span("1970-01-01T00:00:01"), (1000, 2000));
        assert_eq!(span("1970-01-01T00:00:01.5Z"), (1500, 1600));
        assert_eq!(span("1970-01-01T00:00:01.123456Z"), (1123, 1124));
        assert_eq!(span("1970-01-01T01:00:00+01:00"), (0, 1000));
        assert_eq!(span("1969-12-31T23:00:00-01:00"), (0, 1000));
        assert_eq!(span("1969-12-31"), (-DAY_MS, 0));
    }

    #[test]
    fn what_is_no_date_has_no_span() {
        for text in [
            "",
            "0000",
            "197",
            "1970-13",
            "1970-02-30",
            "1900-02-29",
            "1970-1-1",
            "1970-01-01T",
            "1970-01-01T25:00Z",
            "1970-01-01T10:00:00+15:00",
            "1970-01T10:00Z",
            "1970-01-01T10:00:61Z",
            "1970-01-01T10:00:00.Z",
            "+970",
            "1970-01-01-01",
            "1970-01-01T10:00:00+0100",
            "٣٤٥٦",
        ] {
            assert_eq!(span_of(text), None, "{text}");
        }
    }
}
