//! HL7 v2 over MLLP: many senders, each bound to what it may send.
//!
//! A connection is one task. It reads while its last group of messages is being sealed, and seals
//! what it read meanwhile as the next group: a sender's order is kept, and the busier a sender is,
//! the fewer commits its messages need.

mod answers;
mod arrival;
mod config;
mod connection;
mod desk;
mod error;
mod feeds;
mod listener;
mod reply;

pub use answers::{Answers, Asked};
pub use arrival::{Received, receive};
pub use config::{Config, FeedConfig, TlsConfig, TlsMin};
pub use error::Error;
pub use feeds::{Feed, UNKNOWN_FEED};
pub use listener::Mllp;
