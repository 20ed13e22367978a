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
use crate::commands::people;
use crate::operations::operator;

/// Lines that were carried out, so that a list that stays where it is ends nobody's access twice:
/// `account`, a space, when it was due in milliseconds.
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
    let before = done.len();
    let mut first = Ok(());
    for file in lists(&house.config.staff.leavers)? {
        let carried = carry_out(house, &file, &mut done).await;
        first = first.and(carried);
    }
    if done.len() > before {
        keep(&path, &done)?;
    }
    first
}

async fn carry_out(house: &House, file: &Path, done: &mut BTreeSet<String>) -> Result<()> {
    let source = format!(
        "list:{}",
        file.file_name().unwrap_or_default().to_string_lossy()
    );
    for leaver in people::read(file, written(file)?)? {
        let line = format!("{} {}", leaver.account, leaver.due.millis());
        if leaver.due > house.clock.now() || done.contains(&line) {
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

/// The list itself, or every `.csv` of a folder, by name. One that is not there yet is empty.
fn lists(place: &Path) -> Result<Vec<PathBuf>> {
    if !place.exists() {
        return Ok(Vec::new());
    }
    if !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let entries =
        fs::read_dir(place).with_context(|| format!("cannot read `{}`", place.display()))?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "csv"))
        .collect();
    files.sort();
    Ok(files)
}

/// When a list was written: what a line without a time means.
fn written(file: &Path) -> Result<Time> {
    let said = || format!("cannot read `{}`", file.display());
    let at = fs::metadata(file)
        .and_then(|one| one.modified())
        .with_context(said)?;
    let since = at.duration_since(UNIX_EPOCH).with_context(said)?;
    let millis = i64::try_from(since.as_millis()).with_context(said)?;
    Ok(Time::from_millis(millis))
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
}
