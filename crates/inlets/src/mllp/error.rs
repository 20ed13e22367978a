use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error as ThisError;

use crate::tls::Unusable;

/// Why the inlet cannot be opened.
#[derive(Debug, ThisError)]
pub enum Error {
    /// Something else listens there, or the address is not this machine's.
    #[error("cannot listen for MLLP on `{address}`: {why}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        why: std::io::Error,
    },
    /// Plain MLLP would leave the machine.
    #[error(
        "plain MLLP on `{0}` would carry patient data in the clear: listen on a loopback address, \
         or configure `[mllp.tls]` with client certificates"
    )]
    NotLoopback(SocketAddr),
    /// A feed's settings make no sense.
    #[error("feed `{feed}`: {why}")]
    Feed {
        /// The feed's name.
        feed: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// A file with certificates or a key cannot be used.
    #[error("cannot use `{path}` for MLLP over TLS: {why}")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// Certificate and key do not fit together.
    #[error("the settings of `[mllp.tls]` do not fit together: {0}")]
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
