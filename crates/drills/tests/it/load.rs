//! The load drivers against small servers that answer rightly, wrongly or not at all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use drills::load::{Call, HttpLoad, LoadError, MllpLoad, Template, Until, http, mllp, pinned};
use event::Time;
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const AT: Time = Time::from_millis(1_772_409_600_000);

/// Answers every frame; `wrong` of ten with another message's id.
async fn receiver(wrong: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = Vec::new();
                while stream
                    .read_buf(&mut buffer)
                    .await
                    .is_ok_and(|read| read > 0)
                {
                    if !buffer.ends_with(&[0x1C, 0x0D]) {
                        continue;
                    }
                    let text = String::from_utf8_lossy(&buffer).into_owned();
                    let control = text.split('|').nth(9).unwrap_or_default();
                    let last = control.bytes().last().unwrap_or(b'0') - b'0';
                    let echoed = if last < wrong {
                        "somebody else's"
                    } else {
                        control
                    };
                    let answer =
                        format!("\x0bMSH|^~\\&|S|||||ACK|1|P|2.5.1\rMSA|AA|{echoed}\r\x1c\r");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    buffer.clear();
                }
            });
        }
    });
    address
}

fn load(address: SocketAddr) -> MllpLoad {
    MllpLoad {
        address,
        tls: None,
        connections: 4,
        until: Until::Count(200),
        pace: None,
        run: 9,
        templates: Template::panels(1, 10, AT),
        answer_wait: Duration::from_secs(20),
    }
}

#[tokio::test]
async fn every_message_is_acknowledged_and_counted() {
    let figures = mllp(&load(receiver(0).await)).await.unwrap();
    assert_eq!((figures.count, figures.errors), (200, 0), "{figures:?}");
    assert!(figures.p50_ms <= figures.p99_ms && figures.p99_ms <= figures.max_ms);
    assert!(figures.per_second > 0.0);
}

#[tokio::test]
async fn a_wrong_acknowledgement_is_an_error() {
    let load = MllpLoad {
        connections: 1,
        until: Until::Count(10),
        ..load(receiver(1).await)
    };
    let figures = mllp(&load).await.unwrap();
    assert_eq!((figures.count, figures.errors), (9, 1));
    assert!(figures.first_error.unwrap().contains("somebody else's"));
}

#[tokio::test]
async fn a_pace_is_kept_and_nothing_to_send_is_said() {
    let paced = MllpLoad {
        pace: Some(2_000.0),
        until: Until::Count(60),
        ..load(receiver(0).await)
    };
    assert_eq!(mllp(&paced).await.unwrap().count, 60);
    let nothing = MllpLoad {
        templates: Vec::new(),
        ..paced
    };
    assert!(matches!(mllp(&nothing).await, Err(LoadError::Nothing)));
}

#[tokio::test]
async fn a_refused_connection_is_an_error_in_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let figures = mllp(&load(address)).await.unwrap();
    assert_eq!((figures.count, figures.errors), (0, 4));
    assert!(figures.first_error.unwrap().starts_with("connection "));
}

/// Speaks just enough HTTP/1.1; anything about `gone` is 404.
async fn serve_http(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut buffer = Vec::new();
    while stream
        .read_buf(&mut buffer)
        .await
        .is_ok_and(|read| read > 0)
    {
        let text = String::from_utf8_lossy(&buffer).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            line.to_lowercase()
                .strip_prefix("content-length: ")
                .map(str::to_owned)
        });
        if body.len() < length.map_or(0, |length| length.parse().unwrap()) {
            continue;
        }
        assert!(head.to_lowercase().contains("authorization: bearer t0ken"));
        let status = if head.contains("/gone") {
            "404 Not Found"
        } else {
            "200 OK"
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        buffer.clear();
    }
}

async fn server() -> (HttpLoad, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve_http(stream).await;
                }
            });
        }
    });
    let pem = made.cert.pem();
    let load = HttpLoad {
        base: format!("https://{address}/fhir"),
        tls: pinned(pem.as_bytes()).unwrap(),
        token: "t0ken".into(),
        connections: 3,
        until: Until::Count(1_000),
        answer_wait: Duration::from_secs(20),
    };
    (load, pem)
}

#[tokio::test]
async fn calls_over_tls_are_counted_by_what_they_carry() {
    let (load, _) = server().await;
    let calls = (0..90).map(|number| match number % 3 {
        0 => Call::post("", r#"{"resourceType":"Bundle"}"#, 5),
        1 => Call::get("/Patient/1"),
        _ => Call::get("/Patient/gone"),
    });
    let figures = http(&load, Box::new(calls)).await.unwrap();
    assert_eq!(
        (figures.count, figures.errors, figures.units),
        (60, 30, 180),
        "{figures:?}"
    );
    assert!(figures.first_error.unwrap().contains("404 Not Found"));
}

#[tokio::test]
async fn another_certificate_is_not_trusted() {
    let (load, _) = server().await;
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let load = HttpLoad {
        tls: pinned(other.cert.pem().as_bytes()).unwrap(),
        connections: 1,
        ..load
    };
    let figures = http(&load, Box::new((0..100).map(|_| Call::get("/Patient/1"))))
        .await
        .unwrap();
    assert_eq!(figures.count, 0);
    // It gives up instead of calling in vain a hundred times.
    assert_eq!(figures.errors, 4);
}

#[tokio::test]
async fn an_address_without_a_scheme_is_refused() {
    let (load, _) = server().await;
    let load = HttpLoad {
        base: "localhost:1/fhir".into(),
        ..load
    };
    let why = http(&load, Box::new(std::iter::empty()))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        why.starts_with("`localhost:1/fhir` is not an address"),
        "{why}"
    );
}
