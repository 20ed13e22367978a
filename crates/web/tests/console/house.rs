//! A real house in a temporary folder: record, readers, pages; and a browser without eyes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::http::{Request, StatusCode};
use event::{
    Account, AccountChange, Act, Actor, Body, Clock, Event, Image, Message, Resource, Role,
    Subject, Time,
};
use guard::{Policies, Standing, admit};
use http_body_util::BodyExt;
use record::{Reader, Record, Sealed};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use web::{App, Rooms, SecondFactor, Settings, Witnesses};
use wire::dicom::{Syntax, VR, Writer, tags};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Whose own chart is which.
const ROTA: &str = "
    [[person]]
    account = \"jurgen\"
    patient = \"p-med\"
";

/// A clock that the test moves.
pub(crate) struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct House {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<Hands>,
    pub(crate) router: Router,
    stop: CancellationToken,
    pub(crate) folder: TempDir,
}

impl House {
    /// One in which a password alone will do.
    pub(crate) async fn open() -> House {
        let settings = Settings {
            second_factor: SecondFactor::Optional,
            ..Settings::default()
        };
        House::with(settings).await
    }

    pub(crate) async fn with(settings: Settings) -> House {
        House::made((settings, Vec::new(), routes::Config::default()), |app| app).await
    }

    /// One whose record others vouch for.
    pub(crate) async fn witnessed(witnesses: Witnesses) -> House {
        let settings = Settings {
            second_factor: SecondFactor::Optional,
            ..Settings::default()
        };
        House::made((settings, Vec::new(), routes::Config::default()), |app| {
            app.witnessed(None, witnesses)
        })
        .await
    }

    /// One that passes messages on.
    pub(crate) async fn routing(routing: routes::Config) -> House {
        let settings = Settings {
            second_factor: SecondFactor::Optional,
            ..Settings::default()
        };
        House::made((settings, Vec::new(), routing), |app| app).await
    }

    /// One that takes lines of machines.
    pub(crate) async fn with_signals(feeds: web::api::signals::Feeds) -> House {
        let settings = Settings {
            second_factor: SecondFactor::Optional,
            ..Settings::default()
        };
        House::made((settings, Vec::new(), routes::Config::default()), |app| {
            app.hearing(feeds)
        })
        .await
    }

    /// One that takes lines of machines, and whose configuration names these doors.
    pub(crate) async fn entered_by(doors: web::Doors, feeds: web::api::signals::Feeds) -> House {
        let settings = Settings {
            second_factor: SecondFactor::Optional,
            ..Settings::default()
        };
        House::made((settings, Vec::new(), routes::Config::default()), |app| {
            app.hearing(feeds).entered_by(doors)
        })
        .await
    }

    /// One whose images can be fetched from elsewhere.
    pub(crate) async fn fetching(sources: Vec<web::PullSource>) -> House {
        let settings = Settings {
            second_factor: SecondFactor::Optional,
            ..Settings::default()
        };
        House::made((settings, Vec::new(), routes::Config::default()), |app| {
            app.fetching_from(sources)
        })
        .await
    }

    /// One that makes packs.
    pub(crate) async fn packing(settings: Settings, packs: Vec<lifeline::PackConfig>) -> House {
        House::made((settings, packs, routes::Config::default()), |app| app).await
    }

