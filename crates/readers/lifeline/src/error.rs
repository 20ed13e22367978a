use std::fmt::Display;
use std::path::PathBuf;

use thiserror::Error;

/// What keeps lifeline from its work.
#[derive(Debug, Error)]
pub enum Error {
    /// The view's file cannot be read or written.
    #[error("the view `lifeline` cannot {doing}: {why}; remove its file, and it is made again")]
    View {
        /// What it was about to do.
        doing: &'static str,
        /// What the database said.
        why: String,
    },
    /// The system's cryptography refused.
    #[error("a pack cannot be sealed: the system has no randomness or no memory")]
    NotSealed,
    /// Wrong code, or an altered file.
    #[error("this pack does not open: the code is another one, or the file was altered")]
    NotOpened,
    /// The file is no pack.
    #[error("this file is no ward pack: {0}")]
    NoPack(&'static str),
    /// A pack is not where it should be.
    #[error("the pack cannot be put into `{}`: {why}", folder.display())]
    NotPut {
        /// The folder.
        folder: PathBuf,
        /// What the system said, or what reading it again found.
        why: String,
    },
}

impl Error {
    pub(crate) fn view<E: Display>(doing: &'static str) -> impl Fn(E) -> Error {
        move |error| Error::View {
            doing,
            why: error.to_string(),
        }
    }
}
