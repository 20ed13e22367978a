//! Opens the record that a dead server left behind, as a restarted one would, and reads it all.

use std::sync::Arc;

use event::{Body, Clock};
use record::{Config, Error, Record, verify};

use super::writer::CREATED;
use super::{Breach, Ledger};

/// Events read at once.
const PAGE: usize = 2_000;

/// What was found in a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Events in it.
    pub events: u64,
    /// Among them HL7 v2 messages and patients that were created.
    pub messages: u64,
    /// Every word that was not kept, in the order of the books.
    pub breaches: Vec<Breach>,
}

/// Recovers the record, publishes, reads every event, verifies everything on disk, and
/// holds it against the sender's books. Nobody else may have the record open.
///
/// # Errors
/// As [`Record::open`], [`Record::read`] and [`verify`].
pub async fn audit(
    config: &Config,
    clock: Arc<dyn Clock>,
    ledger: &Ledger,
) -> Result<Findings, Error> {
    let record = Record::open(config.clone(), clock).await?;
    record.publish().await?;
    let controls = controls(&record).await;
    let events = record.size();
    record.stop().await;
    let controls = controls?;
    let report = verify(config, |_, _| {}).await?;
    let mut breaches: Vec<Breach> = report
        .alterations
        .iter()
        .map(|wrong| {
            let index = wrong
                .index
                .map_or_else(String::new, |index| format!("event {index}, "));
            let (field, expected, found) = (&wrong.field, &wrong.expected, &wrong.found);
            Breach::Altered(format!(
                "{index}{field}: expected {expected}, found {found}"
            ))
        })
        .collect();
    let messages = u64::try_from(controls.len()).unwrap_or(u64::MAX);
    breaches.extend(ledger.check(controls));
    Ok(Findings {
        events,
        messages,
        breaches,
    })
}

/// MSH-10 of every message and the name of every patient that a siege created, in order.
async fn controls(record: &Record) -> Result<Vec<String>, Error> {
    let mut controls = Vec::new();
    let mut next = 0;
    while next < record.size() {
        let (page, after) = record.read_until(next, PAGE).await?;
        if after == next {
            break;
        }
        next = after;
        for sealed in page {
            match &sealed.event().body {
                Body::Message(message) => controls.push(message.control.clone()),
                Body::Resource(written) => {
                    let name = format!("{}/{}", written.kind, written.id);
                    controls.extend(Some(name).filter(|name| name.starts_with(CREATED)));
                }
                _ => {}
            }
        }
    }
    Ok(controls)
}