    async fn made(
        (settings, packs, routing): (Settings, Vec<lifeline::PackConfig>, routes::Config),
        change: impl FnOnce(App) -> App,
    ) -> House {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hands(AtomicI64::new(1_795_269_802_000)));
        let config = record::Config::new(folder.path().to_owned());
        let record = Record::open(config, clock.clone()).await.unwrap();
        let views = folder.path().join("views");
        std::fs::create_dir_all(&views).unwrap();
        let chart = chart::Config::at(views.join("chart.db"));
        let rooms = Rooms {
            chart: chart::Chart::open(chart, &record).await.unwrap(),
            staff: staff::Staff::open(
                &views.join("staff.db"),
                staff::ViewKey::of(record.blind().key("staff")),
            )
            .await
            .unwrap(),
            flow: flow::Flow::open(&views.join("flow.db")).await.unwrap(),
            routes: routes::Routes::open(&views.join("routes.db"), routing)
                .await
                .unwrap(),
            tokens: tokens::Tokens::open(&views.join("tokens.db"))
                .await
                .unwrap(),
            signer: web::Signer::of(&web::Signer::make().unwrap(), None).unwrap(),
            oversight: oversight::Oversight::open(&views.join("oversight.db"))
                .await
                .unwrap(),
            rota: guard::Rota::parse(ROTA).unwrap(),
            access: access::Access::open(&views.join("access.db"))
                .await
                .unwrap(),
            lifeline: lifeline::Lifeline::open(
                &views.join("lifeline.db"),
                (lifeline::PackKey::of([7; 32]), record.blind()),
                lifeline::Limits::default(),
                packs,
            )
            .await
            .unwrap(),
            policies: Arc::new(Policies::built_in().unwrap()),
            clock: clock.clone(),
            record,
        };
        let stop = CancellationToken::new();
        for reader in [
            rooms.chart.reader(),
            rooms.staff.reader(),
            rooms.flow.reader(),
            rooms.tokens.reader(),
            rooms.routes.reader(),
            rooms.oversight.reader(),
            rooms.access.reader(rooms.record.blind()),
            rooms.lifeline.reader(),
        ] {
            follow(&rooms.record, reader, &stop);
        }
        let app = Arc::new(change(App::new(rooms, settings)));
        let router = web::router(app.clone());
        House {
            app,
            clock,
            router,
            stop,
            folder,
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// The clock goes on.
    pub(crate) fn wait(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// Seals an event and waits until every reader has it.
    pub(crate) async fn seal(&self, event: Event) -> u64 {
        let admitted = admit(event.into(), Standing::Salus, "").unwrap();
        let receipt = self.app.record.admit(vec![admitted]).await.unwrap()[0];
        self.settle().await;
        receipt.index
    }

    /// Waits until every reader has folded what is sealed.
    pub(crate) async fn settle(&self) {
        let (size, wait) = (self.app.record.size(), Duration::from_secs(30));
        assert!(self.app.staff.caught_up(size, wait).await, "staff is late");
        assert!(self.app.chart.caught_up(size, wait).await, "chart is late");
        assert!(self.app.flow.caught_up(size, wait).await, "flow is late");
        assert!(
            self.app.tokens.caught_up(size, wait).await,
            "tokens are late"
        );
        let seen = self.app.routes.caught_up(size, wait).await;
        assert!(seen, "routes are late");
        let seen = self.app.oversight.caught_up(size, wait).await;
        assert!(seen, "oversight is late");
        assert!(
            self.app.access.caught_up(size, wait).await,
            "access is late"
        );
        let seen = self.app.lifeline.caught_up(size, wait).await;
        assert!(seen, "lifeline is late");
    }

    pub(crate) async fn person(&self, id: &str, role: Role, wards: &[&str]) {
        self.account(id, role, (wards, None)).await;
    }

    /// A physician whom messages name by a number.
    pub(crate) async fn physician(&self, id: &str, number: &str) {
        self.account(id, Role::Physician, (&[], Some(number))).await;
    }

    /// The physician `D1`, on these wards.
    pub(crate) async fn on_wards(&self, id: &str, wards: &[&str]) {
        self.account(id, Role::Physician, (wards, Some("D1"))).await;
    }

    async fn account(&self, id: &str, role: Role, (wards, number): (&[&str], Option<&str>)) {
        let account = Account {
            name: format!("{id} of {}", role.word()),
            role,
            wards: wards.iter().map(|&ward| ward.to_owned()).collect(),
            practitioner: number.map(str::to_owned),
            secret: staff::hash_password(PASSWORD, [7; 16]).unwrap(),
            scopes: Vec::new(),
        };
        let body = Body::Account(AccountChange {
            id: id.into(),
            account: Some(account),
        });
        let subject = Subject::Account(id.into());
        self.seal(Event::new(Actor::salus(), Act::Manage, subject, body))
            .await;
    }

    /// Seals a FHIR resource as the FHIR door would.
    pub(crate) async fn resource(&self, patient: Option<&str>, json: serde_json::Value) -> u64 {
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        let kind = text("resourceType");
        let body = Body::Resource(Resource {
            kind: kind.clone(),
            id: text("id"),
            replaces: 0,
            as_of: 0,
            resolved: Vec::new(),
            contents: Vec::new(),
        });
        let subject = match patient {
            Some(patient) => Subject::Patient(patient.into()),
            None => Subject::Kind(kind),
        };
        let event = Event::new(Actor::salus(), Act::Create, subject, body);
        self.seal(event.with_raw(json.to_string().into_bytes()))
            .await
    }

    /// Seals an HL7 message as the MLLP door would.
    pub(crate) async fn message(&self, kind: &str, number: &str, raw: &str) -> u64 {
        let body = Body::Message(Message {
            feed: "adt".into(),
            kind: kind.into(),
            control: "M1".into(),
            zone: "UTC".into(),
            charset: String::new(),
            authority: "HOSP".into(),
            mapped: wire::v2::maps(kind),
            complaints: Vec::new(),
        });
        let (system, value) = {
            let parsed = wire::hl7::parse(raw.as_bytes(), "");
            wire::v2::patient_identifier(&parsed.message, "HOSP").unwrap()
        };
        assert_eq!(value, number);
        let id = self.app.record.blind().id("Patient", &system, &value);
        let event = Event::new(Actor::feed("adt"), Act::Send, Subject::Patient(id), body);
        self.seal(event.with_raw(raw.as_bytes().to_vec())).await
    }

    /// Seals a DICOM object about a patient.
    pub(crate) async fn image(&self, patient: &str) -> u64 {
        let raw = Writer::new(Syntax::EXPLICIT)
            .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.1.1")
            .text(tags::PATIENT_ID, VR::LO, patient)
            .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2")
            .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.1")
            .finish();
        let image = Image {
            feed: "ct".into(),
            authority: "HOSP".into(),
            zone: "UTC".into(),
            instance: "1.2.1.1".into(),
            syntax: Syntax::EXPLICIT_UID.into(),
            ..Image::default()
        };
        let subject = Subject::Patient(patient.into());
        let mut event = Event::new(Actor::feed("ct"), Act::Send, subject, Body::Image(image));
        let whole = self.app.record.keep(&event, raw.clone()).await.unwrap();
        if let Body::Image(image) = &mut event.body {
            image.whole = whole;
        }
        self.seal(event.with_raw(raw)).await
    }

    /// Everything that was sealed.
    pub(crate) async fn sealed(&self) -> Vec<Sealed> {
        self.app.record.read(0, 10_000).await.unwrap()
    }

    /// A browser in which somebody has signed in.
    pub(crate) async fn browser(&self, account: &str) -> Browser {
        let mut browser = Browser::new(self);
        let page = browser.sign_in(account, PASSWORD).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.html);
        browser
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn follow(record: &Record, reader: Arc<dyn Reader>, stop: &CancellationToken) {
    tokio::spawn(record::follow(record.clone(), reader, stop.clone()));
}

/// A browser without eyes: it keeps its cookies and sends what a browser sends.
#[derive(Clone)]
pub(crate) struct Browser {
    router: Router,
    /// By name.
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) agent: &'static str,
    pub(crate) host: &'static str,
    /// More headers of every request.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) site: &'static str,
    pub(crate) live: Option<String>,
}

pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) html: String,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers
            .get("location")
            .map_or("", |place| place.to_str().unwrap())
    }

    pub(crate) fn csrf(&self) -> String {
        let after = self
            .html
            .split("name=\"csrf\" value=\"")
            .nth(1)
            .expect("a form token");
        after.split('"').next().unwrap_or_default().to_owned()
    }
}

