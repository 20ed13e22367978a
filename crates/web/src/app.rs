use std::path::PathBuf;
use std::sync::Arc;

use chart::Chart;
use event::Clock;
use flow::Flow;
use guard::Policies;
use record::Record;
use staff::Staff;
use tokens::Tokens;

use crate::api::smart::{Keys, Launches, Signer};
use crate::session::Sessions;
use crate::setup::Setup;

/// Everything a page or an API may use.
pub struct App {
    /// The sealed record.
    pub record: Record,
    /// Current charts.
    pub chart: Chart,
    /// Who may sign in.
    pub staff: Staff,
    /// Feeds and their messages.
    pub flow: Flow,
    /// Apps, and what their tokens stand for.
    pub tokens: Tokens,
    /// Who may do what.
    pub policies: Arc<Policies>,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
    /// Limits and names.
    pub settings: Settings,
    pub(crate) signer: Signer,
    pub(crate) keys: Keys,
    pub(crate) launches: Launches,
    pub(crate) sessions: Sessions,
    pub(crate) setup: Setup,
}

/// The rooms behind the HTTP surfaces, ready to be joined to an [`App`].
pub struct Rooms {
    /// The sealed record.
    pub record: Record,
    /// Current charts.
    pub chart: Chart,
    /// Who may sign in.
    pub staff: Staff,
    /// Feeds and their messages.
    pub flow: Flow,
    /// Apps, and what their tokens stand for.
    pub tokens: Tokens,
    /// Signs id tokens.
    pub signer: Signer,
    /// Who may do what.
    pub policies: Arc<Policies>,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
}

impl App {
    /// Joins the rooms; nobody is signed in yet.
    pub fn new(rooms: Rooms, settings: Settings) -> App {
        let sessions = Sessions::new(&settings);
        App {
            record: rooms.record,
            chart: rooms.chart,
            staff: rooms.staff,
            flow: rooms.flow,
            tokens: rooms.tokens,
            signer: rooms.signer,
            keys: Keys::default(),
            launches: Launches::default(),
            policies: rooms.policies,
            clock: rooms.clock,
            settings,
            sessions,
            setup: Setup::default(),
        }
    }
}

/// Limits and names of the HTTP surfaces; each is an option in `salus.toml`, section `[web]`.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Absolute base of FHIR URLs, for instance `https://127.0.0.1:8443/fhir`.
    #[serde(skip)]
    pub fhir_base: String,
    /// The IANA zone in which pages show times, for instance `Europe/Berlin`.
    pub zone: String,
    /// The largest request body, in bytes.
    pub body_bytes_max: usize,
    /// How deep JSON may nest.
    pub json_depth_max: usize,
    /// The most entries a bundle may have.
    pub bundle_entries_max: usize,
    /// The most parameters a search may have.
    pub search_parameters_max: usize,
    /// Resources on a page of results when `_count` is not given.
    pub page_size: usize,
    /// The most resources on a page of results.
    pub page_size_max: usize,
    /// How long a read waits for the chart to catch up with what the same door sealed before.
    pub chart_wait_ms: u64,
    /// A session ends after this long without a request.
    pub session_idle_ms: i64,
    /// A session ends this long after it began, whatever happens.
    pub session_total_ms: i64,
    /// The most sessions at a time; the one idle longest makes room.
    pub sessions_max: usize,
    /// How long an access token is good, from a minute to an hour.
    pub access_token_ms: i64,
    /// How long a refresh token that nobody uses is good.
    pub refresh_token_ms: i64,
    /// How long an authorization code is good, up to a minute.
    pub code_ms: i64,
    /// How long a launch from a patient's page waits for the app.
    pub launch_ms: i64,
    /// How long a client's keys that were fetched from its `jwks_url` are used.
    pub jwks_cache_ms: i64,
    /// How long fetching them may take.
    pub jwks_timeout_ms: u64,
    /// The largest set of keys, in bytes.
    pub jwks_bytes_max: usize,
    /// PEM file with the authorities that are trusted when keys are fetched; empty: the machine's.
    pub jwks_authorities: PathBuf,
    /// How long the link for the first administrator works.
    pub setup_ms: i64,
    /// The largest form a page takes, in bytes.
    pub form_bytes_max: usize,
    /// The most events a page re-reads from disk to say that they are unaltered.
    pub checks_per_page_max: usize,
    /// The most patients a list shows.
    pub patients_per_page_max: usize,
    /// A feed silent for longer than this needs somebody to look.
    pub feed_silent_ms: i64,
    /// The most bytes of a message that a page shows.
    pub message_shown_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        const MINUTE: i64 = 60_000;
        Settings {
            fhir_base: "https://127.0.0.1:8443/fhir".to_owned(),
            zone: "UTC".to_owned(),
            body_bytes_max: 16 << 20,
            json_depth_max: 64,
            bundle_entries_max: 10_000,
            search_parameters_max: 64,
            page_size: 50,
            page_size_max: 1_000,
            chart_wait_ms: 2_000,
            session_idle_ms: 15 * MINUTE,
            session_total_ms: 12 * 60 * MINUTE,
            sessions_max: 10_000,
            access_token_ms: 5 * MINUTE,
            refresh_token_ms: 90 * 24 * 60 * MINUTE,
            code_ms: MINUTE,
            launch_ms: 5 * MINUTE,
            jwks_cache_ms: 5 * MINUTE,
            jwks_timeout_ms: 5_000,
            jwks_bytes_max: 64 << 10,
            jwks_authorities: PathBuf::new(),
            setup_ms: 30 * MINUTE,
            form_bytes_max: 16 << 10,
            checks_per_page_max: 64,
            patients_per_page_max: 200,
            feed_silent_ms: 60 * MINUTE,
            message_shown_bytes_max: 256 << 10,
        }
    }
}
