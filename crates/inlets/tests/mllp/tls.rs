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