impl Browser {
    pub(crate) fn new(house: &House) -> Browser {
        Browser {
            router: house.router.clone(),
            cookies: BTreeMap::new(),
            agent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
            host: "salus.test",
            headers: Vec::new(),
            site: "same-origin",
            live: None,
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send(self.request("GET", path).body(HttpBody::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let form: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        let request = self
            .request("POST", path)
            .header("sec-fetch-site", self.site)
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(HttpBody::from(form.join("&"))).unwrap())
            .await
    }

    /// Opens the page, then sends its form with the page's own token.
    pub(crate) async fn submit(&mut self, page: &str, to: &str, fields: &[(&str, &str)]) -> Page {
        let csrf = self.get(page).await.csrf();
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend_from_slice(fields);
        self.post(to, &all).await
    }

    pub(crate) async fn sign_in(&mut self, account: &str, password: &str) -> Page {
        self.post("/sign-in", &[("account", account), ("password", password)])
            .await
    }

    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.host)
            .header("user-agent", self.agent);
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        if let Some(live) = &self.live {
            request = request.header("salus-live", live);
        }
        request
    }

    async fn send(&mut self, request: Request<HttpBody>) -> Page {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            match value {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        // A picture is no text.
        let html = String::from_utf8_lossy(&bytes).into_owned();
        Page {
            status: parts.status,
            headers: parts.headers,
            html,
        }
    }
}

pub(crate) fn escaped(value: &str) -> String {
    value.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A file that only its owner can read.
pub(crate) fn secret(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
