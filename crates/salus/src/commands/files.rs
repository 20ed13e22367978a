//! `backup files` and `restore files`: folders and dumps of other systems.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use folders::{Brought, Kept, Progress, Unread};
use indicatif::{ProgressBar, ProgressStyle};
use record::{Lock, Place};
use serde::Serialize;

use crate::backups::FilesBackup;
use crate::backups::files::{self, Back, Done, Wanted};
use crate::cli::Format;
use crate::config::Config;
use crate::local::Operator;
use crate::output;

/// What `restore files` was asked for.
pub(super) struct Asked {
    pub(super) names: Vec<String>,
    pub(super) from: String,
    pub(super) to: PathBuf,
    pub(super) manifest: Option<String>,
    pub(super) password_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Receipt {
    place: String,
    manifest: String,
    objects: u64,
    bytes: u64,
    /// Days for which nobody can take it away; none: nothing keeps it.
    locked_days: Option<u32>,
    /// The event that pins it in the log.
    sealed: u64,
    snapshots: Vec<Snapshot>,
    failed: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Snapshot {
    name: String,
    snapshot: String,
    at: String,
    files: u64,
    bytes: u64,
    added: u64,
    /// Files that could not be read when it was made and are not in it.
    unread: Unread,
}

impl From<Kept> for Snapshot {
    fn from(kept: Kept) -> Snapshot {
        Snapshot {
            name: kept.name,
            snapshot: kept.snapshot,
            at: kept.at,
            files: kept.files,
            bytes: kept.bytes,
            added: kept.added,
            unread: kept.unread,
        }
    }
}

impl From<Done> for Receipt {
    fn from(done: Done) -> Receipt {
        Receipt {
            place: done.place,
            manifest: done.made.manifest,
            objects: done.made.objects,
            bytes: done.made.bytes,
            locked_days: match done.made.lock {
                Lock::Days(days) => Some(days),
                Lock::None => None,
            },
            sealed: done.sealed,
            snapshots: done.kept.into_iter().map(Snapshot::from).collect(),
            failed: done.failed,
        }
    }
}

pub(super) async fn back_up(config: Config, names: &[String], format: Format) -> Result<u8> {
    let sets = &config.backups.files;
    if sets.is_empty() {
        bail!("nothing is named: add `[[backups.files]]` to the configuration file");
    }
    let unknown = |name: &&String| !sets.iter().any(|one| one.name == **name);
    if let Some(name) = names.iter().find(unknown) {
        bail!("there is no `[[backups.files]]` with `name = \"{name}\"`");
    }
    let sets = sets.clone();
    let timed = sets.iter().filter(|one| one.every_minutes > 0);
    let timed = files::by_place(timed);
    let wanted = sets
        .iter()
        .filter(|one| names.is_empty() || names.contains(&one.name));
    let operator = Operator::reach(config.clone()).await?;
    let (mut receipts, mut wrong) = (Vec::new(), None);
    for (to, sets) in files::by_place(wanted) {
        let bar = bar()?;
        let others = timed.get(to).into_iter().flatten();
        let is_left_out = |other: &&FilesBackup| sets.iter().all(|one| one.name != other.name);
        let wanted = Wanted {
            to,
            sets: &sets,
            lacking: &[],
            in_part: others.copied().any(|other| is_left_out(&other)),
        };
        let done = files::back_up((&config, &operator), &wanted, |name| told(&bar, name));
        match Box::pin(done).await {
            Ok(done) => receipts.push(Receipt::from(done)),
            Err(why) => wrong = wrong.or(Some(why.context(format!("at `{to}`")))),
        }
        bar.finish_and_clear();
    }
    operator.done().await;
    if receipts.is_empty()
        && let Some(why) = wrong.take()
    {
        return Err(why);
    }
    output::result(format, &receipts, |all| {
        let words: Vec<String> = all.iter().map(words).collect();
        words.join("\n")
    });
    if let Some(why) = &wrong {
        output::note(&format!("salus: {why:#}"));
    }
    Ok(match &wrong {
        None => receipts.iter().map(code).max().unwrap_or(output::WELL),
        Some(_) => output::LACKING,
    })
}

/// What is not in it weighs more than that nothing keeps it.
fn code(receipt: &Receipt) -> u8 {
    let whole = |one: &Snapshot| one.unread.is_empty();
    if !receipt.failed.is_empty() || !receipt.snapshots.iter().all(whole) {
        return output::LACKING;
    }
    match receipt.locked_days {
        Some(_) => output::WELL,
        None => output::FOUND,
    }
}

#[derive(Serialize)]
struct Restored {
    manifest: String,
    names: Vec<Name>,
    passed_over: Vec<String>,
}

#[derive(Serialize)]
struct Name {
    to: PathBuf,
    /// Files that were written; the others were there already.
    written: u64,
    #[serde(flatten)]
    from: Snapshot,
}

pub(super) async fn bring_back(config: &Config, asked: &Asked, format: Format) -> Result<u8> {
    let place = Place::parse(&asked.from).map_err(|why| anyhow!(why))?;
    let manifests = match &asked.manifest {
        Some(one) => vec![one.clone()],
        None => sealed(config, &place).await?,
    };
    let own = config.data.join("keys/files.key");
    let password = files::read(asked.password_file.as_ref().unwrap_or(&own))?;
    let wanted = files::Asked {
        place: &place,
        manifests: &manifests,
        names: &asked.names,
        password: &password,
    };
    let bar = bar()?;
    let back = files::bring_back(&wanted, &asked.to, told(&bar, "restoring"));
    let back = Box::pin(back).await;
    bar.finish_and_clear();
    let restored = Restored::from(back?);
    output::result(format, &restored, restored_in_words);
    Ok(match restored.passed_over.is_empty() {
        true => output::WELL,
        false => output::FOUND,
    })
}

/// What the record sealed for a place. It is asked, not the place: whoever may write there could
/// have added what looks newer.
async fn sealed(config: &Config, place: &Place) -> Result<Vec<String>> {
    if !config.data.join("keyring.db").exists() {
        bail!(
            "there is no record in `{}` that says which manifest counts: restore the record first, \
             or name one with `--manifest`, as a receipt has it",
            config.data.display()
        );
    }
    let operator = Operator::reach(config.clone()).await?;
    let pinned = operator.pinned(&place.words()).await;
    operator.done().await;
    let pinned = pinned?;
    if pinned.is_empty() {
        bail!(
            "the record knows of no folders or dumps at `{}`; is it called otherwise in \
             `[[backups.files]]`?",
            place.words()
        );
    }
    Ok(pinned)
}

impl From<Back> for Restored {
    fn from(back: Back) -> Restored {
        let name = |one: Brought| Name {
            to: one.to,
            written: one.written,
            from: one.from.into(),
        };
        Restored {
            manifest: back.manifest,
            names: back.brought.into_iter().map(name).collect(),
            passed_over: back.passed_over,
        }
    }
}

fn bar() -> Result<ProgressBar> {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{msg:16} {bar:40} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
    )?);
    Ok(bar)
}

