//! What single engines do: the journals of SQLite and PostgreSQL, a whole refold of the chart, a
//! standby.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use chart::Chart;
use event::{Act, Actor, Body, Event, Message, Subject};
use guard::{Admitted, Standing, admit};
use record::{Config, Record, Storage};
use tokio::task::JoinSet;

use super::{Row, now};
use crate::cli::Bench;
use crate::clock::SystemClock;
use crate::drill;

/// Events that one writer hands in at once.
const GROUP: u64 = 250;
/// Writers at the same time.
const WRITERS: u64 = 4;
const PATIENTS: u64 = 200;
/// Bytes of one message.
const CONTENT_BYTES: usize = 2_000;
/// Messages a second that a standby has to keep up with.
const STANDBY_RATE: u64 = 1_000;

/// The journal of SQLite and, if an address was given, that of PostgreSQL.
pub(super) async fn journals(args: &Bench) -> Result<Vec<Row>> {
    let lasts = Duration::from_secs(args.seconds);
    let (sqlite, _) = journal("", lasts).await?;
    let mut rows = vec![row("journal, SQLite", sqlite, "events", String::new())];
    if let Some(address) = &args.postgres {
        let (postgres, _) = journal(address, lasts).await?;
        let note = format!("{:.2} of SQLite's", postgres / sqlite.max(1.0));
        rows.push(row("journal, PostgreSQL", postgres, "events", note));
    }
    Ok(rows)
}

/// Events a second that are sealed, and how many there were.
async fn journal(storage: &str, lasts: Duration) -> Result<(f64, u64)> {
    let folder = tempfile::tempdir().context("cannot make a folder to measure in")?;
    let mut config = Config::new(folder.path().join("data"));
    config.storage = Storage::parse(storage).map_err(anyhow::Error::msg)?;
    config.scrub_bytes_per_second = 0;
    let record = Record::open(config, std::sync::Arc::new(SystemClock)).await?;
    let start = now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let record = record.clone();
        writers.spawn(async move {
            let mut number = writer;
            while start.elapsed() < lasts {
                let group = (0..GROUP).map(|at| message((number, at)));
                record.admit(group.collect::<Result<Vec<_>>>()?).await?;
                number += WRITERS;
            }
            Ok::<(), anyhow::Error>(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done??;
    }
    let (seconds, events) = (start.elapsed().as_secs_f64(), record.size());
    record.stop().await;
    Ok((events as f64 / seconds, events))
}

fn message((group, at): (u64, u64)) -> Result<Admitted> {
    let control = format!("B{group}-{at}");
    let content = format!("{control}|").repeat(CONTENT_BYTES / (control.len() + 1));
    let body = Body::Message(Message {
        feed: "bench".into(),
        kind: "ORU^R01".into(),
        control,
        zone: "UTC".into(),
        charset: String::new(),
        authority: "bench".into(),
        mapped: false,
        complaints: Vec::new(),
    });
    let subject = Subject::Patient(format!("bench-{}", at % PATIENTS));
    let event = Event::new(Actor::feed("bench"), Act::Send, subject, body);
    let admitted = admit(
        event.with_raw(content.into_bytes()).into(),
        Standing::Salus,
        "",
    );
    admitted.map_err(|refused| anyhow!(refused.words))
}

/// The chart folded from the first event on, in a file of its own.
pub(super) async fn refold(config: &Config) -> Result<Row> {
    let record = Record::open(config.clone(), std::sync::Arc::new(SystemClock)).await?;
    let path = config.data.join("views/bench.db");
    let chart = Chart::open(chart::Config::at(&path), &record).await?;
    let (events, start) = (record.size(), now());
    let folded = record::fold_to(&record, chart.reader().as_ref(), events).await;
    folded.map_err(anyhow::Error::msg)?;
    let seconds = start.elapsed().as_secs_f64();
    let resources = chart.versions().await?;
    chart.close().await;
    record.stop().await;
    let note = format!("{resources} versions of {events} events in {seconds:.1} s");
    let rate = resources as f64 / seconds;
    Ok(row(
        "chart folded from the first event",
        rate,
        "resources",
        note,
    ))
}

/// How far a standby is behind at a steady rate.
pub(super) async fn standby(args: &Bench) -> Result<Row> {
    let lasts = Duration::from_secs(args.seconds);
    let rate = args.rate.unwrap_or(STANDBY_RATE);
    let lag = Box::pin(drill::standby_lag(rate, lasts)).await?;
    let note = format!(
        "the standby was {} ms behind at most, in {} looks",
        lag.most_ms, lag.looks
    );
    Ok(row("standby follows", lag.per_second, "messages", note))
}

fn row(what: &str, per_second: f64, unit: &'static str, note: String) -> Row {
    crate::output::note(&format!("{what}: {per_second:.0} {unit}/s {note}"));
    Row {
        what: what.to_owned(),
        per_second,
        unit,
        figures: None,
        note,
    }
}
