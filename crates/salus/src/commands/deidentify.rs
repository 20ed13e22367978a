//! `salus deidentify`: DICOM files outside the record, without who they are of.

use std::fs::{self, DirBuilder, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use guard::mask::Secret;
use serde::Serialize;
use tempfile::NamedTempFile;
use wire::dicom::{Choice, Clean, Device, Done, Limits, NotClean, Pixels};

use super::export;
use crate::cli::{Deidentify, Format, ImageDates};
use crate::config::Config;
use crate::files::under;
use crate::output;

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
    warnings: Vec<&'static str>,
    /// Why it did not leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

#[derive(Debug, Serialize)]
struct Counts {
    removed: usize,
    private: usize,
    unknown: usize,
    blanked: usize,
    named: usize,
    uids: usize,
    moved: usize,
}

pub(crate) fn run(config: &Config, args: &Deidentify, format: Format) -> Result<u8> {
    let files = under(&args.paths)?;
    let secret = Secret::new(&export::secret(args.secret_file.as_deref())?);
    let secret = secret.context("the secret must have 16 bytes or more")?;
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&args.to);
    made.with_context(|| format!("cannot make the folder `{}`", args.to.display()))?;
    let work = Work {
        args,
        secret,
        limits: config.dicom.limits(),
        bytes_max: config.dicom.object_bytes_max,
    };
    let mut report = Report::default();
    for file in files {
        let one = work.one(file);
        match one.refused {
            None => report.left += 1,
            Some(_) => report.refused += 1,
        }
        report.files.push(one);
    }
    output::result(format, &report, words);
    Ok(match report.refused {
        0 => output::WELL,
        _ => output::FOUND,
    })
}

struct Work<'a> {
    args: &'a Deidentify,
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
                warnings: clean.warnings,
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
        let mut clean = self.clean(&bytes)?;
        drop(bytes);
        // The name of the file that came may be the patient's.
        let name = format!("{}.dcm", clean.instance);
        keep(&self.args.to, &name, &clean.file)?;
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

    fn clean(&self, bytes: &[u8]) -> Result<Clean> {
        let (secret, args) = (&self.secret, self.args);
        let uid = |uid: &str| secret.oid(uid);
        let patient = |key: &str| secret.pseudonym("PATIENT", key);
        let days = |key: &str| secret.days(key);
        let choice = Choice {
            uid: (!args.keep_uids).then_some(&uid),
            patient: &patient,
            days: match args.dates {
                ImageDates::Shift => Some(&days),
                ImageDates::Remove => None,
            },
            device: match args.keep_device {
                true => Device::Stays,
                false => Device::Gone,
            },
            pixels: match args.pixels_looked_at {
                true => Pixels::LookedAt,
                false => Pixels::Unseen,
            },
        };
        let clean = wire::dicom::deidentify(bytes, &choice, &self.limits);
        clean.map_err(|why| match why {
            NotClean::Pixels(_) => {
                anyhow::anyhow!("{why}; look at it, then give `--pixels-looked-at`")
            }
            why => why.into(),
        })
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

impl Counts {
    fn of(done: Done) -> Counts {
        Counts {
            removed: done.removed,
            private: done.private,
            unknown: done.unknown,
            blanked: done.blanked,
            named: done.named,
            uids: done.uids,
            moved: done.moved,
        }
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
