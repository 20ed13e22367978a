use anyhow::{Context as _, Result};
use event::Time;
use web::{Changed, Order, Suspect, Undone, Way};

use crate::cli::{Format, Rewind};
use crate::config::Config;
use crate::local::Operator;
use crate::output;

/// Resources that the list names; `--format json` has all.
const NAMED: usize = 40;

pub(crate) async fn run(config: Config, args: &Rewind, format: Format) -> Result<u8> {
    let suspect = Suspect {
        actor: args.actor.clone(),
        since: moment(&args.since)?,
    };
    let operator = Operator::reach(config).await?;
    if args.undo {
        let order = Order {
            suspect,
            reason: args.reason.clone().unwrap_or_default(),
        };
        let undone = operator.rewind(&order).await;
        operator.done().await;
        let undone = undone?;
        output::result(format, &undone, done);
        return Ok(if undone.left.is_empty() {
            output::WELL
        } else {
            output::FOUND
        });
    }
    let changed = operator.changed_by(&suspect).await;
    operator.done().await;
    output::result(format, &changed?, list);
    Ok(output::WELL)
}

fn moment(text: &str) -> Result<Time> {
    let spaced = text.parse::<jiff::Timestamp>().or_else(|_| {
        let local: jiff::civil::DateTime = text.parse()?;
        Ok::<_, jiff::Error>(local.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp())
    });
    let at = spaced.with_context(|| {
        format!("`{text}` is no moment; write for instance `2026-11-26T10:00:00Z`")
    })?;
    Ok(Time::from_millis(at.as_millisecond()))
}

fn list(changed: &Changed) -> String {
    let count = |way: fn(&Way) -> bool| {
        changed
            .resources
            .iter()
            .filter(|one| way(&one.what))
            .count()
    };
    let mut out = format!(
        "{} events; {} resources: {} would go back to the version before, {} were made and would be \
         marked as deleted, {} were changed by others since and stay\n",
        changed.events,
        changed.resources.len(),
        count(|way| matches!(way, Way::Restore(_))),
        count(|way| *way == Way::Delete),
        count(|way| *way == Way::Leave),
    );
    if let Some(clean) = changed.clean {
        out.push_str(&format!("last clean index: {clean}\n"));
    }
    for one in changed.resources.iter().take(NAMED) {
        let what = match one.what {
            Way::Restore(version) => format!("back to {version}"),
            Way::Delete => "delete".to_owned(),
            Way::Leave => "leave: changed since".to_owned(),
        };
        out.push_str(&format!(
            "  {}  (now {}): {what}\n",
            one.resource, one.current
        ));
    }
    if changed.resources.len() > NAMED {
        out.push_str("  ... all of them with `--format json`\n");
    }
    for (index, what) in &changed.by_hand {
        out.push_str(&format!("  by hand, event {index}: {what}\n"));
    }
    out.push_str("nothing was changed; add `--undo --reason '...'` to undo it");
    out
}

fn done(undone: &Undone) -> String {
    let mut out = format!(
        "undone: {} went back, {} were marked as deleted; sealed as event {}",
        undone.restored, undone.deleted, undone.index
    );
    for left in &undone.left {
        out.push_str(&format!("\nleft alone, changed by somebody else: {left}"));
    }
    out
}
