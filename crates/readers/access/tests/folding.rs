//! Folding as one piece of work: all of a batch or nothing, whoever waits for it, and the same however events are cut
//! into batches.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use access::{Access, Filter, HeardFilter};
use event::{
    Act, Actor, ActorKind, Body, Clock, Decided, Event, ExportAnswered, ExportAsked, Leaves, Role,
    Shown, Subject, Time,
};
use guard::{Standing, admit};
use record::{Beside, Config, Reader, ReaderError, Record};
use rusqlite::Connection;

const WAIT: Duration = Duration::from_secs(60);

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Time {
        Time::from_millis(1_795_219_200_000)
    }
}

/// A view that folds when the test says so.
struct View {
    access: Access,
    reader: Arc<dyn Reader>,
    path: PathBuf,
}

impl View {
    async fn open(record: &Record, path: PathBuf) -> View {
        let access = Access::open(&path).await.unwrap();
        let reader = access.reader(record.blind());
        View {
            access,
            reader,
            path,
        }
    }

    /// Folds what comes next, so many events at most; how many are left then.
    async fn fold(&self, record: &Record, most: usize) -> Result<u64, ReaderError> {
        let from = self.reader.cursor().await?;
        let (events, next) = record.read_until(from, most).await.unwrap();
        self.reader.fold(&events, next).await?;
        Ok(record.size() - self.reader.cursor().await?)
    }

    /// Beside what folds and reads.
    fn file(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    fn number(&self, sql: &str) -> i64 {
        self.file().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// The number of events that are folded in the file.
    fn saved(&self) -> u64 {
        self.number("SELECT next FROM cursor").unsigned_abs()
    }

    async fn all(&self) -> (u64, u64, usize) {
        let traces = self.access.count(&Filter::default()).await.unwrap();
        let heard = self.access.heard_count(&HeardFilter::default()).await;
        let exports = self.access.exports(100).await.unwrap();
        (traces, heard.unwrap(), exports.len())
    }
}

async fn record(folder: &Path) -> Record {
    let config = Config::new(folder.join("data"));
    Record::open(config, Arc::new(Noon)).await.unwrap()
}

async fn seal(record: &Record, events: Vec<Event>) {
    let admitted = events.into_iter();
    let admitted = admitted.map(|event| admit(event.into(), Standing::Salus, "").unwrap());
    record.admit(admitted.collect()).await.unwrap();
}

fn person(id: &str) -> Actor {
    Actor {
        kind: ActorKind::Person,
        id: id.into(),
        name: id.to_uppercase(),
        role: Role::Nurse,
    }
}

fn read(account: &str, patient: &str) -> Event {
    let subject = Subject::Patient(patient.into());
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
    Event::new(person(account), Act::Read, subject, body)
}

fn shown(account: &str, patients: &[&str]) -> Event {
    let body = Body::Shown(Shown {
        decision: 1,
        asked: "Patient?name=weiss".into(),
        purpose: "HOPERAT".into(),
        because: vec!["clients-keep-to-their-scopes".into()],
        patients: patients.iter().map(|&patient| patient.to_owned()).collect(),
        identity_only: false,
    });
    let subject = Subject::Kind("Patient".into());
    Event::new(person(account), Act::Search, subject, body)
}

fn asked(account: &str, patients: &[&str]) -> Event {
    let patients = patients.iter().map(|&patient| patient.to_owned());
    let body = Body::ExportAsked(ExportAsked {
        what: "two charts".into(),
        recipient: "the registry".into(),
        reason: "yearly report".into(),
        leaves: Some(Leaves::Patients {
            patients: patients.collect(),
        }),
    });
    Event::new(person(account), Act::Export, Subject::Record, body)
}

fn answered(account: &str, request: u64) -> Event {
    let body = Body::ExportAnswered(ExportAnswered {
        request,
        approved: true,
        reason: "agreed in the meeting".into(),
    });
    Event::new(person(account), Act::Export, Subject::Record, body)
}

fn told() -> Event {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../demo/audit");
    let bytes = std::fs::read(demo.join("export-two-patients.txt")).unwrap();
    let mut raw = Vec::new();
    let line = wire::signals::Line {
        at: 1_795_219_200_000,
        source: "10.0.0.7",
        bytes: &bytes,
    };
    wire::signals::push(&mut raw, line);
    let body = Body::Signals(event::Signals {
        feed: "archive".into(),
        format: "audit".into(),
        lines: 1,
        authority: "MAIN".into(),
        ..event::Signals::default()
    });
    let subject = Subject::Feed("archive".into());
    Event::new(Actor::feed("archive"), Act::Send, subject, body).with_raw(raw)
}

fn erasure(record: &Record, patients: &[&str]) -> Event {
    let marks = patients.iter().map(|patient| record.blind().mark(patient));
    let body = Body::Erased(event::Erased {
        reason: "retention period is over".into(),
        streams: Vec::new(),
        patients: marks.collect(),
        events: Vec::new(),
    });
    Event::new(Actor::salus(), Act::Erase, Subject::Record, body)
}

/// Which leaves nothing in this view.
fn unread(number: usize) -> Event {
    let body = Body::Unread(event::Unread {
        feed: "lab".into(),
        reason: "it is no message".into(),
    });
    let subject = Subject::Feed("lab".into());
    let event = Event::new(Actor::feed("lab"), Act::Send, subject, body);
    event.with_raw(format!("not a message {number}").into_bytes())
}

#[tokio::test]
async fn a_batch_whose_second_half_fails_leaves_nothing_and_is_folded_when_it_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(folder.path()).await;
    let view = View::open(&record, folder.path().join("access.db")).await;
    seal(&record, vec![read("anna", "p0")]).await;
    assert_eq!(view.fold(&record, 10).await.unwrap(), 0);
    let folded = record.size();
    let events = vec![
        read("bert", "p1"),
        shown("anna", &["p1", "p2"]),
        told(),
        asked("rita", &["p1", "p2"]),
    ];
    seal(&record, events).await;
    let trap = "CREATE TRIGGER trap BEFORE INSERT ON export
         BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    view.file().execute_batch(trap).unwrap();
    for _ in 0..2 {
        let fault = view.fold(&record, 10).await.unwrap_err();
        assert!(fault.why.contains("the disk is full"), "{fault}");
        assert_eq!(view.access.folded(), folded);
        assert_eq!(view.saved(), folded);
        assert_eq!(view.all().await, (1, 0, 0));
        assert_eq!(view.number("SELECT COUNT(*) FROM actor"), 1);
        // What was taken counts, though it is not written yet.
        assert_eq!(view.access.taken("anna", Noon.now()), (3, 3));
    }
    view.file().execute_batch("DROP TRIGGER trap").unwrap();
    assert_eq!(view.fold(&record, 10).await.unwrap(), 0);
    assert_eq!(view.saved(), record.size());
    assert_eq!(view.all().await, (5, 2, 1));
    assert_eq!(view.number("SELECT COUNT(*) FROM actor"), 3);
    assert_eq!(view.number("SELECT COUNT(DISTINCT account) FROM actor"), 3);
    assert_eq!(view.access.taken("anna", Noon.now()), (3, 3));
    record.stop().await;
}

#[tokio::test]
async fn what_was_handed_over_is_folded_though_nobody_waits_and_the_next_batch_comes_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(folder.path()).await;
    let view = View::open(&record, folder.path().join("access.db")).await;
    seal(&record, vec![read("anna", "p1"), asked("rita", &["p1"])]).await;
    let (events, next) = record.read_until(0, 10).await.unwrap();
    // Polled once: handed over, and given up.
    let given_up = tokio::time::timeout(Duration::ZERO, view.reader.fold(&events, next));
    drop(given_up.await);
    assert!(view.access.caught_up(next, WAIT).await);
    seal(&record, vec![read("anna", "p2"), read("bert", "p2")]).await;
    assert_eq!(view.fold(&record, 10).await.unwrap(), 0);
    assert_eq!(view.all().await, (4, 0, 1));
    assert_eq!(view.number("SELECT COUNT(*) FROM actor"), 3);
    record.stop().await;
}

