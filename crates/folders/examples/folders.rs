//! Keeps a folder at a place and brings it back, without a record: how long each takes.
//!
//! `folders FOLDER PLACE BACK`: the last two empty or not there. Prints seconds, and seconds of the
//! processors: the second figure holds on a machine that has other things to do as well.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use folders::{Progress, Repository, Source};
use record::{Pins, Place};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(folder), Some(place), Some(back)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: folders FOLDER PLACE BACK".into());
    };
    std::fs::create_dir_all(&place)?;
    let pins = Pins::open(&Place::Folder(place.clone()), None).await?;
    let repository = Repository::new(Arc::new(pins), "secret");
    repository.make(&place.join("begun")).await?;
    let still: Progress = Arc::new(|_, _| {});
    for run in ["first", "second"] {
        let from = Source::Paths(vec![folder.clone()]);
        let begun = (Instant::now(), worked());
        let kept = repository.keep("lab", from, Arc::clone(&still)).await?;
        say(run, begun, &format!("{kept:?}"));
    }
    let begun = (Instant::now(), worked());
    let brought = repository.bring(&[], &back, still).await?;
    say("restore", begun, &format!("{brought:?}"));
    Ok(())
}

/// Seconds that the processors worked for this process.
fn worked() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|one| one.parse::<f64>().ok()).sum::<f64>() / 100.0
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn say(what: &str, (begun, before): (Instant, f64), came: &str) {
    let (took, worked) = (begun.elapsed().as_secs_f64(), worked() - before);
    println!("{what:<8} {took:>6.2} s {worked:>6.2} s  {came:.100}");
}
