//! What happens before the first event is taken: roll forward, never back.
//!
//! If SQL is behind what was published (an old backup came back), the missing rows are taken from
//! the vault's packs, so that no index is ever issued twice. If the vault lost files that SQL
//! still has, they are written again.

use std::collections::HashSet;

use bytes::Bytes;
use event::{Body, Glass, Joined};
use seal::{Edge, Entry, Frontier, Hash, LogVerifier, TILE_WIDTH};

use crate::Error;
use crate::door::Inner;
use crate::journal::{Batch, Delivery, Published, Row, Version};
use crate::publisher::{leaf, partial_tiles};
use crate::sealed::Outcome;
use crate::vault::CHECKPOINT;

const WIDTH: u64 = TILE_WIDTH as u64;

/// Brings journal and vault to the same, furthest state.
pub(crate) async fn recover(inner: &Inner) -> Outcome<()> {
    let own = inner.journal.published().await.map_err(broken)?;
    let outside = published_outside(inner).await?;
    let frontier = inner.journal.frontier().await.map_err(broken)?;
    if let Some((size, root, _)) = &outside
        && *size > frontier.size()
    {
        tracing::warn!(
            from = frontier.size(),
            to = size,
            "the journal is behind: rolling forward"
        );
        roll_forward(inner, frontier, (*size, *root)).await?;
    }
    let published = agree(inner, own, outside).await?;
    if let Some(published) = &published {
        rewrite_missing(inner, published).await?;
    }
    *inner.publisher.last.lock().await = published;
    Ok(())
}

/// Size, root and note of the furthest checkpoint in the vault that this log signed.
async fn published_outside(inner: &Inner) -> Outcome<Option<(u64, Hash, String)>> {
    let log = LogVerifier::new(inner.publisher.key().public()).map_err(broken)?;
    let (mut furthest, mut wrong) = (None::<(u64, Hash, String)>, None);
    for bytes in inner.vault.heads().await.map_err(broken)? {
        match read_head(&log, &bytes) {
            Ok(head) if furthest.as_ref().is_none_or(|last| last.0 < head.0) => {
                furthest = Some(head);
            }
            Ok(_) => {}
            Err(why) => wrong = Some(why),
        }
    }
    match (furthest, wrong) {
        // Somebody else's checkpoint in a bucket must not keep ours from being found.
        (Some(head), wrong) => {
            if let Some(why) = wrong {
                tracing::error!(%why, "a checkpoint in the vault is not ours");
            }
            Ok(Some(head))
        }
        (None, Some(why)) => Err(broken(format!(
            "{why}; if `vault/checkpoint` was damaged, move it away and run `salus verify`"
        ))),
        (None, None) => Ok(None),
    }
}

fn read_head(log: &LogVerifier, bytes: &Bytes) -> Result<(u64, Hash, String), String> {
    let note = String::from_utf8(bytes.to_vec()).map_err(|why| why.to_string())?;
    let (size, root) = log.verify(&note).map_err(|why| why.to_string())?;
    Ok((size, root, note))
}

async fn roll_forward(inner: &Inner, start: Frontier, head: (u64, Hash)) -> Outcome<()> {
    let (size, root) = head;
    // Nothing is committed before the whole way to the signed root has been checked.
    let (mut frontier, mut at) = (start.clone(), start.size());
    while at < size {
        for row in packed_rows(inner, at, size).await? {
            frontier.push(leaf(&row)?);
            at += 1;
        }
    }
    if frontier.root() != root {
        return Err(broken(
            "the journal and the published record disagree: this is not an older copy of it",
        ));
    }
    let (mut frontier, mut at) = (start.clone(), start.size());
    while at < size {
        let rows = packed_rows(inner, at, size).await?;
        let mut batch = Batch::default();
        for row in rows {
            frontier.push(leaf(&row)?);
            remember(inner, &row, &mut batch).await?;
            batch.rows.push(row);
            at += 1;
        }
        batch.frontier = frontier.clone();
        inner.journal.append(batch).await.map_err(broken)?;
    }
    Ok(())
}

/// The rows of one bundle from `from` on, as the vault has them.
async fn packed_rows(inner: &Inner, from: u64, size: u64) -> Outcome<Vec<Row>> {
    let number = from / WIDTH;
    let width = usize::try_from((size - number * WIDTH).min(WIDTH)).unwrap_or(TILE_WIDTH);
    let (bundle, pack) = (
        seal::bundle_path(number, width),
        seal::pack_path(number, width),
    );
    let missing = |path: &str| broken(format!("`vault/{path}` is missing or damaged"));
    let entries = inner
        .vault
        .get(&bundle)
        .await
        .map_err(broken)?
        .ok_or_else(|| missing(&bundle))?;
    let packed = inner
        .vault
        .get(&pack)
        .await
        .map_err(broken)?
        .ok_or_else(|| missing(&pack))?;
    let entries = seal::read_bundle(&entries).ok_or_else(|| missing(&bundle))?;
    let packed = seal::read_pack(&packed).ok_or_else(|| missing(&pack))?;
    if entries.len() != width || packed.len() != width {
        return Err(missing(&pack));
    }
    let rows = entries.iter().zip(packed).zip(number * WIDTH..);
    rows.filter(|(_, seq)| *seq >= from)
        .map(|((bytes, ciphertext), seq)| {
            let entry = Entry::from_bytes(bytes).ok_or_else(|| missing(&bundle))?;
            if seal::sha256(&[ciphertext]) != entry.ciphertext {
                return Err(missing(&pack));
            }
            let (entry_bytes, ciphertext) = (bytes.to_vec(), ciphertext.to_vec());
            let (stream, at) = (entry.stream, entry.at);
            Ok(Row {
                seq,
                stream,
                at,
                entry: entry_bytes,
                ciphertext,
            })
        })
        .collect()
}

