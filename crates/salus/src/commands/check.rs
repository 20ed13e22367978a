//! Checks what was handed out: offline, with nothing but public keys. Or holds a head that somebody
//! kept (on paper, in a QR code) against a record of today.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use event::Time;
use record::vault::{LocalVault, Vault};
use record::{Held, hold};
use seal::{Disclosure, LogVerifier, PrintedHead, Proof, WitnessVerifier, leaf_hash};
use serde::Serialize;

use crate::cli::{Check, Format};
use crate::config::Config;
use crate::output;
use crate::remote::Remote;
use crate::served::Served;

/// What came out.
#[derive(Serialize)]
struct Verdict {
    /// `proved` or `not-proved`.
    verdict: &'static str,
    /// Why, in words.
    why: String,
    origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    /// Events under the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// When the event was sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
    /// The event's text, if the file holds one.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Which witnesses cosigned the checkpoint, and when.
    cosigned: Vec<Cosigned>,
}

#[derive(Serialize)]
struct Cosigned {
    name: String,
    at: String,
}

pub(crate) async fn run(config: &Config, args: &Check, format: Format) -> Result<u8> {
    let log = LogVerifier::new(&key(config, args.key.as_deref())?)
        .context("the key is not in signed-note form: NAME+ID+BASE64")?;
    let verdict = match (&args.file, &args.head) {
        (Some(file), None) => on_file(&read(file)?, &log, args)?,
        (None, Some(head)) => on_head(config, args, (head, &log)).await?,
        _ => bail!("name a file to check, or a head with `--head`"),
    };
    output::result(format, &verdict, words);
    Ok(match verdict.verdict {
        PROVED => output::WELL,
        _ => output::FOUND,
    })
}

const PROVED: &str = "proved";

