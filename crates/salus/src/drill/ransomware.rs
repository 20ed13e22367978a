//! A process with the server's own rights encrypts the data folder and the backup it can reach. The
//! backup that was pulled from the other side, and the shares of the root key, are out of its reach.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use drills::dice::Dice;
use event::Drill;
use serde_json::Value;

use super::scene::{Scene, millis, number, text};

const RESULTS: u64 = 700;

pub(super) async fn drill(seed: u64) -> Result<Drill> {
    let mut scene = Scene::set().await?;
    let running = scene.start().await?;
    scene.patient(&running).await?;
    scene.results(&running, RESULTS).await?;
    let pushed = scene.made("pushed")?;
    scene.run(&["backup", "record", "--to", &pushed]).await?;
    let shares = shares(&scene).await?;
    let away = scene.elsewhere("away");
    let (pulled, copies) = (scene.made("pulled")?, scene.made("copies")?);
    let log = scene.path("log.pub");
    fs::copy(scene.data().join("keys/log.pub"), &log)?;
    let vault = scene.data().join("vault").display().to_string();
    let from = [
        "backup",
        "pull",
        "--from",
        &vault,
        "--log-key",
        &log,
        "--to",
        &pulled,
    ];
    let held = scene.acknowledged().await?;
    away.backed_up(&from, held).await?;
    let (keys, _) = scene.run(&["backup", "keys", "--to", &copies]).await?;
    let mut dice = Dice::new(seed);
    for target in [scene.data().as_path(), Path::new(&pushed)] {
        encrypt(target, &mut dice)?;
    }
    running.victim.kill().await?;
    let began = Instant::now();
    let named =
        u64::from(scene.start().await.is_err()) + u64::from(refused(&away, &pushed, &log).await);
    let new = scene.elsewhere("restored");
    let mut order = vec!["restore", "keys", text(&keys, "path")?];
    for share in &shares {
        order.extend(["--share", share.as_str()]);
    }
    new.run(&order).await?;
    let (_, code) = new.run(&["restore", "record", "--from", &pulled]).await?;
    if code != 0 {
        bail!("the pulled backup could not be restored whole");
    }
    let back = new.start().await?;
    new.read(&back).await?;
    let read = millis(began);
    scene.results(&back, 1).await?;
    let write = millis(began);
    back.victim.stop().await?;
    let (verified, _) = new.run(&["verify"]).await?;
    Ok(Drill {
        name: "ransomware".into(),
        seed,
        lost: held.saturating_sub(number(&verified, "events")?),
        back_ms: None,
        to_read_ms: Some(read),
        to_write_ms: Some(write),
        altered: 2,
        named,
    })
}

/// Two of three shares of the root key, in files that two people keep.
async fn shares(scene: &Scene) -> Result<Vec<String>> {
    let folder = scene.made("shares")?;
    let order = [
        "keys", "escrow", "--shares", "3", "--needed", "2", "--to", &folder,
    ];
    scene.run(&order).await?;
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).context("there are no shares")? {
        files.push(entry?.path().display().to_string());
    }
    files.sort();
    files.truncate(2);
    Ok(files)
}

/// Whether the encrypted backup is known for what it is.
async fn refused(away: &Scene, pushed: &str, log: &str) -> bool {
    let listed = away
        .run(&["restore", "list", "--from", pushed, "--log-key", log])
        .await;
    let backups = |listed: &Value| {
        listed
            .get("backups")
            .and_then(Value::as_array)
            .map(Vec::len)
    };
    match listed {
        Ok((listed, code)) => code != 0 || backups(&listed) == Some(0),
        Err(_) => true,
    }
}

/// Every file of a folder becomes noise of the same length.
fn encrypt(folder: &Path, dice: &mut Dice) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            encrypt(&path, dice)?;
        } else if path.is_file() {
            let length = fs::metadata(&path)?.len();
            let noise: Vec<u8> = (0..length).map(|_| dice.below(256) as u8).collect();
            fs::write(&path, noise)?;
        }
    }
    Ok(())
}
