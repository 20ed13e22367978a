//! One batch of events, on the thread that writes: one transaction.

use std::sync::Arc;

use event::Body;
use record::{Blind, Sealed};
use rusqlite::{Connection, TransactionBehavior};

use super::answers::Answers;
use super::aside::{Aside, Understood};
use super::batch::Batch;
use super::memory::Memory;
use super::step::With;
use super::stray::Stray;
use super::{purge, save};
use crate::error::Outcome;
use crate::kept::Touched;
use crate::{ChartError, Config};

/// A batch and all that it is folded with.
pub(super) struct Work {
    pub(super) entries: Vec<Sealed>,
    /// The cursor after it.
    pub(super) next: u64,
    pub(super) memory: Memory,
    pub(super) config: Arc<Config>,
    pub(super) blind: Blind,
    pub(super) aside: Aside,
    pub(super) answers: Arc<Answers>,
    pub(super) strays: Vec<Stray>,
}

impl Work {
    /// Folds it and commits; the memory as it is then, and the images that are on no chart. On an error the memory is gone, with what it half learned.
    pub(super) fn done(mut self, to: &mut Connection) -> Outcome<(Memory, Vec<Stray>)> {
        let broken = ChartError::broken("write a batch");
        let change = to.transaction_with_behavior(TransactionBehavior::Immediate);
        let change = change.map_err(&broken)?;
        let mut touched = Touched::default();
        let entries = std::mem::take(&mut self.entries);
        let erases = |entry: &Sealed| matches!(entry.event().body, Body::Erased(_));
        for some in entries.split_inclusive(erases) {
            self.run(&mut touched, some, &change)?;
            self.erase(&mut touched, some.last(), &change)?;
        }
        save::cursor(&change, self.next)?;
        change.commit().map_err(&broken)?;
        self.memory.cursor = self.next;
        self.answers.committed(&touched, &self.memory);
        Ok((self.memory, self.strays))
    }

    /// Folds events among which no order to erase stands before the last.
    fn run(&mut self, touched: &mut Touched, some: &[Sealed], to: &Connection) -> Outcome<()> {
        let with = With {
            blind: self.blind.clone(),
            marks: record::Marks::of(self.blind.clone()),
            labels: self.memory.known.labels.clone(),
        };
        for steps in Understood::of(some, with, &self.aside) {
            let steps = steps?;
            let mut batch = Batch::prepare(&mut self.memory, &steps, to)?;
            for step in steps {
                batch.apply(step);
            }
            touched.heads.extend(batch.moved(&self.answers.heads));
            batch.save(to, &self.aside)?;
            self.strays.append(&mut batch.strays);
            touched.some.append(&mut batch.pending.touched);
            touched.everything |= !batch.pending.aliases.is_empty();
            batch.remember();
        }
        Ok(())
    }

    /// Takes out whom the last of some events erases.
    fn erase(
        &mut self,
        touched: &mut Touched,
        last: Option<&Sealed>,
        to: &Connection,
    ) -> Outcome<()> {
        if let Some(Body::Erased(order)) = last.map(|entry| &entry.event().body)
            && purge::purge(to, order, &self.blind)?
        {
            self.memory.forget(to, &self.config)?;
            touched.everything = true;
        }
        Ok(())
    }
}
