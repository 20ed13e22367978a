use anyhow::{Result, anyhow, bail};

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
    match (args.what, args.recipient, args.reason, args.leaves) {
        (None, None, None, None) => Ok(None),
        (Some(what), Some(recipient), Some(reason), Some(sort)) => {
            let which = args.which.unwrap_or_default();
            let leaves = access::leaves(&sort, &which).map_err(|why| anyhow!(why))?;
            Ok(Some(Wanted {
                what,
                recipient,
                reason,
                leaves,
            }))
        }
        _ => bail!(
            "to ask for an export give all of `--what`, `--recipient`, `--reason` and `--leaves`"
        ),
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
        Some(until) => match &one.command {
            Some(command) => format!("until {until}: {command}"),
            None => "it says only in words what is to leave: ask for it again".to_owned(),
        },
        None => one.state.clone(),
    };
    let state = one.until.as_ref().map_or("", |_| one.state.as_str());
    let state = match state {
        "" => String::new(),
        state => format!("\n      {state}"),
    };
    let leaves = one.leaves.as_ref();
    let leaves = leaves.map_or_else(String::new, |words| format!("\n      leaves: {words}"));
    format!(
        "{:>6}  {} to {}, asked for by {} at {}: {}{leaves}{state}\n      {next}",
        one.number, one.what, one.recipient, one.asker, one.at, one.reason
    )
}
