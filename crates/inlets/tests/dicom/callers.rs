//! Who may call, and what becomes of those who may not.

use inlets::dicom::{Config, Destination, Dicom, Error, FeedConfig};
use tempfile::TempDir;

use crate::authority::{Authority, dial, server};
use crate::caller::{Answer, Caller, VERIFICATION, command, request, unit};
use crate::house::{CT, House, MR, config, feed, slice};

#[tokio::test]
async fn a_caller_is_known_by_its_title_and_told_why_not() {
    let house = House::open(config()).await;
    let mut caller = house.connect().await;
    assert_eq!(
        caller.ask("SALUS", "CT1", &[CT]).await,
        Answer::Taken(vec![0])
    );
    for (called, calling, reason) in [("ORTHANC", "CT1", 7), ("SALUS", "EVE", 3)] {
        let mut caller = house.connect().await;
        let answer = caller.ask(called, calling, &[CT]).await;
        assert_eq!(answer, Answer::Rejected([1, 1, reason]));
    }
    let reasons = house.reasons().await;
    assert_eq!(
        reasons,
        [
            "unknown: an association was rejected: `ORTHANC` is none of the AE titles of Salus (`titles`)",
            "unknown: an association was rejected: no feed calls itself `EVE`",
        ]
    );
    house.close().await;
}

#[tokio::test]
async fn a_title_is_bound_to_a_certificate() {
    let authority = Authority::new();
    let (ct, eve) = (
        authority.identity("ct1.hospital"),
        authority.identity("eve"),
    );
    let folder = TempDir::new().unwrap();
    let mr = authority.identity("mr1");
    let bound = FeedConfig {
        subjects: vec!["ct1.hospital".into()],
        ..feed("ct", "CT1")
    };
    let by_fingerprint = FeedConfig {
        certificates: vec![mr.fingerprint().trim_end_matches(':').into()],
        ..feed("mr", "MR1")
    };
    let house = House::open(Config {
        tls: Some(server(folder.path(), &authority)),
        feeds: vec![bound, by_fingerprint, feed("anyone", "TOOL")],
        ..config()
    })
    .await;
    let tls = house.addresses[1];
    let mut right = Caller::new(dial(tls, &authority, Some(&ct)).await);
    assert_eq!(
        right.ask("SALUS", "CT1", &[CT]).await,
        Answer::Taken(vec![0])
    );
    let answer = right
        .store((CT, "1.2.3.4"), &slice("1.2.3.4", "Doe^Jane"))
        .await;
    assert_eq!(answer, Answer::Status(0));
    let mut right = Caller::new(dial(tls, &authority, Some(&mr)).await);
    assert_eq!(
        right.ask("SALUS", "MR1", &[MR]).await,
        Answer::Taken(vec![0])
    );
    let stranger = Answer::Rejected([1, 1, 3]);
    let mut wrong = Caller::new(dial(tls, &authority, Some(&eve)).await);
    assert_eq!(wrong.ask("SALUS", "CT1", &[CT]).await, stranger);
    // A certificate stands for no title that it is not bound to, and a feed without one is not over TLS.
    let mut wrong = Caller::new(dial(tls, &authority, Some(&ct)).await);
    assert_eq!(wrong.ask("SALUS", "TOOL", &[CT]).await, stranger);
    // In the clear nobody is a feed that must show a certificate.
    let mut plain = house.connect().await;
    assert_eq!(plain.ask("SALUS", "CT1", &[CT]).await, stranger);
    // Without a certificate there is no connection at all.
    let mut none = Caller::new(dial(tls, &authority, None).await);
    assert_eq!(none.ask("SALUS", "CT1", &[CT]).await, Answer::Ended);
    assert_eq!(house.images().await.len(), 1);
    house.close().await;
}

#[tokio::test]
async fn what_a_feed_may_not_store_has_no_context() {
    let house = House::open(Config {
        feeds: vec![FeedConfig {
            classes: vec![CT.into()],
            ..feed("ct", "CT1")
        }],
        ..config()
    })
    .await;
    let mut caller = house.connect().await;
    let answer = caller.ask("SALUS", "CT1", &[MR, VERIFICATION]).await;
    assert_eq!(answer, Answer::Taken(vec![3, 0]));
    assert_eq!(caller.echo(3).await, Answer::Status(0));
    caller.send(&unit(5, &[0; 4])).await;
    assert_eq!(caller.answer().await, Answer::Released);
    assert_eq!(caller.answer().await, Answer::Ended);
    // A message in a context that was not taken ends the association.
    let mut caller = house.connect().await;
    caller.ask("SALUS", "CT1", &[MR]).await;
    assert_eq!(caller.store((MR, "1.2"), b"").await, Answer::Aborted(6));
    house.close().await;
}