#[tokio::test]
async fn what_concerns_nobody_counts_as_folded_and_is_written_with_what_does() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(folder.path()).await;
    let path = folder.path().join("access.db");
    let view = View::open(&record, path.clone()).await;
    seal(&record, (0..3).map(unread).collect()).await;
    assert_eq!(view.fold(&record, 10).await.unwrap(), 0);
    assert!(view.access.caught_up(record.size(), Duration::ZERO).await);
    view.access.close().await;
    let view = View::open(&record, path).await;
    assert_eq!(view.access.folded(), 0, "it is looked at again");
    seal(&record, vec![read("anna", "p1")]).await;
    assert_eq!(view.fold(&record, 10).await.unwrap(), 0);
    assert_eq!(view.saved(), record.size());
    // Now and then it is written all the same.
    seal(&record, (3..1_003).map(unread).collect()).await;
    assert_eq!(view.fold(&record, 2_000).await.unwrap(), 0);
    assert_eq!(view.saved(), record.size());
    assert_eq!(view.all().await, (1, 0, 0));
    record.stop().await;
}

#[tokio::test]
async fn the_tables_are_the_same_however_events_are_cut_into_batches() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(folder.path()).await;
    let first = record.size();
    let events = vec![
        asked("rita", &["p1", "p2"]),
        read("anna", "p1"),
        shown("bert", &["p2", "p1", "p3"]),
        answered("rita", first),
        told(),
        erasure(&record, &["p1"]),
        read("anna", "p1"),
        unread(0),
        answered("tomas", first),
        asked("rita", &["p1"]),
        answered("ursula", first),
        erasure(&record, &["p3"]),
        told(),
        shown("bert", &["p3"]),
    ];
    seal(&record, events).await;
    let whole = View::open(&record, folder.path().join("whole.db")).await;
    assert_eq!(whole.fold(&record, 100).await.unwrap(), 0);
    for most in [1, 3, 5] {
        let path = folder.path().join(format!("{most}.db"));
        let cut = View::open(&record, path).await;
        while cut.fold(&record, most).await.unwrap() > 0 {}
        let beside = Beside::of(&whole.path, &cut.path).await.unwrap();
        let alike = whole.reader.alike();
        let differences = beside.differences("access", alike).await.unwrap();
        assert_eq!(differences, Vec::<Vec<event::AlteredPart>>::new());
        assert_eq!(cut.all().await, whole.all().await);
        for table in ["actor", "reasons", "day"] {
            assert_eq!(rows(&cut.file(), table), rows(&whole.file(), table));
        }
    }
    assert_eq!(whole.all().await, (8, 4, 2));
    record.stop().await;
}

fn rows(file: &Connection, table: &str) -> Vec<String> {
    let sql = format!("SELECT * FROM {table} ORDER BY 1, 2");
    let mut all = file.prepare(&sql).unwrap();
    let columns = all.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        let cell = |place| row.get::<_, rusqlite::types::Value>(place);
        let cells: Result<Vec<_>, _> = (0..columns).map(cell).collect();
        cells.map(|cells| format!("{cells:?}"))
    };
    all.query_map([], row)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}
