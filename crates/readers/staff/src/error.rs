use thiserror::Error as ThisError;

use crate::BadPasskey;

/// Why the view of accounts cannot be used. Our own fault or our machine's.
#[derive(Debug, ThisError)]
#[error(
    "the view of accounts cannot {doing}: {why}; stop Salus, remove `views/staff.db` and start it: it is folded again"
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

/// Why a sign-in was refused. It tells nobody whether the account exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
pub enum SignInRefused {
    /// Too many sign-ins are being checked; this one was not counted.
    #[error("too many people are signing in at this moment; try again in a few seconds")]
    Busy,
    /// Too many failures under this name, whether or not there is such an account.
    #[error("too many failed sign-ins under this name or from this address; try again in {}", minutes(*wait_ms))]
    Locked {
        /// Time until another attempt is looked at, in milliseconds.
        wait_ms: i64,
    },
    /// A passkey was not taken.
    #[error("{0}")]
    Passkey(BadPasskey),
    /// Name, password and code do not belong together.
    #[error("the name, the password or the code is not right; check them and try again")]
    Wrong,
}

fn minutes(wait_ms: i64) -> String {
    match (wait_ms.max(1) - 1) / 60_000 + 1 {
        1 => "a minute".to_owned(),
        more => format!("{more} minutes"),
    }
}

/// Why a password cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
pub enum BadPassword {
    /// On the list of passwords that were stolen elsewhere.
    #[error("the password is among those that were stolen elsewhere and are tried; choose another")]
    Breached,
    /// One of those that people choose most often.
    #[error("the password is one that many people choose and that is tried first; choose another")]
    Common,
    /// Shorter than `password_characters_min`.
    #[error("the password has {has} characters; it needs at least {min}")]
    Short {
        /// Characters it has.
        has: usize,
        /// Characters it needs.
        min: usize,
    },
    /// Longer than `password_bytes_max`.
    #[error("the password has {has} bytes; it may have {max} at most")]
    Long {
        /// Bytes it has.
        has: usize,
        /// Bytes it may have.
        max: usize,
    },
    /// Little but words that are tried first.
    #[error(
        "without words that are tried first the password has {left} characters of its own; it needs at least {min}"
    )]
    Guessed {
        /// Characters that are left.
        left: usize,
        /// Characters it needs.
        min: usize,
    },
    /// The same few characters over and over.
    #[error("the password is made of {kinds} different characters; it needs at least {min}")]
    Monotonous {
        /// Different characters it has.
        kinds: usize,
        /// Different characters it needs.
        min: usize,
    },
    /// The list of stolen passwords cannot be read.
    #[error(
        "the password cannot be held against the list of stolen ones (`breached` in `[staff]`); tell whoever runs Salus"
    )]
    Unchecked,
}
