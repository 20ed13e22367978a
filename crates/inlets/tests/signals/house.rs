//! A record, the doors in front of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use event::{Body, Clock, Signals, Time};
use inlets::Inlet;
use inlets::signals::{Address, Config, Syslog, SyslogConfig, SyslogFeed};
use record::Record;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const NOW: i64 = 1_700_000_000_007;

pub(crate) struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Time {
        Time::from_millis(NOW)
    }
}

pub(crate) struct House {
    pub(crate) record: Record,
    pub(crate) addresses: Vec<Address>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _folder: TempDir,
}

/// A batch with its lines: from where each came, and what it says.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) told: Signals,
    pub(crate) lines: Vec<(String, String)>,
    pub(crate) stream: [u8; 16],
}

/// One feed, `hosts`, on any free ports of this machine.
pub(crate) fn config() -> Config {
    let any = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    Config {
        batch_wait_ms: 20,
        syslog: SyslogConfig {
            udp: any.clone(),
            tcp: any,
            tls: None,
            feeds: vec![feed("hosts", &[])],
        },
        ..Config::default()
    }
}

pub(crate) fn feed(name: &str, sources: &[&str]) -> SyslogFeed {
    let sources = sources.iter().map(|one| one.parse::<IpAddr>().unwrap());
    SyslogFeed {
        name: name.into(),
        sources: sources.collect(),
        ..SyslogFeed::default()
    }
}

impl House {
    pub(crate) async fn open(config: Config) -> House {
        House::with_events_of(config, 64 << 20).await
    }

    /// Whose events hold so many bytes at most.
    pub(crate) async fn with_events_of(config: Config, event_bytes_max: usize) -> House {
        let folder = TempDir::new().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(StandingClock);
        let mut settings = record::Config::new(folder.path().to_owned());
        settings.event_bytes_max = event_bytes_max;
        let record = Record::open(settings, Arc::clone(&clock)).await.unwrap();
        let syslog = Syslog::bind(&config, clock).await.unwrap().unwrap();
        let addresses = syslog.addresses();
        let stop = CancellationToken::new();
        let task = tokio::spawn(Box::new(syslog).run(record.clone(), stop.clone()));
        House {
            record,
            addresses,
            stop,
            task,
            _folder: folder,
        }
    }

    pub(crate) fn udp(&self) -> SocketAddr {
        let found = self.addresses.iter().find_map(|one| match one {
            Address::Udp(address) => Some(*address),
            _ => None,
        });
        found.unwrap()
    }

    pub(crate) fn tcp(&self) -> SocketAddr {
        let found = self.addresses.iter().find_map(|one| match one {
            Address::Tcp(address) | Address::Tls(address) => Some(*address),
            Address::Udp(_) => None,
        });
        found.unwrap()
    }

    /// Every batch, as soon as so many lines are sealed or counted as lost.
    pub(crate) async fn until(&self, lines: u64) -> Vec<Batch> {
        let mut growth = self.record.growth();
        loop {
            let batches = self.sealed().await;
            let told = batches
                .iter()
                .map(|batch| batch.told.lines + batch.told.dropped);
            if told.sum::<u64>() >= lines {
                return batches;
            }
            growth.changed().await.unwrap();
        }
    }

    pub(crate) async fn sealed(&self) -> Vec<Batch> {
        let sealed = self.record.read(1, 10_000).await.unwrap();
        let batch = |one: &record::Sealed| {
            let Body::Signals(told) = &one.event().body else {
                panic!("{:?}", one.event())
            };
            assert_eq!(one.event().because, [format!("feed:{}", told.feed)]);
            let mut lines = wire::signals::lines(&one.event().raw);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let found = lines
                .by_ref()
                .map(|line| (line.source.to_owned(), text(line.bytes)));
            let found: Vec<_> = found.collect();
            assert!(lines.rest().is_empty());
            assert_eq!(found.len() as u64, told.lines);
            Batch {
                told: told.clone(),
                lines: found,
                stream: one.stream(),
            }
        };
        sealed.iter().map(batch).collect()
    }

    pub(crate) async fn close(self) -> Record {
        self.stop.cancel();
        self.task.await.unwrap();
        self.record
    }
}

/// The texts of all batches of a feed, in their order.
pub(crate) fn texts(batches: &[Batch], feed: &str) -> Vec<String> {
    let of_it = batches.iter().filter(|batch| batch.told.feed == feed);
    let lines = of_it.flat_map(|batch| &batch.lines);
    lines.map(|(_, text)| text.clone()).collect()
}
