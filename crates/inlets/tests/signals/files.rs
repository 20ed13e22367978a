use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use event::{Body, Position};
use inlets::Inlet;
use inlets::signals::{Config, FileConfig, Files, Positions};
use record::Record;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::house::StandingClock;

/// What the record says, read from the record itself.
struct Sealed(Record);

#[async_trait]
impl Positions for Sealed {
    async fn of(&self, feed: &str) -> Option<Position> {
        let events = self.0.read(1, 10_000).await.unwrap();
        let mut positions = events.iter().filter_map(|one| match &one.event().body {
            Body::Signals(told) if told.feed == feed => told.position.clone(),
            _ => None,
        });
        positions.next_back()
    }
}

/// A file that is written and rotated, and what reads it.
struct Watched {
    folder: TempDir,
    record: Record,
    running: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
}

impl Watched {
    async fn new() -> Watched {
        let folder = TempDir::new().unwrap();
        let settings = record::Config::new(folder.path().join("data"));
        let record = Record::open(settings, Arc::new(StandingClock))
            .await
            .unwrap();
        let watched = Watched {
            folder,
            record,
            running: Mutex::default(),
        };
        watched.start();
        watched
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self) {
        let config = Config {
            file_look_ms: 2,
            file_settle_ms: 20,
            line_bytes_max: 40,
            batch_lines_max: 100,
            files: vec![FileConfig {
                name: "ids".into(),
                path: self.path("eve.json"),
                format: "suricata".into(),
                zone: "UTC".into(),
            }],
            ..Config::default()
        };
        let positions = Arc::new(Sealed(self.record.clone()));
        let files = Files::open(&config, (positions, Arc::new(StandingClock))).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(Box::new(files).run(self.record.clone(), stop.clone()));
        *self.running.lock().unwrap() = Some((stop, task));
    }

    async fn stop(&self) {
        let running = self.running.lock().unwrap().take();
        let (stop, task) = running.unwrap();
        stop.cancel();
        task.await.unwrap();
    }

    async fn texts(&self) -> Vec<String> {
        let events = self.record.read(1, 10_000).await.unwrap();
        let lines = events
            .iter()
            .flat_map(|one| wire::signals::lines(&one.event().raw));
        lines
            .map(|line| String::from_utf8_lossy(line.bytes).into_owned())
            .collect()
    }

    /// What was read, as soon as it is so much.
    async fn until(&self, lines: usize) -> Vec<String> {
        let mut growth = self.record.growth();
        loop {
            let texts = self.texts().await;
            if texts.len() >= lines {
                return texts;
            }
            growth.changed().await.unwrap();
        }
    }

    async fn close(self) {
        self.stop().await;
        self.record.stop().await;
    }
}

fn write(path: &Path, text: &str) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range
        .map(|number| format!("{{\"event_type\":\"dns\",\"n\":{number}}}"))
        .collect()
}

fn lines(range: std::ops::Range<usize>) -> String {
    numbered(range)
        .iter()
        .map(|line| format!("{line}\n"))
        .collect()
}

#[tokio::test]
async fn a_file_is_read_as_it_grows_and_only_whole_lines_of_it() {
    let watched = Watched::new().await;
    let path = watched.path("eve.json");
    write(&path, &lines(0..3));
    write(&path, "{\"event_type\":");
    assert_eq!(watched.until(3).await, numbered(0..3));
    write(&path, "\"dns\",\"n\":3}\nno EVE\n\n");
    let mut wanted = numbered(0..4);
    wanted.push("no EVE".to_owned());
    assert_eq!(watched.until(5).await, wanted);
    let last = watched.record.size() - 1;
    let events = watched.record.read(1, 100).await.unwrap();
    let unread = events.iter().map(|one| match &one.event().body {
        Body::Signals(told) => told.unread,
        _ => 0,
    });
    assert_eq!(unread.sum::<u64>(), 1);
    assert!(watched.record.get(last).await.is_ok());
    watched.close().await;
}

#[tokio::test]
async fn what_was_written_while_nobody_read_comes_after_a_restart_and_nothing_twice() {
    let watched = Watched::new().await;
    let path = watched.path("eve.json");
    write(&path, &lines(0..250));
    watched.until(250).await;
    watched.stop().await;
    write(&path, &lines(250..255));
    fs::rename(&path, watched.path("eve.json.1")).unwrap();
    write(&path, &lines(255..300));
    fs::rename(watched.path("eve.json.1"), watched.path("eve.json.2")).unwrap();
    fs::rename(&path, watched.path("eve.json.1")).unwrap();
    write(&path, &lines(300..310));
    watched.start();
    assert_eq!(watched.until(310).await, numbered(0..310));
    watched.close().await;
}

