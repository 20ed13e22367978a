//! One event handed out with everything that it takes to check it, for a permit that names it.

use seal::{Disclosure, Entry};

use crate::read::decompressor;
use crate::sealed::Outcome;
use crate::{Error, Permit, Record};

/// How a decision names the one event that it allows to hand out: the detail of its question.
pub fn disclosing(index: u64) -> String {
    format!("disclosure of event {index}")
}

impl Record {
    /// Hands out one event: its plaintext, its salt, its entry and a proof. Nobody needs a key to
    /// check it, and it tells nothing of any other event.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] if the permit is for something else, or leaves something out;
    /// [`Error::NoSuchIndex`] if no checkpoint covers the event yet; [`Error::Erased`];
    /// [`Error::Broken`] if it was altered.
    pub async fn disclose(&self, permit: Permit, index: u64) -> Outcome<Disclosure> {
        // INVARIANT: no content without a permit that was sealed for this very event.
        if permit.ask.detail != disclosing(index)
            || !permit.masks.is_empty()
            || !permit.hides.is_empty()
        {
            return Err(Error::NotPermitted);
        }
        let row = self.inner.row(index).await?;
        let proof = self.proof(index).await?;
        let key = self.inner.keyring.key(&row.stream).await?;
        let key = key.ok_or(Error::Erased(index))?;
        let altered = |why: &str| Error::Broken {
            doing: "read",
            why: format!("event {index} was altered: {why}"),
        };
        let entry = Entry::from_bytes(&row.entry).ok_or_else(|| altered("its entry"))?;
        let place = (index, &entry);
        let (salt, plaintext) = seal::open(&mut decompressor()?, &key, place, &row.ciphertext)
            .map_err(|why| altered(&why.to_string()))?;
        Ok(Disclosure {
            plaintext,
            salt,
            entry: row.entry,
            proof,
        })
    }
}
