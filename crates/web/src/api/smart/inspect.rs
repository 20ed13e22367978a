//! What a token is (RFC 7662), and the end of one (RFC 7009).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::client::Call;
use super::refusal::Refusal;
use crate::App;

/// `POST /oauth/introspect`: a client asks about its own tokens. Of all others it learns nothing.
pub(crate) async fn introspect(
    State(app): State<Arc<App>>,
    Call { caller, form }: Call,
) -> Result<Json<Value>, Refusal> {
    if !caller.app.is_confidential() {
        return Err(Refusal::client(
            "only a client that proves who it is may ask about tokens",
        ));
    }
    if let Some(asserted) = &caller.asserted {
        app.spend(&caller, asserted).await?;
    }
    let good = app.access_of_anybody(form.need("token")?);
    let Some(good) = good.filter(|good| good.leave.client == caller.id()) else {
        return Ok(Json(json!({ "active": false })));
    };
    let leave = &good.leave;
    let mut told = json!({
        "active": true,
        "scope": good.scopes.join(" "),
        "client_id": leave.client,
        "token_type": "Bearer",
        "sub": leave.account.as_ref().unwrap_or(&leave.client),
        "iss": app.issuer(),
        "iat": good.issued.millis() / 1_000,
        "exp": good.until.millis() / 1_000,
    });
    if let Some(map) = told.as_object_mut() {
        if let Some(patient) = &leave.patient {
            map.insert("patient".to_owned(), patient.clone().into());
        }
        if let Some(encounter) = &leave.encounter {
            map.insert("encounter".to_owned(), encounter.clone().into());
        }
        if let Some(thumbprint) = &leave.certificate {
            map.insert("cnf".to_owned(), json!({ "x5t#S256": thumbprint }));
        }
    }
    Ok(Json(told))
}

/// `POST /oauth/revoke`: ends all that belongs to the token, whichever of its kind it is. The
/// answer is the same whether there was anything to end.
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Call { caller, form }: Call,
) -> Result<StatusCode, Refusal> {
    if let Some(asserted) = &caller.asserted {
        app.spend(&caller, asserted).await?;
    }
    let found = app.tokens.find(form.need("token")?, app.clock.now());
    let leave = found.and_then(|found| found.leave);
    if let Some(leave) = leave.filter(|leave| leave.client == caller.id()) {
        app.end_leave(&leave.family, "the app gave its access back")
            .await?;
    }
    Ok(StatusCode::OK)
}
