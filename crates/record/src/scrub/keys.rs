//! Whether the keyring's file still opens what it should: a key that was swapped for another one
//! is named, and put back if it is remembered.

use std::collections::HashSet;

use event::AlteredPart;

use super::bundle::Wrong;
use crate::door::Inner;
use crate::journal::Row;
use crate::read;
use crate::sealed::Outcome;

/// Streams whose keys were looked at in this round.
pub(super) type Seen = HashSet<[u8; 16]>;

/// Looks at the keys of these rows' streams, each once a round.
pub(super) async fn look(
    inner: &Inner,
    rows: impl Iterator<Item = &Row>,
    seen: &mut Seen,
) -> Outcome<Vec<Wrong>> {
    let mut wrong = Vec::new();
    for row in rows {
        if seen.insert(row.stream) {
            wrong.extend(one(inner, row).await?);
        }
    }
    Ok(wrong)
}

async fn one(inner: &Inner, row: &Row) -> Outcome<Option<Wrong>> {
    let found = match inner.keyring.on_disk(&row.stream).await {
        Ok(Some(key)) if read::open_with(row, &key).is_ok() => return Ok(None),
        Ok(Some(_)) => "another key",
        Err(_) => "bytes that no key-encryption key opens",
        Ok(None) if erased(inner, row.seq).await? => return Ok(None),
        Ok(None) => "nothing: deleted without an order",
    };
    let remembered = inner.keyring.remembered(&row.stream);
    let good = remembered.filter(|key| read::open_with(row, key).is_ok());
    let healed = match good {
        Some(key) => inner.keyring.put_back(&row.stream, &key).await?,
        None => false,
    };
    Ok(Some(Wrong {
        index: Some(row.seq),
        stream: Some(row.stream),
        healed_from: healed.then_some("memory"),
        ..Wrong::file(vec![AlteredPart::new(
            "keyring",
            "the key of its patient",
            found,
        )])
    }))
}

async fn erased(inner: &Inner, seq: u64) -> Outcome<bool> {
    let orders = inner.erased().await?;
    Ok(orders.iter().any(|order| order.covers(seq)))
}
