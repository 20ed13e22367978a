//! Figures of what is asked of a record that has been used for long: who looked at a patient, and a
//! patient's summary.

use anyhow::{Context as _, Result, anyhow, bail};
use drills::dice::Dice;
use drills::load::{Call, Until, http};
use event::{Act, Actor, ActorKind, Body, Decided, Event, Role, Subject};
use guard::{Admitted, Standing, admit};
use serde_json::Value;

use super::{Measuring, SETTLE};
use crate::certificate;
use crate::remote::Remote;

/// Accesses that are handed in at once.
const GROUP: u64 = 1_000;
const ACCOUNTS: u64 = 500;
const PATIENTS: u64 = 20_000;
/// One access in so many is to the one patient that everybody looks at.
const FAMOUS: u64 = 100;
/// Searches and summaries that are asked for.
const QUESTIONS: u64 = 1_000;
/// Patients whose summaries are asked for: as many as are kept ready.
const SUMMARIES: usize = 200;
/// How long it may take until all summaries are ready, in looks and the milliseconds between two.
const LOOKS: (u32, u64) = (1_200, 50);

impl Measuring<'_> {
    /// `GET AuditEvent?patient=`, one after the other, among many sealed accesses.
    pub(super) async fn access(&mut self) -> Result<()> {
        let app = self.server.house.app.clone();
        let accesses = self.args.accesses;
        let mut dice = Dice::new(7);
        for first in (0..accesses).step_by(GROUP as usize) {
            let group = first..(first + GROUP).min(accesses);
            let group: Result<Vec<Admitted>> = group.map(|_| looked(&mut dice)).collect();
            app.record.admit(group?).await?;
        }
        if !app.access.caught_up(app.record.size(), SETTLE).await {
            bail!("the accesses were not folded within {} s", SETTLE.as_secs());
        }
        let calls = (0..).map(move |_| {
            let patient = patient(&mut dice);
            Call::get(format!("/AuditEvent?patient=Patient/{patient}&_count=50"))
        });
        let load = self.http(1, Until::Count(QUESTIONS));
        let figures = http(&load, Box::new(calls)).await?;
        let what = format!("who looked, among {accesses} accesses");
        self.row(&what, "searches", figures);
        Ok(())
    }

    /// `GET Patient/ID/$summary`, one after the other, each sealed.
    pub(super) async fn summary(&mut self) -> Result<()> {
        let (named, calls) = self.bundles()?;
        self.written(named).await?;
        self.written(calls).await?;
        self.charts().await?;
        let patients = self.patients().await?;
        let all = patients.len() as u64;
        self.summaries("summaries never asked for before", patients.clone(), all)
            .await?;
        self.summaries("summaries again", patients.clone(), QUESTIONS)
            .await?;
        self.changed(&patients, 1).await?;
        self.summaries("summaries at once after a change", patients.clone(), all)
            .await?;
        self.changed(&patients, 2).await?;
        self.ready().await?;
        self.summaries("summaries after a change, made ready", patients, all)
            .await
    }

    /// So many questions, one after the other, about one patient after the other.
    async fn summaries(&mut self, what: &str, patients: Vec<String>, count: u64) -> Result<()> {
        let calls = patients.into_iter().cycle();
        let calls = calls.map(|id| Call::get(format!("/Patient/{id}/$summary")));
        let load = self.http(1, Until::Count(count));
        let figures = http(&load, Box::new(calls)).await?;
        self.row(what, "summaries", figures);
        Ok(())
    }

    /// Another result for each of the patients.
    async fn changed(&self, patients: &[String], round: u32) -> Result<()> {
        let result = |id: &String| {
            let body = format!(
                r#"{{"resourceType":"Observation","id":"changed-{id}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"8867-4"}}]}},"subject":{{"reference":"Patient/{id}"}},"effectiveDateTime":"2026-11-21T08:00:00Z","valueQuantity":{{"value":7{round},"unit":"/min"}}}}"#
            );
            super::put(format!("/Observation/changed-{id}"), body)
        };
        self.written(patients.iter().map(result).collect()).await?;
        self.charts().await
    }

    /// Waits until every summary that is kept ready is.
    async fn ready(&self) -> Result<()> {
        let (looks, pause) = LOOKS;
        for _ in 0..looks {
            if self.server.house.app.chart.due().await?.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        }
        bail!("the summaries were not made ready in time")
    }

    /// The ids of some patients.
    async fn patients(&self) -> Result<Vec<String>> {
        let certificate = certificate::files(&self.server.house.config).certificate;
        let server = Remote::new(&self.server.url, &certificate)?.with_token(&self.token);
        let path = format!("/fhir/Patient?_count={SUMMARIES}&_elements=id");
        let found: Value = serde_json::from_slice(&server.get(&path).await?.body)?;
        let entries = found.get("entry").and_then(Value::as_array);
        let entries = entries.context("there are no patients")?;
        let ids = entries
            .iter()
            .filter_map(|entry| entry.pointer("/resource/id")?.as_str());
        Ok(ids.map(str::to_owned).collect())
    }
}

fn patient(dice: &mut Dice) -> String {
    match dice.below(FAMOUS) {
        0 => "famous".to_owned(),
        _ => format!("p{}", dice.below(PATIENTS)),
    }
}

/// Somebody looked at a chart.
fn looked(dice: &mut Dice) -> Result<Admitted> {
    let account = dice.below(ACCOUNTS);
    let actor = Actor {
        kind: ActorKind::Person,
        id: format!("nurse{account}"),
        name: format!("Nurse {account}"),
        role: Role::Nurse,
    };
    let subject = Subject::Patient(patient(dice));
    let body = Body::Decision(Decided {
        through: None,
        act: Act::Read,
        subject: subject.clone(),
        purpose: "TREAT".into(),
        reason: None,
        detail: String::new(),
        allowed: true,
        obligations: Vec::new(),
        considered: None,
    });
    let event = Event::new(actor, Act::Read, subject, body);
    admit(event.into(), Standing::Salus, "").map_err(|refused| anyhow!(refused.words))
}
