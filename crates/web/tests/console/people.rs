//! People: how they sign in, prove themselves again, and end it; and how others try to be them.

use axum::http::StatusCode;
use event::{Body, PersonStep, Role, Session, SessionStep, Time};
use web::Settings;

use crate::house::{Browser, House, PASSWORD, Page};

const MINUTE: i64 = 60_000;

/// A house in which people need a second factor.
async fn strict() -> House {
    House::with(Settings::default()).await
}

/// The code that an app shows, by another implementation of RFC 6238 than the house's.
fn code(house: &House, secret: &str) -> String {
    use aws_lc_rs::hmac;
    let key = data_encoding::BASE32_NOPAD
        .decode(secret.as_bytes())
        .unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let step = house.now().millis() / 30_000;
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 15);
    let four: [u8; 4] = tag.as_ref()[at..at + 4].try_into().unwrap();
    format!(
        "{:06}",
        (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000
    )
}

fn hidden(page: &Page, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let after = page.html.split(&mark).nth(1).expect("a hidden field");
    after.split('"').next().unwrap().to_owned()
}

/// Sets an app up in a session that may; returns its secret.
async fn app(house: &House, browser: &mut Browser) -> String {
    let page = browser.get("/account/app").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.location());
    let (secret, csrf) = (hidden(&page, "secret"), page.csrf());
    let typed = code(house, &secret);
    let fields = [
        ("csrf", csrf.as_str()),
        ("secret", &secret),
        ("code", &typed),
    ];
    let set = browser.post("/account/app", &fields).await;
    assert_eq!(set.location(), "/account?done=app", "{}", set.html);
    house.wait(MINUTE);
    secret
}

async fn enter(house: &House, browser: &mut Browser, account: &str, secret: &str) -> Page {
    let typed = code(house, secret);
    let fields = [
        ("account", account),
        ("password", PASSWORD),
        ("code", &typed),
    ];
    browser.post("/sign-in", &fields).await
}

async fn sessions(house: &House) -> Vec<Session> {
    let sealed = house.sealed().await;
    let sessions = sealed.iter().filter_map(|one| match &one.event().body {
        Body::Session(session) => Some(session.clone()),
        _ => None,
    });
    sessions.collect()
}

#[tokio::test]
async fn a_password_alone_opens_nothing_but_the_account_page() {
    let house = strict().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut anna = house.browser("anna").await;
    for path in ["/now", "/patients", "/record", "/flow", "/settings/people"] {
        assert_eq!(anna.get(path).await.location(), "/account", "{path}");
    }
    let account = anna.get("/account").await;
    assert!(account.html.contains("Set up a second factor to go on."));
    let secret = app(&house, &mut anna).await;
    assert_eq!(anna.get("/now").await.status, StatusCode::OK);

    let mut other = Browser::new(&house);
    let refused = other.sign_in("anna", PASSWORD).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let entered = enter(&house, &mut other, "anna", &secret).await;
    assert_eq!(entered.location(), "/now", "{}", entered.html);
    assert_eq!(other.get("/now").await.status, StatusCode::OK);
    let again = enter(&house, &mut Browser::new(&house), "anna", &secret).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "a code works once");
}

#[tokio::test]
async fn recovery_codes_are_shown_once_and_work_once() {
    let house = strict().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut anna = house.browser("anna").await;
    app(&house, &mut anna).await;
    let shown = anna.submit("/account", "/account/recovery", &[]).await;
    let codes: Vec<&str> = shown.html.split("<li><code>").skip(1).collect();
    let codes: Vec<&str> = codes.iter().map(|one| &one[..32]).collect();
    assert_eq!(codes.len(), 10, "{}", shown.html);
    let fields = [
        ("account", "anna"),
        ("password", PASSWORD),
        ("code", codes[0]),
    ];
    let mut other = Browser::new(&house);
    assert_eq!(other.post("/sign-in", &fields).await.location(), "/now");
    let again = Browser::new(&house).post("/sign-in", &fields).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    house.settle().await;
    assert!(anna.get("/account").await.html.contains("9 are left."));
    let sealed = house.sealed().await;
    let text = format!(
        "{:?}",
        sealed.iter().map(|one| one.event()).collect::<Vec<_>>()
    );
    assert!(
        !codes.iter().any(|code| text.contains(code)),
        "a code is sealed as it is"
    );
}

