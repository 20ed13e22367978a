use std::sync::Arc;

use chart::Chart;
use event::{Clock, Role};
use flow::Flow;
use guard::Policies;
use record::Record;
use staff::Staff;

use crate::challenge::Challenges;
use crate::oidc::{Oidc, Provider};
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
    /// Who may do what.
    pub policies: Arc<Policies>,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
    /// Limits and names.
    pub settings: Settings,
    pub(crate) sessions: Sessions,
    pub(crate) setup: Setup,
    pub(crate) challenges: Challenges,
    pub(crate) provider: Provider,
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
            policies: rooms.policies,
            clock: rooms.clock,
            settings,
            sessions,
            setup: Setup::default(),
            challenges: Challenges::new(),
            provider: Provider::default(),
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
    /// Whether people need a second factor, or a password alone will do.
    pub second_factor: SecondFactor,
    /// A session pauses after this long without a request, by role.
    pub session_idle_ms: IdleMs,
    /// A session ends this long after it began, whatever happens.
    pub session_total_ms: i64,
    /// What a session is bound to besides its browser.
    pub session_binding: Binding,
    /// How long a proof of who somebody is counts for dangerous acts.
    pub step_up_ms: i64,
    /// The most sessions at a time; the one idle longest makes room.
    pub sessions_max: usize,
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
    /// The hospital's own sign-on.
    pub oidc: Oidc,
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
            second_factor: SecondFactor::Required,
            session_idle_ms: IdleMs::default(),
            session_total_ms: 12 * 60 * MINUTE,
            session_binding: Binding::Network,
            step_up_ms: 5 * MINUTE,
            sessions_max: 10_000,
            setup_ms: 30 * MINUTE,
            form_bytes_max: 16 << 10,
            checks_per_page_max: 64,
            patients_per_page_max: 200,
            feed_silent_ms: 60 * MINUTE,
            message_shown_bytes_max: 256 << 10,
            oidc: Oidc::default(),
        }
    }
}

impl Settings {
    /// The origin of pages on which passkeys work, and the host they are bound to. A passkey needs
    /// a name: for an address of this machine it is `localhost`.
    pub(crate) fn passkey_place(&self) -> (String, String) {
        let base = self
            .fhir_base
            .strip_suffix("/fhir")
            .unwrap_or(&self.fhir_base);
        let (scheme, rest) = base.split_once("://").unwrap_or(("https", base));
        let authority = rest.split('/').next().unwrap_or_default();
        let colon = authority.rfind(':').filter(|_| !authority.ends_with(']'));
        let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let loopback = bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
        let host = if loopback { "localhost" } else { host };
        let port = if port == ":443" { "" } else { port };
        (format!("{scheme}://{host}{port}"), host.to_owned())
    }
}

/// Whether people need a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondFactor {
    /// Whoever has none may set one up, and nothing else.
    Required,
    /// A password alone will do for whoever has set up nothing more.
    Optional,
}

/// What a session is bound to, besides the browser it began in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// Nothing: people walk from network to network.
    Browser,
    /// The network (IPv4 /24, IPv6 /64): from another one, the session pauses.
    Network,
}

/// How long a session may be idle before it pauses, in milliseconds, by role.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdleMs {
    /// Nurses: PCs on wards, where others walk by.
    pub nurse: i64,
    /// Physicians.
    pub physician: i64,
    /// Privacy officers.
    pub privacy_officer: i64,
    /// Administrators.
    pub administrator: i64,
}

impl Default for IdleMs {
    fn default() -> IdleMs {
        const MINUTE: i64 = 60_000;
        IdleMs {
            nurse: 5 * MINUTE,
            physician: 5 * MINUTE,
            privacy_officer: 15 * MINUTE,
            administrator: 10 * MINUTE,
        }
    }
}

impl IdleMs {
    pub(crate) fn of(&self, role: Role) -> i64 {
        match role {
            Role::Physician => self.physician,
            Role::PrivacyOfficer => self.privacy_officer,
            Role::Administrator => self.administrator,
            Role::Nurse | Role::Client | Role::Feed | Role::Operator | Role::Salus => self.nurse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_bound_to_the_name_of_the_house() {
        for (base, origin, host) in [
            (
                "https://127.0.0.1:8443/fhir",
                "https://localhost:8443",
                "localhost",
            ),
            (
                "https://[::1]:8443/fhir",
                "https://localhost:8443",
                "localhost",
            ),
            (
                "https://salus.hospital.example/fhir",
                "https://salus.hospital.example",
                "salus.hospital.example",
            ),
            (
                "https://salus.hospital.example:443/fhir",
                "https://salus.hospital.example",
                "salus.hospital.example",
            ),
        ] {
            let settings = Settings {
                fhir_base: base.into(),
                ..Settings::default()
            };
            assert_eq!(
                settings.passkey_place(),
                (origin.to_owned(), host.to_owned())
            );
        }
    }
}
