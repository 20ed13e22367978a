//! The view against a real record: entries, verdicts, sheets, copies and drills go in by the door.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use event::{
    Act, Actor, Body, Captured, Clock, Copy, Downtime, Drill, Event, Line, LineKind, Outcome,
    PackCode, Printed, Role, SentOn, SheetBack, Shown, Subject, Time, Verdict,
};
use guard::{Ask, Facts, Identity, Policies, Standing, admit};
use lifeline::{Lifeline, Limits, PackKey, Sum};
use record::{Config, Record, follow};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const WAIT: Duration = Duration::from_secs(60);

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Time {
        Time::from_millis(1_795_269_802_000)
    }
}

struct House {
    record: Record,
    lifeline: Lifeline,
    stop: CancellationToken,
    follower: JoinHandle<()>,
}

impl House {
    async fn open(folder: &Path) -> House {
        let config = Config::new(folder.to_path_buf());
        let record = Record::open(config, Arc::new(Noon)).await.unwrap();
        let view = folder.join("views/lifeline.db");
        let with = (PackKey::of([7; 32]), record.blind());
        let lifeline = Lifeline::open(&view, with, Limits::default(), Vec::new());
        let lifeline = lifeline.await.unwrap();
        let stop = CancellationToken::new();
        let following = follow(record.clone(), lifeline.reader(), stop.clone());
        let follower = tokio::spawn(following);
        House {
            record,
            lifeline,
            stop,
            follower,
        }
    }

    async fn seal(&self, act: Act, subject: Subject, body: Body) -> Result<u64, record::Error> {
        let event = Event::new(Actor::salus(), act, subject, body);
        let admitted = admit(event.into(), Standing::Salus, "").unwrap();
        let receipts = self.record.admit(vec![admitted]).await?;
        assert!(self.lifeline.caught_up(self.record.size(), WAIT).await);
        Ok(receipts[0].index)
    }

    async fn about(&self, patient: &str, body: Body) -> u64 {
        let subject = Subject::Patient(patient.into());
        self.seal(Act::Capture, subject, body).await.unwrap()
    }

    async fn house(&self, body: Body) -> u64 {
        self.seal(Act::Manage, Subject::Record, body).await.unwrap()
    }

    async fn sum(&self) -> Sum {
        Sum::of_all(&self.lifeline.sums().await.unwrap())
    }

    async fn close(self) {
        self.stop.cancel();
        self.follower.await.unwrap();
        self.record.stop().await;
    }
}

fn captured(sheet: &str, row: u16) -> Body {
    Body::Captured(Captured {
        ward: "ICU".into(),
        line: Line {
            kind: LineKind::Given,
            happened: "2026-11-21T10:00:00Z".into(),
            what: "Furosemide".into(),
            value: "40".into(),
            unit: "mg".into(),
            by: "AK".into(),
        },
        sheet: sheet.into(),
        row,
        temporary: String::new(),
    })
}

fn verdict(captured: u64, outcome: Outcome) -> Body {
    Body::Verdict(Verdict {
        captured,
        outcome,
        reason: "looked at it".into(),
    })
}

fn accepted() -> Outcome {
    Outcome::Accepted {
        resource: "MedicationAdministration/captured-1".into(),
    }
}

#[tokio::test]
async fn what_is_left_reaches_zero_and_a_second_verdict_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let printed = Printed {
        ward: "ICU".into(),
        sheets: vec!["1-1-1-44".into(), "1-2-1-44".into()],
    };
    house.house(Body::Printed(printed)).await;
    let one = house.about("p", captured("1-1-1-44", 1)).await;
    let two = house.about("p", captured("1-1-1-44", 2)).await;
    for (sheet, typed) in [("1-1-1-44", vec![1, 2]), ("1-2-1-44", vec![])] {
        let back = SheetBack {
            ward: "ICU".into(),
            sheet: sheet.into(),
            blank: 16 - u16::try_from(typed.len()).unwrap(),
            typed,
        };
        house.about("p", Body::SheetBack(back)).await;
    }
    let sum = house.sum().await;
    assert_eq!(
        (sum.sheets, sum.sheets_out, sum.rows, sum.blank),
        (2, 0, 32, 30)
    );
    assert_eq!((sum.typed, sum.waiting, sum.is_done()), (2, 2, false));

    house.about("p", verdict(one, accepted())).await;
    let subject = Subject::Patient("p".into());
    let second = house
        .seal(Act::Reconcile, subject, verdict(one, Outcome::Refused))
        .await;
    assert!(
        matches!(second, Err(record::Error::Conflict { .. })),
        "{second:?}"
    );
    house.about("p", verdict(two, Outcome::Refused)).await;
    let sum = house.sum().await;
    assert_eq!((sum.accepted, sum.refused, sum.waiting), (1, 1, 0));
    assert!(sum.is_done());

    let unsent = house.lifeline.unsent(9).await.unwrap();
    assert_eq!(
        unsent.iter().map(|entry| entry.index).collect::<Vec<_>>(),
        [one]
    );
    let sent = SentOn {
        captured: one,
        to: "https://ehr".into(),
        answer: "HTTP 201".into(),
        taken: true,
    };
    house.about("p", Body::SentOn(sent)).await;
    assert!(house.lifeline.unsent(9).await.unwrap().is_empty());
    house.close().await;

    // Folded again from the record, it says the same.
    std::fs::remove_dir_all(folder.path().join("views")).unwrap();
    let again = House::open(folder.path()).await;
    assert!(again.lifeline.caught_up(again.record.size(), WAIT).await);
    assert_eq!(again.sum().await, sum);
    again.close().await;
}

