//! A standby's objects: what the events that it took name, brought from the primary, however often
//! that breaks off.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use record::{Absent, Record};
use tokio_util::sync::CancellationToken;
use web::Following;

use crate::remote::Remote;

/// Events that are looked at for what they name at a time.
const EVENTS: usize = 256;
/// How long after a failure an object is asked for again.
const RETRY: Duration = Duration::from_secs(5);

/// Brings objects.
pub(crate) struct Bringer {
    pub(crate) primary: Remote,
    /// Events whose objects are missing that are remembered, at most.
    pub(crate) missing_max: usize,
    /// Where it is kept from which event on objects may be missing.
    pub(crate) place: PathBuf,
    pub(crate) record: Record,
    pub(crate) following: Arc<Following>,
}

/// How far it is: every object that an event before `next` names is here, but for those that are
/// missing.
#[derive(Debug)]
struct Progress {
    next: u64,
    /// Events whose objects could not be had, at most `missing_max` and those of the last look.
    missing: VecDeque<u64>,
    /// Every event was looked at.
    whole: bool,
}

impl Bringer {
    /// Brings what is missing, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut progress = self.begin();
        let mut growth = self.record.growth();
        while !stop.is_cancelled() {
            growth.borrow_and_update();
            let step = tokio::select! {
                () = stop.cancelled() => return,
                step = self.step(&mut progress) => step,
            };
            let failed = step.is_err();
            if let Err(why) = step {
                tracing::warn!(why = %format!("{why:#}"), "objects of the primary are not brought");
            }
            let again = async {
                match progress.missing.is_empty() && !failed {
                    true => drop(growth.changed().await),
                    false => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = again => {}
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    /// Goes on from where it was when it ended.
    fn begin(&self) -> Progress {
        let text = fs::read_to_string(&self.place).unwrap_or_default();
        Progress {
            next: text.trim().parse().unwrap_or_default(),
            missing: VecDeque::new(),
            whole: false,
        }
    }

    /// Once more what was missing, then what the new events name. What is missing stays so until it
    /// is here, whatever fails meanwhile.
    async fn step(&self, progress: &mut Progress) -> Result<()> {
        let step = self.look(progress).await;
        progress.whole &= step.is_ok();
        self.tell(progress);
        step
    }

    async fn look(&self, progress: &mut Progress) -> Result<()> {
        for _ in 0..progress.missing.len() {
            let Some(index) = progress.missing.front().copied() else {
                break;
            };
            let (absent, _) = self.record.absent(index, 1).await?;
            let still = self.bring(&absent).await;
            progress.missing.pop_front();
            progress.missing.extend(once(still));
            self.tell(progress);
        }
        while progress.missing.len() < self.missing_max {
            let (absent, next) = self.record.absent(progress.next, EVENTS).await?;
            if next == progress.next {
                progress.whole = true;
                break;
            }
            let still = self.bring(&absent).await;
            progress.missing.extend(once(still));
            progress.next = next;
            self.tell(progress);
            self.note(progress)?;
        }
        self.note(progress)
    }

    /// The events of those that could not be brought.
    async fn bring(&self, absent: &[Absent]) -> Vec<u64> {
        let mut missing = Vec::new();
        for one in absent {
            if let Err(why) = bring(&self.record, &self.primary, one).await {
                let (index, why) = (one.index, format!("{why:#}"));
                tracing::warn!(
                    index,
                    why,
                    "an object that an event names could not be brought"
                );
                missing.push(one.index);
            }
        }
        missing
    }

    /// Tells how it stands.
    fn tell(&self, progress: &Progress) {
        let missing = progress.whole.then_some(progress.missing.len() as u64);
        self.following.objects(missing, progress.next);
    }

    /// Keeps from where the next start goes on.
    fn note(&self, progress: &Progress) -> Result<()> {
        let first = progress.missing.iter().min().copied();
        let from = first.map_or(progress.next, |first| first.min(progress.next));
        let words = || format!("cannot write `{}`", self.place.display());
        fs::write(&self.place, from.to_string()).with_context(words)
    }
}

/// Each event once: it is asked for whatever it lacks, and several objects of one may be missing.
fn once(mut events: Vec<u64>) -> Vec<u64> {
    events.dedup();
    events
}

/// One object: kept only if it is what the event names.
async fn bring(record: &Record, primary: &Remote, one: &Absent) -> Result<()> {
    let pieces = primary.pieces(&format!("/log/{}", one.path)).await?;
    let pieces = pieces.context("the primary does not have it")?;
    Ok(record.take_object(one, pieces).await?)
}

/// Where a standby keeps from which event on objects may be missing.
pub(crate) fn place(data: &Path) -> PathBuf {
    data.join("side/objects")
}

#[cfg(test)]
mod tests {
    use event::{Act, Actor, Body, Event, Image, Subject};
    use guard::{Standing, admit};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn an_event_that_lacks_several_is_asked_for_once() {
        assert_eq!(once(vec![4, 4, 4, 7, 9, 9]), [4, 7, 9]);
    }

    /// A primary that answers each question in its turn with these bytes, and then hangs up.
    async fn answering(answers: Vec<Vec<u8>>) -> Remote {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 4_096];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        });
        Remote::new(&address, Path::new("")).unwrap()
    }

