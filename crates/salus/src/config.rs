//! `salus.toml`: every option, gathered from the rooms. `salus.example.toml` shows each of them.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use inlets::mllp::TlsMin;
use record::{Objects, Pkcs11Config, Place, RootConfig, Storage};
use serde::{Deserialize, Serialize};

use crate::backups::Backups;
use crate::cli::Cli;
use crate::credentials;
use crate::logging::LogFormat;

/// The file that is read if none is named.
const FILE: &str = "salus.toml";

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Where rows are durable: empty, or the address of a PostgreSQL database.
    pub(crate) storage: String,
    /// Where tiles and packs are durable: empty, or the address of a bucket.
    pub(crate) objects: String,
    /// A folder with `*.cedar` policies and their schema; empty: the built-in ones.
    pub(crate) policies: PathBuf,
    /// A file with people's weekly hours and own charts; empty: none.
    pub(crate) rota: PathBuf,
    /// What is logged: a `tracing` filter.
    pub(crate) log: String,
    /// How log entries are written: `text` or `json`.
    pub(crate) log_format: LogFormat,
    /// The most bytes that one file of an import may have once it is unpacked.
    pub(crate) import_unpacked_bytes_max: u64,
    /// How many witnesses have to cosign a checkpoint for it to be shown as cosigned.
    pub(crate) witnesses_needed: usize,
    /// How long a witness may take to answer.
    pub(crate) witness_wait_ms: u64,
    /// The witnesses that are asked.
    pub(crate) witnesses: Vec<WitnessAsked>,
    pub(crate) witness: WitnessOf,
    pub(crate) standby: StandbyOf,
    pub(crate) fence: Fence,
    pub(crate) https: Https,
    /// Boxed, as `dicom` is: futures that hold the configuration would become too large for the stack otherwise.
    pub(crate) web: Box<web::Settings>,
    pub(crate) mllp: inlets::mllp::Config,
    pub(crate) dicom: Box<inlets::dicom::Config>,
    pub(crate) signals: inlets::signals::Config,
    pub(crate) routes: routes::Config,
    pub(crate) record: RecordConfig,
    pub(crate) keys: Keys,
    pub(crate) chart: ChartConfig,
    pub(crate) staff: staff::Limits,
    pub(crate) access: access::Limits,
    pub(crate) audit: Audit,
    pub(crate) lifeline: lifeline::Limits,
    pub(crate) upstream: lifeline::UpstreamConfig,
    pub(crate) backups: Backups,
    /// Which ward's pack goes where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) packs: Vec<lifeline::PackConfig>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            data: "salus-data".into(),
            storage: String::new(),
            objects: String::new(),
            policies: PathBuf::new(),
            rota: PathBuf::new(),
            log: "info".into(),
            log_format: LogFormat::Text,
            import_unpacked_bytes_max: 16 << 30,
            witnesses_needed: 0,
            witness_wait_ms: 5_000,
            witnesses: Vec::new(),
            witness: WitnessOf::default(),
            standby: StandbyOf::default(),
            fence: Fence::default(),
            https: Https::default(),
            web: Box::default(),
            mllp: inlets::mllp::Config::default(),
            dicom: Box::default(),
            signals: inlets::signals::Config::default(),
            routes: routes::Config::default(),
            record: RecordConfig::default(),
            keys: Keys::default(),
            chart: ChartConfig::default(),
            staff: staff::Limits::default(),
            access: access::Limits::default(),
            audit: Audit::default(),
            lifeline: lifeline::Limits::default(),
            upstream: lifeline::UpstreamConfig::default(),
            backups: Backups::default(),
            packs: Vec::new(),
        }
    }
}

/// A witness that is asked to cosign.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WitnessAsked {
    /// Its address; `/add-checkpoint` follows.
    pub(crate) url: String,
    /// Its public key (`vkey` of type 4).
    pub(crate) key: String,
    /// PEM file with the authorities of its certificate; empty: the machine's.
    #[serde(default)]
    pub(crate) authorities: PathBuf,
}

/// Whose records are witnessed here.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WitnessOf {
    /// Our name as a witness; empty: nobody's.
    pub(crate) name: String,
    /// The public keys of the records.
    pub(crate) logs: Vec<String>,
}

