use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::cli::{Format, Proof};
use crate::config::Config;
use crate::disclosing::{Disclose, Handed};
use crate::local::Operator;
use crate::output;

#[derive(Serialize)]
struct Written {
    index: u64,
    proof: String,
    entry: String,
    /// The event in the clear, if a reason was given.
    disclosure: Option<String>,
    sheet: Option<String>,
    /// The sealed decision that allowed it.
    decision: Option<u64>,
    public_key: String,
}

pub(crate) async fn run(config: Config, args: &Proof, format: Format) -> Result<u8> {
    let index = args.index;
    // First: it publishes what was sealed a moment ago, so that there is something to prove.
    let handed = match &args.reason {
        Some(reason) => Some(hand_out(config.clone(), index, reason).await?),
        None => None,
    };
    let proved = record::prove(&config.record(), index).await?;
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder `{}`", args.out.display()))?;
    let mut written = Written {
        index,
        proof: write(
            args,
            &format!("{index}.tlog-proof"),
            proved.proof.as_bytes(),
        )?,
        entry: write(args, &format!("{index}.entry"), &proved.entry)?,
        disclosure: None,
        sheet: None,
        decision: None,
        public_key: proved.public_key,
    };
    if let Some(handed) = handed {
        let file = write(
            args,
            &format!("{index}.disclosure.json"),
            handed.file.as_bytes(),
        )?;
        written.disclosure = Some(file);
        written.sheet = Some(write(
            args,
            &format!("{index}.html"),
            handed.sheet.as_bytes(),
        )?);
        written.decision = Some(handed.decision);
    }
    output::result(format, &written, words);
    Ok(output::WELL)
}

async fn hand_out(config: Config, index: u64, reason: &str) -> Result<Handed> {
    let order = Disclose {
        index,
        reason: reason.to_owned(),
    };
    let operator = Operator::reach(config).await?;
    let handed = operator.disclose(&order).await;
    operator.done().await;
    handed
}

fn write(args: &Proof, name: &str, content: &[u8]) -> Result<String> {
    let path: PathBuf = args.out.join(name);
    fs::write(&path, content).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(path.display().to_string())
}

fn words(written: &Written) -> String {
    let mut out = format!(
        "proof  {}\nentry  {} (its leaf is what the proof is about; no patient data)\n",
        written.proof, written.entry
    );
    if let (Some(file), Some(sheet)) = (&written.disclosure, &written.sheet) {
        out.push_str(&format!(
            "event  {file} (in the clear; check with `salus check`)\npaper  {sheet}\n"
        ));
    }
    out.push_str(&format!("key    {}", written.public_key));
    out
}
