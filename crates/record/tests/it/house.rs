//! A record in a folder of its own, and events to put in.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use event::{
    Act, Actor, Arrival, Body, Clock, Event, Glass, GlassVerdict, Message, Resend, Resource,
    Subject, Time,
};
use guard::{Admitted, Standing, admit};
use record::{Config, Record, Report, verify};

/// A clock that stands where it is put.
pub(crate) struct StillClock(AtomicI64);

impl StillClock {
    pub(crate) fn at(millis: i64) -> Arc<StillClock> {
        Arc::new(StillClock(AtomicI64::new(millis)))
    }

    pub(crate) fn put(&self, millis: i64) {
        self.0.store(millis, Ordering::SeqCst);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) const NOON: i64 = 1_790_000_000_000;

/// Checkpoints are made, and the record is looked over, when the test says so.
pub(crate) fn config(folder: &Path) -> Config {
    let mut config = Config::new(folder.join("data"));
    config.origin = "salus.test/record".into();
    config.checkpoint_interval_ms = 3_600_000;
    config.scrub_bytes_per_second = 0;
    config
}

pub(crate) async fn open(folder: &Path) -> Record {
    Record::open(config(folder), StillClock::at(NOON))
        .await
        .unwrap()
}

pub(crate) fn message(control: &str, patient: &str, content: &str) -> Admitted {
    let body = Body::Message(Message {
        feed: "lab".into(),
        kind: "ORU^R01".into(),
        control: control.into(),
        zone: "UTC".into(),
        charset: String::new(),
        authority: "MRN".into(),
        mapped: true,
        complaints: Vec::new(),
    });
    let subject = Subject::Patient(patient.into());
    let claim = Event::new(Actor::feed("lab"), Act::Send, subject, body);
    let claim = claim.with_raw(content.as_bytes().to_vec());
    let resend = Some(Resend {
        sender: "lab".into(),
        message: control.into(),
    });
    admit(Arrival { claim, resend }, Standing::Salus, "").unwrap()
}

pub(crate) fn write(id: &str, replaces: u64, as_of: u64) -> Admitted {
    let body = Body::Resource(Resource {
        kind: "Patient".into(),
        id: id.into(),
        replaces,
        as_of,
        resolved: Vec::new(),
        contents: Vec::new(),
    });
    let act = if replaces == 0 {
        Act::Create
    } else {
        Act::Update
    };
    let claim = Event::new(Actor::feed("ehr"), act, Subject::Patient(id.into()), body);
    let claim = claim.with_raw(format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#).into_bytes());
    admit(claim.into(), Standing::Salus, "").unwrap()
}

/// `count` messages of `patients` patients, one commit each ten.
pub(crate) async fn fill(record: &Record, from: u64, count: u64) {
    for ten in (from..from + count).collect::<Vec<_>>().chunks(10) {
        let events = ten.iter().map(|n| {
            message(
                &format!("m{n}"),
                &format!("p{}", n % 7),
                &format!("content of {n}"),
            )
        });
        record.admit(events.collect()).await.unwrap();
    }
}

pub(crate) async fn verified(folder: &Path) -> Report {
    verify(&config(folder), |_, _| {}).await.unwrap()
}

pub(crate) fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// An overseer closes broken glass.
pub(crate) fn review(glass: u64, words: &str) -> Admitted {
    let body = Body::Glass(Glass::Reviewed {
        glass,
        verdict: GlassVerdict::Justified,
        words: words.into(),
    });
    let subject = Subject::Patient("p1".into());
    let claim = Event::new(Actor::salus(), Act::Review, subject, body);
    admit(claim.into(), Standing::Salus, "").unwrap()
}
