//! Packs for whoever comes for them: somebody of the ward in a browser, or a ward's computer with
//! a token of its own.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use event::{Act, Subject, Time};

use super::refresh;
use crate::App;
use crate::error::{Problem, broken};
use crate::pages::visit::Visit;

/// The scope with which a ward's computer fetches packs. They are no use without their codes.
pub const SCOPE: &str = "system/packs";
/// A pack that is younger than this is served as it is, in milliseconds.
const YOUNG_MS: i64 = 10_000;

/// `GET /packs/{ward}`
pub(crate) async fn download(visit: Visit, Path(ward): Path<String>) -> Result<Response, Problem> {
    let ask = visit.ask(Act::Read, Subject::Ward(ward.clone()));
    visit.permit("this ward", ask).await?;
    let file = current(&visit.app, &ward, visit.eye.now).await?;
    Ok(served(&ward, &file))
}

/// `GET /packs/machine/{ward}` with a bearer token.
pub(crate) async fn machine(
    State(app): State<Arc<App>>,
    Path(ward): Path<String>,
    headers: HeaderMap,
) -> Response {
    let token = headers.get(AUTHORIZATION).and_then(|one| one.to_str().ok());
    let token = token.and_then(|one| one.strip_prefix("Bearer "));
    let client = token.and_then(|token| app.staff.client(token));
    let may = client.is_some_and(|client| client.scopes.iter().any(|scope| scope == SCOPE));
    if !may {
        return (
            StatusCode::UNAUTHORIZED,
            "a token with the scope system/packs is needed\n",
        )
            .into_response();
    }
    match current(&app, &ward, app.clock.now()).await {
        Ok(file) => served(&ward, &file),
        Err(problem) => (problem.status(), "there is no pack now; ask again\n").into_response(),
    }
}

async fn current(app: &Arc<App>, ward: &str, now: Time) -> Result<Arc<Vec<u8>>, Problem> {
    let wards = app.chart.wards().await?;
    if !wards.iter().any(|known| known.code == ward) {
        return Err(Problem::Missing("ward of this name".to_owned()));
    }
    let young = app.lifeline.file(ward);
    if let Some((made, file)) = young
        && (0..YOUNG_MS).contains(&now.since(made))
    {
        return Ok(file);
    }
    refresh(app, ward).await.map_err(|why| broken(&why))
}

fn served(ward: &str, file: &[u8]) -> Response {
    let safe: String = ward
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
        .collect();
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"ward-{safe}.html\""),
        ),
    ];
    (headers, file.to_vec()).into_response()
}
