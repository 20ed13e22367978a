//! Connect: what to write where so that a system is heard, and whether it was.

mod blocks;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use flow::Feed;

use crate::doors::Door;
use crate::error::{Problem, broken};
use crate::pages::shell::{Here, Shell, Tone};
use crate::pages::visit::{Visit, page};
use crate::pages::words::Stamp;
use blocks::{Block, Site};

/// How often the page fetches itself again, in seconds.
const LIVE_SECONDS: u32 = 2;

/// Whom do I connect, and how?
#[derive(Template)]
#[template(path = "connect.html")]
pub(crate) struct ConnectPage {
    shell: Shell,
    tone: Tone,
    answer: String,
    systems: Vec<System>,
}

/// One kind of system.
struct System {
    block: Block,
    feeds: Vec<Awaited>,
}

/// A feed that is expected, or was heard.
struct Awaited {
    name: String,
    /// When it was last heard; `None`: not yet.
    last: Option<Stamp>,
}

/// `GET /flow/connect`
pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let heard = visit.app.flow.feeds(visit.eye.now).await;
    let heard = heard.map_err(|why| broken(&why))?;
    let site = Site::of(&visit.app.settings.fhir_base, &visit.app.doors);
    let systems: Vec<System> = blocks::all(&site)
        .into_iter()
        .map(|block| System {
            feeds: awaited(&visit, block.door, &heard),
            block,
        })
        .collect();
    let (tone, answer) = answer(&visit, &heard);
    let mut shell = visit.shell("Connect", Here::Flow);
    shell.live = Some(LIVE_SECONDS);
    let view = ConnectPage {
        shell,
        tone,
        answer,
        systems,
    };
    page(StatusCode::OK, &view)
}

/// Whom the configuration names at a door, each with when it was last heard.
fn awaited(visit: &Visit, door: Option<Door>, heard: &[Feed]) -> Vec<Awaited> {
    let expected = visit.app.doors.feeds.iter();
    let here = expected.filter(|one| Some(one.door) == door);
    here.map(|one| Awaited {
        name: one.name.clone(),
        last: last(visit, heard, &one.name),
    })
    .collect()
}

/// When something of a feed was last kept.
fn last(visit: &Visit, heard: &[Feed], name: &str) -> Option<Stamp> {
    let feed = heard.iter().find(|feed| feed.name == name)?;
    (feed.total.messages > 0).then(|| visit.stamp(feed.last))
}

fn answer(visit: &Visit, heard: &[Feed]) -> (Tone, String) {
    let expected = &visit.app.doors.feeds;
    let is_heard = |name: &str| last(visit, heard, name).is_some();
    let got = expected.iter().filter(|one| is_heard(&one.name)).count();
    match (expected.len(), got) {
        (0, _) => (Tone::Unknown, "No system is expected yet.".to_owned()),
        (all, 0) => (
            Tone::Unknown,
            format!("Waiting for the first message of {}.", feeds(all)),
        ),
        (all, got) if all == got => (
            Tone::Good,
            format!("Got it: heard {} of {all}.", feeds(got)),
        ),
        (all, got) => (
            Tone::Unknown,
            format!(
                "Got it: heard {} of {all}; waiting for the others.",
                feeds(got)
            ),
        ),
    }
}

fn feeds(count: usize) -> String {
    crate::pages::words::count(count as u64, "feed", "feeds")
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::doors::Doors;
    use crate::pages::shell::samples::{ago, shell};

    impl crate::pages::Samples for ConnectPage {
        fn samples() -> Vec<ConnectPage> {
            let doors = Doors {
                mllp: vec!["127.0.0.1:2575".parse().unwrap()],
                dicom_tls: vec!["0.0.0.0:2762".parse().unwrap()],
                ..Doors::default()
            };
            let site = Site::of("https://salus.hospital:8443/fhir", &doors);
            let all = blocks::all(&site).into_iter();
            let systems = all.map(|block| System {
                feeds: match block.door {
                    Some(Door::Mllp) => vec![
                        Awaited {
                            name: "lab".into(),
                            last: Some(ago(0)),
                        },
                        Awaited {
                            name: "ehr".into(),
                            last: None,
                        },
                    ],
                    _ => Vec::new(),
                },
                block,
            });
            vec![ConnectPage {
                shell: shell("Connect", Here::Flow),
                tone: Tone::Unknown,
                answer: "Got it: heard 1 feed of 2; waiting for the others.".into(),
                systems: systems.collect(),
            }]
        }
    }
}