/// Message ids and versions are not in the vault: they are read out of the events again.
#[expect(
    clippy::too_many_lines,
    reason = "a closed list: whoever adds a kind of event is asked here what is to be remembered of it"
)]
pub(crate) async fn remember(inner: &Inner, row: &Row, batch: &mut Batch) -> Outcome<()> {
    let Ok(sealed) = inner.open_row(row).await else {
        return Ok(());
    };
    let event = sealed.event();
    match &event.body {
        Body::Message(message) if !message.control.is_empty() => {
            let (message, content) =
                inner.delivery_tags(&message.feed, &message.control, &event.raw);
            batch.deliveries.push(Delivery {
                message,
                content,
                seq: row.seq,
                at: row.at,
            });
        }
        Body::Joined(joined) => {
            let sender = Joined::sender(&joined.standby);
            let (message, content) =
                inner.delivery_tags(&sender, &joined.index.to_string(), &event.raw);
            batch.deliveries.push(Delivery {
                message,
                content,
                seq: row.seq,
                at: row.at,
            });
        }
        Body::Resource(written) => batch.versions.push(Version {
            resource: inner.resource_tag(&written.kind, &written.id),
            replaces: written.replaces,
            seq: row.seq,
        }),
        Body::Glass(Glass::Reviewed { glass, .. }) => batch.versions.push(Version {
            resource: inner.review_tag(*glass),
            replaces: 0,
            seq: row.seq,
        }),
        Body::Verdict(verdict) => batch.versions.push(Version {
            resource: inner.verdict_tag(verdict.captured),
            replaces: 0,
            seq: row.seq,
        }),
        Body::PutBack(put) if put.step.decides() => batch.versions.push(Version {
            resource: inner.put_back_tag(put.alteration),
            replaces: 0,
            seq: row.seq,
        }),
        Body::Import(import) => {
            let part = inner.part_tag(import);
            batch.versions.extend(part.map(|(_, resource)| Version {
                resource,
                replaces: 0,
                seq: row.seq,
            }));
        }
        Body::Image(image) => batch.versions.push(Version {
            resource: inner.instance_tag(&image.instance),
            replaces: 0,
            seq: row.seq,
        }),
        Body::Account(_)
        | Body::Alteration(_)
        | Body::App(_)
        | Body::BackedUp(_)
        | Body::Captured(_)
        | Body::Ceiling(_)
        | Body::Copy(_)
        | Body::Decision(_)
        | Body::Downtime(_)
        | Body::Drill(_)
        | Body::ExportAnswered(_)
        | Body::ExportAsked(_)
        | Body::Glass(_)
        | Body::Erased(_)
        | Body::Keys(_)
        | Body::Message(_)
        | Body::Notified(_)
        | Body::Opened(_)
        | Body::PackCode(_)
        | Body::Person(_)
        | Body::PolicyChange(_)
        | Body::Rejected(_)
        | Body::Rewound(_)
        | Body::Promoted(_)
        | Body::Printed(_)
        | Body::PutBack(_)
        | Body::Route(_)
        | Body::RouteOrder(_)
        | Body::Routed(_)
        | Body::SentOn(_)
        | Body::Service(_)
        | Body::Session(_)
        | Body::PackOpenings(_)
        | Body::SheetBack(_)
        | Body::Shown(_)
        | Body::Signals(_)
        | Body::Token(_)
        | Body::Unmerge(_)
        | Body::Unread(_) => {}
    }
    Ok(())
}

/// Makes SQL's checkpoint and the vault's the same: the later of the two.
async fn agree(
    inner: &Inner,
    own: Option<Published>,
    outside: Option<(u64, Hash, String)>,
) -> Outcome<Option<Published>> {
    let Some((size, root, note)) = outside else {
        if let Some(own) = &own {
            put_checkpoint(inner, own).await?;
        }
        return Ok(own);
    };
    let own_size = own.as_ref().map_or(0, |own| own.size);
    if own_size > size {
        if let Some(own) = &own {
            put_checkpoint(inner, own).await?;
        }
        return Ok(own);
    }
    let edge = edge_at(inner, own.as_ref(), size).await?;
    if edge.root() != root {
        return Err(broken(
            "the published checkpoint does not belong to this journal",
        ));
    }
    if own_size == size && own.is_some() {
        return Ok(own);
    }
    let at = inner
        .clock
        .now()
        .millis()
        .max(own.as_ref().map_or(i64::MIN, |own| own.at));
    let next = Published {
        size,
        note,
        edge: edge.to_bytes(),
        at,
    };
    let expected = own.as_ref().map(|own| own.size);
    if !inner
        .journal
        .publish(expected, &next)
        .await
        .map_err(broken)?
    {
        return Err(broken("somebody else uses this journal"));
    }
    Ok(Some(next))
}

