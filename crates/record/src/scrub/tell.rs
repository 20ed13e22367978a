//! Says what was altered in the words of people, and seals it.

use event::{Act, Actor, Altered, AlteredPart, Body, Event, Subject};
use guard::{Standing, admit};
use serde_json::Value;

use super::bundle::Wrong;
use super::{Scrubbed, Told, broken};
use crate::door::Inner;
use crate::journal::Row;
use crate::keyfile::hex;
use crate::sealed::Outcome;

/// Fields that are named one by one, at most: where there are so many, there may be more.
pub const FIELDS_MAX: usize = 20;
/// Events of the same keys that are searched for a content that was put elsewhere, the newest first.
const SPLICES_MAX: usize = 5_000;
/// Bytes of a forgery that are kept, at most.
const EVIDENCE_BYTES_MAX: usize = 1 << 20;

impl Inner {
    /// Seals what was found, each thing by itself; what was said before and could not be put
    /// right is not said again.
    pub(super) async fn tell(
        &self,
        wrong: Vec<Wrong>,
        (told, sum): (&mut Told, &mut Scrubbed),
    ) -> Outcome<()> {
        for mut one in wrong {
            sum.altered += 1;
            sum.healed += u64::from(one.healed_from.is_some());
            let mark = |part: &AlteredPart| (one.index, part.part.clone(), part.found.clone());
            let Some(first) = one.parts.first().map(mark) else {
                continue;
            };
            if one.healed_from.is_none() && !told.said.insert(first) {
                continue;
            }
            if let Some((good, Some(found))) = one.rows.take() {
                one.parts.extend(self.content(&good, &found).await?);
            }
            tracing::error!(
                index = one.index,
                part = one.parts.first().map(|part| part.part.as_str()),
                healed = one.healed_from.is_some(),
                "something that was sealed was altered"
            );
            self.seal_altered(one, told).await?;
        }
        Ok(())
    }

    async fn seal_altered(&self, wrong: Wrong, told: &Told) -> Outcome<()> {
        let owner = match &wrong.stream {
            Some(stream) => self.keyring.owner(stream).await.unwrap_or_default(),
            None => None,
        };
        let patient = owner
            .as_deref()
            .and_then(|owner| owner.strip_prefix("patient/"));
        let subject = patient.map_or(Subject::Record, |id| Subject::Patient(id.to_owned()));
        let body = Body::Alteration(Altered {
            index: wrong.index,
            parts: wrong.parts,
            whole_at: told.before,
            healed_from: wrong.healed_from.map(str::to_owned),
            outside: None,
        });
        let mut event = Event::new(Actor::salus(), Act::Manage, subject, body);
        event.raw = wrong.evidence;
        event.raw.truncate(EVIDENCE_BYTES_MAX);
        let admitted = admit(event.into(), Standing::Salus, "");
        let admitted = admitted.map_err(|refused| broken(refused.words))?;
        self.admit(vec![admitted]).await.map(drop)
    }

    /// What a changed ciphertext says, if it can be told: another event's, or other fields.
    async fn content(&self, good: &Row, found: &Row) -> Outcome<Vec<AlteredPart>> {
        if good.ciphertext == found.ciphertext {
            return Ok(Vec::new());
        }
        if let Some(other) = self.spliced(good, found).await? {
            let sealed = format!("the content of event {}", good.seq);
            return Ok(vec![AlteredPart::new(
                "content",
                sealed,
                format!("the content of event {other}"),
            )]);
        }
        let (Ok(was), Ok(is)) = (self.open_row(good).await, self.open_row(found).await) else {
            let words = "bytes that no key of this record opens";
            return Ok(vec![AlteredPart::new("content", "an event", words)]);
        };
        Ok(json_differences(&was.event().raw, &is.event().raw))
    }

    /// The event whose ciphertext stands there instead.
    async fn spliced(&self, good: &Row, found: &Row) -> Outcome<Option<u64>> {
        let entry = seal::Entry::from_bytes(&found.entry);
        let stream = entry.map_or(good.stream, |entry| entry.stream);
        let streams = [good.stream, stream, found.stream];
        let all = self.journal.of_streams(&streams, 0).await.map_err(broken)?;
        for index in all.into_iter().rev().take(SPLICES_MAX) {
            if index != good.seq {
                let rows = self.journal.rows(index, 1).await.map_err(broken)?;
                if rows
                    .first()
                    .is_some_and(|row| row.ciphertext == found.ciphertext)
                {
                    return Ok(Some(index));
                }
            }
        }
        Ok(None)
    }
}

/// The fields in which two JSON documents differ, by path; of other bytes their hashes.
pub fn json_differences(sealed: &[u8], found: &[u8]) -> Vec<AlteredPart> {
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    match (read(sealed), read(found)) {
        (Some(was), Some(is)) => {
            let mut parts = Vec::new();
            let kind = was.get("resourceType").and_then(Value::as_str);
            differ(kind.unwrap_or("content"), (&was, &is), &mut parts);
            parts
        }
        _ => {
            let words = |bytes: &[u8]| hex(&seal::sha256(&[bytes]));
            vec![AlteredPart::new("content", words(sealed), words(found))]
        }
    }
}

fn differ(path: &str, (was, is): (&Value, &Value), parts: &mut Vec<AlteredPart>) {
    if was == is || parts.len() >= FIELDS_MAX {
        return;
    }
    match (was, is) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let pair = (
                    a.get(name).unwrap_or(&Value::Null),
                    b.get(name).unwrap_or(&Value::Null),
                );
                differ(&format!("{path}.{name}"), pair, parts);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, pair) in a.iter().zip(b).enumerate() {
                differ(&format!("{path}[{at}]"), pair, parts);
            }
        }
        _ => parts.push(AlteredPart::new(path, shown(was), shown(is))),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_value_is_named_by_its_path() {
        let sealed =
            br#"{"resourceType":"Observation","valueQuantity":{"value":4.1,"unit":"mmol/L"}}"#;
        let found = br#"{"resourceType":"Observation","valueQuantity":{"value":9.9,"unit":"mmol/L"},"note":[]}"#;
        let parts = json_differences(sealed, found);
        assert_eq!(
            parts,
            [
                AlteredPart::new("Observation.note", "nothing", "[]"),
                AlteredPart::new("Observation.valueQuantity.value", "4.1", "9.9"),
            ]
        );
        let other = json_differences(b"MSH|", b"MSH^");
        assert_eq!(other.len(), 1);
        assert_ne!(other[0].sealed, other[0].found);
    }
}
