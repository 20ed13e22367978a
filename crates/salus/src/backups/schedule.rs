//! Backups that the server makes by itself. When the last one was is asked of the record, so a
//! restart neither forgets nor repeats one; what fails is sealed, and shows on the ladder of copies.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use event::{Act, Actor, Body, Copy, Event, Subject};
use guard::{Standing, admit};
use record::Place;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::files::{self, Wanted};
use super::{Backups, FilesBackup, KeysBackup, RecordBackup};
use crate::assemble::House;
use crate::backing::Pinned;
use crate::local::Operator;
use crate::operations::SETTLE;

const MINUTE: u64 = 60_000;

/// One of the things that are backed up in turn.
enum Job {
    Record(RecordBackup),
    Keys(KeysBackup),
    Files(Files),
}

/// Names that go to one place.
#[derive(Debug, Clone)]
struct Files {
    sets: Vec<FilesBackup>,
    /// What is lacking of the others that go there, in words.
    lacking: Vec<String>,
}

impl Job {
    fn all(of: &Backups) -> Vec<Job> {
        let mut jobs: Vec<Job> = of.record.iter().cloned().map(Job::Record).collect();
        jobs.extend(of.keys.iter().cloned().map(Job::Keys));
        let timed = of.files.iter().filter(|one| one.every_minutes > 0);
        // One chain of manifests at each place: those that go there take turns.
        let places = files::by_place(timed).into_values();
        jobs.extend(places.map(|sets| {
            Job::Files(Files {
                sets: sets.into_iter().cloned().collect(),
                lacking: Vec::new(),
            })
        }));
        jobs
    }

    fn every(&self) -> Duration {
        let minutes = match self {
            Job::Record(one) => one.every_minutes,
            Job::Keys(one) => one.every_minutes,
            Job::Files(files) => files
                .sets
                .iter()
                .map(|one| one.every_minutes)
                .min()
                .unwrap_or(1),
        };
        Duration::from_millis(u64::from(minutes.max(1)) * MINUTE)
    }

    /// Kind and name of its copy in the record.
    fn copy(&self) -> (&'static str, String) {
        let words = |to: &str| Place::parse(to).map_or_else(|why| why, |place| place.words());
        match self {
            Job::Record(one) => ("backup", words(&one.to)),
            Job::Keys(one) => ("keys", one.to.display().to_string()),
            Job::Files(files) => (
                "files",
                files
                    .sets
                    .first()
                    .map_or(String::new(), |one| words(&one.to)),
            ),
        }
    }
}

/// Makes every backup that is configured, when its time comes, until `stop`.
pub(crate) async fn keep_going(house: Arc<House>, stop: CancellationToken) {
    let jobs = Job::all(&house.config.backups);
    if jobs.is_empty() {
        return;
    }
    let handle = Handle::current();
    // On a thread of its own: reading and hashing a vault must not keep those waiting who are served.
    let work = move || {
        let all = jobs.into_iter();
        let all = all.map(|job| keep(Arc::clone(&house), job, stop.clone()));
        handle.block_on(futures_util::future::join_all(all));
    };
    if let Err(why) = tokio::task::spawn_blocking(work).await {
        tracing::error!(%why, "the backups stopped");
    }
}

async fn keep(house: Arc<House>, job: Job, stop: CancellationToken) {
    let times = Times {
        first: house.due(&job).await,
        every: job.every(),
        retry: Duration::from_millis(house.config.backups.retry_ms.max(1)),
    };
    let began = Instant::now();
    let (mut turn, mut wait) = (Turn::of(times), times.first);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let (left, failures) = turn.begin(began.elapsed());
        let done = tokio::select! {
            () = stop.cancelled() => return,
            done = house.carry(left.as_ref().unwrap_or(&job)) => done,
        };
        wait = turn.end(match done {
            Ok(None) => Done::Whole,
            // It is sealed what is lacking.
            Ok(Some(left)) => Done::But(left),
            Err(why) => {
                tracing::error!(why = format!("{why:#}"), "a backup was not made");
                if failures == 0 || !house.shows_a_failure(&job).await {
                    house.note_failure(&job, &format!("{why:#}")).await;
                }
                Done::Nothing(left)
            }
        });
    }
}

/// When something is done.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// From now to the first time.
    first: Duration,
    /// From the end of one to the beginning of the next.
    every: Duration,
    /// From the first failure to the next try; each further one waits twice as long.
    retry: Duration,
}

/// What came of one try.
#[derive(Debug, PartialEq, Eq)]
enum Done<J> {
    /// All of it is done.
    Whole,
    /// It is done but for this, and it is sealed that this is lacking.
    But(J),
    /// Nothing of what was tried is done: that, or everything if it is `None`.
    Nothing(Option<J>),
}

