//! A house with everything in it but the network.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use event::{
    Account, AccountChange, Act, Actor, ActorKind, Body as Told, Clock, Event, Role, Subject, Time,
};
use guard::{Identity, Standing, admit};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use web::api::fhir;
use web::{App, Rooms, Settings};

pub(crate) const BASE: &str = "https://test.invalid/fhir";

/// Time that passes by a millisecond with every look at it.
struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> Time {
        Time::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

pub(crate) struct House {
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
    /// May do everything.
    pub(crate) token: String,
    stop: CancellationToken,
    clock: Arc<Ticks>,
    data: TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub(crate) fn code(&self) -> u16 {
        self.status.as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }

    /// The index that wrote it, by its `ETag`.
    pub(crate) fn version(&self) -> u64 {
        let tag = self.header("etag");
        tag.trim_start_matches("W/")
            .trim_matches('"')
            .parse()
            .unwrap()
    }

    /// All that an `OperationOutcome` says.
    pub(crate) fn words(&self) -> String {
        let outcome = self.json();
        assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
        outcome["issue"].to_string()
    }

    /// `Type/id` of what a bundle holds, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let bundle = self.json();
        assert_eq!(bundle["resourceType"], "Bundle", "{bundle}");
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let name = |entry: &Value| {
            let resource = &entry["resource"];
            let part = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
            format!("{}/{}", part("resourceType"), part("id"))
        };
        entries.iter().map(name).collect()
    }

    /// Where a link of a bundle leads, relative to the base.
    pub(crate) fn link(&self, relation: &str) -> Option<String> {
        let bundle = self.json();
        let links = bundle["link"].as_array().cloned().unwrap_or_default();
        let link = links.iter().find(|link| link["relation"] == relation)?;
        let url = link["url"].as_str().unwrap();
        Some(url.strip_prefix(BASE).unwrap().to_owned())
    }
}

