use std::sync::Arc;

use chart::Chart;
use event::Clock;
use flow::Flow;
use guard::Policies;
use record::Record;
use staff::Staff;

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
    /// Who may do what.
    pub policies: Arc<Policies>,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
    /// Limits and names.
    pub settings: Settings,
}

/// Limits and names of the HTTP surfaces; each is an option in `salus.toml`, section `[web]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Absolute base of FHIR URLs, for instance `https://127.0.0.1:8443/fhir`.
    pub fhir_base: String,
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
    /// Failed sign-ins of an account before it is locked.
    pub sign_in_failures_max: u32,
    /// How long a locked account stays locked.
    pub lockout_ms: i64,
}
