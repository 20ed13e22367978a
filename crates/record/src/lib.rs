//! **In**: [`Admitted`](guard::Admitted) events and [`Decision`](guard::Decision)s.
//! **Out**: [`Receipt`]s after the commit, [`Permit`]s, [`Sealed`] events, proofs, verification.
//! **Never**: an acknowledgement before the commit; a signature from memory; the same index twice.
//! **Start here**: [`Record`], then `sequencer`.

mod backup;
mod config;
mod door;
mod engines;
mod erase;
mod erased;
mod error;
mod escrow;
pub mod journal;
mod keyfile;
mod keyring;
mod moving;
mod publisher;
mod read;
mod reader;
mod recover;
mod rewrite;
mod root;
mod rotate;
mod sealed;
mod sequencer;
mod shred;
pub mod vault;
mod verify;
mod view;

pub use backup::{
    KeysCopied, Lock, Made, Place, Point, Restored, Wanted, backup, copy_keys, first, points, pull,
    restore, restore_keys,
};
pub use config::Config;
pub use door::{Parts, Record};
pub use engines::{Objects, Storage};
pub use erase::Erasure;
pub use error::Error;
pub use escrow::recover_root;
pub use moving::{Carrying, Moved, carry};
pub use read::{Head, Proved, head, prove};
pub use reader::{Reader, ReaderError, follow};
pub use rewrite::{rewrite_if_due, rewrite_later};
pub use root::{Pkcs11Config, RootConfig, RootKey};
pub use rotate::{Generation, KeysReport, Rotated, keys};
pub use sealed::{Blind, Permit, Receipt, Sealed, Witnessed};
pub use verify::{Alteration, Report, verify};
pub use view::{ViewFile, open_view};
