//! One message, read: RFC 5424, and what RFC 3164 found in the wild.

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The highest priority: facility 23, severity 7.
const PRIORITY_MAX: u16 = 191;
/// The farthest that a time without a year may lie ahead of when it came, in milliseconds.
const AHEAD_MAX_MS: i64 = 7 * 24 * 3_600_000;
/// The longest tag of RFC 3164 is 32; systems write longer ones.
const TAG_BYTES_MAX: usize = 128;

/// A message of a system, as far as it can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Facility times eight plus severity.
    pub priority: u16,
    /// It is written as RFC 5424 wants; else as RFC 3164 describes.
    pub is_5424: bool,
    /// When it was written, in milliseconds since 1970, as its sender says.
    pub at: Option<i64>,
    /// The sender's name, as it says.
    pub host: Option<String>,
    /// The program (APP-NAME, or the TAG without its process).
    pub app: Option<String>,
    /// The process (PROCID).
    pub process: Option<String>,
    /// The kind of message (MSGID).
    pub kind: Option<String>,
    /// Where the text begins.
    pub text: usize,
}

impl Entry {
    /// How grave it is: 0 is an emergency, 7 is for debugging.
    #[must_use]
    pub const fn severity(&self) -> u16 {
        self.priority % 8
    }

    /// What kind of system speaks (RFC 5424 table 1).
    #[must_use]
    pub const fn facility(&self) -> u16 {
        self.priority / 8
    }
}

/// Reads a message that came at `near` (milliseconds since 1970); a time without a year or an
/// offset is the one nearest to that, in `zone`.
///
/// # Errors
/// In words, if it is no message of syslog; its bytes are what they are all the same.
pub fn read(bytes: &[u8], (near, zone): (i64, &TimeZone)) -> Result<Entry, &'static str> {
    let (priority, at) =
        priority(bytes).ok_or("it does not begin with a priority, `<0>` to `<191>`")?;
    let rest = bytes.get(at..).unwrap_or_default();
    let mut entry = match rest.strip_prefix(b"1 ") {
        Some(_) => new(bytes, at + 2)?,
        None => old(bytes, at, (near, zone)),
    };
    entry.priority = priority;
    Ok(entry)
}

fn priority(bytes: &[u8]) -> Option<(u16, usize)> {
    let inner = bytes.strip_prefix(b"<")?;
    let end = inner.iter().take(4).position(|byte| *byte == b'>')?;
    let digits = inner.get(..end)?;
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    let number: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number <= PRIORITY_MAX).then_some((number, end + 2))
}

/// RFC 5424 section 6, behind the version.
fn new(bytes: &[u8], start: usize) -> Result<Entry, &'static str> {
    let mut place = start;
    let mut fields = [const { None }; 5];
    for field in &mut fields {
        let (text, after) = word(bytes, place);
        if text.is_empty() {
            return Err("the header of RFC 5424 is not complete");
        }
        *field = (text != b"-").then(|| String::from_utf8_lossy(text).into_owned());
        place = after;
    }
    let [at, host, app, process, kind] = fields;
    let at = match at {
        Some(text) => Some(moment(&text).ok_or("its time is none of RFC 3339")?),
        None => None,
    };
    let text = structured(bytes, place).ok_or("its structured data does not end")?;
    Ok(Entry {
        is_5424: true,
        at,
        host,
        app,
        process,
        kind,
        text,
        ..Entry::default()
    })
}

/// Where the text begins behind the structured data; `None`: it does not end.
fn structured(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    let mut place = match rest.first()? {
        b'-' => start + 1,
        b'[' => start + elements(rest)?,
        _ => return None,
    };
    match bytes.get(place) {
        None => {}
        Some(b' ') => place += 1,
        Some(_) => return None,
    }
    let bom = bytes
        .get(place..)
        .is_some_and(|text| text.starts_with(b"\xef\xbb\xbf"));
    Some(if bom { place + 3 } else { place })
}

/// How long the elements are that stand first: `[id name="value" ...][...]`.
fn elements(bytes: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped, mut open) = (false, false, false);
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if open => quoted = !quoted,
            _ if quoted => {}
            b'[' if !open => open = true,
            b']' if open => open = false,
            _ if !open => return Some(place),
            _ => {}
        }
    }
    (!open).then_some(bytes.len())
}

