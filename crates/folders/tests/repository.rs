//! A repository in a folder: how it begins, what happens to files that cannot be read and programs
//! that do not end, and that a restore is whole or nothing.

#![expect(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use folders::{Progress, Repository, Source};
use record::{Pins, Place};

/// A folder with a place in it.
struct Ground(tempfile::TempDir);

impl Ground {
    fn new() -> Ground {
        let ground = Ground(tempfile::tempdir().unwrap());
        fs::create_dir(ground.path("place")).unwrap();
        fs::create_dir(ground.path("lab")).unwrap();
        fs::write(ground.path("lab/a.txt"), "potassium 4.1").unwrap();
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// As a run sees it that knows of no manifest.
    async fn unpinned(&self) -> Repository {
        let place = Place::Folder(self.path("place"));
        let pins = Pins::open(&place, None).await.unwrap();
        Repository::new(Arc::new(pins), "secret")
    }

    async fn made(&self) -> Repository {
        let repository = self.unpinned().await;
        repository.make(&self.path("begun")).await.unwrap();
        repository
    }

    fn lab(&self) -> Source {
        Source::Paths(vec![self.path("lab")])
    }

    /// Where something of the laboratory is after a restore.
    fn back(&self, name: &str) -> PathBuf {
        let lab = self.path("lab");
        let lab = lab.strip_prefix("/").unwrap();
        self.path("back").join("lab").join(lab).join(name)
    }

    fn packs(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.path("place/repository/data")).unwrap();
        let files = folders
            .flatten()
            .flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten());
        files.map(|file| file.path()).collect()
    }
}

fn still() -> Progress {
    Arc::new(|_, _| {})
}

