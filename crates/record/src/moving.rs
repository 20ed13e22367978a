//! Carrying a record from one pair of engines to another: rows, then tags, then objects; verified
//! before the old place is closed. Every step can be broken off and done again.

use std::collections::HashSet;
use std::sync::Arc;

use event::Clock;
use seal::Frontier;

use crate::config::Config;
use crate::door::{Record, lock};
use crate::journal::{Batch, Carry, Delivery, Version};
use crate::object::OBJECTS;
use crate::publisher::leaf;
use crate::sealed::Outcome;
use crate::vault::{CHECKPOINT, Vault};
use crate::{Error, Report, engines, verify};

const NOTHING: &str = "there is none: nothing was ever sealed here";
/// Rows in one commit at the new place.
const ROWS_AT_ONCE: usize = 1_000;
/// Message ids or versions in one commit at the new place.
const TAGS_AT_ONCE: usize = 5_000;

/// What is being carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrying {
    /// Events.
    Events,
    /// Message ids and versions of resources.
    Tags,
    /// Tiles, bundles and packs.
    Objects,
    /// Nothing: the new place is read again and compared with the signed checkpoint.
    Verification,
}

/// What a move did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Events at the new place.
    pub events: u64,
    /// Those of them that were carried now; the others were there from a move that was broken off.
    pub carried: u64,
    /// Objects that were carried now.
    pub objects: u64,
    /// Root of the tree, the same at both places.
    pub root: [u8; 32],
    /// What verification said; `None`: a server still writes the old place, so this was only
    /// carried ahead.
    pub verified: Option<Report>,
}

/// Carries the record from where `from` says to where `to` says; both have the same data folder.
/// Beside a running server it carries ahead what can be, so that the last part is short.
/// `progress` is told (what, done, in all; 0: not known).
///
/// # Errors
/// [`Error::Broken`] if a place cannot be used, if the new one holds another record, or if what is
/// there afterwards does not verify: then the old one stays in force.
pub async fn carry(
    from: &Config,
    to: &Config,
    clock: Arc<dyn Clock>,
    progress: impl Fn(Carrying, u64, u64),
) -> Outcome<Moved> {
    if from.storage == to.storage && from.objects == to.objects {
        return Err(broken("the record is there already"));
    }
    settle((from, to), clock).await?;
    let locked = lock(from).await.ok();
    let way = Way {
        journals: places(from, to, locked.is_some()).await?,
        old_vault: engines::vault(from)?,
        new_vault: engines::vault(to)?,
        same_rows: from.storage == to.storage,
        same_objects: from.objects == to.objects,
        last: locked.is_some(),
    };
    let moved = way.carry(&progress).await;
    let moved = match moved {
        Ok(moved) if way.last => way.finish((from, to), moved, &progress).await,
        other => other,
    };
    way.journals.0.close().await;
    if !way.same_rows {
        way.journals.1.close().await;
    }
    moved
}

/// Brings the old place to its own best state: rolled forward, erasures done, published. Does
/// nothing if a server has it open, which has done so already.
async fn settle((from, to): (&Config, &Config), clock: Arc<dyn Clock>) -> Outcome<()> {
    if !from.data.exists() {
        return Err(broken(NOTHING));
    }
    let Ok(locked) = lock(from).await else {
        return Ok(());
    };
    let old = engines::journal(from).await?;
    let (size, gone) = (old.frontier().await, old.moved().await);
    old.close().await;
    drop(locked);
    if size.map_err(broken)?.size() == 0 {
        return Err(broken(NOTHING));
    }
    match gone.map_err(broken)? {
        // This very move was broken off at its end.
        Some(gone) if gone == to.storage.place() => return Ok(()),
        Some(gone) => return Err(broken(format!("it was moved to `{gone}` before"))),
        None => {}
    }
    let record = Record::open(from.clone(), clock).await?;
    record.publish().await?;
    record.stop().await;
    Ok(())
}

type Journals = (Arc<dyn Carry>, Arc<dyn Carry>);

/// The old journal and the new one.
async fn places(from: &Config, to: &Config, ours: bool) -> Outcome<Journals> {
    let old = match ours {
        true => engines::journal(from).await?,
        false => engines::journal_read_only(from).await?,
    };
    if from.storage == to.storage {
        return Ok((Arc::clone(&old), old));
    }
    Ok((old, engines::journal(to).await?))
}

struct Way {
    /// Old and new; the same one if rows stay where they are.
    journals: Journals,
    old_vault: Arc<dyn Vault>,
    new_vault: Arc<dyn Vault>,
    same_rows: bool,
    same_objects: bool,
    /// Nobody writes the old place any more.
    last: bool,
}

impl Way {
    async fn carry(&self, progress: &impl Fn(Carrying, u64, u64)) -> Outcome<Moved> {
        let (old, new) = (self.journals.0.as_ref(), self.journals.1.as_ref());
        let (mut tree, mut carried) = (old.frontier().await.map_err(broken)?, 0);
        if !self.same_rows {
            (tree, carried) = rows((old, new), &tree, progress).await?;
            if self.last {
                tags((old, new), progress).await?;
                checkpoint((old, new)).await?;
            }
        }
        let objects = match self.same_objects {
            true => 0,
            false => self.objects(progress).await?,
        };
        Ok(Moved {
            events: tree.size(),
            carried,
            objects,
            root: tree.root(),
            verified: None,
        })
    }

