//! Measures this machine: a real server in a folder of its own, loaded through its real doors.

mod asked;
mod bulk;
mod engines;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use drills::hospital::{AUTHORITY_SYSTEM, Feed, Hospital, Via};
use drills::load::{Call, Figures, HttpLoad, MllpLoad, Template, Until, http, mllp, pinned};
use event::Clock as _;
use inlets::mllp::FeedConfig;
use rustls::ClientConfig;
use seal::{Frontier, leaf_hash};
use serde::Serialize;

use super::recovering;
use crate::cli::{Bench, Format};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::local::NewClient;
use crate::supervise::Server;
use crate::{certificate, output};

/// Connections of the HL7 figures.
const MLLP_CONNECTIONS: [u16; 3] = [1, 16, 128];
/// Connections of the FHIR figures.
const HTTP_CONNECTIONS: u16 = 16;
/// Patients that messages and reads are about.
const PATIENTS: usize = 200;
const ANSWER_WAIT: Duration = Duration::from_secs(60);
const LEAVES: u64 = 2_000_000;
const SETTLE: Duration = Duration::from_secs(600);

#[derive(Default, Serialize)]
struct Report {
    cores: usize,
    rows: Vec<Row>,
}

/// One line of the table.
#[derive(Serialize)]
struct Row {
    what: String,
    per_second: f64,
    unit: &'static str,
    #[serde(flatten)]
    figures: Option<Figures>,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

pub(crate) async fn run(args: &Bench, format: Format) -> Result<u8> {
    if args.only.as_slice() == ["recover"] {
        return recover(args, format).await;
    }
    let known = [
        "access", "crud", "export", "fhir", "hl7", "journal", "refold", "seal", "search",
        "standby", "summary", "verify",
    ];
    if let Some(other) = args
        .only
        .iter()
        .find(|only| !known.contains(&only.as_str()))
    {
        bail!(
            "there is no figure `{other}`; there are {}",
            known.join(", ")
        );
    }
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    let folder = tempfile::tempdir().context("cannot make a folder to measure in")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut bench = Measuring::start(folder.path(), args, cores).await?;
    if wanted("seal") {
        bench.seal();
    }
    if wanted("hl7") {
        bench.hl7().await?;
    }
    if wanted("fhir") {
        bench.fhir().await?;
    }
    if wanted("summary") {
        bench.summary().await?;
    }
    if wanted("crud") {
        bench.crud().await?;
    }
    if wanted("export") {
        bench.export().await?;
    }
    if args.only.iter().any(|only| only == "search") {
        bench.search().await?;
    }
    // A million accesses take minutes to seal: they are not part of everything.
    if args.only.iter().any(|only| only == "access") {
        bench.access().await?;
    }
    let mut report = bench.finish((wanted("verify"), wanted("refold"))).await?;
    if wanted("journal") {
        report.rows.extend(engines::journals(args).await?);
    }
    if wanted("standby") {
        report.rows.push(engines::standby(args).await?);
    }
    if let Some(out) = &args.out {
        std::fs::write(out, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("cannot write `{}`", out.display()))?;
    }
    output::result(format, &report, words);
    let failed = report
        .rows
        .iter()
        .any(|row| row.figures.as_ref().is_some_and(|f| f.errors > 0));
    Ok(if failed { output::FOUND } else { output::WELL })
}

async fn recover(args: &Bench, format: Format) -> Result<u8> {
    let folder = match &args.folder {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let folder = folder.context("cannot make a folder to measure in")?;
    let measured = recovering::measure(folder.path(), args.patients).await?;
    if let Some(out) = &args.out {
        std::fs::write(out, serde_json::to_vec_pretty(&measured)?)
            .with_context(|| format!("cannot write `{}`", out.display()))?;
    }
    output::result(format, &measured, recovering::words);
    Ok(output::WELL)
}

struct Measuring<'a> {
    server: Server,
    args: &'a Bench,
    tls: Arc<ClientConfig>,
    token: String,
    report: Report,
    runs: u32,
}

impl<'a> Measuring<'a> {
    async fn start(folder: &Path, args: &'a Bench, cores: usize) -> Result<Measuring<'a>> {
        let mut config = Config {
            data: folder.join("data"),
            ..Config::default()
        };
        config.https.listen.set_port(0);
        config
            .mllp
            .listen
            .iter_mut()
            .for_each(|address| address.set_port(0));
        config.mllp.feeds = Hospital::feeds().iter().map(feed).collect();
        config.web.body_bytes_max = 256 << 20;
        // One client asks as fast as it can: that is what is measured.
        config.web.requests_per_source_max = 0;
        config.web.requests_per_client_max = 0;
        config.web.bundle_entries_max = 100_000;
        config.access.ceilings.client = access::Ceiling {
            patients_hour: u32::MAX,
            patients_day: u32::MAX,
        };
        let server = Server::start(config).await?;
        let scopes = ["system/*.cruds".to_owned()];
        let new = NewClient {
            id: "bench".into(),
            name: "bench".into(),
            scopes: Some(scopes.to_vec()),
            app: None,
        };
        let token = server.house.add_client(&new).await?;
        let pem = std::fs::read(certificate::files(&server.house.config).certificate)?;
        let report = Report {
            cores,
            rows: Vec::new(),
        };
        Ok(Measuring {
            server,
            args,
            tls: pinned(&pem)?,
            token,
            report,
            runs: 0,
        })
    }

    fn seconds(&self) -> Duration {
        Duration::from_secs(self.args.seconds)
    }

    fn row(&mut self, what: &str, unit: &'static str, figures: Figures) {
        let (per_second, what) = (figures.per_second, what.to_owned());
        output::note(&format!("{what}: {per_second:.0} {unit}/s"));
        let figures = Some(figures);
        self.report.rows.push(Row {
            what,
            per_second,
            unit,
            figures,
            note: String::new(),
        });
    }

    fn plain(&mut self, what: &str, per_second: f64, unit: &'static str, note: String) {
        output::note(&format!("{what}: {per_second:.2} {unit}/s {note}"));
        let what = what.to_owned();
        self.report.rows.push(Row {
            what,
            per_second,
            unit,
            figures: None,
            note,
        });
    }

    fn seal(&mut self) {
        let start = now();
        let mut frontier = Frontier::default();
        for number in 0..LEAVES {
            frontier.push(leaf_hash(&number.to_be_bytes()));
        }
        let seconds = start.elapsed().as_secs_f64();
        let note = format!("root {:02x?}", frontier.root().first());
        self.plain(
            "leaves hashed and added, one core",
            2e6 / seconds,
            "leaves",
            note,
        );
    }

    async fn hl7(&mut self) -> Result<()> {
        for connections in MLLP_CONNECTIONS {
            if self.args.rate.is_some() && connections != 128 {
                continue;
            }
            self.runs += 1;
            let load = MllpLoad {
                address: *self.server.mllp.first().context("there is no MLLP door")?,
                tls: None,
                connections,
                until: Until::Elapsed(self.seconds()),
                pace: self.args.rate.map(|rate| rate as f64),
                run: self.runs,
                templates: Template::panels(7, PATIENTS, SystemClock.now()),
                answer_wait: ANSWER_WAIT,
            };
            let stop = tokio_util::sync::CancellationToken::new();
            let watching = tokio::spawn(lag(self.server.house.app.clone(), stop.clone()));
            let figures = mllp(&load).await?;
            stop.cancel();
            let behind = watching.await?;
            let what = format!("ORU^R01 acknowledged, {connections} connections");
            self.row(&what, "messages", figures);
            let start = now();
            self.charts().await?;
            let took = start.elapsed().as_secs_f64();
            if let Some(row) = self.report.rows.last_mut() {
                row.note =
                    format!("chart behind by {behind:.1} s at most, caught up {took:.1} s later");
            }
        }
        Ok(())
    }

    async fn fhir(&mut self) -> Result<()> {
        let (named, calls) = self.bundles()?;
        self.written(named).await?;
        self.charts().await?;
        let start = now();
        let figures = http(
            &self.http(4, Until::Count(calls.len() as u64)),
            Box::new(calls.into_iter()),
        )
        .await?;
        let units = figures.units as f64;
        self.row("FHIR transactions acknowledged", "resources", figures);
        self.charts().await?;
        let searchable = units / start.elapsed().as_secs_f64();
        self.plain(
            "FHIR transactions searchable",
            searchable,
            "resources",
            String::new(),
        );
        self.seed().await?;
        let observation = |n: usize| observation(n % PATIENTS, None);
        let creates = (0..).map(move |n| Call::post("/Observation", observation(n), 1));
        let load = self.http(HTTP_CONNECTIONS, Until::Elapsed(self.seconds()));
        let figures = http(&load, Box::new(creates)).await?;
        self.row("creates, sealed", "requests", figures);
        self.charts().await?;
        let reads = (0..).map(|n: usize| Call::get(format!("/Patient/bench-{}", n % PATIENTS)));
        let figures = http(&load, Box::new(reads)).await?;
        self.row("reads, each sealed", "requests", figures);
        let searches = (0..).map(|n: usize| {
            let patient = n % PATIENTS;
            Call::get(format!(
                "/Observation?patient=bench-{patient}&code=8867-4&_count=10"
            ))
        });
        let figures = http(&load, Box::new(searches)).await?;
        self.row("searches, each sealed", "requests", figures);
        Ok(())
    }

    /// Patients and observations that reads and searches are about.
    async fn seed(&self) -> Result<()> {
        let puts = (0..PATIENTS).flat_map(|n| {
            let patient = format!(
                r#"{{"resourceType":"Patient","id":"bench-{n}","name":[{{"family":"Bench","given":["N{n}"]}}],"gender":"other","birthDate":"1970-01-01"}}"#
            );
            let one = put(format!("/Patient/bench-{n}"), patient);
            let rest = (0..10).map(move |m| {
                let id = format!("bench-{n}-{m}");
                put(format!("/Observation/{id}"), observation(n, Some(&id)))
            });
            std::iter::once(one).chain(rest)
        });
        self.written(puts.collect()).await
    }

    /// Patients that have to be there first, and the transactions.
    fn bundles(&self) -> Result<(Vec<Call>, Vec<Call>)> {
        let Some(path) = &self.args.bundles else {
            return Ok(own_bundles());
        };
        let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
        let mut calls = Vec::new();
        for line in BufReader::new(file).lines() {
            let line = line?;
            let units = line.matches("\"fullUrl\"").count() as u64;
            calls.push(Call::post("", line, units));
        }
        Ok((Vec::new(), calls))
    }

    /// Writes what figures need, which is no figure itself.
    async fn written(&self, calls: Vec<Call>) -> Result<()> {
        let load = self.http(1, Until::Count(calls.len() as u64));
        let figures = http(&load, Box::new(calls.into_iter())).await?;
        match figures.first_error {
            Some(why) => bail!("what is to be read could not be written: {why}"),
            None => Ok(()),
        }
    }

    fn http(&self, connections: u16, until: Until) -> HttpLoad {
        HttpLoad {
            base: format!("{}/fhir", self.server.url),
            tls: Arc::clone(&self.tls),
            token: self.token.clone(),
            connections,
            until,
            answer_wait: ANSWER_WAIT,
        }
    }

    async fn charts(&self) -> Result<()> {
        let app = &self.server.house.app;
        if !app.chart.caught_up(app.record.size(), SETTLE).await {
            bail!("the charts did not catch up in {} s", SETTLE.as_secs());
        }
        Ok(())
    }

    async fn finish(mut self, (verifying, refolding): (bool, bool)) -> Result<Report> {
        let (now_mb, most_mb) = memory();
        self.plain(
            "resident memory",
            now_mb,
            "MB, now",
            format!("{most_mb:.0} MB at most"),
        );
        let config = self.server.house.config.record();
        let Measuring {
            server, mut report, ..
        } = self;
        server.drain().await;
        if refolding {
            report.rows.push(engines::refold(&config).await?);
        }
        if verifying {
            let start = now();
            let verified = record::verify(&config, |_, _| {}).await?;
            let seconds = start.elapsed().as_secs_f64();
            report.rows.push(Row {
                what: "verify, everything re-read from disk".into(),
                per_second: verified.bytes as f64 / 1e9 / seconds,
                unit: "GB",
                figures: None,
                note: format!(
                    "{} events, {:.0} events/s, {} alterations",
                    verified.size,
                    verified.size as f64 / seconds,
                    verified.alterations.len()
                ),
            });
        }
        Ok(report)
    }
}

fn feed(feed: &Feed) -> FeedConfig {
    FeedConfig {
        name: feed.name.into(),
        applications: vec![feed.name.to_uppercase()],
        ..FeedConfig::default()
    }
}

/// The hospital's opening transactions, and the patients they name by identifier.
fn own_bundles() -> (Vec<Call>, Vec<Call>) {
    let mut hospital = Hospital::new(7, SystemClock.now());
    let items = hospital.opening().into_iter();
    let bundles = items.filter_map(|item| match item.via {
        Via::Fhir { bundle, .. } => Some(bundle),
        Via::Hl7 { .. } => None,
    });
    let mark = format!("Patient?identifier={AUTHORITY_SYSTEM}|");
    let mut named = BTreeSet::new();
    let mut calls = Vec::new();
    for bundle in bundles {
        let text = String::from_utf8_lossy(&bundle).into_owned();
        let marks = text.split(&mark);
        let numbers = marks.skip(1).filter_map(|rest| rest.split('"').next());
        named.extend(numbers.map(str::to_owned));
        let units = text.matches("\"request\"").count() as u64;
        calls.push(Call::post("", bundle, units));
    }
    let patients = named.iter().map(|number| {
        let patient = format!(
            r#"{{"resourceType":"Patient","id":"own-{number}","identifier":[{{"system":"{AUTHORITY_SYSTEM}","value":"{number}"}}]}}"#
        );
        put(format!("/Patient/own-{number}"), patient)
    });
    (patients.collect(), calls)
}

fn put(path: String, body: String) -> Call {
    Call {
        method: hyper::Method::PUT,
        path,
        body: body.into(),
        units: 1,
    }
}

fn observation(patient: usize, id: Option<&str>) -> String {
    let id = id.map_or(String::new(), |id| format!(r#""id":"{id}","#));
    format!(
        r#"{{"resourceType":"Observation",{id}"status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}}]}},"subject":{{"reference":"Patient/bench-{patient}"}},"effectiveDateTime":"2026-11-21T08:00:00Z","valueQuantity":{{"value":72,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}}}}"#
    )
}

/// The longest the chart was behind the record, in seconds: how long ago was its next event sealed?
async fn lag(app: Arc<web::App>, stop: tokio_util::sync::CancellationToken) -> f64 {
    let mut most = 0.0_f64;
    while !stop.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let folded = *app.chart.folded().borrow();
        if folded < app.record.size()
            && let Ok(next) = app.record.get(folded).await
        {
            most = most.max(SystemClock.now().since(next.at()) as f64 / 1_000.0);
        }
    }
    most
}

/// Resident megabytes: now, and at most so far (`VmRSS`, `VmHWM`).
fn memory() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        number.unwrap_or_default() / 1_024.0
    };
    (kilobytes("VmRSS:"), kilobytes("VmHWM:"))
}

fn now() -> Instant {
    Instant::now()
}

fn words(report: &Report) -> String {
    let mut out = format!(
        "{:<44} {:>12}  {:<11} {:>8} {:>8} {:>7}\n",
        format!("{} cores", report.cores),
        "per second",
        "",
        "p50 ms",
        "p99 ms",
        "errors"
    );
    for row in &report.rows {
        let (p50, p99, errors) =
            row.figures
                .as_ref()
                .map_or((String::new(), String::new(), String::new()), |f| {
                    (
                        format!("{:.2}", f.p50_ms),
                        format!("{:.2}", f.p99_ms),
                        f.errors.to_string(),
                    )
                });
        let number = if row.per_second < 100.0 {
            format!("{:.2}", row.per_second)
        } else {
            format!("{:.0}", row.per_second)
        };
        let (what, unit) = (&row.what, row.unit);
        out.push_str(&format!(
            "{what:<44} {number:>12}  {unit:<11} {p50:>8} {p99:>8} {errors:>7}\n"
        ));
        if !row.note.is_empty() {
            out.push_str(&format!("    {}\n", row.note));
        }
    }
    out
}