/// Whose turn it is: what fails is tried again soon, and nothing else, until everything is due again.
struct Turn<J> {
    times: Times,
    /// What is tried again; `None`: everything is next.
    again: Option<J>,
    failures: u32,
    /// When everything was last begun.
    whole_at: Duration,
}

impl<J> Turn<J> {
    const fn of(times: Times) -> Turn<J> {
        Turn {
            times,
            again: None,
            failures: 0,
            whole_at: Duration::ZERO,
        }
    }

    /// What is tried now, everything if it is `None`, and how often it failed before.
    fn begin(&mut self, now: Duration) -> (Option<J>, u32) {
        if self.again.is_some() && now.saturating_sub(self.whole_at) >= self.times.every {
            // What fails anew is tried again soon, and what fails still is said again.
            (self.again, self.failures) = (None, 0);
        }
        if self.again.is_none() {
            self.whole_at = now;
        }
        (self.again.take(), self.failures)
    }

    /// How long until the next try.
    fn end(&mut self, done: Done<J>) -> Duration {
        let later = self.times.retry.saturating_mul(1 << self.failures.min(16));
        (self.again, self.failures) = match done {
            Done::Whole => (None, 0),
            Done::But(left) => (Some(left), self.failures + 1),
            Done::Nothing(left) => (left, self.failures + 1),
        };
        match self.failures {
            0 => self.times.every,
            _ => later.min(self.times.every),
        }
    }
}

impl House {
    /// How long until a backup is due, as the record knows of the last one.
    async fn due(&self, job: &Job) -> Duration {
        let (kind, name) = job.copy();
        let app = &self.app;
        app.lifeline.caught_up(app.record.size(), SETTLE).await;
        let copies = app.lifeline.copies().await.unwrap_or_default();
        let last = copies.into_iter();
        let last = last.filter(|one| one.copy.kind == kind && one.copy.name == name);
        // One that lacks a file was made; one that lacks all holds no events.
        let last = last
            .filter(|one| one.copy.wrong.is_empty() || one.copy.events > 0)
            .map(|one| one.at)
            .max();
        let Some(last) = last else {
            return Duration::ZERO;
        };
        // A clock that went back makes one backup too many, never one too few.
        let past = u64::try_from(self.clock.now().since(last)).unwrap_or(u64::MAX);
        job.every().saturating_sub(Duration::from_millis(past))
    }

    /// Carries one out; returns what of it has to be tried again.
    async fn carry(self: &Arc<House>, job: &Job) -> Result<Option<Job>> {
        match job {
            Job::Record(one) => self.back_up_record(one).await.map(|()| None),
            Job::Keys(one) => self.back_up_keys(one).await.map(|()| None),
            Job::Files(files) => {
                let failed = self.back_up_files(files).await?;
                Ok(failed.map(Job::Files))
            }
        }
    }

    async fn back_up_record(&self, one: &RecordBackup) -> Result<()> {
        let place = Place::parse(&one.to).map_err(|why| anyhow!(why))?;
        // What waits for the next checkpoint goes along.
        self.app.record.publish().await?;
        let own = self.config.record();
        let first = self.config.packed();
        let made = Box::pin(record::backup(&own, &place, &first, |_, _| {})).await?;
        let pinned = Pinned {
            place: place.words(),
            size: made.size,
            manifest: made.manifest,
            files: None,
            in_part: false,
            lacks: None,
        };
        let sealed = self.backed_up(&pinned).await?;
        tracing::info!(
            place = pinned.place,
            events = made.size,
            sealed,
            "backed up"
        );
        self.hold("backup", &place, made.size).await
    }

    /// Keeps the locks of a place from ending. The backup that was made is made: what fails here is
    /// sealed beside it, as what is wrong with a copy that holds so many events.
    async fn hold(&self, kind: &str, place: &Place, events: u64) -> Result<()> {
        let Err(why) = self.renew_locks(place).await else {
            return Ok(());
        };
        let why = format!("{why:#}");
        tracing::error!(why, place = place.words(), "locks were not renewed");
        self.note_copy(copy_of(kind, &place.words(), (events, &why)))
            .await
    }

    async fn renew_locks(&self, place: &Place) -> Result<()> {
        let percent = self.config.backups.renew_percent;
        if percent == 0 {
            return Ok(());
        }
        let when = (self.clock.now(), percent);
        let renewed = Box::pin(record::renew(&self.config.record(), place, when)).await;
        if let Some(objects) = renewed.context("its locks were not renewed")? {
            tracing::info!(place = place.words(), objects, "locks were renewed");
        }
        Ok(())
    }

    async fn back_up_keys(&self, one: &KeysBackup) -> Result<()> {
        record::copy_keys(&self.config.record(), &one.to, one.keep).await?;
        let events = self.app.record.size();
        self.note_copy(copy_of("keys", &one.to.display().to_string(), (events, "")))
            .await
    }

