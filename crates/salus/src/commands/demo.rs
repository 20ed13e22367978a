//! The main job on a fresh machine: a hospital that does not exist, through the real doors.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use drills::hospital::{AUTHORITY, Hospital, Item, Via, WARDS};
use drills::load::pinned;
use drills::traffic::{Doors, Traffic};
use event::{Account, Clock as _, Role};
use inlets::mllp::FeedConfig;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use web::SecondFactor;

use crate::cli::{Demo, Format};
use crate::clock::SystemClock;
use crate::commands::serve::overrides;
use crate::config::Config;
use crate::local::NewClient;
use crate::supervise::{Server, Signals};
use crate::{certificate, output};

/// The demo's data folder, unless another is named.
const FOLDER: &str = "demo-data";
/// How long the charts may take to know of the opening census.
const OPENING: Duration = Duration::from_secs(120);
/// The longest pause between two items, whatever the hospital's night is like.
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// Somebody to sign in as.
#[derive(Serialize)]
struct SignIn {
    login: String,
    name: String,
    role: Role,
    wards: String,
    password: String,
}

/// What is said once the doors are open, for programs.
#[derive(Serialize)]
struct Ready<'a> {
    url: &'a str,
    mllp: Vec<String>,
    sign_ins: &'a [SignIn],
}

pub(crate) async fn run(mut config: Config, args: &Demo, format: Format) -> Result<u8> {
    if config.data == Config::default().data {
        config.data = FOLDER.into();
    }
    overrides(&mut config, &args.serve);
    config.mllp.feeds = Hospital::feeds().iter().map(feed).collect();
    config.record.origin = "demo.salus.invalid/record".into();
    // Nobody who looks at a hospital that does not exist should need a phone for it.
    config.web.second_factor = SecondFactor::Optional;
    let fresh = !config.data.join("journal.db").exists();
    let mut signals = Signals::take()?;
    let Some(server) = signals.or_stop(Server::start(config)).await? else {
        return Ok(output::WELL);
    };
    let hospital = Hospital::new(args.seed, SystemClock.now());
    let sign_ins = people(&server, &hospital).await?;
    let doors = doors(&server).await?;
    match format {
        Format::Human => output::line(&words(&server, &sign_ins, args)),
        Format::Json => output::line(&serde_json::to_string(&Ready {
            url: &server.url,
            mllp: server.mllp.iter().map(ToString::to_string).collect(),
            sign_ins: &sign_ins,
        })?),
    }
    let done = CancellationToken::new();
    let working = tokio::spawn(traffic(
        (hospital, Traffic::new(doors)),
        Pace {
            speed: args.speed,
            fresh,
        },
        (server.house.app.clone(), done.clone()),
    ));
    let told = server.until_told(&mut signals).await;
    output::note("stopping: finishing what was accepted");
    done.cancel();
    let worked = working.await?;
    let ended = server.drain_or_leave(&told, &mut signals).await;
    worked?;
    Ok(ended)
}

fn feed(feed: &drills::hospital::Feed) -> FeedConfig {
    FeedConfig {
        name: feed.name.into(),
        messages: feed.messages.iter().map(|&kind| kind.into()).collect(),
        applications: vec![feed.name.to_uppercase()],
        zone: Some(feed.zone.into()),
        authority: Some(AUTHORITY.into()),
        ..FeedConfig::default()
    }
}

/// Everybody who works there has an account; four of them are printed.
async fn people(server: &Server, hospital: &Hospital) -> Result<Vec<SignIn>> {
    let mut shown = Vec::new();
    for role in Role::PEOPLE {
        let Some(person) = hospital.staff().iter().find(|person| person.role == role) else {
            continue;
        };
        let password = password()?;
        let mut salt = [0; 16];
        random(&mut salt)?;
        let typed = password.clone();
        let secret =
            tokio::task::spawn_blocking(move || staff::hash_password(&typed, salt)).await??;
        let account = Account {
            name: person.name.clone(),
            role,
            wards: person.wards.iter().map(|&ward| ward.into()).collect(),
            practitioner: person.practitioner.clone(),
            secret,
            scopes: Vec::new(),
        };
        server
            .house
            .change_account(&person.login, Some(account))
            .await?;
        shown.push(SignIn {
            login: person.login.clone(),
            name: person.name.clone(),
            role,
            wards: person.wards.join(", "),
            password,
        });
    }
    Ok(shown)
}

