use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::cli::{Format, Import, View};
use crate::config::Config;
use crate::files::{Parts, under};
use crate::local::{Operator, Part};
use crate::operations::Taken;
use crate::output;

/// Refusals that are printed one by one; the rest is counted by reason.
const SHOWN: usize = 50;

/// How far each file is: kept in the data folder, so that an interrupted import goes on.
#[derive(Default, Serialize, Deserialize)]
struct Done {
    /// By a hash of path, size and time of change (a file's name may be a patient's): parts that
    /// were taken, and whether that was all.
    files: BTreeMap<String, Mark>,
}

#[derive(Default, Clone, Copy, Serialize, Deserialize)]
struct Mark {
    parts: u64,
    whole: bool,
    /// The next part was begun when the record had that many events: if this stands here when an
    /// import begins, it was interrupted, and the part may have been taken all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun: Option<u64>,
}

#[derive(Default, Serialize)]
struct Imported {
    files: u64,
    skipped: u64,
    accepted: u64,
    repeated: u64,
    refused: u64,
    reasons: BTreeMap<String, u64>,
    refusals: Vec<Refusal>,
}

#[derive(Serialize)]
struct Refusal {
    file: String,
    what: String,
    why: String,
}

pub(crate) async fn run(config: Config, args: &Import, format: Format) -> Result<u8> {
    let files = under(&args.paths)?;
    let marks = Marks::open(&config)?;
    let bytes_max = config.import_unpacked_bytes_max;
    let operator = Operator::reach(config).await?;
    let bars = MultiProgress::new();
    let bar = bars.add(ProgressBar::new(files.len() as u64));
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} files, {eta} left  {wide_msg}",
    )?);
    let (_, size) = operator.progress(View::Chart).await?;
    let mut importing = Importing {
        operator,
        size,
        feed: args.feed.clone(),
        bytes_max,
        marks,
        imported: Imported::default(),
    };
    for file in &files {
        let told = importing
            .file(file)
            .await
            .with_context(|| format!("`{}`", file.display()));
        if let Err(why) = told {
            importing.operator.done().await;
            return Err(why);
        }
        bar.set_message(format!("{} accepted", importing.imported.accepted));
        bar.inc(1);
    }
    bar.finish_and_clear();
    importing.operator.done().await;
    let imported = importing.imported;
    output::result(format, &imported, words);
    Ok(if imported.refused == 0 {
        output::WELL
    } else {
        output::FOUND
    })
}

struct Importing {
    operator: Operator,
    /// Events in the record, as far as this import knows.
    size: u64,
    feed: String,
    bytes_max: u64,
    marks: Marks,
    imported: Imported,
}

impl Importing {
    async fn file(&mut self, path: &Path) -> Result<()> {
        let key = key(path)?;
        let mark = self.marks.of(&key);
        self.imported.files += 1;
        if mark.whole {
            self.imported.skipped += 1;
            return Ok(());
        }
        let mut parts = Parts::of(path, self.bytes_max)?;
        let mut number = 0;
        while let Some((kind, bytes)) = parts.next()? {
            number += 1;
            if number <= mark.parts {
                continue;
            }
            let part = Part {
                kind,
                feed: self.feed.clone(),
                begun: mark.begun.filter(|_| number == mark.parts + 1),
            };
            let begun = part.begun.unwrap_or(self.size);
            self.mark(&key, (number - 1, false, Some(begun)))?;
            let taken = self.operator.take(&part, bytes).await?;
            self.size = taken.size;
            self.count(path, taken);
            self.mark(&key, (number, false, None))?;
        }
        self.mark(&key, (number, true, None))
    }

    fn mark(&mut self, key: &str, (parts, whole, begun): (u64, bool, Option<u64>)) -> Result<()> {
        let mark = Mark {
            parts,
            whole,
            begun,
        };
        self.marks.set(key, mark)
    }

    fn count(&mut self, path: &Path, taken: Taken) {
        let imported = &mut self.imported;
        imported.accepted += taken.accepted;
        imported.repeated += taken.repeated;
        imported.refused += taken.refused.len() as u64;
        for (what, why) in taken.refused {
            *imported.reasons.entry(why.clone()).or_default() += 1;
            if imported.refusals.len() < SHOWN {
                let file = path.display().to_string();
                imported.refusals.push(Refusal { file, what, why });
            }
        }
    }
}

/// The marks, in a file that is replaced as a whole.
struct Marks {
    path: PathBuf,
    done: Done,
}

impl Marks {
    fn open(config: &Config) -> Result<Marks> {
        let path = config.data.join("imports.json");
        let done = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("`{}` is damaged; remove it", path.display()))?,
            Err(_) => Done::default(),
        };
        // Earlier versions kept the names themselves.
        let hash = |(key, mark): (String, Mark)| match key.contains('|') {
            true => (hashed(&key), mark),
            false => (key, mark),
        };
        let done = Done {
            files: done.files.into_iter().map(hash).collect(),
        };
        Ok(Marks { path, done })
    }

    fn of(&self, key: &str) -> Mark {
        self.done.files.get(key).copied().unwrap_or_default()
    }

    fn set(&mut self, key: &str, mark: Mark) -> Result<()> {
        self.done.files.insert(key.to_owned(), mark);
        let next = self.path.with_extension("json.next");
        fs::write(&next, serde_json::to_vec(&self.done)?)?;
        fs::rename(&next, &self.path).context("cannot note how far the import is")
    }
}

fn key(path: &Path) -> Result<String> {
    use std::os::unix::fs::MetadataExt as _;
    let whole = path.canonicalize()?;
    let meta = fs::metadata(&whole)?;
    let name = whole.display();
    Ok(hashed(&format!("{name}|{}|{}", meta.len(), meta.mtime())))
}

fn hashed(key: &str) -> String {
    let hash = seal::sha256(&[key.as_bytes()]);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn words(imported: &Imported) -> String {
    let mut out = String::new();
    for one in &imported.refusals {
        out.push_str(&format!(
            "refused  {}: {}: {}\n",
            one.file, one.what, one.why
        ));
    }
    if imported.refused > imported.refusals.len() as u64 {
        out.push_str("refused  ... and more, by reason:\n");
        for (why, count) in &imported.reasons {
            out.push_str(&format!("  {count:>8}  {why}\n"));
        }
    }
    out.push_str(&format!(
        "{} accepted, {} there already, {} refused, from {} files ({} were done before)",
        imported.accepted, imported.repeated, imported.refused, imported.files, imported.skipped
    ));
    out
}