impl House {
    pub(crate) async fn open() -> House {
        House::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> House {
        House::of(settings, access::Ceilings::default()).await
    }

    /// One that waits this long for its chart, and for no readers once it was told to [`House::halt`].
    pub(crate) async fn impatient(chart_wait_ms: u64) -> House {
        let settings = Settings {
            chart_wait_ms,
            ..Settings::default()
        };
        House::waiting(settings, access::Ceilings::default()).await
    }

    /// Nothing is folded from now on, but for what is being folded.
    pub(crate) async fn halt(&self) {
        let size = self.app.record.size();
        let wait = std::time::Duration::from_secs(60);
        assert!(self.app.chart.caught_up(size, wait).await);
        self.stop.cancel();
    }

    pub(crate) async fn of(settings: Settings, ceilings: access::Ceilings) -> House {
        let settings = Settings {
            chart_wait_ms: 60_000,
            ..settings
        };
        House::waiting(settings, ceilings).await
    }

    /// One whose chart has other limits.
    pub(crate) async fn with_chart(change: fn(&mut chart::Config)) -> House {
        let settings = Settings {
            chart_wait_ms: 60_000,
            ..Settings::default()
        };
        Box::pin(House::built(settings, access::Ceilings::default(), change)).await
    }

    pub(crate) async fn waiting(settings: Settings, ceilings: access::Ceilings) -> House {
        Box::pin(House::built(settings, ceilings, |_| {})).await
    }

    async fn built(
        settings: Settings,
        ceilings: access::Ceilings,
        change: fn(&mut chart::Config),
    ) -> House {
        let data = tempfile::tempdir().unwrap();
        let clock = Arc::new(Ticks(AtomicI64::new(1_700_000_000_000)));
        let record = record::Record::open(
            record::Config::new(data.path().to_owned()),
            clock.clone() as Arc<dyn Clock>,
        );
        let record = record.await.unwrap();
        let views = data.path().join("views");
        std::fs::create_dir_all(&views).unwrap();
        let mut chart = chart::Config::at(views.join("chart.db"));
        change(&mut chart);
        let chart = chart::Chart::open(chart, &record).await.unwrap();
        let key = staff::ViewKey::of(record.blind().key("staff"));
        let staff = staff::Staff::open(&views.join("staff.db"), key)
            .await
            .unwrap();
        let tokens = tokens::Tokens::open(&views.join("tokens.db"))
            .await
            .unwrap();
        let oversight = oversight::Oversight::open(&views.join("oversight.db"))
            .await
            .unwrap();
        let access = access_to(ceilings, &views).await;
        let routes = no_routes(&views).await;
        let lifeline = lifeline(&views, &record).await;
        let stop = CancellationToken::new();
        let flow = flow::Flow::open(&views.join("flow.db")).await.unwrap();
        for reader in [
            flow.reader(),
            chart.reader(),
            staff.reader(),
            oversight.reader(),
            access.reader(record.blind()),
            tokens.reader(),
            routes.reader(),
        ] {
            tokio::spawn(record::follow(record.clone(), reader, stop.clone()));
        }
        let rooms = Rooms {
            record,
            chart,
            staff,
            flow,
            tokens,
            routes,
            signer: web::Signer::of(&web::Signer::make().unwrap(), None).unwrap(),
            oversight,
            rota: guard::Rota::default(),
            access,
            lifeline,
            policies: Arc::new(guard::Policies::built_in().unwrap()),
            clock: clock.clone(),
        };
        let settings = Settings {
            fhir_base: BASE.to_owned(),
            ..settings
        };
        let app = Arc::new(App::new(rooms, settings));
        let router = fhir::router().with_state(app.clone());
        let mut house = House {
            app,
            router,
            token: String::new(),
            stop,
            clock,
            data,
        };
        house.token = house.client("everything", &["system/*.cruds"]).await;
        house
    }

    /// Somebody changes a file of the vault.
    pub(crate) fn spoil(&self, path: &str) {
        let file = self.data.path().join("vault").join(path);
        let mut bytes = std::fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(file, bytes).unwrap();
    }

    /// Time passes.
    pub(crate) fn pass(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
    }

    /// The same door behind a socket; its address.
    pub(crate) async fn served(&self) -> std::net::SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().nest("/fhir", self.router.clone());
        let stop = self.stop.clone();
        tokio::spawn(async move {
            let served = axum::serve(listener, router);
            served.with_graceful_shutdown(stop.cancelled_owned()).await
        });
        address
    }

    /// From now on these policies hold too.
    pub(crate) fn ruled_by(&self, more: &str) {
        let (mut files, schema) = self.app.policies.texts();
        files.push((format!("more{}.cedar", files.len()), more.to_owned()));
        self.app
            .policies
            .replace(&guard::Policies::load(&files, &schema).unwrap());
    }

    /// A client's token.
    pub(crate) async fn client(&self, id: &str, scopes: &[&str]) -> String {
        let mut random = [7; 32];
        for (place, byte) in id.bytes().take(32).enumerate() {
            random[place] = byte;
        }
        let client = staff::new_client(random);
        let account = Account {
            name: id.to_owned(),
            role: Role::Client,
            wards: Vec::new(),
            practitioner: None,
            secret: client.secret,
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        };
        self.change(id, Some(account)).await;
        client.token
    }

    pub(crate) async fn change(&self, id: &str, account: Option<Account>) {
        let change = Told::Account(AccountChange {
            id: id.to_owned(),
            account,
        });
        let subject = Subject::Account(id.to_owned());
        let event = Event::new(Actor::salus(), Act::Manage, subject, change);
        let event = admit(event.into(), Standing::Salus, "").unwrap();
        let receipts = self.app.record.admit(vec![event]).await.unwrap();
        let wait = std::time::Duration::from_secs(60);
        assert!(self.app.staff.caught_up(receipts[0].index + 1, wait).await);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        House::send_to(self.router.clone(), request).await
    }

