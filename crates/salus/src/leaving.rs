//! Lists of leavers that are watched: whoever stands on one loses access when it is due, without
//! anybody running a command.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use event::Time;
use tokio_util::sync::CancellationToken;
use web::{Ended, Leaver};

use crate::assemble::House;
use crate::certificate;
use crate::commands::people::{self, Listed};
use crate::operations::operator;

/// Lines that were carried out, so that a list that stays where it is ends nobody's access twice:
/// `account`, a space, and when it was due in milliseconds, or, of a line that says no time, `list:` and
/// the list's name. The latter counts for as long as it stands on that list.
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
    let mut done = known(&path)?;
    let before = done.clone();
    let mut first = Ok(());
    if let Some(files) = lists(&house.config.staff.leavers)? {
        let sources: BTreeSet<String> = files.iter().map(|file| source(file)).collect();
        done.retain(|line| list_of(line).is_none_or(|list| sources.contains(list)));
        for file in files {
            let carried = carry_out(house, &file, &mut done).await;
            first = first.and(carried);
        }
    }
    if done != before {
        keep(&path, &done)?;
    }
    first
}

/// How a list is called in the record and among the lines that were carried out.
fn source(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    format!("list:{}", name.replace(char::is_control, "?"))
}

/// The list that a carried-out line without a time stands on.
fn list_of(line: &str) -> Option<&str> {
    let at = line.find(" list:")?;
    line.get(at + 1..)
}

/// A list that is written just now is left for the next round: of half a line nobody knows what it
/// will say.
async fn carry_out(house: &House, file: &Path, done: &mut BTreeSet<String>) -> Result<()> {
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
    done.retain(|one| list_of(one) != Some(&source) || standing.contains(one));
    for one in &listed {
        let (leaver, line) = (one.leaver(stamp.written), line(one));
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
    if !place.exists() {
        let above = place.parent().unwrap_or(Path::new(""));
        let there = above.as_os_str().is_empty() || above.exists();
        return Ok(there.then(Vec::new));
    }
    if !place.is_dir() {
        return Ok(Some(vec![place.to_owned()]));
    }
    let entries =
        fs::read_dir(place).with_context(|| format!("cannot read `{}`", place.display()))?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "csv"))
        .collect();
    files.sort();
    Ok(Some(files))
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

fn known(path: &Path) -> Result<BTreeSet<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(why) => Err(why).with_context(|| format!("cannot read `{}`", path.display())),
    }
}

/// Writes which lines were carried out, whole or not at all.
fn keep(path: &Path, done: &BTreeSet<String>) -> Result<()> {
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut text = done.iter().cloned().collect::<Vec<_>>().join("\n");
    text.push('\n');
    certificate::write(&beside, text.as_bytes())?;
    fs::rename(&beside, path).with_context(|| format!("cannot write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use event::{Account, Role};

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
        // So it is with a list that went away and came again.
        hired(&house, "ben").await;
        fs::remove_file(&file).unwrap();
        look(&house).await.unwrap();
        write("account,left\nben,\n");
        look(&house).await.unwrap();
        assert!(!works(&house, "ben"));
        house.close().await;
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