    fn told(length: usize, bytes: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        [head.as_bytes(), bytes].concat()
    }

    /// A standby that has the event of an image, and what the primary has of the image itself.
    async fn standby(folder: &Path) -> (Record, Vec<u8>) {
        let config = |name: &str| record::Config::new(folder.join(name));
        let primary = Record::open(config("a"), Arc::new(SystemClock)).await;
        let primary = primary.unwrap();
        let body = Body::Image(Image::default());
        let mut claim = Event::new(
            Actor::feed("ct1"),
            Act::Send,
            Subject::Patient("p1".into()),
            body,
        );
        let whole = primary.keep(&claim, vec![7; 2_000_000]).await.unwrap();
        let bytes = fs::read(folder.join("a/vault").join(&whole.path)).unwrap();
        if let Body::Image(image) = &mut claim.body {
            image.whole = whole;
        }
        let admitted = admit(claim.into(), Standing::Salus, "").unwrap();
        primary.admit(vec![admitted]).await.unwrap();
        let copy = primary.key_copy();
        record::install_keys(&config("b"), &copy).await.unwrap();
        let standby = Record::open_standby(config("b"), Arc::new(SystemClock)).await;
        let standby = standby.unwrap();
        let tail = primary.tail(0, 100).await.unwrap().unwrap();
        standby.take(&tail).await.unwrap();
        primary.stop().await;
        (standby, bytes)
    }

