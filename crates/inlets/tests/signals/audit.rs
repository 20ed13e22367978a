//! Audit messages of other systems over syslog (IHE ATNA ITI-20; RFC 5425 with both sides'
//! certificates, and RFC 5426).

use std::fs;
use std::path::Path;

use event::{Body, Signals, Subject};
use inlets::signals::{Config, SyslogConfig, SyslogFeed};
use record::Sealed;
use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;
use wire::syslog::framed;

use crate::authority::{Authority, dial, server};
use crate::house::{House, config, feed};

fn sample(name: &str) -> Vec<u8> {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/audit");
    fs::read(demo.join(name)).unwrap().trim_ascii_end().to_vec()
}

fn pacs() -> SyslogFeed {
    SyslogFeed {
        format: "audit".into(),
        authority: "MAIN".into(),
        zone: "Europe/Zurich".into(),
        ..feed("pacs", &[])
    }
}

fn told(sealed: &Sealed) -> &Signals {
    let Body::Signals(told) = &sealed.event().body else {
        panic!("{:?}", sealed.event());
    };
    told
}

async fn sealed(house: &House, lines: u64) -> Vec<Sealed> {
    house.until(lines).await;
    house.record.read(1, 1_000).await.unwrap()
}

/// With so many more instances that it has this many bytes at least.
fn of_bytes(line: &[u8], bytes: usize) -> Vec<u8> {
    let line = String::from_utf8(line.to_vec()).unwrap();
    let one = "<SOPClass UID=\"1.2.840.10008.5.1.4.1.1.2\" NumberOfInstances=\"1\"/>";
    let more = one.repeat(bytes / one.len() + 1);
    let end = "</ParticipantObjectDescription>";
    line.replace(end, &format!("{more}{end}")).into_bytes()
}

#[tokio::test]
async fn each_patient_s_audit_messages_go_under_their_own_key() {
    let authority = Authority::new();
    let pacs_own = authority.identity("pacs");
    let folder = tempfile::TempDir::new().unwrap();
    let settings = Config {
        batch_wait_ms: 20,
        syslog: SyslogConfig {
            tls: Some(server(folder.path(), &authority)),
            feeds: vec![SyslogFeed {
                subjects: vec!["pacs".into()],
                ..pacs()
            }],
            ..SyslogConfig::default()
        },
        ..Config::default()
    };
    let house = House::open(settings).await;
    let accessed = sample("instances-accessed.txt");
    let large = of_bytes(&accessed, 100 << 10);
    assert!(large.len() > 32_768);
    let others = [
        sample("export-two-patients.txt"),
        sample("login.txt"),
        b"<85>1 - - - - - - no audit message".to_vec(),
        b"<85>1 - - - - - - <!DOCTYPE a><AuditMessage/>".to_vec(),
    ];
    let mut line = dial(house.tcp(), &authority, Some(&pacs_own)).await;
    for message in [&accessed, &large].into_iter().chain(&others) {
        line.write_all(&framed(message)).await.unwrap();
    }
    line.flush().await.unwrap();
    let all = sealed(&house, 6).await;
    let id = house
        .record
        .blind()
        .id("Patient", "urn:oid:2.16.756.5.30.1.123", "100723");
    let (mut of_patient, mut of_feed) = (Vec::new(), Vec::new());
    for one in &all {
        assert_eq!(told(one).format, "audit");
        assert_eq!(
            (told(one).zone.as_str(), told(one).authority.as_str()),
            ("Europe/Zurich", "MAIN")
        );
        let lines = wire::signals::lines(&one.event().raw).map(|line| line.bytes.to_vec());
        match &one.event().subject {
            Subject::Patient(patient) => {
                assert_eq!(*patient, id);
                of_patient.extend(lines);
            }
            Subject::Feed(name) => {
                assert_eq!(name, "pacs");
                of_feed.extend(lines);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(of_patient, [accessed, large]);
    assert_eq!(of_feed, others);
    let unread: u64 = all.iter().map(|one| told(one).unread).sum();
    assert_eq!(unread, 2);
    let cut: u64 = all.iter().map(|one| told(one).cut).sum();
    assert_eq!(cut, 0);
    let streams: std::collections::HashSet<_> = all
        .iter()
        .map(|one| (one.event().subject.patient().is_some(), one.stream()))
        .collect();
    assert_eq!(streams.len(), 2, "one key for the patient, one for the day");
    house.close().await.stop().await;
}

#[tokio::test]
async fn what_is_longer_than_a_message_may_be_is_kept_in_pieces() {
    let mut settings = config();
    settings.audit_bytes_max = 4_000;
    settings.syslog.feeds = vec![pacs()];
    let house = House::open(settings).await;
    let large = of_bytes(&sample("instances-accessed.txt"), 6_000);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&large, house.udp()).await.unwrap();
    let pieces = u64::try_from(large.len().div_ceil(4_000)).unwrap();
    let all = sealed(&house, pieces).await;
    let cut: u64 = all.iter().map(|one| told(one).cut).sum();
    let unread: u64 = all.iter().map(|one| told(one).unread).sum();
    assert_eq!((cut, unread), (pieces, 0));
    let whole: Vec<u8> = all
        .iter()
        .flat_map(|one| wire::signals::lines(&one.event().raw).flat_map(|line| line.bytes.to_vec()))
        .collect();
    assert_eq!(whole, large);
    house.close().await.stop().await;
}
