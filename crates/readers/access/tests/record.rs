//! The view against a real record: what is sealed is found, counted and summed up.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use access::{Access, Filter, HeardFilter, NoLeave, Page, TraceId, What};
use event::{
    Act, Actor, ActorKind, Body, Clock, Decided, Event, ExportAnswered, ExportAsked, Glass,
    GlassVerdict, Role, Session, Shown, Subject, Time,
};
use guard::{Admitted, Standing, admit};
use record::{Config, Record, follow};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const WAIT: Duration = Duration::from_secs(60);
const MINUTE: i64 = 60_000;

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct House {
    record: Record,
    access: Access,
    clock: Arc<Hands>,
    stop: CancellationToken,
    follower: JoinHandle<()>,
}

impl House {
    async fn open(folder: &Path) -> House {
        House::at(folder, 1_795_219_200_000).await
    }

    async fn at(folder: &Path, now: i64) -> House {
        let clock = Arc::new(Hands(AtomicI64::new(now)));
        let config = Config::new(folder.to_path_buf());
        let record = Record::open(config, clock.clone()).await.unwrap();
        let access = Access::open(&folder.join("views/access.db")).await.unwrap();
        let stop = CancellationToken::new();
        let following = follow(record.clone(), access.reader(record.blind()), stop.clone());
        let follower = tokio::spawn(following);
        House {
            record,
            access,
            clock,
            stop,
            follower,
        }
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn wait(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::SeqCst);
    }

    async fn seal(&self, events: Vec<Event>) -> u64 {
        let admitted: Vec<Admitted> = events
            .into_iter()
            .map(|event| admit(event.into(), Standing::Salus, "").unwrap())
            .collect();
        let receipts = self.record.admit(admitted).await.unwrap();
        self.settle().await;
        receipts.first().unwrap().index
    }

    /// Until the view has everything that is sealed by now.
    async fn settle(&self) {
        assert!(self.access.caught_up(self.record.size(), WAIT).await);
    }

    /// Until as many traces fit: what the view says itself is sealed a moment later.
    async fn fits(&self, filter: &Filter, count: u64) {
        let mut growth = self.record.growth();
        let reached = async {
            loop {
                self.settle().await;
                if self.access.count(filter).await.unwrap() >= count {
                    return;
                }
                growth.changed().await.unwrap();
            }
        };
        tokio::time::timeout(WAIT, reached).await.unwrap();
    }

    async fn close(self) {
        self.stop.cancel();
        self.follower.await.unwrap();
        self.access.close().await;
        self.record.stop().await;
    }

    async fn taken(&self, account: &str) -> (u32, u32) {
        self.access.taken(account, self.now())
    }
}

fn person(id: &str) -> Actor {
    Actor {
        kind: ActorKind::Person,
        id: id.into(),
        name: format!("{id} <b>"),
        role: Role::Nurse,
    }
}

fn decision(account: &str, subject: Subject, (act, allowed): (Act, bool)) -> Event {
    let body = Body::Decision(Decided {
        through: None,
        act,
        subject: subject.clone(),
        purpose: "TREAT".into(),
        reason: None,
        detail: String::new(),
        allowed,
        obligations: Vec::new(),
        considered: None,
    });
    Event::new(person(account), act, subject, body)
}

fn read(account: &str, patient: &str) -> Event {
    decision(account, Subject::Patient(patient.into()), (Act::Read, true))
}

fn shown(account: &str, patients: &[&str], identity_only: bool) -> Event {
    let body = Body::Shown(Shown {
        decision: 1,
        asked: "Observation?code=1".into(),
        purpose: "HOPERAT".into(),
        because: vec!["clients-keep-to-their-scopes".into()],
        patients: patients.iter().map(|&patient| patient.to_owned()).collect(),
        identity_only,
    });
    let subject = Subject::Kind("Observation".into());
    Event::new(person(account), Act::Search, subject, body)
}

