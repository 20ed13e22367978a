//! SMART App Launch 2.2 and OAuth 2.0: apps that ask in a person's name, and systems by themselves.
//!
//! A client proves who it is ([`client`]), uses up a code, a refresh token or an assertion
//! ([`token`]), and gets tokens whose issue is sealed before they are told ([`issue`]). What a
//! token stands for is asked at every request ([`bearer`]); what it reaches, the guard decides.

mod agree;
mod asked;
mod assertion;
pub(crate) mod bearer;
mod certificate;
mod client;
mod discovery;
mod inspect;
mod issue;
mod keys;
mod launch;
mod patient;
mod refusal;
mod scope;
mod signer;
mod token;
pub(crate) mod view;

pub use asked::is_redirect_uri;
pub(crate) use asked::origin;
pub use certificate::ClientCertificate;
pub use scope::is_app_word;
pub use signer::Signer;

pub(crate) use issue::lasting;
pub(crate) use keys::Keys;
pub(crate) use launch::Launches;
pub(crate) use scope::told as scope_in_words;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::App;

/// What programs talk to.
pub(crate) fn systems(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/oauth/token", post(token::exchange))
        .route("/oauth/introspect", post(inspect::introspect))
        .route("/oauth/revoke", post(inspect::revoke))
        .route("/oauth/jwks", get(discovery::keys))
        .route(
            "/fhir/.well-known/smart-configuration",
            get(discovery::configuration),
        )
        .route(
            "/.well-known/openid-configuration",
            get(discovery::configuration),
        )
        .layer(DefaultBodyLimit::max(app.settings.form_bytes_max))
}

/// What people see of it; to be joined to the console's pages.
pub(crate) fn pages() -> Router<Arc<App>> {
    Router::new()
        .route("/oauth/authorize", get(agree::ask).post(agree::posted))
        .route("/oauth/authorize/choose", post(agree::choose))
        .route("/oauth/launch", get(launch::ask).post(launch::begin))
}
