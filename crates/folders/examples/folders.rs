//! Keeps a folder at a place and brings it back, without a record: how long each takes.
//!
//! `folders FOLDER PLACE BACK`: both empty or not there; prints seconds.

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
        let begun = Instant::now();
        let kept = repository.keep("lab", from, Arc::clone(&still)).await?;
        say(run, begun, &format!("{kept:?}"));
    }
    let begun = Instant::now();
    let brought = repository.bring(&[], &back, still).await?;
    say("restore", begun, &format!("{brought:?}"));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn say(what: &str, begun: Instant, came: &str) {
    println!(
        "{what:<8} {:.2} s  {came:.120}",
        begun.elapsed().as_secs_f64()
    );
}