#[tokio::test]
async fn who_looked_at_a_patient_is_found_newest_first_and_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    for n in 0..7 {
        let account = ["anna", "bert"][n % 2];
        house
            .seal(vec![read(account, "p1"), read(account, "p2")])
            .await;
        house.wait(MINUTE);
    }
    let filter = Filter::of_patient(vec!["p1".into()]);
    let mut page = Page::newest(3);
    let mut seen = Vec::new();
    loop {
        let listing = house.access.traces(&filter, page).await.unwrap();
        seen.extend(listing.rows.iter().map(|row| row.id));
        house.seal(vec![read("late", "p1")]).await;
        let Some(next) = listing.next else { break };
        page.after = Some(next);
    }
    assert_eq!(
        seen.len(),
        7,
        "what arrives meanwhile does not shift the parts"
    );
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]));
    let lookers = house.access.lookers(&filter, 10).await.unwrap();
    let told: Vec<(&str, u64)> = lookers
        .iter()
        .map(|one| (one.actor.id.as_str(), one.sum.allowed))
        .collect();
    assert_eq!(told, [("late", 3), ("anna", 4), ("bert", 3)]);
    let from = Filter {
        from: Some(house.now().plus_millis(-3 * MINUTE)),
        to: Some(house.now()),
        ..Filter::of_patient(vec!["p1".into()])
    };
    assert_eq!(house.access.count(&from).await.unwrap(), 3);
    let both = Filter::of_patient(vec!["p1".into(), "p2".into()]);
    assert_eq!(house.access.count(&both).await.unwrap(), 17);
    house.close().await;
}

#[tokio::test]
async fn a_list_leaves_a_trace_with_each_patient_it_showed() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let index = house
        .seal(vec![shown("lis", &["p1", "p2", "p3"], false)])
        .await;
    let id = TraceId { index, part: 2 };
    let trace = house.access.trace(id).await.unwrap().unwrap();
    assert_eq!(trace.patient.as_deref(), Some("p2"));
    assert_eq!(
        (trace.what, trace.detail.as_str()),
        (What::Shown, "Observation?code=1")
    );
    assert_eq!(trace.because, ["clients-keep-to-their-scopes"]);
    let looked = house
        .access
        .looked(&Filter::of_account("lis"), 10)
        .await
        .unwrap();
    assert_eq!(looked.len(), 3);
    assert_eq!(house.taken("lis").await, (3, 3));
    house.seal(vec![shown("lis", &["q1", "q2"], true)]).await;
    assert_eq!(
        house.taken("lis").await,
        (3, 3),
        "ten in a list count as one"
    );
    house.close().await;
}

#[tokio::test]
async fn what_was_taken_survives_a_restart_and_a_new_fold() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    for n in 0..50 {
        house.seal(vec![read("anna", &format!("p{n}"))]).await;
        house.wait(2 * MINUTE);
    }
    let (now, size) = (house.now(), house.record.size());
    let taken = house.taken("anna").await;
    assert_eq!(taken, (29, 50));
    house.close().await;
    let house = House::at(folder.path(), now.millis()).await;
    assert_eq!(house.taken("anna").await, taken);
    house.close().await;
    std::fs::remove_dir_all(folder.path().join("views")).unwrap();
    let house = House::at(folder.path(), now.millis()).await;
    assert!(house.access.caught_up(size, WAIT).await);
    assert_eq!(house.taken("anna").await, taken);
    house.close().await;
}

#[tokio::test]
async fn a_refusal_by_the_ceiling_is_sealed_once_an_hour() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let policies = guard::Policies::built_in().unwrap();
    let seal = async || {
        let ask = guard::Ask {
            identity: guard::Identity {
                wards: vec!["W3".into()],
                stepped_up: true,
                ..guard::Identity::of(person("anna"))
            },
            act: Act::Read,
            subject: Subject::Patient("p9".into()),
            kinds: Vec::new(),
            purpose: "TREAT".into(),
            reason: None,
            detail: String::new(),
        };
        let facts = guard::Facts {
            taking: Some(guard::Taking {
                patients_hour: 80,
                patients_day: 80,
                ceiling_hour: 40,
                ceiling_day: 150,
                new_patient: true,
            }),
            ..guard::Facts::default()
        };
        let decision = policies.decide(ask, &facts);
        assert!(!decision.allowed());
        house.record.witness(decision).await.unwrap();
        house.settle().await;
    };
    let ceilings = Filter {
        what: vec![What::Ceiling],
        ..Filter::default()
    };
    for _ in 0..5 {
        seal().await;
    }
    house.fits(&ceilings, 1).await;
    house.wait(60 * MINUTE);
    seal().await;
    house.fits(&ceilings, 2).await;
    let told = house
        .access
        .traces(&ceilings, Page::newest(10))
        .await
        .unwrap();
    assert_eq!(told.rows.len(), 2);
    assert_eq!(told.rows[0].actor.id, "anna");
    assert_eq!(told.rows[0].because, ["ceiling-stops-people"]);
    house.close().await;
}

