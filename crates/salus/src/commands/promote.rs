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
    let images = match became.objects_missing {
        Some(0) => String::new(),
        Some(missing) => {
            format!("\n{missing} images that these name are not here; `salus verify` names them.")
        }
        None => "\nHow many images are missing was not looked at; `salus verify` tells.".to_owned(),
    };
    format!(
        "this machine is the primary now, number {}, with {} events of the one before; the old one \
         takes nothing any more once it hears of it. Send clinical systems here.{images}",
        became.epoch, became.events
    )
}
