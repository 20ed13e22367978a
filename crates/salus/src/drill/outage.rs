//! The server is killed in mid-burst, again and again; then once more with a watch in hand.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use drills::faults::{FhirDoor, Siege, siege};
use drills::load::{Call, Template};
use event::{Clock as _, Drill};

use super::scene::{Scene, fhir_of, mllp_of};
use crate::clock::SystemClock;

/// How often it is killed before the one that is measured.
const ROUNDS: u32 = 5;
const PATIENT: &str = r#"{"resourceType":"Patient","id":"drill"}"#;

pub(super) async fn drill(seed: u64) -> Result<Drill> {
    let mut scene = Scene::set().await?;
    let first = scene.start().await?;
    let mut put = Call::post("/Patient/drill", PATIENT, 1);
    put.method = hyper::Method::PUT;
    scene.call(&first, put).await?;
    first.victim.stop().await?;
    let outcome = siege(&Siege {
        server: scene.recipe(),
        data: scene.data(),
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
    scene.call(&back, Call::get("/Patient/drill")).await?;
    let read = cut.elapsed().as_secs_f64();
    scene.results(&back, 1).await?;
    let write = cut.elapsed().as_secs_f64();
    back.victim.stop().await?;
    Ok(Drill {
        name: "outage".into(),
        seed,
        lost: outcome.breaches.len() as u64,
        seconds_back: None,
        seconds_to_read: Some(read),
        seconds_to_write: Some(write),
        altered: 0,
        named: 0,
    })
}
