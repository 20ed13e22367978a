use super::*;
use crate::people::IdleMs;

fn sessions(most: usize) -> Sessions {
    Sessions::new(&settings(most))
}

fn settings(most: usize) -> Settings {
    Settings {
        session_idle_ms: IdleMs {
            nurse: 1_000,
            ..IdleMs::default()
        },
        session_total_ms: 5_000,
        sessions_max: most,
        step_up_ms: 500,
        ..Settings::default()
    }
}

/// Those that a folder keeps, after a start at which the record's newest event is of `sealed`.
fn started(folder: &tempfile::TempDir, key: u8, sealed: i64) -> Sessions {
    let stands = |account: &str, _: Time| account != "gone";
    let path = folder.path().join("sessions");
    Sessions::kept(&settings(10), (&path, [key; 32]), (at(sealed), stands)).unwrap()
}

fn begin(sessions: &Sessions, account: &str, millis: i64) -> Caller {
    let caller = Caller::default();
    let start = Start {
        account,
        role: Role::Nurse,
        level: Level::Full,
        used: &Used::Password,
        notices: Vec::new(),
    };
    let begun = sessions.begin(start, &caller, at(millis)).unwrap();
    Caller {
        session: Some(begun.session),
        device: Some(begun.device),
        ..caller
    }
}

fn at(millis: i64) -> Time {
    Time::from_millis(millis)
}

fn live(sessions: &Sessions, caller: &Caller, millis: i64) -> bool {
    matches!(
        sessions.find(caller, at(millis), Touch::Person),
        Found::Live(_)
    )
}

fn paused(sessions: &Sessions, caller: &Caller, millis: i64) -> bool {
    matches!(
        sessions.find(caller, at(millis), Touch::Page),
        Found::Paused(_)
    )
}

#[test]
fn a_session_lives_while_it_is_used_and_not_beyond_its_total() {
    let sessions = sessions(10);
    let anna = begin(&sessions, "anna", 0);
    for moment in [900, 1_800, 2_700, 3_600, 4_500] {
        assert!(live(&sessions, &anna, moment));
    }
    assert!(matches!(
        sessions.find(&anna, at(5_000), Touch::Person),
        Found::Nobody
    ));
}

#[test]
fn an_idle_session_pauses_and_goes_on_under_another_id() {
    let sessions = sessions(10);
    let anna = begin(&sessions, "anna", 0);
    assert!(paused(&sessions, &anna, 1_000));
    let again = Caller {
        session: sessions.resume(&anna, at(1_100)),
        ..anna.clone()
    };
    assert!(live(&sessions, &again, 1_200));
    assert!(matches!(
        sessions.find(&anna, at(1_200), Touch::Person),
        Found::Nobody
    ));
}

#[test]
fn an_app_that_ends_with_a_session_goes_on_with_it() {
    let sessions = sessions(10);
    let anna = begin(&sessions, "anna", 0);
    let name = sessions.of_account("anna", at(1))[0].name.clone();
    assert!(paused(&sessions, &anna, 1_000));
    assert!(sessions.lives_by(&name, at(1_050)));
    let session = sessions.resume(&anna, at(1_100));
    assert!(sessions.lives_by(&name, at(1_200)));
    sessions.end(&Caller { session, ..anna });
    assert!(!sessions.lives_by(&name, at(1_300)));
}

#[test]
fn a_clock_that_is_set_back_revives_nothing() {
    let sessions = sessions(10);
    let anna = begin(&sessions, "anna", 0);
    assert!(live(&sessions, &begin(&sessions, "paul", 6_000), 6_000));
    assert!(matches!(
        sessions.find(&anna, at(100), Touch::Person),
        Found::Nobody
    ));
    let rita = begin(&sessions, "rita", 6_000);
    assert!(live(&sessions, &begin(&sessions, "sven", 7_500), 7_500));
    assert!(paused(&sessions, &rita, 6_001));
}

#[test]
fn a_page_that_fetches_itself_does_not_keep_a_session_alive() {
    let sessions = sessions(10);
    let anna = begin(&sessions, "anna", 0);
    assert!(matches!(
        sessions.find(&anna, at(900), Touch::Page),
        Found::Live(_)
    ));
    assert!(paused(&sessions, &anna, 1_000));
}