fn everything_in(folder: &Path) -> Vec<PathBuf> {
    let inside = fs::read_dir(folder).into_iter().flatten().flatten();
    inside.map(|one| one.path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_was_only_begun_goes_on_and_a_foreign_one_is_not_taken() {
    let ground = Ground::new();
    // The run that made it pinned nothing.
    drop(ground.made().await);
    let again = ground.made().await;
    let kept = again.keep("lab", ground.lab(), still()).await.unwrap();
    assert_eq!(kept.files, 1);
    let foreign = ground.unpinned().await.make(&ground.path("others")).await;
    let why = foreign.unwrap_err().to_string();
    assert!(why.contains("other content of this name"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_was_broken_off_between_its_two_files_goes_on() {
    let ground = Ground::new();
    drop(ground.made().await);
    fs::remove_file(ground.path("place/repository/config")).unwrap();
    let again = ground.made().await;
    again.keep("lab", ground.lab(), still()).await.unwrap();
    assert_eq!(
        everything_in(&ground.path("place/repository/keys")).len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_is_noted_and_the_rest_is_kept() {
    let ground = Ground::new();
    let repository = ground.made().await;
    // It opens, and its first byte cannot be read, whoever asks.
    let from = Source::Paths(vec![ground.path("lab"), "/proc/self/mem".into()]);
    let kept = repository.keep("lab", from, still()).await.unwrap();
    assert_eq!((kept.files, kept.unread.files), (1, 1));
    assert!(
        kept.unread.named[0].starts_with("`/proc/self/mem`: "),
        "{:?}",
        kept.unread
    );
    // Who reads the snapshot later hears of it too.
    assert_eq!(repository.kept().await.unwrap(), vec![kept]);
    repository
        .bring(&[], &ground.path("back"), still())
        .await
        .unwrap();
    assert_eq!(fs::read(ground.back("a.txt")).unwrap(), b"potassium 4.1");
}

/// A mount that is not there, and a link, are what was asked for and hold nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_lost_all_it_held_or_is_a_link_is_lacking() {
    let ground = Ground::new();
    let repository = ground.made().await;
    let first = repository.keep("lab", ground.lab(), still()).await.unwrap();
    assert_eq!((first.files, first.unread.files), (1, 0));
    fs::remove_file(ground.path("lab/a.txt")).unwrap();
    let second = repository.keep("lab", ground.lab(), still()).await.unwrap();
    assert_eq!((second.files, second.unread.files), (0, 1));
    let why = &second.unread.named[0];
    assert!(why.contains("is empty now and was not before"), "{why}");
    std::os::unix::fs::symlink(ground.path("nowhere"), ground.path("link")).unwrap();
    fs::create_dir(ground.path("new")).unwrap();
    let from = Source::Paths(vec![ground.path("link"), ground.path("new")]);
    let third = repository.keep("other", from, still()).await.unwrap();
    assert_eq!((third.files, third.unread.files), (0, 1));
    assert!(third.unread.named[0].ends_with("/link` is a link: name what it leads to"));
}

/// Who is not waited for does not walk on: whoever reads would be slowed down for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_nobody_waits_for_ends() {
    let ground = Ground::new();
    let repository = ground.made().await;
    fs::write(ground.path("lab/b.txt"), vec![7; 3 << 20]).unwrap();
    fs::write(ground.path("lab/c.txt"), vec![8; 3 << 20]).unwrap();
    let (say, told) = std::sync::mpsc::channel();
    let (go, may) = std::sync::mpsc::channel::<()>();
    let may = std::sync::Mutex::new(may);
    let progress: Progress = Arc::new(move |done, _| {
        let _ = say.send(done);
        let _ = may.lock().unwrap().recv();
    });
    let keeping = tokio::spawn({
        let from = ground.lab();
        async move { repository.keep("lab", from, progress).await }
    });
    let first = tokio::task::block_in_place(|| told.recv()).unwrap();
    keeping.abort();
    assert!(keeping.await.unwrap_err().is_cancelled());
    drop(go);
    // Nothing more is told once the thread has seen that it is left.
    let rest: Vec<u64> = tokio::task::block_in_place(|| told.iter().collect());
    assert!(rest.iter().all(|done| *done <= first), "{rest:?}");
    assert!(!ground.path("place/repository/data").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_end_is_ended_with_all_that_it_started() {
    let ground = Ground::new();
    let repository = ground.made().await;
    let child = ground.path("child");
    let script = format!(
        "sleep 1000 & echo $! >{0}.next; mv {0}.next {0}; echo half; wait",
        child.display()
    );
    let from = Source::Dump {
        command: ["sh", "-c", &script].map(str::to_owned).to_vec(),
        most: Duration::from_secs(2),
    };
    let why = repository.keep("dump", from, still()).await.unwrap_err();
    let why = why.to_string();
    assert!(why.contains("did not end within 2000 ms"), "{why}");
    assert!(why.contains("nothing of it is kept"), "{why}");
    assert_eq!(repository.kept().await.unwrap(), vec![]);
    let child = fs::read_to_string(child).unwrap();
    // Gone, or dead and not asked for yet by whoever inherits it.
    let runs = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
    };
    while runs() {
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_closes_its_output_and_goes_on_is_ended_too() {
    let ground = Ground::new();
    let repository = ground.made().await;
    let script = "exec >&-; exec sleep 1000";
    let from = Source::Dump {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        most: Duration::from_millis(500),
    };
    let why = repository.keep("dump", from, still()).await.unwrap_err();
    assert!(why.to_string().contains("did not end within"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_put_in_its_place_before_everything_was_found_right() {
    let ground = Ground::new();
    let repository = ground.made().await;
    repository.keep("lab", ground.lab(), still()).await.unwrap();
    let known = ground.packs();
    let from = Source::Dump {
        command: vec!["echo".to_owned(), "INSERT".to_owned()],
        most: Duration::from_secs(60),
    };
    repository.keep("sql", from, still()).await.unwrap();
    let data = |pack: &PathBuf| !known.contains(pack);
    for pack in ground.packs().into_iter().filter(data) {
        let mut bytes = fs::read(&pack).unwrap();
        bytes[20] ^= 1;
        fs::write(pack, bytes).unwrap();
    }
    let back = ground.path("back");
    let why = repository.bring(&[], &back, still()).await.unwrap_err();
    assert!(why.to_string().contains("is not what was pinned"), "{why}");
    assert_eq!(everything_in(&back), Vec::<PathBuf>::new());
    // What one that was broken off left there is in nobody's way.
    fs::create_dir_all(back.join(".salus-restore")).unwrap();
    fs::write(back.join(".salus-restore/0"), "potassium 9.9 and more").unwrap();
    let brought = repository.bring(&["lab".to_owned()], &back, still()).await;
    assert_eq!(brought.unwrap()[0].written, 1);
    assert_eq!(fs::read(ground.back("a.txt")).unwrap(), b"potassium 4.1");
    assert_eq!(everything_in(&back), [back.join("lab")]);
}
