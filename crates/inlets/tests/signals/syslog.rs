use event::{Act, Actor, Event, Subject, Time};
use guard::{Standing, admit};
use inlets::signals::{Config, Error, Syslog, SyslogConfig, SyslogFeed, UNKNOWN_FEED};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::authority::{Authority, dial, server};
use crate::house::{House, NOW, StandingClock, config, feed, texts};

const ONE: &str = "<34>1 2023-11-14T22:13:15.003Z ward-pc su - ID47 - 'su root' failed";
const TWO: &str = "<86>Nov 14 22:13:16 ward-pc sshd[4711]: Failed password for root";

#[tokio::test]
async fn datagrams_and_both_framings_are_sealed_as_they_came() {
    let house = House::open(config()).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for text in [ONE, TWO, "no syslog at all\n"] {
        socket.send_to(text.as_bytes(), house.udp()).await.unwrap();
    }
    house.until(3).await;
    let mut stream = TcpStream::connect(house.tcp()).await.unwrap();
    let counted = format!("{} {ONE}{TWO}\n<13>unfinished", ONE.len());
    stream.write_all(counted.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let batches = house.until(6).await;
    assert_eq!(
        texts(&batches, "hosts"),
        [ONE, TWO, "no syslog at all\n", ONE, TWO, "<13>unfinished"]
    );
    let sum = |count: fn(&event::Signals) -> u64| batches.iter().map(|one| count(&one.told)).sum();
    let (lines, unread): (u64, u64) = (sum(|told| told.lines), sum(|told| told.unread));
    assert_eq!((lines, unread), (6, 1));
    let first = &batches[0].told;
    assert_eq!(first.format, "syslog");
    assert_eq!(first.first, Time::from_millis(NOW));
    assert!(
        first.kinds.contains(&("su".to_owned(), 1)),
        "{:?}",
        first.kinds
    );
    assert!(
        batches[0]
            .lines
            .iter()
            .all(|(source, _)| source == "127.0.0.1")
    );
    house.close().await.stop().await;
}

#[tokio::test]
async fn what_machines_say_is_under_a_key_of_its_day_and_not_the_house_s() {
    let house = House::open(config()).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(ONE.as_bytes(), house.udp()).await.unwrap();
    let batches = house.until(1).await;
    let body = event::Body::Service(event::Service {
        state: event::ServiceState::Started,
    });
    let own = Event::new(Actor::salus(), Act::Manage, Subject::Record, body);
    let own = admit(own.into(), Standing::Salus, "").unwrap();
    let receipts = house.record.admit(vec![own]).await.unwrap();
    let own = house.record.get(receipts[0].index).await.unwrap();
    let opened = house.record.get(0).await.unwrap();
    assert_eq!(own.stream(), opened.stream());
    assert_ne!(batches[0].stream, own.stream());
    house.close().await.stop().await;
}

#[tokio::test]
async fn a_burst_is_few_entries_and_what_waits_at_the_end_is_sealed() {
    let settings = Config {
        batch_wait_ms: 3_600_000,
        batch_lines_max: 1_000,
        ..config()
    };
    let house = House::open(settings).await;
    let mut stream = TcpStream::connect(house.tcp()).await.unwrap();
    let wanted: Vec<String> = (0..2_500)
        .map(|number| format!("<13>line {number}"))
        .collect();
    let mut text = wanted.join("\n");
    text.push('\n');
    stream.write_all(text.as_bytes()).await.unwrap();
    house.until(2_000).await;
    // The rest waits for company for an hour: a stop seals it.
    stream.shutdown().await.unwrap();
    let record = house.close().await;
    let batches: Vec<_> = record.read(1, 100).await.unwrap();
    let lines: Vec<usize> = batches
        .iter()
        .map(|one| wire::signals::lines(&one.event().raw).count())
        .collect();
    assert_eq!(lines, [1_000, 1_000, 500]);
    record.stop().await;
}

#[tokio::test]
async fn a_line_that_is_too_long_is_kept_in_pieces_and_counted() {
    let settings = Config {
        line_bytes_max: 10,
        ..config()
    };
    let house = House::open(settings).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket
        .send_to(b"<13>0123456789abc", house.udp())
        .await
        .unwrap();
    let batches = house.until(2).await;
    assert_eq!(texts(&batches, "hosts"), ["<13>012345", "6789abc"]);
    assert_eq!(batches.iter().map(|one| one.told.cut).sum::<u64>(), 2);
    let mut stream = TcpStream::connect(house.tcp()).await.unwrap();
    stream.write_all(b"17 <13>0123456789abc").await.unwrap();
    let batches = house.until(4).await;
    assert_eq!(texts(&batches, "hosts")[2..], ["<13>012345", "6789abc"]);
    house.close().await.stop().await;
}

#[tokio::test]
async fn a_stranger_is_turned_away_and_counted() {
    let mut settings = config();
    settings.syslog.feeds = vec![feed("firewall", &["10.0.0.7"])];
    let house = House::open(settings).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(ONE.as_bytes(), house.udp()).await.unwrap();
    let batches = house.until(1).await;
    let told = &batches[0].told;
    assert_eq!(
        (told.feed.as_str(), told.lines, told.dropped),
        (UNKNOWN_FEED, 0, 1)
    );
    assert_eq!(
        told.reason,
        "a datagram from 127.0.0.1, which is no feed's `sources`"
    );
    // However much more they send, it is one entry, a minute later or when we stop.
    for _ in 0..50 {
        socket.send_to(TWO.as_bytes(), house.udp()).await.unwrap();
    }
    let mut stream = TcpStream::connect(house.tcp()).await.unwrap();
    let closed = stream.read(&mut [0]).await;
    assert!(!matches!(closed, Ok(1..)));
    let record = house.close().await;
    let events = record.read(1, 1_000).await.unwrap();
    let told = events.iter().filter_map(|one| match &one.event().body {
        event::Body::Signals(told) => Some((told.lines, told.dropped)),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [(0, 1), (0, 51)]);
    record.stop().await;
}

#[tokio::test]
async fn what_could_not_be_sealed_is_counted_with_its_reason() {
    let settings = Config {
        line_bytes_max: 4_000,
        batch_lines_max: 1,
        ..config()
    };
    let house = House::with_events_of(settings, 2_000).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    // A batch that is larger than an event may be is lost.
    let noise: String = (0..3_000_u64)
        .map(|at| char::from(33 + (at * at % 7_919 % 90) as u8))
        .collect();
    socket.send_to(noise.as_bytes(), house.udp()).await.unwrap();
    let mut told = Vec::new();
    while told.is_empty() {
        socket.send_to(ONE.as_bytes(), house.udp()).await.unwrap();
        let batches = house.sealed().await;
        told = batches
            .into_iter()
            .filter(|one| one.told.dropped > 0)
            .collect();
    }
    assert_eq!(told[0].told.dropped, 1);
    let why = &told[0].told.reason;
    assert!(why.starts_with("a batch was not sealed: "), "{why}");
    house.close().await.stop().await;
}

#[tokio::test]
async fn datagrams_beyond_what_memory_holds_are_counted_not_silent() {
    let settings = Config {
        waiting_bytes_max: 0,
        batch_wait_ms: 3_600_000,
        batch_lines_max: 1_000_000,
        batch_bytes_max: usize::MAX,
        ..config()
    };
    // A mebibyte at least is held: some thousand of the largest lines are not.
    let house = House::open(settings).await;
    let mut sent = 0_u64;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let line = [b"<13>".as_slice(), &[b'x'; 60_000]].concat();
    for _ in 0..40 {
        socket.send_to(&line, house.udp()).await.unwrap();
        sent += 1;
        tokio::task::yield_now().await;
    }
    let record = house.close().await;
    let events = record.read(1, 100).await.unwrap();
    let told = events.iter().filter_map(|one| match &one.event().body {
        event::Body::Signals(told) => Some(told),
        _ => None,
    });
    let (lines, dropped) = told.fold((0, 0), |(lines, dropped), told| {
        (lines + told.lines, dropped + told.dropped)
    });
    assert_eq!((lines + dropped, lines), (sent, 17), "{dropped}");
    record.stop().await;
}

#[tokio::test]
async fn a_certificate_is_bound_to_its_feed() {
    let authority = Authority::new();
    let (firewall, eve) = (authority.identity("fw1"), authority.identity("eve"));
    let pump = authority.identity("a pump");
    let folder = tempfile::TempDir::new().unwrap();
    let settings = Config {
        batch_wait_ms: 20,
        syslog: SyslogConfig {
            tls: Some(server(folder.path(), &authority)),
            feeds: vec![
                SyslogFeed {
                    subjects: vec!["fw1".into()],
                    ..feed("firewall", &[])
                },
                SyslogFeed {
                    certificates: vec![pump.fingerprint().trim_end_matches(':').into()],
                    ..feed("pumps", &[])
                },
                feed("here", &[]),
            ],
            ..SyslogConfig::default()
        },
        ..Config::default()
    };
    let house = House::open(settings).await;
    let mut line = dial(house.tcp(), &authority, Some(&firewall)).await;
    line.write_all(format!("{} {ONE}", ONE.len()).as_bytes())
        .await
        .unwrap();
    line.flush().await.unwrap();
    let batches = house.until(1).await;
    assert_eq!(texts(&batches, "firewall"), [ONE]);
    let mut line = dial(house.tcp(), &authority, Some(&eve)).await;
    let _ = line
        .write_all(format!("{} {TWO}", TWO.len()).as_bytes())
        .await;
    let batches = house.until(2).await;
    assert_eq!(
        (batches[1].told.feed.as_str(), batches[1].told.dropped),
        (UNKNOWN_FEED, 1)
    );
    let mut line = dial(house.tcp(), &authority, Some(&pump)).await;
    line.write_all(format!("{TWO}\n").as_bytes()).await.unwrap();
    line.flush().await.unwrap();
    assert_eq!(texts(&house.until(3).await, "pumps"), [TWO]);
    house.close().await.stop().await;
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let refused = async |settings: Config| -> Error {
        let bound = Syslog::bind(&settings, std::sync::Arc::new(StandingClock)).await;
        bound.err().unwrap()
    };
    let with = |feeds: Vec<SyslogFeed>| {
        let mut settings = config();
        settings.syslog.feeds = feeds;
        settings
    };
    assert!(matches!(refused(with(Vec::new())).await, Error::NoFeed));
    let twice = refused(with(vec![feed("a", &[]), feed("a", &["10.0.0.7"])])).await;
    assert!(twice.to_string().contains("two feeds"), "{twice}");
    let odd = SyslogFeed {
        format: "cef".into(),
        ..feed("a", &[])
    };
    let odd = refused(with(vec![odd])).await;
    assert!(odd.to_string().contains("`suricata`"), "{odd}");
    let narrow = Config {
        line_bytes_max: 1 << 20,
        waiting_bytes_max: 1 << 20,
        ..config()
    };
    let narrow = refused(narrow).await.to_string();
    assert!(
        narrow.contains(
            "`line_bytes_max` or `audit_bytes_max` (1048576) and 128 bytes more do not fit"
        ),
        "{narrow}"
    );
    let none = Syslog::bind(&Config::default(), std::sync::Arc::new(StandingClock)).await;
    assert!(none.unwrap().is_none());
}
