//! A record and a chart in a temporary folder, and short words for what tests do with them.
#![allow(
    clippy::allow_attributes,
    reason = "what is unused differs from file to file"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chart::{Chart, Config, Open, Page, PageOf};
use event::{
    Act, Actor, ActorKind, Arrival, Body, Clock, Event, Message, Resource, Role, Subject, Time,
    Unmerge,
};
use guard::{Ask, Facts, Identity, Policies, Standing, admit};
use record::{Permit, Record, Witnessed};
use serde_json::Value;

/// When somebody asks.
pub(crate) const NOW: Time = Time::from_millis(1_795_683_600_000);

/// A clock that moves one second with each look.
pub(crate) struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Time {
        Time::from_millis(self.0.fetch_add(1000, Ordering::Relaxed))
    }
}

pub(crate) struct House {
    pub(crate) record: Record,
    pub(crate) chart: Chart,
    policies: Policies,
    folder: tempfile::TempDir,
}

impl House {
    pub(crate) async fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Ticking(AtomicI64::new(1_700_000_000_000)));
        let config = record::Config::new(folder.path().join("data"));
        let record = Record::open(config, clock).await.unwrap();
        let config = Config::at(folder.path().join("data/views/chart.db"));
        let chart = Chart::open(config, &record).await.unwrap();
        House {
            record,
            chart,
            policies: Policies::built_in().unwrap(),
            folder,
        }
    }

    /// From now on these policies hold too.
    pub(crate) fn ruled_by(&self, more: &str) {
        let (mut files, schema) = self.policies.texts();
        files.push((format!("more{}.cedar", files.len()), more.to_owned()));
        self.policies
            .replace(&Policies::load(&files, &schema).unwrap());
    }

    /// Somebody edits the chart's file.
    pub(crate) async fn sql(&self, statement: &'static str) {
        let path = self.folder.path().join("data/views/chart.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        sqlx::query(statement).execute(&pool).await.unwrap();
        pool.close().await;
    }

    /// How many rows a table of the chart has.
    pub(crate) async fn rows(&self, table: &str) -> i64 {
        let path = self.folder.path().join("data/views/chart.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        let count = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        let rows = sqlx::query_scalar(count).fetch_one(&pool).await.unwrap();
        pool.close().await;
        rows
    }

    /// Where the second chart is kept.
    pub(crate) fn other_path(&self) -> std::path::PathBuf {
        self.folder.path().join("data/views/other.db")
    }

    /// A second chart of the same record.
    pub(crate) async fn other_chart(&self, change: impl Fn(&mut Config)) -> Chart {
        let mut config = Config::at(self.other_path());
        change(&mut config);
        Chart::open(config, &self.record).await.unwrap()
    }

    pub(crate) async fn admit(&self, event: Event) -> u64 {
        let arrival: Arrival = event.into();
        let admitted = admit(arrival, Standing::Salus, "").unwrap();
        let receipts = self.record.admit(vec![admitted]).await.unwrap();
        receipts[0].index
    }

    pub(crate) async fn message(&self, raw: &str) -> u64 {
        let raw = raw.replace('\n', "\r");
        let kind = raw.split('|').nth(8).unwrap_or_default();
        let kind: Vec<&str> = kind.split('^').take(2).collect();
        let body = Body::Message(Message {
            feed: "adt".into(),
            kind: kind.join("^"),
            control: raw.split('|').nth(9).unwrap_or_default().into(),
            zone: "Europe/Berlin".into(),
            charset: "UNICODE UTF-8".into(),
            authority: "MRN".into(),
            mapped: true,
            complaints: Vec::new(),
        });
        let event = Event::new(
            Actor::feed("adt"),
            Act::Send,
            Subject::Feed("adt".into()),
            body,
        );
        self.admit(event.with_raw(raw.into_bytes())).await
    }

    /// Writes a resource as the FHIR door does.
    pub(crate) async fn put(&self, resource: &Value) -> u64 {
        let (kind, id) = (text(resource, "resourceType"), text(resource, "id"));
        let raw = serde_json::to_vec(resource).unwrap();
        self.write(Act::Update, (&kind, &id), raw).await
    }

    pub(crate) async fn delete(&self, kind: &str, id: &str) -> u64 {
        self.write(Act::Delete, (kind, id), Vec::new()).await
    }

    async fn write(&self, act: Act, (kind, id): (&str, &str), raw: Vec<u8>) -> u64 {
        self.fold(&self.chart).await;
        let located = self.chart.locate(kind, id).await.unwrap();
        let body = Body::Resource(Resource {
            kind: kind.into(),
            id: id.into(),
            replaces: located.as_ref().map_or(0, |located| located.version),
            as_of: self.record.size(),
            resolved: Vec::new(),
            contents: Vec::new(),
        });
        let event = Event::new(client().actor, act, Subject::Kind(kind.into()), body);
        self.admit(event.with_raw(raw)).await
    }

    /// Writes a transaction bundle's resources under their own ids, all at once; returns the
    /// patient's id and how many observations there are.
    pub(crate) async fn transaction(&self, bundle: &Value) -> (Option<String>, usize) {
        let entries = bundle["entry"].as_array().unwrap();
        let name = |resource: &Value| (text(resource, "resourceType"), text(resource, "id"));
        let pairs = entries.iter().map(|entry| {
            let (kind, id) = name(&entry["resource"]);
            (text(entry, "fullUrl"), format!("{kind}/{id}"))
        });
        let pairs: Vec<(String, String)> = pairs.collect();
        self.fold(&self.chart).await;
        let mut events = Vec::new();
        for entry in entries {
            let (kind, id) = name(&entry["resource"]);
            if self.chart.locate(&kind, &id).await.unwrap().is_some() {
                continue;
            }
            let raw = serde_json::to_string(&entry["resource"]).unwrap();
            let named = pairs.iter().filter(|(url, _)| raw.contains(url.as_str()));
            let body = Body::Resource(Resource {
                kind: kind.clone(),
                id,
                replaces: 0,
                as_of: 0,
                resolved: named.cloned().collect(),
                contents: Vec::new(),
            });
            let event = Event::new(client().actor, Act::Create, Subject::Kind(kind), body);
            let event = event.with_raw(raw.into_bytes());
            events.push(admit(event.into(), Standing::Salus, "").unwrap());
        }
        self.record.admit(events).await.unwrap();
        let names: Vec<_> = entries
            .iter()
            .map(|entry| name(&entry["resource"]))
            .collect();
        let patient = names.iter().find(|(kind, _)| kind == "Patient");
        let observations = names.iter().filter(|(kind, _)| kind == "Observation");
        (patient.map(|(_, id)| id.clone()), observations.count())
    }

    pub(crate) async fn unmerge(&self, retired: &str, survivor: &str) -> u64 {
        let body = Body::Unmerge(Unmerge {
            retired: retired.into(),
            survivor: survivor.into(),
            reason: "two people".into(),
        });
        let subject = Subject::Patient(retired.into());
        self.admit(Event::new(Actor::salus(), Act::Unmerge, subject, body))
            .await
    }

    /// Folds everything, `batch` events at a time.
    pub(crate) async fn fold_by(&self, chart: &Chart, batch: usize) {
        let reader = chart.reader();
        loop {
            let from = reader.cursor().await.unwrap();
            if from >= self.record.size() {
                return;
            }
            let (events, next) = self.record.read_until(from, batch).await.unwrap();
            reader.fold(&events, next).await.unwrap();
        }
    }

    pub(crate) async fn fold(&self, chart: &Chart) {
        self.fold_by(chart, 1000).await;
    }

    /// The id that an identifier makes.
    pub(crate) fn patient(&self, number: &str) -> String {
        self.record
            .blind()
            .id("Patient", "urn:salus:authority:MRN", number)
    }

    /// A permit of a client that may do everything to `subject`, used.
    pub(crate) async fn open(&self, act: Act, subject: Subject) -> Open {
        self.open_for(client(), act, (subject, &[])).await
    }

    pub(crate) async fn open_for(
        &self,
        who: Identity,
        act: Act,
        (subject, kinds): (Subject, &[&str]),
    ) -> Open {
        let permit = self.permit(who, act, (subject, kinds)).await;
        self.chart.open_with(permit)
    }

    /// A permit of somebody who may do this.
    pub(crate) async fn permit(
        &self,
        who: Identity,
        act: Act,
        (subject, kinds): (Subject, &[&str]),
    ) -> Permit {
        self.fold(&self.chart).await;
        let facts = match &subject {
            Subject::Patient(id) => self.chart.facts(&who, id, NOW).await.unwrap(),
            _ => Facts::default(),
        };
        let ask = Ask {
            identity: who,
            act,
            subject,
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            purpose: "TREAT".into(),
            reason: None,
            detail: String::new(),
        };
        let decision = self.policies.decide(ask, &facts);
        match self.record.witness(decision).await.unwrap() {
            Witnessed::Allowed(permit) => permit,
            Witnessed::Refused(_, decision) => panic!("refused: {:?}", decision.words()),
        }
    }

    pub(crate) async fn chart_of(&self, patient: &str) -> Open {
        self.open(Act::Read, Subject::Patient(patient.into())).await
    }

    pub(crate) async fn kind(&self, kind: &str) -> Open {
        self.open(Act::Search, Subject::Kind(kind.into())).await
    }

    /// The ids that a search finds, page by page.
    pub(crate) async fn search(&self, search: &str, count: usize) -> Vec<String> {
        let query = query(search);
        let open = self.kind(&query.kind).await;
        let mut found = Vec::new();
        let mut of = PageOf { count, token: None };
        loop {
            let page = open.search(&query, &of).await.unwrap();
            found.extend(ids(&page));
            match page.next {
                Some(next) => of.token = Some(next),
                None => return found,
            }
        }
    }
}

pub(crate) fn ids(page: &Page) -> Vec<String> {
    page.matches
        .iter()
        .map(|stored| stored.id.clone())
        .collect()
}

/// `Observation?code=1&_sort=-date`.
pub(crate) fn query(search: &str) -> wire::fhir::Query {
    let (kind, rest) = search.split_once('?').unwrap_or((search, ""));
    let pairs: Vec<(String, String)> = rest
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let limits = wire::fhir::search::QueryLimits::default();
    wire::fhir::query(kind, &pairs, &limits).unwrap()
}

pub(crate) fn client() -> Identity {
    let mut client = Identity::of(Actor {
        kind: ActorKind::Software,
        id: "lis".into(),
        name: "Laboratory".into(),
        role: Role::Client,
    });
    client.scopes = vec!["system/*.cruds".into()];
    client
}

pub(crate) fn person(role: Role, ward: Option<&str>, number: Option<&str>) -> Identity {
    let mut person = Identity::of(Actor {
        kind: ActorKind::Person,
        id: "p1".into(),
        name: "Somebody".into(),
        role,
    });
    person.wards = ward.map(str::to_owned).into_iter().collect();
    person.practitioner = number.map(str::to_owned);
    person
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// An admission: patient number, name (`Family^Given`), bed (`WARD^ROOM^BED`).
pub(crate) fn admission(control: &str, number: &str, name: &str, bed: &str) -> String {
    format!(
        "MSH|^~\\&|ADT|HOSP|SALUS|HOSP|20240501100000||ADT^A01|{control}|P|2.5|||||||UNICODE UTF-8
EVN|A01|20240501100000
PID|1||{number}^^^MRN^MR||{name}||19500102|F|||Weg 1^^Ulm^^89073^DE||+49 731 1
NK1|1|{name}|SPO|||+49 731 2
PV1|1|I|{bed}|E|||4711^House^Gregory^^^Dr.|||MED||||||||V{number}^^^MRN^VN|||||||||||||||||||||||||20240501100000
AL1|1|DA|^Penicillin|SV|Rash
DG1|1||I10^Hypertension^I10||20240501|A"
    )
}

/// A result: patient number, order number, (code, name, value, unit, range, flag).
pub(crate) fn result(control: &str, number: &str, order: &str, obx: &[[&str; 6]]) -> String {
    let mut message = format!(
        "MSH|^~\\&|LAB|HOSP|SALUS|HOSP|20240501120000||ORU^R01|{control}|P|2.5|||||||UNICODE UTF-8
PID|1||{number}^^^MRN^MR||Doe^Jane||19500102|F
PV1|1|I|||||||||||||||||V{number}^^^MRN^VN
OBR|1||{order}^LAB|24331-1^Lipid panel^LN|||20240501110000|||||||||||||||20240501115500||LAB|F"
    );
    for (at, [code, name, value, unit, range, flag]) in obx.iter().enumerate() {
        message.push_str(&format!(
            "\nOBX|{}|NM|{code}^{name}^LN||{value}|{unit}|{range}|{flag}|||F|||20240501110000",
            at + 1
        ));
    }
    message
}

/// A merge: survivor's number, retired number.
pub(crate) fn merge(control: &str, survivor: &str, retired: &str) -> String {
    format!(
        "MSH|^~\\&|ADT|HOSP|SALUS|HOSP|20240502100000||ADT^A40^ADT_A39|{control}|P|2.5
EVN|A40|20240502100000
PID|1||{survivor}^^^MRN^MR||Doe^Jane||19500102|F
MRG|{retired}^^^MRN^MR"
    )
}
