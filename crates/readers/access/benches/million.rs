//! One million sealed accesses over six years, then the questions that the issue sets a time for.
//!
//! `cargo bench --workspace --bench million` (an argument behind `--` changes the number of accesses). A
//! million takes two to four minutes to seal and fold; the questions take seconds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first thing that goes wrong, and prints its figures"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use access::{Access, Filter, Page};
use event::{Act, Actor, ActorKind, Body, Clock, Decided, Event, Role, Subject, Time};
use guard::{Admitted, Standing, admit};
use record::{Config, Record, follow};
use tokio_util::sync::CancellationToken;

const YEARS_MS: i64 = 6 * 365 * 86_400_000;
const START_MS: i64 = 1_600_000_000_000;
const ACCOUNTS: u64 = 500;
const PATIENTS: u64 = 20_000;
/// One access in so many is to the one patient that everybody looks at.
const FAMOUS: u64 = 100;
const GROUP: u64 = 1_000;
const QUESTIONS: u32 = 1_000;
/// The goals: a search by patient 99 of 100 times, and a letter, in milliseconds.
const SEARCH_GOAL_MS: f64 = 50.0;
const LETTER_GOAL_MS: f64 = 2_000.0;

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// A number that looks drawn by lot, the same in every run.
fn lot(seed: u64) -> u64 {
    let mut value = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn patient(number: u64) -> String {
    match lot(number).is_multiple_of(FAMOUS) {
        true => "famous".to_owned(),
        false => format!("p{}", lot(number ^ 7) % PATIENTS),
    }
}

fn decision(number: u64) -> Admitted {
    let account = lot(number ^ 3) % ACCOUNTS;
    let actor = Actor {
        kind: ActorKind::Person,
        id: format!("nurse{account}"),
        name: format!("Nurse {account}"),
        role: Role::Nurse,
    };
    let subject = Subject::Patient(patient(number));
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
    let from = format!("10.0.{}.{}", account % 200, number % 250);
    let event = Event::new(actor, Act::Read, subject, body).from_address(Some(from));
    admit(event.into(), Standing::Salus, "").unwrap()
}

fn sorted(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |part: usize| {
        times
            .get(times.len() * part / 100)
            .copied()
            .unwrap_or_default()
    };
    (at(50).as_secs_f64() * 1e3, at(99).as_secs_f64() * 1e3)
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let accesses: u64 = arguments
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Hands(AtomicI64::new(START_MS)));
    let config = Config::new(folder.path().to_owned());
    let record = Record::open(config, clock.clone()).await.unwrap();
    let start = Instant::now();
    for first in (0..accesses).step_by(GROUP as usize) {
        let part = i64::try_from(first).unwrap() * (YEARS_MS / 1_000)
            / (i64::try_from(accesses).unwrap() / 1_000).max(1);
        clock.0.store(START_MS + part, Ordering::Relaxed);
        let group = (first..(first + GROUP).min(accesses)).map(decision);
        record.admit(group.collect()).await.unwrap();
    }
    let sealed = start.elapsed().as_secs_f64();
    println!("sealed {accesses} accesses in {sealed:.1} s");
    let access = Access::open(&folder.path().join("views/access.db"))
        .await
        .unwrap();
    let stop = CancellationToken::new();
    let start = Instant::now();
    tokio::spawn(follow(
        record.clone(),
        access.reader(record.blind()),
        stop.clone(),
    ));
    assert!(
        access
            .caught_up(record.size(), Duration::from_secs(3_600))
            .await
    );
    let folded = start.elapsed().as_secs_f64();
    println!(
        "folded in {folded:.1} s: {:.0} a second",
        accesses as f64 / folded
    );
    questions(&access).await;
    stop.cancel();
    record.stop().await;
}

fn goal(took: f64, goal: f64) -> String {
    let met = if took < goal { "met" } else { "missed" };
    format!("(goal: under {goal:.0} ms: {met})")
}

async fn questions(access: &Access) {
    let mut times = Vec::new();
    for number in 0..QUESTIONS {
        let filter = Filter::of_patient(vec![patient(u64::from(number) * 31)]);
        let start = Instant::now();
        access.traces(&filter, Page::newest(50)).await.unwrap();
        times.push(start.elapsed());
    }
    let (p50, p99) = sorted(times);
    println!(
        "a patient's newest 50: p50 {p50:.2} ms, p99 {p99:.2} ms {}",
        goal(p99, SEARCH_GOAL_MS)
    );
    let mut times = Vec::new();
    for number in 0..QUESTIONS {
        let mut filter = Filter::of_patient(vec![patient(u64::from(number) * 31)]);
        let year = i64::from(number % 6) * (YEARS_MS / 6);
        filter.from = Some(Time::from_millis(START_MS + year));
        filter.to = Some(Time::from_millis(START_MS + year + YEARS_MS / 6));
        let start = Instant::now();
        access.traces(&filter, Page::newest(50)).await.unwrap();
        times.push(start.elapsed());
    }
    let (p50, p99) = sorted(times);
    println!(
        "the same of one year: p50 {p50:.2} ms, p99 {p99:.2} ms {}",
        goal(p99, SEARCH_GOAL_MS)
    );
    let filter = Filter::of_patient(vec!["famous".into()]);
    let start = Instant::now();
    let many = access.count(&filter).await.unwrap();
    let lookers = access.lookers(&filter, 10_000).await.unwrap().len();
    let took = start.elapsed().as_secs_f64() * 1e3;
    println!(
        "a letter over {many} accesses by {lookers} people: {took:.0} ms {}",
        goal(took, LETTER_GOAL_MS)
    );
    let filter = Filter::of_account("nurse7");
    let start = Instant::now();
    let looked = access.looked(&filter, 500).await.unwrap().len();
    let took = start.elapsed().as_secs_f64() * 1e3;
    println!("the newest {looked} patients of one account: {took:.0} ms");
}
