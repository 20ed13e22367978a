//! **In**: folders and commands that a hospital names, [`Pins`](record::Pins) at a place.
//! **Out**: a repository there that restic opens, snapshots of each name, files brought back.
//! **Never**: an object that is not pinned; a file written from bytes that were not sealed.
//! **Start here**: [`Repository`], then `store` and `format` (restic's repository format, version 2).

mod bring;
mod chunks;
mod crypt;
mod dump;
mod error;
mod format;
mod keep;
mod made;
mod name;
mod packer;
mod reading;
mod repository;
mod stage;
mod store;
mod walk;

pub use bring::Brought;
pub use error::Error;
pub use format::Unread;
pub use repository::{Kept, Progress, Repository, Source};