/// The public key: as it was given, from the file that was given, or the data folder's own.
fn key(config: &Config, given: Option<&str>) -> Result<String> {
    let own = config.data.join("keys/log.pub");
    match given {
        Some(key) if key.contains('+') && !Path::new(key).exists() => Ok(key.to_owned()),
        Some(path) => read(Path::new(path)),
        None => fs::read_to_string(&own).with_context(|| {
            format!(
                "there is no `{}`: name the log's public key with `--key`",
                own.display()
            )
        }),
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// A disclosure, or a proof with its entry in it.
fn on_file(text: &str, log: &LogVerifier, args: &Check) -> Result<Verdict> {
    let mut verdict = nothing(log);
    if text.starts_with("c2sp.org/tlog-proof@") {
        let proof = Proof::from_text(text)?;
        if proof.extra.is_empty() {
            bail!("the proof does not hold the entry that it is about (its `extra` line)");
        }
        verdict.index = Some(proof.index);
        match proof.verify(&leaf_hash(&proof.extra), log) {
            Ok(size) => prove(&mut verdict, size, "the entry was sealed at this index"),
            Err(why) => verdict.why = why.to_string(),
        }
        cosigned(&mut verdict, &proof.checkpoint, args)?;
        return Ok(verdict);
    }
    let disclosure = Disclosure::from_text(text)?;
    match disclosure.verify(log) {
        Ok(proved) => {
            prove(
                &mut verdict,
                proved.size,
                "this text was sealed at this index",
            );
            verdict.index = Some(proved.index);
            verdict.sealed = Some(Time::from_millis(proved.at).to_string());
            let text = String::from_utf8_lossy(&disclosure.plaintext);
            verdict.text = Some(text.into_owned());
        }
        Err(why) => verdict.why = why.to_string(),
    }
    let checkpoint = disclosure.proof.split_once("\n\n");
    let checkpoint = checkpoint.map_or("", |(_, checkpoint)| checkpoint);
    cosigned(&mut verdict, checkpoint, args)?;
    Ok(verdict)
}

fn nothing(log: &LogVerifier) -> Verdict {
    Verdict {
        verdict: "not-proved",
        why: String::new(),
        origin: log.origin().to_owned(),
        index: None,
        size: None,
        sealed: None,
        text: None,
        cosigned: Vec::new(),
    }
}

fn prove(verdict: &mut Verdict, size: u64, why: &str) {
    verdict.verdict = PROVED;
    verdict.size = Some(size);
    why.clone_into(&mut verdict.why);
}

/// Who cosigned, of the witnesses that were named. Too few of them: not proved.
fn cosigned(verdict: &mut Verdict, checkpoint: &str, args: &Check) -> Result<()> {
    for key in &args.witnesses {
        let witness = WitnessVerifier::new(key)
            .with_context(|| format!("`{key}` is no witness's key (vkey of type 4)"))?;
        if let Some(seconds) = witness.cosigned(checkpoint) {
            let millis = i64::try_from(seconds)
                .unwrap_or_default()
                .saturating_mul(1_000);
            verdict.cosigned.push(Cosigned {
                name: witness.name().to_owned(),
                at: Time::from_millis(millis).to_string(),
            });
        }
    }
    let needed = args.needed.unwrap_or(args.witnesses.len());
    let (have, proved) = (verdict.cosigned.len(), verdict.verdict == PROVED);
    if proved && have < needed {
        verdict.verdict = "not-proved";
        verdict.why =
            format!("{have} of the witnesses cosigned the checkpoint, {needed} are needed");
    }
    Ok(())
}

/// Holds a head that somebody kept against a record folder or served tiles.
async fn on_head(
    config: &Config,
    args: &Check,
    (head, log): (&str, &LogVerifier),
) -> Result<Verdict> {
    let text = match Path::new(head) {
        path if path.is_file() => read(path)?,
        _ => head.replace("\\n", "\n"),
    };
    let head = PrintedHead::read(&text)
        .context("the head is not `SIZE ROOT` (as printed) or a checkpoint (from a QR code)")?;
    if head
        .origin
        .as_deref()
        .is_some_and(|origin| origin != log.origin())
    {
        bail!(
            "the head is of the log `{}`",
            head.origin.unwrap_or_default()
        );
    }
    let vault = vault(config, args)?;
    let held = hold(vault.as_ref(), log, (head.size, head.root)).await?;
    let mut verdict = nothing(log);
    verdict.size = Some(held.size());
    verdict.why = match &held {
        Held::Same(_) => "the record ends at this head".to_owned(),
        Held::Grown(size) => format!(
            "the record has {size} events now and still holds the {} under this head, unchanged",
            head.size
        ),
        Held::Shorter(size) => format!(
            "the record has {size} events, {} were under this head: it was rolled back",
            head.size
        ),
        Held::Forked(_) => {
            "the record does not follow from this head: what it held was changed".to_owned()
        }
    };
    if matches!(held, Held::Same(_) | Held::Grown(_)) {
        verdict.verdict = PROVED;
    }
    Ok(verdict)
}

fn vault(config: &Config, args: &Check) -> Result<Box<dyn Vault>> {
    let place = args.against.as_deref();
    if let Some(url) = place.filter(|place| place.contains("://")) {
        let token = match &args.token_file {
            Some(path) => read(path)?,
            None => String::new(),
        };
        let authorities = args.authorities.as_deref().unwrap_or_else(|| Path::new(""));
        let remote = Remote::new(url, authorities)?.with_token(&token);
        return Ok(Box::new(Served::new(remote)));
    }
    let folder = place.map_or_else(|| config.data.clone(), Into::into);
    let inside = folder.join("vault");
    let folder = if inside.is_dir() { inside } else { folder };
    if !folder.join(record::vault::CHECKPOINT).is_file() {
        bail!("there is no checkpoint in `{}`", folder.display());
    }
    Ok(Box::new(LocalVault::open(&folder)?))
}

/// A line in which a control character does nothing to the terminal.
fn visible(line: &str) -> String {
    let shown = |letter: char| {
        if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        }
    };
    line.chars().map(shown).collect()
}

fn words(verdict: &Verdict) -> String {
    let mut out = match verdict.verdict {
        PROVED => format!("PROVED: {}\n", verdict.why),
        _ => format!("NOT PROVED: {}\n", verdict.why),
    };
    let mut line = |label: &str, value: &str| out.push_str(&format!("{label:<9}{value}\n"));
    line("log", &verdict.origin);
    if let Some(index) = verdict.index {
        line("event", &index.to_string());
    }
    if let Some(size) = verdict.size {
        line("events", &size.to_string());
    }
    if let Some(sealed) = &verdict.sealed {
        line("sealed", sealed);
    }
    for one in &verdict.cosigned {
        line("witness", &format!("{} at {}", one.name, one.at));
    }
    if let Some(text) = &verdict.text {
        let lines = text.split(['\r', '\n']).filter(|line| !line.is_empty());
        let shown: Vec<String> = lines.map(visible).collect();
        out.push_str(&format!("\n{}\n", shown.join("\n")));
    }
    out.trim_end().to_owned()
}
