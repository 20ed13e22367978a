use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error as ThisError;

use crate::tls::Unusable;

/// Why the inlet cannot be opened.
#[derive(Debug, ThisError)]
pub enum Error {
    /// Something else listens there, or the address is not this machine's.
    #[error("cannot listen for DICOM on `{address}`: {why}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        why: std::io::Error,
    },
    /// Plain DICOM would leave the machine.
    #[error(
        "plain DICOM on `{0}` would carry patient data in the clear: listen on a loopback address, \
         or configure `[dicom.tls]` with client certificates"
    )]
    NotLoopback(SocketAddr),
    /// A setting makes no sense.
    #[error("`[dicom]`: {0}")]
    Setting(String),
    /// A feed's settings make no sense.
    #[error("feed `{feed}` of `[dicom]`: {why}")]
    Feed {
        /// The feed's name.
        feed: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// A file with certificates or a key cannot be used.
    #[error("cannot use `{path}` for DICOM over TLS: {why}")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// Certificate and key do not fit together.
    #[error("the settings of `[dicom.tls]` do not fit together: {0}")]
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
