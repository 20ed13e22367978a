use anyhow::{Result, bail};

use crate::asking::{Asked, Wanted};
use crate::cli::{ExportRequest, Format};
use crate::config::Config;
use crate::local::Operator;
use crate::output;

pub(crate) async fn run(config: Config, args: ExportRequest, format: Format) -> Result<u8> {
    let wanted = wanted(args)?;
    let operator = Operator::reach(config).await?;
    let exports = operator.exports(wanted.as_ref()).await;
    operator.done().await;
    output::result(format, &exports?, |exports| words(exports));
    Ok(output::WELL)
}

/// What is asked for; `None`: only the list.
fn wanted(args: ExportRequest) -> Result<Option<Wanted>> {
    match (args.what, args.recipient, args.reason) {
        (None, None, None) => Ok(None),
        (Some(what), Some(recipient), Some(reason)) => Ok(Some(Wanted {
            what,
            recipient,
            reason,
        })),
        _ => bail!("to ask for an export give all of `--what`, `--recipient` and `--reason`"),
    }
}

fn words(exports: &[Asked]) -> String {
    let told: Vec<String> = exports.iter().map(told).collect();
    match told.is_empty() {
        true => "nobody has asked for an export yet".to_owned(),
        false => told.join("\n"),
    }
}

fn told(one: &Asked) -> String {
    let next = match &one.until {
        Some(until) => format!(
            "until {until}: salus export --deidentify --agreed {} --to FOLDER --reason '...'",
            one.number
        ),
        None => one.state.clone(),
    };
    let state = one.until.as_ref().map_or("", |_| one.state.as_str());
    let state = match state {
        "" => String::new(),
        state => format!("\n      {state}"),
    };
    format!(
        "{:>6}  {} to {}, asked for by {} at {}: {}{state}\n      {next}",
        one.number, one.what, one.recipient, one.asker, one.at, one.reason
    )
}
