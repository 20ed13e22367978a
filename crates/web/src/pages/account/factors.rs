//! Second factors of one's own: passkeys, an authenticator app, recovery codes.

use aws_lc_rs::rand;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::PersonStep;

use super::own::{PATH, purpose, wrong};
use super::view::{AppPage, RecoveryPage};
use super::{proof, sound_name};
use crate::error::{Problem, broken};
use crate::pages::qr::Qr;
use crate::pages::shell::Here;
use crate::pages::visit::{Posted, Visit, page};
use crate::people::SecondFactor;
use crate::session::Level;

/// The most passkeys of one person.
const PASSKEYS_MAX: usize = 20;

/// `POST /account/passkeys`
pub(crate) async fn add_passkey(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    visit.needs_whole_proof(PATH)?;
    if sound_name(fields.get("name")).is_err() {
        return wrong(
            &visit,
            "Give the passkey a name, such as the device's.".to_owned(),
        );
    }
    let passkey = match proof::registration(&visit.app, &fields, &purpose(&visit)) {
        Ok(passkey) => passkey,
        Err(bad) => return wrong(&visit, bad),
    };
    let known = visit.app.staff.factors(&visit.identity.actor.id).passkeys;
    if known.len() >= PASSKEYS_MAX {
        let most = format!("You have {PASSKEYS_MAX} passkeys; remove one first.");
        return wrong(&visit, most);
    }
    if visit.app.staff.knows_passkey(&passkey.id) {
        return wrong(&visit, "This passkey is known already.".to_owned());
    }
    enrolled(&visit, PersonStep::PasskeyAdded(passkey)).await?;
    Ok(Redirect::to("/account?done=passkey").into_response())
}

/// Seals a new factor. Whoever just set up their first may do everything from now on.
async fn enrolled(visit: &Visit, change: PersonStep) -> Result<(), Problem> {
    visit.app.change_own(visit, change).await?;
    visit
        .app
        .sessions
        .proved(&visit.caller, visit.app.clock.now());
    Ok(())
}

/// Whether somebody would be left without a second factor that they need.
fn last_one(visit: &Visit, left: usize) -> bool {
    left == 0 && visit.app.settings.second_factor == SecondFactor::Required
}

const KEEP_ONE: &str = "This is your only second factor. Set up another one first.";

/// `POST /account/passkeys/remove`
pub(crate) async fn remove_passkey(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    visit.needs_whole_proof(PATH)?;
    let id = fields.get("passkey").to_owned();
    let factors = visit.app.staff.factors(&visit.identity.actor.id);
    if !factors.passkeys.iter().any(|(known, _)| *known == id) {
        return Err(Problem::Missing("such passkey of yours".to_owned()));
    }
    if last_one(
        &visit,
        factors.passkeys.len() - 1 + usize::from(factors.totp),
    ) {
        return wrong(&visit, KEEP_ONE.to_owned());
    }
    let removed = PersonStep::PasskeyRemoved { id };
    visit.app.change_own(&visit, removed).await?;
    Ok(Redirect::to("/account?done=passkey-removed").into_response())
}

/// `GET /account/app`
pub(crate) async fn app(visit: Visit) -> Result<Response, Problem> {
    visit.needs_whole_proof("/account/app")?;
    let mut random = [0_u8; 20];
    rand::fill(&mut random).map_err(|_| broken(&"this machine gives no random numbers"))?;
    let shown = app_page(&visit, staff::new_totp(random), None)?;
    page(StatusCode::OK, &shown)
}

fn app_page(visit: &Visit, secret: String, wrong: Option<String>) -> Result<AppPage, Problem> {
    let account = &visit.identity.actor.id;
    let address = format!(
        "otpauth://totp/Salus:{account}?secret={secret}&issuer=Salus&algorithm=SHA1&digits=6&period=30"
    );
    let code = Qr::of(&address).ok_or_else(|| broken(&"the address does not fit a code"))?;
    let letters: Vec<char> = secret.chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(String::from_iter).collect();
    Ok(AppPage {
        shell: visit.shell("An authenticator app", Here::Nowhere),
        size: code.size,
        squares: code.squares,
        grouped: groups.join(" "),
        account: account.clone(),
        secret,
        wrong,
    })
}

/// `POST /account/app`
pub(crate) async fn set_app(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    visit.needs_whole_proof("/account/app")?;
    let (secret, code) = (fields.get("secret"), fields.get("code"));
    // The secret comes back from the page it was shown on: only its owner could weaken it.
    if secret.len() != 32 {
        return Err(Problem::Malformed(
            "the secret is not from this page".to_owned(),
        ));
    }
    let typed: String = code.split_whitespace().collect();
    if !staff::totp_fits(secret, &typed, visit.app.clock.now()) {
        let late =
            "That is not the app's code now. Check the clock of the phone and type the next one.";
        let shown = app_page(&visit, secret.to_owned(), Some(late.to_owned()))?;
        return page(StatusCode::BAD_REQUEST, &shown);
    }
    let secret = Some(secret.to_owned());
    enrolled(&visit, PersonStep::Totp { secret }).await?;
    Ok(Redirect::to("/account?done=app").into_response())
}

/// `POST /account/app/remove`
pub(crate) async fn remove_app(posted: Posted) -> Result<Response, Problem> {
    let visit = posted.visit;
    visit.needs_whole_proof(PATH)?;
    let factors = visit.app.staff.factors(&visit.identity.actor.id);
    if last_one(&visit, factors.passkeys.len()) {
        return wrong(&visit, KEEP_ONE.to_owned());
    }
    let removed = PersonStep::Totp { secret: None };
    visit.app.change_own(&visit, removed).await?;
    Ok(Redirect::to("/account?done=app-removed").into_response())
}

/// `POST /account/recovery`
pub(crate) async fn recovery(posted: Posted) -> Result<Response, Problem> {
    let visit = posted.visit;
    visit.needs_whole_proof(PATH)?;
    if visit.session.level == Level::Enrol {
        let first = "Set up a passkey or an app first; the codes are for when it is lost.";
        return wrong(&visit, first.to_owned());
    }
    let mut random = [0_u8; 160];
    rand::fill(&mut random).map_err(|_| broken(&"this machine gives no random numbers"))?;
    let made = staff::new_recovery(random);
    let hashes = made.hashes;
    visit
        .app
        .change_own(&visit, PersonStep::Recovery { hashes })
        .await?;
    let shown = RecoveryPage {
        shell: visit.shell("Recovery codes", Here::Nowhere),
        account: visit.identity.actor.id.clone(),
        made: visit.stamp(visit.app.clock.now()),
        codes: made.codes,
    };
    page(StatusCode::OK, &shown)
}
