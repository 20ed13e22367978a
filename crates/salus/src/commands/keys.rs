use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result, bail};
use event::Time;
use serde::Serialize;

use crate::assemble::{ID_KEY, LOG_KEY};
use crate::cli::{Format, Keys};
use crate::config::Config;
use crate::keeping::{Rotated, Shares, Which, read_page};
use crate::local::Operator;
use crate::output;

/// Shares that one command can make, at most: more than anybody keeps apart.
const SHARES_MAX: u8 = 40;

pub(crate) async fn run(config: Config, command: Keys, format: Format) -> Result<u8> {
    match command {
        Keys::Show => show(&config, format).await,
        Keys::Rotate {
            root,
            log,
            retire_log,
            id,
        } => {
            let which = match (root, log, retire_log, id) {
                (true, ..) => Which::Root,
                (_, true, ..) => Which::Log,
                (_, _, true, _) => Which::RetireLog,
                (.., true) => Which::Id,
                _ => Which::Wrapping,
            };
            rotate(config, which, format).await
        }
        Keys::Escrow { shares, needed, to } => {
            escrow(config, (Shares { shares, needed }, &to), format).await
        }
        Keys::Recover { shares } => recover(&config, &shares, format).await,
    }
}

#[derive(Serialize)]
struct Shown {
    root: &'static str,
    root_at: Option<String>,
    escrow: Option<Escrowed>,
    generations: Vec<Generation>,
    keys: u64,
    /// When the key that signs checkpoints was made.
    log_at: Option<String>,
    /// When the key that signs id tokens was made; none: no server has made one yet.
    id_at: Option<String>,
    erasures: u64,
    unfinished: bool,
}

#[derive(Serialize)]
struct Escrowed {
    set: String,
    shares: u8,
    needed: u8,
    at: Option<String>,
}

#[derive(Serialize)]
struct Generation {
    number: i64,
    at: Option<String>,
    keys: u64,
}

/// When a key that signs was made: as the keyring says, or, for keys from before it said so, when the
/// file was written.
pub(super) fn made(config: &Config, file: &str, noted: Option<Time>) -> Option<Time> {
    noted.or_else(|| {
        let written = fs::metadata(config.data.join(file)).ok()?.modified().ok()?;
        let since = written.duration_since(UNIX_EPOCH).ok()?;
        Some(Time::from_millis(i64::try_from(since.as_millis()).ok()?))
    })
}

async fn show(config: &Config, format: Format) -> Result<u8> {
    let report = record::keys(&config.record()).await?;
    let time = |at: Option<Time>| at.map(|at| at.to_string());
    let shown = Shown {
        root: if report.in_token { "pkcs11" } else { "file" },
        root_at: time(report.root_at),
        escrow: report.escrow.map(|(shares, needed)| Escrowed {
            set: report.escrow_set.clone().unwrap_or_default(),
            shares,
            needed,
            at: time(report.escrow_at),
        }),
        unfinished: report.generations.len() > 1 || report.erasing > 0,
        generations: report
            .generations
            .iter()
            .map(|one| Generation {
                number: one.number,
                at: time(one.at),
                keys: one.keys,
            })
            .collect(),
        keys: report.keys,
        log_at: time(made(config, LOG_KEY, report.log_at)),
        id_at: time(made(config, ID_KEY, report.id_at)),
        erasures: report.erasures,
    };
    output::result(format, &shown, shown_in_words);
    Ok(output::WELL)
}

