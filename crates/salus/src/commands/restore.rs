use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use record::{Place, Record, Wanted};
use serde::Serialize;

use super::backup::bar;
use super::files;
use crate::cli::{Format, Restore};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::keeping::read_page;
use crate::output;

pub(crate) async fn run(config: &Config, command: Restore, format: Format) -> Result<u8> {
    match command {
        Restore::List { from, log_key } => list(&from, &log_key, format).await,
        Restore::First { from, log_key, to } => first(&from, &log_key, (&to, format)).await,
        Restore::Files {
            names,
            from,
            to,
            manifest,
            password_file,
        } => {
            let asked = files::Asked {
                names,
                from,
                to,
                manifest,
                password_file,
            };
            files::bring_back(config, &asked, format).await
        }
        Restore::Keys { copy, shares } => keys(config, (&copy, &shares), format),
        Restore::Record {
            from,
            at_most,
            manifest,
        } => {
            let wanted = match (at_most, manifest) {
                (_, Some(sha256)) => Wanted::Manifest(sha256),
                (Some(events), None) => Wanted::AtMost(events),
                (None, None) => Wanted::Furthest,
            };
            record(config, (&from, &wanted), format).await
        }
    }
}

#[derive(Serialize)]
struct Listed {
    backups: Vec<Point>,
    foreign: Vec<String>,
}

#[derive(Serialize)]
struct Point {
    events: u64,
    manifest: String,
}

async fn list(from: &str, log_key: &Path, format: Format) -> Result<u8> {
    let place = Place::parse(from).map_err(|why| anyhow!(why))?;
    let key = fs::read_to_string(log_key);
    let key = key.with_context(|| format!("cannot read the key `{}`", log_key.display()))?;
    let (points, foreign) = record::points(&place, &key).await?;
    let backups = points.into_iter().map(|point| Point {
        events: point.size,
        manifest: point.manifest,
    });
    let listed = Listed {
        backups: backups.collect(),
        foreign,
    };
    output::result(format, &listed, |listed| {
        let mut lines: Vec<String> = Vec::new();
        if listed.backups.is_empty() {
            lines.push("no evidence: there is no backup of this log".into());
        }
        for one in &listed.backups {
            lines.push(format!(
                "{:>12} events  manifest {}",
                one.events, one.manifest
            ));
        }
        for one in &listed.foreign {
            lines.push(format!("FOREIGN  {one}"));
        }
        lines.join("\n")
    });
    Ok(match listed.foreign.is_empty() {
        true => output::WELL,
        false => output::FOUND,
    })
}

#[derive(Serialize)]
struct First {
    files: Vec<PathBuf>,
}

async fn first(from: &str, log_key: &Path, (to, format): (&Path, Format)) -> Result<u8> {
    let place = Place::parse(from).map_err(|why| anyhow!(why))?;
    let key = fs::read_to_string(log_key);
    let key = key.with_context(|| format!("cannot read the key `{}`", log_key.display()))?;
    let first = First {
        files: record::first(&place, &key, to).await?,
    };
    output::result(format, &first, |first| match first.files.as_slice() {
        [] => "no evidence: no file went along with a backup".to_owned(),
        files => files
            .iter()
            .map(|file| format!("{}\n", file.display()))
            .collect(),
    });
    Ok(match first.files.is_empty() {
        true => output::FOUND,
        false => output::WELL,
    })
}

#[derive(Serialize)]
struct Keyed {
    data: PathBuf,
}

fn keys(config: &Config, (copy, named): (&Path, &[PathBuf]), format: Format) -> Result<u8> {
    let mut shares = Vec::new();
    for path in named {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the share `{}`", path.display()))?;
        shares.push(read_page(&text).with_context(|| format!("`{}`", path.display()))?);
    }
    record::restore_keys(&config.record(), copy, &shares)?;
    let keyed = Keyed {
        data: config.data.clone(),
    };
    output::result(format, &keyed, |keyed| {
        format!(
            "the keys are in `{}`; now `salus restore record`",
            keyed.data.display()
        )
    });
    Ok(output::WELL)
}

#[derive(Serialize)]
struct Restored {
    data: PathBuf,
    events: u64,
    manifest: String,
    fetched: u64,
    passed_over: Vec<String>,
    alterations: usize,
}

async fn record(config: &Config, (from, wanted): (&str, &Wanted), format: Format) -> Result<u8> {
    let place = Place::parse(from).map_err(|why| anyhow!(why))?;
    let own = config.record();
    let bar = bar()?;
    let progress = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    // What the wards need comes first; whether it is there or not, the record follows.
    let key = fs::read_to_string(config.data.join("keys/log.pub"));
    let key = key.context("there are no keys yet: first `salus restore keys`")?;
    for file in record::first(&place, &key, &config.data.join("first")).await? {
        output::note(&format!("readable now: {}", file.display()));
    }
    let done = Box::pin(record::restore(&place, &own, wanted, progress)).await?;
    bar.finish_and_clear();
    output::note("fetched; rolling the record forward and verifying it");
    let record = Box::pin(Record::open(own.clone(), Arc::new(SystemClock))).await?;
    record.stop().await;
    let report = record::verify(&own, |_, _| {}).await?;
    let restored = Restored {
        data: config.data.clone(),
        events: done.point.size,
        manifest: done.point.manifest,
        fetched: done.fetched,
        passed_over: done.passed_over,
        alterations: report.alterations.len(),
    };
    output::result(format, &restored, words);
    let well = restored.passed_over.is_empty() && restored.alterations == 0;
    Ok(if well { output::WELL } else { output::FOUND })
}

fn words(restored: &Restored) -> String {
    let mut out = format!(
        "restored: {} events into `{}`\nmanifest  {}\n",
        restored.events,
        restored.data.display(),
        restored.manifest
    );
    for why in &restored.passed_over {
        out.push_str(&format!("PASSED OVER  {why}\n"));
    }
    out.push_str(&match restored.alterations {
        0 => "verified: unaltered. Start the server: the views are folded again".to_owned(),
        count => format!("{count} ALTERATIONS: `salus verify` names them"),
    });
    out
}
