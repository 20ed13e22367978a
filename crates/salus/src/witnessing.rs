//! Asks the witnesses to cosign each checkpoint (C2SP tlog-witness), in rounds beside everything
//! else: a witness that is slow or gone holds up nothing but its own cosignature.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use event::Time;
use futures_util::future::join_all;
use hyper::body::Bytes;
use record::{Enough, Record};
use seal::{AddCheckpoint, WitnessVerifier};
use tokio_util::sync::CancellationToken;
use web::{App, Trouble, WitnessState, Witnesses};

use crate::config::{Config, WitnessAsked};
use crate::remote::{Answer, Remote};

/// How often one round asks the same witness: it may know another size than we think.
const TRIES: usize = 3;
/// The longest pause before a witness that failed is asked again.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The first pause; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);

/// The witnesses of a record.
pub(crate) struct Rounds {
    asked: Vec<Asked>,
    needed: usize,
}

/// One witness, and how it is asked.
struct Asked {
    key: WitnessVerifier,
    remote: Remote,
    /// Size of the head that it cosigned last, as far as we know.
    known: u64,
    failures: u32,
    not_before: Option<tokio::time::Instant>,
}

impl Rounds {
    /// From the configuration, and what is known from before.
    ///
    /// # Errors
    /// Which key, address or file is wrong.
    pub(crate) fn of(config: &Config, record: &Record) -> Result<Rounds> {
        let wait = Duration::from_millis(config.witness_wait_ms);
        let asked = config.witnesses.iter().map(|one| asked(one, wait, record));
        Ok(Rounds {
            asked: asked.collect::<Result<_>>()?,
            needed: config.witnesses_needed,
        })
    }

    /// What is known of them, for the pages.
    pub(crate) fn board(&self, record: &Record) -> Witnesses {
        let state = |asked: &Asked| WitnessState {
            name: asked.key.name().to_owned(),
            last: record.cosigned_at(&asked.key),
            trouble: None,
        };
        Witnesses::of(self.asked.iter().map(state).collect(), self.needed)
    }

    /// Asks until `stop`, once for each published checkpoint.
    pub(crate) async fn run(mut self, app: Arc<App>, stop: CancellationToken) {
        if self.asked.is_empty() {
            return;
        }
        let mut heads = app.record.heads();
        loop {
            heads.borrow_and_update();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.round(&app) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = heads.changed() => if changed.is_err() { return },
                // A witness that was gone is asked again though nothing was sealed.
                () = tokio::time::sleep(self.pause()) => {}
            }
        }
    }

    fn pause(&self) -> Duration {
        let failing = self.asked.iter().any(|asked| asked.failures > 0);
        if failing { PAUSE } else { PAUSE_MAX }
    }

    async fn round(&mut self, app: &App) {
        let record = &app.record;
        let (size, note, _) = record.checkpoint();
        if size == 0 || self.done(record, size) {
            return;
        }
        let asking = self
            .asked
            .iter_mut()
            .map(|one| one.ask(record, (size, &note)));
        let answers: Vec<Result<String, Trouble>> = join_all(asking).await;
        let mut joined = note;
        for (asked, answer) in self.asked.iter().zip(answers) {
            let name = asked.key.name();
            match answer.and_then(|lines| joined_by(&asked.key, &joined, &lines)) {
                Ok((note, at)) => {
                    app.witnesses.cosigned(name, size, at);
                    joined = note;
                }
                Err(trouble) => refused(app, name, trouble),
            }
        }
        let cosigned = self
            .asked
            .iter()
            .filter(|asked| asked.key.cosigned(&joined).is_some());
        let cosigned = cosigned.count();
        let enough = match self.needed > 0 && cosigned >= self.needed {
            true => Enough::Yes,
            false => Enough::No,
        };
        if cosigned == 0 {
            return;
        }
        match record.add_cosignatures(&joined, enough).await {
            Ok(()) => tracing::info!(size, cosigned, needed = self.needed, "witnesses cosigned"),
            Err(why) => tracing::error!(%why, "cosignatures were not published"),
        }
    }

    /// Whether all of them cosigned this head before.
    fn done(&self, record: &Record, size: u64) -> bool {
        let last = |asked: &Asked| record.cosigned_at(&asked.key).map(|(size, _)| size);
        self.asked.iter().all(|asked| last(asked) == Some(size))
    }
}

