//! **In**: [`Admitted`](guard::Admitted) events and [`Decision`](guard::Decision)s.
//! **Out**: [`Receipt`]s after the commit, [`Permit`]s, [`Sealed`] events, proofs, verification.
//! **Never**: an acknowledgement before the commit; a signature from memory; the same index twice.
//! **Start here**: [`Record`], then `sequencer`.

mod alike;
mod background;
mod backup;
mod config;
mod content;
mod cosigned;
mod disclose;
mod door;
mod engines;
mod epoch;
mod erase;
mod erased;
mod error;
mod escrow;
mod ground;
pub mod journal;
mod keycopy;
mod keyfile;
mod keyring;
mod minting;
mod mirror;
mod moving;
mod newest;
mod object;
mod once;
mod pace;
mod proving;
mod publisher;
mod read;
mod reader;
mod recover;
mod rewrite;
mod root;
mod rotate;
mod scrub;
mod sealed;
mod sequencer;
mod shred;
mod staged;
mod steady;
mod succeed;
mod tail;
pub mod vault;
mod verify;
mod view;
mod witness;
mod writer;

pub use alike::{Alike, Beside, Guarded, take_over};
pub use background::give_way;
pub use backup::{
    KeysCopied, Lock, Made, Pins, PinsMade, Place, Point, Restored, Turn, Wanted, backup,
    copy_keys, first, points, pull, renew, restore, restore_keys,
};
pub use config::Config;
pub use content::{Contents, Marks, Of};
pub use cosigned::{Cosigned, Enough};
pub use disclose::disclosing;
pub use door::{Parts, Record};
pub use engines::{Objects, Storage};
pub use epoch::{Epoch, epoch, heard_of, next_epoch};
pub use erase::Erasure;
pub use error::Error;
pub use escrow::recover_root;
pub use keycopy::{KeyCopy, StreamKey, install_keys};
pub use moving::{Carrying, Moved, carry};
pub use object::Absent;
pub use pace::Pace;
pub use proving::{Held, hold};
pub use read::{Head, Proved, head, prove};
pub use reader::{HeldUp, Reader, ReaderError, fold_all_to, fold_to, follow, save_is_due};
pub use rewrite::{note_rewriting, rewrite_if_due, rewrite_later};
pub use root::{Pkcs11Config, RootConfig, RootKey};
pub use rotate::{Generation, KeysReport, Rotated, SigningKey, keys};
pub use scrub::{FIELDS_MAX, Scrubbed, json_differences};
pub use sealed::{Blind, Permit, Receipt, Sealed, Witnessed};
pub use steady::steady;
pub use succeed::LogKeys;
pub use tail::Tail;
pub use verify::{Alteration, Report, verify};
pub use view::{ViewFile, open_view, remove_view, view_writer};
pub use witness::{Answer, WitnessBook};
pub use writer::{Writer, WriterFault, WriterFile};

pub use seal::Disclosure;
