//! Which objects events name, and which lie in the vault that none names.

use std::collections::{HashMap, HashSet};

use event::{Body, Image, Resource, Stored, Unreadable};
use seal::Key;

use super::{OBJECTS, broken};
use crate::journal::Row;
use crate::keyring::Keyring;
use crate::read::{decompressor, plain};
use crate::sealed::Outcome;
use crate::vault::Vault;

/// What the header of an event that names objects has in it.
const MARKS: [&str; 2] = [r#""is":"image""#, r#""contents":["#];

/// An object, as a sealed event names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// The event.
    pub(crate) index: u64,
    /// The random name of its key.
    pub(crate) stream: [u8; 16],
    pub(crate) whole: Stored,
}

/// What some rows name.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    pub(crate) named: Vec<Named>,
    /// A row has a key and could not be read: nobody knows what it names.
    pub(crate) doubt: bool,
    /// Bytes of events that were held against their commitments for it.
    pub(crate) bytes: u64,
}

/// Reads what rows name. Rows of which the key is gone name nothing any more.
pub(crate) async fn naming(keyring: &Keyring, rows: Vec<Row>) -> Outcome<Naming> {
    let (mut keys, mut doubt) = (HashMap::new(), false);
    for row in &rows {
        if keys.contains_key(&row.stream) {
            continue;
        }
        match keyring.key(&row.stream).await {
            Ok(Some(key)) => drop(keys.insert(row.stream, key)),
            Ok(None) => {}
            Err(_) => doubt = true,
        }
    }
    let work = tokio::task::spawn_blocking(move || read(&rows, &keys));
    let mut naming = work.await.map_err(broken)??;
    naming.doubt |= doubt;
    Ok(naming)
}

fn read(rows: &[Row], keys: &HashMap<[u8; 16], Key>) -> Outcome<Naming> {
    let mut decompressor = decompressor()?;
    let mut naming = Naming::default();
    for row in rows {
        let Some(key) = keys.get(&row.stream) else {
            continue;
        };
        let Ok(plaintext) = plain(&mut decompressor, row, key) else {
            naming.doubt = true;
            continue;
        };
        naming.bytes += plaintext.len() as u64;
        match named_in(&plaintext) {
            Ok(all) => naming.named.extend(all.into_iter().map(|whole| Named {
                index: row.seq,
                stream: row.stream,
                whole,
            })),
            Err(_) => naming.doubt = true,
        }
    }
    Ok(naming)
}

/// Most events name none: their headers are not read for it. An event that this program cannot read,
/// such as one of a newer program, may name whatever there is.
fn named_in(plaintext: &[u8]) -> Result<Vec<Stored>, Unreadable> {
    let header = plaintext.split(|byte| *byte == b'\n').next();
    let header = String::from_utf8_lossy(header.unwrap_or_default());
    if !MARKS.iter().any(|mark| header.contains(mark)) {
        return Ok(Vec::new());
    }
    Ok(match event::decode(plaintext)?.body {
        Body::Image(Image { whole, .. }) => vec![whole],
        Body::Resource(Resource { contents, .. }) => {
            contents.into_iter().map(|content| content.whole).collect()
        }
        _ => Vec::new(),
    })
}

/// Objects of the vault, until an event is found that names them: so many as may be held at a time.
#[derive(Debug, Default)]
pub(crate) struct Unnamed {
    left: HashSet<String>,
    /// After which one the next are; `None`: these were the last.
    pub(crate) next: Option<String>,
}

impl Unnamed {
    /// The first `max` objects after one.
    pub(crate) async fn load(vault: &dyn Vault, after: &str, max: usize) -> Outcome<Unnamed> {
        let max = max.max(1);
        let names = vault.names(OBJECTS, after, max).await.map_err(broken)?;
        Ok(Unnamed {
            next: names.last().filter(|_| names.len() >= max).cloned(),
            left: names.into_iter().collect(),
        })
    }

    /// Leaves those that were stored on a day before one (`2026-09-21`); the next ones are not older.
    pub(crate) fn before(&mut self, day: &str) {
        let limit = format!("{OBJECTS}/{day}");
        self.left.retain(|path| *path < limit);
        if self.next.as_ref().is_some_and(|next| *next >= limit) {
            self.next = None;
        }
    }

    /// Takes out those that are named.
    pub(crate) fn strike(&mut self, naming: &Naming) {
        for one in &naming.named {
            self.left.remove(&one.whole.path);
        }
    }

    /// Those that no event was found to name, in their order.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut left: Vec<String> = self.left.iter().cloned().collect();
        left.sort_unstable();
        left
    }
}

#[cfg(test)]
mod tests {
    use event::{Act, Actor, Content, Event, Subject};

    use super::*;

    #[test]
    fn every_content_of_a_resource_is_named() {
        let named = |path: &str| Stored {
            path: path.to_owned(),
            ..Stored::default()
        };
        let content = |path: &str| Content {
            whole: named(path),
            ..Content::default()
        };
        let body = Body::Resource(Resource {
            kind: "Binary".into(),
            id: "1".into(),
            replaces: 0,
            as_of: 0,
            resolved: Vec::new(),
            contents: vec![content("a"), content("b")],
        });
        let event = Event::new(Actor::salus(), Act::Create, Subject::Record, body);
        let plaintext = event::encode(&event.with_raw(b"{}".to_vec()));
        assert_eq!(named_in(&plaintext).unwrap(), [named("a"), named("b")]);
    }

    #[test]
    fn what_an_image_names_is_read_and_what_cannot_be_read_is_said() {
        let body = Body::Image(Image::default());
        let image = Event::new(Actor::salus(), Act::Create, Subject::Record, body);
        let plaintext = event::encode(&image);
        assert_eq!(named_in(&plaintext).unwrap(), [Stored::default()]);
        // As a newer program might write it.
        let newer = String::from_utf8(plaintext).unwrap();
        let newer = newer.replacen("\"path\":", "\"place\":", 1);
        assert!(named_in(newer.as_bytes()).is_err());
        assert_eq!(named_in(b"{\"is\":\"message\"}\n").unwrap(), []);
    }
}
