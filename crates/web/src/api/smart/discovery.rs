//! What an app reads before anything else.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::App;

/// What SMART App Launch 2.2 section 2.1.4 calls the abilities that are offered.
const CAPABILITIES: [&str; 17] = [
    "launch-ehr",
    "launch-standalone",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "authorize-post",
    "context-ehr-encounter",
    "context-ehr-patient",
    "context-standalone-encounter",
    "context-standalone-patient",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
];

impl App {
    /// Where this server is, without a path: the issuer of its tokens.
    pub(crate) fn issuer(&self) -> &str {
        let base = self.settings.fhir_base.trim_end_matches('/');
        base.strip_suffix("/fhir").unwrap_or(base)
    }

    /// Where tokens are issued: what an assertion has to be for.
    pub(crate) fn token_url(&self) -> String {
        format!("{}/oauth/token", self.issuer())
    }
}

/// `GET /fhir/.well-known/smart-configuration` and `/.well-known/openid-configuration`
pub(crate) async fn configuration(State(app): State<Arc<App>>) -> Json<Value> {
    let at = |path: &str| format!("{}/oauth/{path}", app.issuer());
    Json(json!({
        "issuer": app.issuer(),
        "jwks_uri": at("jwks"),
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "introspection_endpoint": at("introspect"),
        "revocation_endpoint": at("revoke"),
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [
            "private_key_jwt", "tls_client_auth", "client_secret_basic", "client_secret_post", "none"
        ],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "tls_client_certificate_bound_access_tokens": true,
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": [
            "openid", "profile", "fhirUser", "launch", "launch/encounter", "launch/patient", "offline_access",
            "online_access", "patient/*.cruds", "user/*.cruds", "system/*.cruds"
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES384"],
        "capabilities": CAPABILITIES,
    }))
}

/// `GET /oauth/jwks`
pub(crate) async fn keys(State(app): State<Arc<App>>) -> Json<Value> {
    Json(app.signer.jwks())
}