#[tokio::test]
async fn one_association_too_many_is_told_so() {
    let house = House::open(Config {
        associations_max: 1,
        ..config()
    })
    .await;
    let mut first = house.connect().await;
    first.ask("SALUS", "CT1", &[CT]).await;
    let mut second = house.connect().await;
    let answer = second.ask("SALUS", "CT1", &[CT]).await;
    assert_eq!(answer, Answer::Rejected([2, 3, 2]));
    house.close().await;
}

/// One certificate stands for two feeds, and does not keep out others while it says nothing.
#[tokio::test]
async fn who_asks_for_nothing_has_no_more_places_than_a_share() {
    let authority = Authority::new();
    let (gateway, mr) = (authority.identity("gateway"), authority.identity("mr1"));
    let folder = TempDir::new().unwrap();
    let of = |name, title, subject: &str| FeedConfig {
        subjects: vec![subject.into()],
        ..feed(name, title)
    };
    let house = House::open(Config {
        tls: Some(server(folder.path(), &authority)),
        associations_begun_per_certificate_max: 1,
        associations_per_feed_max: 1,
        feeds: vec![
            of("ct", "CT1", "gateway"),
            of("us", "US1", "gateway"),
            of("mr", "MR1", "mr1"),
        ],
        ..config()
    })
    .await;
    let tls = house.addresses[1];
    let authority = &authority;
    let dial = |who| async move { Caller::new(dial(tls, authority, Some(who)).await) };
    let mut silent = dial(&gateway).await;
    let mut second = dial(&gateway).await;
    assert_eq!(second.ask("SALUS", "US1", &[CT]).await, Answer::Ended);
    let mut other = dial(&mr).await;
    let taken = || Answer::Taken(vec![0]);
    assert_eq!(other.ask("SALUS", "MR1", &[CT]).await, taken());
    // Once it has asked, the next may, and each of its feeds has a share of its own.
    assert_eq!(silent.ask("SALUS", "CT1", &[CT]).await, taken());
    let mut second = dial(&gateway).await;
    assert_eq!(second.ask("SALUS", "US1", &[CT]).await, taken());
    house.close().await;
}

#[tokio::test]
async fn a_feed_has_no_more_associations_than_its_share() {
    let house = House::open(Config {
        associations_per_feed_max: 1,
        ..config()
    })
    .await;
    let mut first = house.connect().await;
    first.ask("SALUS", "CT1", &[CT]).await;
    let mut second = house.connect().await;
    let answer = second.ask("SALUS", "CT1", &[CT]).await;
    assert_eq!(answer, Answer::Rejected([2, 3, 2]));
    // When the first has ended, its place is free.
    first.send(&unit(5, &[0; 4])).await;
    assert_eq!(first.answer().await, Answer::Released);
    assert_eq!(first.answer().await, Answer::Ended);
    let taken = async {
        loop {
            let mut third = house.connect().await;
            if matches!(third.ask("SALUS", "CT1", &[CT]).await, Answer::Taken(_)) {
                return;
            }
        }
    };
    let wait = std::time::Duration::from_secs(60);
    tokio::time::timeout(wait, taken).await.unwrap();
    house.close().await;
}

#[tokio::test]
async fn who_breaks_the_protocol_is_aborted() {
    let house = House::open(config()).await;
    let broken: [(&[u8], Answer); 5] = [
        // Data before a command; a unit that nobody knows; a damaged one; another request.
        (
            &wire::dicom::data(1, (b"", Some(b"x")), 0)[12..],
            Answer::Aborted(2),
        ),
        (&unit(0x77, b"x"), Answer::Aborted(1)),
        (&unit(4, b"x"), Answer::Aborted(6)),
        (&request("SALUS", "CT1", &[CT]), Answer::Aborted(2)),
        // A unit that is longer than what was agreed.
        (b"\x04\0\xff\xff\xff\xff", Answer::Ended),
    ];
    for (bytes, expected) in broken {
        let mut caller = house.connect().await;
        caller.ask("SALUS", "CT1", &[CT]).await;
        caller.send(bytes).await;
        assert_eq!(caller.answer().await, expected);
    }
    // Something else than a request comes first.
    let mut caller = house.connect().await;
    caller.send(&unit(5, &[0; 4])).await;
    assert_eq!(caller.answer().await, Answer::Aborted(2));
    house.close().await;
}

