//! A record, an inlet in front of it, and senders.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use event::{Body, Clock, Event, Time};
use inlets::Inlet;
use inlets::mllp::{Config, FeedConfig, Mllp};
use record::Record;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::mllp::{Frame, Framer, Limits};

pub(crate) struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Time {
        Time::from_millis(1_700_000_000_007)
    }
}

pub(crate) struct House {
    pub(crate) record: Record,
    pub(crate) addresses: Vec<SocketAddr>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _folder: TempDir,
}

/// Loopback on any port; senders that leave out bytes are answered soon.
pub(crate) fn config() -> Config {
    Config {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        settle_ms: 20,
        ..Config::default()
    }
}

pub(crate) fn feed(name: &str, messages: &[&str]) -> FeedConfig {
    FeedConfig {
        name: name.into(),
        messages: messages.iter().map(|kind| (*kind).into()).collect(),
        ..FeedConfig::default()
    }
}

impl House {
    pub(crate) async fn open(config: Config) -> House {
        let folder = TempDir::new().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(StandingClock);
        let settings = record::Config::new(folder.path().to_owned());
        let record = Record::open(settings, Arc::clone(&clock)).await.unwrap();
        let mllp = Mllp::bind(config, clock).await.unwrap();
        let addresses = mllp.addresses().to_vec();
        let stop = CancellationToken::new();
        let task = tokio::spawn(Box::new(mllp).run(record.clone(), stop.clone()));
        House {
            record,
            addresses,
            stop,
            task,
            _folder: folder,
        }
    }

    pub(crate) async fn connect(&self) -> Line<TcpStream> {
        Line::new(TcpStream::connect(self.addresses[0]).await.unwrap())
    }

    /// Everything that was sealed after the record's opening.
    pub(crate) async fn sealed(&self) -> Vec<Event> {
        let sealed = self.record.read(1, 10_000).await.unwrap();
        sealed.iter().map(|sealed| sealed.event().clone()).collect()
    }

    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.record.stop().await;
    }
}

/// A sender's end of a connection.
pub(crate) struct Line<S> {
    stream: S,
    framer: Framer,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    pub(crate) fn new(stream: S) -> Line<S> {
        Line {
            stream,
            framer: Framer::new(Limits::default()),
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// The next answer as it came; `None`: the other side closed.
    pub(crate) async fn answer(&mut self) -> Option<Vec<u8>> {
        loop {
            let mut input = self.buffer.as_slice();
            let frame = self.framer.next(&mut input);
            self.buffer = input.to_vec();
            if let Some(frame) = frame {
                let Frame::Message(bytes) = frame else {
                    panic!("{frame:?}")
                };
                return Some(bytes);
            }
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// MSA-1 and MSA-2 of the next answers.
    pub(crate) async fn codes(&mut self, count: usize) -> Vec<String> {
        let mut codes = Vec::new();
        for _ in 0..count {
            codes.push(code(&self.answer().await.unwrap()));
        }
        codes
    }
}

pub(crate) fn code(answer: &[u8]) -> String {
    let parsed = wire::hl7::parse(answer, "8859/1");
    assert_eq!(parsed.message.fault(), None);
    let part = |field| {
        parsed
            .message
            .get("MSA", field)
            .string()
            .unwrap_or_default()
    };
    format!("{} {}", part(1), part(2)).trim_end().to_owned()
}

/// A laboratory result for patient `77`.
pub(crate) fn oru(control: &str) -> Vec<u8> {
    message("ORU^R01", control)
}

pub(crate) fn message(kind: &str, control: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|LAB|NORTH|SALUS|H|20231114||{kind}|{control}|P|2.5\r\
         PID|1||77^^^N^MR||Doe^Jo||19700101|M\r\
         OBR|1||{control}|2951-2^Sodium^LN|||20231114\r\
         OBX|1|NM|2951-2^Sodium^LN||140|mmol/L|||||F\r"
    )
    .into_bytes()
}

pub(crate) fn framed(message: impl AsRef<[u8]>) -> Vec<u8> {
    wire::mllp::wrap(message.as_ref())
}

/// Why bytes were not believed, for each event that is not a message.
pub(crate) fn reasons(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| match &event.body {
            Body::Unread(unread) => Some(unread.reason.as_str()),
            _ => None,
        })
        .collect()
}

pub(crate) fn as_message(event: &Event) -> &event::Message {
    let Body::Message(message) = &event.body else {
        panic!("{:?}", event.body)
    };
    message
}