#[tokio::test]
async fn an_idle_session_pauses_and_goes_on_where_it_was() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut anna = house.browser("anna").await;
    let before = anna.cookies["__Host-salus"].clone();
    house.wait(5 * MINUTE);
    let asked = anna.get("/patients?ward=ICU").await;
    assert_eq!(
        asked.location(),
        "/sign-in/again?next=/patients%3Fward%3DICU"
    );
    let page = anna.get("/sign-in/again?next=/patients%3Fward%3DICU").await;
    assert!(page.html.contains("Still anna of nurse?"), "{}", page.html);
    let csrf = page.csrf();
    let next = hidden(&page, "next");
    let fields = |secret: &'static str| {
        vec![
            ("csrf", csrf.clone()),
            ("next", next.clone()),
            ("secret", secret.to_owned()),
        ]
    };
    let wrong = fields("wrong wrong wrong");
    let wrong: Vec<(&str, &str)> = wrong
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(
        anna.post("/sign-in/again", &wrong).await.status,
        StatusCode::UNAUTHORIZED
    );
    let right = fields(PASSWORD);
    let right: Vec<(&str, &str)> = right
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let back = anna.post("/sign-in/again", &right).await;
    assert_eq!(back.location(), "/patients?ward=ICU", "{}", back.html);
    assert_ne!(anna.cookies["__Host-salus"], before, "the id is a new one");
    assert_eq!(anna.get("/patients?ward=ICU").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_is_never_the_one_somebody_planted() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut anna = Browser::new(&house);
    anna.cookies
        .insert("__Host-salus".into(), "planted-by-somebody-else".into());
    anna.sign_in("anna", PASSWORD).await;
    let first = anna.cookies["__Host-salus"].clone();
    assert_ne!(first, "planted-by-somebody-else");
    anna.sign_in("anna", PASSWORD).await;
    assert_ne!(anna.cookies["__Host-salus"], first);
    let mut old = anna.clone();
    old.cookies.insert("__Host-salus".into(), first);
    assert_eq!(
        old.get("/now").await.location(),
        "/sign-in",
        "the session before has ended"
    );
}

#[tokio::test]
async fn a_stolen_cookie_is_refused_sealed_and_told() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut anna = house.browser("anna").await;
    let mut thief = Browser::new(&house);
    thief.agent = "curl/8.5";
    let stolen = anna.cookies["__Host-salus"].clone();
    thief.cookies.insert("__Host-salus".into(), stolen);
    let refused = thief.get("/now").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused
            .html
            .contains("This session belongs to another device.")
    );
    house.settle().await;
    let misused = sessions(&house).await.pop().unwrap();
    assert_eq!(
        (misused.step, misused.account.as_str()),
        (SessionStep::Misused, "anna")
    );
    assert_eq!(anna.get("/now").await.location(), "/sign-in/again");
    let page = anna.get("/sign-in/again").await;
    assert!(
        page.html.contains("used from another device"),
        "{}",
        page.html
    );
    let csrf = page.csrf();
    anna.post(
        "/sign-in/again",
        &[("csrf", csrf.as_str()), ("secret", PASSWORD)],
    )
    .await;
    assert!(
        anna.get("/now")
            .await
            .html
            .contains("used from another device")
    );
    assert_eq!(thief.get("/now").await.location(), "/sign-in");
    // Both cookies and another browser: still refused.
    let mut copy = anna.clone();
    copy.agent = "curl/8.5";
    assert_eq!(copy.get("/now").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn people_see_and_end_their_sessions_and_hear_of_new_browsers() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut first = house.browser("anna").await;
    house.settle().await;
    house.wait(MINUTE);
    let mut second = Browser::new(&house);
    second.agent = "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36";
    second.sign_in("anna", PASSWORD).await;
    house.settle().await;
    let told = first.get("/now").await;
    assert!(
        told.html
            .contains("a browser that is new: Chrome on Windows"),
        "{}",
        told.html
    );
    let account = first.get("/account").await;
    assert!(
        account
            .html
            .contains("End the session of Chrome on Windows")
    );
    assert!(
        !first
            .get("/now")
            .await
            .html
            .contains("a browser that is new"),
        "told once"
    );
    let session = hidden(&account, "session");
    let ended = first
        .submit(
            "/account",
            "/account/sessions/end",
            &[("session", &session)],
        )
        .await;
    assert_eq!(ended.location(), "/account?done=ended", "{}", ended.html);
    assert_eq!(second.get("/now").await.location(), "/sign-in");
    let all = first
        .submit("/account", "/account/sessions/end-all", &[])
        .await;
    assert_eq!(all.location(), "/sign-in");
    assert_eq!(first.get("/now").await.location(), "/sign-in");
    // Somebody else's session cannot be ended by its name.
    house.person("paul", Role::Nurse, &[]).await;
    let mut paul = house.browser("paul").await;
    house.browser("anna").await;
    let other = paul
        .submit(
            "/account",
            "/account/sessions/end",
            &[("session", &session)],
        )
        .await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn sessions_are_ended_with_a_fresh_proof_and_a_proof_gives_a_new_id() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let (mut here, mut there) = (house.browser("anna").await, house.browser("anna").await);
    house.wait(5 * MINUTE - 1);
    here.get("/now").await;
    there.get("/now").await;
    house.wait(1);
    let end = "/account/sessions/end-all";
    let asked = here.submit("/account", end, &[]).await;
    assert_eq!(asked.location(), "/account/step-up?next=/account");
    assert_eq!(there.get("/now").await.status, StatusCode::OK);

    let mut old = here.clone();
    let fields = [("password", PASSWORD), ("next", "/account")];
    let step = "/account/step-up?next=/account";
    let proved = here.submit(step, "/account/step-up", &fields).await;
    assert_eq!(proved.location(), "/account", "{}", proved.html);
    assert_eq!(old.get("/now").await.location(), "/sign-in");
    assert_eq!(here.get("/now").await.status, StatusCode::OK);

    let ended = here.submit("/account", end, &[]).await;
    assert_eq!(ended.location(), "/sign-in", "{}", ended.html);
    for browser in [&mut here, &mut there] {
        assert_eq!(browser.get("/now").await.location(), "/sign-in");
    }
}

