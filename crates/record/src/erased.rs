//! What verification says of events that nothing opens: erased by a sealed order, or altered.

use std::collections::HashSet;
use std::sync::Arc;

use event::{Body, Erased, Time};

use crate::config::Config;
use crate::journal::Journal;
use crate::keyring::Keyring;
use crate::sealed::Outcome;
use crate::verify::{Alteration, Report};

/// The keyring as verification needs it, and the events that it has no key for.
pub(crate) struct Keyless {
    pub(crate) keyring: Option<Arc<Keyring>>,
    known: HashSet<[u8; 16]>,
    seen: Vec<(u64, [u8; 16])>,
}

impl Keyless {
    /// Without the root key nobody can tell; everything else is verified all the same.
    pub(crate) async fn open(config: &Config) -> Keyless {
        let there = config.keyring().exists();
        let keyring = match there {
            true => Keyring::open(config, config.keys_cached_max, Time::default()).await,
            false => Err(crate::keyring::broken("there is none")),
        };
        let keyring = keyring.ok().map(Arc::new);
        let known = match &keyring {
            Some(keyring) => keyring.names().await.unwrap_or_default(),
            None => HashSet::new(),
        };
        Keyless {
            keyring,
            known,
            seen: Vec::new(),
        }
    }

    /// Looks at one row of the journal.
    pub(crate) fn look(&mut self, seq: u64, stream: [u8; 16]) {
        if self.keyring.is_some() && !self.known.contains(&stream) {
            self.seen.push((seq, stream));
        }
    }

    /// Says of each such event whether it was erased by a sealed order.
    pub(crate) async fn account(&self, journal: &dyn Journal, report: &mut Report) -> Outcome<()> {
        let Some(keyring) = &self.keyring else {
            return Ok(());
        };
        let orders = orders(journal, keyring).await?;
        // Keys that a running server made since the names were read are there by now.
        let known = keyring.names().await?;
        let mut lost = HashSet::new();
        for (index, stream) in &self.seen {
            if known.contains(stream) {
                continue;
            }
            if orders.iter().any(|order| order.covers(*index)) {
                report.erased += 1;
            } else if lost.insert(stream) {
                // One finding a key: the first event that it read.
                report.alterations.push(Alteration {
                    index: Some(*index),
                    owner: None,
                    field: "keyring".into(),
                    expected: "a key, or a sealed order to erase".into(),
                    found: "neither: put `keyring.db` back from your copy".into(),
                });
            }
        }
        Ok(())
    }
}

async fn orders(journal: &dyn Journal, keyring: &Keyring) -> Outcome<Vec<Erased>> {
    let mut orders = Vec::new();
    for index in keyring.orders().await? {
        let rows = journal.rows(index, 1).await;
        let rows = rows.map_err(crate::keyring::broken)?;
        for row in rows.iter().filter(|row| row.seq == index) {
            let Some(key) = keyring.key(&row.stream).await? else {
                continue;
            };
            // A row that was altered is named as that; it orders nothing.
            if let Ok(sealed) = crate::read::open_with(row, &key)
                && let Body::Erased(order) = &sealed.event.body
            {
                orders.push(order.clone());
            }
        }
    }
    Ok(orders)
}
