use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use access::Access;
use chart::Chart;
use event::{Clock, Time};
use flow::Flow;
use guard::{Policies, Rota};
use jiff::tz::TimeZone;
use lifeline::Lifeline;
use oversight::Oversight;
use record::{Record, WitnessBook};
use routes::Routes;
use staff::Staff;
use tokens::Tokens;

use crate::api::fhir::{Imports, Looks, Subscriptions};
use crate::api::signals::Feeds;
use crate::api::smart::{Keys, Launches, Signer};
use crate::challenge::Challenges;
use crate::doors::Doors;
use crate::errands::Errands;
use crate::fetch::Fetch;
use crate::following::Following;
use crate::imaging::Pictures;
use crate::imaging::{Objects, Outgoing};
use crate::leave::Leaving;
use crate::oidc::{Oidc, Provider};
use crate::outside::Outside;
use crate::pace::Paces;
use crate::packs::Packing;
use crate::people::{Binding, IdleMs, SecondFactor};
use crate::pulls::{PullSource, Pulls};
use crate::rate::Rate;
use crate::rejected::Rejections;
use crate::session::Sessions;
use crate::setup::Setup;
use crate::standbys::Standbys;
use crate::unread::Unread;
use crate::upstream::Upstream;
use crate::witnesses::Witnesses;

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
    /// What is passed on, and where to.
    pub routes: Routes,
    /// Apps, and what their tokens stand for.
    pub tokens: Tokens,
    /// Broken glass and its reviews, the policies that were sealed.
    pub oversight: Oversight,
    /// Who looked at whom.
    pub access: Access,
    /// Ward packs, paper, copies and drills.
    pub lifeline: Lifeline,
    /// Who may do what.
    pub policies: Arc<Policies>,
    /// Who is on duty when.
    pub rota: Rota,
    /// The witness of other records, if this is one.
    pub witness: Option<WitnessBook>,
    /// The witnesses of this record.
    pub witnesses: Witnesses,
    /// Long work that was ordered from a page.
    pub errands: Errands,
    /// What a standby knows of its primary.
    pub following: Arc<Following>,
    /// The pictures of images that pages showed last.
    pub(crate) pictures: Pictures,
    /// The lists of leavers that are watched.
    pub leaving: Leaving,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
    /// Limits and names.
    pub settings: Settings,
    /// Signs id tokens.
    pub signer: Signer,
    /// Looks that subscriptions share.
    pub(crate) looks: Looks,
    pub(crate) keys: Keys,
    pub(crate) launches: Launches,
    pub(crate) sessions: Sessions,
    pub(crate) setup: Setup,
    pub(crate) challenges: Challenges,
    pub(crate) provider: Provider,
    pub(crate) packing: Packing,
    pub(crate) outside: Outside,
    pub(crate) upstream: Upstream,
    pub(crate) rejections: Rejections,
    pub(crate) paces: Paces,
    pub(crate) standbys: Standbys,
    pub(crate) fetch: Fetch,
    /// Held while subscriptions are counted and sealed.
    pub(crate) subscribing: tokio::sync::Mutex<()>,
    /// The feeds of machines that come over HTTPS.
    pub(crate) signals: Feeds,
    /// What is listened at, and who is expected.
    pub(crate) doors: Doors,
    /// Who takes in what is stored over DICOMweb; `None`: nobody does.
    pub(crate) objects: Option<Arc<dyn Objects>>,
    /// Objects on their way out.
    pub(crate) outgoing: Outgoing,
    /// Images that somebody at a page has fetched.
    pub pulls: Pulls,
    /// Room for large contents of resources on their way out.
    pub(crate) documents: Outgoing,
    /// Room for those on their way in.
    pub(crate) documents_in: Outgoing,
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
    /// What is passed on, and where to.
    pub routes: Routes,
    /// Apps, and what their tokens stand for.
    pub tokens: Tokens,
    /// Signs id tokens.
    pub signer: Signer,
    /// Broken glass and its reviews, the policies that were sealed.
    pub oversight: Oversight,
    /// Who looked at whom.
    pub access: Access,
    /// Ward packs, paper, copies and drills.
    pub lifeline: Lifeline,
    /// Who may do what.
    pub policies: Arc<Policies>,
    /// Who is on duty when.
    pub rota: Rota,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
}