#[tokio::test]
async fn a_password_is_changed_by_its_owner_and_ends_the_other_sessions() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let (mut here, mut there) = (house.browser("anna").await, house.browser("anna").await);
    let new = "another horse entirely";
    let fields = [("current", PASSWORD), ("password", new), ("again", new)];
    house.wait(5 * MINUTE - 1);
    here.get("/now").await;
    there.get("/now").await;
    house.wait(1);
    let asked = here.submit("/account", "/account/password", &fields).await;
    let step = "/account/step-up?all=yes&next=/account";
    assert_eq!(asked.location(), step, "{}", asked.html);
    let proof = [("password", PASSWORD), ("next", "/account"), ("all", "yes")];
    let proved = here.submit(step, "/account/step-up", &proof).await;
    assert_eq!(proved.location(), "/account", "{}", proved.html);
    // A fresh proof is not enough: the password that counts until now has to be known.
    for current in ["", "wrong wrong wrong"] {
        let guessed = [("current", current), ("password", new), ("again", new)];
        let kept = here.submit("/account", "/account/password", &guessed).await;
        assert_eq!(kept.status, StatusCode::BAD_REQUEST, "{current}");
    }
    let changed = here.submit("/account", "/account/password", &fields).await;
    assert_eq!(
        changed.location(),
        "/account?done=password",
        "{}",
        changed.html
    );
    assert_eq!(there.get("/now").await.location(), "/sign-in");
    assert_eq!(here.get("/now").await.status, StatusCode::OK);
    assert_eq!(
        Browser::new(&house).sign_in("anna", PASSWORD).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        Browser::new(&house).sign_in("anna", new).await.location(),
        "/now"
    );
}

