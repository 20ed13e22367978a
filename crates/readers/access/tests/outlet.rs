//! The audit trail's way out against a receiver that is slow, absent, or dies.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::{Access, Outlet, OutletConfig};
use event::{Act, Actor, ActorKind, Body, Clock, Decided, Event, Role, Subject, Time};
use guard::{Standing, admit};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use record::{Config, Record};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use wire::audit::Site;
use wire::syslog::Frames;

const WAIT: Duration = Duration::from_secs(60);
const FRAME_BYTES_MAX: usize = 1 << 20;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Time {
        Time::from_millis(1_795_219_200_000)
    }
}

async fn record(folder: &Path, accesses: usize) -> Record {
    let config = Config::new(folder.to_path_buf());
    let record = Record::open(config, Arc::new(Noon)).await.unwrap();
    seal(&record, 0..accesses).await;
    record
}

async fn seal(record: &Record, numbers: std::ops::Range<usize>) {
    let events = numbers.map(|number| {
        let actor = Actor {
            kind: ActorKind::Person,
            id: format!("a{number}"),
            name: "Anna \"<&>\" \u{0} Ü".into(),
            role: Role::Nurse,
        };
        let subject = Subject::Patient(format!("p{number}"));
        let body = Body::Decision(Decided {
            through: None,
            act: Act::Read,
            subject: subject.clone(),
            purpose: "TREAT".into(),
            reason: None,
            detail: String::new(),
            allowed: true,
            obligations: Vec::new(),
            considered: None,
        });
        let event = Event::new(actor, Act::Read, subject, body);
        admit(event.into(), Standing::Salus, "").unwrap()
    });
    record.admit(events.collect()).await.unwrap();
}

struct Sending {
    access: Access,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Sending {
    async fn start(folder: &Path, record: &Record, config: OutletConfig) -> Sending {
        let access = Access::open(&folder.join("views/access.db")).await.unwrap();
        let site = Site {
            id: "salus.test/record".into(),
            url: "https://salus.test/fhir".into(),
        };
        let cursor = folder.join("audit-export.json");
        let with = (&access, site, Arc::new(Noon) as Arc<dyn Clock>);
        let outlet = Outlet::open(config, cursor, with).unwrap().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(outlet.run(record.clone(), stop.clone()));
        Sending { access, stop, task }
    }

    async fn delivered(&self, size: u64) {
        let mut status = self.access.outlet_changes();
        let reached = status.wait_for(|status| status.as_ref().unwrap().next >= size);
        tokio::time::timeout(WAIT, reached).await.unwrap().unwrap();
    }

    async fn troubled(&self) -> String {
        let mut status = self.access.outlet_changes();
        let reached = status.wait_for(|status| status.as_ref().unwrap().trouble.is_some());
        let status = tokio::time::timeout(WAIT, reached).await.unwrap().unwrap();
        status.clone().unwrap().trouble.unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn config(to: String) -> OutletConfig {
    OutletConfig {
        to,
        confirm_events: 7,
        wait_ms: 5_000,
        retry_ms: 1,
        ..OutletConfig::default()
    }
}

/// The ids of events in the messages of a connection, read to its end.
async fn read_all(mut stream: impl AsyncRead + Unpin) -> Vec<String> {
    let (mut frames, mut all, mut bytes) = (Frames::default(), Vec::new(), vec![0; 4_096]);
    loop {
        let read = stream.read(&mut bytes).await.unwrap_or_default();
        if read == 0 {
            return all;
        }
        for message in frames
            .take(bytes.get(..read).unwrap_or_default(), FRAME_BYTES_MAX)
            .unwrap()
        {
            all.extend(account(&String::from_utf8(message).unwrap()));
        }
    }
}

/// The account in a message; it tells the events apart here.
fn account(message: &str) -> Option<String> {
    assert!(
        message.starts_with("<85>1 20") && message.contains("DICOM+RFC3881"),
        "{message}"
    );
    let after = message.split("UserID=\"a").nth(1)?;
    Some(format!("a{}", after.split('"').next()?))
}

fn all(count: usize) -> BTreeSet<String> {
    (0..count).map(|number| format!("a{number}")).collect()
}

#[tokio::test]
async fn every_event_arrives_though_the_receiver_dies_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(folder.path(), 40).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let receiver = tokio::spawn(async move {
        let mut kept = BTreeSet::new();
        for turn in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            if turn % 3 == 1 {
                // Reads a little, keeps nothing of it, and is gone.
                let _ = stream.read(&mut [0; 100]).await;
                stream.set_zero_linger().unwrap();
                continue;
            }
            kept.extend(read_all(&mut stream).await);
            drop(stream);
            if kept.len() == 60 {
                return kept;
            }
        }
        kept
    });
    let sending = Sending::start(folder.path(), &record, config(format!("tcp://{address}"))).await;
    seal(&record, 40..60).await;
    let kept = tokio::time::timeout(WAIT, receiver).await.unwrap().unwrap();
    assert_eq!(kept, all(60));
    sending.delivered(record.size()).await;
    sending.end().await;
    record.stop().await;
}

#[tokio::test]
async fn it_goes_on_where_it_stopped_and_waits_for_a_receiver_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(folder.path(), 5).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let first = tokio::spawn(receive(listener, 5));
    let sending = Sending::start(folder.path(), &record, config(format!("tcp://{address}"))).await;
    assert_eq!(first.await.unwrap(), all(5));
    sending.delivered(record.size()).await;
    seal(&record, 5..9).await;
    let why = sending.troubled().await;
    assert!(why.contains("the receiver failed to connect"), "{why}");
    sending.end().await;
    let listener = TcpListener::bind(address).await.unwrap();
    let second = tokio::spawn(receive(listener, 4));
    let sending = Sending::start(folder.path(), &record, config(format!("tcp://{address}"))).await;
    let wanted: BTreeSet<String> = (5..9).map(|number| format!("a{number}")).collect();
    assert_eq!(
        second.await.unwrap(),
        wanted,
        "what was delivered is not sent again"
    );
    sending.end().await;
    record.stop().await;
}

