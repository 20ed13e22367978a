use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::capturing::{Captured, MESSAGES_MAX, Received, Wanted};
use crate::cli::{Capture, Format};
use crate::config::Config;
use crate::local::Operator;
use crate::output;

pub(crate) async fn run(config: Config, args: &Capture, format: Format) -> Result<u8> {
    if args.last > MESSAGES_MAX {
        bail!("`--last` is {MESSAGES_MAX} at most");
    }
    let operator = Operator::reach(config).await?;
    let done = capture(&operator, args, format).await;
    operator.done().await;
    done
}

async fn capture(operator: &Operator, args: &Capture, format: Format) -> Result<u8> {
    if args.follow && matches!(operator, Operator::Here(_)) {
        bail!("`--follow` needs a running server: nothing comes without one");
    }
    let mut wanted = Wanted {
        feed: args.feed.clone(),
        reason: args.reason.clone(),
        show: args.show,
        last: args.last,
        from: None,
    };
    let first = operator.capture(&wanted).await?;
    if !args.follow {
        output::result(format, &first, |captured| words(captured, &args.feed));
        return Ok(match first.messages.is_empty() {
            true => output::FOUND,
            false => output::WELL,
        });
    }
    // Listened for once, before anything is said: one that comes between two looks is not lost.
    let mut stop = signal(SignalKind::interrupt())?;
    print(&first, format)?;
    let mut next = first.next;
    loop {
        wanted.from = Some(next);
        let more = tokio::select! {
            more = operator.capture(&wanted) => more?,
            _ = stop.recv() => return Ok(output::WELL),
        };
        print(&more, format)?;
        next = more.next;
    }
}

/// One message after the other: words, or a JSON document on each line.
fn print(captured: &Captured, format: Format) -> Result<()> {
    for message in &captured.messages {
        match format {
            Format::Human => output::line(&one(message)),
            Format::Json => output::line(&serde_json::to_string(message)?),
        }
    }
    Ok(())
}

fn words(captured: &Captured, feed: &str) -> String {
    if captured.messages.is_empty() {
        let among = if captured.partly {
            " among the newest events"
        } else {
            ""
        };
        return format!("nothing came from `{feed}`{among}");
    }
    let messages: Vec<String> = captured.messages.iter().map(one).collect();
    messages.join("\n")
}

fn one(message: &Received) -> String {
    let Received {
        index,
        at,
        kind,
        decision,
        ..
    } = message;
    let mut out = format!("event {index}  {at}  {kind}  (look sealed as event {decision})\n");
    for complaint in &message.complaints {
        out.push_str(&format!("! {complaint}\n"));
    }
    for line in &message.lines {
        out.push_str(line);
        out.push('\n');
    }
    out
}
