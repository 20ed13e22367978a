//! A standby's objects: what the events that it took name, brought from the primary, however often
//! that breaks off.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use record::{Absent, Record};
use tokio_util::sync::CancellationToken;
use web::App;

use crate::config::Config;
use crate::remote::Remote;

/// Events that are looked at for what they name at a time.
const EVENTS: usize = 256;
/// How long after a failure an object is asked for again.
const RETRY: Duration = Duration::from_secs(5);

/// Brings objects.
pub(crate) struct Bringer {
    pub(crate) primary: Remote,
    pub(crate) config: Config,
    pub(crate) app: Arc<App>,
}

/// How far it is: every object that an event before `next` names is here, but for those that are
/// missing.
struct Progress {
    next: u64,
    /// Events whose objects could not be had, at most `objects_names_max`.
    missing: Vec<u64>,
}

impl Bringer {
    /// Brings what is missing, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut progress = Progress {
            next: brought(&self.config),
            missing: Vec::new(),
        };
        let mut growth = self.app.record.growth();
        while !stop.is_cancelled() {
            growth.borrow_and_update();
            let step = tokio::select! {
                () = stop.cancelled() => return,
                step = self.step(&mut progress) => step,
            };
            if let Err(why) = step {
                tracing::warn!(why = %format!("{why:#}"), "objects of the primary are not brought");
            }
            let again = async {
                match progress.missing.is_empty() {
                    true => drop(growth.changed().await),
                    false => tokio::time::sleep(RETRY).await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = again => {}
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    /// Once more what was missing, then what the new events name.
    async fn step(&self, progress: &mut Progress) -> Result<()> {
        let record = &self.app.record;
        for index in std::mem::take(&mut progress.missing) {
            let (absent, _) = record.absent(index, 1).await?;
            self.bring(&absent, progress).await;
        }
        while progress.missing.len() < self.config.record.objects_names_max {
            let (absent, next) = record.absent(progress.next, EVENTS).await?;
            if next == progress.next {
                break;
            }
            self.bring(&absent, progress).await;
            progress.next = next;
            self.note(progress)?;
        }
        self.note(progress)
    }

    async fn bring(&self, absent: &[Absent], progress: &mut Progress) {
        for one in absent {
            let record = &self.app.record;
            if let Err(why) = bring(record, &self.primary, one).await {
                let (index, why) = (one.index, format!("{why:#}"));
                tracing::warn!(
                    index,
                    why,
                    "an object that an event names could not be brought"
                );
                progress.missing.push(one.index);
            }
            self.app.following.objects(progress.missing.len() as u64);
        }
    }

    /// Tells how it stands, and keeps from where the next start goes on.
    fn note(&self, progress: &Progress) -> Result<()> {
        self.app.following.objects(progress.missing.len() as u64);
        let first = progress.missing.iter().min().copied();
        let from = first.map_or(progress.next, |first| first.min(progress.next));
        let path = place(&self.config);
        let words = || format!("cannot write `{}`", path.display());
        fs::write(&path, from.to_string()).with_context(words)
    }
}

/// One object: kept only if it is what the event names.
async fn bring(record: &Record, primary: &Remote, one: &Absent) -> Result<()> {
    let pieces = primary.pieces(&format!("/log/{}", one.path)).await?;
    let pieces = pieces.context("the primary does not have it")?;
    Ok(record.take_object(one, pieces).await?)
}

/// From which event on objects may be missing.
fn brought(config: &Config) -> u64 {
    let text = fs::read_to_string(place(config)).unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

fn place(config: &Config) -> PathBuf {
    config.data.join("side/objects")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use event::{Act, Actor, Body, Event, Image, Subject};
    use guard::{Standing, admit};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::clock::SystemClock;

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
}
