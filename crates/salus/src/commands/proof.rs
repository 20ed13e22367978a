use std::fs;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::cli::{Format, Proof};
use crate::config::Config;
use crate::output;

#[derive(Serialize)]
struct Written {
    index: u64,
    proof: String,
    entry: String,
    public_key: String,
}

pub(crate) async fn run(config: &Config, args: &Proof, format: Format) -> Result<u8> {
    let proved = record::prove(&config.record(), args.index).await?;
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder `{}`", args.out.display()))?;
    let proof = args.out.join(format!("{}.tlog-proof", args.index));
    let entry = args.out.join(format!("{}.entry", args.index));
    fs::write(&proof, &proved.proof)
        .with_context(|| format!("cannot write `{}`", proof.display()))?;
    fs::write(&entry, &proved.entry)
        .with_context(|| format!("cannot write `{}`", entry.display()))?;
    let written = Written {
        index: args.index,
        proof: proof.display().to_string(),
        entry: entry.display().to_string(),
        public_key: proved.public_key,
    };
    output::result(format, &written, |written| {
        format!(
            "proof  {}\nentry  {} (its leaf is what the proof is about; no patient data)\n\
             key    {}",
            written.proof, written.entry, written.public_key
        )
    });
    Ok(output::WELL)
}
