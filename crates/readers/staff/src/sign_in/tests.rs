use event::{Act, Actor, Body, Event, Passkey, PersonChange, PersonStep, Role, Session, Subject};

use super::*;
use crate::passkey::register;
use crate::passkey::tests::{Authenticator, expected};
use crate::staff::tests::{PASSWORD, at, attempt, changed, key, limits, take, with_nora};
use crate::{Limits, Staff, hash_password, new_recovery, new_totp};

const TOTP: [u8; 20] = *b"12345678901234567890";
/// The moment of the third vector of RFC 6238, and its code.
const MOMENT: i64 = 1_111_111_111_000;
const CODE: &str = "050471";

fn person(account: &str, change: PersonStep) -> Event {
    let change = PersonChange {
        account: account.into(),
        change,
    };
    let subject = Subject::Account(account.into());
    Event::new(Actor::salus(), Act::Manage, subject, Body::Person(change))
}

fn session(account: &str, used: Option<Used>) -> Event {
    let body = Body::Session(Session {
        ok: used.is_some(),
        used,
        source: "10.0.0.1".into(),
        ..Session::of(account, "")
    });
    Event::new(
        Actor::salus(),
        Act::SignIn,
        Subject::Account(account.into()),
        body,
    )
}

fn with_code<'a>(account: &'a str, code: &'a str) -> Attempt<'a> {
    Attempt {
        code,
        ..attempt(account, PASSWORD)
    }
}

async fn with_app(folder: &std::path::Path) -> Staff {
    let staff = with_nora(folder).await;
    let secret = Some(new_totp(TOTP));
    take(&staff, &[person("nora", PersonStep::Totp { secret })]).await;
    staff
}

#[tokio::test]
async fn the_right_password_gives_the_identity() {
    let folder = tempfile::tempdir().unwrap();
    let staff = with_nora(folder.path()).await;
    let signed_in = staff
        .sign_in(attempt("nora", PASSWORD), at(0))
        .await
        .unwrap();
    let identity = signed_in.identity;
    assert_eq!(
        (identity.role(), identity.actor.name.as_str()),
        (Role::Nurse, "NORA")
    );
    assert_eq!(identity.wards, ["W3"]);
    for (name, password) in [
        ("nora", "wrong"),
        ("nobody", PASSWORD),
        ("", ""),
        ("nora", ""),
    ] {
        let refused = staff
            .sign_in(attempt(name, password), at(0))
            .await
            .unwrap_err();
        assert_eq!(refused, SignInRefused::Wrong);
    }
}

#[tokio::test]
async fn failures_lock_the_name_even_for_the_right_password() {
    let folder = tempfile::tempdir().unwrap();
    let staff = with_nora(folder.path()).await;
    for name in ["nora", "nobody"] {
        for _ in 0..3 {
            let refused = staff
                .sign_in(attempt(name, "wrong"), at(0))
                .await
                .unwrap_err();
            assert_eq!(refused, SignInRefused::Wrong);
        }
        let refused = staff
            .sign_in(attempt(name, PASSWORD), at(1))
            .await
            .unwrap_err();
        assert_eq!(refused, SignInRefused::Locked { wait_ms: 59_999 });
        assert!(refused.to_string().contains("try again in a minute"));
    }
    assert!(
        staff
            .sign_in(attempt("nora", PASSWORD), at(60_000))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_disabled_person_and_a_client_cannot_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let staff = with_nora(folder.path()).await;
    let secret = hash_password(PASSWORD, [2; 16]).unwrap();
    let events = [
        changed("nora", None, ""),
        changed("lis", Some(Role::Client), &secret),
    ];
    take(&staff, &events).await;
    for name in ["nora", "lis"] {
        let refused = staff
            .sign_in(attempt(name, PASSWORD), at(0))
            .await
            .unwrap_err();
        assert_eq!(refused, SignInRefused::Wrong);
    }
    assert!(staff.identity("nora").is_none());
}

#[tokio::test]
async fn more_than_can_wait_are_turned_away() {
    let folder = tempfile::tempdir().unwrap();
    let none = Limits {
        waiting_max: 0,
        ..limits()
    };
    let staff = Staff::open_with(&folder.path().join("staff.db"), key(), none)
        .await
        .unwrap();
    let refused = staff
        .sign_in(attempt("nora", PASSWORD), at(0))
        .await
        .unwrap_err();
    assert_eq!(refused, SignInRefused::Busy);
}

#[tokio::test]
async fn whoever_has_an_app_needs_its_code_and_each_code_once() {
    let folder = tempfile::tempdir().unwrap();
    let staff = with_app(folder.path()).await;
    for code in ["", "000000", "050472"] {
        let refused = staff.sign_in(with_code("nora", code), at(MOMENT)).await;
        assert_eq!(refused.unwrap_err(), SignInRefused::Wrong, "{code}");
        staff.attempts().succeeded(&Tried::Name("nora".into()));
    }
    let signed_in = staff
        .sign_in(with_code("nora", "050 471"), at(MOMENT))
        .await
        .unwrap();
    assert!(matches!(signed_in.used, Used::Totp { .. }));
    let again = staff.sign_in(with_code("nora", CODE), at(MOMENT)).await;
    assert_eq!(again.unwrap_err(), SignInRefused::Wrong);
    assert!(staff.code(with_code("nora", CODE), at(MOMENT)).is_err());
}

#[tokio::test]
async fn a_code_stays_used_up_after_a_restart_and_with_a_clock_set_back() {
    let folder = tempfile::tempdir().unwrap();
    let staff = with_app(folder.path()).await;
    let signed_in = staff
        .sign_in(with_code("nora", CODE), at(MOMENT))
        .await
        .unwrap();
    take(&staff, &[session("nora", Some(signed_in.used))]).await;
    let later = session("paul", None);
    let next = staff.folded() + 1;
    staff
        .take(&[(next - 1, at(MOMENT + 600_000), &later)], next)
        .await
        .unwrap();
    staff.close().await;
    let again = Staff::open(&folder.path().join("views/staff.db"), key())
        .await
        .unwrap();
    assert!(
        again
            .sign_in(with_code("nora", CODE), at(MOMENT))
            .await
            .is_err()
    );
    // A code that nobody used, of a time that has been: the record knows that it is later.
    assert!(
        again
            .sign_in(with_code("nora", "081804"), at(1_111_111_080_000))
            .await
            .is_err()
    );
    assert_eq!(again.latest(), at(MOMENT + 600_000));
}

#[tokio::test]
async fn failures_lock_the_name_after_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let staff = with_nora(folder.path()).await;
    take(
        &staff,
        &[
            session("nora", None),
            session("nora", None),
            session("nora", None),
        ],
    )
    .await;
    staff.close().await;
    let again = Staff::open_with(&folder.path().join("views/staff.db"), key(), limits())
        .await
        .unwrap();
    let refused = again
        .sign_in(attempt("nora", PASSWORD), at(1))
        .await
        .unwrap_err();
    assert!(matches!(refused, SignInRefused::Locked { .. }));
}