fn told(bar: &ProgressBar, name: &str) -> Progress {
    bar.set_message(name.to_owned());
    let bar = bar.clone();
    Arc::new(move |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })
}

fn words(receipt: &Receipt) -> String {
    let mut out = format!("folders and dumps at `{}`\n", receipt.place);
    for one in &receipt.snapshots {
        out.push_str(&format!(
            "  {:<16} {} files, {} MB; added {} MB; snapshot {}\n",
            one.name,
            one.files,
            one.bytes / 1_000_000,
            one.added / 1_000_000,
            one.snapshot.get(..8).unwrap_or_default()
        ));
        not_in_it(&mut out, one);
    }
    for (name, why) in &receipt.failed {
        out.push_str(&format!("  {name:<16} NOT BACKED UP: {why}\n"));
    }
    out.push_str(&format!(
        "manifest  {}\nsealed    as event {}\n",
        receipt.manifest, receipt.sealed
    ));
    out.push_str(&match receipt.locked_days {
        Some(days) => format!("locked    for {days} days: nobody can take it away before"),
        None => "NOT LOCKED: whoever has this machine's keys can delete it".to_owned(),
    });
    out
}

/// The files that are not in a snapshot.
fn not_in_it(out: &mut String, one: &Snapshot) {
    for why in &one.unread.named {
        out.push_str(&format!("  {:<16} NOT IN IT: {why}\n", one.name));
    }
    let more = one
        .unread
        .files
        .saturating_sub(one.unread.named.len() as u64);
    if more > 0 {
        out.push_str(&format!(
            "  {:<16} NOT IN IT: {more} more files\n",
            one.name
        ));
    }
}

fn restored_in_words(restored: &Restored) -> String {
    let mut out = format!("restored from manifest {}\n", restored.manifest);
    for one in &restored.names {
        out.push_str(&format!(
            "  {:<16} {} files into `{}`, {} of them written now; from {}\n",
            one.from.name,
            one.from.files,
            one.to.display(),
            one.written,
            one.from.at
        ));
        not_in_it(&mut out, &one.from);
    }
    for why in &restored.passed_over {
        out.push_str(&format!("PASSED OVER  {why}\n"));
    }
    out
}
