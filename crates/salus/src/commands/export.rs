use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use guard::mask::Counts;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::cli::{Export, Format};
use crate::config::Config;
use crate::export::{DateRule, ExportPart, Exported};
use crate::local::Operator;
use crate::output;

/// The fewest bytes of a secret that comes from a file.
const SECRET_BYTES_MIN: usize = 16;

/// What an export did, as `report.json` keeps it.
#[derive(Debug, Serialize)]
struct Report {
    /// The index of the request that another person agreed to.
    agreed: u64,
    reason: String,
    dates: DateRule,
    patients: u64,
    /// Resources that left, by FHIR type.
    resources: BTreeMap<String, u64>,
    /// Bytes that left and were searched again for everything the record knows. A resource in
    /// which the second look finds anything is among the refused.
    searched_bytes: u64,
    /// How much was masked, by kind of identifier.
    masked: Counts,
    /// What the second look found in the bytes that left.
    known_identifiers: u64,
    /// Resources that were left out by their nature, by FHIR type and reason.
    left_out: BTreeMap<String, BTreeMap<String, u64>>,
    /// Resources that did not leave, by FHIR type and reason.
    refused: BTreeMap<String, BTreeMap<String, u64>>,
}

pub(crate) async fn run(config: Config, args: &Export, format: Format) -> Result<u8> {
    if !args.deidentify {
        bail!("only de-identified exports are made: add `--deidentify`");
    }
    let files = Files::new(&args.to)?;
    let part = ExportPart {
        agreed: args.agreed,
        reason: args.reason.clone(),
        secret: hex(&secret(args.secret.as_deref())?),
        dates: args.dates,
        page: None,
    };
    let operator = Operator::reach(config).await?;
    let written = all(&operator, part, files).await;
    operator.done().await;
    let report = written?;
    output::result(format, &report, words);
    Ok(match report.refused.is_empty() {
        true => output::WELL,
        false => output::FOUND,
    })
}

async fn all(operator: &Operator, mut part: ExportPart, mut files: Files) -> Result<Report> {
    let mut report = Report {
        agreed: part.agreed,
        reason: part.reason.clone(),
        dates: part.dates,
        patients: 0,
        resources: BTreeMap::new(),
        searched_bytes: 0,
        masked: Counts::new(),
        known_identifiers: 0,
        left_out: BTreeMap::new(),
        refused: BTreeMap::new(),
    };
    let bar = ProgressBar::new_spinner();
    loop {
        let exported = operator.export(&part).await?;
        part.page = exported.next.clone();
        files.write(&exported)?;
        report.add(exported);
        bar.set_message(format!("{} patients", report.patients));
        bar.tick();
        if part.page.is_none() {
            break;
        }
    }
    bar.finish_and_clear();
    files.finish(&report)?;
    Ok(report)
}

/// A new secret for each export, unless one from a file links this one with others.
pub(super) fn secret(file: Option<&Path>) -> Result<Vec<u8>> {
    let bytes = match file {
        Some(path) => fs::read(path)
            .with_context(|| format!("cannot read the secret `{}`", path.display()))?,
        None => {
            let mut random = vec![0; 32];
            let filled = SystemRandom::new().fill(&mut random).ok();
            filled.context("the system has no randomness")?;
            random
        }
    };
    if bytes.len() < SECRET_BYTES_MIN {
        bail!(
            "the secret has {} bytes; it needs {SECRET_BYTES_MIN} or more",
            bytes.len()
        );
    }
    Ok(bytes)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Report {
    fn add(&mut self, exported: Exported) {
        self.patients += exported.patients;
        self.searched_bytes += exported.searched_bytes;
        for (kind, lines) in exported.lines {
            *self.resources.entry(kind).or_default() += lines.len() as u64;
        }
        for (kind, count) in exported.masked {
            *self.masked.entry(kind).or_default() += count;
        }
        for (kind, why, many) in exported.left_out {
            count(&mut self.left_out, (kind, why, many));
        }
        for (kind, why) in exported.refused {
            count(&mut self.refused, (kind, why, 1));
        }
    }
}

fn count(
    reasons: &mut BTreeMap<String, BTreeMap<String, u64>>,
    (kind, why, many): (String, String, u64),
) {
    *reasons.entry(kind).or_default().entry(why).or_default() += many;
}

/// The files of an export: `.part` until everything is there.
struct Files {
    folder: PathBuf,
    open: BTreeMap<String, File>,
}

impl Files {
    fn new(folder: &Path) -> Result<Files> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        if fs::read_dir(folder)?.next().is_some() {
            bail!("`{}` is not empty: name a new folder", folder.display());
        }
        Ok(Files {
            folder: folder.to_owned(),
            open: BTreeMap::new(),
        })
    }

    /// Appends the lines of one part.
    fn write(&mut self, exported: &Exported) -> Result<()> {
        for (kind, lines) in &exported.lines {
            if !self.open.contains_key(kind) {
                let file = new_file(&self.folder.join(format!("{kind}.ndjson.part")))?;
                self.open.insert(kind.clone(), file);
            }
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            if let Some(file) = self.open.get_mut(kind) {
                file.write_all(text.as_bytes())?;
            }
        }
        Ok(())
    }

    fn finish(self, report: &Report) -> Result<()> {
        for (kind, file) in self.open {
            file.sync_all()?;
            let name = self.folder.join(format!("{kind}.ndjson"));
            fs::rename(self.folder.join(format!("{kind}.ndjson.part")), name)?;
        }
        let json = serde_json::to_string_pretty(report)?;
        new_file(&self.folder.join("report.json"))?.write_all(json.as_bytes())?;
        new_file(&self.folder.join("report.txt"))?.write_all(words(report).as_bytes())?;
        Ok(())
    }
}

fn new_file(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.with_context(|| format!("cannot write `{}`", path.display()))
}

fn words(report: &Report) -> String {
    let resources: u64 = report.resources.values().sum();
    let mut out = format!(
        "{} patients, {resources} resources in {} files\n",
        report.patients,
        report.resources.len()
    );
    out.push_str("masked:\n");
    for (kind, count) in &report.masked {
        out.push_str(&format!("  {count:>8}  {}\n", kind.word().to_lowercase()));
    }
    for (heading, all) in [
        ("left out", &report.left_out),
        ("did not leave", &report.refused),
    ] {
        if !all.is_empty() {
            out.push_str(&format!("{heading}:\n"));
        }
        for (kind, reasons) in all {
            for (why, count) in reasons {
                out.push_str(&format!("  {count:>8}  {kind}: {why}\n"));
            }
        }
    }
    out.push_str(&format!(
        "{} known identifiers in {} bytes",
        report.known_identifiers, report.searched_bytes
    ));
    out
}