#[tokio::test]
async fn codes_and_states_are_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let now = Noon.now();
    let before = house.lifeline.which("ICU", now);
    let code = PackCode {
        ward: "ICU".into(),
        generation: 1,
        reason: "the card was lost".into(),
    };
    house.house(Body::PackCode(code)).await;
    let away = Downtime {
        away: true,
        reason: "the EHR is away".into(),
    };
    house.house(Body::Downtime(away)).await;
    house.close().await;
    let again = House::open(folder.path()).await;
    assert_eq!(
        again.lifeline.which("ICU", now).generation,
        before.generation + 1
    );
    assert_eq!(again.lifeline.which("MED", now).generation, 0);
    assert_eq!(again.lifeline.away().unwrap().reason, "the EHR is away");
    again.close().await;
}

#[tokio::test]
async fn a_copy_that_went_wrong_keeps_the_day_on_which_it_was_last_right() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    assert!(house.lifeline.copies().await.unwrap().is_empty());
    let copy = |verified, wrong: &str| {
        Body::Copy(Copy {
            kind: "backup".into(),
            name: "/mnt/usb".into(),
            events: 48_211,
            behind_ms: 400,
            verified,
            wrong: wrong.into(),
        })
    };
    house.house(copy(false, "")).await;
    assert_eq!(house.lifeline.copies().await.unwrap()[0].verified, None);
    house.house(copy(true, "")).await;
    let last = house.house(copy(true, "a pack is missing")).await;
    let copies = house.lifeline.copies().await.unwrap();
    assert_eq!(copies.len(), 1);
    assert_eq!(
        (copies[0].index, copies[0].copy.wrong.as_str()),
        (last, "a pack is missing")
    );
    assert_eq!(copies[0].verified, Some(Noon.now()));
    let drill = Drill {
        name: "full-loss".into(),
        seed: 7,
        lost: 0,
        back_ms: Some(400),
        to_read_ms: Some(4_200),
        to_write_ms: None,
        altered: 3,
        named: 3,
    };
    house.house(Body::Drill(drill.clone())).await;
    assert_eq!(house.lifeline.drills(5).await.unwrap()[0].drill, drill);
    house.close().await;
}

#[tokio::test]
async fn nothing_of_an_erased_patient_is_left_and_other_numbers_stay() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let shown = Shown {
        decision: 0,
        asked: "ward pack".into(),
        purpose: "TREAT".into(),
        because: Vec::new(),
        patients: vec!["gone".into(), "stays".into()],
        identity_only: false,
    };
    let ward = Subject::Ward("ICU".into());
    let list = house
        .seal(Act::Carry, ward, Body::Shown(shown))
        .await
        .unwrap();
    house.about("gone", captured("", 0)).await;
    house.about("stays", captured("", 0)).await;
    let mut identity = Identity::of(Actor::salus());
    identity.actor.role = Role::Operator;
    let ask = Ask {
        identity,
        act: Act::Erase,
        subject: Subject::Patient("gone".into()),
        kinds: Vec::new(),
        purpose: "HOPERAT".into(),
        reason: Some("a test patient".into()),
        detail: String::new(),
    };
    let decision = Policies::built_in().unwrap().decide(ask, &Facts::default());
    house
        .record
        .erase(&decision, &["gone".to_owned()])
        .await
        .unwrap();
    assert!(house.lifeline.caught_up(house.record.size(), WAIT).await);
    let listing = house.lifeline.listing_at(list).await.unwrap().unwrap();
    assert_eq!(listing.patients, ["", "stays"]);
    let waiting = house.lifeline.waiting("ICU").await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].patient.as_deref(), Some("stays"));
    house.close().await;
}

#[tokio::test]
async fn deeds_are_the_same_however_events_come_together_and_looks_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let kind = || Subject::Kind("Patient".into());
    let shown = || {
        Body::Shown(Shown {
            decision: 1,
            asked: "Patient".into(),
            purpose: "HOPERAT".into(),
            because: Vec::new(),
            patients: vec!["p".into()],
            identity_only: false,
        })
    };
    let salus = Actor::salus().id;
    let deeds = async |house: &House| {
        let from = Time::from_millis(0);
        let deeds = house.lifeline.deeds(&salus, from, 100).await.unwrap();
        deeds.iter().map(|deed| deed.index).collect::<Vec<u64>>()
    };
    let before = deeds(&house).await;
    // A look alone, then a file of an export alone, which takes something out.
    house.seal(Act::Search, kind(), shown()).await.unwrap();
    assert_eq!(deeds(&house).await, before);
    let out = house.seal(Act::Export, kind(), shown()).await.unwrap();
    assert_eq!(deeds(&house).await, [&before[..], &[out]].concat());
    let mut all = deeds(&house).await;
    for row in 1..=5 {
        all.push(house.about("p", captured("1-1-1-44", row)).await);
        house.seal(Act::Read, kind(), shown()).await.unwrap();
    }
    assert_eq!(deeds(&house).await, all);
    house.close().await;
    // All of them at once.
    std::fs::remove_dir_all(folder.path().join("views")).unwrap();
    let again = House::open(folder.path()).await;
    let size = again.record.size();
    assert!(again.lifeline.caught_up(size, WAIT).await);
    assert_eq!(deeds(&again).await, all);
    again.close().await;
}
