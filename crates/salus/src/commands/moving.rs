use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use record::{Carrying, Moved, Objects, Storage};
use serde::Serialize;

use crate::cli::{Format, Move};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::output;

#[derive(Serialize)]
struct Told {
    /// Whether the record is at the new place now.
    finished: bool,
    events: u64,
    carried: u64,
    objects: u64,
    root: String,
    /// What to set in the configuration file.
    storage: Option<String>,
    vault: Option<String>,
    verified: Option<u64>,
}

pub(crate) async fn run(config: Config, args: Move, format: Format) -> Result<u8> {
    let from = config.record();
    let mut to = from.clone();
    if let Some(line) = &args.to {
        to.storage = Storage::parse(line).map_err(|why| anyhow!(why))?;
    }
    if let Some(line) = &args.objects {
        to.objects = Objects::parse(line).map_err(|why| anyhow!(why))?;
    }
    let bar = ProgressBar::new(0);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.set_style(ProgressStyle::with_template(
        "{msg:12} {bar:40} {human_pos}/{human_len}, {eta} left",
    )?);
    let progress = |what: Carrying, done: u64, all: u64| {
        bar.set_message(match what {
            Carrying::Events => "events",
            Carrying::Tags => "message ids",
            Carrying::Objects => "objects",
            Carrying::Verification => "verifying",
        });
        bar.set_length(all.max(done));
        bar.set_position(done);
    };
    let moved = Box::pin(record::carry(&from, &to, Arc::new(SystemClock), progress)).await?;
    bar.finish_and_clear();
    let told = told(&moved, args);
    output::result(format, &told, words);
    Ok(match told.finished {
        true => output::WELL,
        false => output::FOUND,
    })
}

fn told(moved: &Moved, args: Move) -> Told {
    let line = |line: Option<String>| {
        line.map(|line| match line.as_str() {
            "file" => String::new(),
            _ => line,
        })
    };
    Told {
        finished: moved.verified.is_some(),
        events: moved.events,
        carried: moved.carried,
        objects: moved.objects,
        root: moved
            .root
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        storage: line(args.to),
        vault: line(args.objects),
        verified: moved.verified.as_ref().map(|report| report.size),
    }
}

fn words(told: &Told) -> String {
    let mut out = format!(
        "carried: {} events (of {} at the new place), {} objects\nroot     {}\n",
        told.carried, told.events, told.objects, told.root
    );
    if !told.finished {
        out.push_str(
            "a server writes the record, so this was carried ahead: stop it and give the command \
             again",
        );
        return out;
    }
    out.push_str(&format!(
        "verified: {} events are unaltered at the new place, and the roots are the same\n\
         set this in salus.toml, then start:\n",
        told.verified.unwrap_or_default()
    ));
    for (name, line) in [("storage", &told.storage), ("objects", &told.vault)] {
        if let Some(line) = line {
            out.push_str(&format!("  {name} = \"{line}\"\n"));
        }
    }
    out.push_str("what is at the old place is not used any more; remove it when you have backups");
    out
}