async fn doors(server: &Server) -> Result<Doors> {
    let mut tokens = HashMap::new();
    for client in Hospital::clients() {
        let scopes: Vec<String> = client.scopes.iter().map(|&scope| scope.into()).collect();
        let new = NewClient {
            id: client.id.to_owned(),
            name: client.name.to_owned(),
            scopes: Some(scopes),
            app: None,
        };
        let token = server.house.add_client(&new).await?;
        tokens.insert(client.id.to_owned(), token);
    }
    let certificate = certificate::files(&server.house.config).certificate;
    let pem = std::fs::read(&certificate)
        .with_context(|| format!("cannot read `{}`", certificate.display()))?;
    Ok(Doors {
        mllp: *server
            .mllp
            .first()
            .context("the demo needs MLLP; set `listen` in `[mllp]`")?,
        fhir: format!("{}/fhir", server.url),
        tls: pinned(&pem)?,
        tokens,
    })
}

struct Pace {
    speed: f64,
    fresh: bool,
}

/// The opening census if the record is new, then life as it goes on.
async fn traffic(
    (mut hospital, mut traffic): (Hospital, Traffic),
    pace: Pace,
    (app, done): (Arc<web::App>, CancellationToken),
) -> Result<()> {
    let opening = hospital.opening();
    if pace.fresh {
        let (messages, bundles): (Vec<Item>, Vec<Item>) = opening
            .into_iter()
            .partition(|item| matches!(item.via, Via::Hl7 { .. }));
        for item in messages {
            traffic.send(item).await?;
        }
        // FHIR refers to patients by identifier: the charts must know them first.
        app.chart.caught_up(app.record.size(), OPENING).await;
        for item in bundles {
            traffic.send(item).await?;
        }
        if let Some(why) = &traffic.first_error {
            output::note(&format!("a transaction was refused: {why}"));
        }
        output::note(&format!(
            "the hospital is open: {} messages and transactions accepted, {} refused",
            traffic.sent.accepted, traffic.sent.refused
        ));
    }
    if pace.speed <= 0.0 {
        return Ok(());
    }
    let mut before = None;
    for item in hospital.live() {
        let gap = item.at.since(before.unwrap_or(item.at));
        before = Some(item.at);
        let gap = u64::try_from(gap).unwrap_or(0);
        let pause = Duration::from_millis(gap)
            .div_f64(pace.speed)
            .min(PAUSE_MAX);
        tokio::select! {
            () = done.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        traffic.send(item).await?;
    }
    Ok(())
}

/// Twenty characters that can be typed.
fn password() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 16];
    random(&mut bytes)?;
    let letters = bytes
        .iter()
        .map(|byte| LETTERS.get(usize::from(byte % 32)).copied());
    let letters: Vec<char> = letters
        .map(|letter| char::from(letter.unwrap_or(b'x')))
        .collect();
    Ok(letters
        .chunks(4)
        .map(String::from_iter)
        .collect::<Vec<_>>()
        .join("-"))
}

fn random(bytes: &mut [u8]) -> Result<()> {
    SystemRandom::new()
        .fill(bytes)
        .ok()
        .context("the system has no randomness")
}

fn words(server: &Server, sign_ins: &[SignIn], args: &Demo) -> String {
    let mut out = format!(
        "St. Salus, a hospital that does not exist, is running: {} patients on {} wards.\n\n\
         Open      {}\n          \
         (the certificate is self-signed; its SHA-256 is\n           {})\n\nSign in as\n",
        drills::hospital::PATIENTS,
        WARDS.len(),
        server.url,
        server.fingerprint,
    );
    for one in sign_ins {
        let wards = if one.wards.is_empty() {
            String::new()
        } else {
            format!(", ward {}", one.wards)
        };
        out.push_str(&format!(
            "  {:16} {:24} {} ({}{wards})\n",
            one.login,
            one.password,
            one.name,
            one.role.word()
        ));
    }
    out.push_str(
        "\nHere a password alone will do; in a hospital a second factor is needed. Click on your name to\n\
         add a passkey (at https://localhost, not 127.0.0.1) or an authenticator app, and try them.\n",
    );
    out.push_str(&format!(
        "\nLook at\n  \
         Patients  as the nurse: your ward, a chart, the mark that says each value is unaltered;\n            \
         then a patient of another ward: refused, with the reason, and the refusal is sealed\n  \
         Flow      each system's feed; what is on no chart and why; a broken one, with its bytes\n  \
         Record    the signed head growing; check an index; download a proof\n  \
         another terminal: salus verify --data {}\n\n",
        server.house.config.data.display()
    ));
    if args.speed > 0.0 {
        out.push_str(&format!(
            "{} minutes of the hospital's life pass in one of yours. ",
            args.speed
        ));
    }
    out.push_str("Ctrl-C stops it.");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_differ() {
        let (one, two) = (password().unwrap(), password().unwrap());
        assert_eq!(one.len(), 19);
        assert_ne!(one, two);
        assert!(staff::hash_password(&one, [0; 16]).is_ok());
    }
}
