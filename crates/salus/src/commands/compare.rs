use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;
use web::Compared;

use crate::cli::Format;
use crate::config::Config;
use crate::local::Operator;
use crate::output;

const LOOK: Duration = Duration::from_millis(500);

pub(crate) async fn run(config: Config, format: Format) -> Result<u8> {
    let operator = Operator::reach(config).await?;
    let bar = ProgressBar::new_spinner().with_message("resources compared");
    let compared = {
        let comparing = operator.compare();
        tokio::pin!(comparing);
        loop {
            tokio::select! {
                compared = &mut comparing => break compared,
                () = tokio::time::sleep(LOOK) => {
                    let read = operator.compare_progress().await.unwrap_or_default();
                    bar.set_message(format!("{read} resources compared"));
                }
            }
        }
    };
    bar.finish_and_clear();
    operator.done().await;
    let compared = compared?;
    output::result(format, &compared, words);
    let found = compared.changed + compared.missing + compared.unknown;
    Ok(match found {
        0 => output::WELL,
        _ => output::FOUND,
    })
}

fn words(compared: &Compared) -> String {
    let mut out = format!("{} resources compared with what was sealed", compared.read);
    for (count, what) in [
        (compared.changed, "say something else"),
        (compared.missing, "are not there"),
        (compared.unknown, "were never sealed"),
        (
            compared.explained,
            "were changed by a message that was sealed",
        ),
        (
            compared.waiting,
            "changed lately: the next comparison looks at them",
        ),
        (compared.settled, "are again as they were sealed"),
    ] {
        if count > 0 {
            out.push_str(&format!("\n  {count} {what}"));
        }
    }
    if compared.changed + compared.missing + compared.unknown == 0 {
        out.push_str(": nothing differs");
    } else {
        out.push_str(&format!(
            "\n{} of them are told for the first time; decide on the page Record, Other systems",
            compared.told
        ));
    }
    if compared.cut {
        out.push_str("\nthere are more than one comparison names (`compare_named_max`)");
    }
    out
}
