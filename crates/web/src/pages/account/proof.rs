//! The forms by which somebody shows who they are: a passkey, or what they type.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::{Attempted, SessionStep};
use staff::{Assertion, Expected, PasskeyRefused, Registration, SignInRefused, SignedIn};

use super::seals;
use super::view::PasskeyForm;
use crate::App;
use crate::caller::Caller;
use crate::error::{Problem, broken};
use crate::pages::visit::Fields;
use crate::pages::words;
use crate::rejected::TurnedAway;

/// A form that a browser fills in with a passkey.
pub(crate) fn passkey_form(app: &App, action: &str, purpose: &str) -> Result<PasskeyForm, Problem> {
    let (origin, host) = app.settings.passkey_place();
    let challenge = app.challenges.make(purpose, app.clock.now());
    Ok(PasskeyForm {
        action: action.to_owned(),
        challenge: challenge.ok_or_else(|| broken(&"this machine gives no random numbers"))?,
        origin,
        host,
        csrf: String::new(),
        next: String::new(),
        known: Vec::new(),
        label: "Use a passkey",
    })
}

/// What a browser filled in.
fn bytes(fields: &Fields, name: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(fields.get(name)).unwrap_or_default()
}

fn expected(app: &App, fields: &Fields, purpose: &str) -> Option<Expected> {
    let (origin, rp_id) = app.settings.passkey_place();
    let challenge = fields.get("challenge");
    let challenge = app.challenges.take(challenge, purpose, app.clock.now())?;
    Some(Expected {
        challenge,
        origin,
        rp_id,
    })
}

/// Checks a passkey that was used on a page with a challenge for `purpose`.
pub(crate) fn passkey(
    app: &App,
    fields: &Fields,
    purpose: &str,
    caller: &Caller,
) -> Result<SignedIn, PasskeyRefused> {
    let stale = || PasskeyRefused {
        account: None,
        why: SignInRefused::Passkey(staff::BadPasskey::Elsewhere),
    };
    let expected = expected(app, fields, purpose).ok_or_else(stale)?;
    let said = Assertion {
        credential: bytes(fields, "credential"),
        client_data: bytes(fields, "client_data"),
        authenticator_data: bytes(fields, "authenticator_data"),
        signature: bytes(fields, "signature"),
    };
    let now = app.clock.now();
    app.staff.passkey(&said, &expected, (&caller.source, now))
}

/// The passkey that a registration makes, or what is wrong with it.
pub(crate) fn registration(
    app: &App,
    fields: &Fields,
    purpose: &str,
) -> Result<event::Passkey, String> {
    let stale = || words::sentence(&staff::BadPasskey::Elsewhere.to_string());
    let expected = expected(app, fields, purpose).ok_or_else(stale)?;
    let said = Registration {
        client_data: bytes(fields, "client_data"),
        attestation: bytes(fields, "attestation"),
    };
    staff::register(&said, &expected, fields.get("name"))
        .map_err(|bad| words::sentence(&bad.to_string()))
}

/// Seals an attempt that failed; returns what to say.
///
/// What counts against a name is an event of its own, up to a named number a minute. What was not even
/// looked at, what names nobody, and what is more than that is sealed as whatever strangers try is: the
/// first of an address at once, the others as a count. INVARIANT: which of the two it is depends on no
/// account, so that it tells nobody which names exist.
pub(crate) async fn refuse(
    app: &App,
    account: &str,
    caller: &Caller,
    (step, refused): (SessionStep, &SignInRefused),
) -> Result<String, Problem> {
    let why = refused.to_string();
    let tried = matches!(refused, SignInRefused::Passkey(_) | SignInRefused::Wrong);
    if tried && !account.is_empty() && app.failure_in_full() {
        app.seal(seals::failed(account, caller, (step, &why)))
            .await?;
    } else {
        turn_away(app, caller, (account, &why)).await;
    }
    Ok(words::quoted(&words::sentence(&why)))
}

/// Has it sealed, in bounded numbers, that somebody who proved nothing was not let in.
pub(crate) async fn turn_away(app: &App, caller: &Caller, (account, why): (&str, &str)) {
    let away = TurnedAway {
        sort: Attempted::SignIn,
        named: Some(account.to_owned()).filter(|account| !account.is_empty()),
        why: why.to_owned(),
    };
    app.turned_away(&caller.place(), away).await;
}