#[tokio::test]
async fn an_export_takes_two_people_and_the_first_answer_counts() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let asked = |who: &str| {
        let body = Body::ExportAsked(ExportAsked {
            what: "ward ICU".into(),
            recipient: "the registry".into(),
            reason: "yearly report".into(),
            leaves: Some(event::Leaves::Patients {
                patients: vec!["p2".into()],
            }),
        });
        Event::new(person(who), Act::Export, Subject::Record, body)
    };
    let answered = |who: &str, request: u64, approved: bool| {
        let body = Body::ExportAnswered(ExportAnswered {
            request,
            approved,
            reason: "agreed in the meeting".into(),
        });
        Event::new(person(who), Act::Export, Subject::Record, body)
    };
    let request = house.seal(vec![asked("rita")]).await;
    let leave = async |index: u64| house.access.leave(index, house.now()).await.unwrap();
    assert_eq!(leave(request).await, Err(NoLeave::Unanswered));
    assert_eq!(leave(request + 99).await, Err(NoLeave::Unknown));
    house.seal(vec![answered("rita", request, true)]).await;
    assert_eq!(
        leave(request).await,
        Err(NoLeave::Unanswered),
        "nobody agrees with themselves"
    );
    house
        .seal(vec![
            answered("tomas", request, true),
            answered("ursula", request, false),
        ])
        .await;
    let given = leave(request).await.unwrap();
    assert_eq!(given.export.answer.unwrap().answerer.0, "tomas");
    house.wait(25 * 60 * MINUTE);
    assert_eq!(leave(request).await, Err(NoLeave::Lapsed));
    house.close().await;
}

#[tokio::test]
async fn a_patient_can_be_erased_from_the_view_to_the_last_byte() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let asked = Body::ExportAsked(ExportAsked {
        what: "two charts".into(),
        recipient: "the registry".into(),
        reason: "yearly report".into(),
        leaves: Some(event::Leaves::Patients {
            patients: vec!["p2".into(), "vanishing-patient".into()],
        }),
    });
    house
        .seal(vec![
            read("anna", "vanishing-patient"),
            read("anna", "p2"),
            Event::new(person("rita"), Act::Export, Subject::Record, asked),
        ])
        .await;
    let order = Body::Erased(event::Erased {
        reason: "retention period is over".into(),
        streams: Vec::new(),
        patients: vec![house.record.blind().mark("vanishing-patient")],
        events: Vec::new(),
    });
    let order = Event::new(Actor::salus(), Act::Erase, Subject::Record, order);
    house.seal(vec![order]).await;
    let named = house.access.exports(1).await.unwrap().remove(0).leaves;
    let left = vec!["p2".to_owned()];
    assert_eq!(named, Some(event::Leaves::Patients { patients: left }));
    let gone = Filter::of_patient(vec!["vanishing-patient".into()]);
    assert_eq!(house.access.count(&gone).await.unwrap(), 0);
    assert_eq!(
        house
            .access
            .count(&Filter::of_account("anna"))
            .await
            .unwrap(),
        1
    );
    house.close().await;
    for entry in std::fs::read_dir(folder.path().join("views")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let found = bytes.windows(17).any(|part| part == b"vanishing-patient");
        assert!(!found);
    }
}

/// A batch of audit messages as the syslog door seals it.
fn told(messages: &[&[u8]]) -> Event {
    let mut raw = Vec::new();
    for bytes in messages {
        let line = wire::signals::Line {
            at: 1_795_219_200_000,
            source: "10.0.0.7",
            bytes,
        };
        wire::signals::push(&mut raw, line);
    }
    let body = Body::Signals(event::Signals {
        feed: "archive".into(),
        format: "audit".into(),
        lines: messages.len() as u64,
        authority: "MAIN".into(),
        ..event::Signals::default()
    });
    let subject = Subject::Feed("archive".into());
    Event::new(Actor::feed("archive"), Act::Send, subject, body).with_raw(raw)
}