/// Whom a standby follows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StandbyOf {
    /// The primary's address.
    pub(crate) from: String,
    /// A file with the token of a client with the scope `system/standby` there.
    pub(crate) token_file: PathBuf,
    /// PEM file with the authorities of the primary's certificate; empty: the machine's.
    pub(crate) authorities: PathBuf,
    /// The public key of the primary's log; empty: the one it shows first.
    pub(crate) log_key: String,
}

/// Whom a primary asks whether another machine took over.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Fence {
    /// Addresses of the standby and of others that may have taken over.
    pub(crate) peers: Vec<String>,
    /// PEM file with the authorities of their certificates; empty: the machine's.
    pub(crate) authorities: PathBuf,
    /// Whether one of them has to answer before this machine takes anything.
    pub(crate) required: bool,
    /// How often they are asked while it runs, and how long one answer may take.
    pub(crate) ask_ms: u64,
    /// Nothing is acknowledged when none of them has answered for this long; 0: no such lease.
    pub(crate) lease_ms: u64,
}

impl Default for Fence {
    fn default() -> Fence {
        Fence {
            peers: Vec::new(),
            authorities: PathBuf::new(),
            required: false,
            ask_ms: 2_000,
            lease_ms: 0,
        }
    }
}

/// What becomes of the audit trail beside the record.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Audit {
    pub(crate) export: access::OutletConfig,
}

/// Where console and FHIR are served.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Https {
    pub(crate) listen: SocketAddr,
    pub(crate) url: String,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) tls_min: TlsMin,
    pub(crate) certificate_look_ms: u64,
    /// PEM file with the authorities of client certificates; empty: none is asked for.
    pub(crate) client_authorities: PathBuf,
    pub(crate) handshake_ms: u64,
    pub(crate) header_ms: u64,
    pub(crate) body_ms: u64,
    /// How long the body of a request with images (STOW-RS) may take to come.
    pub(crate) images_body_ms: u64,
    pub(crate) idle_ms: u64,
    pub(crate) connections_max: usize,
    pub(crate) connections_per_source_max: usize,
    pub(crate) streams_per_connection_max: u32,
    pub(crate) drain_ms: u64,
    /// How long it is said why nothing is taken, once the data folder is gone; then the server ends.
    pub(crate) uprooted_ms: u64,
}

impl Default for Https {
    fn default() -> Https {
        Https {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8443)),
            url: String::new(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            tls_min: TlsMin::default(),
            certificate_look_ms: 10_000,
            client_authorities: PathBuf::new(),
            handshake_ms: 10_000,
            header_ms: 10_000,
            body_ms: 60_000,
            images_body_ms: 600_000,
            idle_ms: 120_000,
            connections_max: 4_096,
            connections_per_source_max: 512,
            streams_per_connection_max: 100,
            drain_ms: 20_000,
            uprooted_ms: 60_000,
        }
    }
}

/// Where the root of all keys is, and when keys are old.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Keys {
    pub(crate) root: Root,
    pub(crate) rotate_after_days: u32,
    pub(crate) signing_rotate_after_days: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pkcs11: Option<Pkcs11>,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys {
            root: Root::File,
            rotate_after_days: 365,
            signing_rotate_after_days: 730,
            pkcs11: None,
        }
    }
}

/// What keeps the root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Root {
    File,
    Pkcs11,
}

/// The section `[keys.pkcs11]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pkcs11 {
    pub(crate) module: PathBuf,
    pub(crate) token: String,
    pub(crate) key: String,
    pub(crate) pin_file: PathBuf,
}

/// Limits of the record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RecordConfig {
    pub(crate) origin: String,
    pub(crate) batch_events_max: usize,
    pub(crate) queue_events_max: usize,
    pub(crate) event_bytes_max: usize,
    pub(crate) content_bytes_min: usize,
    pub(crate) recent_writes_max: usize,
    pub(crate) newest_bytes_max: usize,
    pub(crate) keys_cached_max: NonZeroUsize,
    pub(crate) checkpoint_interval_ms: u64,
    pub(crate) scrub_bytes_per_second: u64,
    pub(crate) scrub_rest_seconds: u64,
    pub(crate) objects_second: String,
    pub(crate) objects_unnamed_days: u32,
    pub(crate) objects_names_max: usize,
}