    /// An answer whose body nobody has read yet.
    pub(crate) async fn unread(&self, path: &str) -> axum::response::Response {
        let request = Request::builder().uri(path);
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let request = request.body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn send_to(router: Router, request: Request<Body>) -> Reply {
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status,
            headers: parts.headers,
            bytes: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
        }
    }

    /// A request as somebody, with headers.
    pub(crate) async fn ask(
        &self,
        token: &str,
        (method, path): (Method, &str),
        (headers, body): (&[(&str, &str)], Vec<u8>),
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(&self.token, (Method::GET, path), (&[], Vec::new()))
            .await
    }

    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Reply {
        self.ask(token, (Method::GET, path), (&[], Vec::new()))
            .await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.ask(&self.token, (Method::GET, path), (headers, Vec::new()))
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.write((Method::POST, path), (&[], body.to_string().into()))
            .await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        self.write((Method::PUT, path), (&[], body.to_string().into()))
            .await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.ask(&self.token, (Method::DELETE, path), (&[], Vec::new()))
            .await
    }

    /// A write of FHIR JSON with more headers.
    pub(crate) async fn write(
        &self,
        call: (Method, &str),
        (headers, body): (&[(&str, &str)], Vec<u8>),
    ) -> Reply {
        let mut all = vec![("content-type", "application/fhir+json")];
        all.extend_from_slice(headers);
        self.ask(&self.token, call, (&all, body)).await
    }

    /// What was sealed last.
    pub(crate) async fn last(&self) -> Event {
        let last = self.app.record.size() - 1;
        self.app.record.get(last).await.unwrap().event().clone()
    }
}

/// A person with an account, as the console would pass them on.
pub(crate) fn nurse(wards: &[&str]) -> Identity {
    let mut identity = Identity::of(Actor {
        kind: ActorKind::Person,
        id: "nina".into(),
        name: "Nina".into(),
        role: Role::Nurse,
    });
    identity.wards = wards.iter().map(|&ward| ward.to_owned()).collect();
    identity
}

/// The operator, as the local socket would pass them on.
pub(crate) fn operator() -> Identity {
    Identity::of(Actor {
        kind: ActorKind::Person,
        id: "operator".into(),
        name: "operator".into(),
        role: Role::Operator,
    })
}

pub(crate) fn patient(family: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{ "system": "urn:mrn", "value": family }],
        "name": [{ "family": family, "given": ["Eva"] }],
        "gender": "female",
        "birthDate": "1970-01-02"
    })
}

pub(crate) fn observation(subject: &str, value: &str) -> Value {
    let quantity: Value = serde_json::from_str(value).unwrap();
    json!({
        "resourceType": "Observation",
        "status": "final",
        "code": { "coding": [{ "system": "http://loinc.org", "code": "8867-4" }] },
        "subject": { "reference": subject },
        "effectiveDateTime": "2024-05-06T07:08:09+02:00",
        "valueQuantity": { "value": quantity, "unit": "/min" }
    })
}

async fn access_to(ceilings: access::Ceilings, views: &std::path::Path) -> access::Access {
    let limits = access::Limits {
        ceilings,
        ..access::Limits::default()
    };
    let path = views.join("access.db");
    access::Access::open_with(&path, limits).await.unwrap()
}

/// Nothing is passed on.
async fn no_routes(views: &std::path::Path) -> routes::Routes {
    let path = views.join("routes.db");
    let opened = routes::Routes::open(&path, routes::Config::default());
    opened.await.unwrap()
}

async fn lifeline(views: &std::path::Path, record: &record::Record) -> lifeline::Lifeline {
    let with = (lifeline::PackKey::of([7; 32]), record.blind());
    let limits = lifeline::Limits::default();
    lifeline::Lifeline::open(&views.join("lifeline.db"), with, limits, Vec::new())
        .await
        .unwrap()
}
