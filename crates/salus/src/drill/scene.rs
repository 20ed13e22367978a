//! The stage of a drill: this program, served from a folder of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use drills::faults::{Recipe, Victim};
use drills::load::{Call, HttpLoad, MllpLoad, Template, Until, http, mllp, pinned};
use event::Clock as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::clock::SystemClock;

const READY_WAIT: Duration = Duration::from_secs(60);
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// Patients the messages are about.
const PATIENTS: usize = 20;

/// A folder with a record, a client and this program.
pub(super) struct Scene {
    folder: TempDir,
    program: PathBuf,
    token: String,
    runs: u32,
}

/// A server that runs.
pub(super) struct Running {
    pub(super) victim: Victim,
    said: Value,
}

impl Scene {
    /// Makes the folder, and a client in it.
    pub(super) async fn set() -> Result<Scene> {
        let folder = tempfile::tempdir().context("cannot make a folder for the drill")?;
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut scene = Scene {
            folder,
            program,
            token: String::new(),
            runs: 0,
        };
        // What is edited is found when the drill looks, not before.
        std::fs::write(scene.config(), "[record]\nscrub_bytes_per_second = 0\n")?;
        let made = scene
            .run(&["client", "add", "drill", "--scope", "system/*.cruds"])
            .await?
            .0;
        let token = made.get("token").and_then(Value::as_str);
        scene.token = token.context("the drill's client has no token")?.to_owned();
        Ok(scene)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.data().join("tls/certificate.pem")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("salus.toml")
    }

    /// How the server is started.
    pub(super) fn recipe(&self) -> Recipe {
        let paths = [
            Path::new("--config"),
            &self.config(),
            Path::new("--data"),
            &self.data(),
        ];
        let words = [
            "--format",
            "json",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--mllp",
            "127.0.0.1:0",
        ];
        Recipe {
            program: self.program.clone(),
            args: paths
                .map(Into::into)
                .into_iter()
                .chain(words.map(Into::into))
                .collect(),
            env: vec![("SALUS_LOG".into(), "error".into())],
            ready: "\"mllp\"".into(),
            ready_wait: READY_WAIT,
        }
    }

    /// Starts it.
    pub(super) async fn start(&self) -> Result<Running> {
        let victim = self.recipe().start().await?;
        let line = victim.said().lines().last().unwrap_or_default();
        let said = serde_json::from_str(line).context("the server did not say where it listens")?;
        Ok(Running { victim, said })
    }

    /// What another command prints as JSON, and its exit code.
    pub(super) async fn run(&self, args: &[&str]) -> Result<(Value, i32)> {
        let output = Command::new(&self.program)
            .arg("--config")
            .arg(self.config())
            .arg("--data")
            .arg(self.data())
            .args(["--format", "json"])
            .args(args)
            .stdin(Stdio::null())
            .output()
            .await?;
        let printed = serde_json::from_slice(&output.stdout).with_context(|| {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            format!("`salus {}` failed: {why}", args.join(" "))
        })?;
        Ok((printed, output.status.code().unwrap_or(-1)))
    }

    /// Sends results until `count` are acknowledged.
    pub(super) async fn results(&mut self, running: &Running, count: u64) -> Result<()> {
        self.runs += 1;
        let load = MllpLoad {
            address: running.mllp()?,
            tls: None,
            connections: 8,
            until: Until::Count(count),
            pace: None,
            run: self.runs,
            templates: Template::panels(1, PATIENTS, SystemClock.now()),
            answer_wait: ANSWER_WAIT,
        };
        let figures = mllp(&load).await?;
        match figures.first_error {
            Some(why) => bail!("a result was not acknowledged: {why}"),
            None => Ok(()),
        }
    }

    /// One call to the FHIR door, which has to be answered well.
    pub(super) async fn call(&self, running: &Running, call: Call) -> Result<()> {
        let load = HttpLoad {
            base: running.text("fhir").to_owned(),
            tls: pinned(&std::fs::read(self.certificate())?)?,
            token: self.token.clone(),
            connections: 1,
            until: Until::Count(1),
            answer_wait: ANSWER_WAIT,
        };
        let figures = http(&load, Box::new(std::iter::once(call))).await?;
        match figures.first_error {
            Some(why) => bail!("a call was not answered well: {why}"),
            None => Ok(()),
        }
    }
}

impl Running {
    pub(super) fn text(&self, key: &str) -> &str {
        self.said
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn mllp(&self) -> Result<SocketAddr> {
        let first = self.said.pointer("/mllp/0").and_then(Value::as_str);
        first
            .unwrap_or_default()
            .parse()
            .context("the server has no MLLP door")
    }
}

/// Where MLLP listens, in the line that says that a server is ready.
pub(super) fn mllp_of(said: &str) -> Option<SocketAddr> {
    let ready: Value = serde_json::from_str(said.lines().last()?).ok()?;
    ready.pointer("/mllp/0")?.as_str()?.parse().ok()
}

/// Where FHIR is, in that line.
pub(super) fn fhir_of(said: &str) -> Option<String> {
    let ready: Value = serde_json::from_str(said.lines().last()?).ok()?;
    Some(ready.get("fhir")?.as_str()?.to_owned())
}
