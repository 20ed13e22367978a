//! `/oauth/authorize`: a person is asked, in plain words, and answers with a form.

use std::sync::Arc;

use axum::extract::{FromRequest as _, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use axum::response::{IntoResponse as _, Redirect, Response};
use event::{Act, Agreed, Leave, Token};
use tokens::Sort;

use super::asked::{Asked, origin};
use super::client::Form;
use super::issue::{ACCESS_MS, family, minted};
use super::patient::{Chosen, choices, chosen};
use super::refusal::Refusal;
use super::scope::{has, needs_patient, told};
use super::view::{AgreePage, Wish};
use crate::App;
use crate::api::fhir::query;
use crate::app::Settings;
use crate::error::Problem;
use crate::pages::patients::census::{self, Typed};
use crate::pages::shell::Here;
use crate::pages::visit::{Fields, Posted, Visit, page};
use crate::pages::words;
use crate::router::policy;

/// The longest life of a code, in milliseconds.
const CODE_MS_MAX: i64 = 60_000;

/// `GET /oauth/authorize`
pub(crate) async fn ask(visit: Visit, RawQuery(text): RawQuery) -> Result<Response, Problem> {
    let form = Form::read(text.as_deref().unwrap_or_default());
    let form = form.map_err(|refusal| Problem::Malformed(refusal.why))?;
    let asked = match Asked::read(&visit.app, &form) {
        Ok(asked) => asked,
        Err(wrong) => return Ok(wrong.into()),
    };
    let patient = match patient(&visit, &asked, form.get("patient")).await {
        Ok(patient) => patient,
        Err(Stop::Ask) => {
            let kept = form.get("search").unwrap_or_default();
            let kept = visit.session.typed.patients.find(kept);
            let typed = kept.unwrap_or_default();
            return page(StatusCode::OK, &choices(&visit, &asked, &typed).await?);
        }
        Err(Stop::Refuse(refusal)) => return Ok(asked.refuse(&visit.app, &refusal)),
        Err(Stop::Problem(problem)) => return Err(problem),
    };
    let mut response = page(StatusCode::OK, &shown(&visit, &asked, patient))?;
    let policy = HeaderValue::from_str(&policy(&[origin(&asked.redirect_uri)]));
    if let Ok(policy) = policy {
        response
            .headers_mut()
            .insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// `POST /oauth/authorize/choose`: the person looks for the patient. The name goes into no address.
pub(crate) async fn choose(Posted { visit, fields }: Posted) -> Result<Response, Problem> {
    let typed = Typed::name(fields.get("name"));
    census::check(&typed)?;
    let kept = census::keep(&visit, typed)?;
    let form = form_of(&fields)?;
    let again = format!("/oauth/authorize?{}&search={kept}", form.text());
    Ok(Redirect::to(&again).into_response())
}

/// Why there is no page to agree on yet.
enum Stop {
    /// The person has to choose a patient first.
    Ask,
    Problem(Problem),
    Refuse(Refusal),
}

/// The patient the app is opened for: the one of the page it was launched from, or the one that
/// was chosen; whichever it is, the person must be allowed to open their chart.
async fn patient(
    visit: &Visit,
    asked: &Asked,
    picked: Option<&str>,
) -> Result<Option<Chosen>, Stop> {
    let account = &visit.identity.actor.id;
    let id = match &asked.launch {
        Some(launch) => {
            let now = visit.app.clock.now();
            let launched = visit.app.launches.peek(launch, now);
            let launched =
                launched.filter(|one| one.account == *account && one.client == asked.client);
            let launched = launched.ok_or_else(|| {
                Stop::Refuse(Refusal::request(
                    "`launch` is not good: unknown, used, too old or of somebody else",
                ))
            })?;
            Some(launched.patient)
        }
        None => picked.map(str::to_owned),
    };
    match id {
        Some(id) => chosen(visit, asked, &id)
            .await
            .map(Some)
            .map_err(Stop::Problem),
        None if needs_patient(&asked.scopes) => Err(Stop::Ask),
        None => Ok(None),
    }
}

fn shown(visit: &Visit, asked: &Asked, patient: Option<Chosen>) -> AgreePage {
    let mut fields = asked.fields(&visit.app);
    if let Some(patient) = &patient {
        fields.push(("patient".to_owned(), patient.id.clone()));
    }
    let wish = |(at, scope): (usize, &String)| Wish {
        field: format!("scope-{at}"),
        scope: scope.clone(),
        words: told(scope),
    };
    AgreePage {
        shell: visit.shell("An app asks for access", Here::Nowhere),
        app: asked.name.clone(),
        client: asked.client.clone(),
        goes_to: origin(&asked.redirect_uri),
        lasting: has(&asked.scopes, "offline_access"),
        how_long: how_long(&visit.app.settings, &asked.scopes),
        patient: patient.map(|patient| patient.name),
        wishes: asked.scopes.iter().enumerate().map(wish).collect(),
        fields,
    }
}

/// For how long an app has what it asks for, if the person agrees to all of it.
fn how_long(settings: &Settings, scopes: &[String]) -> String {
    if has(scopes, "offline_access") {
        let unused = words::span(settings.refresh_token_ms);
        let last = words::span(settings.agreement_ms);
        return format!(
            "It keeps this access when you have signed out, until it has not used it for {unused}, \
             and for {last} at most. You can end it before on the page of your account."
        );
    }
    if has(scopes, "online_access") {
        return "It keeps this access until you sign out.".to_owned();
    }
    let life = settings.access_token_ms.clamp(ACCESS_MS.0, ACCESS_MS.1);
    format!("Its access ends {} after it got it.", words::span(life))
}

/// `POST /oauth/authorize`: the person's answer, or an app's request that it sends as a form. The
/// browser shows no cookie with a form of another site, so it is told to ask again.
pub(crate) async fn posted(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, app.settings.form_bytes_max).await;
    let bytes = bytes.map_err(|why| Problem::Malformed(why.to_string()))?;
    let asks = std::str::from_utf8(&bytes).ok().filter(|text| {
        let form = Form::read(text).unwrap_or_default();
        form.get("response_type").is_some() && form.get("csrf").is_none()
    });
    if let Some(asks) = asks {
        let form = Form::read(asks).map_err(|refusal| Problem::Malformed(refusal.why))?;
        let again = format!("/oauth/authorize?{}", form.text());
        return Ok(Redirect::to(&again).into_response());
    }
    let request = Request::from_parts(parts, bytes.into());
    answer(Posted::from_request(request, &app).await?).await
}

async fn answer(Posted { visit, fields }: Posted) -> Result<Response, Problem> {
    let app = Arc::clone(&visit.app);
    let form = form_of(&fields)?;
    let asked = match Asked::read(&app, &form) {
        Ok(asked) => asked,
        Err(wrong) => return Ok(wrong.into()),
    };
    if fields.get("answer") != "yes" {
        let refusal = Refusal::of("access_denied", "the person did not agree");
        return Ok(asked.refuse(&app, &refusal));
    }
    let patient = match patient(&visit, &asked, form.get("patient")).await {
        Ok(patient) => patient,
        Err(Stop::Ask) => return Err(Problem::Malformed("choose a patient first".to_owned())),
        Err(Stop::Refuse(refusal)) => return Ok(asked.refuse(&app, &refusal)),
        Err(Stop::Problem(problem)) => return Err(problem),
    };
    // Used up only now: the page before may be loaded again.
    if let Some(launch) = &asked.launch
        && !app.launches.take(launch)
    {
        return Ok(asked.refuse(&app, &Refusal::request("`launch` was used before")));
    }
    let scopes = agreed_to(&asked, &fields);
    if scopes.is_empty() {
        let refusal = Refusal::of("access_denied", "the person agreed to none of it");
        return Ok(asked.refuse(&app, &refusal));
    }
    match give(&visit, &asked, (patient, scopes)).await {
        Ok(code) => Ok(asked.back(&app, &[("code", code.as_str())])),
        Err(refusal) => Ok(asked.refuse(&app, &refusal)),
    }
}

/// The fields that our own page carried on, as a request again.
fn form_of(fields: &Fields) -> Result<Form, Problem> {
    const NAMES: [&str; 11] = [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "aud",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "launch",
        "patient",
    ];
    let pairs: Vec<(String, String)> = NAMES
        .iter()
        .map(|name| ((*name).to_owned(), fields.get(name).to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    Form::read(&query::text(&pairs)).map_err(|refusal| Problem::Malformed(refusal.why))
}

fn agreed_to(asked: &Asked, fields: &Fields) -> Vec<String> {
    let all = asked.scopes.iter().enumerate();
    all.filter(|(at, _)| fields.get(&format!("scope-{at}")) == "yes")
        .map(|(_, scope)| scope.clone())
        .collect()
}

/// Seals that the person agreed and returns the code.
async fn give(
    visit: &Visit,
    asked: &Asked,
    (patient, scopes): (Option<Chosen>, Vec<String>),
) -> Result<String, Refusal> {
    let app = &visit.app;
    let code = minted(Sort::Code)?;
    let online = has(&scopes, "online_access") && !has(&scopes, "offline_access");
    let leave = Leave {
        family: family()?,
        client: asked.client.clone(),
        account: Some(visit.identity.actor.id.clone()),
        encounter: patient
            .as_ref()
            .and_then(|patient| patient.encounter.clone())
            .filter(|_| has(&scopes, "launch/encounter")),
        patient: patient.map(|patient| patient.id),
        session: online.then(|| visit.session.name.clone()),
        certificate: None,
        scopes,
    };
    let life = app.settings.code_ms.clamp(1_000, CODE_MS_MAX);
    let agreed = Agreed {
        leave,
        code: code.hash,
        until: app.tokens.now(app.clock.now()).plus_millis(life),
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge.clone(),
        nonce: asked.nonce.clone(),
    };
    let actor = visit.identity.actor.clone();
    app.seal_token(Act::SignIn, actor, Token::Agreed(agreed))
        .await?;
    Ok(code.text)
}