    /// Verifies the new place and closes the old one.
    async fn finish(
        &self,
        (from, to): (&Config, &Config),
        mut moved: Moved,
        progress: &impl Fn(Carrying, u64, u64),
    ) -> Outcome<Moved> {
        let told = |done, all| progress(Carrying::Verification, done, all);
        let report = verify(to, told).await?;
        if let Some(wrong) = report.alterations.first() {
            return Err(broken(format!(
                "what is at the new place does not verify ({} findings; `{}`: sealed was {}, found \
                 {}), so the old one stays in force; `salus verify` says whether it is itself \
                 unaltered",
                report.alterations.len(),
                wrong.field,
                wrong.expected,
                wrong.found
            )));
        }
        if !self.same_rows {
            let place = to.storage.place();
            let (old, new) = (&self.journals.0, &self.journals.1);
            old.set_moved(Some(&place)).await.map_err(broken)?;
            new.set_moved(None).await.map_err(broken)?;
            tracing::info!(
                from = from.storage.place(),
                to = place,
                "the record was moved"
            );
        }
        moved.verified = Some(report);
        Ok(moved)
    }

    /// Every finished object that is not there yet; at the end the unfinished ones, too.
    async fn objects(&self, progress: &impl Fn(Carrying, u64, u64)) -> Outcome<u64> {
        let (old, new) = (self.old_vault.as_ref(), self.new_vault.as_ref());
        let mut there = HashSet::new();
        let mut paths = Vec::new();
        for prefix in ["pack", "tile", OBJECTS] {
            there.extend(new.list(prefix).await.map_err(broken)?);
            paths.extend(old.list(prefix).await.map_err(broken)?);
        }
        let partial = |path: &str| path.contains(".p/");
        paths.retain(|path| match partial(path) {
            true => self.last,
            false => !there.contains(path),
        });
        let all = paths.len() as u64;
        for (path, done) in paths.iter().zip(1..) {
            // One that a running server has replaced meanwhile is carried under its new name.
            if let Some(bytes) = old.get(path).await.map_err(broken)? {
                new.put(path, bytes).await.map_err(broken)?;
            }
            progress(Carrying::Objects, done, all);
        }
        if self.last {
            // The checkpoint goes last: it promises everything under it.
            if let Some(note) = old.get(CHECKPOINT).await.map_err(broken)? {
                new.put(CHECKPOINT, note).await.map_err(broken)?;
            }
            new.close().await.map_err(broken)?;
        }
        Ok(all)
    }
}

/// Rows behind those that are there; returns the tree and how many were carried.
async fn rows(
    (old, new): (&dyn Carry, &dyn Carry),
    goal: &Frontier,
    progress: &impl Fn(Carrying, u64, u64),
) -> Outcome<(Frontier, u64)> {
    let mut frontier = new.frontier().await.map_err(broken)?;
    let begun = frontier.size();
    if begun > goal.size() {
        return Err(broken(another(begun)));
    }
    while frontier.size() < goal.size() {
        let limit = usize::try_from(goal.size() - frontier.size()).unwrap_or(usize::MAX);
        let rows = old
            .rows(frontier.size(), limit.min(ROWS_AT_ONCE))
            .await
            .map_err(broken)?;
        if rows.is_empty() {
            return Err(broken(format!("row {} is missing", frontier.size())));
        }
        for row in &rows {
            frontier.push(leaf(row)?);
        }
        let batch = Batch {
            rows,
            frontier: frontier.clone(),
            ..Batch::default()
        };
        new.append(batch).await.map_err(broken)?;
        progress(Carrying::Events, frontier.size(), goal.size());
    }
    // INVARIANT: the roots are the same, so every leaf is, those of an earlier attempt too.
    if frontier.root() != goal.root() {
        return Err(broken(another(begun)));
    }
    let carried = frontier.size() - begun;
    Ok((frontier, carried))
}

fn another(events: u64) -> String {
    format!("the new place holds {events} events of another record: give an empty one")
}

/// All message ids and versions, from the beginning: some may have been forgotten since an earlier
/// attempt.
async fn tags(
    (old, new): (&dyn Carry, &dyn Carry),
    progress: &impl Fn(Carrying, u64, u64),
) -> Outcome<()> {
    new.forget_tags().await.map_err(broken)?;
    let (mut done, mut last) = (0, None::<Delivery>);
    loop {
        let some = old.deliveries_after(last.as_ref(), TAGS_AT_ONCE).await;
        let some = some.map_err(broken)?;
        let Some(end) = some.last() else { break };
        last = Some(*end);
        new.add_tags(&some, &[]).await.map_err(broken)?;
        done += some.len() as u64;
        progress(Carrying::Tags, done, 0);
    }
    let mut last = None::<Version>;
    loop {
        let some = old.versions_after(last.as_ref(), TAGS_AT_ONCE).await;
        let some = some.map_err(broken)?;
        let Some(end) = some.last() else { break };
        last = Some(*end);
        new.add_tags(&[], &some).await.map_err(broken)?;
        done += some.len() as u64;
        progress(Carrying::Tags, done, 0);
    }
    Ok(())
}

async fn checkpoint((old, new): (&dyn Carry, &dyn Carry)) -> Outcome<()> {
    let Some(published) = old.published().await.map_err(broken)? else {
        return Ok(());
    };
    let there = new.published().await.map_err(broken)?;
    if there.as_ref() == Some(&published) {
        return Ok(());
    }
    let expected = there.map(|there| there.size);
    match new.publish(expected, &published).await.map_err(broken)? {
        true => Ok(()),
        false => Err(broken("somebody else uses the new place")),
    }
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "move the record",
        why: why.to_string(),
    }
}
