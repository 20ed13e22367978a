//! The machine and its folder are gone; the standby at the other site reads at once, and a human
//! makes it the primary.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use event::Drill;

use super::scene::{Running, Scene, millis, number, text};
use crate::certificate;

const RESULTS: u64 = 500;
/// How long the standby may take to have everything.
const FOLLOW_WAIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

pub(super) async fn drill(seed: u64) -> Result<Drill> {
    let Pair {
        mut scene,
        running,
        standby,
        following,
        door,
    } = Box::pin(pair()).await?;
    scene.patient(&running).await?;
    scene.results(&running, RESULTS).await?;
    caught_up(&scene, &standby).await?;
    let (held, _) = scene.run(&["verify"]).await?;
    running.victim.kill().await?;
    fs::remove_dir_all(scene.data()).context("the lost site is still there")?;
    let began = Instant::now();
    standby.read(&following).await?;
    let read = millis(began);
    standby
        .run(&["promote", "--reason", "drill: the other site is lost"])
        .await?;
    let write = loop {
        match scene.results_at(door, 1).await {
            Ok(()) => break millis(began),
            Err(why) if began.elapsed() > FOLLOW_WAIT => return Err(why),
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    };
    following.victim.stop().await?;
    let (left, _) = standby.run(&["verify"]).await?;
    Ok(Drill {
        name: "lost-site".into(),
        seed,
        lost: number(&held, "events")?.saturating_sub(number(&left, "events")?),
        back_ms: None,
        to_read_ms: Some(read),
        to_write_ms: Some(write),
        altered: 0,
        named: 0,
    })
}

/// A primary and its standby, which follows.
pub(super) struct Pair {
    pub(super) scene: Scene,
    pub(super) running: Running,
    pub(super) standby: Scene,
    pub(super) following: Running,
    /// Where the standby takes messages once it is the primary.
    door: std::net::SocketAddr,
}

/// Starts both.
pub(super) async fn pair() -> Result<Pair> {
    let scene = Scene::set().await?;
    let order = ["client", "add", "standby", "--scope", "system/standby"];
    let (made, _) = scene.run(&order).await?;
    let token = scene.path("standby.token");
    certificate::write(token.as_ref(), text(&made, "token")?.as_bytes())?;
    let standby = scene.elsewhere("standby");
    let first = scene.start().await?;
    let key = enrol(&standby, (first.text("url"), &token, &scene)).await?;
    // The standby knows the primary by its address: it has to come back there.
    let at = first_address(first.text("url")).to_owned();
    first.victim.stop().await?;
    scene.configure(&format!("[web]\nstandby_keys = [\"{key}\"]\n"))?;
    let running = scene.start_at(&at).await?;
    let door = free()?;
    let following = follow(&standby, (running.text("url"), &token, &scene), door).await?;
    Ok(Pair {
        scene,
        running,
        standby,
        following,
        door,
    })
}

/// The standby's first start says which key the primary has to know.
async fn enrol(standby: &Scene, (url, token, primary): (&str, &str, &Scene)) -> Result<String> {
    let authority = primary.certificate().display().to_string();
    let order = [
        "standby",
        "--from",
        url,
        "--token-file",
        token,
        "--authorities",
        &authority,
    ];
    let said = standby.refused(&order).await?;
    let key = said.trim().lines().last().unwrap_or_default().trim();
    if key.is_empty() {
        bail!("the standby did not say its key: {said}");
    }
    Ok(key.to_owned())
}

async fn follow(
    standby: &Scene,
    (url, token, primary): (&str, &str, &Scene),
    door: std::net::SocketAddr,
) -> Result<Running> {
    let authority = primary.certificate().into_os_string();
    let mut recipe = standby.recipe();
    let serve = recipe.args.iter().position(|word| word == "serve");
    recipe.args.truncate(serve.unwrap_or_default());
    let words: [OsString; 11] = [
        "standby".into(),
        "--from".into(),
        url.into(),
        "--token-file".into(),
        token.into(),
        "--authorities".into(),
        authority,
        "--listen".into(),
        "127.0.0.1:0".into(),
        "--mllp".into(),
        door.to_string().into(),
    ];
    recipe.args.extend(words);
    recipe.ready = "\"follows\"".into();
    standby.start_by(&recipe).await
}

/// Waits until the standby holds what the primary holds.
async fn caught_up(primary: &Scene, standby: &Scene) -> Result<()> {
    let began = Instant::now();
    loop {
        let (there, _) = primary.run(&["verify"]).await?;
        let (here, _) = standby.run(&["verify"]).await?;
        if number(&there, "events")? <= number(&here, "events")? {
            return Ok(());
        }
        if began.elapsed() > FOLLOW_WAIT {
            bail!(
                "the standby did not catch up in {} s",
                FOLLOW_WAIT.as_secs()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn first_address(url: &str) -> &str {
    url.trim_start_matches("https://")
}

fn free() -> Result<std::net::SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?)
}