impl RecordConfig {
    /// Where objects may also lie.
    fn second(&self) -> Result<Option<Place>, String> {
        match self.objects_second.as_str() {
            "" => Ok(None),
            place => Place::parse(place).map(Some),
        }
    }
}

impl Default for RecordConfig {
    fn default() -> RecordConfig {
        let own = record::Config::new(PathBuf::new());
        RecordConfig {
            origin: own.origin,
            batch_events_max: own.batch_events_max,
            queue_events_max: own.queue_events_max,
            event_bytes_max: own.event_bytes_max,
            content_bytes_min: own.content_bytes_min,
            recent_writes_max: own.recent_writes_max,
            newest_bytes_max: own.newest_bytes_max,
            keys_cached_max: own.keys_cached_max,
            checkpoint_interval_ms: own.checkpoint_interval_ms,
            scrub_bytes_per_second: own.scrub_bytes_per_second,
            scrub_rest_seconds: own.scrub_rest_seconds,
            objects_second: String::new(),
            objects_unnamed_days: own.objects_unnamed_days,
            objects_names_max: own.objects_names_max,
        }
    }
}

/// Limits of the chart.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ChartConfig {
    pub(crate) sensitivity: PathBuf,
    pub(crate) search_scan_max: usize,
    pub(crate) search_chain_max: usize,
    pub(crate) include_max: usize,
    pub(crate) contents_bytes_max: NonZeroUsize,
    pub(crate) content_inline_bytes_max: u64,
    pub(crate) summary_scan_max: usize,
    pub(crate) trend_max: usize,
    pub(crate) hot_resources_max: usize,
    pub(crate) resources_bytes_max: usize,
    pub(crate) summaries_bytes_max: usize,
    pub(crate) summaries_ready_max: usize,
    pub(crate) readers_max: u32,
    /// Hours between comparisons of the views with a fresh fold of the record; 0: none.
    pub(crate) compare_every_hours: u16,
}

impl Default for ChartConfig {
    fn default() -> ChartConfig {
        let own = chart::Config::at(PathBuf::new());
        ChartConfig {
            sensitivity: PathBuf::new(),
            search_scan_max: own.search_scan_max,
            search_chain_max: own.search_chain_max,
            include_max: own.include_max,
            contents_bytes_max: NonZeroUsize::new(own.contents_bytes_max)
                .unwrap_or(NonZeroUsize::MIN),
            content_inline_bytes_max: own.content_inline_bytes_max,
            summary_scan_max: own.summary_scan_max,
            trend_max: own.trend_max,
            hot_resources_max: own.hot_resources_max,
            resources_bytes_max: own.resources_bytes_max,
            summaries_bytes_max: own.summaries_bytes_max,
            summaries_ready_max: own.summaries_ready_max,
            readers_max: own.readers_max,
            compare_every_hours: 24,
        }
    }
}

impl Config {
    /// From the file that the command line names, or `salus.toml` if there is one.
    pub(crate) fn load(cli: &Cli) -> Result<Config> {
        let handed_over = std::env::var_os("CREDENTIALS_DIRECTORY");
        Config::with(cli, handed_over.as_deref().map(Path::new))
    }

    /// The same with the credentials that lie in a folder.
    fn with(cli: &Cli, credentials: Option<&Path>) -> Result<Config> {
        let mut config = match &cli.config {
            Some(path) => Config::read(path)?,
            None if Path::new(FILE).exists() => Config::read(Path::new(FILE))?,
            None => Config::default(),
        };
        if let Some(data) = &cli.data {
            config.data.clone_from(data);
        }
        credentials::resolve(&mut config, credentials)?;
        if cli.command.serves() {
            credentials::complete(&config)?;
        }
        Ok(config)
    }

