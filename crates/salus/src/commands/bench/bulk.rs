//! Figures of much at once: an export of everything, searches among a million resources, and what clients of a
//! FHIR server do all day.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use drills::dice::Dice;
use drills::load::{Call, Until, http, mix, mix_seed};
use serde_json::Value;

use super::{ANSWER_WAIT, HTTP_CONNECTIONS, Measuring, SETTLE, now};
use crate::certificate;
use crate::remote::Remote;

/// Connections that fetch files of an export.
const FETCHING: u16 = 4;
/// Between two looks at how far an export is.
const PAUSE: Duration = Duration::from_millis(10);
/// Observations of each patient that is searched for, and codes that they have.
const OF_EACH: u64 = 99;
const CODES: u64 = 500;
/// Searches of each kind.
const SEARCHES: u64 = 500;

impl Measuring<'_> {
    /// `$export` of everything: prepared, then fetched.
    pub(super) async fn export(&mut self) -> Result<()> {
        let (named, calls) = self.bundles()?;
        self.written(named).await?;
        self.written(calls).await?;
        self.charts().await?;
        let certificate = certificate::files(&self.server.house.config).certificate;
        let server = Remote::new(&self.server.url, &certificate)?
            .with_token(&self.token)
            .waiting(ANSWER_WAIT);
        let begun = now();
        let place = server.begin("/fhir/$export").await?.place;
        let place = path_of(&place)
            .context("the export was not begun")?
            .to_owned();
        let files = prepared(&server, &place).await?;
        let preparing = begun.elapsed().as_secs_f64();
        let count: u64 = files.iter().map(|call| call.units).sum();
        let load = self.http(FETCHING, Until::Count(files.len() as u64));
        let figures = http(&load, Box::new(files.into_iter())).await?;
        let whole = begun.elapsed().as_secs_f64();
        let rate = |seconds: f64| count as f64 / seconds;
        self.plain(
            "export prepared",
            rate(preparing),
            "resources",
            String::new(),
        );
        self.row("export, its files fetched", "resources", figures);
        let note = format!("{count} resources");
        self.plain(
            "export, from request to last file",
            rate(whole),
            "resources",
            note,
        );
        Ok(())
    }

    /// Searches, one after the other, among many resources; each kind by itself.
    pub(super) async fn search(&mut self) -> Result<()> {
        let patients = (self.args.resources / (OF_EACH + 1)).max(1);
        let mut dice = Dice::new(11);
        let bundles: Vec<u64> = (0..patients).collect();
        let calls = bundles
            .into_iter()
            .map(move |n| Call::post("", bundle(n, &mut dice), OF_EACH + 1));
        let load = self.http(FETCHING, Until::Count(patients));
        let figures = http(&load, Box::new(calls)).await?;
        if let Some(why) = figures.first_error {
            bail!("what is to be searched could not be written: {why}");
        }
        let app = self.server.house.app.clone();
        while !app.chart.caught_up(app.record.size(), SETTLE).await {
            tracing::info!(
                folded = *app.chart.folded().borrow(),
                "the charts are behind"
            );
        }
        for (what, path) in SEARCHED {
            let mut dice = Dice::new(13);
            let calls = (0..SEARCHES).map(move |_| {
                let patient = dice.below(patients).to_string();
                let code = dice.below(CODES).to_string();
                let day = format!("{:02}", 1 + dice.below(28));
                let path = path.replace("{n}", &patient);
                Call::get(path.replace("{c}", &code).replace("{d}", &day))
            });
            let load = self.http(1, Until::Count(SEARCHES));
            let figures = http(&load, Box::new(calls)).await?;
            let what = format!("searches by {what}, among {}", self.args.resources);
            self.row(&what, "searches", figures);
        }
        Ok(())
    }

    /// Reads, updates, creates and deletes, as clients of a FHIR server send them.
    pub(super) async fn crud(&mut self) -> Result<()> {
        self.written(mix_seed()).await?;
        self.charts().await?;
        self.runs += 1;
        let load = self.http(HTTP_CONNECTIONS, Until::Elapsed(self.seconds()));
        let figures = http(&load, mix(self.runs)).await?;
        self.row(
            "60 % reads, 25 updates, 10 creates, 5 deletes",
            "requests",
            figures,
        );
        Ok(())
    }
}

/// What is searched by, and how: a patient, a code, a day stand where the braces are.
const SEARCHED: [(&str, &str); 6] = [
    (
        "patient and code",
        "/Observation?patient=s-{n}&code=urn:bench|c{c}&_count=10",
    ),
    (
        "patient, newest first",
        "/Observation?patient=s-{n}&_sort=-date&_count=10",
    ),
    (
        "code and day",
        "/Observation?code=urn:bench|c{c}&date=2026-03-{d}&_count=10",
    ),
    ("identifier", "/Patient?identifier=urn:bench|{n}"),
    ("name", "/Patient?family=Bench{n}"),
    ("birth date", "/Patient?birthdate=1970-01-{d}&_count=10"),
];

/// Waits until an export is prepared; its files.
async fn prepared(server: &Remote, place: &str) -> Result<Vec<Call>> {
    loop {
        let status = server.get(place).await?;
        match status.status {
            200 => return files(&serde_json::from_slice(&status.body)?),
            202 => tokio::time::sleep(PAUSE).await,
            other => bail!("the export was answered {other}"),
        }
    }
}

fn files(manifest: &Value) -> Result<Vec<Call>> {
    let all = manifest.get("output").and_then(Value::as_array);
    let all = all.context("the export has no list of files")?.iter();
    let file = |one: &Value| {
        let url = one.get("url").and_then(Value::as_str)?;
        let path = path_of(url)?.strip_prefix("/fhir")?.to_owned();
        Some(Call {
            units: one.get("count").and_then(Value::as_u64)?,
            ..Call::get(path)
        })
    };
    all.map(|one| file(one).context("a file of the export has no address"))
        .collect()
}

/// What follows host and port in an address.
fn path_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    rest.find('/').and_then(|at| rest.get(at..))
}

/// A patient with results, as a transaction.
fn bundle(n: u64, dice: &mut Dice) -> String {
    let day = 1 + n % 28;
    let mut out = format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":{{"resourceType":"Patient","id":"s-{n}","identifier":[{{"system":"urn:bench","value":"{n}"}}],"name":[{{"family":"Bench{n}"}}],"birthDate":"1970-01-{day:02}"}},"request":{{"method":"PUT","url":"Patient/s-{n}"}}}}"#
    );
    for m in 0..OF_EACH {
        let (code, day, value) = (dice.below(CODES), 1 + dice.below(28), dice.below(1_000));
        out.push_str(&format!(
            r#",{{"resource":{{"resourceType":"Observation","id":"s-{n}-{m}","status":"final","code":{{"coding":[{{"system":"urn:bench","code":"c{code}"}}]}},"subject":{{"reference":"Patient/s-{n}"}},"effectiveDateTime":"2026-03-{day:02}T08:00:00Z","valueQuantity":{{"value":{value},"unit":"/min"}}}},"request":{{"method":"PUT","url":"Observation/s-{n}-{m}"}}}}"#
        ));
    }
    out.push_str("]}");
    out
}
