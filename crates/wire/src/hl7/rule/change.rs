use std::collections::BTreeMap;
use std::fmt;

use super::super::{Message, Value, ack};
use super::Path;
use super::draft::Draft;
use super::token::Tokens;

/// Tables by name: what stands there, and what stands there instead.
pub type Tables = BTreeMap<String, BTreeMap<String, String>>;

/// What is changed in a message: `set MSH-5 to "LAB"`, `copy PID-3.1 to PID-2.1`, `clear PID-19`,
/// `drop NTE`, `map PV1-3.1 by wards`, `map PV1-3.1 by wards else "X"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    written: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Set(Path, String),
    Copy { from: Path, to: Path },
    Clear(Path),
    Drop(Path),
    Map(Path, String, Option<String>),
}

impl Change {
    /// Reads a change.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn parse(written: &str) -> Result<Change, String> {
        let read = || {
            let mut tokens = Tokens::of(written)?;
            let what = what(&mut tokens)?;
            tokens.end()?;
            allowed(&what)?;
            Ok(what)
        };
        let what = read().map_err(|why: String| format!("`{written}`: {why}"))?;
        Ok(Change {
            written: written.to_owned(),
            what,
        })
    }

    /// The table it needs.
    pub fn table(&self) -> Option<&str> {
        match &self.what {
            What::Map(_, table, _) => Some(table),
            What::Set(..) | What::Copy { .. } | What::Clear(_) | What::Drop(_) => None,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn what(tokens: &mut Tokens) -> Result<What, String> {
    let verb = tokens.word("what to do")?;
    let place = |tokens: &mut Tokens| Path::field(&tokens.word("a place in a message")?);
    match verb.as_str() {
        "set" => {
            let path = place(tokens)?;
            tokens.expect(&["to"])?;
            Ok(What::Set(path, tokens.text()?))
        }
        "copy" => {
            let from = place(tokens)?;
            tokens.expect(&["to"])?;
            let to = place(tokens)?;
            Ok(What::Copy { from, to })
        }
        "clear" => Ok(What::Clear(place(tokens)?)),
        "drop" => {
            let path = Path::parse(&tokens.word("a segment")?)?;
            match path.field {
                0 => Ok(What::Drop(path)),
                _ => Err(format!("whole segments are dropped; write `clear {path}`")),
            }
        }
        "map" => {
            let path = place(tokens)?;
            tokens.expect(&["by"])?;
            let table = tokens.word("the name of a table")?;
            let otherwise = tokens.has("else").then(|| tokens.text()).transpose()?;
            Ok(What::Map(path, table, otherwise))
        }
        _ => Err(format!(
            "`{verb}` is nothing that can be done; there are `set`, `copy`, `clear`, `drop` and `map`"
        )),
    }
}

/// Some things make a message another one, or none.
fn allowed(what: &What) -> Result<(), String> {
    let path = match what {
        What::Drop(path) if path.segment == "MSH" => {
            return Err("without MSH it is no message".to_owned());
        }
        What::Drop(_) => return Ok(()),
        What::Copy { from, to } if from.depth() < to.depth() => {
            return Err(format!(
                "`{from}` may hold more than has room in `{to}`; name a part of it"
            ));
        }
        What::Copy { from, .. } if from.segment == "MSH" && from.field < 3 => {
            return Err(format!("`{from}` holds the separators, which are no text"));
        }
        What::Set(path, _)
        | What::Copy { to: path, .. }
        | What::Clear(path)
        | What::Map(path, ..) => path,
    };
    let header = matches!(path.segment.as_str(), "MSH" | "BHS" | "FHS");
    match path.field {
        1 | 2 if header => Err(format!(
            "`{path}` holds the separators, which stay as they are"
        )),
        10 if path.segment == "MSH" => Err(
            "MSH-10 stays as it is: by it a receiver tells a message that comes twice".to_owned(),
        ),
        // The set the bytes are in is the sender's affair.
        18 if path.segment == "MSH" => {
            Err("MSH-18 stays as it is: the text is sent in the set it came in".to_owned())
        }
        _ => Ok(()),
    }
}

/// The message with these changes, one after the other, in the character set it came in. Without
/// changes it is what was received, byte for byte.
///
/// # Errors
/// In words, why the message cannot be changed so: it cannot be read as a whole or in its character
/// set, or it has no separator for what a change needs.
pub fn change(
    message: &Message<'_>,
    changes: &[Change],
    tables: &Tables,
) -> Result<Vec<u8>, String> {
    if let Some(fault) = message.fault() {
        return Err(fault.to_string());
    }
    if changes.is_empty() {
        return Ok(message.raw().to_vec());
    }
    let mut draft = Draft::of(message);
    for change in changes {
        carry_out(&mut draft, (message, tables), &change.what)?;
    }
    let out = draft.written();
    if message.charset().before_dividing() && std::str::from_utf8(&out).is_err() {
        return Err("some of it means nothing in its character set".to_owned());
    }
    Ok(ack::in_its_charset(message, out))
}

fn carry_out(
    draft: &mut Draft<'_>,
    (message, tables): (&Message<'_>, &Tables),
    what: &What,
) -> Result<(), String> {
    match what {
        What::Set(path, text) => {
            let text = ack::words_of(message, text);
            draft.each(path, &mut |_| Some(text.clone()))
        }
        What::Clear(path) => draft.each(path, &mut |_| Some(Vec::new())),
        What::Copy { from, to } => draft.copy(from, to),
        What::Drop(path) => {
            draft.drop(path);
            Ok(())
        }
        What::Map(path, table, otherwise) => {
            let Some(table) = tables.get(table) else {
                return Err(format!("there is no table `{table}`"));
            };
            // What a condition compares is what is mapped: the first of a place that is divided.
            let first = path.first(message.rules.separators.subcomponent.is_some());
            draft.each(&first, &mut |there| {
                let said = match draft_text(message, there) {
                    Value::Text(text) => text.into_owned(),
                    Value::Absent | Value::Null => return None,
                    Value::Undecoded(_) => String::new(),
                };
                let instead = table.get(&said).or(otherwise.as_ref())?;
                Some(ack::words_of(message, instead))
            })
        }
    }
}

fn draft_text<'b>(message: &Message<'_>, there: &'b [u8]) -> Value<'b> {
    super::super::Part::field(Some(there), message.rules).text()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
