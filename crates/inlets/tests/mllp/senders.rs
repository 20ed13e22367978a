use inlets::mllp::{Config, FeedConfig};

use crate::house::{House, as_message, config, feed, framed, message, oru, reasons};

#[tokio::test]
async fn a_repeated_delivery_gets_the_same_answer_and_has_no_effect() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    line.send(framed(oru("1"))).await;
    let first = line.answer().await.unwrap();
    line.send(framed(oru("1"))).await;
    assert_eq!(line.answer().await.unwrap(), first);
    let mut again = house.connect().await;
    again
        .send([framed(oru("1")), framed(oru("1"))].concat())
        .await;
    assert_eq!(again.answer().await.unwrap(), first);
    assert_eq!(again.answer().await.unwrap(), first);
    assert_eq!(house.sealed().await.len(), 1);
    house.close().await;
}

#[tokio::test]
async fn a_repeat_in_the_same_packet_is_a_repeat() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    line.send([framed(oru("1")), framed(oru("1"))].concat())
        .await;
    let first = line.answer().await.unwrap();
    assert_eq!(line.answer().await.unwrap(), first);
    assert_eq!(house.sealed().await.len(), 1);
    house.close().await;
}

#[tokio::test]
async fn the_same_message_id_with_other_content_is_another_message() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    let other = String::from_utf8(oru("1")).unwrap().replace("140", "141");
    line.send([framed(oru("1")), framed(&other)].concat()).await;
    assert_eq!(line.codes(2).await, ["AA 1", "AA 1"]);
    let sealed = house.sealed().await;
    assert_eq!(sealed.len(), 2);
    assert_eq!(sealed[1].raw, other.as_bytes());
    house.close().await;
}

fn two_feeds() -> Config {
    let lab = FeedConfig {
        applications: vec!["LAB".into()],
        facilities: vec!["NORTH".into()],
        zone: Some("Europe/Berlin".into()),
        charset: Some("8859/1".into()),
        authority: Some("LABOR".into()),
        ..feed("lab", &["ORU^*"])
    };
    let adt = FeedConfig {
        applications: vec!["ADT".into()],
        ..feed("adt", &["ADT^*"])
    };
    Config {
        feeds: vec![lab, adt],
        ..config()
    }
}

#[tokio::test]
async fn a_feed_sends_what_it_may() {
    let house = House::open(two_feeds()).await;
    let mut line = house.connect().await;
    let elsewhere = String::from_utf8(oru("3"))
        .unwrap()
        .replace("NORTH", "SOUTH");
    let stranger = String::from_utf8(oru("4")).unwrap().replace("LAB", "EVE");
    let stream = [
        framed(oru("1")),
        framed(message("ADT^A01", "2")),
        framed(elsewhere),
        framed(stranger),
    ];
    line.send(stream.concat()).await;
    assert_eq!(line.codes(4).await, ["AA 1", "AR 2", "AR 3", "AR 4"]);
    let sealed = house.sealed().await;
    let lab = as_message(&sealed[0]);
    assert_eq!(
        (lab.feed.as_str(), lab.zone.as_str()),
        ("lab", "Europe/Berlin")
    );
    assert_eq!(
        (lab.charset.as_str(), lab.authority.as_str()),
        ("8859/1", "LABOR")
    );
    assert_eq!(
        reasons(&sealed),
        [
            "feed `lab` may not send `ADT^A01`",
            "feed `lab` may not send for facility `SOUTH`",
            "feed `unknown` may not send `ORU^R01`",
        ]
    );
    assert_eq!(sealed[1].raw, message("ADT^A01", "2"));
    house.close().await;
}

#[tokio::test]
async fn a_record_that_cannot_seal_is_our_fault() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    house.record.stop().await;
    line.send(framed(oru("1"))).await;
    assert_eq!(line.codes(1).await, ["AE 1"]);
    house.close().await;
}

#[tokio::test]
async fn stopping_answers_what_was_taken() {
    let house = House::open(config()).await;
    let mut line = house.connect().await;
    line.send(framed(oru("1"))).await;
    assert_eq!(line.codes(1).await, ["AA 1"]);
    line.send(&framed(oru("2"))[..50]).await;
    house.close().await;
    assert_eq!(line.answer().await, None);
}
