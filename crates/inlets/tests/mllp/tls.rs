use std::path::Path;

use inlets::mllp::{Config, FeedConfig};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::authority::{Authority, Identity, dial, server};
use crate::house::{House, Line, config, feed, framed, message, oru, reasons};

fn tls_config(folder: &Path, authority: &Authority, feeds: Vec<FeedConfig>) -> Config {
    Config {
        listen: Vec::new(),
        tls: Some(server(folder, authority)),
        feeds,
        ..config()
    }
}

async fn connect(
    house: &House,
    authority: &Authority,
    identity: Option<&Identity>,
) -> Line<TlsStream<TcpStream>> {
    Line::new(dial(house.addresses[0], authority, identity).await)
}

#[tokio::test]
async fn a_certificate_is_bound_to_what_it_may_send() {
    let authority = Authority::new();
    let (lab, adt, eve) = (
        authority.identity("lab"),
        authority.identity("adt"),
        authority.identity("eve"),
    );
    let folder = tempfile::TempDir::new().unwrap();
    let feeds = vec![
        FeedConfig {
            certificates: vec![lab.fingerprint().trim_end_matches(':').into()],
            ..feed("lab", &["ORU^*"])
        },
        FeedConfig {
            subjects: vec!["adt".into()],
            ..feed("adt", &["ADT^*"])
        },
        feed("anyone", &["*"]),
    ];
    let house = House::open(tls_config(folder.path(), &authority, feeds)).await;
    let stream = [framed(oru("1")), framed(message("ADT^A01", "2"))].concat();
    for (identity, expected) in [
        (&lab, ["AA 1", "AR 2"]),
        (&adt, ["AR 1", "AA 2"]),
        (&eve, ["AR 1", "AR 2"]),
    ] {
        let mut line = connect(&house, &authority, Some(identity)).await;
        line.send(&stream).await;
        assert_eq!(line.codes(2).await, expected);
    }
    assert_eq!(
        reasons(&house.sealed().await),
        [
            "feed `lab` may not send `ADT^A01`",
            "feed `adt` may not send `ORU^R01`",
            "feed `unknown` may not send `ORU^R01`",
            "feed `unknown` may not send `ADT^A01`",
        ]
    );
    house.close().await;
}

#[tokio::test]
async fn nobody_talks_without_a_certificate_of_the_authority() {
    let authority = Authority::new();
    let folder = tempfile::TempDir::new().unwrap();
    let house = House::open(tls_config(
        folder.path(),
        &authority,
        vec![feed("lab", &["*"])],
    ))
    .await;
    let mut line = connect(&house, &authority, None).await;
    assert_eq!(line.answer().await, None);
    let forged = Authority::new().identity("lab");
    let mut line = connect(&house, &authority, Some(&forged)).await;
    assert_eq!(line.answer().await, None);
    assert!(house.sealed().await.is_empty());
    house.close().await;
}

#[tokio::test]
async fn whoever_makes_no_handshake_takes_no_place() {
    let authority = Authority::new();
    let lab = authority.identity("lab");
    let folder = tempfile::TempDir::new().unwrap();
    let house = House::open(Config {
        connections_max: 1,
        handshakes_per_address_max: 2,
        handshake_ms: 3_600_000,
        ..tls_config(folder.path(), &authority, vec![feed("lab", &["*"])])
    })
    .await;
    let silent = TcpStream::connect(house.addresses[0]).await.unwrap();
    let mut line = connect(&house, &authority, Some(&lab)).await;
    line.send(framed(oru("1"))).await;
    assert_eq!(line.codes(1).await, ["AR 1"]);
    // One address makes no more handshakes at a time than it may.
    let _other = TcpStream::connect(house.addresses[0]).await.unwrap();
    let mut third = TcpStream::connect(house.addresses[0]).await.unwrap();
    let mut byte = [0];
    let read = tokio::io::AsyncReadExt::read(&mut third, &mut byte);
    let read = tokio::time::timeout(std::time::Duration::from_secs(60), read).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "it is closed");
    drop(silent);
    house.close().await;
}

#[tokio::test]
async fn one_certificate_has_no_more_connections_than_its_share() {
    let authority = Authority::new();
    let (lab, adt) = (authority.identity("lab"), authority.identity("adt"));
    let folder = tempfile::TempDir::new().unwrap();
    let feeds = vec![FeedConfig {
        subjects: vec!["lab".into(), "adt".into()],
        ..feed("lab", &["*"])
    }];
    let house = House::open(Config {
        connections_per_sender_max: 1,
        ..tls_config(folder.path(), &authority, feeds)
    })
    .await;
    let mut first = connect(&house, &authority, Some(&lab)).await;
    first.send(framed(oru("1"))).await;
    assert_eq!(first.codes(1).await, ["AA 1"]);
    let mut second = connect(&house, &authority, Some(&lab)).await;
    assert_eq!(second.answer().await, None);
    let mut other = connect(&house, &authority, Some(&adt)).await;
    other.send(framed(oru("2"))).await;
    assert_eq!(other.codes(1).await, ["AA 2"]);
    house.close().await;
}