/// RFC 3164 section 4: what of it is there. Nothing of it has to be.
fn old(bytes: &[u8], start: usize, (near, zone): (i64, &TimeZone)) -> Entry {
    let (at, mut place) = time(bytes, start, (near, zone));
    let mut host = None;
    if at.is_some() {
        let (text, after) = word(bytes, place);
        // A word that ends in a colon is a tag: some systems leave their name out.
        if !text.is_empty() && !text.ends_with(b":") && !text.contains(&b'[') {
            host = Some(String::from_utf8_lossy(text).into_owned());
            place = after;
        }
    }
    let (app, process, text) = tag(bytes, place);
    Entry {
        at,
        host,
        app,
        process,
        text,
        ..Entry::default()
    }
}

/// `TAG[process]: `, and where the text begins.
fn tag(bytes: &[u8], start: usize) -> (Option<String>, Option<String>, usize) {
    let rest = bytes.get(start..).unwrap_or_default();
    let looked = rest.get(..TAG_BYTES_MAX).unwrap_or(rest);
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b':' | b'[');
    let end = looked.iter().position(|byte| !plain(byte));
    let Some(end) = end.filter(|end| *end > 0) else {
        return (None, None, start);
    };
    let name = looked.get(..end).unwrap_or_default();
    let name = String::from_utf8_lossy(name).into_owned();
    let behind = looked.get(end..).unwrap_or_default();
    let (process, colon) = match behind.strip_prefix(b"[") {
        Some(inner) => match inner.iter().position(|byte| *byte == b']') {
            Some(close) => {
                let process = inner.get(..close).unwrap_or_default();
                (
                    Some(String::from_utf8_lossy(process).into_owned()),
                    end + close + 2,
                )
            }
            None => return (None, None, start),
        },
        None => (None, end),
    };
    match looked.get(colon) {
        Some(b':') => {
            let blank = looked.get(colon + 1) == Some(&b' ');
            (Some(name), process, start + colon + 1 + usize::from(blank))
        }
        _ => (None, None, start),
    }
}

/// `Mmm dd hh:mm:ss`, or a time of RFC 3339, and what follows it.
fn time(bytes: &[u8], start: usize, (near, zone): (i64, &TimeZone)) -> (Option<i64>, usize) {
    let (first, after) = word(bytes, start);
    if let Some(at) = std::str::from_utf8(first).ok().and_then(moment) {
        return (Some(at), after);
    }
    let text = bytes
        .get(start..start + 15)
        .and_then(|text| std::str::from_utf8(text).ok());
    let Some(at) = text.and_then(|text| without_year(text, (near, zone))) else {
        return (None, start);
    };
    let blank = bytes.get(start + 15) == Some(&b' ');
    (Some(at), start + 15 + usize::from(blank))
}

fn without_year(text: &str, (near, zone): (i64, &TimeZone)) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = MONTHS.iter().position(|name| text.get(..3) == Some(name))?;
    let number = |range: std::ops::Range<usize>| text.get(range)?.trim_start().parse::<i8>().ok();
    let (day, hour) = (number(4..6)?, number(7..9)?);
    let (minute, second) = (number(10..12)?, number(13..15)?);
    let marks = text.bytes().enumerate();
    let marked = marks.filter(|(place, _)| matches!(place, 3 | 6 | 9 | 12));
    if !marked.map(|(_, byte)| byte).eq(*b"  ::") {
        return None;
    }
    let here = jiff::Timestamp::from_millisecond(near).ok()?;
    let year = here.to_zoned(zone.clone()).year();
    let of = |year: i16| {
        let date = Date::new(year, i8::try_from(month).ok()? + 1, day).ok()?;
        let local = date.to_datetime(jiff::civil::Time::new(hour, minute, second, 0).ok()?);
        let there = zone.to_ambiguous_zoned(local).compatible().ok()?;
        Some(there.timestamp().as_millisecond())
    };
    // It was written shortly before it came: of the years, the last that is not far ahead.
    let years = [year.saturating_add(1), year, year.saturating_sub(1)];
    let mut found = years.into_iter().filter_map(of);
    found.find(|at| at.saturating_sub(near) <= AHEAD_MAX_MS)
}

/// A time of RFC 3339, in milliseconds since 1970.
pub(crate) fn moment(text: &str) -> Option<i64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(at.as_millisecond())
}

/// What stands up to the next blank, and where it goes on behind that.
fn word(bytes: &[u8], start: usize) -> (&[u8], usize) {
    let rest = bytes.get(start..).unwrap_or_default();
    match memchr::memchr(b' ', rest) {
        Some(end) => (rest.get(..end).unwrap_or_default(), start + end + 1),
        None => (rest, start + rest.len()),
    }
}

#[cfg(test)]
#[path = "read/tests.rs"]
mod tests;
