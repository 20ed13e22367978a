use anyhow::Result;

use crate::cli::Format;
use crate::config::Config;
use crate::local::Operator;
use crate::output;
use crate::scrub::Looked;

pub(crate) async fn run(config: Config, format: Format) -> Result<u8> {
    let operator = Operator::reach(config).await?;
    let looked = operator.scrub().await?;
    operator.done().await;
    output::result(format, &looked, words);
    let found = looked.altered + looked.chart_altered + looked.views_altered;
    Ok(if found > 0 {
        output::FOUND
    } else {
        output::WELL
    })
}

fn words(looked: &Looked) -> String {
    let record = match looked.altered {
        0 => "nothing was altered".to_owned(),
        altered => format!("{altered} altered, {} put right", looked.healed),
    };
    let chart = match looked.chart_altered {
        0 => "as the record says".to_owned(),
        altered => format!("{altered} entries altered, put right"),
    };
    let views = match looked.views_altered {
        0 => "as the record says".to_owned(),
        altered => format!("{altered} rows altered, put right"),
    };
    let left = match looked.altered - looked.healed {
        0 => "",
        _ => "\nwhat could not be put right is named on the page Record; restore it from a copy",
    };
    let objects = objects(looked);
    format!(
        "record: {} events, {} MB looked over: {record}\n{objects}chart: {} events folded afresh: {chart}\nother views: {views}{left}",
        looked.events,
        looked.bytes / 1_000_000,
        looked.chart_events
    )
}

/// What there is to say of what lies beside the events.
fn objects(looked: &Looked) -> String {
    let mut out = String::new();
    if looked.objects > 0 {
        out.push_str(&format!("objects that events name: {}\n", looked.objects));
    }
    if looked.removed > 0 {
        out.push_str(&format!(
            "objects that no event names: {} removed ({} MB)\n",
            looked.removed,
            looked.removed_bytes / 1_000_000
        ));
    }
    out
}
