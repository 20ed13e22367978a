use event::{
    Account, AccountChange, Act, Actor, Agreed, AppChange, Body, Issued, Leave, Refresh, Role,
    Subject, Token,
};

use super::*;
use crate::book::Mark;
use crate::secret::{Sort, hex, mint};

fn at(millis: i64) -> Time {
    Time::from_millis(millis)
}

fn leave() -> Leave {
    Leave {
        family: "f1".into(),
        client: "growth".into(),
        account: Some("nora".into()),
        patient: Some("anna".into()),
        scopes: vec!["patient/*.rs".into()],
        session: None,
        certificate: None,
        encounter: None,
    }
}

fn event(body: Body) -> Event {
    let subject = Subject::Account("growth".into());
    Event::new(Actor::salus(), Act::SignIn, subject, body)
}

/// The `n`th access and refresh token; each step uses up the refresh token before.
fn issued(n: u8) -> Event {
    let refresh = mint(Sort::Refresh, [n; 32]).hash;
    event(Body::Token(Token::Issued(Issued {
        leave: leave(),
        spent: mint(Sort::Refresh, [n - 1; 32]).hash,
        spent_until: at(0),
        access: mint(Sort::Access, [n; 32]).hash,
        access_until: at(1_000 + i64::from(n)),
        access_scopes: leave().scopes,
        refresh: Some(Refresh {
            hash: refresh,
            until: at(100_000),
        }),
    })))
}

fn account(id: &str, role: Option<Role>) -> Event {
    let account = role.map(|role| Account {
        name: id.into(),
        role,
        wards: Vec::new(),
        practitioner: None,
        secret: String::new(),
        scopes: Vec::new(),
    });
    let id = id.to_owned();
    event(Body::Account(AccountChange { id, account }))
}

async fn take(tokens: &Tokens, now: i64, events: &[Event]) {
    let first = tokens.folded();
    let sealed: Vec<(u64, Time, &Event)> = (first..)
        .zip(events)
        .map(|(index, event)| (index, at(now), event))
        .collect();
    tokens
        .take(&sealed, first + events.len() as u64)
        .await
        .unwrap();
}

async fn open(folder: &tempfile::TempDir) -> Tokens {
    Tokens::open(&folder.path().join("views/tokens.db"))
        .await
        .unwrap()
}

fn mark(tokens: &Tokens, text: &str) -> Option<Mark> {
    tokens.find(text, at(0)).map(|found| found.mark)
}

#[tokio::test]
async fn a_refresh_token_is_used_up_by_the_next_and_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = open(&folder).await;
    take(&tokens, 10, &[issued(1), issued(2)]).await;
    let (old, new) = (mint(Sort::Refresh, [1; 32]), mint(Sort::Refresh, [2; 32]));
    assert_eq!(
        mark(&tokens, &old.text),
        Some(Mark::Spent { until: at(100_000) })
    );
    assert_eq!(
        mark(&tokens, &new.text),
        Some(Mark::Refresh { until: at(100_000) })
    );
    let found = tokens.find(&old.text, at(0)).unwrap();
    assert_eq!(*found.leave.unwrap(), leave());
    assert_eq!(mark(&tokens, "salus_rt_guess"), None);
}

#[tokio::test]
async fn what_was_folded_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = open(&folder).await;
    let code = mint(Sort::Code, [9; 32]);
    let agreed = Agreed {
        leave: leave(),
        code: code.hash.clone(),
        until: at(500),
        redirect_uri: "https://a.example/".into(),
        challenge: "c".into(),
        nonce: None,
    };
    let app = AppChange {
        id: "growth".into(),
        app: Some(App::default()),
    };
    let events = [
        event(Body::App(app)),
        event(Body::Token(Token::Agreed(agreed.clone()))),
        issued(1),
    ];
    take(&tokens, 10, &events).await;
    tokens.close().await;
    let again = open(&folder).await;
    assert_eq!(again.folded(), 3);
    assert_eq!(again.app("growth").as_deref(), Some(&App::default()));
    assert_eq!(mark(&again, &code.text), Some(Mark::Code(Box::new(agreed))));
    let spent = mint(Sort::Refresh, [0; 32]);
    assert!(matches!(
        mark(&again, &spent.text),
        Some(Mark::Spent { .. })
    ));
    assert_eq!(
        again.now(at(0)),
        at(10),
        "time does not go back with a restart"
    );
}

