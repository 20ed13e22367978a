//! Tonight's backup, restored into an empty folder and served from there.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use event::Drill;

use super::scene::{Scene, millis, number, text};

const RESULTS: u64 = 700;

pub(super) async fn drill(seed: u64) -> Result<Drill> {
    let mut scene = Scene::set().await?;
    let running = scene.start().await?;
    scene.patient(&running).await?;
    scene.results(&running, RESULTS).await?;
    let (place, copies) = (scene.made("backup")?, scene.made("copies")?);
    let held = scene.acknowledged().await?;
    scene
        .backed_up(&["backup", "record", "--to", &place], held)
        .await?;
    let (keys, _) = scene.run(&["backup", "keys", "--to", &copies]).await?;
    running.victim.stop().await?;
    let root = scene.data().join("keys/root.key");
    let root = fs::read(root).context("the root key is gone")?;
    let began = Instant::now();
    let new = scene.elsewhere("restored");
    fs::create_dir_all(new.data().join("keys"))?;
    fs::write(new.data().join("keys/root.key"), root)?;
    new.run(&["restore", "keys", text(&keys, "path")?]).await?;
    let (restored, code) = new.run(&["restore", "record", "--from", &place]).await?;
    ensure!(
        code == 0,
        "the backup could not be restored whole: {restored}"
    );
    let back = new.start().await?;
    new.read(&back).await?;
    let read = millis(began);
    scene.results(&back, 1).await?;
    let write = millis(began);
    back.victim.stop().await?;
    let (verified, _) = new.run(&["verify"]).await?;
    Ok(Drill {
        name: "restore".into(),
        seed,
        lost: held.saturating_sub(number(&verified, "events")?),
        back_ms: None,
        to_read_ms: Some(read),
        to_write_ms: Some(write),
        altered: 0,
        named: 0,
    })
}
