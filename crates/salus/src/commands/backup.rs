use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use record::{Lock, Made, Place};
use serde::Serialize;

use super::files;
use crate::backing::Pinned;
use crate::cli::{Backup, Format};
use crate::config::Config;
use crate::local::Operator;
use crate::output;

pub(crate) async fn run(config: Config, command: Backup, format: Format) -> Result<u8> {
    match command {
        Backup::Files { names } => Box::pin(files::back_up(config, &names, format)).await,
        Backup::Record { to, first } => Box::pin(record(config, (&to, &first), format)).await,
        Backup::Pull { from, log_key, to } => pull(&from, &log_key, (&to, format)).await,
        Backup::Keys { to, keep } => keys(&config, (&to, keep), format).await,
    }
}

#[derive(Serialize)]
struct Receipt {
    place: String,
    events: u64,
    root: String,
    manifest: String,
    objects: u64,
    bytes: u64,
    /// Days for which nobody can take it away; none: nothing keeps it.
    locked_days: Option<u32>,
    /// The event that pins it in the log.
    sealed: Option<u64>,
}

impl Receipt {
    fn of(made: &Made, place: String, sealed: Option<u64>) -> Receipt {
        Receipt {
            place,
            events: made.size,
            root: made.root.iter().map(|byte| format!("{byte:02x}")).collect(),
            manifest: made.manifest.clone(),
            objects: made.objects,
            bytes: made.bytes,
            locked_days: match made.lock {
                Lock::Days(days) => Some(days),
                Lock::None => None,
            },
            sealed,
        }
    }
}

async fn record(config: Config, (to, first): (&str, &[PathBuf]), format: Format) -> Result<u8> {
    let place = Place::parse(to).map_err(|why| anyhow!(why))?;
    let own = config.record();
    let mut along = config.packed();
    along.extend_from_slice(first);
    let operator = Operator::reach(config).await?;
    let bar = bar()?;
    let made = record::backup(&own, &place, &along, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    let made = Box::pin(made).await;
    bar.finish_and_clear();
    let sealed = match &made {
        Ok(made) => {
            let pinned = Pinned {
                place: place.words(),
                size: made.size,
                manifest: made.manifest.clone(),
                files: None,
                in_part: false,
                lacks: None,
            };
            operator.backed_up(&pinned).await.map(Some)
        }
        Err(_) => Ok(None),
    };
    operator.done().await;
    let receipt = Receipt::of(&made?, place.words(), sealed?);
    output::result(format, &receipt, words);
    Ok(match receipt.locked_days {
        Some(_) => output::WELL,
        None => output::FOUND,
    })
}

async fn pull(from: &Path, log_key: &Path, (to, format): (&Path, Format)) -> Result<u8> {
    let key = fs::read_to_string(log_key);
    let key = key.with_context(|| format!("cannot read the key `{}`", log_key.display()))?;
    let bar = bar()?;
    let made = record::pull(from, &key, to, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    let made = Box::pin(made).await?;
    bar.finish_and_clear();
    let receipt = Receipt::of(&made, to.display().to_string(), None);
    output::result(format, &receipt, pulled_in_words);
    Ok(output::WELL)
}

#[derive(Serialize)]
struct Copied {
    path: PathBuf,
    removed: usize,
}

async fn keys(config: &Config, (to, keep): (&Path, usize), format: Format) -> Result<u8> {
    let made = record::copy_keys(&config.record(), to, keep).await?;
    let copied = Copied {
        path: made.path,
        removed: made.removed,
    };
    output::result(format, &copied, |copied| {
        format!(
            "the keys are in `{}`, encrypted under the root key; {} older copies made room",
            copied.path.display(),
            copied.removed
        )
    });
    Ok(output::WELL)
}

/// How far a backup or a restore is.
pub(crate) fn bar() -> Result<ProgressBar> {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {human_pos}/{human_len} events, {per_sec}, {eta} left",
    )?);
    Ok(bar)
}

fn head(receipt: &Receipt) -> String {
    format!(
        "backed up: {} events at `{}`; added {} objects, {} MB\nroot      {}\nmanifest  {}\n",
        receipt.events,
        receipt.place,
        receipt.objects,
        receipt.bytes / 1_000_000,
        receipt.root,
        receipt.manifest
    )
}

fn words(receipt: &Receipt) -> String {
    let mut out = head(receipt);
    if let Some(index) = receipt.sealed {
        out.push_str(&format!("sealed    as event {index}\n"));
    }
    out.push_str(&match receipt.locked_days {
        Some(days) => format!(
            "locked    for {days} days: nobody can take it away before\nkeep this receipt outside \
             this machine"
        ),
        None => "NOT LOCKED: whoever has this machine's keys can delete it. Use a bucket with \
                 object lock in compliance mode, or let another machine fetch it (`salus backup \
                 pull`)"
            .to_owned(),
    });
    out
}

fn pulled_in_words(receipt: &Receipt) -> String {
    let mut out = head(receipt);
    out.push_str("fetched: the machine that was backed up has no way to this copy");
    out
}
