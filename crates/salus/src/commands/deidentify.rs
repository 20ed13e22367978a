//! `salus deidentify`: DICOM files outside the record, or a study in it, without who they are of.

use std::fs::{self, DirBuilder, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use guard::mask::Secret;
use indicatif::ProgressBar;
use serde::Serialize;
use tempfile::NamedTempFile;
use wire::dicom::{Clean, Limits};

use super::export;
use crate::cleaning::{Counts, Rules};
use crate::cli::{Deidentify, Format};
use crate::config::Config;
use crate::files::under;
use crate::local::Operator;
use crate::output;
use crate::study_out::Wanted;

/// What was done to all files. It names the files that came, and so may name their patients: it is printed,
/// and not written beside what left.
#[derive(Debug, Default, Serialize)]
struct Report {
    left: usize,
    refused: usize,
    files: Vec<One>,
}

/// What was done to one file.
#[derive(Debug, Default, Serialize)]
struct One {
    file: PathBuf,
    /// What it is called in the folder, if it left.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// How many elements something was done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<Counts>,
    /// What a person should know of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// Why it did not leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

pub(crate) async fn run(config: Config, args: &Deidentify, format: Format) -> Result<u8> {
    let report = match &args.study {
        Some(study) => study_of(config, args, study).await?,
        None => of_files(&config, args)?,
    };
    output::result(format, &report, words);
    Ok(match report.refused {
        0 => output::WELL,
        _ => output::FOUND,
    })
}

fn folder(to: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(to);
    made.with_context(|| format!("cannot make the folder `{}`", to.display()))
}

fn of_files(config: &Config, args: &Deidentify) -> Result<Report> {
    let files = under(&args.paths)?;
    let secret = Secret::new(&export::secret(args.secret_file.as_deref())?);
    let work = Work {
        to: &args.to,
        rules: rules(args),
        secret: secret.context("the secret must have 16 bytes or more")?,
        limits: config.dicom.limits(),
        bytes_max: config.dicom.object_bytes_max,
    };
    folder(&args.to)?;
    let mut report = Report::default();
    for file in files {
        report.add(work.one(file));
    }
    Ok(report)
}

/// A study of the record, by the word of the guard.
async fn study_of(config: Config, args: &Deidentify, study: &str) -> Result<Report> {
    let wanted = Wanted {
        agreed: args.agreed.unwrap_or_default(),
        study: study.to_owned(),
        reason: args.reason.clone().unwrap_or_default(),
        secret: export::hex(&export::secret(args.secret_file.as_deref())?),
        rules: rules(args),
    };
    folder(&args.to)?;
    let operator = Operator::reach(config).await?;
    let report = written(&operator, wanted, &args.to).await;
    operator.done().await;
    report
}

async fn written(operator: &Operator, wanted: Wanted, to: &Path) -> Result<Report> {
    let mut objects = operator.study_out(wanted).await?;
    let bar = ProgressBar::new_spinner();
    let mut report = Report::default();
    while let Some((told, file)) = objects.next().await? {
        let kept = match told.refused {
            Some(why) => Err(why),
            None => keep(to, &told.name, &file).map_err(|why| format!("{why:#}")),
        };
        report.add(One {
            file: PathBuf::from(format!("event {}", told.event)),
            to: kept.is_ok().then_some(told.name),
            done: told.done.filter(|_| kept.is_ok()),
            warnings: told.warnings,
            refused: kept.err(),
        });
        bar.set_message(format!("{} left, {} did not", report.left, report.refused));
        bar.tick();
    }
    bar.finish_and_clear();
    Ok(report)
}

fn rules(args: &Deidentify) -> Rules {
    Rules {
        dates: args.dates,
        keep_uids: args.keep_uids,
        keep_device: args.keep_device,
        pixels_looked_at: args.pixels_looked_at,
    }
}

impl Report {
    fn add(&mut self, one: One) {
        match one.refused {
            None => self.left += 1,
            Some(_) => self.refused += 1,
        }
        self.files.push(one);
    }
}

struct Work<'a> {
    to: &'a Path,
    rules: Rules,
    secret: Secret,
    limits: Limits,
    bytes_max: usize,
}

impl Work<'_> {
    fn one(&self, file: PathBuf) -> One {
        match self.leave(&file) {
            Ok((to, clean)) => One {
                file,
                to: Some(to),
                done: Some(Counts::of(clean.done)),
                warnings: clean.warnings.iter().map(|one| (*one).to_owned()).collect(),
                refused: None,
            },
            Err(why) => One {
                file,
                refused: Some(format!("{why:#}")),
                ..One::default()
            },
        }
    }

    fn leave(&self, file: &Path) -> Result<(String, Clean)> {
        let bytes = self.read(file)?;
        let mut clean = self.rules.clean(&bytes, (&self.secret, &self.limits))?;
        drop(bytes);
        // The name of the file that came may be the patient's.
        let name = format!("{}.dcm", clean.instance);
        keep(self.to, &name, &clean.file)?;
        clean.file = Vec::new();
        Ok((name, clean))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        // What is no regular file may never end.
        if !fs::metadata(path).context("cannot read it")?.is_file() {
            bail!("it is no regular file");
        }
        let file = File::open(path).context("cannot read it")?;
        let more = u64::try_from(self.bytes_max).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        let read = file.take(more.saturating_add(1)).read_to_end(&mut bytes);
        read.context("cannot read it")?;
        if bytes.len() > self.bytes_max {
            bail!(
                "it has more than {} bytes (`object_bytes_max`)",
                self.bytes_max
            );
        }
        Ok(bytes)
    }
}

/// Writes a file whole or not at all, and over nothing that is there.
fn keep(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    let writing = || format!("cannot write `{}`", path.display());
    let mut file = NamedTempFile::new_in(folder).with_context(writing)?;
    file.write_all(bytes).with_context(writing)?;
    file.as_file().sync_all().with_context(writing)?;
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(()),
        Err(why) if why.error.kind() == std::io::ErrorKind::AlreadyExists => bail!(
            "`{}` is there already: the same object came twice, or the folder is an earlier run's",
            path.display()
        ),
        Err(why) => Err(why.error).with_context(writing),
    }
}

fn words(report: &Report) -> String {
    let mut out = String::new();
    for one in &report.files {
        out.push_str(&line(one));
        for warning in &one.warnings {
            out.push_str(&format!("  WARNING: {warning}\n"));
        }
    }
    out.push_str(&format!("{} left, {} did not", report.left, report.refused));
    out
}

fn line(one: &One) -> String {
    let file = one.file.display();
    if let Some(why) = &one.refused {
        return format!("`{file}` does not leave: {why}\n");
    }
    let to = one.to.as_deref().unwrap_or_default();
    let Some(done) = &one.done else {
        return format!("`{file}` left as {to}\n");
    };
    format!(
        "`{file}` left as {to}: {} removed, {} private, {} unknown, {} blanked, {} that named somebody, \
         {} with other UIDs, {} dates moved\n",
        done.removed, done.private, done.unknown, done.blanked, done.named, done.uids, done.moved
    )
}