#[tokio::test]
async fn a_file_that_is_renamed_is_read_to_its_end_first() {
    let watched = Watched::new().await;
    let path = watched.path("eve.json");
    write(&path, &lines(0..2));
    watched.until(2).await;
    // The writer still has the old file open: it writes there until it is told.
    let mut old = OpenOptions::new().append(true).open(&path).unwrap();
    fs::rename(&path, watched.path("eve.json-20261127")).unwrap();
    old.write_all(lines(2..4).as_bytes()).unwrap();
    watched.until(4).await;
    old.write_all(b"{\"event_type\":\"dns\",\"n\":4}").unwrap();
    write(&path, &lines(5..8));
    assert_eq!(watched.until(8).await, numbered(0..8));
    watched.close().await;
}

#[tokio::test]
async fn a_file_that_is_copied_and_cut_loses_nothing_and_doubles_nothing() {
    let watched = Watched::new().await;
    let path = watched.path("eve.json");
    write(&path, &lines(0..5));
    watched.until(5).await;
    watched.stop().await;
    write(&path, &lines(5..9));
    fs::copy(&path, watched.path("eve.json.1")).unwrap();
    fs::write(&path, "").unwrap();
    // Longer than before: its length alone does not tell that it is another.
    write(&path, &lines(9..40));
    watched.start();
    assert_eq!(watched.until(40).await, numbered(0..40));
    watched.close().await;
}

#[tokio::test]
async fn a_file_that_is_gone_for_good_is_said() {
    let watched = Watched::new().await;
    let path = watched.path("eve.json");
    write(&path, &lines(0..5));
    watched.until(5).await;
    fs::write(&path, lines(90..92)).unwrap();
    let mut wanted = numbered(0..5);
    wanted.extend(numbered(90..92));
    assert_eq!(watched.until(7).await, wanted);
    let last = watched.record.get(watched.record.size() - 1).await.unwrap();
    let Body::Signals(told) = &last.event().body else {
        panic!("{:?}", last.event())
    };
    assert!(
        told.reason.contains("in no file any more"),
        "{}",
        told.reason
    );
    watched.close().await;
}

#[tokio::test]
async fn a_line_without_an_end_fills_no_memory() {
    let watched = Watched::new().await;
    let path = watched.path("eve.json");
    write(&path, &"x".repeat(100));
    assert_eq!(watched.until(2).await, ["x".repeat(40), "x".repeat(40)]);
    write(&path, &format!("y\n{}", lines(0..1)));
    let texts = watched.until(4).await;
    assert_eq!(
        texts[2..],
        [format!("{}y", "x".repeat(20)), numbered(0..1).remove(0)]
    );
    let events = watched.record.read(1, 100).await.unwrap();
    let cut = events.iter().map(|one| match &one.event().body {
        Body::Signals(told) => (told.cut, told.unread),
        _ => (0, 0),
    });
    let (cut, unread) = cut.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!((cut, unread), (3, 0));
    watched.close().await;
}

/// A quiet log is rotated though it is empty (logrotate's `ifempty`), and its rotations stay.
#[tokio::test]
async fn an_empty_file_between_two_holds_nobody_up() {
    let watched = Watched::new().await;
    write(&watched.path("eve.json"), &lines(0..3));
    assert_eq!(watched.until(3).await, numbered(0..3));
    watched.stop().await;
    fs::rename(watched.path("eve.json"), watched.path("eve.json.2")).unwrap();
    fs::write(watched.path("eve.json.1"), "").unwrap();
    write(&watched.path("eve.json"), &lines(3..6));
    watched.start();
    assert_eq!(watched.until(6).await, numbered(0..6));
    watched.close().await;
}

/// Never knows up to where anything was read.
struct Behind;

#[async_trait]
impl Positions for Behind {
    async fn of(&self, _feed: &str) -> Option<Position> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_view_that_is_behind() {
    let folder = TempDir::new().unwrap();
    let settings = record::Config::new(folder.path().join("data"));
    let record = Record::open(settings, Arc::new(StandingClock))
        .await
        .unwrap();
    let config = Config {
        files: vec![FileConfig {
            name: "ids".into(),
            path: folder.path().join("eve.json"),
            format: "suricata".into(),
            zone: "UTC".into(),
        }],
        ..Config::default()
    };
    let files = Files::open(&config, (Arc::new(Behind), Arc::new(StandingClock))).unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(Box::new(files).run(record.clone(), stop.clone()));
    stop.cancel();
    task.await.unwrap();
    record.stop().await;
}
