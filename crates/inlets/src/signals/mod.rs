//! What machines say: syslog over UDP, TCP and TLS, and files that grow. Lines are gathered into
//! batches; a batch is one entry of the record, under the key of its day.

mod config;
mod connection;
mod error;
mod feed;
mod gather;
mod listener;
mod look;
mod mark;
mod rotated;
mod tail;
mod udp;

pub use config::{Config, FileConfig, HttpsConfig, HttpsFeed, SyslogConfig, SyslogFeed};
pub use error::Error;
pub use feed::{Feed, UNKNOWN_FEED};
pub use listener::{Address, Syslog};
pub use tail::{Files, Positions};