#[tokio::test]
async fn dangerous_acts_need_a_fresh_proof() {
    let house = House::open().await;
    house.person("tomas", Role::Administrator, &[]).await;
    house.person("anna", Role::Nurse, &[]).await;
    let mut tomas = house.browser("tomas").await;
    house.wait(5 * MINUTE);
    let page = "/settings/people";
    for (form, fields) in [
        ("/settings/people/disable", vec![("account", "anna")]),
        ("/settings/people/reset", vec![("account", "anna")]),
        (
            "/settings/people",
            vec![
                ("name", "Anna"),
                ("account", "anna"),
                ("role", "administrator"),
                ("password", PASSWORD),
            ],
        ),
    ] {
        let asked = tomas.submit(page, form, &fields).await;
        assert_eq!(
            asked.location(),
            "/account/step-up?next=/settings/people",
            "{form}"
        );
    }
    let step = "/account/step-up?next=/settings/people";
    let wrong = tomas
        .submit(step, "/account/step-up", &[("password", "wrong wrong")])
        .await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let fields = [("password", PASSWORD), ("next", "/settings/people")];
    let proved = tomas.submit(step, "/account/step-up", &fields).await;
    assert_eq!(proved.location(), page, "{}", proved.html);
    let done = tomas
        .submit(page, "/settings/people/disable", &[("account", "anna")])
        .await;
    assert_eq!(done.location(), "/settings/people?done=disabled");
    let elsewhere = [("password", PASSWORD), ("next", "https://evil.test")];
    let proved = tomas.submit(step, "/account/step-up", &elsewhere).await;
    assert_eq!(proved.location(), "/now");
}

#[tokio::test]
async fn an_administrator_resets_who_lost_their_phone() {
    let house = strict().await;
    house.person("tomas", Role::Administrator, &[]).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let (mut tomas, mut anna) = (house.browser("tomas").await, house.browser("anna").await);
    app(&house, &mut tomas).await;
    app(&house, &mut anna).await;
    assert!(anna.get("/now").await.status.is_success());
    let reset = tomas
        .submit(
            "/settings/people",
            "/settings/people/reset",
            &[("account", "anna")],
        )
        .await;
    assert_eq!(
        reset.location(),
        "/settings/people?done=reset",
        "{}",
        reset.html
    );
    assert_eq!(anna.get("/now").await.location(), "/sign-in");
    anna.sign_in("anna", PASSWORD).await;
    assert_eq!(anna.get("/now").await.location(), "/account");
    let own = tomas
        .submit(
            "/settings/people",
            "/settings/people/reset",
            &[("account", "tomas")],
        )
        .await;
    assert_eq!(own.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_last_second_factor_stays_where_one_is_needed() {
    let house = strict().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut anna = house.browser("anna").await;
    app(&house, &mut anna).await;
    let kept = anna.submit("/account", "/account/app/remove", &[]).await;
    assert_eq!(kept.status, StatusCode::BAD_REQUEST);
    assert!(kept.html.contains("your only second factor"));
}

#[tokio::test]
async fn factors_change_only_after_all_of_them_were_shown_again() {
    let house = strict().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut anna = house.browser("anna").await;
    let secret = app(&house, &mut anna).await;
    // Long enough for what was shown to be old, never so long that the session pauses.
    for _ in 0..5 {
        house.wait(MINUTE);
        anna.get("/now").await;
    }
    let step = "/account/step-up?all=yes&next=/account";
    let asked = anna.submit("/account", "/account/recovery", &[]).await;
    assert_eq!(asked.location(), step);
    // The code alone is a proof for other acts, and not for this one.
    let part = code(&house, &secret);
    let fields = [("code", part.as_str()), ("next", "/account")];
    let proved = anna.submit("/account/step-up", "/account/step-up", &fields);
    assert_eq!(proved.await.location(), "/account");
    let asked = anna.submit("/account", "/account/recovery", &[]).await;
    assert_eq!(asked.location(), step);
    house.wait(MINUTE);
    let typed = code(&house, &secret);
    let all = |password| {
        [
            ("password", password),
            ("code", typed.as_str()),
            ("next", "/account"),
            ("all", "yes"),
        ]
    };
    let wrong = all("wrong wrong wrong");
    let guessed = anna.submit(step, "/account/step-up", &wrong).await;
    assert_eq!(guessed.status, StatusCode::UNAUTHORIZED);
    let proved = anna.submit(step, "/account/step-up", &all(PASSWORD)).await;
    assert_eq!(proved.location(), "/account", "{}", proved.html);
    let shown = anna.submit("/account", "/account/recovery", &[]).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.location());
}

#[tokio::test]
async fn a_password_that_somebody_else_set_is_changed_first() {
    let house = House::open().await;
    house.person("tomas", Role::Administrator, &[]).await;
    let mut tomas = house.browser("tomas").await;
    let fields = [
        ("name", "Anna"),
        ("account", "anna"),
        ("role", "nurse"),
        ("wards", "ICU"),
        ("password", PASSWORD),
    ];
    let page = "/settings/people";
    assert_eq!(
        tomas.submit(page, page, &fields).await.location(),
        "/settings/people?done=saved"
    );
    let mut anna = house.browser("anna").await;
    for path in ["/now", "/patients", "/record"] {
        assert_eq!(anna.get(path).await.location(), "/account", "{path}");
    }
    let account = anna.get("/account").await;
    assert!(account.html.contains("Choose a password of your own"));
    let new = "another horse entirely";
    let fields = [("current", PASSWORD), ("password", new), ("again", new)];
    let changed = anna.submit("/account", "/account/password", &fields).await;
    assert_eq!(changed.location(), "/account?done=password");
    assert_eq!(anna.get("/now").await.status, StatusCode::OK);
    // An administrator's own is not somebody else's.
    assert_eq!(tomas.get("/now").await.status, StatusCode::OK);
}

#[tokio::test]
async fn passwords_that_many_choose_or_that_were_stolen_are_refused_at_every_setting() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut anna = house.browser("anna").await;
    let common = "1qaz2wsx3edc";
    let fields = [
        ("current", PASSWORD),
        ("password", common),
        ("again", common),
    ];
    let refused = anna.submit("/account", "/account/password", &fields).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.html.contains("many people choose"));
    house.person("tomas", Role::Administrator, &[]).await;
    let mut tomas = house.browser("tomas").await;
    let fields = [
        ("name", "Ben"),
        ("account", "ben"),
        ("role", "nurse"),
        ("password", common),
    ];
    let page = "/settings/people";
    let refused = tomas.submit(page, page, &fields).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.html.contains("many people choose"));
}

