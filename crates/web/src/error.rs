//! Everything that can keep a page from being shown, and its one translation into a page.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use guard::Decision;
use thiserror::Error;

use crate::pages::words;

/// What somebody who was refused a chart may do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WayIn {
    /// Nothing here.
    None,
    /// Break the glass for this patient.
    Glass(String),
    /// Confirm with a second factor, then go to this path.
    StepUp(String),
}

/// Why a page was not shown.
#[derive(Debug, Clone, Error)]
pub(crate) enum Problem {
    /// Nobody is signed in; after signing in, go to `next`.
    #[error("nobody is signed in")]
    SignIn { next: String },
    /// The session pauses until its owner shows that they are there; then `next`.
    #[error("the session pauses")]
    Paused { next: String },
    /// The session is only good for setting up a second factor.
    #[error("a second factor is needed")]
    Enrol,
    /// The act needs a fresh proof by everything its owner signs in with; then `next`.
    #[error("a fresh proof by all factors is needed")]
    ProveAll { next: String },
    /// The password was set by somebody else; its owner chooses another one first.
    #[error("a password of one's own is needed")]
    Renew,
    /// The act needs a fresh proof of who acts; then `next`.
    #[error("a fresh proof is needed")]
    StepUp { next: String },
    /// The session belongs to another device.
    #[error("the session belongs to another device")]
    Misused,
    /// The guard said no; sealed at `index`.
    #[error("refused")]
    Refused {
        what: &'static str,
        words: Vec<String>,
        because: Vec<String>,
        index: u64,
        way_in: WayIn,
    },
    /// There is nothing at this address.
    #[error("there is no {0}")]
    Missing(String),
    /// A form or an address that makes no sense, in words.
    #[error("{0}")]
    Malformed(String),
    /// A form that did not come from this session's own page.
    #[error("the form did not come from this session's page")]
    Forged,
    /// The set-up link was used, is too old, or never was.
    #[error("the set-up link does not work")]
    NoSetup,
    /// Our own fault or our machine's.
    #[error("{0}")]
    Broken(String),
}

impl Problem {
    /// The refusal that `decision` is, sealed at `index`.
    pub(crate) fn refused(what: &'static str, index: u64, decision: &Decision) -> Problem {
        Problem::Refused {
            what,
            words: said(decision),
            because: decision.because().to_vec(),
            index,
            way_in: WayIn::None,
        }
    }

