//! Lines that are JSON objects. A name with dots is a member called so, or a way into members.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::{Format, Said};
use crate::syslog::moment;

/// Where the parts of a line stand; the first that is there counts.
struct Places {
    at: &'static [&'static str],
    host: &'static [&'static str],
    kind: &'static [&'static str],
}

const JSON: Places = Places {
    at: &["@timestamp", "timestamp", "time", "ts"],
    host: &["host.name", "hostname", "host"],
    kind: &["event_type", "type", "kind", "event.action"],
};
const WINDOWS: Places = Places {
    at: &[
        "@timestamp",
        "TimeCreated",
        "EventTime",
        // In two parts: the name of a clock of ours has no place in this room.
        concat!("Event.System.TimeCreated.#attributes.System", "Time"),
        UTC,
    ],
    host: &[
        "winlog.computer_name",
        "Hostname",
        "Computer",
        "Event.System.Computer",
        "host.name",
        "host",
    ],
    kind: &[
        "winlog.event_id",
        "EventID",
        "Event.System.EventID",
        "event.code",
    ],
};
const UTC: &str = "UtcTime";
const CHANNEL: &[&str] = &["winlog.channel", "Channel", "Event.System.Channel"];
const ZEEK: Places = Places {
    at: &["ts"],
    host: &["_system_name"],
    kind: &["_path"],
};
const SURICATA: Places = Places {
    at: &["timestamp"],
    host: &["host"],
    kind: &["event_type"],
};

/// `zone`: of times without an offset.
pub(super) fn read(format: Format, bytes: &[u8], zone: &TimeZone) -> Result<Said, &'static str> {
    let Ok(line) = serde_json::from_slice::<Map<String, Value>>(bytes) else {
        return Err("it is no JSON object");
    };
    let places = match format {
        Format::Windows | Format::Sysmon => WINDOWS,
        Format::Zeek => ZEEK,
        Format::Suricata => SURICATA,
        Format::Json | Format::Syslog | Format::Auditd | Format::Audit => JSON,
    };
    let kind = first(&line, places.kind).and_then(word);
    let kind = match (format, kind) {
        (Format::Windows | Format::Sysmon, None) => return Err("it has no event id of Windows"),
        (Format::Suricata, None) => return Err("it has no `event_type`"),
        (Format::Sysmon, Some(id)) => Some(format!("Sysmon/{id}")),
        (Format::Windows, Some(id)) => match first(&line, CHANNEL).and_then(word) {
            Some(channel) => Some(format!("{channel}/{id}")),
            None => Some(id),
        },
        (_, kind) => kind,
    };
    Ok(Said {
        at: at(&line, places.at, zone),
        host: first(&line, places.host).and_then(word),
        kind,
    })
}

fn at(line: &Map<String, Value>, names: &[&str], zone: &TimeZone) -> Option<i64> {
    let found = names
        .iter()
        .find_map(|name| Some((*name, member(line, name)?)));
    let (name, value) = found?;
    // Sysmon writes it in UTC, wherever it runs, and without an offset.
    match name == UTC {
        true => time(value, &TimeZone::UTC),
        false => time(value, zone),
    }
}

fn first<'l>(line: &'l Map<String, Value>, names: &[&str]) -> Option<&'l Value> {
    names.iter().find_map(|name| member(line, name))
}

fn member<'l>(line: &'l Map<String, Value>, name: &str) -> Option<&'l Value> {
    if let Some(found) = line.get(name) {
        return Some(found);
    }
    let (outer, inner) = name.split_once('.')?;
    member(line.get(outer)?.as_object()?, inner)
}

/// A string or a number; of an object the member `#text`, as XML turned into JSON has it.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(inner) => word(inner.get("#text")?),
        _ => None,
    }
}

/// A time of RFC 3339, one whose offset has no colon, one without an offset in a zone, or seconds or
/// milliseconds since 1970.
fn time(value: &Value, zone: &TimeZone) -> Option<i64> {
    match value {
        Value::String(text) => {
            let without_colon = || jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok();
            moment(text)
                .or_else(|| without_colon().map(jiff::Timestamp::as_millisecond))
                .or_else(|| local(text, zone))
        }
        Value::Number(number) => since_1970(&number.to_string()),
        _ => None,
    }
}

/// Of an hour that a change of the clocks brings twice, the first.
fn local(text: &str, zone: &TimeZone) -> Option<i64> {
    let read: DateTime = text.trim().parse().ok()?;
    let zoned = read.to_zoned(zone.clone()).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// Milliseconds out of decimal seconds, or out of what can only be milliseconds.
pub(super) fn since_1970(text: &str) -> Option<i64> {
    const MILLISECONDS_FROM: f64 = 100_000_000_000.0;
    let number: f64 = text.parse().ok()?;
    let millis = match number.abs() >= MILLISECONDS_FROM {
        true => number,
        false => number * 1_000.0,
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is held to what fits first"
    )]
    (millis.abs() < 9.0e15).then_some(millis.round() as i64)
}