    fn read(path: &Path) -> Result<Config> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration file `{}`", path.display()))?;
        match toml::from_str::<Config>(&text) {
            Ok(config) if config.keys.root == Root::Pkcs11 && config.keys.pkcs11.is_none() => {
                bail!(
                    "the configuration file `{}` is wrong: `root = \"pkcs11\"` needs a section \
                 `[keys.pkcs11]` with `module`, `token`, `key` and `pin_file`",
                    path.display()
                )
            }
            Ok(config) => match config.engines() {
                Ok(_) => Ok(config),
                Err(why) => bail!(
                    "the configuration file `{}` is wrong: {why}",
                    path.display()
                ),
            },
            Err(why) => bail!(
                "the configuration file `{}` is wrong:\n{why}",
                path.display()
            ),
        }
    }

    fn engines(&self) -> Result<(Storage, Objects), String> {
        self.backups.check()?;
        self.routes.check()?;
        self.record.second()?;
        Ok((
            Storage::parse(&self.storage)?,
            Objects::parse(&self.objects)?,
        ))
    }

    /// What the record wants.
    pub(crate) fn record(&self) -> record::Config {
        let own = &self.record;
        // What is wrong with them was said when the file was read.
        let (storage, objects) = self.engines().unwrap_or_default();
        record::Config {
            data: self.data.clone(),
            storage,
            objects,
            origin: own.origin.clone(),
            batch_events_max: own.batch_events_max,
            queue_events_max: own.queue_events_max,
            event_bytes_max: own.event_bytes_max,
            content_bytes_min: own.content_bytes_min,
            recent_writes_max: own.recent_writes_max,
            newest_bytes_max: own.newest_bytes_max,
            keys_cached_max: own.keys_cached_max,
            checkpoint_interval_ms: own.checkpoint_interval_ms,
            scrub_bytes_per_second: own.scrub_bytes_per_second,
            scrub_rest_seconds: own.scrub_rest_seconds,
            objects_second: own.second().unwrap_or_default(),
            objects_unnamed_days: own.objects_unnamed_days,
            objects_names_max: own.objects_names_max,
            root: self.root(),
        }
    }

    fn root(&self) -> RootConfig {
        match (self.keys.root, &self.keys.pkcs11) {
            (Root::Pkcs11, Some(own)) => RootConfig::Pkcs11(Pkcs11Config {
                module: own.module.clone(),
                token: own.token.clone(),
                key: own.key.clone(),
                pin_file: own.pin_file.clone(),
            }),
            (Root::File, _) | (Root::Pkcs11, None) => RootConfig::File,
        }
    }

    /// What the chart wants.
    pub(crate) fn chart(&self) -> Result<chart::Config> {
        let own = &self.chart;
        let file = &own.sensitivity;
        let sensitivity = match file.as_os_str().is_empty() {
            true => chart::SENSITIVITY.to_owned(),
            false => std::fs::read_to_string(file).with_context(|| {
                format!("cannot read the rules of sensitivity `{}`", file.display())
            })?,
        };
        Ok(chart::Config {
            sensitivity,
            path: self.view("chart"),
            search_scan_max: own.search_scan_max,
            search_chain_max: own.search_chain_max,
            include_max: own.include_max,
            contents_bytes_max: own.contents_bytes_max.get(),
            content_inline_bytes_max: own.content_inline_bytes_max,
            summary_scan_max: own.summary_scan_max,
            trend_max: own.trend_max,
            hot_resources_max: own.hot_resources_max,
            resources_bytes_max: own.resources_bytes_max,
            summaries_bytes_max: own.summaries_bytes_max,
            summaries_ready_max: own.summaries_ready_max,
            readers_max: own.readers_max,
        })
    }

    /// The wards' packs that were put into folders, each ward's newest: they go along with backups,
    /// so that wards read before anything else is back.
    pub(crate) fn packed(&self) -> Vec<PathBuf> {
        let folders = self.packs.iter().flat_map(|one| &one.folders);
        let files = folders.filter_map(|folder| std::fs::read_dir(folder).ok());
        let mut files: Vec<PathBuf> = files.flatten().flatten().map(|one| one.path()).collect();
        files.retain(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("ward-") && name.ends_with(".html")
        });
        let changed = |path: &PathBuf| path.metadata().and_then(|found| found.modified()).ok();
        files.sort_by_cached_key(|path| {
            (
                path.file_name().map(ToOwned::to_owned),
                std::cmp::Reverse(changed(path)),
            )
        });
        files.dedup_by(|a, b| a.file_name() == b.file_name());
        files
    }

    /// The database file of a view.
    pub(crate) fn view(&self, name: &str) -> PathBuf {
        self.data.join("views").join(format!("{name}.db"))
    }

    /// Where a running server listens for the operator of this machine.
    pub(crate) fn socket(&self) -> PathBuf {
        self.data.join("operate.sock")
    }
}

#[cfg(test)]
mod tests;
