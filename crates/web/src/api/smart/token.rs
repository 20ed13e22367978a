//! `POST /oauth/token`: a code, a refresh token or a client's own word against new tokens.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::{Act, Agreed, Leave, Subject};
use guard::Ask;
use record::Witnessed;
use serde_json::{Map, Value, json};
use tokens::{Found, Mark};

use super::client::{Call, Caller, Form};
use super::issue::{Basis, family};
use super::refusal::Refusal;
use super::scope::{has, within};
use crate::App;
use crate::session::same;

/// How long an id token is good for, in seconds.
const ID_TOKEN_SECONDS: i64 = 300;

/// `POST /oauth/token`
pub(crate) async fn exchange(
    State(app): State<Arc<App>>,
    call: Call,
) -> Result<Json<Map<String, Value>>, Refusal> {
    let told = granted(&app, &call).await;
    told.map(Json)
        .map_err(|refusal| refusal.by(Some(call.caller.id())))
}

async fn granted(app: &App, Call { caller, form }: &Call) -> Result<Map<String, Value>, Refusal> {
    match form.need("grant_type")? {
        "authorization_code" => by_code(app, caller, form).await,
        "refresh_token" => by_refresh(app, caller, form).await,
        "client_credentials" => by_itself(app, caller, form).await,
        other => {
            let why = format!("`{other}` is not offered; see `grant_types_supported`");
            Err(Refusal::of("unsupported_grant_type", why))
        }
    }
}

/// SMART Backend Services: a system asks in its own name.
async fn by_itself(app: &App, caller: &Caller, form: &Form) -> Result<Map<String, Value>, Refusal> {
    if !caller.app.is_confidential() {
        let why = "a client that proves nothing about itself acts for people only";
        return Err(Refusal::of("unauthorized_client", why));
    }
    let mut scopes = within(form.need("scope")?, &caller.identity.scopes);
    scopes.retain(|scope| scope.starts_with("system/"));
    if scopes.is_empty() {
        return Err(Refusal::scope(
            "none of these is a `system/` scope the client is registered for",
        ));
    }
    let leave = Leave {
        family: family()?,
        client: caller.id().to_owned(),
        account: None,
        patient: None,
        encounter: None,
        scopes: scopes.clone(),
        session: None,
        certificate: caller.certificate.clone(),
    };
    let asserted = caller.asserted.as_ref();
    let basis = Basis {
        leave,
        scopes,
        spent: asserted.map(|asserted| (asserted.hash, asserted.until)),
    };
    app.issue(caller, basis).await
}

/// Somebody agreed, and the app shows the code it got.
async fn by_code(app: &App, caller: &Caller, form: &Form) -> Result<Map<String, Value>, Refusal> {
    let wrong = || Refusal::grant("this code is not good: unknown, too old, or of another client");
    let code = form.need("code")?;
    let found = app.tokens.find(code, app.clock.now()).ok_or_else(wrong)?;
    let agreed = match found.mark {
        Mark::Code(agreed) if agreed.leave.client == caller.id() => agreed,
        Mark::Spent { .. } => return stolen(app, &found, "a code was used twice").await,
        Mark::Access { .. } | Mark::Code(_) | Mark::Refresh { .. } => return Err(wrong()),
    };
    if form.need("redirect_uri")? != agreed.redirect_uri {
        return Err(Refusal::grant(
            "`redirect_uri` is not the one the code was sent to",
        ));
    }
    if !proves(form.need("code_verifier")?, &agreed.challenge) {
        return Err(Refusal::grant(
            "`code_verifier` does not fit the `code_challenge`",
        ));
    }
    prove_once(app, caller).await?;
    let mut leave = agreed.leave.clone();
    still_there(app, &leave)?;
    leave.certificate.clone_from(&caller.certificate);
    let basis = Basis {
        scopes: leave.scopes.clone(),
        leave: leave.clone(),
        spent: Some((tokens::hash(code), agreed.until)),
    };
    let mut told = app.issue(caller, basis).await?;
    context(&leave, &mut told);
    if has(&leave.scopes, "openid") {
        let token = id_token(app, &agreed).await?;
        told.insert("id_token".to_owned(), token.into());
    }
    Ok(told)
}

/// The app shows its newest refresh token and gets the next one.
async fn by_refresh(
    app: &App,
    caller: &Caller,
    form: &Form,
) -> Result<Map<String, Value>, Refusal> {
    let wrong = || Refusal::grant("this refresh token is not good: unknown, ended or too old");
    let token = form.need("refresh_token")?;
    let found = app.tokens.find(token, app.clock.now()).ok_or_else(wrong)?;
    let until = match found.mark {
        Mark::Refresh { until } => until,
        Mark::Spent { .. } => return stolen(app, &found, "a refresh token was used twice").await,
        Mark::Access { .. } | Mark::Code(_) => return Err(wrong()),
    };
    let leave = found.leave.ok_or_else(wrong)?;
    if leave.client != caller.id() || leave.certificate != caller.certificate {
        return Err(wrong());
    }
    still_there(app, &leave)?;
    let scopes = match form.get("scope") {
        None => leave.scopes.clone(),
        Some(asked) => {
            let scopes = within(asked, &leave.scopes);
            if scopes.len() != asked.split_ascii_whitespace().count() {
                return Err(Refusal::scope("this is more than the person agreed to"));
            }
            scopes
        }
    };
    prove_once(app, caller).await?;
    let basis = Basis {
        leave: (*leave).clone(),
        scopes,
        spent: Some((tokens::hash(token), until)),
    };
    let mut told = app.issue(caller, basis).await?;
    context(&leave, &mut told);
    Ok(told)
}