impl App {
    /// Joins the rooms; nobody is signed in yet.
    pub fn new(rooms: Rooms, settings: Settings) -> App {
        let sessions = Sessions::new(&settings);
        let outgoing = Outgoing::new(settings.images_out_bytes_max, settings.images_out_wait_ms);
        let pulls = Pulls::new(Vec::new(), settings.pulls_waiting_max);
        let documents = Outgoing::new(settings.binaries_bytes_max, settings.binary_wait_ms);
        let documents_in = Outgoing::new(settings.binaries_in_bytes_max, settings.binary_wait_ms);
        App {
            record: rooms.record,
            chart: rooms.chart,
            staff: rooms.staff,
            flow: rooms.flow,
            routes: rooms.routes,
            tokens: rooms.tokens,
            signer: rooms.signer,
            keys: Keys::default(),
            looks: Looks::default(),
            launches: Launches::default(),
            oversight: rooms.oversight,
            access: rooms.access,
            lifeline: rooms.lifeline,
            policies: rooms.policies,
            rota: rooms.rota,
            witness: None,
            witnesses: Witnesses::default(),
            errands: Errands::default(),
            following: Arc::default(),
            pictures: Pictures::default(),
            leaving: Leaving::default(),
            clock: rooms.clock,
            settings,
            sessions,
            setup: Setup::default(),
            challenges: Challenges::new(),
            provider: Provider::default(),
            packing: Packing::default(),
            outside: Outside::default(),
            upstream: Upstream::default(),
            rejections: Rejections::default(),
            paces: Paces::default(),
            standbys: Standbys::default(),
            fetch: Fetch::default(),
            subscribing: tokio::sync::Mutex::default(),
            signals: Feeds::default(),
            doors: Doors::default(),
            objects: None,
            outgoing,
            pulls,
            documents,
            documents_in,
        }
    }

    /// The same, taking in objects that are stored over DICOMweb.
    #[must_use]
    pub fn storing(mut self, objects: Arc<dyn Objects>) -> App {
        self.objects = Some(objects);
        self
    }

    /// The same, where images can be fetched from.
    #[must_use]
    pub fn fetching_from(mut self, sources: Vec<PullSource>) -> App {
        self.pulls = Pulls::new(sources, self.settings.pulls_waiting_max);
        self
    }

    /// The same, taking lines of machines.
    #[must_use]
    pub fn hearing(mut self, signals: Feeds) -> App {
        self.signals = signals;
        self
    }

    /// The same, with these doors beside its own.
    #[must_use]
    pub fn entered_by(mut self, doors: Doors) -> App {
        self.doors = doors;
        self
    }

    /// The same, on a standby.
    #[must_use]
    pub fn behind(mut self, following: Following) -> App {
        self.following = Arc::new(following);
        self
    }

    /// Forgets the pictures that are kept in memory: somebody was erased.
    pub fn forget_pictures(&self) {
        self.pictures.clear();
    }

    /// The same, with sessions that a restart does not end: those of the file go on; it is kept under `key`.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn keeping_sessions(mut self, path: &Path, key: [u8; 32]) -> std::io::Result<App> {
        let people = self.staff.people();
        // Whoever was changed or disabled in the meantime signs in anew.
        let stands = |account: &str, began: Time| {
            let known = people.iter().find(|one| one.id == account);
            known.is_some_and(|one| !one.disabled && one.changed <= began)
        };
        let sealed = self.staff.latest();
        self.sessions = Sessions::kept(&self.settings, (path, key), (sealed, stands))?;
        Ok(self)
    }

    /// The same, as a witness of other records (if `book` is one), with witnesses of its own.
    #[must_use]
    pub fn witnessed(mut self, book: Option<WitnessBook>, witnesses: Witnesses) -> App {
        self.witness = book;
        self.witnesses = witnesses;
        self
    }
}

impl App {
    /// The zone of the house.
    pub(crate) fn zone(&self) -> TimeZone {
        TimeZone::get(&self.settings.zone).unwrap_or(TimeZone::UTC)
    }
}