fn asked(one: &WitnessAsked, wait: Duration, record: &Record) -> Result<Asked> {
    let key = WitnessVerifier::new(&one.key).with_context(|| {
        format!(
            "`key` = `{}` in `witnesses` is no witness's key (vkey of type 4)",
            one.key
        )
    })?;
    let remote = Remote::new(&one.url, &one.authorities);
    let remote = remote.with_context(|| format!("`url` of the witness `{}`", key.name()))?;
    Ok(Asked {
        known: record.cosigned_at(&key).map_or(0, |(size, _)| size),
        remote: remote.waiting(wait),
        key,
        failures: 0,
        not_before: None,
    })
}

fn refused(app: &App, name: &str, trouble: Trouble) {
    match &trouble {
        Trouble::Silent(why) => tracing::warn!(witness = name, why, "a witness did not cosign"),
        Trouble::RolledBack { seen } => tracing::error!(
            witness = name,
            seen,
            "the record was rolled back: a witness has seen more of it"
        ),
        Trouble::SplitView => tracing::error!(
            witness = name,
            "the record was changed: a witness has seen another history of it"
        ),
    }
    app.witnesses.refused(name, trouble);
}

fn joined_by(key: &WitnessVerifier, note: &str, lines: &str) -> Result<(String, Time), Trouble> {
    let wrong = || Trouble::Silent("what it answered is not its cosignature".to_owned());
    let joined = key.join(note, lines).ok_or_else(wrong)?;
    let seconds = key.cosigned(&joined).ok_or_else(wrong)?;
    let millis = i64::try_from(seconds)
        .unwrap_or_default()
        .saturating_mul(1_000);
    Ok((joined, Time::from_millis(millis)))
}

impl Asked {
    /// The witness's signature lines on a head, or why there are none.
    async fn ask(&mut self, record: &Record, head: (u64, &str)) -> Result<String, Trouble> {
        let now = tokio::time::Instant::now();
        if self.not_before.is_some_and(|at| now < at) {
            return Err(Trouble::Silent("it failed a moment ago".to_owned()));
        }
        let answer = self.ask_now(record, head).await;
        match &answer {
            Ok(_) => (self.known, self.failures, self.not_before) = (head.0, 0, None),
            Err(_) => {
                self.failures = self.failures.saturating_add(1);
                let pause = PAUSE
                    .saturating_mul(1 << self.failures.min(6))
                    .min(PAUSE_MAX);
                self.not_before = Some(now + pause);
            }
        }
        answer
    }

    async fn ask_now(&self, record: &Record, (size, note): (u64, &str)) -> Result<String, Trouble> {
        let silent = |why: String| Trouble::Silent(why);
        let mut old = if self.known <= size { self.known } else { 0 };
        for _ in 0..TRIES {
            let proof = record.consistency(old, size).await;
            let asked = AddCheckpoint {
                old,
                proof: proof.map_err(|why| silent(why.to_string()))?,
                checkpoint: note.to_owned(),
            };
            let body = Bytes::from(asked.to_text());
            let answer = self
                .remote
                .post("/add-checkpoint", "text/plain", body)
                .await;
            let answer = answer.map_err(|why| silent(format!("{why:#}")))?;
            old = match (answer.status, seen(&answer)) {
                (200, _) => return Ok(String::from_utf8_lossy(&answer.body).into_owned()),
                (409, Some(seen)) if seen > size => return Err(Trouble::RolledBack { seen }),
                // Version 1.0 of the protocol says so what 1.1 says with 422.
                (409, Some(seen)) if seen == old => return Err(Trouble::SplitView),
                (409, Some(seen)) => seen,
                (422, _) => return Err(Trouble::SplitView),
                (404, _) => return Err(silent("it does not witness this record".to_owned())),
                (403, _) => return Err(silent("it knows another key of this record".to_owned())),
                (status, _) => return Err(silent(format!("it answered with status {status}"))),
            };
        }
        Err(silent("it names another size each time".to_owned()))
    }
}

/// The size that a witness says it has seen.
fn seen(answer: &Answer) -> Option<u64> {
    let size = std::str::from_utf8(&answer.body).ok()?.strip_suffix('\n')?;
    (answer.kind == "text/x.tlog.size").then(|| size.parse().ok())?
}