    #[tokio::test]
    async fn wrong_bytes_a_cut_line_and_a_missing_object_are_not_taken_and_the_right_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let (standby, bytes) = standby(folder.path()).await;
        let (absent, _) = standby.absent(0, 100).await.unwrap();
        let mut wrong = bytes.clone();
        wrong[1_000_000] ^= 1;
        let primary = answering(vec![
            told(wrong.len(), &wrong),
            told(bytes.len(), &bytes[..1_000_000]),
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec(),
            told(bytes.len(), &bytes),
        ])
        .await;
        for words in [
            "SHA-256",
            "cannot bring",
            "does not have it",
            "answered 503",
        ] {
            let why = bring(&standby, &primary, &absent[0]).await.unwrap_err();
            let why = format!("{why:#}");
            assert!(why.contains(words), "{words}: {why}");
            assert_eq!(standby.absent(0, 100).await.unwrap().0, absent);
        }
        bring(&standby, &primary, &absent[0]).await.unwrap();
        assert_eq!(standby.absent(0, 100).await.unwrap().0, []);
        let sealed = standby.get(absent[0].index).await.unwrap();
        assert_eq!(standby.object(&sealed).await.unwrap(), vec![7; 2_000_000]);
        standby.stop().await;
    }

    /// What follows a primary: a standby that has the event of an image, and the image as it lies there.
    async fn bringer(folder: &Path, answers: Vec<Vec<u8>>) -> (Bringer, Vec<u8>) {
        let (record, bytes) = standby(folder).await;
        let answers = answers.into_iter().map(|answer| match answer.is_empty() {
            true => told(bytes.len(), &bytes),
            false => answer,
        });
        let bringer = Bringer {
            primary: answering(answers.collect()).await,
            missing_max: 10,
            place: place(&folder.join("b")),
            record,
            following: Arc::new(Following::of("https://a.example")),
        };
        (bringer, bytes)
    }

    fn refused() -> Vec<u8> {
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec()
    }

    fn kept(bringer: &Bringer) -> String {
        fs::read_to_string(&bringer.place).unwrap_or_default()
    }

    #[tokio::test]
    async fn what_is_missing_is_counted_until_it_is_here_and_a_restart_asks_for_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let (bringer, _) = bringer(folder.path(), vec![refused(), refused(), vec![]]).await;
        let (contact, size) = (|| bringer.following.contact(), bringer.record.size());
        let (absent, _) = bringer.record.absent(0, 100).await.unwrap();
        let mut progress = bringer.begin();
        bringer.tell(&progress);
        assert_eq!(contact().objects_missing, None, "nobody looked yet");
        bringer.step(&mut progress).await.unwrap();
        assert_eq!(
            (contact().objects_missing, contact().objects_looked),
            (Some(1), size)
        );
        assert_eq!(kept(&bringer), absent[0].index.to_string());
        // A restart, at which the primary refuses once more.
        let mut progress = bringer.begin();
        bringer.step(&mut progress).await.unwrap();
        assert_eq!(contact().objects_missing, Some(1));
        bringer.step(&mut progress).await.unwrap();
        assert_eq!(contact().objects_missing, Some(0));
        assert_eq!(kept(&bringer), size.to_string());
        assert_eq!(bringer.record.absent(0, 100).await.unwrap().0, []);
        bringer.record.stop().await;
    }

    #[tokio::test]
    async fn what_is_missing_is_not_forgotten_when_something_fails() {
        let folder = tempfile::tempdir().unwrap();
        let (bringer, _) = bringer(folder.path(), vec![refused(), vec![]]).await;
        let contact = || bringer.following.contact().objects_missing;
        let mut progress = bringer.begin();
        bringer.step(&mut progress).await.unwrap();
        let missing = progress.missing.clone();
        assert_eq!(missing.len(), 1);
        // The vault does not answer: a link that leads to itself.
        let objects = folder.path().join("b/vault/object");
        let _ = fs::remove_dir_all(&objects);
        std::os::unix::fs::symlink(&objects, &objects).unwrap();
        assert!(bringer.step(&mut progress).await.is_err());
        assert_eq!((contact(), &progress.missing), (None, &missing));
        fs::remove_file(&objects).unwrap();
        bringer.step(&mut progress).await.unwrap();
        assert_eq!((contact(), progress.missing.len()), (Some(0), 0));
        bringer.record.stop().await;
    }

    #[tokio::test]
    async fn it_runs_until_it_is_told_to_stop() {
        let folder = tempfile::tempdir().unwrap();
        let (bringer, _) = bringer(folder.path(), vec![vec![]]).await;
        let (following, stop) = (Arc::clone(&bringer.following), CancellationToken::new());
        let record = bringer.record.clone();
        let running = tokio::spawn(bringer.run(stop.clone()));
        while following.contact().objects_missing != Some(0) {
            tokio::task::yield_now().await;
        }
        assert_eq!(record.absent(0, 100).await.unwrap().0, []);
        stop.cancel();
        running.await.unwrap();
        record.stop().await;
    }
}
