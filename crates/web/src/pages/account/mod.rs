//! Who somebody is: set-up, sign-in, their own account, and the proof that they are there.

pub(crate) mod again;
pub(crate) mod alive;
pub(crate) mod apps;
pub(crate) mod factors;
pub(crate) mod own;
pub(crate) mod proof;
pub(crate) mod seals;
pub(crate) mod setup;
pub(crate) mod sign_in;
pub(crate) mod sso;
pub(crate) mod step_up;
pub(crate) mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::App;
use crate::pages::words;

pub(crate) use setup::{hashed, sound_account, sound_name};

/// Everything about people's own accounts.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/setup", get(setup::show).post(setup::make_first))
        .route("/setup/{token}", get(setup::open))
        .route("/sign-in", get(sign_in::ask).post(sign_in::sign_in))
        .route("/sign-in/passkey", post(sign_in::passkey))
        .route("/sign-in/sso", get(sso::leave))
        .route("/sign-in/sso/back", get(sso::back))
        .route("/sign-in/again", get(again::ask).post(again::go_on))
        .route("/sign-in/again/passkey", post(again::passkey))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/account", get(own::show))
        .route("/account/alive", get(alive::ask))
        .route("/account/password", post(own::password))
        .route("/account/sessions/end", post(own::end_one))
        .route("/account/sessions/end-all", post(own::end_all))
        .route("/account/app", get(factors::app).post(factors::set_app))
        .route("/account/app/remove", post(factors::remove_app))
        .route("/account/apps", get(apps::show))
        .route("/account/apps/end", post(apps::end))
        .route("/account/passkeys", post(factors::add_passkey))
        .route("/account/passkeys/remove", post(factors::remove_passkey))
        .route("/account/recovery", post(factors::recovery))
        .route("/account/step-up", get(step_up::ask).post(step_up::typed))
        .route("/account/step-up/passkey", post(step_up::passkey))
}

/// A page that leads to `next` afterwards.
pub(crate) fn with_next(page: &str, next: &str) -> String {
    if next == "/now" || next == "/" {
        return page.to_owned();
    }
    format!("{page}?next={}", words::in_query(next))
}

/// A path of this console, or the first page: never an address of another site.
pub(crate) fn own_path(next: &str) -> &str {
    let own = next.starts_with('/')
        && !next.starts_with("//")
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if own { next } else { "/now" }
}

/// What a page is asked with that leads somewhere afterwards.
#[derive(serde::Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    pub next: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        assert_eq!(own_path("/patients?ward=ICU"), "/patients?ward=ICU");
        for other in [
            "https://evil.test",
            "//evil.test",
            "/\\evil.test",
            "/a\r\nb",
            "/\t/evil.test",
            "",
            "javascript:x",
        ] {
            assert_eq!(own_path(other), "/now", "{other}");
        }
        assert_eq!(
            with_next("/sign-in", "/patients?ward=a b&x"),
            "/sign-in?next=/patients%3Fward%3Da%20b%26x"
        );
    }
}