    async fn back_up_files(self: &Arc<House>, files: &Files) -> Result<Option<Files>> {
        let to = files.sets.first().map_or("", |one| one.to.as_str());
        let operator = Operator::Here(Arc::clone(self));
        let wanted = Wanted {
            to,
            sets: &files.sets.iter().collect::<Vec<_>>(),
            lacking: &files.lacking,
            in_part: false,
        };
        let with = (&self.config, &operator);
        let done = Box::pin(files::back_up(with, &wanted, |_| Arc::new(|_, _| {}))).await;
        // Whatever fails, what is there already must not come out of its locks.
        let place = Place::parse(to).map_err(|why| anyhow!(why))?;
        let size = self.app.record.size();
        let held = self
            .hold("files", &place, if done.is_ok() { size } else { 0 })
            .await;
        let done = done?;
        held?;
        for (name, why) in &done.failed {
            tracing::error!(name, why, "a name was not backed up");
        }
        let failed = |one: &&FilesBackup| done.failed.iter().any(|(name, _)| *name == one.name);
        let sets: Vec<FilesBackup> = files.sets.iter().filter(failed).cloned().collect();
        let mut lacking = files.lacking.clone();
        lacking.extend(done.kept.iter().filter_map(files::unread));
        Ok((!sets.is_empty()).then_some(Files { sets, lacking }))
    }

    async fn note_failure(&self, job: &Job, why: &str) {
        let (kind, name) = job.copy();
        let noted = self.note_copy(copy_of(kind, &name, (0, why))).await;
        if let Err(why) = noted {
            tracing::error!(why = format!("{why:#}"), "that it failed was not sealed");
        }
    }

    /// Whether the ladder says that something is wrong: a backup by hand of other names may have said
    /// that all is well.
    async fn shows_a_failure(&self, job: &Job) -> bool {
        let (kind, name) = job.copy();
        let copies = self.app.lifeline.copies().await.unwrap_or_default();
        let mut own = copies.iter().map(|one| &one.copy);
        own.any(|copy| copy.kind == kind && copy.name == name && !copy.wrong.is_empty())
    }

    async fn note_copy(&self, copy: Copy) -> Result<()> {
        let body = Body::Copy(copy);
        let event = Event::new(Actor::salus(), Act::Manage, Subject::Record, body);
        let admitted = admit(event.into(), Standing::Salus, "");
        let admitted = admitted.map_err(|refused| anyhow!(refused.words))?;
        self.app.record.admit(vec![admitted]).await?;
        Ok(())
    }
}

pub(super) fn copy_of(kind: &str, name: &str, (events, wrong): (u64, &str)) -> Copy {
    Copy {
        kind: kind.to_owned(),
        name: name.to_owned(),
        events,
        behind_ms: 0,
        verified: false,
        wrong: wrong.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Try = (u64, Option<&'static str>, u32);

    /// What is tried in which minute of an hour, as `outcome` says what comes of the nth try.
    fn an_hour(outcome: impl Fn(usize, Option<&'static str>) -> Done<&'static str>) -> Vec<Try> {
        let (mut turn, mut now, mut tries) = (Turn::of(TIMES), TIMES.first, Vec::new());
        while now <= Duration::from_secs(3_600) {
            let (what, failures) = turn.begin(now);
            tries.push((now.as_secs() / 60, what, failures));
            now += turn.end(outcome(tries.len(), what));
        }
        tries
    }

    const TIMES: Times = Times {
        first: Duration::from_secs(300),
        every: Duration::from_secs(1_200),
        retry: Duration::from_secs(60),
    };

    #[test]
    fn what_is_well_is_done_when_it_is_due() {
        let tries = an_hour(|_, _| Done::Whole);
        assert_eq!(tries, [(5, None, 0), (25, None, 0), (45, None, 0)]);
    }

    #[test]
    fn what_is_left_is_tried_alone_until_everything_is_due_again() {
        let tries = an_hour(|_, _| Done::But("lab"));
        let lab = Some("lab");
        assert_eq!(
            tries[..6],
            [
                (5, None, 0),
                (6, lab, 1),
                (8, lab, 2),
                (12, lab, 3),
                (20, lab, 4),
                // Sixteen minutes later everything is due, and everything is tried.
                (36, None, 0),
            ]
        );
        assert_eq!(tries[6], (37, lab, 1));
    }

    #[test]
    fn what_fails_whole_is_tried_whole_and_never_later_than_it_is_due() {
        let tries = an_hour(|nth, what| match nth {
            6 => Done::Whole,
            _ => Done::Nothing(what),
        });
        let minutes: Vec<u64> = tries.iter().map(|(minute, ..)| *minute).collect();
        assert_eq!(minutes, [5, 6, 8, 12, 20, 36, 56, 57, 59]);
        assert!(tries.iter().all(|(_, what, _)| what.is_none()), "{tries:?}");
    }
}
