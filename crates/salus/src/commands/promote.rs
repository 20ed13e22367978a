use anyhow::Result;

use crate::cli::{Format, PromoteArgs};
use crate::config::Config;
use crate::local::promote;
use crate::output;
use crate::promoting::{Became, Promote, carry_out};

pub(crate) async fn run(config: Config, args: &PromoteArgs, format: Format) -> Result<u8> {
    let order = Promote {
        reason: args.reason.clone(),
    };
    let became = match promote(&config.socket(), &order).await? {
        Some(became) => became,
        None => carry_out(&config, &order).await?,
    };
    output::result(format, &became, words);
    Ok(output::WELL)
}

fn words(became: &Became) -> String {
    format!(
        "this machine is the primary now, number {}, with {} events of the one before; the old one \
         takes nothing any more once it hears of it. Send clinical systems here.",
        became.epoch, became.events
    )
}
