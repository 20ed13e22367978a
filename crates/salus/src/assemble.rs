//! Opens the rooms in their order and joins them.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use chart::Chart;
use event::Clock;
use flow::Flow;
use guard::Policies;
use record::{Reader, Record, follow};
use staff::Staff;
use tokens::Tokens;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use web::{App, Rooms, Signer};

use crate::certificate;
use crate::clock::SystemClock;
use crate::config::Config;

/// Everything but the ways in.
pub(crate) struct House {
    pub(crate) config: Config,
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<dyn Clock>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl House {
    /// Opens the record and the views and starts folding.
    pub(crate) async fn open(config: Config) -> Result<House> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let policies = Arc::new(policies(&config.policies)?);
        let record = Record::open(config.record(), Arc::clone(&clock)).await?;
        make_folder(&config.data.join("views"))?;
        let chart = Chart::open(config.chart(), record.blind()).await?;
        let staff = Staff::open_with(&config.view("staff"), config.staff.clone()).await?;
        let flow = Flow::open(&config.view("flow")).await?;
        let tokens = Tokens::open(&config.view("tokens")).await?;
        let readers: [Arc<dyn Reader>; 4] = [
            staff.reader(),
            tokens.reader(),
            flow.reader(),
            chart.reader(),
        ];
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        for reader in readers {
            tasks.spawn(follow(record.clone(), reader, stop.clone()));
        }
        let rooms = Rooms {
            record,
            chart,
            staff,
            flow,
            tokens,
            signer: signer(&config)?,
            policies,
            clock: Arc::clone(&clock),
        };
        let app = Arc::new(App::new(rooms, config.web.clone()));
        Ok(House {
            config,
            app,
            clock,
            stop,
            tasks,
        })
    }

    /// Stops the readers, seals what was accepted and publishes.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.app.record.stop().await;
    }
}

/// The key that signs id tokens, made at the first start.
fn signer(config: &Config) -> Result<Signer> {
    let path = config.data.join("keys/id.key");
    if !path.exists() {
        let key = Signer::make().map_err(anyhow::Error::msg)?;
        certificate::write(&path, &key)
            .with_context(|| format!("cannot write the key `{}`", path.display()))?;
    }
    let key =
        fs::read(&path).with_context(|| format!("cannot read the key `{}`", path.display()))?;
    Signer::of(&key).map_err(anyhow::Error::msg)
}

/// The policies of a folder, or the built-in ones; anything wrong with them is fatal.
pub(crate) fn policies(folder: &Path) -> Result<Policies> {
    if folder.as_os_str().is_empty() {
        return Policies::built_in().context("the built-in policies are wrong");
    }
    let (mut sources, mut schema) = (Vec::new(), None);
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the policies in `{}`", folder.display()))?;
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("cedar") => sources.push((name, fs::read_to_string(&path)?)),
            Some("cedarschema") => schema = Some(fs::read_to_string(&path)?),
            Some(_) | None => {}
        }
    }
    sources.sort();
    let Some(schema) = schema else {
        bail!(
            "there is no `*.cedarschema` in `{}`; copy the one of Salus",
            folder.display()
        );
    };
    Policies::load(&sources, &schema).context("the policies are wrong, so nobody is let in")
}

fn make_folder(path: &Path) -> Result<()> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.with_context(|| format!("cannot make the folder `{}`", path.display()))
}
