//! **In**: folders and commands that a hospital names, [`Pins`](record::Pins) at a place.
//! **Out**: a repository there that restic opens, snapshots of each name, files brought back.
//! **Never**: an object that is not pinned; a file written from bytes that were not sealed.
//! **Start here**: [`Repository`], then `store` and `format` (restic's repository format, version 2).

mod bring;
mod chunks;
mod crypt;
mod error;
mod format;
mod keep;
mod name;
mod packer;
mod repository;
mod store;
mod walk;

pub use bring::Brought;
pub use error::Error;
pub use repository::{Kept, Progress, Repository, Source};
