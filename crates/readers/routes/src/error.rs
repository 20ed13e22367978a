use thiserror::Error as ThisError;

/// Why the view of routes cannot be used. Our own fault or our machine's.
#[derive(Debug, ThisError)]
#[error(
    "the view of routes cannot {doing}: {why}; stop Salus, remove `views/routes.db` and start it: it is folded again"
)]
pub struct Error {
    pub(crate) doing: &'static str,
    pub(crate) why: String,
}

impl Error {
    pub(crate) fn new(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
        move |why| Error {
            doing,
            why: why.to_string(),
        }
    }
}
