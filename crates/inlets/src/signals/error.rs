use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error as ThisError;

use crate::tls::Unusable;

/// Why the doors for signals cannot be opened.
#[derive(Debug, ThisError)]
pub enum Error {
    /// Something else listens there, or the address is not this machine's.
    #[error("cannot listen for syslog on `{address}`: {why}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        why: std::io::Error,
    },
    /// A feed's settings make no sense.
    #[error("feed `{feed}` of `[signals]`: {why}")]
    Feed {
        /// The feed's name.
        feed: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// Something is listened for, and nobody may send it.
    #[error("`[signals.syslog]` listens, but no `[[signals.syslog.feed]]` says who may send")]
    NoFeed,
    /// A line could never wait.
    #[error(
        "`line_bytes_max` or `audit_bytes_max` ({line}) and {beside} bytes more do not fit into `waiting_bytes_max` ({all}) of \
         `[signals]`: lower the one or raise the other"
    )]
    Limits {
        /// Bytes in one line.
        line: usize,
        /// What a line takes beside its bytes.
        beside: usize,
        /// Bytes that may wait.
        all: usize,
    },
    /// A file with certificates or a key cannot be used.
    #[error("cannot use `{path}` for syslog over TLS: {why}")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// Certificate and key do not fit together.
    #[error("the settings of `[signals.syslog.tls]` do not fit together: {0}")]
    Tls(String),
}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Error {
        let Unusable { path, why } = unusable;
        match path {
            Some(path) => Error::Certificate { path, why },
            None => Error::Tls(why),
        }
    }
}
