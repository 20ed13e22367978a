//! Reads a file as it grows. Up to where it was read is sealed with the lines: after a crash the
//! record says where to go on, so no line is lost and none comes twice.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event::{Clock, Position};
use record::Record;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::feed::{Feed, Lost};
use super::look::{Look, Looked, look};
use super::{Config, Error};
use crate::Inlet;

/// Up to where each feed's file was read, as the record says.
#[async_trait]
pub trait Positions: Send + Sync + 'static {
    /// The position that was sealed last in the name of a feed; `None`: none ever was.
    async fn of(&self, feed: &str) -> Option<Position>;
}

/// The files that are read as they grow.
pub struct Files {
    tails: Vec<Tail>,
}

impl Files {
    /// Readies what the configuration names. A file need not be there yet.
    ///
    /// # Errors
    /// [`Error::Feed`] if a setting makes no sense.
    pub fn open(
        config: &Config,
        (positions, clock): (Arc<dyn Positions>, Arc<dyn Clock>),
    ) -> Result<Files, Error> {
        let tail = |file: &super::FileConfig| {
            let feed = Feed::of_file(&file.name, &file.format, &file.zone)?;
            Ok(Tail {
                feed: Arc::new(feed),
                path: file.path.clone(),
                config: config.clone(),
                positions: Arc::clone(&positions),
                clock: Arc::clone(&clock),
            })
        };
        let tails: Result<Vec<Tail>, Error> = config.files.iter().map(tail).collect();
        Ok(Files { tails: tails? })
    }
}

#[async_trait]
impl Inlet for Files {
    fn name(&self) -> &'static str {
        "signals"
    }

    async fn run(self: Box<Self>, door: Record, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        for tail in self.tails {
            tasks.spawn(tail.run(door.clone(), stop.clone()));
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// One file.
struct Tail {
    feed: Arc<Feed>,
    path: PathBuf,
    config: Config,
    positions: Arc<dyn Positions>,
    clock: Arc<dyn Clock>,
}

/// How long nothing has changed about what is there to read.
struct Still {
    seen: Option<Looked>,
    since: Instant,
}

impl Tail {
    async fn run(self, record: Record, stop: CancellationToken) {
        let pause = Duration::from_millis(self.config.file_look_ms.max(1));
        let Some(mut position) = self.position(&stop).await else {
            return;
        };
        let mut still = Still {
            seen: None,
            since: Instant::now(),
        };
        while !stop.is_cancelled() {
            match self.round(&record, position.as_ref(), &mut still).await {
                Ok(Some(next)) => {
                    position = Some(next);
                    continue;
                }
                Ok(None) => {}
                Err(why) => {
                    let feed = self.feed.name();
                    tracing::error!(%why, feed, "a file was not read; trying again");
                    // A commit of which the database could not tell may have happened.
                    let Some(known) = self.position(&stop).await else {
                        return;
                    };
                    position = known;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// What was sealed last; `None`: it was stopped before that was known.
    async fn position(&self, stop: &CancellationToken) -> Option<Option<Position>> {
        tokio::select! {
            position = self.positions.of(self.feed.name()) => Some(position),
            () = stop.cancelled() => None,
        }
    }

    /// One look; the new position, if something was read and sealed.
    async fn round(
        &self,
        record: &Record,
        position: Option<&Position>,
        still: &mut Still,
    ) -> Result<Option<Position>, String> {
        let settle = Duration::from_millis(self.config.file_settle_ms);
        let wanted = Look {
            path: self.path.clone(),
            position: position.cloned(),
            still: still
                .seen
                .clone()
                .filter(|_| still.since.elapsed() >= settle),
            line_bytes_max: self.config.line_bytes_max.max(1),
            batch_lines_max: self.config.batch_lines_max.max(1) as u64,
            batch_bytes_max: self.config.batch_bytes_max,
            now: self.clock.now().millis(),
        };
        let tally = self.feed.tally();
        let looking = spawn_blocking(move || look(&wanted, tally)).await;
        let looking = looking.map_err(|why| why.to_string())?;
        let found = match looking {
            // A rotation was under way; the next look sees what it came to.
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(|why| format!("`{}`: {why}", self.path.display()))?,
        };
        if still.seen.as_ref() != Some(&found.looked) {
            still.seen = Some(found.looked);
            still.since = Instant::now();
        }
        let Some(next) = found.next else {
            return Ok(None);
        };
        let lost = Lost {
            lines: 0,
            why: found.note.unwrap_or_default().to_owned(),
        };
        let batch = (lost, self.clock.now());
        let batch = self.feed.batch(found.tally, batch, Some(next.clone()));
        let sealed = record.admit(batch.into_iter().collect()).await;
        sealed.map_err(|why| why.to_string())?;
        Ok(Some(next))
    }
}
