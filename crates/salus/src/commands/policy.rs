use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::cli::{Format, PolicyCommand};
use crate::config::Config;
use crate::local::{NewPolicies, Operator};
use crate::policies::{Applied, Counts, Explained, How, Replayed, explain};
use crate::{assemble, output};

#[derive(Serialize)]
struct Checked {
    policies: Vec<(String, String)>,
}

pub(crate) async fn run(config: Config, command: PolicyCommand, format: Format) -> Result<u8> {
    match command {
        PolicyCommand::Check { folder } => check(&folder.unwrap_or(config.policies), format),
        PolicyCommand::Explain { ask, policies } => {
            let explained = Box::pin(explained(config, &ask, policies)).await?;
            output::result(format, &explained, told);
            Ok(match explained.allowed {
                true => output::WELL,
                false => output::FOUND,
            })
        }
        PolicyCommand::Replay {
            folder,
            days,
            examples,
        } => {
            let new = NewPolicies {
                days,
                examples,
                ..read(&folder)?
            };
            let operator = Operator::reach(config).await?;
            let replayed = operator.replay(&new).await;
            operator.done().await;
            let replayed = replayed?;
            output::result(format, &replayed, table);
            Ok(match replayed.all.none() {
                true => output::WELL,
                false => output::FOUND,
            })
        }
        PolicyCommand::Apply { folder, reason } => {
            let new = NewPolicies {
                reason,
                ..read(&folder)?
            };
            let operator = Operator::reach(config).await?;
            let applied = operator.apply(&new).await;
            operator.done().await;
            output::result(format, &applied?, in_force);
            Ok(output::WELL)
        }
    }
}

fn read(folder: &Path) -> Result<NewPolicies> {
    let (files, schema) = assemble::texts(folder)?;
    Ok(NewPolicies {
        files,
        schema,
        reason: String::new(),
        days: 0,
        examples: 0,
    })
}

fn check(folder: &Path, format: Format) -> Result<u8> {
    let policies = assemble::policies(folder)?.list();
    output::result(format, &Checked { policies }, |checked| {
        let mut out = String::new();
        for (id, words) in &checked.policies {
            out.push_str(&format!("{id}\n  {words}\n"));
        }
        out.push_str(&format!("{} policies, all sound", checked.policies.len()));
        out
    });
    Ok(output::WELL)
}

async fn explained(config: Config, ask: &Path, folder: Option<PathBuf>) -> Result<Explained> {
    let question = question(ask)?;
    if let Some(folder) = folder {
        return explain(&assemble::policies(&folder)?, &question);
    }
    let operator = Operator::reach(config).await?;
    let explained = operator.explain(&question).await;
    operator.done().await;
    explained
}

fn question(path: &Path) -> Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read the question from standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the question `{}`", path.display()))
}

fn told(explained: &Explained) -> String {
    let mut out = format!(
        "{}\n",
        if explained.allowed {
            "ALLOWED"
        } else {
            "REFUSED"
        }
    );
    for (id, words) in explained.because.iter().zip(&explained.words) {
        out.push_str(&format!("  because of {id}: {words}\n"));
    }
    for obligation in &explained.obligations {
        out.push_str(&format!("  obliges to: {obligation}\n"));
    }
    out.push_str("policies about such an act on such a thing:");
    for one in &explained.near {
        let applied = if one.applied {
            "applied"
        } else {
            "did not apply"
        };
        out.push_str(&format!("\n  {} ({}): {applied}", one.id, one.effect));
    }
    out
}

fn table(replayed: &Replayed) -> String {
    let mut out = format!(
        "{} decisions of the last {} days decided again",
        replayed.decisions, replayed.days
    );
    if replayed.unknown > 0 {
        out.push_str(&format!(
            "; {} more are from before their facts were sealed",
            replayed.unknown
        ));
    }
    if replayed.all.none() {
        out.push_str("\nnothing would change");
        return out;
    }

    let (lost, gained, bound) = ("would lose", "would gain", "other obligations");
    out.push_str(&format!("\n\n{:32}{lost:>12}{gained:>12}{bound:>20}", ""));
    row(&mut out, "all", replayed.all);
    for (title, counts) in [
        ("by person", &replayed.people),
        ("by role", &replayed.roles),
        ("by the policy that would decide", &replayed.policies),
    ] {
        rows(&mut out, title, counts);
    }
    out.push_str("\n\nfor instance");
    for one in &replayed.examples {
        let how = match one.how {
            How::Lost => "would be refused",
            How::Gained => "would be allowed",
            How::Bound => "would have other obligations",
        };
        out.push_str(&format!(
            "\n  event {} ({}): {} ({}) {} {how}: {}",
            one.index,
            one.at,
            one.who,
            one.role,
            one.act,
            one.words.join("; ")
        ));
    }
    out
}

fn rows(out: &mut String, title: &str, counts: &BTreeMap<String, Counts>) {
    out.push_str(&format!("\n\n{title}"));
    for (name, counts) in counts {
        row(out, &format!("  {name}"), *counts);
    }
}

fn row(out: &mut String, name: &str, counts: Counts) {
    out.push_str(&format!(
        "\n{name:32}{:>12}{:>12}{:>20}",
        counts.lost, counts.gained, counts.bound
    ));
}

fn in_force(applied: &Applied) -> String {
    format!(
        "{} policies are in force, sealed as event {}\nSHA-256 {}",
        applied.policies, applied.index, applied.hash
    )
}
