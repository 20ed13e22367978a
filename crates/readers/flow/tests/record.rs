//! The view against a real record: messages go in by the door, and stand on the lists.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use event::{Act, Actor, Arrival, Body, Clock, Event, Message, Resend, Subject, Time, Unread};
use flow::{Filter, Flow, Page, Which};
use guard::{Admitted, Grant, Standing, admit};
use record::{Config, Record, follow};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const WAIT: Duration = Duration::from_secs(60);

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Time {
        Time::from_millis(1_700_000_000_000)
    }
}

struct House {
    record: Record,
    flow: Flow,
    stop: CancellationToken,
    follower: JoinHandle<()>,
}

impl House {
    async fn open(folder: &Path) -> House {
        let config = Config::new(folder.to_path_buf());
        let record = Record::open(config, Arc::new(Noon)).await.unwrap();
        let flow = Flow::open(&folder.join("views/flow.db")).await.unwrap();
        let stop = CancellationToken::new();
        let following = follow(record.clone(), flow.reader(), stop.clone());
        let follower = tokio::spawn(following);
        House {
            record,
            flow,
            stop,
            follower,
        }
    }

    async fn seal(&self, events: Vec<Admitted>) -> Vec<record::Receipt> {
        let receipts = self.record.admit(events).await.unwrap();
        assert!(self.flow.caught_up(self.record.size(), WAIT).await);
        receipts
    }

    async fn indices(&self, which: Which) -> Vec<u64> {
        let filter = Filter {
            which,
            ..Filter::default()
        };
        let page = Page {
            before: None,
            rows: 500,
        };
        let listing = self.flow.messages(&filter, page).await.unwrap();
        listing.rows.iter().map(|row| row.index).collect()
    }

    async fn close(self) {
        self.stop.cancel();
        self.follower.await.unwrap();
        self.flow.close().await;
        self.record.stop().await;
    }
}

fn message(kind: &str, control: &str, raw: &str) -> Admitted {
    let body = Body::Message(Message {
        feed: "lab".into(),
        kind: kind.into(),
        control: control.into(),
        zone: "UTC".into(),
        charset: String::new(),
        authority: "MRN".into(),
        mapped: kind == "ORU^R01",
        complaints: Vec::new(),
    });
    let subject = Subject::Patient("p".into());
    let claim = Event::new(Actor::feed("lab"), Act::Send, subject, body).with_raw(raw.into());
    let resend = Some(Resend {
        sender: "lab".into(),
        message: control.into(),
    });
    let grant = Grant {
        feed: "lab".into(),
        messages: vec!["*".into()],
        facilities: Vec::new(),
    };
    admit(Arrival { claim, resend }, Standing::Feed(&grant), "LAB").unwrap()
}

fn unread(raw: &[u8]) -> Admitted {
    let body = Body::Unread(Unread {
        feed: "lab".into(),
        reason: "there is no `MSH`".into(),
    });
    let subject = Subject::Feed("lab".into());
    let claim = Event::new(Actor::feed("lab"), Act::Send, subject, body).with_raw(raw.to_vec());
    admit(Arrival::from(claim), Standing::Salus, "").unwrap()
}

#[tokio::test]
async fn messages_stand_on_the_lists_and_their_bodies_in_the_record() {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let first = house.seal(vec![message("ORU^R01", "1", "MSH|one")]).await;
    let resent = house.seal(vec![message("ORU^R01", "1", "MSH|one")]).await;
    let reused = house.seal(vec![message("ORU^R01", "1", "MSH|two")]).await;
    let kept = house.seal(vec![message("SIU^S12", "2", "MSH|three")]).await;
    let lost = house.seal(vec![unread(b"GET / HTTP/1.1")]).await;
    assert!(resent[0].repeated && resent[0].index == first[0].index);
    assert!(reused[0].reused);
    assert_eq!(
        house.indices(Which::All).await,
        [kept[0].index, reused[0].index, first[0].index]
    );
    assert_eq!(house.indices(Which::Reused).await, [reused[0].index]);
    assert_eq!(house.indices(Which::Kept).await, [kept[0].index]);
    let page = Page {
        before: None,
        rows: 10,
    };
    let quarantined = house.flow.quarantined(None, page).await.unwrap();
    assert_eq!(quarantined.rows[0].index, lost[0].index);
    let body = house.record.get(lost[0].index).await.unwrap();
    assert_eq!(body.event().raw, b"GET / HTTP/1.1");
    house.close().await;
}

#[tokio::test]
async fn a_view_folded_anew_is_the_same() {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let kind = |n: usize| ["ORU^R01", "SIU^S12"][n % 2];
    let messages = (0..300).map(|n| message(kind(n), &(n % 250).to_string(), &format!("MSH|{n}")));
    house.seal(messages.collect()).await;
    let feeds = house.flow.feeds(Noon.now()).await.unwrap();
    let (all, reused) = (
        house.indices(Which::All).await,
        house.indices(Which::Reused).await,
    );
    assert_eq!(
        (feeds[0].total.messages, all.len(), reused.len()),
        (300, 300, 50)
    );
    let size = house.record.size();
    house.close().await;
    std::fs::remove_dir_all(folder.path().join("views")).unwrap();
    let house = House::open(folder.path()).await;
    assert!(house.flow.caught_up(size, WAIT).await);
    assert_eq!(house.flow.feeds(Noon.now()).await.unwrap(), feeds);
    assert_eq!(house.indices(Which::All).await, all);
    assert_eq!(house.indices(Which::Reused).await, reused);
    house.close().await;
}