#[tokio::test]
async fn a_recovery_code_works_once() {
    let folder = tempfile::tempdir().unwrap();
    let staff = with_app(folder.path()).await;
    let codes = new_recovery([7; 160]);
    let hashes = codes.hashes.clone();
    take(&staff, &[person("nora", PersonStep::Recovery { hashes })]).await;
    let attempt = with_code("nora", &codes.codes[0]);
    let signed_in = staff.sign_in(attempt, at(0)).await.unwrap();
    assert!(staff.sign_in(attempt, at(0)).await.is_err());
    take(&staff, &[session("nora", Some(signed_in.used))]).await;
    // All ten of these were made of the same bytes, so using one uses all.
    assert_eq!(staff.factors("nora").recovery, 0);
}

#[tokio::test]
async fn every_name_costs_the_same_work() {
    let folder = tempfile::tempdir().unwrap();
    let staff = with_nora(folder.path()).await;
    let events = [
        changed("lis", Some(Role::Client), &"0".repeat(64)),
        changed("scim", Some(Role::Nurse), ""),
        changed("gone", Some(Role::Nurse), "$argon2id$real"),
        changed("gone", None, ""),
    ];
    take(&staff, &events).await;
    for name in ["nobody", "lis", "scim", "gone"] {
        let entry = staff.person_entry(name);
        let checked = secret_or_decoy(entry.as_deref(), &staff.inner.decoy);
        assert_eq!(checked, (false, staff.inner.decoy.as_str()), "{name}");
    }
    let nora = staff.person_entry("nora");
    let (real, secret) = secret_or_decoy(nora.as_deref(), &staff.inner.decoy);
    let cost = |secret: &str| secret.split('$').nth(3).map(str::to_owned);
    assert!(real);
    assert_eq!(cost(secret), cost(&staff.inner.decoy));
}

async fn with_passkey(folder: &std::path::Path, device: &Authenticator) -> Staff {
    let staff = with_nora(folder).await;
    let passkey: Passkey = register(&device.create(&expected()), &expected(), "phone").unwrap();
    take(&staff, &[person("nora", PersonStep::PasskeyAdded(passkey))]).await;
    staff
}

#[tokio::test]
async fn a_passkey_signs_in_and_a_copy_of_it_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut device = Authenticator::new();
    let staff = with_passkey(folder.path(), &device).await;
    device.counter = 5;
    let here = ("10.0.0.1", at(0));
    let signed_in = staff
        .passkey(&device.get(&expected()), &expected(), here)
        .unwrap();
    assert_eq!(signed_in.identity.actor.id, "nora");
    assert!(signed_in.used.strong());
    take(&staff, &[session("nora", Some(signed_in.used))]).await;
    device.counter = 5;
    let copied = staff
        .passkey(&device.get(&expected()), &expected(), here)
        .unwrap_err();
    assert_eq!(copied.account.as_deref(), Some("nora"));
    assert_eq!(copied.why, SignInRefused::Passkey(BadPasskey::Cloned));
}

#[tokio::test]
async fn a_passkey_of_a_disabled_person_or_after_a_reset_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let mut device = Authenticator::new();
    device.counter = 0;
    let staff = with_passkey(folder.path(), &device).await;
    let here = ("10.0.0.1", at(0));
    take(&staff, &[changed("nora", None, "")]).await;
    let said = device.get(&expected());
    let unknown = SignInRefused::Passkey(BadPasskey::Unknown);
    assert_eq!(
        staff.passkey(&said, &expected(), here).unwrap_err().why,
        unknown
    );
    let events = [
        changed("nora", Some(Role::Nurse), ""),
        person("nora", PersonStep::Reset),
    ];
    take(&staff, &events).await;
    assert_eq!(
        staff.passkey(&said, &expected(), here).unwrap_err().why,
        unknown
    );
}

#[tokio::test]
async fn a_password_alone_does_not_open_an_account_with_a_passkey() {
    let folder = tempfile::tempdir().unwrap();
    let staff = with_passkey(folder.path(), &Authenticator::new()).await;
    let refused = staff.sign_in(attempt("nora", PASSWORD), at(0)).await;
    assert_eq!(refused.unwrap_err(), SignInRefused::Wrong);
}
