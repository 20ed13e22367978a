use anyhow::Result;
use serde::Serialize;

use crate::cli::{Format, Standby};
use crate::config::Config;
use crate::following;
use crate::output;
use crate::promoting::carry_out;
use crate::supervise::{Server, Signals, Told};

/// What a standby says when it is ready.
#[derive(Serialize)]
struct Ready {
    url: String,
    follows: String,
    events: u64,
    certificate_sha256: String,
    /// Whether it is the primary by now.
    primary: bool,
}

pub(crate) async fn run(mut config: Config, args: &Standby, format: Format) -> Result<u8> {
    if let Some(listen) = args.listen {
        config.https.listen = listen;
    }
    if let Some(from) = &args.from {
        config.standby.from.clone_from(from);
    }
    if let Some(file) = &args.token_file {
        config.standby.token_file.clone_from(file);
    }
    if let Some(file) = &args.authorities {
        config.standby.authorities.clone_from(file);
    }
    following::enrol(&config).await?;
    let mut signals = Signals::take()?;
    let starting = Server::start_standby(config.clone());
    let Some(server) = signals.or_stop(starting).await? else {
        return Ok(output::WELL);
    };
    say(&server, &config, format)?;
    let told = server.until_told(&mut signals).await;
    let url = server.url.clone();
    let ended = server.drain_or_leave(&told, &mut signals).await;
    let Told::Promoted(order) = told else {
        return Ok(ended);
    };
    carry_out(&config, &order).await?;
    // Where people and systems found the standby they find the primary.
    if let Ok(address) = url.trim_start_matches("https://").parse() {
        config.https.listen = address;
    }
    if let Some(mllp) = args.mllp {
        config.mllp.listen = vec![mllp];
    }
    let starting = Server::start(config.clone());
    let Some(server) = signals.or_stop(starting).await? else {
        return Ok(output::WELL);
    };
    say(&server, &config, format)?;
    let told = server.until_told(&mut signals).await;
    Ok(server.drain_or_leave(&told, &mut signals).await)
}

fn say(server: &Server, config: &Config, format: Format) -> Result<()> {
    let record = &server.house.app.record;
    let ready = Ready {
        url: server.url.clone(),
        follows: config.standby.from.clone(),
        events: record.size(),
        certificate_sha256: server.fingerprint.clone(),
        primary: !record.is_standby(),
    };
    match format {
        Format::Json => output::line(&serde_json::to_string(&ready)?),
        Format::Human if ready.primary => {
            output::line(&format!(
                "This is the primary now.\n  console  {}",
                ready.url
            ));
        }
        Format::Human => output::line(&format!(
            "The standby is running.\n  follows  {}\n  console  {} (read only)\n\
             \x20 certificate SHA-256 {}\n\nCtrl-C stops it; `salus promote` makes it the primary.",
            ready.follows, ready.url, ready.certificate_sha256
        )),
    }
    Ok(())
}
