//! The load drivers as a program, so that Salus and other people's servers are measured alike.
//!
//!     load mllp ADDRESS:PORT CONNECTIONS SECONDS
//!     load fhir BASE CONNECTIONS BUNDLES.ndjson [CERTIFICATE.pem TOKEN]
//!     load get BASE CONNECTIONS SECONDS PATHS.txt [CERTIFICATE.pem TOKEN]
//!     load mix BASE CONNECTIONS SECONDS [CERTIFICATE.pem TOKEN]
//!
//! Figures come as one line of JSON.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use drills::load::{
    Call, Figures, HttpLoad, MllpLoad, Template, Until, http, mix, mix_seed, mllp, pinned,
};
use event::Time;

const USAGE: &str = "usage: load mllp ADDRESS:PORT CONNECTIONS SECONDS
       load fhir BASE CONNECTIONS BUNDLES.ndjson [CERTIFICATE.pem TOKEN]
       load get BASE CONNECTIONS SECONDS PATHS.txt [CERTIFICATE.pem TOKEN]
       load mix BASE CONNECTIONS SECONDS [CERTIFICATE.pem TOKEN]";
const ANSWER_WAIT: Duration = Duration::from_secs(120);
/// 2026-03-02T00:00:00Z: what the messages say; nothing measures it.
const SAID: Time = Time::from_millis(1_772_409_600_000);

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let figures = match args.as_slice() {
        ["mllp", address, connections, seconds] => messages(address, connections, seconds).await?,
        ["fhir", base, connections, bundles, trust @ ..] => {
            let calls = transactions(bundles)?;
            let until = Until::Count(u64::try_from(calls.len())?);
            http(
                &load((base, connections), until, trust)?,
                Box::new(calls.into_iter()),
            )
            .await?
        }
        ["get", base, connections, seconds, paths, trust @ ..] => {
            let paths: Vec<String> = std::fs::read_to_string(paths)?
                .lines()
                .map(str::to_owned)
                .collect();
            let until = Until::Elapsed(Duration::from_secs(seconds.parse()?));
            let calls = paths.into_iter().cycle().map(Call::get);
            http(&load((base, connections), until, trust)?, Box::new(calls)).await?
        }
        ["mix", base, connections, seconds, trust @ ..] => {
            let seed = mix_seed();
            let until = Until::Count(u64::try_from(seed.len())?);
            let seeded = http(
                &load((base, "4"), until, trust)?,
                Box::new(seed.into_iter()),
            )
            .await?;
            if let Some(why) = seeded.first_error {
                return Err(format!("what is to be read could not be written: {why}").into());
            }
            let until = Until::Elapsed(Duration::from_secs(seconds.parse()?));
            let calls = mix(std::process::id());
            http(&load((base, connections), until, trust)?, calls).await?
        }
        _ => return Err(USAGE.into()),
    };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&figures)?)?;
    Ok(())
}

async fn messages(address: &str, connections: &str, seconds: &str) -> Outcome<Figures> {
    let load = MllpLoad {
        address: address.parse()?,
        tls: None,
        connections: connections.parse()?,
        until: Until::Elapsed(Duration::from_secs(seconds.parse()?)),
        pace: None,
        run: std::process::id(),
        templates: Template::panels(7, 200, SAID),
        answer_wait: ANSWER_WAIT,
    };
    Ok(mllp(&load).await?)
}

/// One transaction for each line that is a bundle, counted by its entries.
fn transactions(path: &str) -> Outcome<Vec<Call>> {
    let text = std::fs::read_to_string(path)?;
    let entries = |line: &str| -> Option<u64> {
        let bundle: serde_json::Value = serde_json::from_str(line).ok()?;
        u64::try_from(bundle.get("entry")?.as_array()?.len()).ok()
    };
    let lines = text
        .lines()
        .filter_map(|line| Some((line.to_owned(), entries(line)?)));
    Ok(lines
        .map(|(line, count)| Call::post("", line, count))
        .collect())
}

fn load(target: (&str, &str), until: Until, trust: &[&str]) -> Outcome<HttpLoad> {
    let (base, connections) = target;
    let (tls, token) = match trust {
        [certificate, token] => (pinned(&std::fs::read(certificate)?)?, (*token).to_owned()),
        _ => {
            let nobody = rustls::ClientConfig::builder_with_provider(Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
            (Arc::new(nobody), String::new())
        }
    };
    Ok(HttpLoad {
        base: base.to_owned(),
        tls,
        token,
        connections: connections.parse()?,
        until,
        answer_wait: ANSWER_WAIT,
    })
}
