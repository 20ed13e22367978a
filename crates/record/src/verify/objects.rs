//! The objects beside the log: those that events name, and those that none names.

use super::{Check, broken};
use crate::object::{Held, Unnamed, hold, naming};
use crate::sealed::Outcome;

/// Rows that are read at a time.
const ROWS: usize = 256;

impl Check {
    /// What no event was found to name is held against its own name; the rest was held against
    /// what was sealed, with the event. Names that are too many to be held at once come in turn.
    pub(super) async fn objects(&mut self) -> Outcome<()> {
        loop {
            for path in self.unnamed.left() {
                self.unnamed_one(&path).await?;
            }
            let Some(after) = self.unnamed.next.take() else {
                return Ok(());
            };
            self.unnamed = self.names(&after).await?;
            self.strike().await?;
        }
    }

    /// The first objects after one.
    pub(super) async fn names(&self, after: &str) -> Outcome<Unnamed> {
        Unnamed::load(self.files.vault.as_ref(), after, self.names_max).await
    }

    async fn strike(&mut self) -> Outcome<()> {
        let Some(keyring) = self.files.keyring.clone() else {
            return Ok(());
        };
        let mut from = 0;
        loop {
            let rows = self.journal.rows(from, ROWS).await.map_err(broken)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            from = last.seq + 1;
            self.unnamed.strike(&naming(&keyring, rows).await?);
        }
    }

    async fn unnamed_one(&mut self, path: &str) -> Outcome<()> {
        let holding = hold(self.files.vault.as_ref(), path).await?;
        self.report.bytes += holding.bytes;
        match &holding.held {
            // It was removed since.
            Held::Missing => return Ok(()),
            Held::Other(found) => {
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                self.wrong((None, &format!("vault/{path}")), name, found);
                return Ok(());
            }
            Held::Unread(why) => {
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                let found = format!("bytes that cannot be read: {why}");
                self.wrong((None, &format!("vault/{path}")), name, found);
                return Ok(());
            }
            Held::Whole => {}
        }
        let Some(keyring) = &self.files.keyring else {
            self.report.untold += 1;
            return Ok(());
        };
        let known = match &holding.stream {
            Some(stream) => keyring.key(stream).await?.is_some(),
            None => false,
        };
        match known {
            true => {
                self.report.unnamed += 1;
                self.report.unnamed_bytes += holding.bytes;
            }
            false => self.report.untold += 1,
        }
        Ok(())
    }
}
