//! Lists of leavers that are watched: whoever stands on one loses access when it is due, without
//! anybody running a command.

mod done;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use event::Time;
use tokio_util::sync::CancellationToken;
use web::{Ended, Leaver};

use crate::assemble::House;
use crate::commands::people::{self, Listed};
use crate::operations::operator;
use done::Done;

/// The file of the lines that were carried out.
const DONE: &str = "leavers-done";

/// Looks at the lists now and then, if there are any to look at.
pub(crate) async fn watch(house: Arc<House>, stop: CancellationToken) {
    let staff = &house.config.staff;
    if staff.leavers.as_os_str().is_empty() {
        return;
    }
    let each = Duration::from_millis(staff.leavers_look_ms.max(1));
    let mut said = None;
    loop {
        let trouble = look(&house).await.err().map(|why| format!("{why:#}"));
        if let Some(why) = trouble.as_ref().filter(|_| trouble != said) {
            tracing::error!(why, "a list of leavers was not carried out");
        }
        let now = house.clock.now();
        house
            .app
            .leaving
            .looked(&staff.leavers, now, trouble.clone());
        said = trouble;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(each) => {}
        }
    }
}

/// Ends the access of everybody who is due.
pub(crate) async fn look(house: &House) -> Result<()> {
    let path = house.config.data.join(DONE);
    let mut done = Done::read(&path)?;
    let before = done.clone();
    let mut first = Ok(());
    let staff = &house.config.staff;
    if let Some(files) = lists(&staff.leavers)? {
        let sources: BTreeSet<String> = files.iter().map(|file| source(file)).collect();
        let each = i64::try_from(staff.leavers_look_ms).unwrap_or(i64::MAX);
        done.looked(&sources, house.clock.now(), each);
        for file in files {
            let carried = carry_out(house, &file, &mut done).await;
            first = first.and(carried);
        }
    }
    if done != before {
        done.keep(&path)?;
    }
    first
}

/// How a list is called in the record and among the lines that were carried out.
fn source(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    format!("list:{}", name.replace(char::is_control, "?"))
}

/// A list that is written just now is left for the next round: of half a line nobody knows what it
/// will say.
async fn carry_out(house: &House, file: &Path, done: &mut Done) -> Result<()> {
    let (stamp, now) = (stamp(file)?, house.clock.now());
    let quiet = house.config.staff.leavers_quiet_ms;
    if (0..quiet).contains(&now.since(stamp.written)) {
        return Ok(());
    }
    let listed = people::read(file);
    if self::stamp(file)? != stamp {
        return Ok(());
    }
    let (listed, source) = (listed?, source(file));
    let line = |one: &Listed| match one.due {
        Some(due) => format!("{} {}", one.account, due.millis()),
        None => format!("{} {source}", one.account),
    };
    let standing: BTreeSet<String> = listed.iter().map(line).collect();
    done.stand(&source, stamp.written, &standing);
    for one in &listed {
        let (leaver, line) = (one.leaver(stamp.written), line(one));
        // Earlier versions noted a line without a time by when the list was written.
        let earlier = format!("{} {}", one.account, stamp.written.millis());
        if one.due.is_none() && !standing.contains(&earlier) && done.remove(&earlier) {
            done.insert(line.clone());
        }
        if leaver.due > now || done.contains(&line) {
            continue;
        }
        end(house, &leaver, &source).await?;
        done.insert(line);
    }
    Ok(())
}

async fn end(house: &House, leaver: &Leaver, source: &str) -> Result<()> {
    let account = leaver.account.as_str();
    let ended = house
        .app
        .end_access(leaver, source, &operator().actor)
        .await;
    match ended.map_err(anyhow::Error::msg)? {
        Ended::Now { sessions } => tracing::info!(account, sessions, source, "access ended"),
        Ended::Before => {}
        Ended::Nobody => tracing::warn!(account, source, "nobody here has this name"),
    }
    Ok(())
}

/// The list itself, or every `.csv` of a folder, by name. A list that is not there holds nobody;
/// `None`: the place itself is not there, and nobody knows what stands on its lists.
fn lists(place: &Path) -> Result<Option<Vec<PathBuf>>> {
    let said = || format!("cannot read `{}`", place.display());
    match fs::metadata(place) {
        Ok(about) if about.is_dir() => csv_in(place).map(Some).with_context(said),
        Ok(_) => Ok(Some(vec![place.to_owned()])),
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            let above = place.parent().unwrap_or(Path::new(""));
            let there = above.as_os_str().is_empty() || above.try_exists().with_context(said)?;
            Ok(there.then(Vec::new))
        }
        Err(why) => Err(why).with_context(said),
    }
}

