//! DICOM over its upper layer (PS3.8): C-ECHO and C-STORE, with and without TLS.
//!
//! An association is one task. Who calls is told by certificate and AE title together: a title alone
//! is a name that anybody may say. A data set is looked through before anything trusts it, kept in
//! the vault, sealed, and only then answered with success.

mod agreed;
mod association;
mod config;
mod desk;
mod error;
mod feeds;
mod image;
mod listener;
mod prompt;
mod twice;

pub use config::{Config, FeedConfig};
pub use error::Error;
pub use feeds::Feed;
pub use listener::Dicom;