    /// The same refusal with what may be done about it.
    pub(crate) fn with_way_in(mut self, way: WayIn) -> Problem {
        if let Problem::Refused { way_in, .. } = &mut self {
            *way_in = way;
        }
        self
    }

    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Problem::SignIn { .. }
            | Problem::Paused { .. }
            | Problem::Enrol
            | Problem::ProveAll { .. }
            | Problem::Renew
            | Problem::StepUp { .. } => StatusCode::SEE_OTHER,
            Problem::Refused { .. } | Problem::Forged | Problem::Misused => StatusCode::FORBIDDEN,
            Problem::Missing(_) | Problem::NoSetup => StatusCode::NOT_FOUND,
            Problem::Malformed(_) => StatusCode::BAD_REQUEST,
            Problem::Broken(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The page that comes first, if it is one of those problems.
    fn elsewhere(&self) -> Option<String> {
        use crate::pages::account::with_next;
        match self {
            Problem::SignIn { next } => Some(with_next("/sign-in", next)),
            Problem::Paused { next } => Some(with_next("/sign-in/again", next)),
            Problem::Enrol | Problem::Renew => Some("/account".to_owned()),
            Problem::ProveAll { next } => {
                let next = words::in_query(next);
                Some(format!("/account/step-up?all=yes&next={next}"))
            }
            Problem::StepUp { next } => Some(with_next("/account/step-up", next)),
            _ => None,
        }
    }

    /// What it says on the page: title, what happened, what to do.
    pub(crate) fn told(&self) -> (String, String, String) {
        let (title, happened, to_do) = match self {
            Problem::SignIn { .. }
            | Problem::Paused { .. }
            | Problem::Enrol
            | Problem::ProveAll { .. }
            | Problem::Renew
            | Problem::StepUp { .. }
            | Problem::Refused { .. } => ("", String::new(), ""),
            Problem::Misused => (
                "This session belongs to another device.",
                "Its cookie was sent from another browser than the one it began in. That is refused and sealed, and the session's owner is told.".to_owned(),
                "Sign in here. If you did not copy anything, tell whoever is responsible for security.",
            ),
            Problem::Missing(what) => (
                "There is no such page.",
                format!("There is no {what}."),
                "Check the address, or look for it from the pages above.",
            ),
            Problem::Malformed(why) => (
                "That makes no sense here.",
                words::sentence(why),
                "Go back, correct it and send it again.",
            ),
            Problem::Forged => (
                "This form is not from your session.",
                "The form was sent by another site, or from a session that has ended. Nothing was changed.".to_owned(),
                "Open the page again and send the form from there.",
            ),
            Problem::NoSetup => (
                "This set-up link does not work.",
                "It was used, it is too old, or an administrator exists already.".to_owned(),
                "Sign in. If nobody can, start Salus again: it prints a new link as long as there is no administrator.",
            ),
            // What it is goes to the program's log alone: paths and queries are nobody's here.
            Problem::Broken(_) => (
                "This page cannot be shown now.",
                "Salus or its machine has a fault; what it is stands in the program's log."
                    .to_owned(),
                "Try again in a moment. If it stays, tell whoever runs Salus; nothing that was sealed is lost.",
            ),
        };
        (title.to_owned(), words::quoted(&happened), to_do.to_owned())
    }
}

/// A decision's reasons as the page says them.
pub(crate) fn said(decision: &Decision) -> Vec<String> {
    let sentence = |reason: &String| words::quoted(&words::sentence(reason));
    decision.words().iter().map(sentence).collect()
}

/// The body is filled in by `pages::dress`, which knows whose session it is.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Some(path) = self.elsewhere() {
            return Redirect::to(&path).into_response();
        }
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<record::Error> for Problem {
    fn from(error: record::Error) -> Problem {
        match error {
            record::Error::NoSuchIndex(index) => {
                Problem::Missing(format!("event `{index}` in the record"))
            }
            record::Error::Conflict { .. }
            | record::Error::Erased(_)
            | record::Error::NoSuchPatient
            | record::Error::NotPermitted
            | record::Error::Standby
            | record::Error::TooLarge { .. } => Problem::Malformed(error.to_string()),
            record::Error::Broken { .. }
            | record::Error::Lost { .. }
            | record::Error::Distrusted { .. }
            | record::Error::Fenced { .. }
            | record::Error::KeysMissing
            | record::Error::Stopped
            | record::Error::Uprooted { .. }
            | record::Error::Unleased => broken(&error),
        }
    }
}

impl From<chart::ChartError> for Problem {
    fn from(error: chart::ChartError) -> Problem {
        match error {
            chart::ChartError::TooCostly { .. } => Problem::Malformed(error.to_string()),
            _ => broken(&error),
        }
    }
}

impl From<askama::Error> for Problem {
    fn from(error: askama::Error) -> Problem {
        broken(&error)
    }
}

impl From<guard::Refused> for Problem {
    fn from(refused: guard::Refused) -> Problem {
        Problem::Malformed(refused.words)
    }
}

/// Our own fault: said on the page, and to whoever reads the program's log.
pub(crate) fn broken(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a page cannot be shown");
    Problem::Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_ours_tells_nothing_of_the_inside() {
        let why = "SELECT secret FROM account: /var/lib/salus/views/staff.db is locked".to_owned();
        let problem = Problem::from(record::Error::Broken { doing: "read", why });
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
        let (title, happened, to_do) = problem.told();
        let told = [title, happened, to_do].join(" ");
        assert!(
            !told.contains("SELECT") && !told.contains("/var/lib"),
            "{told}"
        );
        assert!(told.contains("log"), "{told}");
    }
}