#[test]
fn the_longest_idle_makes_room() {
    let sessions = sessions(2);
    let callers = [("a", 0), ("b", 1), ("c", 2)].map(|(id, at)| begin(&sessions, id, at));
    let alive = callers.map(|caller| live(&sessions, &caller, 3));
    assert_eq!(alive, [false, true, true]);
}

#[test]
fn a_cookie_from_another_device_is_refused_and_its_owner_is_told() {
    let sessions = sessions(10);
    let anna = begin(&sessions, "anna", 0);
    for thief in [
        Caller {
            device: None,
            ..anna.clone()
        },
        Caller {
            device: Some("another".into()),
            ..anna.clone()
        },
        Caller {
            agent_hash: [9; 32],
            ..anna.clone()
        },
    ] {
        let anna = begin(&sessions, "anna", 0);
        let thief = Caller {
            session: anna.session.clone(),
            ..thief
        };
        assert!(matches!(
            sessions.find(&thief, at(1), Touch::Person),
            Found::Misused(_)
        ));
        assert!(matches!(
            sessions.find(&thief, at(1), Touch::Person),
            Found::Nobody
        ));
        assert!(paused(&sessions, &anna, 2));
        let new = sessions.resume(&anna, at(3));
        assert!(matches!(
            sessions.find(&thief, at(4), Touch::Person),
            Found::Nobody
        ));
        let again = Caller {
            session: new,
            ..anna
        };
        let Found::Live(session) = sessions.find(&again, at(4), Touch::Person) else {
            panic!("not live");
        };
        assert!(session.notices[0].contains("another device"));
    }
}

#[test]
fn a_session_that_moves_to_another_network_pauses() {
    let sessions = sessions(10);
    let anna = begin(&sessions, "anna", 0);
    let moved = Caller {
        source: "192.0.2.1".into(),
        ..anna
    };
    assert!(paused(&sessions, &moved, 1));
}

#[test]
fn a_proof_is_fresh_for_a_while() {
    let sessions = sessions(10);
    let anna = begin(&sessions, "anna", 0);
    let Found::Live(session) = sessions.find(&anna, at(1), Touch::Page) else {
        panic!("not live");
    };
    assert!(sessions.fresh(&session, at(499)));
    assert!(!sessions.fresh(&session, at(500)));
    assert!(!sessions.fresh(&session, at(100)));
}

#[test]
fn a_password_at_sign_in_is_no_second_factor_and_a_step_of_its_own_is_one() {
    let sessions = sessions(10);
    let anna = begin(&sessions, "anna", 0);
    let now = |sessions: &Sessions| sessions.peek(&anna, at(1)).unwrap();
    assert!(!sessions.stepped_up(&now(&sessions), at(1)));
    sessions.stepped(&anna, at(1));
    assert!(sessions.stepped_up(&now(&sessions), at(500)));
    assert!(!sessions.stepped_up(&now(&sessions), at(501)));
}

#[test]
fn a_forged_or_ended_session_is_nobody() {
    let sessions = sessions(10);
    let anna = begin(&sessions, "anna", 0);
    let guess = Caller {
        session: Some("guess".into()),
        ..anna.clone()
    };
    assert!(!live(&sessions, &guess, 1));
    sessions.end(&anna);
    assert!(!live(&sessions, &anna, 1));
}

#[test]
fn one_or_all_sessions_of_an_account_end() {
    let sessions = sessions(10);
    let (first, second) = (begin(&sessions, "anna", 0), begin(&sessions, "anna", 1));
    let listed = sessions.of_account("anna", at(2));
    assert_eq!(listed.len(), 2);
    assert!(sessions.end_one("paul", &listed[0].name).is_none());
    assert!(sessions.end_one("anna", &listed[0].name).is_some());
    assert!(!live(&sessions, &second, 3) && live(&sessions, &first, 3));
    assert_eq!(sessions.end_all_of("anna"), 1);
}

