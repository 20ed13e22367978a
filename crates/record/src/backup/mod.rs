//! Backups of the record: bundles and packs at a second place, pinned by manifests, so that nobody
//! who may write there can delete, replace, age out or poison what was backed up.
//!
//! Nothing of it needs a key: what is backed up is encrypted already, and proves itself against the
//! checkpoint that the log signed. The keys have a copy of their own ([`copy_keys`]).

mod bucket;
mod bundle;
mod chain;
mod first;
mod keys;
mod make;
mod manifest;
mod pins;
mod place;
mod renew;
mod restore;
mod turn;

pub use first::first;
pub use keys::{KeysCopied, copy_keys, restore_keys};
pub use make::{Made, backup, pull};
pub use pins::{Pins, PinsMade};
pub use place::{Lock, Place};
pub use renew::renew;
pub use restore::{Point, Restored, Wanted, points, restore};
pub use turn::Turn;

use seal::TILE_WIDTH;

use crate::Error;

/// Manifests that go on from each other before one names everything again.
const DEPTH_MAX: u32 = 64;
const WIDTH: u64 = TILE_WIDTH as u64;

/// Where the events behind the last full bundle lie: entries and ciphertexts.
fn tail_paths(size: u64) -> (String, String) {
    (
        format!("tail/{size:020}.entries"),
        format!("tail/{size:020}.pack"),
    )
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "back up or restore",
        why: why.to_string(),
    }
}
