use thiserror::Error as Derive;

/// Why a repository did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Derive)]
#[error("{0}")]
pub struct Error(pub(crate) String);

impl Error {
    pub(crate) fn of(why: impl ToString) -> Error {
        Error(why.to_string())
    }

    /// What stood against something that was done with a file.
    pub(crate) fn at(path: &std::path::Path) -> impl Fn(std::io::Error) -> Error {
        let path = path.display().to_string();
        move |why| Error(format!("`{path}`: {why}"))
    }
}
