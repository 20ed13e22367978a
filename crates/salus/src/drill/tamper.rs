//! An administrator of the database edits what lies on disk while the server runs.

use anyhow::{Context as _, Result};
use drills::dice::Dice;
use drills::tamper::tamper;
use event::Drill;
use serde_json::Value;

use super::scene::Scene;

/// Results that are sealed before: more than two bundles of events.
const RESULTS: u64 = 700;

pub(super) async fn drill(seed: u64) -> Result<Drill> {
    let mut scene = Scene::set().await?;
    let running = scene.start().await?;
    scene.results(&running, RESULTS).await?;
    let (looked, _) = scene.run(&["scrub"]).await?;
    let edits = tamper(
        &scene.data(),
        number(&looked, "events")?,
        &mut Dice::new(seed),
    )
    .await?;
    let (found, _) = scene.run(&["scrub"]).await?;
    let named = number(&found, "altered")? + number(&found, "chart_altered")?;
    running.victim.stop().await?;
    let (verified, _) = scene.run(&["verify"]).await?;
    let left = verified
        .get("alterations")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    Ok(Drill {
        name: "tamper".into(),
        seed,
        lost: left as u64,
        seconds_back: None,
        seconds_to_read: None,
        seconds_to_write: None,
        altered: edits.len() as u64,
        named,
    })
}

fn number(printed: &Value, key: &str) -> Result<u64> {
    let number = printed.get(key).and_then(Value::as_u64);
    number.with_context(|| format!("`salus scrub` printed no `{key}`"))
}
