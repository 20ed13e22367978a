//! How long a decision takes: the built-in policies, a hundred of which each is about one role, and a
//! hundred that are all about whoever asks. One line each, in microseconds.
//!
//! `cargo bench --workspace --bench decide`; takes about ten seconds.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement prints what it finds"
)]

use std::hint::black_box;
use std::time::Instant;

use guard::{Policies, Question};

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 20_000;
/// The goal with a hundred policies: entity slice built and decided, 99 of 100 times.
const GOAL_MICROS: f64 = 300.0;

const QUESTION: &str = r#"{
    "who": {"id": "nora", "role": "nurse", "wards": ["W3", "W4"], "practitioner": "D1"},
    "act": "read", "of": {"of": "patient", "id": "anna"}, "kinds": ["Observation"],
    "relations": [{"ward": "W3"}, {"care-team": "ATND"}], "labels": ["HIV", "R"]
}"#;

/// The built-in policies, and as many more as make a hundred, about these roles in turn.
fn hundred(roles: &[&str]) -> Policies {
    let own = Policies::built_in().unwrap();
    let (mut files, schema) = own.texts();
    let more: String = (own.list().len()..100)
        .map(|number| {
            let role = roles[number % roles.len()];
            format!(
                "@id(\"house-{number}\") @words(\"a rule of the house\")\n\
                 forbid (principal, action in [Action::\"read\", Action::\"search\"], resource is Patient)\n\
                 when {{ principal in Role::\"{role}\" && context.purpose == \"P{number}\" && \
                 resource.labels.contains(\"L{number}\") }};\n"
            )
        })
        .collect();
    files.push(("house.cedar".to_owned(), more));
    Policies::load(&files, &schema).unwrap()
}

/// With a typed reason a question is put to the policies each time; without one they are asked once.
fn measure(name: &str, policies: &Policies, reason: Option<&str>) {
    let question: Question = serde_json::from_str(QUESTION).unwrap();
    let (mut ask, facts) = question.parts();
    ask.reason = reason.map(str::to_owned);
    let mut micros: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let ask = ask.clone();
            let begun = Instant::now();
            let decision = policies.decide(ask, &facts);
            let took = begun.elapsed().as_secs_f64() * 1e6;
            assert!(black_box(decision).allowed());
            took
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    let at = |part: f64| micros[((ROUNDS - 1) as f64 * part) as usize];
    println!(
        "{name}: {} policies: p50 {:.1}, p99 {:.1} microseconds (goal: p99 under \
         {GOAL_MICROS:.0}: {})",
        policies.list().len(),
        at(0.5),
        at(0.99),
        if at(0.99) < GOAL_MICROS {
            "met"
        } else {
            "missed"
        }
    );
}

fn main() {
    let people = ["administrator", "nurse", "physician", "privacy-officer"];
    for (name, policies) in [
        ("built-in", Policies::built_in().unwrap()),
        ("hundred, each about one role", hundred(&people)),
        ("hundred, all about who asks", hundred(&["nurse"])),
    ] {
        measure(
            &format!("{name}, sliced and decided"),
            &policies,
            Some("handover"),
        );
        measure(&format!("{name}, remembered"), &policies, None);
    }
}
