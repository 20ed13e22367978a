//! Whether the session in which a page was shown goes on, so that the page can go when it does not.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;

use crate::App;
use crate::caller::Caller;
use crate::session::same;

/// The form token of the page that asks: it tells the session, and whose browser it is has it anyway.
const PAGE: &str = "salus-session";

/// `GET /account/alive`: 204, or 401 if the session ended, pauses, or is another one by now. Asking keeps
/// no session alive.
pub(crate) async fn ask(State(app): State<Arc<App>>, request: Request) -> StatusCode {
    let caller = Caller::of(request.headers(), request.extensions());
    let shown = request.headers().get(PAGE);
    let shown = shown.and_then(|shown| shown.to_str().ok());
    let session = app.sessions.peek(&caller, app.clock.now());
    let lives = session.is_some_and(|session| {
        let own = shown.is_some_and(|shown| same(shown, &session.csrf));
        own && app.staff.identity(&session.account).is_some()
    });
    match lives {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::UNAUTHORIZED,
    }
}
