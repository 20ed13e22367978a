use event::Subject;

use super::*;
use crate::new_client;
use crate::secret::token_hash;

fn account(role: Role, secret: &str) -> Account {
    Account {
        name: "Nora Nightingale".into(),
        role,
        wards: vec!["W3".into()],
        practitioner: Some("D1".into()),
        secret: secret.into(),
        scopes: vec!["system/*.rs".into()],
    }
}

fn changed(id: &str, account: Option<Account>) -> Event {
    let id = id.to_owned();
    let subject = Subject::Account(id.clone());
    let body = Body::Account(AccountChange { id, account });
    Event::new(Actor::salus(), Act::Manage, subject, body)
}

fn session(act: Act, account: &str, ok: bool) -> Event {
    let body = Body::Session(Session {
        ok,
        ..Session::of(account, "")
    });
    Event::new(Actor::salus(), act, Subject::Account(account.into()), body)
}

fn fold(book: &mut Book, events: &[Event]) -> Vec<String> {
    let events = events.iter().zip(1..);
    let at = events.map(|(event, millis)| (Time::from_millis(millis), event));
    let touched = book.fold(at);
    touched.accounts.into_iter().collect()
}

#[test]
fn a_disabled_account_stays_in_the_list() {
    let mut book = Book::default();
    let events = [
        changed("nora", Some(account(Role::Nurse, "x"))),
        changed("nora", None),
        changed("nobody", None),
    ];
    fold(&mut book, &events);
    let listed: Vec<Listed> = book.listed().collect();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].disabled && listed[0].name == "Nora Nightingale");
    assert!(book.active("nora").is_none());
}

#[test]
fn a_token_works_until_the_client_is_disabled() {
    let mut book = Book::default();
    let client = new_client([9; 32]);
    let hash = token_hash(&client.token);
    fold(
        &mut book,
        &[changed("lis", Some(account(Role::Client, &client.secret)))],
    );
    let identity = book.client(&hash).unwrap();
    assert_eq!(identity.scopes, ["system/*.rs"]);
    assert_eq!(identity.actor.kind, ActorKind::Software);
    fold(&mut book, &[changed("lis", None)]);
    assert!(book.client(&hash).is_none());
}

#[test]
fn a_client_that_becomes_a_person_loses_its_token() {
    let mut book = Book::default();
    let client = new_client([9; 32]);
    let events = [
        changed("lis", Some(account(Role::Client, &client.secret))),
        changed("lis", Some(account(Role::Nurse, &client.secret))),
    ];
    for event in events {
        fold(&mut book, &[event]);
    }
    assert!(book.client(&token_hash(&client.token)).is_none());
}

#[test]
fn a_person_whose_secret_looks_like_a_token_has_none() {
    let mut book = Book::default();
    let client = new_client([9; 32]);
    fold(
        &mut book,
        &[changed("nora", Some(account(Role::Nurse, &client.secret)))],
    );
    assert!(book.client(&token_hash(&client.token)).is_none());
}

#[test]
fn only_a_sign_in_that_worked_is_remembered() {
    let mut book = Book::default();
    let events = [
        changed("nora", Some(account(Role::Nurse, "x"))),
        session(Act::SignIn, "nora", true),
        session(Act::SignIn, "nora", false),
        session(Act::SignOut, "nora", true),
        session(Act::SignIn, "nobody", true),
    ];
    assert_eq!(fold(&mut book, &events), ["nora"]);
    let entry = book.entry("nora").unwrap();
    assert_eq!(entry.signed_in, Some(Time::from_millis(2)));
    fold(
        &mut book,
        &[changed("nora", Some(account(Role::Physician, "y")))],
    );
    let entry = book.entry("nora").unwrap();
    assert_eq!(entry.signed_in, Some(Time::from_millis(2)));
}

#[test]
fn knows_whether_anybody_can_run_it() {
    let mut book = Book::default();
    assert!(!book.any_administrator());
    fold(
        &mut book,
        &[changed("adam", Some(account(Role::Administrator, "x")))],
    );
    assert!(book.any_administrator());
    fold(&mut book, &[changed("adam", None)]);
    assert!(!book.any_administrator());
}