async fn receive(listener: TcpListener, count: usize) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    while kept.len() < count {
        let (stream, _) = listener.accept().await.unwrap();
        kept.extend(read_all(stream).await);
    }
    kept
}

struct Papers {
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Papers {
    fn new(folder: &Path, name: &str) -> Papers {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        std::fs::write(folder.join(name), authority.pem()).unwrap();
        Papers { authority }
    }

    fn issue(&self, folder: &Path, name: &str) {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

fn acceptor(folder: &Path) -> TlsAcceptor {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(folder.join("authority.pem")).unwrap();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let chain = vec![CertificateDer::from_pem_file(folder.join("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn over_tls_both_sides_show_who_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let papers = Papers::new(folder.path(), "authority.pem");
    for name in ["server", "client"] {
        papers.issue(folder.path(), name);
    }
    let record = record(folder.path(), 20).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = acceptor(folder.path());
    let receiver = tokio::spawn(async move {
        let mut kept = BTreeSet::new();
        while kept.len() < 20 {
            let (stream, _): (_, SocketAddr) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                kept.extend(read_all(stream).await);
            }
        }
        kept
    });
    let file = |name: &str| folder.path().join(name);
    let mut nobody = config(format!("tls://localhost:{port}"));
    nobody.authorities = file("authority.pem");
    let sending = Sending::start(folder.path(), &record, nobody.clone()).await;
    let why = sending.troubled().await;
    assert!(
        why.contains("the receiver failed"),
        "without a certificate of ours: {why}"
    );
    assert_eq!(
        sending.access.outlet().unwrap().next,
        0,
        "nothing counts as delivered"
    );
    sending.end().await;
    let known = OutletConfig {
        certificate: file("client.pem"),
        key: file("client.key"),
        ..nobody
    };
    let sending = Sending::start(folder.path(), &record, known).await;
    assert_eq!(receiver.await.unwrap(), all(20));
    sending.end().await;
    record.stop().await;
}

#[tokio::test]
async fn what_others_told_is_passed_on_as_it_came_if_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(folder.path(), 0).await;
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../demo/audit");
    let heard = std::fs::read(demo.join("login.txt")).unwrap();
    let mut raw = Vec::new();
    for bytes in [heard.as_slice(), b"<85>1 - - - - - - no audit message"] {
        let line = wire::signals::Line {
            at: 1_795_219_200_000,
            source: "10.0.0.7",
            bytes,
        };
        wire::signals::push(&mut raw, line);
    }
    let body = Body::Signals(event::Signals {
        feed: "viewer".into(),
        format: "audit".into(),
        lines: 2,
        ..event::Signals::default()
    });
    let subject = Subject::Feed("viewer".into());
    let told = Event::new(Actor::feed("viewer"), Act::Send, subject, body).with_raw(raw);
    let told = admit(told.into(), Standing::Salus, "").unwrap();
    record.admit(vec![told]).await.unwrap();
    seal(&record, 0..1).await;
    for others in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = format!("tcp://{}", listener.local_addr().unwrap());
        let receiver = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            Frames::default().take(&all, FRAME_BYTES_MAX).unwrap()
        });
        let config = OutletConfig {
            others,
            ..config(to)
        };
        let sending = Sending::start(folder.path(), &record, config).await;
        let messages = tokio::time::timeout(WAIT, receiver).await.unwrap().unwrap();
        sending.delivered(record.size()).await;
        sending.end().await;
        let own = messages
            .iter()
            .filter(|one| account(&String::from_utf8_lossy(one)).is_some());
        let theirs = messages.contains(&heard);
        match others {
            true => assert!(theirs && messages.len() == 2),
            false => assert!(!theirs && own.count() == 1 && messages.len() == 1),
        }
    }
    record.stop().await;
}
