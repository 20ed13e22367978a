//! What a second machine leaves in the record: what it saw while the first was gone, and that it
//! became the first itself.

use serde::{Deserialize, Serialize};

use crate::Time;

/// An event that a standby sealed by itself while the primary was gone; the raw bytes are its
/// plaintext as it was sealed there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The client id of the standby.
    pub standby: String,
    /// Its index in the standby's own record.
    pub index: u64,
    /// When it was sealed there.
    pub at: Time,
}

impl Joined {
    /// As whom a standby sends, so that an event that is sent twice is joined once.
    pub fn sender(standby: &str) -> String {
        format!("standby:{standby}")
    }
}

/// A human made another machine the primary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promoted {
    /// Which primary this is, counted from 1. Machines of a lower number take nothing any more.
    pub epoch: u64,
    /// Why, in words.
    pub reason: String,
}
