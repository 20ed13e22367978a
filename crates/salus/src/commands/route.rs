use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, bail};
use event::{Clock as _, Time};
use routes::RouteConfig;
use serde::Serialize;
use web::{RouteStep, RouteWanted, RouteWhich};

use crate::cli::{Format, Route, RouteReplay, RouteTest, RouteWhy};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::local::Operator;
use crate::output;
use crate::routing::Listed;

/// What a route would do with a message.
#[derive(Serialize)]
struct Tried {
    route: String,
    to: String,
    /// Whether its conditions let the message through.
    passed_on: bool,
    /// What would be sent; `None`: it cannot be made, or is not passed on.
    message: Option<String>,
    /// Why it cannot be made.
    why: Option<String>,
}

pub(crate) async fn run(config: Config, command: Route, format: Format) -> Result<u8> {
    let wanted = match command {
        Route::List => return list(config, format).await,
        Route::Test(args) => return test(&config, &args, format),
        Route::Pause(why) => order(why, RouteStep::Pause),
        Route::Resume(why) => order(why, RouteStep::Resume),
        Route::Skip(args) => order(args.why, RouteStep::Skip(args.message)),
        Route::Replay(args) => {
            let which = which(&args)?;
            order(args.why, RouteStep::Replay(which))
        }
    };
    let operator = Operator::reach(config).await?;
    let ordered = operator.order_route(&wanted).await;
    operator.done().await;
    output::result(format, &ordered?, |ordered| match ordered.messages {
        0 => format!("sealed as event {}", ordered.index),
        count => format!("{count} message(s), sealed as event {}", ordered.index),
    });
    Ok(output::WELL)
}

fn order(why: RouteWhy, step: RouteStep) -> RouteWanted {
    RouteWanted {
        route: why.route,
        step,
        reason: why.reason,
    }
}

fn which(args: &RouteReplay) -> Result<RouteWhich> {
    if let (Some(since), Some(until)) = (&args.since, &args.until) {
        return Ok(RouteWhich::Between(moment(since)?, moment(until)?));
    }
    let runs = args.messages.iter().map(|written| {
        let (first, last) = written.split_once('-').unwrap_or((written, written));
        let number = |text: &str| {
            let read = text.parse::<u64>();
            read.with_context(|| format!("`{written}` is no index of a message, nor `first-last`"))
        };
        let (first, last) = (number(first)?, number(last)?);
        if last < first {
            bail!("`{written}` ends before it begins");
        }
        Ok((first, last))
    });
    Ok(RouteWhich::Indices(runs.collect::<Result<_>>()?))
}

fn moment(text: &str) -> Result<Time> {
    let read: jiff::Timestamp = text.parse().with_context(|| {
        format!("`{text}` is no moment; write for instance `2026-11-26T10:00:00Z`")
    })?;
    Ok(Time::from_millis(read.as_millisecond()))
}

async fn list(config: Config, format: Format) -> Result<u8> {
    let operator = Operator::reach(config).await?;
    let listed = operator.routes().await;
    operator.done().await;
    let listed = listed?;
    output::result(format, &listed, |listed| words(listed, SystemClock.now()));
    let well = |one: &Listed| one.set_aside.is_empty() && one.state.trouble.is_none();
    Ok(match listed.iter().all(well) {
        true => output::WELL,
        false => output::FOUND,
    })
}

fn words(listed: &[Listed], now: Time) -> String {
    if listed.is_empty() {
        return "there is no route; write `[[routes.route]]` in salus.toml (docs/integrate/routes.md)".to_owned();
    }
    let mut out = String::new();
    for one in listed {
        let state = &one.state;
        let how = match (&state.paused, state.open) {
            (Some(why), _) => format!("PAUSED: {why}"),
            (None, false) => "not configured any more".to_owned(),
            (None, true) => "open".to_owned(),
        };
        let _ = writeln!(out, "{}  to {}  ({how})", state.name, state.to);
        let _ = write!(out, "  {} waiting", state.depth);
        if let Some(oldest) = state.oldest {
            let seconds = now.since(oldest) / 1_000;
            let _ = write!(
                out,
                ", the oldest for {seconds} s (message {})",
                state.next.unwrap_or_default()
            );
        }
        let _ = writeln!(
            out,
            "; taken {} (24 h: {}), set aside {} (24 h: {})",
            state.taken, state.taken_day, state.aside, state.aside_day
        );
        if let Some(trouble) = &state.trouble {
            let _ = writeln!(out, "  TROUBLE {trouble}");
        }
        for aside in one.set_aside.iter().take(20) {
            let _ = writeln!(
                out,
                "  {} message {}: {}",
                aside.outcome.word(),
                aside.message,
                aside.answer
            );
        }
    }
    out.trim_end().to_owned()
}

fn test(config: &Config, args: &RouteTest, format: Format) -> Result<u8> {
    let routes = &config.routes.routes;
    let route = routes.iter().find(|route| route.name == args.route);
    let route = route
        .with_context(|| format!("there is no route `{}` in the configuration", args.route))?;
    let bytes = fs::read(&args.file);
    let bytes = bytes.with_context(|| format!("cannot read `{}`", args.file.display()))?;
    let tried = tried(route, &bytes, (config, args.feed.as_deref()));
    output::result(format, &tried, said);
    Ok(match tried.message {
        Some(_) => output::WELL,
        None => output::FOUND,
    })
}

fn tried(route: &RouteConfig, bytes: &[u8], (config, feed): (&Config, Option<&str>)) -> Tried {
    let feed = feed
        .or_else(|| route.feeds.first().map(String::as_str))
        .unwrap_or_default();
    let known = config.mllp.feeds.iter().find(|one| one.name == feed);
    let charset = known.and_then(|one| one.charset.clone());
    let charset = charset.unwrap_or_else(|| config.mllp.charset.clone());
    let parsed = wire::hl7::parse(bytes, &charset);
    let message = event::Message {
        feed: feed.to_owned(),
        kind: parsed.message.kind(),
        control: parsed.message.control(),
        zone: String::new(),
        charset: charset.clone(),
        authority: String::new(),
        mapped: wire::v2::maps(&parsed.message.kind()),
        complaints: Vec::new(),
    };
    let passed_on = parsed.message.fault().is_none() && route.takes_message(&message, bytes);
    let made = passed_on.then(|| route.made(&parsed)).transpose();
    let (made, why) = match made {
        Ok(made) => (made, parsed.message.fault().map(ToString::to_string)),
        Err(why) => (None, Some(why)),
    };
    Tried {
        route: route.name.clone(),
        to: route.to.clone(),
        passed_on,
        message: made.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        why,
    }
}

fn said(tried: &Tried) -> String {
    match (&tried.message, &tried.why) {
        (Some(message), _) => message.replace('\r', "\n").trim_end().to_owned(),
        (None, Some(why)) => format!("`{}` cannot send it: {why}", tried.route),
        (None, None) => format!(
            "`{}` does not pass it on: its conditions do not hold",
            tried.route
        ),
    }
}
