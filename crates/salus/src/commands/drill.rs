use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;

use crate::cli::{Drill, Format};
use crate::config::Config;
use crate::drill::{Drilled, carry_out};
use crate::local::Operator;
use crate::output;

const TICK: Duration = Duration::from_millis(100);

pub(crate) async fn run(config: Config, args: &Drill, format: Format) -> Result<u8> {
    let bar = ProgressBar::new_spinner().with_message(format!("drill {}", args.name.word()));
    bar.enable_steady_tick(TICK);
    let drill = carry_out(args.name, args.seed).await;
    bar.finish_and_clear();
    let operator = Operator::reach(config).await?;
    let drilled = operator.note_drill(drill?).await;
    operator.done().await;
    let drilled = drilled?;
    output::result(format, &drilled, words);
    let well = drilled.drill.lost == 0 && drilled.drill.named == drilled.drill.altered;
    Ok(if well { output::WELL } else { output::FOUND })
}

/// What a drill says of one figure.
type Told = fn(&event::Drill) -> Option<String>;

fn words(drilled: &Drilled) -> String {
    let rows: [(&str, Told); 4] = [
        ("acknowledged and lost", |drill| {
            Some(drill.lost.to_string())
        }),
        ("seconds until a chart reads", |drill| {
            seconds(drill.to_read_ms)
        }),
        ("seconds until writes are back", |drill| {
            seconds(drill.to_write_ms)
        }),
        ("altered and named", |drill| {
            (drill.altered > 0).then(|| format!("{} of {}", drill.named, drill.altered))
        }),
    ];
    let mut out = format!(
        "drill {}, seed {}\n",
        drilled.drill.name, drilled.drill.seed
    );
    for (label, value) in rows {
        let Some(now) = value(&drilled.drill) else {
            continue;
        };
        let before = drilled.before.as_ref().and_then(value);
        let before = before.map_or(String::new(), |before| format!("   (last time {before})"));
        out.push_str(&format!("  {label:<30} {now}{before}\n"));
    }
    out.push_str(&format!("sealed as event {}", drilled.index));
    out
}

fn seconds(millis: Option<u64>) -> Option<String> {
    millis.map(|millis| format!("{}.{:03}", millis / 1_000, millis % 1_000))
}
