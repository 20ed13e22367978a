//! A write as it was asked for, before anything is known about it.

use bytes::Bytes;
use guard::Identity;

use super::conditions::Conditions;
use super::fault::Fault;
use super::format::Prefer;
use super::route::Write;

/// One write as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    /// Where it stands: `Bundle.entry[3]`, or empty for a request of its own.
    pub(crate) path: String,
    /// What is to be done.
    pub(crate) write: Write,
    /// The query of a conditional update or delete.
    pub(crate) query: String,
    /// What the other entries of a bundle call it.
    pub(crate) full_url: Option<String>,
    /// Under which conditions.
    pub(crate) conditions: Conditions,
    /// The resource, as received; empty for a delete.
    pub(crate) raw: Bytes,
    /// The content of a Binary that came by itself; `raw` is the resource without it.
    pub(crate) content: Option<Bytes>,
    /// What becomes of the security context that a Binary has.
    pub(crate) context: Context,
    /// Of a document that others of the bundle replace: where those stand. They are about one patient.
    pub(crate) along: Vec<String>,
}

/// What becomes of the security context that a Binary has (FHIR R4, Binary.securityContext).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// It is what the resource says.
    AsSaid,
    /// It stays what it was: who sent the content alone said nothing of it.
    AsBefore,
}

/// Who wants it done, and how.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Who asks.
    pub(crate) who: Identity,
    /// What becomes of the others if one cannot be done.
    pub(crate) together: Together,
    /// What the answers hold.
    pub(crate) prefer: Prefer,
}

/// What becomes of the others if one write cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Together {
    /// None of them is done: a transaction.
    All,
    /// They are done: a batch, an import.
    Each,
}

impl Order {
    /// `results` as they are, or the faults among them as one, if all must be done.
    ///
    /// # Errors
    /// Every issue of every fault, under the status of the first.
    pub(crate) fn sift<T>(
        &self,
        results: Vec<Result<T, Fault>>,
    ) -> Result<Vec<Result<T, Fault>>, Fault> {
        if self.together == Together::Each {
            return Ok(results);
        }
        let mut faults = results
            .iter()
            .filter_map(|result| result.as_ref().err().cloned());
        let Some(mut first) = faults.next() else {
            return Ok(results);
        };
        first.issues.extend(faults.flat_map(|other| other.issues));
        Err(first)
    }
}