#[tokio::test]
async fn whoever_signs_out_leaves_nothing_in_the_browser() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    for (page, form) in [
        ("/now", "/sign-out"),
        ("/account", "/account/sessions/end-all"),
    ] {
        let mut anna = house.browser("anna").await;
        let out = anna.submit(page, form, &[]).await;
        assert_eq!(out.location(), "/sign-in", "{form}");
        assert_eq!(out.headers["clear-site-data"], "\"cache\", \"storage\"");
        let known = anna.cookies.keys().cloned().collect::<Vec<_>>();
        assert_eq!(known, ["__Host-salus-device"], "{form}");
    }
}

#[tokio::test]
async fn a_page_learns_that_its_session_is_over_and_asking_keeps_none_alive() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    house.person("paul", Role::Nurse, &["ICU"]).await;
    let mut anna = house.browser("anna").await;
    let token: &'static str = anna.get("/now").await.csrf().leak();
    let before = house.app.record.size();
    anna.headers = vec![("salus-session", token)];
    let alive = anna.get("/account/alive").await;
    assert_eq!(
        (alive.status, alive.html.as_str()),
        (StatusCode::NO_CONTENT, "")
    );
    // Whoever else signs in in the same browser does not keep her page on the screen.
    let mut shared = anna.clone();
    shared.cookies.remove("__Host-salus");
    shared.sign_in("paul", PASSWORD).await;
    let of_another = shared.get("/account/alive").await;
    assert_eq!(of_another.status, StatusCode::UNAUTHORIZED);
    // Nor does a page that asks keep a session alive.
    house.wait(4 * MINUTE);
    assert_eq!(
        anna.get("/account/alive").await.status,
        StatusCode::NO_CONTENT
    );
    house.wait(MINUTE);
    assert_eq!(
        anna.get("/account/alive").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(anna.get("/now").await.location(), "/sign-in/again");
    let csrf = anna.get("/sign-in/again").await.csrf();
    let fields = [("csrf", csrf.as_str()), ("secret", PASSWORD)];
    anna.post("/sign-in/again", &fields).await;
    assert_eq!(
        anna.get("/account/alive").await.status,
        StatusCode::NO_CONTENT
    );
    anna.submit("/now", "/sign-out", &[]).await;
    assert_eq!(
        anna.get("/account/alive").await.status,
        StatusCode::UNAUTHORIZED
    );
    let mut stranger = Browser::new(&house);
    assert_eq!(
        stranger.get("/account/alive").await.status,
        StatusCode::UNAUTHORIZED
    );
    let sealed = house.app.record.read(before, 100).await.unwrap();
    assert_eq!(sealed.len(), 3, "paul in, anna back and out: {sealed:?}");
}

