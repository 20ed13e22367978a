use serde::{Deserialize, Serialize};

use crate::Time;

/// A client's registration as an app was added, changed or taken away (`None`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppChange {
    /// The client's id.
    pub id: String,
    /// What it is from now on.
    pub app: Option<App>,
}

/// How a client proves who it is at the token endpoint, and where people are sent back to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct App {
    /// Where an answer may be sent, compared byte by byte.
    pub redirect_uris: Vec<String>,
    /// Where a launch from a patient's page begins.
    pub launch_url: Option<String>,
    /// Where its public keys are (a JWK set over HTTPS).
    pub jwks_url: Option<String>,
    /// Its public keys themselves (a JWK set).
    pub jwks: Option<String>,
    /// Client certificates it may use: the certificate's SHA-256 in hex, or a common or DNS name
    /// of a certificate of a trusted authority.
    pub certificates: Vec<String>,
    /// It keeps a secret, the client's token.
    pub secret: bool,
}

impl App {
    /// Whether anything but its name proves who it is.
    pub fn is_confidential(&self) -> bool {
        self.secret
            || self.jwks.is_some()
            || self.jwks_url.is_some()
            || !self.certificates.is_empty()
    }
}

/// One step in the life of an app's leave. Steps with the same `family` belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Token {
    /// A person agreed; the app got a code.
    Agreed(Agreed),
    /// A client proved itself with an assertion while it asked for something else.
    Asserted(Asserted),
    /// Everything under the family ended.
    Ended(Ended),
    /// Tokens were issued.
    Issued(Issued),
}

/// Whose leave it is and how far it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// A random id.
    pub family: String,
    /// The app's client id.
    pub client: String,
    /// The person's account; `None`: the app acts by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The one patient it was opened for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// The visit it was opened for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encounter: Option<String>,
    /// SMART scopes.
    pub scopes: Vec<String>,
    /// The name of the session it ends with; no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// SHA-256 (base64url) of the client certificate that has to be shown with its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// A person agreed on a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// To what.
    pub leave: Leave,
    /// Hex SHA-256 of the code.
    pub code: String,
    /// Until when the code can be exchanged.
    pub until: Time,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// PKCE S256 challenge.
    pub challenge: String,
    /// The app's `nonce`, for the id token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// Tokens were issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// The leave they carry.
    pub leave: Leave,
    /// Hex SHA-256 of the code, refresh token or assertion that was used up for them.
    pub spent: String,
    /// Until when somebody could try to use that once more.
    pub spent_until: Time,
    /// Hex SHA-256 of the access token.
    pub access: String,
    /// Until when it is good.
    pub access_until: Time,
    /// What this access token covers of the leave's scopes.
    pub access_scopes: Vec<String>,
    /// The refresh token, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Refresh>,
}

/// A refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// Hex SHA-256 of it.
    pub hash: String,
    /// Until when it is good.
    pub until: Time,
}

/// Leave ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub family: String,
    /// Why, in words.
    pub why: String,
}

/// An assertion that is used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asserted {
    /// Whose.
    pub client: String,
    /// Hex SHA-256 that stands for it.
    pub hash: String,
    /// Until when it could be shown again.
    pub until: Time,
}
