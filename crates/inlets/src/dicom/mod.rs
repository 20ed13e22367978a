//! DICOM over its upper layer (PS3.8): C-ECHO, C-STORE, C-FIND, C-GET and C-MOVE, with and without TLS.
//!
//! An association is one task. Who calls is told by certificate and AE title together: a title alone
//! is a name that anybody may say. A data set is looked through before anything trusts it, kept in
//! the vault, sealed, and only then answered with success.

mod agreed;
mod answers;
mod arrivals;
mod association;
mod config;
mod desk;
mod error;
mod feeds;
mod held;
mod image;
mod inquiry;
mod intake;
mod listener;
mod odd;
mod prompt;
mod retrieval;
mod twice;

pub use answers::{
    Answers, Asked, Delivered, Delivery, Fate, Found, Kept, Object, Retrieval, Unanswered,
};
pub use arrivals::{Arrivals, Awaited};
pub use config::{Config, Destination, FeedConfig, Retrieve};
pub use error::Error;
pub use feeds::Feed;
pub use held::Held;
pub use intake::{Claim, Intake, Sender, Told, WEB_FEED};
pub use listener::Dicom;