fn erasure(house: &House, patient: &str) -> Event {
    let order = Body::Erased(event::Erased {
        reason: "retention period is over".into(),
        streams: Vec::new(),
        patients: vec![house.record.blind().mark(patient)],
        events: Vec::new(),
    });
    Event::new(Actor::salus(), Act::Erase, Subject::Record, order)
}

fn number(house: &House, number: &str) -> String {
    let blind = house.record.blind();
    blind.id("Patient", "urn:salus:authority:MAIN", number)
}

/// The files of the views that hold these bytes.
fn holding(folder: &Path, text: &str) -> usize {
    let files = std::fs::read_dir(folder.join("views")).unwrap();
    let holds = |path: std::path::PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        let mut windows = bytes.windows(text.len());
        windows.any(|part| part == text.as_bytes())
    };
    files
        .filter(|entry| holds(entry.as_ref().unwrap().path()))
        .count()
}

#[tokio::test]
async fn what_others_tell_of_an_erased_patient_goes_too() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../demo/audit");
    let bytes = std::fs::read(demo.join("export-two-patients.txt")).unwrap();
    let index = house.seal(vec![told(&[&bytes])]).await;
    let everything = HeardFilter::default();
    let listed = house.access.heard(&everything, Page::newest(10)).await;
    let listed = listed.unwrap().rows;
    let parts: Vec<TraceId> = listed.iter().map(|one| one.id).collect();
    let id = |part| TraceId { index, part };
    assert_eq!(parts, [id(257), id(256)]);
    assert_eq!(listed[0].outcome, "4");
    // What is kept of one of them does not name the other.
    let objects: Vec<&[String]> = listed.iter().map(|one| one.objects.as_slice()).collect();
    assert_eq!(objects, [["100724"], ["100723"]]);
    let patient = number(&house, "100723");
    house.seal(vec![erasure(&house, &patient)]).await;
    let left = house.access.heard(&everything, Page::newest(10)).await;
    let left = left.unwrap().rows;
    assert_eq!(left.len(), 1);
    assert_ne!(left[0].patient.as_deref(), Some(patient.as_str()));
    house.close().await;
    assert_eq!(holding(folder.path(), "100723"), 0);
    assert_eq!(holding(folder.path(), "100724"), 1);
}

#[tokio::test]
async fn an_order_to_erase_leaves_what_came_after_it_though_both_come_in_one_batch() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../demo/audit");
    let bytes = std::fs::read(demo.join("export-two-patients.txt")).unwrap();
    let patient = number(&house, "100723");
    let before = vec![told(&[&bytes]), read("anna", &patient)];
    let after = vec![read("anna", &patient), told(&[&bytes])];
    let order = vec![erasure(&house, &patient)];
    // One transaction of the view: all of it is one commit.
    let index = house.seal([before, order, after].concat()).await;
    let filter = HeardFilter {
        patients: vec![patient.clone()],
        ..HeardFilter::default()
    };
    let listed = house.access.heard(&filter, Page::newest(10)).await.unwrap();
    let events: Vec<u64> = listed.rows.iter().map(|one| one.id.index).collect();
    assert_eq!(events, [index + 4]);
    let traces = Filter::of_patient(vec![patient]);
    let listed = house
        .access
        .traces(&traces, Page::newest(10))
        .await
        .unwrap();
    let events: Vec<u64> = listed.rows.iter().map(|one| one.id.index).collect();
    assert_eq!(events, [index + 3]);
    house.close().await;
}

