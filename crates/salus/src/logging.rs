//! The program's log: one line an entry, whatever is in its fields.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// How entries are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// One JSON object a line (RFC 8259), for programs.
    Json,
    /// One line of words, for people.
    #[default]
    Text,
}

/// Begins the log on standard error; it never carries patient data. `filter`: levels by room.
pub(crate) fn begin(filter: &str, format: LogFormat) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(move || OneLine(io::stderr(), format));
    match format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log.init(),
    }
    // The words of a panic may quote a patient: the place where it was tells enough.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        tracing::error!(%place, "a fault of the program: it panicked");
    }));
}

/// A writer that takes one entry at a time and leaves it one line.
///
/// INVARIANT: the subscriber hands over each entry whole, with one line feed at its end; whatever
/// else would end a line, move a cursor or turn the direction of writing came in with a field.
struct OneLine<W>(W, LogFormat);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(entry);
        let line = escaped(text.strip_suffix('\n').unwrap_or(&text), self.1);
        self.0.write_all(format!("{line}\n").as_bytes())?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// `\n`, `\u{1b}` and the like in place of what is no letter of a line; in JSON as its strings have it.
fn escaped(text: &str, format: LogFormat) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match (acts(letter), format) {
            (false, _) => out.push(letter),
            (true, LogFormat::Text) => out.extend(letter.escape_default()),
            (true, LogFormat::Json) => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
        }
    }
    out
}

/// Controls, ends of lines and of paragraphs, and marks that turn the direction of writing.
fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{61c}'
        )
        || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const HOSTILE: &str = "x\n2026-01-01T00:00:00Z  INFO salus: nothing happened\r\u{1b}[2J\u{2028}\u{202e}\u{0}\u{85}";

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, entries: impl FnOnce()) -> Vec<String> {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || OneLine(writer.clone(), format));
        match format {
            LogFormat::Json => tracing::subscriber::with_default(log.json().finish(), entries),
            LogFormat::Text => tracing::subscriber::with_default(log.finish(), entries),
        }
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        text.split_terminator('\n').map(str::to_owned).collect()
    }

    fn hostile() {
        tracing::warn!(name = HOSTILE, shown = %HOSTILE, "{HOSTILE}");
        tracing::info!("the next entry");
    }

    #[test]
    fn an_entry_is_one_line_whatever_is_in_its_fields() {
        let lines = logged(LogFormat::Text, hostile);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(!lines.iter().flat_map(|line| line.chars()).any(acts));
        assert!(lines[0].contains("nothing happened"), "nothing is lost");
        assert!(lines[1].ends_with("the next entry"));
    }

    #[test]
    fn in_json_each_line_is_one_object_with_the_fields_as_they_were() {
        let lines = logged(LogFormat::Json, hostile);
        assert_eq!(lines.len(), 2, "{lines:?}");
        let told: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(told["level"], "WARN");
        assert_eq!(told["fields"]["name"], HOSTILE);
        assert_eq!(told["fields"]["message"], HOSTILE);
    }
}