/// Limits and names of the HTTP surfaces; each is an option in `salus.toml`, section `[web]`.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Absolute base of FHIR URLs, for instance `https://127.0.0.1:8443/fhir`.
    #[serde(skip)]
    pub fhir_base: String,
    /// The assigning authority of patient ids without an issuer, as `[dicom]` has it.
    #[serde(skip)]
    pub image_authority: String,
    /// What an object may unpack to, as `[dicom]` has it.
    #[serde(skip)]
    pub image_limits: wire::dicom::Limits,
    /// The IANA zone in which pages show times, for instance `Europe/Berlin`.
    pub zone: String,
    /// The largest request body, in bytes.
    pub body_bytes_max: usize,
    /// The largest content of a Binary that is sent as what it is, in bytes.
    pub binary_bytes_max: usize,
    /// Memory for contents from the vault in answers, in bytes; one counts three times its size.
    pub binaries_bytes_max: u64,
    /// Memory for such contents on their way in, in bytes; one counts three times its size.
    pub binaries_in_bytes_max: u64,
    /// How long one waits for that room, in milliseconds.
    pub binary_wait_ms: u64,
    /// The largest AuditEvent that is taken as what another system tells, in bytes.
    pub audit_event_bytes_max: usize,
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
    /// The most Patients that each search of one `$match` looks at.
    pub match_candidates_max: usize,
    /// The most results that one QIDO-RS query is answered with.
    pub dicomweb_matches_max: usize,
    /// The most objects that one WADO-RS request is answered with.
    pub dicomweb_objects_max: usize,
    /// The most objects that one STOW-RS request stores.
    pub dicomweb_stored_max: usize,
    /// The largest body of a STOW-RS request, in bytes; one object of it lies in memory.
    pub dicomweb_stored_bytes_max: u64,
    /// Bytes of memory for objects on their way out, by whatever door; each counts three times its size.
    pub images_out_bytes_max: u64,
    /// Milliseconds an object waits for room in that; then it is not sent.
    pub images_out_wait_ms: u64,
    /// Milliseconds for which the guard's word on a retrieval counts; then it is asked again.
    pub images_permit_ms: u64,
    /// Bytes a second in which bodies with images must come (STOW-RS) and be read (WADO-RS); 0: as slowly as they like.
    pub images_rate_min: u64,
    /// Milliseconds for which they may be slower, or stand still.
    pub images_grace_ms: u64,
    /// Orders to fetch images from a PACS that wait for others, at most.
    pub pulls_waiting_max: usize,
    /// Milliseconds that one such order may take in all; then the next one is carried out.
    pub pull_order_ms: u64,
    /// Bytes of one picture of an image on a page, at most.
    pub picture_bytes_max: usize,
    /// Bytes of the pictures that are kept in memory, for five minutes at most.
    pub pictures_cached_bytes_max: usize,
    /// The most bulk exports that one client has at a time, those that are done included.
    pub exports_per_client_max: usize,
    /// How long a bulk export can be fetched.
    pub export_keep_ms: i64,
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
    /// How long an access token is good, from a minute to an hour.
    pub access_token_ms: i64,
    /// How long a refresh token that nobody uses is good.
    pub refresh_token_ms: i64,
    /// How long what a person agreed to lasts, however much the app uses it.
    pub agreement_ms: i64,
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
    /// The fewest bits of an RSA key by which a client proves itself.
    pub rsa_bits_min: usize,
    /// How long the link for the first administrator works.
    pub setup_ms: i64,
    /// The largest form a page takes, in bytes.
    pub form_bytes_max: usize,
    /// The most events a page re-reads from disk to say that they are unaltered.
    pub checks_per_page_max: usize,
    /// The most patients a list shows.
    pub patients_per_page_max: usize,
    /// A feed silent for longer than this needs somebody to look, until it is known what is usual for it.
    pub feed_silent_ms: i64,
    /// The most bytes of a message that a page shows.
    pub message_shown_bytes_max: usize,
    /// How long broken glass lets somebody into one chart.
    pub glass_ms: i64,
    /// Broken glass older than this without a review needs somebody to look.
    pub review_late_ms: i64,
    /// The most reviewed glass that a page lists, the newest.
    pub reviewed_shown_max: u32,
    /// Public keys of the standbys that may have the keys of the record.
    pub standby_keys: Vec<String>,
    /// A witness that cosigned longer ago than this needs somebody to look.
    pub witness_late_ms: i64,
    /// Of what is turned away from one source, one event is sealed in this time, then a count.
    pub rejected_each_ms: i64,
    /// The most sources that are told apart in this time; all others count as one.
    pub rejected_sources_max: usize,
    /// The most failed sign-ins a minute that are sealed one by one; more are counted; 0: all one by one.
    pub failures_sealed_max: u32,
    /// The most requests a minute of one address; 0: as many as come.
    pub requests_per_source_max: u32,
    /// The most requests a minute of one client at the doors for programs; 0: as many as come.
    pub requests_per_client_max: u32,
    /// Bytes of a body that are still taken when its answer is known, so that the client hears it.
    pub unread_bytes_max: usize,
    /// How long they are waited for, in milliseconds; 0: none are taken.
    pub unread_ms: u64,
    /// The hospital's own sign-on.
    pub oidc: Oidc,
    /// Where bulk imports may read from.
    pub imports: Imports,
    /// Where notifications may go.
    pub subscriptions: Subscriptions,
}

