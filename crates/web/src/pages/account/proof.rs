//! The forms by which somebody shows who they are: a passkey, or what they type.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::SessionStep;
use staff::{Assertion, Expected, PasskeyRefused, Registration, SignInRefused, SignedIn};

use super::seals;
use super::view::PasskeyForm;
use crate::App;
use crate::caller::Caller;
use crate::error::{Problem, broken};
use crate::pages::visit::Fields;
use crate::pages::words;

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
pub(crate) async fn refuse(
    app: &App,
    account: &str,
    caller: &Caller,
    (step, refused): (SessionStep, &SignInRefused),
) -> Result<String, Problem> {
    let step = match refused {
        SignInRefused::Busy | SignInRefused::Locked { .. } => SessionStep::TurnedAway,
        SignInRefused::Passkey(_) | SignInRefused::Wrong => step,
    };
    let why = refused.to_string();
    app.seal(seals::failed(account, caller, (step, &why)))
        .await?;
    Ok(words::quoted(&words::sentence(&why)))
}