#[tokio::test]
async fn every_form_needs_the_sessions_token_and_its_own_site() {
    let house = House::open().await;
    house.person("tomas", Role::Administrator, &[]).await;
    let mut tomas = house.browser("tomas").await;
    let before = house.app.record.size();
    for path in FORMS {
        let path = path.replace('*', "1");
        let forged = tomas.post(&path, &[("csrf", "guess")]).await;
        assert_eq!(
            forged.status,
            StatusCode::FORBIDDEN,
            "{path}: {}",
            forged.html
        );
        let bare = tomas.post(&path, &[]).await;
        assert_eq!(bare.status, StatusCode::FORBIDDEN, "{path}");
    }
    for path in FORMS.iter().chain(&STRANGERS) {
        let path = path.replace('*', "1");
        let csrf = tomas.get("/account").await.csrf();
        tomas.site = "cross-site";
        let ridden = tomas.post(&path, &[("csrf", csrf.as_str())]).await;
        tomas.site = "same-origin";
        assert_eq!(ridden.status, StatusCode::FORBIDDEN, "{path}");
    }
    // Nothing was done, and what was tried is sealed: the first, however many there were.
    let sealed = house.sealed().await;
    let after: Vec<&Body> = sealed
        .iter()
        .skip(usize::try_from(before).unwrap())
        .map(|one| &one.event().body)
        .collect();
    let [Body::Rejected(forged)] = after.as_slice() else {
        panic!("something was sealed: {after:?}");
    };
    assert_eq!(forged.sort, event::Attempted::Form);
    assert_eq!(forged.named.as_deref(), Some("tomas"));
}

/// Every form of somebody who is signed in; a test reads the sources for more.
const FORMS: [&str; 41] = [
    "/downtime/away",
    "/downtime/entries/*",
    "/downtime/openings",
    "/downtime/sheet",
    "/downtime/ward/*/print",
    "/lifeline/drills",
    "/lifeline/rewind",
    "/packs/*/card",
    "/packs/*/renew",
    "/sign-out",
    "/account/app",
    "/account/app/remove",
    "/account/apps/end",
    "/account/passkeys",
    "/account/passkeys/remove",
    "/account/password",
    "/account/recovery",
    "/account/sessions/end",
    "/account/sessions/end-all",
    "/account/step-up",
    "/account/step-up/passkey",
    "/access",
    "/access/exports",
    "/access/exports/*",
    "/access/reviews/*",
    "/flow/*",
    "/flow/fetch",
    "/flow/routes/*",
    "/glass/*/end",
    "/oauth/authorize",
    "/oauth/authorize/choose",
    "/oauth/launch",
    "/patients",
    "/patients/*/fetch",
    "/patients/*/glass",
    "/patients/*/unmerge",
    "/record/*/disclose",
    "/record/outside/*",
    "/settings/people",
    "/settings/people/disable",
    "/settings/people/reset",
];
/// Forms of those who are not.
const STRANGERS: [&str; 5] = [
    "/setup",
    "/sign-in",
    "/sign-in/passkey",
    "/sign-in/again",
    "/sign-in/again/passkey",
];

#[test]
fn the_list_of_forms_is_the_routers() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages");
    let mut sources = String::new();
    for file in ["mod.rs", "account/mod.rs"] {
        sources.push_str(&std::fs::read_to_string(folder.join(file)).unwrap());
    }
    // Of the apps' forms those that people send; what programs send carries its own proof.
    let apps = std::fs::read_to_string(folder.join("../api/smart/mod.rs")).unwrap();
    sources.push_str(apps.split("fn pages()").nth(1).unwrap());
    let text: String = sources.split_whitespace().collect();
    let mut posted: Vec<String> = Vec::new();
    for route in text.split(".route(\"").skip(1) {
        let (path, rest) = route.split_once('"').unwrap();
        if rest.split(".route(").next().unwrap().contains("post(") {
            let segments = path.split('/');
            let starred = segments.map(|one| if one.starts_with('{') { "*" } else { one });
            posted.push(starred.collect::<Vec<_>>().join("/"));
        }
    }
    let mut known: Vec<String> = FORMS
        .iter()
        .chain(&STRANGERS)
        .map(|&one| one.to_owned())
        .collect();
    posted.sort();
    known.sort();
    assert_eq!(posted, known);
}

