//! What the doctor says of one thing.

use serde::Serialize;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Ok,
    Warning,
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) what: &'static str,
    pub(crate) state: State,
    pub(crate) found: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) to_do: String,
}

pub(crate) fn ok(what: &'static str, found: impl ToString) -> Finding {
    Finding {
        what,
        state: State::Ok,
        found: found.to_string(),
        to_do: String::new(),
    }
}

pub(crate) fn warning(what: &'static str, found: impl ToString, to_do: &str) -> Finding {
    Finding {
        what,
        state: State::Warning,
        found: found.to_string(),
        to_do: to_do.to_owned(),
    }
}

pub(crate) fn wrong(what: &'static str, found: impl ToString, to_do: &str) -> Finding {
    Finding {
        what,
        state: State::Wrong,
        found: found.to_string(),
        to_do: to_do.to_owned(),
    }
}