fn csv_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut files = paths.collect::<io::Result<Vec<PathBuf>>>()?;
    files.retain(|path| path.extension().is_some_and(|ending| ending == "csv"));
    files.sort();
    Ok(files)
}

/// What tells that a list was written to.
#[derive(PartialEq, Eq)]
struct Stamp {
    /// What a line without a time means.
    written: Time,
    bytes: u64,
}

fn stamp(file: &Path) -> Result<Stamp> {
    let said = || format!("cannot read `{}`", file.display());
    let about = fs::metadata(file).with_context(said)?;
    let since = about.modified().with_context(said)?;
    let since = since.duration_since(UNIX_EPOCH).with_context(said)?;
    let millis = i64::try_from(since.as_millis()).with_context(said)?;
    Ok(Stamp {
        written: Time::from_millis(millis),
        bytes: about.len(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use event::{Account, Clock, Role};

    use super::*;
    use crate::config::Config;

    async fn house(folder: &Path) -> House {
        let mut config = Config {
            data: folder.join("data"),
            ..Config::default()
        };
        config.staff.leavers = folder.join("lists");
        config.staff.leavers_quiet_ms = 0;
        House::open(config).await.unwrap()
    }

    async fn hired(house: &House, id: &str) {
        let account = Account {
            name: id.into(),
            role: Role::Nurse,
            wards: Vec::new(),
            practitioner: None,
            secret: String::new(),
            scopes: Vec::new(),
        };
        house.change_account(id, Some(account)).await.unwrap();
    }

    /// Makes a list look as if it had been written so many seconds ago.
    fn written(house: &House, file: &Path, ago: u64) {
        let now = u64::try_from(house.clock.now().millis()).unwrap();
        let at = UNIX_EPOCH + Duration::from_millis(now) - Duration::from_secs(ago);
        let open = fs::File::options().append(true).open(file).unwrap();
        open.set_modified(at).unwrap();
    }

    fn works(house: &House, id: &str) -> bool {
        house.app.staff.identity(id).is_some()
    }

    #[tokio::test]
    async fn whoever_stands_on_a_watched_list_loses_access_when_it_is_due_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let house = house(folder.path()).await;
        for id in ["anna", "ben", "carl"] {
            hired(&house, id).await;
        }
        look(&house).await.unwrap();
        assert!(works(&house, "anna"), "there is no list yet");
        let lists = folder.path().join("lists");
        fs::create_dir(&lists).unwrap();
        let list = "account,left\nanna,2020-01-01T00:00:00Z\ncarl,2199-01-01T00:00:00Z\nnobody,\n";
        fs::write(lists.join("week-1.csv"), list).unwrap();
        fs::write(lists.join("notes.txt"), "account\nben\n").unwrap();
        look(&house).await.unwrap();
        assert!(!works(&house, "anna"));
        assert!(works(&house, "ben"), "that is no list");
        assert!(works(&house, "carl"), "not yet");
        let people = house.app.staff.people();
        let anna = people.iter().find(|one| one.id == "anna").unwrap();
        assert_eq!(anna.left.as_ref().unwrap().source, "list:week-1.csv");
        // Who comes back is not sent away again by a list that was left lying there.
        hired(&house, "anna").await;
        look(&house).await.unwrap();
        assert!(works(&house, "anna"));
        house.close().await;
    }

    #[tokio::test]
    async fn a_list_that_makes_no_sense_ends_nobodys_access_and_holds_up_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let house = house(folder.path()).await;
        for id in ["anna", "ben"] {
            hired(&house, id).await;
        }
        let lists = folder.path().join("lists");
        fs::create_dir(&lists).unwrap();
        fs::write(lists.join("a.csv"), "account,left\nanna,yesterday\n").unwrap();
        fs::write(lists.join("b.csv"), "account\nben\n").unwrap();
        let why = look(&house).await.unwrap_err();
        assert!(format!("{why:#}").contains("yesterday"), "{why:#}");
        assert!(works(&house, "anna") && !works(&house, "ben"));
        house.close().await;
    }

    #[tokio::test]
    async fn a_list_that_is_touched_ends_nobodys_access_twice_and_a_new_line_does() {
        let folder = tempfile::tempdir().unwrap();
        let house = house(folder.path()).await;
        let lists = folder.path().join("lists");
        fs::create_dir(&lists).unwrap();
        let file = lists.join("left.csv");
        let write = |text: &str| fs::write(&file, text).unwrap();
        hired(&house, "anna").await;
        write("account,left\nanna,\n");
        look(&house).await.unwrap();
        assert!(!works(&house, "anna"));
        // Anna comes back. The list is touched, copied anew, and grows.
        hired(&house, "anna").await;
        written(&house, &file, 60);
        look(&house).await.unwrap();
        assert!(works(&house, "anna"), "touched");
        hired(&house, "ben").await;
        write("account,left\nanna,\nben,\n");
        look(&house).await.unwrap();
        assert!(works(&house, "anna") && !works(&house, "ben"));
        // She is taken off the list, and stands on it again: she left again.
        write("account,left\nben,\n");
        look(&house).await.unwrap();
        write("account,left\nben,\nanna,\n");
        look(&house).await.unwrap();
        assert!(!works(&house, "anna"));
        // So it is if everybody was taken off meanwhile.
        hired(&house, "anna").await;
        write("account,left\n");
        look(&house).await.unwrap();
        write("account,left\nanna,\n");
        look(&house).await.unwrap();
        assert!(!works(&house, "anna"));
        house.close().await;
    }

    struct Set(AtomicI64);

    impl Clock for Set {
        fn now(&self) -> Time {
            Time::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    #[tokio::test]
    async fn a_share_that_is_away_ends_nobodys_access_and_a_new_list_does() {
        let folder = tempfile::tempdir().unwrap();
        let mut house = house(folder.path()).await;
        let clock = Arc::new(Set(AtomicI64::new(house.clock.now().millis())));
        house.clock = Arc::<Set>::clone(&clock);
        let (lists, share) = (folder.path().join("lists"), folder.path().join("share"));
        let file = lists.join("left.csv");
        fs::create_dir(&lists).unwrap();
        hired(&house, "anna").await;
        fs::write(&file, "account,left\nanna,\n").unwrap();
        written(&house, &file, 60);
        look(&house).await.unwrap();
        assert!(!works(&house, "anna"));
        hired(&house, "anna").await;
        let away_for = async |hours: usize| {
            for _ in 0..=hours {
                look(&house).await.unwrap();
                clock.0.fetch_add(3_600_000, Ordering::Relaxed);
            }
        };
        // The mount point is there, the share is not; then it is there as it was.
        fs::rename(&file, &share).unwrap();
        away_for(30).await;
        fs::rename(&share, &file).unwrap();
        look(&house).await.unwrap();
        assert!(works(&house, "anna"), "the same list");
        // The list is deleted and written anew.
        fs::remove_file(&file).unwrap();
        away_for(0).await;
        fs::write(&file, "account,left\nanna,\n").unwrap();
        written(&house, &file, 60);
        look(&house).await.unwrap();
        assert!(works(&house, "anna"), "written anew at once");
        fs::remove_file(&file).unwrap();
        away_for(24).await;
        fs::write(&file, "account,left\nanna,\n").unwrap();
        written(&house, &file, 60);
        look(&house).await.unwrap();
        assert!(!works(&house, "anna"), "a new list");
        house.close().await;
    }

    #[tokio::test]
    async fn what_an_earlier_version_carried_out_is_not_carried_out_again() {
        let folder = tempfile::tempdir().unwrap();
        let house = house(folder.path()).await;
        hired(&house, "anna").await;
        let lists = folder.path().join("lists");
        fs::create_dir(&lists).unwrap();
        let file = lists.join("left.csv");
        fs::write(&file, "account,left\nanna,\n").unwrap();
        let stamp = stamp(&file).unwrap().written.millis();
        let done = house.config.data.join(DONE);
        fs::write(&done, format!("anna {stamp}\n")).unwrap();
        look(&house).await.unwrap();
        assert!(works(&house, "anna"));
        let known = fs::read_to_string(&done).unwrap();
        assert_eq!(known, "anna list:left.csv\n");
        house.close().await;
    }

    #[test]
    fn a_place_that_cannot_be_read_is_no_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(lists(&folder.path().join("a")).unwrap(), Some(Vec::new()));
        assert_eq!(lists(&folder.path().join("a/b")).unwrap(), None);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        lists(&file.join("left.csv")).unwrap_err();
    }

    #[tokio::test]
    async fn a_list_that_is_being_written_is_left_for_the_next_round() {
        let folder = tempfile::tempdir().unwrap();
        let mut house = house(folder.path()).await;
        house.config.staff.leavers_quiet_ms = 600_000;
        hired(&house, "anna").await;
        let lists = folder.path().join("lists");
        fs::create_dir(&lists).unwrap();
        let file = lists.join("left.csv");
        fs::write(&file, "account,left\nanna,\nbe").unwrap();
        look(&house).await.unwrap();
        assert!(works(&house, "anna"), "it was written just now");
        fs::write(&file, "account,left\nanna,\nben,\n").unwrap();
        look(&house).await.unwrap();
        assert!(works(&house, "anna"), "and it is whole just now");
        written(&house, &file, 601);
        look(&house).await.unwrap();
        assert!(!works(&house, "anna"));
        house.close().await;
    }
}