/// What was used up is shown again: somebody else has it, so nobody keeps what came of it.
async fn stolen(app: &App, found: &Found, why: &str) -> Result<Map<String, Value>, Refusal> {
    if let Some(leave) = &found.leave {
        tracing::warn!(client = leave.client, why, "an app's leave was ended");
        app.end_leave(&leave.family, why).await?;
    }
    Err(Refusal::grant(
        "this was used before; all that came of it has ended",
    ))
}

/// An assertion that came with a code or a refresh token is used up by itself.
async fn prove_once(app: &App, caller: &Caller) -> Result<(), Refusal> {
    let Some(asserted) = &caller.asserted else {
        return Ok(());
    };
    app.spend(caller, asserted).await
}

/// Leave ends with the account of the person, the client's, and the session it was tied to.
fn still_there(app: &App, leave: &Leave) -> Result<(), Refusal> {
    match app.leave_stands(leave) {
        true => Ok(()),
        false => Err(Refusal::grant("the person's account or session has ended")),
    }
}

/// RFC 7636 section 4.6, S256.
fn proves(verifier: &str, challenge: &str) -> bool {
    let sound = (43..=128).contains(&verifier.len())
        && verifier
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    let made = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    sound && same(&made, challenge)
}

/// What the app was opened for.
fn context(leave: &Leave, told: &mut Map<String, Value>) {
    if let Some(patient) = &leave.patient {
        told.insert("patient".to_owned(), patient.clone().into());
        told.insert("need_patient_banner".to_owned(), true.into());
    }
    if let Some(encounter) = &leave.encounter {
        told.insert("encounter".to_owned(), encounter.clone().into());
    }
}

/// OpenID Connect Core 1.0 section 2.
async fn id_token(app: &App, agreed: &Agreed) -> Result<String, Refusal> {
    let leave = &agreed.leave;
    let now = app.tokens.now(app.clock.now()).millis() / 1_000;
    let account = leave.account.as_deref().unwrap_or_default();
    let mut claims = json!({
        "iss": app.issuer(),
        "sub": account,
        "aud": leave.client,
        "iat": now,
        "exp": now + ID_TOKEN_SECONDS,
    });
    let Some(map) = claims.as_object_mut() else {
        return Err(Refusal::broken(&"claims are no object"));
    };
    if let Some(nonce) = &agreed.nonce {
        map.insert("nonce".to_owned(), nonce.clone().into());
    }
    let person = app.staff.identity(account);
    if has(&leave.scopes, "profile")
        && let Some(person) = &person
    {
        map.insert("name".to_owned(), person.actor.name.clone().into());
    }
    if has(&leave.scopes, "fhirUser")
        && let Some(person) = person
        && let Some(id) = practitioner(app, person).await?
    {
        let url = format!("{}/Practitioner/{id}", app.settings.fhir_base);
        map.insert("fhirUser".to_owned(), url.into());
    }
    app.signer
        .sign(&claims)
        .map_err(|why| Refusal::broken(&why))
}

/// The Practitioner the person is, looked up by the number that messages name them by, as they
/// themselves may look it up.
async fn practitioner(app: &App, person: guard::Identity) -> Result<Option<String>, Refusal> {
    let Some(number) = person.practitioner.clone() else {
        return Ok(None);
    };
    let pairs = [("identifier".to_owned(), number)];
    let limits = wire::fhir::search::QueryLimits::default();
    let Ok(query) = wire::fhir::query("Practitioner", &pairs, &limits) else {
        return Ok(None);
    };
    let ask = Ask {
        identity: person,
        act: Act::Search,
        subject: Subject::Kind("Practitioner".to_owned()),
        kinds: vec!["Practitioner".to_owned()],
        purpose: "TREAT".to_owned(),
        reason: None,
        detail: "Practitioner?identifier of the person".to_owned(),
    };
    let decision = app.decide(ask).await;
    let decision = decision.map_err(|why| Refusal::broken(&why))?;
    let witnessed = app
        .record
        .witness(decision)
        .await
        .map_err(|why| Refusal::broken(&why))?;
    let Witnessed::Allowed(permit) = witnessed else {
        return Ok(None);
    };
    let found = app.chart.open_with(permit).matching(&query).await;
    let found = found.map_err(|why| Refusal::broken(&why))?;
    match <[String; 1]>::try_from(found) {
        Ok([only]) => Ok(Some(only)),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_proves_its_challenge_as_in_rfc_7636_appendix_b() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(proves(verifier, challenge));
        assert!(
            !proves(challenge, challenge),
            "the plain method is not taken"
        );
        assert!(!proves("short", "short"));
    }
}