#[tokio::test]
async fn nobody_learns_which_names_exist() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &[]).await;
    let mut texts = Vec::new();
    for name in ["anna", "nobody"] {
        let refused = Browser::new(&house)
            .sign_in(name, "wrong wrong wrong")
            .await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        let after = refused.html.split("data-challenge=\"").nth(1).unwrap();
        let challenge = after.split('"').next().unwrap().to_owned();
        texts.push(refused.html.replace(&challenge, "").replace(name, ""));
    }
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test]
async fn spraying_one_password_over_many_names_locks_the_address() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &[]).await;
    let mut sprayer = Browser::new(&house);
    for number in 0..100 {
        sprayer
            .sign_in(&format!("name{number}"), "Winter2026! Winter")
            .await;
    }
    let locked = sprayer.sign_in("anna", PASSWORD).await;
    assert!(locked.html.contains("from this address"), "{}", locked.html);
    let last = house.sealed().await.pop().unwrap();
    let Body::Rejected(last) = last.event().body.clone() else {
        panic!("that an address was turned away is not sealed");
    };
    assert_eq!(last.sort, event::Attempted::SignIn);
}

#[tokio::test]
async fn a_clock_that_is_set_back_revives_neither_session_nor_code() {
    let house = strict().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut anna = house.browser("anna").await;
    let secret = app(&house, &mut anna).await;
    let (seen, later) = (code(&house, &secret), 13 * 60 * MINUTE);
    house.wait(later);
    assert_eq!(anna.get("/now").await.location(), "/sign-in");
    house.person("paul", Role::Nurse, &[]).await;
    house.wait(-later);
    assert_eq!(anna.get("/now").await.location(), "/sign-in");
    let fields = [
        ("account", "anna"),
        ("password", PASSWORD),
        ("code", seen.as_str()),
    ];
    let revived = Browser::new(&house).post("/sign-in", &fields).await;
    assert_eq!(revived.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_forged_host_or_forwarded_address_changes_nothing() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut anna = house.browser("anna").await;
    anna.headers = vec![
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-for", "10.66.6.6"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.test;for=10.66.6.6"),
        ("x-original-url", "/settings/people"),
        ("x-rewrite-url", "/settings/people"),
    ];
    anna.host = "evil.test";
    let page = anna.get("/account").await;
    assert!(!page.html.contains("evil.test") && !page.html.contains("10.66.6.6"));
    let mut stranger = Browser::new(&house);
    stranger.host = "evil.test";
    let sent = stranger.get("/patients").await;
    assert_eq!(sent.location(), "/sign-in?next=/patients");
}

#[tokio::test]
async fn nobody_is_sent_to_another_site_after_any_step() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    for next in [
        "https://evil.test",
        "//evil.test",
        "/\\evil.test",
        "javascript:alert(1)",
        "\\\\evil.test",
    ] {
        let mut anna = Browser::new(&house);
        let fields = [("account", "anna"), ("password", PASSWORD), ("next", next)];
        assert_eq!(
            anna.post("/sign-in", &fields).await.location(),
            "/now",
            "{next}"
        );
        let asked = anna
            .get(&format!("/sign-in?next={}", crate::house::escaped(next)))
            .await;
        assert_eq!(asked.location(), "/now");
    }
}

#[tokio::test]
async fn no_link_of_another_site_begins_single_sign_on() {
    let house = House::open().await;
    let mut anna = Browser::new(&house);
    let trip = "/sign-in/sso?next=/patients";
    for site in ["cross-site", "same-site"] {
        anna.headers = vec![("sec-fetch-site", site)];
        let sent = anna.get(trip).await;
        assert_eq!(sent.location(), "/sign-in?next=/patients", "{site}");
    }
    // From the sign-in page, or typed: as far as this house goes, which has no provider.
    for site in ["same-origin", "none"] {
        anna.headers = vec![("sec-fetch-site", site)];
        assert_eq!(anna.get(trip).await.status, StatusCode::NOT_FOUND, "{site}");
    }
}

#[tokio::test]
async fn what_a_person_changes_of_themself_is_sealed_without_its_secret() {
    let house = strict().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut anna = house.browser("anna").await;
    app(&house, &mut anna).await;
    house.settle().await;
    let sealed = house.sealed().await;
    let changed = sealed.iter().any(|one| {
        matches!(&one.event().body, Body::Person(change)
            if change.account == "anna" && matches!(change.change, PersonStep::Totp { .. }))
    });
    assert!(changed);
    assert!(house.app.staff.latest() > Time::default());
}