#[tokio::test]
async fn a_clock_that_is_set_back_revives_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = open(&folder).await;
    take(&tokens, 10, &[issued(1)]).await;
    let access = mint(Sort::Access, [1; 32]);
    assert!(mark(&tokens, &access.text).is_some());
    take(&tokens, 2_000, &[account("somebody", Some(Role::Nurse))]).await;
    assert_eq!(mark(&tokens, &access.text), None);
}

#[tokio::test]
async fn leave_ends_with_the_account_of_the_person_or_the_client() {
    for end in [
        account("nora", None),
        account("growth", None),
        account("growth", Some(Role::Client)),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let tokens = open(&folder).await;
        take(
            &tokens,
            10,
            &[issued(1), account("nora", Some(Role::Physician))],
        )
        .await;
        let access = mint(Sort::Access, [1; 32]);
        assert!(
            mark(&tokens, &access.text).is_some(),
            "a change of wards ends nothing"
        );
        take(&tokens, 11, &[end]).await;
        assert_eq!(mark(&tokens, &access.text), None);
        tokens.close().await;
        assert_eq!(mark(&open(&folder).await, &access.text), None);
    }
}

#[tokio::test]
async fn an_assertion_stays_used_up_when_its_tokens_end() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = open(&folder).await;
    take(&tokens, 10, &[issued(1), account("growth", None)]).await;
    let spent = tokens
        .find(&mint(Sort::Refresh, [0; 32]).text, at(0))
        .unwrap();
    assert_eq!(
        (spent.mark, spent.leave),
        (Mark::Spent { until: at(100_000) }, None)
    );
}

#[tokio::test]
async fn what_is_too_old_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = open(&folder).await;
    take(&tokens, 10, &[issued(1)]).await;
    take(&tokens, 200_000, &[account("somebody", Some(Role::Nurse))]).await;
    let rows: i64 =
        sqlx::query_scalar("SELECT (SELECT COUNT(*) FROM mark) + (SELECT COUNT(*) FROM family)")
            .fetch_one(&tokens.inner.pool)
            .await
            .unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn only_one_can_use_something_up_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = open(&folder).await;
    let claim = tokens.claim([7; 32]);
    assert!(claim.is_some() && tokens.claim([7; 32]).is_none());
    drop(claim);
    assert!(tokens.claim([7; 32]).is_some());
    assert_eq!(hex(&[7; 32]).len(), 64);
}

/// Views are held against a fresh fold of the record, which reads in other batches.
#[tokio::test]
async fn what_is_forgotten_does_not_depend_on_how_events_are_cut_into_batches() {
    let events = [
        (10, issued(1)),
        (50_000, issued(2)),
        (70_000, issued(3)),
        (119_999, account("paul", Some(Role::Nurse))),
    ];
    let mut marks = Vec::new();
    for batch in [1, 2, events.len()] {
        let folder = tempfile::tempdir().unwrap();
        let tokens = open(&folder).await;
        for some in events.chunks(batch) {
            let first = tokens.folded();
            let sealed: Vec<(u64, Time, &Event)> = (first..)
                .zip(some)
                .map(|(index, (millis, event))| (index, at(*millis), event))
                .collect();
            let next = first + some.len() as u64;
            tokens.take(&sealed, next).await.unwrap();
        }
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT id, body FROM mark ORDER BY id")
            .fetch_all(&tokens.inner.pool)
            .await
            .unwrap();
        marks.push(rows);
    }
    assert!(!marks[0].is_empty());
    assert_eq!(marks[0], marks[1]);
    assert_eq!(marks[0], marks[2]);
}
