//! What was turned away before anybody was believed.

use serde::{Deserialize, Serialize};

use crate::Time;

/// Attempts of one sort and source that were turned away. Of these, the first in a while is sealed
/// at once and the others as a count, so that a flood of them does not grow the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// What they were.
    pub sort: Attempted,
    /// The address they came from, of IPv6 the network; or that there were too many to tell apart.
    pub source: String,
    /// Which client or account they named or came through, if that could be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// Why, in words that hold nothing of what was sent.
    pub why: String,
    /// How many.
    pub count: u64,
    /// When the first of them came.
    pub since: Time,
}

/// What somebody attempted who was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attempted {
    /// To send what the door takes from nobody: a body that makes no sense.
    Body,
    /// To open more connections than one source may have.
    Connection,
    /// To send a form of somebody's session that is not from its own page.
    Form,
    /// To begin TLS.
    Handshake,
    /// To ask more often than a source or a client may.
    Pace,
    /// To prove to be a client: a secret, an assertion, a certificate.
    Proof,
    /// To sign in as a person, or to prove again to be one.
    SignIn,
    /// To use a token, a code or a refresh token.
    Token,
}

impl Attempted {
    /// How it is called, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Attempted::Body => "a body that makes no sense",
            Attempted::Connection => "too many connections",
            Attempted::Form => "a forged form",
            Attempted::Handshake => "a TLS handshake that failed",
            Attempted::Pace => "too many requests",
            Attempted::Proof => "a client's wrong proof",
            Attempted::SignIn => "a sign-in",
            Attempted::Token => "a wrong token",
        }
    }

    /// Whether it is about who somebody is.
    pub const fn is_sign_in(self) -> bool {
        matches!(
            self,
            Attempted::Proof | Attempted::SignIn | Attempted::Token
        )
    }
}