impl Settings {
    /// What is taken of a body that nobody reads.
    pub(crate) const fn unread(&self) -> Unread {
        Unread {
            bytes_max: self.unread_bytes_max,
            wait: Duration::from_millis(self.unread_ms),
        }
    }

    /// The least rate of bodies with images, and of contents of Binary.
    pub const fn images_rate(&self) -> Rate {
        Rate {
            min: self.images_rate_min,
            grace: Duration::from_millis(self.images_grace_ms),
        }
    }
}

/// In milliseconds.
const MINUTE: i64 = 60_000;

impl Default for Settings {
    #[expect(clippy::too_many_lines, reason = "each option has its line")]
    fn default() -> Settings {
        Settings {
            fhir_base: "https://127.0.0.1:8443/fhir".to_owned(),
            image_authority: "hospital".to_owned(),
            image_limits: wire::dicom::Limits::default(),
            zone: "UTC".to_owned(),
            body_bytes_max: 16 << 20,
            binary_bytes_max: 128 << 20,
            binaries_bytes_max: 1 << 30,
            binaries_in_bytes_max: 512 << 20,
            binary_wait_ms: 10_000,
            audit_event_bytes_max: 1 << 20,
            json_depth_max: 64,
            bundle_entries_max: 10_000,
            search_parameters_max: 64,
            page_size: 50,
            page_size_max: 1_000,
            match_candidates_max: 2_000,
            dicomweb_matches_max: 1_000,
            dicomweb_objects_max: 20_000,
            dicomweb_stored_max: 20_000,
            dicomweb_stored_bytes_max: 16 << 30,
            images_out_bytes_max: 2 << 30,
            images_out_wait_ms: 30_000,
            images_permit_ms: 60_000,
            images_rate_min: 64 << 10,
            images_grace_ms: 30_000,
            pulls_waiting_max: 16,
            pull_order_ms: 7_200_000,
            picture_bytes_max: 512 << 10,
            pictures_cached_bytes_max: 8 << 20,
            exports_per_client_max: 2,
            export_keep_ms: 24 * 60 * MINUTE,
            chart_wait_ms: 2_000,
            second_factor: SecondFactor::Required,
            session_idle_ms: IdleMs::default(),
            session_total_ms: 12 * 60 * MINUTE,
            session_binding: Binding::Network,
            step_up_ms: 5 * MINUTE,
            sessions_max: 10_000,
            access_token_ms: 5 * MINUTE,
            refresh_token_ms: 90 * 24 * 60 * MINUTE,
            agreement_ms: 180 * 24 * 60 * MINUTE,
            code_ms: MINUTE,
            launch_ms: 5 * MINUTE,
            jwks_cache_ms: 5 * MINUTE,
            jwks_timeout_ms: 5_000,
            jwks_bytes_max: 64 << 10,
            jwks_authorities: PathBuf::new(),
            rsa_bits_min: 3_072,
            setup_ms: 30 * MINUTE,
            form_bytes_max: 16 << 10,
            checks_per_page_max: 64,
            patients_per_page_max: 200,
            feed_silent_ms: 60 * MINUTE,
            message_shown_bytes_max: 256 << 10,
            glass_ms: 15 * MINUTE,
            review_late_ms: 72 * 60 * MINUTE,
            reviewed_shown_max: 50,
            standby_keys: Vec::new(),
            witness_late_ms: 5 * MINUTE,
            rejected_each_ms: MINUTE,
            rejected_sources_max: 50,
            failures_sealed_max: 300,
            requests_per_source_max: 60_000,
            requests_per_client_max: 30_000,
            unread_bytes_max: 64 << 10,
            unread_ms: 2_000,
            oidc: Oidc::default(),
            imports: Imports::default(),
            subscriptions: Subscriptions::default(),
        }
    }
}