#[tokio::test]
async fn a_message_about_many_patients_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let mut objects = String::new();
    for number in 0..256 {
        objects.push_str(&format!(
            "<ParticipantObjectIdentification ParticipantObjectID=\"{number}\" ParticipantObjectTypeCode=\"1\" \
             ParticipantObjectTypeCodeRole=\"1\"><ParticipantObjectIDTypeCode csd-code=\"2\" \
             codeSystemName=\"RFC-3881\" originalText=\"Patient Number\"/></ParticipantObjectIdentification>"
        ));
    }
    let mut kinds = String::new();
    for code in 0..2_000 {
        kinds.push_str(&format!(
            "<EventTypeCode csd-code=\"{code:0>400}\" codeSystemName=\"X\"/>"
        ));
    }
    let long = "s".repeat(200_000);
    let message = format!(
        "<85>1 - - - - - - <AuditMessage><EventIdentification EventActionCode=\"R\" \
         EventDateTime=\"2026-11-26T10:02:10Z\" EventOutcomeIndicator=\"0\"><EventID csd-code=\"110106\" \
         codeSystemName=\"{long}\" originalText=\"Export\"/>{kinds}</EventIdentification><ActiveParticipant \
         UserID=\"archive\" UserIsRequestor=\"true\"/><AuditSourceIdentification AuditSourceID=\"here\"/>\
         {objects}</AuditMessage>"
    );
    house.seal(vec![told(&[message.as_bytes()])]).await;
    let everything = HeardFilter::default();
    assert_eq!(house.access.heard_count(&everything).await.unwrap(), 256);
    let listed = house
        .access
        .heard(&everything, Page::newest(1))
        .await
        .unwrap();
    assert!(listed.rows[0].system.len() <= 250);
    assert!(listed.rows[0].kinds.concat().len() <= 1_000);
    house.close().await;
    let view = folder.path().join("views/access.db");
    let size = std::fs::metadata(view).unwrap().len();
    assert!(size < 2 << 20, "{size} bytes");
}

#[tokio::test]
async fn broken_glass_leaves_its_beginning_its_end_and_its_review() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let nora = Actor {
        kind: ActorKind::Person,
        id: "nora".into(),
        name: "Nora".into(),
        role: Role::Nurse,
    };
    let started = Glass::Started {
        purpose: "ETREAT".into(),
        reason: "unconscious in the corridor".into(),
        lasts_ms: 15 * MINUTE,
    };
    let reviewed = Glass::Reviewed {
        glass: 1,
        verdict: GlassVerdict::Justified,
        words: "the ward confirms it".into(),
    };
    for (act, glass) in [
        (Act::BreakGlass, started),
        (Act::BreakGlass, Glass::Ended { glass: 1 }),
        (Act::Review, reviewed),
    ] {
        let subject = Subject::Patient("otto".into());
        let event = Event::new(nora.clone(), act, subject, Body::Glass(glass));
        house.seal(vec![event]).await;
    }
    let listing = house
        .access
        .traces(&Filter::of_patient(vec!["otto".into()]), Page::newest(5))
        .await;
    let rows = listing.unwrap().rows;
    let seen: Vec<(What, &str, &str)> = rows
        .iter()
        .map(|row| (row.what, row.reason.as_str(), row.detail.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            (What::Review, "the ward confirms it", "glass/1 justified"),
            (What::EndGlass, "", "glass/1"),
            (What::BreakGlass, "unconscious in the corridor", ""),
        ]
    );
    house.close().await;
}

#[tokio::test]
async fn sign_ins_stand_under_the_name_that_was_tried() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let tried = Actor {
        kind: ActorKind::Person,
        id: "mallory".into(),
        name: "mallory".into(),
        role: Role::Salus,
    };
    let note = "wrong name or password, from 10.0.0.7";
    let body = Body::Session(Session::of("mallory", note));
    let subject = Subject::Account("mallory".into());
    house
        .seal(vec![Event::new(tried, Act::SignIn, subject, body)])
        .await;
    let listing = house
        .access
        .traces(&Filter::of_account("mallory"), Page::newest(5))
        .await;
    let rows = listing.unwrap().rows;
    assert_eq!((rows[0].what, rows[0].allowed), (What::SignIn, false));
    house.close().await;
}

#[tokio::test]
async fn what_was_opened_and_is_not_folded_counts_on_after_the_view_read_its_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    house.seal(vec![read("anna", "folded")]).await;
    let ask = guard::Ask {
        identity: guard::Identity::of(person("anna")),
        act: Act::Read,
        subject: Subject::Patient("not folded yet".into()),
        kinds: Vec::new(),
        purpose: "TREAT".into(),
        reason: None,
        detail: String::new(),
    };
    house.access.opened(&ask, house.now());
    assert_eq!(house.taken("anna").await, (2, 2));
    let reader = house.access.reader(house.record.blind());
    record::Reader::relearn(reader.as_ref()).await.unwrap();
    assert_eq!(house.taken("anna").await, (2, 2));
    house.close().await;
}
