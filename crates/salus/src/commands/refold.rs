use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::cli::{Format, Refold};
use crate::config::Config;
use crate::local::Operator;
use crate::output;

const LOOK: Duration = Duration::from_millis(100);

#[derive(Serialize)]
struct Refolded {
    events: u64,
}

pub(crate) async fn run(config: Config, args: &Refold, format: Format) -> Result<u8> {
    let operator = Operator::reach(config).await?;
    let target = operator.refold(args.view).await?;
    let bar = ProgressBar::new(target);
    loop {
        let (folded, _) = operator.progress(args.view).await?;
        bar.set_position(folded);
        if folded >= target {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    bar.finish_and_clear();
    operator.done().await;
    output::result(format, &Refolded { events: target }, |done| {
        format!("folded again from {} events", done.events)
    });
    Ok(output::WELL)
}