#[tokio::test]
async fn who_is_silent_is_aborted_and_a_stop_waits_for_nobody() {
    let house = House::open(Config {
        idle_ms: 50,
        associate_ms: 50,
        ..config()
    })
    .await;
    let mut caller = house.connect().await;
    assert_eq!(caller.answer().await, Answer::Ended);
    let mut caller = house.connect().await;
    caller.ask("SALUS", "CT1", &[CT]).await;
    assert_eq!(caller.answer().await, Answer::Aborted(0));
    let mut caller = house.connect().await;
    caller.ask("SALUS", "CT1", &[CT]).await;
    // A command whose data set never comes.
    let half = command(1, (CT, "1.2"), true);
    caller.send(&wire::dicom::data(1, (&half, None), 0)).await;
    assert_eq!(caller.answer().await, Answer::Aborted(0));
    house.close().await;

    let house = House::open(config()).await;
    let mut caller = house.connect().await;
    caller.ask("SALUS", "CT1", &[CT]).await;
    house.close().await;
    assert_eq!(caller.answer().await, Answer::Aborted(0));
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let away = Config {
        listen: vec!["0.0.0.0:11112".parse().unwrap()],
        ..config()
    };
    assert!(matches!(
        Dicom::bind(away).await,
        Err(Error::NotLoopback(_))
    ));
    let nameless = FeedConfig {
        calling: Vec::new(),
        ..feed("ct", "CT1")
    };
    let wrong = [
        FeedConfig {
            charset: Some("latin-17".into()),
            ..feed("ct", "CT1")
        },
        feed("ct", "A title that is too long"),
        feed("unknown", "CT1"),
        nameless,
    ];
    for feed in wrong {
        let config = Config {
            feeds: vec![feed],
            ..config()
        };
        assert!(matches!(Dicom::bind(config).await, Err(Error::Feed { .. })));
    }
    let deep = Config {
        depth_max: 1_000,
        ..config()
    };
    assert!(matches!(Dicom::bind(deep).await, Err(Error::Setting(_))));
}

const STUDY_FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";

#[tokio::test]
async fn who_may_ask_nothing_gets_no_context_for_a_query() {
    let asks = FeedConfig {
        classes: Vec::new(),
        queries: vec!["system/ImagingStudy.rs".into()],
        ..feed("viewer", "VIEWER")
    };
    let house = House::open(Config {
        feeds: vec![feed("ct", "CT1"), asks],
        ..config()
    })
    .await;
    for (title, results) in [("CT1", [3, 0]), ("VIEWER", [0, 3])] {
        let mut caller = house.connect().await;
        let answer = caller.ask("SALUS", title, &[STUDY_FIND, CT]).await;
        assert_eq!(answer, Answer::Taken(results.to_vec()), "{title}");
    }
    house.close().await;
}

#[tokio::test]
async fn what_a_feed_may_ask_and_where_to_is_checked() {
    let wrong = |feed: FeedConfig, destinations: Vec<Destination>| Config {
        feeds: vec![feed],
        destinations,
        ..config()
    };
    let there = Destination {
        title: "WS1".into(),
        host: "ws1.hospital".into(),
        port: 104,
        ..Destination::default()
    };
    let asks = |queries: &str| FeedConfig {
        queries: vec![queries.into()],
        ..feed("viewer", "VIEWER")
    };
    let moves = FeedConfig {
        destinations: vec!["WS1".into()],
        ..feed("viewer", "VIEWER")
    };
    for (config, why) in [
        (wrong(asks("everything"), Vec::new()), "is no scope"),
        (wrong(moves, Vec::new()), "no `[[dicom.destination]]`"),
        (wrong(feed("ct", "CT1"), vec![there]), "in the clear"),
    ] {
        let error = Dicom::bind(config).await.err().unwrap().to_string();
        assert!(error.contains(why), "{error}");
    }
}
