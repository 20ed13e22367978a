//! The stage of a drill: this program, served from a folder of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use drills::faults::{Recipe, Victim};
use drills::load::{Call, HttpLoad, MllpLoad, Template, Until, http, mllp, pinned};
use event::Clock as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::clock::SystemClock;

const READY_WAIT: Duration = Duration::from_secs(60);
/// Between two looks whether a chart is there.
const LOOK: Duration = Duration::from_millis(20);
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// Patients the messages are about.
const PATIENTS: usize = 20;
const PATIENT: &str = r#"{"resourceType":"Patient","id":"drill"}"#;

/// A folder with a record, a client and this program.
#[derive(Clone)]
pub(super) struct Scene {
    folder: PathBuf,
    /// Taken away when the last scene in it is over.
    _whole: Arc<TempDir>,
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
        let whole = tempfile::tempdir().context("cannot make a folder for the drill")?;
        let mut scene = Scene {
            folder: whole.path().to_owned(),
            _whole: Arc::new(whole),
            program: std::env::current_exe().context("cannot find this program")?,
            token: String::new(),
            runs: 0,
        };
        scene.configure("")?;
        let order = ["client", "add", "drill", "--scope", "system/*.cruds"];
        let (made, _) = scene.run(&order).await?;
        text(&made, "token")?.clone_into(&mut scene.token);
        Ok(scene)
    }

    /// Another folder beside it, with the same client.
    pub(super) fn elsewhere(&self, name: &str) -> Scene {
        let mut scene = self.clone();
        scene.folder = self.folder.join(name);
        scene
    }

    /// Writes the configuration: `head`, whole sections, and what every drill needs.
    pub(super) fn configure(&self, head: &str) -> Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        // What is edited is found when the drill looks, not before.
        let text = format!("{head}[record]\nscrub_bytes_per_second = 0\n");
        std::fs::write(self.config(), text).context("cannot write the drill's configuration")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A file or folder beside the data.
    pub(super) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// A folder beside the data, made.
    pub(super) fn made(&self, name: &str) -> Result<String> {
        let path = self.path(name);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make `{path}`"))?;
        Ok(path)
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.data().join("tls/certificate.pem")
    }

    fn config(&self) -> PathBuf {
        self.folder.join("salus.toml")
    }

    /// How the server is started.
    pub(super) fn recipe(&self) -> Recipe {
        self.recipe_at("127.0.0.1:0")
    }

    fn recipe_at(&self, listen: &str) -> Recipe {
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
            listen,
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
        self.start_at("127.0.0.1:0").await
    }

    /// Starts it where it was before.
    pub(super) async fn start_at(&self, listen: &str) -> Result<Running> {
        self.start_by(&self.recipe_at(listen)).await
    }

    pub(super) async fn start_by(&self, recipe: &Recipe) -> Result<Running> {
        if !self.config().exists() {
            self.configure("")?;
        }
        let victim = recipe.start().await?;
        let line = victim.said().lines().last().unwrap_or_default();
        let said = serde_json::from_str(line).context("the server did not say where it listens")?;
        Ok(Running { victim, said })
    }

    async fn output(&self, args: &[&str]) -> Result<Output> {
        if !self.config().exists() {
            self.configure("")?;
        }
        let output = Command::new(&self.program)
            .arg("--config")
            .arg(self.config())
            .arg("--data")
            .arg(self.data())
            .args(["--format", "json"])
            .args(args)
            .stdin(Stdio::null())
            .output();
        Ok(output.await?)
    }

    /// What a command that is refused says.
    pub(super) async fn refused(&self, args: &[&str]) -> Result<String> {
        let output = self.output(args).await?;
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// What another command prints as JSON, and its exit code.
    pub(super) async fn run(&self, args: &[&str]) -> Result<(Value, i32)> {
        let output = self.output(args).await?;
        let printed = serde_json::from_slice(&output.stdout).with_context(|| {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            format!("`salus {}` failed: {why}", args.join(" "))
        })?;
        Ok((printed, output.status.code().unwrap_or(-1)))
    }

    /// Events that the server has acknowledged so far.
    pub(super) async fn acknowledged(&self) -> Result<u64> {
        let (verified, _) = self.run(&["verify"]).await?;
        number(&verified, "events")
    }

    /// Makes backups with this command until one has `events`: a backup goes as far as the last
    /// checkpoint, which comes a moment after what it promises was acknowledged.
    pub(super) async fn backed_up(&self, args: &[&str], events: u64) -> Result<()> {
        let began = Instant::now();
        loop {
            let (made, _) = self.run(args).await?;
            let held = number(&made, "events")?;
            if held >= events {
                return Ok(());
            }
            if began.elapsed() > READY_WAIT {
                bail!("the backup has {held} of {events} events that were acknowledged");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends results until `count` are acknowledged.
    pub(super) async fn results(&mut self, running: &Running, count: u64) -> Result<()> {
        self.results_at(running.mllp()?, count).await
    }

    /// As [`Scene::results`], to an address.
    pub(super) async fn results_at(&mut self, address: SocketAddr, count: u64) -> Result<()> {
        self.runs += 1;
        let load = MllpLoad {
            address,
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

    /// A patient who can be read by name.
    pub(super) async fn patient(&self, running: &Running) -> Result<()> {
        let mut put = Call::post("/Patient/drill", PATIENT, 1);
        put.method = hyper::Method::PUT;
        self.call(running, put).await
    }

    /// Reads the patient, as soon as their chart is there.
    pub(super) async fn read(&self, running: &Running) -> Result<()> {
        let began = Instant::now();
        loop {
            match self.call(running, Call::get("/Patient/drill")).await {
                Ok(()) => return Ok(()),
                Err(why) if began.elapsed() > READY_WAIT => return Err(why),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// One call to the FHIR door, which has to be answered well.
    async fn call(&self, running: &Running, call: Call) -> Result<()> {
        let load = HttpLoad {
            base: format!("{}/fhir", running.text("url")),
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

    pub(super) fn mllp(&self) -> Result<SocketAddr> {
        let first = self.said.pointer("/mllp/0").and_then(Value::as_str);
        first
            .unwrap_or_default()
            .parse()
            .context("the server has no MLLP door")
    }
}

/// Milliseconds since a moment.
pub(super) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A text that a command printed.
pub(super) fn text<'v>(printed: &'v Value, key: &str) -> Result<&'v str> {
    let text = printed.get(key).and_then(Value::as_str);
    text.with_context(|| format!("there is no `{key}` in `{printed}`"))
}

/// A number that a command printed.
pub(super) fn number(printed: &Value, key: &str) -> Result<u64> {
    let number = printed.get(key).and_then(Value::as_u64);
    number.with_context(|| format!("there is no `{key}` in `{printed}`"))
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