fn shown_in_words(shown: &Shown) -> String {
    let since = |at: &Option<String>| match at {
        Some(at) => format!("since {at}"),
        None => "of unknown age".to_owned(),
    };
    let place = match shown.root {
        "pkcs11" => "in a PKCS#11 token",
        _ => "in keys/root.key",
    };
    let mut out = vec![format!(
        "root key            {place}, {}",
        since(&shown.root_at)
    )];
    out.push(match &shown.escrow {
        Some(escrow) => format!(
            "escrow              {} shares, {} needed, set {}, {}",
            escrow.shares,
            escrow.needed,
            escrow.set,
            since(&escrow.at)
        ),
        None => "escrow              none: `salus keys escrow` writes shares to print".to_owned(),
    });
    for one in &shown.generations {
        out.push(format!(
            "key-encryption key  generation {}, {}, wraps {} keys",
            one.number,
            since(&one.at),
            one.keys
        ));
    }
    for (name, at) in [
        ("log key             signs checkpoints", &shown.log_at),
        ("id key              signs id tokens", &shown.id_at),
    ] {
        out.push(format!("{name}, {}", since(at)));
    }
    out.push(format!(
        "keys                {} of patients and days; {} orders to erase were carried out",
        shown.keys, shown.erasures
    ));
    if shown.unfinished {
        out.push("a rotation or an erasure was broken off: `salus keys rotate` goes on".to_owned());
    }
    out.join("\n")
}

async fn rotate(config: Config, which: Which, format: Format) -> Result<u8> {
    let operator = Operator::reach(config).await?;
    let rotated = operator.rotate(which).await;
    operator.done().await;
    output::result(format, &rotated?, rotated_in_words);
    Ok(output::WELL)
}

fn rotated_in_words(rotated: &Rotated) -> String {
    if let Some(what) = &rotated.signing {
        return match what.starts_with("log key rotated") {
            true => format!(
                "{what}\nhand out keys/log.pub anew to whoever verifies (witnesses, standbys, courts), \
                 copy keys/log.key to where you keep it, then `salus keys rotate --retire-log`"
            ),
            false => what.clone(),
        };
    }
    match &rotated.root {
        Some(root) => format!(
            "the root key is new: {root}\nshares of the one before are worth nothing now: run \
             `salus keys escrow`, print the new ones, destroy the old ones; copy the new root key \
             and `keyring.db` to where you keep them, and destroy the copies of the old ones"
        ),
        None => format!(
            "{} keys are wrapped by key-encryption key {} now{}",
            rotated.keys,
            rotated.generation,
            if rotated.resumed {
                "; a rotation that was broken off is finished"
            } else {
                ""
            }
        ),
    }
}

#[derive(Serialize)]
struct Written {
    set: String,
    needed: u8,
    files: Vec<PathBuf>,
}

async fn escrow(config: Config, (of, to): (Shares, &Path), format: Format) -> Result<u8> {
    if of.needed < 2 || of.shares < of.needed || of.shares > SHARES_MAX {
        bail!("`--needed` must be at least 2, and `--shares` from `--needed` to {SHARES_MAX}");
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(to);
    made.with_context(|| format!("cannot make the folder `{}`", to.display()))?;
    let operator = Operator::reach(config).await?;
    let pages = operator.escrow(of).await;
    operator.done().await;
    let pages = pages?;
    let mut files = Vec::new();
    for (number, text) in &pages.pages {
        let path = to.join(format!("share-{}-{number}.txt", pages.set));
        write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        files.push(path);
    }
    let written = Written {
        set: pages.set,
        needed: of.needed,
        files,
    };
    output::result(format, &written, |written| {
        let files: Vec<String> = written
            .files
            .iter()
            .map(|file| format!("  {}", file.display()))
            .collect();
        format!(
            "{} shares of the root key, any {} of which give it back:\n{}\nprint each, give each to \
             another person, then destroy these files: together they are the root key",
            written.files.len(),
            written.needed,
            files.join("\n")
        )
    });
    Ok(output::WELL)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

#[derive(Serialize)]
struct Recovered {
    path: PathBuf,
}

async fn recover(config: &Config, named: &[PathBuf], format: Format) -> Result<u8> {
    let mut shares = Vec::new();
    for path in named {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the share `{}`", path.display()))?;
        shares.push(read_page(&text).with_context(|| format!("`{}`", path.display()))?);
    }
    record::recover_root(&config.record(), &shares).await?;
    let recovered = Recovered {
        path: config.data.join("keys/root.key"),
    };
    output::result(format, &recovered, |done| {
        format!(
            "the root key opens the keyring and is in `{}`",
            done.path.display()
        )
    });
    Ok(output::WELL)
}
