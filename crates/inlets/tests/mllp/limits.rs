use std::net::SocketAddr;
use std::sync::Arc;

use inlets::mllp::{Config, Error, FeedConfig, Mllp};

use crate::house::{House, StandingClock, config, feed, framed, oru, reasons};

#[tokio::test]
async fn a_message_that_is_too_long() {
    let house = House::open(Config {
        frame_bytes_max: 1_000,
        ..config()
    })
    .await;
    let mut line = house.connect().await;
    let long = [oru("1"), b"NTE|1||x\r".repeat(1_000)].concat();
    line.send([framed(&long), framed(oru("2"))].concat()).await;
    assert_eq!(line.codes(2).await, ["AR 1", "AA 2"]);
    let sealed = house.sealed().await;
    let reason =
        "the message is longer than `frame_bytes_max` = 1000; its first 1000 bytes are kept";
    assert_eq!(reasons(&sealed), [reason]);
    assert_eq!(sealed[0].raw, &long[..1_000]);
    house.close().await;
}

#[tokio::test]
async fn a_message_that_never_ends() {
    let house = House::open(Config {
        frame_ms: 30,
        ..config()
    })
    .await;
    let mut line = house.connect().await;
    line.send(&framed(oru("1"))[..100]).await;
    assert_eq!(line.codes(1).await, ["AR 1"]);
    assert_eq!(line.answer().await, None);
    let reason = "the message was not complete within `frame_ms` = 30";
    assert_eq!(reasons(&house.sealed().await), [reason]);
    house.close().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let house = House::open(Config {
        idle_ms: 30,
        ..config()
    })
    .await;
    let mut line = house.connect().await;
    assert_eq!(line.answer().await, None);
    house.close().await;
}

#[tokio::test]
async fn one_connection_too_many_is_closed() {
    let house = House::open(Config {
        connections_max: 1,
        ..config()
    })
    .await;
    let mut first = house.connect().await;
    first.send(framed(oru("1"))).await;
    assert_eq!(first.codes(1).await, ["AA 1"]);
    assert_eq!(house.connect().await.answer().await, None);
    first.send(framed(oru("2"))).await;
    assert_eq!(first.codes(1).await, ["AA 2"]);
    house.close().await;
}

#[tokio::test]
async fn a_sender_of_nothing_but_garbage_is_closed() {
    let house = House::open(Config {
        unread_in_a_row_max: 3,
        ..config()
    })
    .await;
    let mut line = house.connect().await;
    for bytes in ["\x0b\x1c\r", "\x0bx\x1c\r", "\x0by\x1c\r"] {
        line.send(bytes).await;
        assert_eq!(line.codes(1).await, ["AR"]);
    }
    assert_eq!(line.answer().await, None);
    house.close().await;
}

#[tokio::test]
async fn unfinished_messages_do_not_fill_the_memory() {
    let house = House::open(Config {
        unfinished_bytes_max: 2 << 20,
        ..config()
    })
    .await;
    let mut line = house.connect().await;
    let begun = [b"\x0b", oru("1").as_slice(), &b"x".repeat(3 << 20)].concat();
    line.send(begun).await;
    assert_eq!(line.codes(1).await, ["AE 1"]);
    let sealed = house.sealed().await;
    assert_eq!(sealed[0].raw.len(), 64 << 10);
    house.close().await;
}

#[tokio::test]
async fn a_batch_of_too_many() {
    let house = House::open(Config {
        batch_messages_max: 2,
        ..config()
    })
    .await;
    let mut line = house.connect().await;
    line.send(framed([oru("1"), oru("2"), oru("3")].concat()))
        .await;
    assert_eq!(line.codes(1).await, ["AR 1"]);
    house.close().await;
}

#[tokio::test]
async fn ten_thousand_segments_and_ten_megabytes() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    let many = [oru("1"), b"NTE|1||x\r".repeat(10_000)].concat();
    line.send(framed(&many)).await;
    assert_eq!(line.codes(1).await, ["AA 1"]);
    let value = "QUJD".repeat(2_500_000);
    let large = format!(
        "{}OBX|2|ED|x||^^PDF^Base64^{value}\r",
        String::from_utf8_lossy(&oru("2"))
    );
    line.send([framed(&large), framed(oru("3"))].concat()).await;
    assert_eq!(line.codes(2).await, ["AA 2", "AA 3"]);
    assert_eq!(house.sealed().await[1].raw, large.as_bytes());
    house.close().await;
}

#[tokio::test]
async fn a_thousand_slow_senders_hold_up_nobody() {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let more = rustix::process::Rlimit {
        current: files.maximum,
        ..files
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, more).unwrap();
    let house = House::open(config()).await;
    let mut slow = Vec::new();
    for number in 0..1_000 {
        let mut line = house.connect().await;
        line.send(&framed(oru(&number.to_string()))[..60]).await;
        slow.push(line);
    }
    let mut quick = house.connect().await;
    quick.send(framed(oru("quick"))).await;
    assert_eq!(quick.codes(1).await, ["AA quick"]);
    for (number, line) in slow.iter_mut().enumerate() {
        line.send(&framed(oru(&number.to_string()))[60..]).await;
    }
    for (number, line) in slow.iter_mut().enumerate() {
        assert_eq!(line.codes(1).await, [format!("AA {number}")]);
    }
    assert_eq!(house.sealed().await.len(), 1_001);
    house.close().await;
}

async fn refused(config: Config) -> String {
    let bound = Mllp::bind(config, Arc::new(StandingClock)).await;
    bound
        .err()
        .map(|why: Error| why.to_string())
        .unwrap_or_default()
}

#[tokio::test]
async fn settings_that_make_no_sense() {
    let open: SocketAddr = "0.0.0.0:0".parse().unwrap();
    assert_eq!(
        refused(Config {
            listen: vec![open],
            ..config()
        })
        .await,
        "plain MLLP on `0.0.0.0:0` would carry patient data in the clear: listen on a loopback \
         address, or configure `[mllp.tls]` with client certificates"
    );
    let with = |feed: FeedConfig| Config {
        feeds: vec![feed],
        ..config()
    };
    let zone = FeedConfig {
        zone: Some("Mars".into()),
        ..feed("lab", &["*"])
    };
    let words = "feed `lab`: `Mars` is no IANA zone, such as `Europe/Berlin`";
    assert_eq!(refused(with(zone)).await, words);
    let charset = FeedConfig {
        charset: Some("x".into()),
        ..feed("lab", &["*"])
    };
    let words = "feed `lab`: `x` is no character set that is known, such as `8859/1`";
    assert_eq!(refused(with(charset)).await, words);
    let finger = FeedConfig {
        certificates: vec!["ab".into()],
        ..feed("lab", &["*"])
    };
    let words = "feed `lab`: `ab` is no SHA-256 fingerprint: it takes 64 hex digits";
    assert_eq!(refused(with(finger)).await, words);
    let words = "feed `unknown`: give it a `name` other than `unknown`";
    assert_eq!(refused(with(feed("unknown", &["*"]))).await, words);
    let twice = Config {
        feeds: vec![feed("a", &[]), feed("a", &[])],
        ..config()
    };
    assert_eq!(refused(twice).await, "feed `a`: two feeds have this name");
}