async fn put_checkpoint(inner: &Inner, own: &Published) -> Outcome<()> {
    inner
        .vault
        .put(CHECKPOINT, own.note.clone().into())
        .await
        .map_err(broken)
}

/// The edge at `size`, from the last known one and the rows since.
async fn edge_at(inner: &Inner, own: Option<&Published>, size: u64) -> Outcome<Edge> {
    let known = own.and_then(|own| Edge::from_bytes(&own.edge));
    let mut edge = known.filter(|edge| edge.size() <= size).unwrap_or_default();
    while edge.size() < size {
        let limit = usize::try_from((size - edge.size()).min(4 * WIDTH)).unwrap_or(TILE_WIDTH);
        let rows = inner
            .journal
            .rows(edge.size(), limit)
            .await
            .map_err(broken)?;
        if rows.is_empty() {
            return Err(broken(format!("row {} is missing", edge.size())));
        }
        for row in &rows {
            edge.push(leaf(row)?, &mut Vec::new());
        }
    }
    Ok(edge)
}

/// Writes again what SQL can give back: bundles, packs and tiles of the published tree.
async fn rewrite_missing(inner: &Inner, published: &Published) -> Outcome<()> {
    let mut there = HashSet::new();
    for prefix in ["tile", "pack"] {
        there.extend(inner.vault.list(prefix).await.map_err(broken)?);
    }
    let mut level_below: Vec<Hash> = Vec::new();
    let mut rewritten = 0_u64;
    for number in 0..published.size.div_ceil(WIDTH) {
        let width = (published.size - number * WIDTH).min(WIDTH) as usize;
        let lost = |path: String| !there.contains(&path);
        let whole = !lost(seal::tile_path(0, number, width));
        if !whole || lost(seal::bundle_path(number, width)) || lost(seal::pack_path(number, width))
        {
            if rewritten == 0 {
                tracing::warn!(
                    first = number,
                    "files of the vault are missing: writing them again"
                );
            }
            rewritten += 1;
            let rows = inner
                .journal
                .rows(number * WIDTH, width)
                .await
                .map_err(broken)?;
            let hashes = rows.iter().map(leaf).collect::<Outcome<Vec<_>>>()?;
            inner.publisher.put_tile(0, number, &hashes).await?;
            inner.publisher.put_bundle(&rows).await?;
        }
    }
    if rewritten > 0 {
        tracing::info!(bundles = rewritten, "files of the vault are there again");
    }
    let upper = upper_missing(published.size, &there);
    if upper {
        for number in 0..published.size / WIDTH {
            let path = seal::tile_path(0, number, TILE_WIDTH);
            let bytes = inner.vault.get(&path).await.map_err(broken)?;
            let bytes = bytes.ok_or_else(|| broken(format!("`vault/{path}` is missing")))?;
            let hashes = seal::read_tile(&bytes).ok_or_else(|| broken("a tile is damaged"))?;
            level_below.push(seal::subtree(hashes));
        }
        rewrite_upper(inner, level_below).await?;
    }
    let edge = Edge::from_bytes(&published.edge).ok_or_else(|| broken("the edge is damaged"))?;
    for (level, number, hashes) in partial_tiles(&edge) {
        if level > 0 && !there.contains(&seal::tile_path(level, number, hashes.len())) {
            inner.publisher.put_tile(level, number, hashes).await?;
        }
    }
    Ok(())
}

fn upper_missing(size: u64, there: &HashSet<String>) -> bool {
    let (mut count, mut level) = (size / WIDTH, 1_u8);
    while count >= WIDTH {
        for number in 0..count / WIDTH {
            if !there.contains(&seal::tile_path(level, number, TILE_WIDTH)) {
                return true;
            }
        }
        (count, level) = (count / WIDTH, level + 1);
    }
    false
}

async fn rewrite_upper(inner: &Inner, mut hashes: Vec<Hash>) -> Outcome<()> {
    let mut level = 1_u8;
    while hashes.len() >= TILE_WIDTH {
        let mut above = Vec::new();
        for (number, tile) in (0_u64..).zip(hashes.as_chunks::<TILE_WIDTH>().0) {
            inner.publisher.put_tile(level, number, tile).await?;
            above.push(seal::subtree(tile));
        }
        (hashes, level) = (above, level + 1);
    }
    Ok(())
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "recover",
        why: why.to_string(),
    }
}
