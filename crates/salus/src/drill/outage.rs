//! The server is killed in mid-burst, again and again; then once more with a watch in hand.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use drills::faults::{FhirDoor, Siege, siege};
use drills::load::Template;
use event::{Clock as _, Drill};

use super::scene::{Scene, fhir_of, millis, mllp_of};
use crate::clock::SystemClock;

/// How often it is killed before the one that is measured.
const ROUNDS: u32 = 5;

pub(super) async fn drill(seed: u64) -> Result<Drill> {
    let mut scene = Scene::set().await?;
    let first = scene.start().await?;
    scene.patient(&first).await?;
    first.victim.stop().await?;
    let outcome = siege(&Siege {
        server: scene.recipe(),
        record: record::Config::new(scene.data()),
        address: mllp_of,
        seed,
        rounds: ROUNDS,
        connections: 6,
        messages_max: 400,
        templates: Template::panels(1, 10, SystemClock.now()),
        fhir: Some(FhirDoor {
            base: fhir_of,
            certificate: scene.certificate(),
            token: scene.token().to_owned(),
        }),
        clock: Arc::new(SystemClock),
    })
    .await?;
    let dying = scene.start().await?;
    scene.results(&dying, 200).await?;
    dying.victim.kill().await?;
    let cut = Instant::now();
    let back = scene.start().await?;
    scene.read(&back).await?;
    let read = millis(cut);
    scene.results(&back, 1).await?;
    let write = millis(cut);
    back.victim.stop().await?;
    Ok(Drill {
        name: "outage".into(),
        seed,
        lost: outcome.breaches.len() as u64,
        back_ms: None,
        to_read_ms: Some(read),
        to_write_ms: Some(write),
        altered: 0,
        named: 0,
    })
}