#[test]
fn a_restart_ends_no_session_and_revives_none() {
    let folder = tempfile::tempdir().unwrap();
    let before = started(&folder, 7, 0);
    let (anna, ben, gone) = (
        begin(&before, "anna", 0),
        begin(&before, "ben", 0),
        begin(&before, "gone", 0),
    );
    let again = before.resume(&anna, at(100));
    before.end(&ben);
    drop(before);

    let after = started(&folder, 7, 200);
    let resumed = Caller {
        session: again,
        ..anna.clone()
    };
    assert!(live(&after, &resumed, 300));
    assert!(!live(&after, &anna, 300), "the id before is worth nothing");
    assert!(!live(&after, &ben, 300), "it had ended");
    assert!(!live(&after, &gone, 300), "the account was disabled");
    // Idle and total time go on.
    assert!(paused(&after, &resumed, 1_500));
    let found = after.find(&resumed, at(5_000), Touch::Person);
    assert!(matches!(found, Found::Nobody));
}

#[test]
fn a_clock_that_was_set_back_over_a_restart_revives_none() {
    let folder = tempfile::tempdir().unwrap();
    let before = started(&folder, 7, 0);
    let anna = begin(&before, "anna", 0);
    drop(before);
    let after = started(&folder, 7, 6_000);
    let found = after.find(&anna, at(0), Touch::Person);
    assert!(matches!(found, Found::Nobody));
}

#[test]
fn the_file_of_sessions_says_nothing_and_opens_with_its_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let before = started(&folder, 7, 0);
    let anna = begin(&before, "anna", 0);
    drop(before);
    let path = folder.path().join("sessions");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("anna"), "{text}");
    // What was cut off by a crash, or written by somebody else, counts for nothing.
    std::fs::write(
        &path,
        format!("{text}{}\nnonsense", &text[..text.len() / 2]),
    )
    .unwrap();
    assert!(live(&started(&folder, 7, 0), &anna, 10));
    assert!(!live(&started(&folder, 8, 0), &anna, 10));
}

#[test]
fn a_file_of_sessions_does_not_grow_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let sessions = started(&folder, 7, 0);
    let mut anna = begin(&sessions, "anna", 0);
    for _ in 0..600 {
        anna.session = sessions.resume(&anna, at(10));
    }
    drop(sessions);
    let text = std::fs::read_to_string(folder.path().join("sessions")).unwrap();
    assert!(text.lines().count() < 600, "{}", text.lines().count());
    assert!(live(&started(&folder, 7, 0), &anna, 20));
}

#[test]
fn a_session_that_began_with_a_certificate_is_good_with_it_alone() {
    let sessions = sessions(10);
    let shown = Caller {
        certificate: Some("thumb".into()),
        ..Caller::default()
    };
    let start = Start {
        account: "anna",
        role: Role::Nurse,
        level: Level::Full,
        used: &Used::Password,
        notices: Vec::new(),
    };
    let begun = sessions.begin(start, &shown, at(0)).unwrap();
    let anna = Caller {
        session: Some(begun.session),
        device: Some(begun.device),
        ..shown
    };
    assert!(live(&sessions, &anna, 10));
    let thief = Caller {
        certificate: None,
        ..anna
    };
    let found = sessions.find(&thief, at(20), Touch::Person);
    assert!(matches!(found, Found::Misused(_)));
}

#[test]
fn what_somebody_looked_for_goes_on_after_a_pause_and_is_gone_with_their_session() {
    let sessions = sessions(10);
    let mut anna = begin(&sessions, "anna", 0);
    let typed = |caller: &Caller| match sessions.find(caller, at(10), Touch::Person) {
        Found::Live(session) => session.typed,
        _ => panic!("no live session"),
    };
    let id = typed(&anna).patients.keep(Default::default()).unwrap();
    anna.session = sessions.resume(&anna, at(10));
    assert!(typed(&anna).patients.find(&id).is_some());
    let kept = Arc::downgrade(&typed(&anna));
    assert!(kept.upgrade().is_some());
    sessions.end(&anna);
    assert!(kept.upgrade().is_none());
}
