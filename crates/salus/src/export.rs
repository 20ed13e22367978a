//! What leaves the house as a file: decided chart by chart, masked before it leaves this process.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chart::{FindPatient, Open, PageOf, Stored};
use event::{Act, Leaves, Subject};
use guard::mask::{Counts, Dates, Facts, Finder, Masking, Secret, Withheld, left_out};
use guard::{Ask, Facts as Relations};
use jiff::civil::Date;
use record::Witnessed;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::fhir::Query;
use wire::fhir::search::Total;

use crate::assemble::House;
use crate::operations::operator;

/// Patients whose charts are handed over at once.
const PATIENTS_A_PART: usize = 100;
/// Resources that are read at once.
const PAGE: usize = 500;
/// How long an export waits for the chart to know everything.
const SETTLE: Duration = Duration::from_secs(60);
/// What the house knows of itself and what it gives. It belongs to no patient and leaves with the first part.
const DIRECTORY: [&str; 6] = [
    "HealthcareService",
    "Location",
    "Medication",
    "Organization",
    "Practitioner",
    "PractitionerRole",
];

/// What is asked for: one part of an export.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ExportPart {
    /// The index of the request that another person agreed to.
    pub(crate) agreed: u64,
    /// Why, in the operator's words.
    pub(crate) reason: String,
    /// On which pseudonyms and the move of dates depend, as hexadecimal digits.
    pub(crate) secret: String,
    /// What becomes of dates.
    pub(crate) dates: DateRule,
    /// Where the part before this one ended; `None`: the first part.
    pub(crate) page: Option<String>,
}

/// What becomes of dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DateRule {
    /// They move by 1 to 365 days, one offset a patient: intervals hold.
    Shift,
    /// Only the year stays (HIPAA Safe Harbor).
    Year,
}

/// One part: lines of NDJSON that may leave.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Exported {
    /// By FHIR type, one resource a line.
    pub(crate) lines: BTreeMap<String, Vec<String>>,
    /// Patients whose charts are in it.
    pub(crate) patients: u64,
    /// How much was masked, by kind of identifier.
    pub(crate) masked: Counts,
    /// Bytes that were searched again for what the record knows, and in which nothing was found.
    pub(crate) searched_bytes: u64,
    /// Resources that do not leave: type, why.
    pub(crate) refused: Vec<(String, String)>,
    /// Resources that stay here by their nature: type, why, how many.
    #[serde(default)]
    pub(crate) left_out: Vec<(String, String, u64)>,
    /// Asks for the part after this one; `None`: this is the last.
    pub(crate) next: Option<String>,
}

impl House {
    /// One part of a de-identified export, while two people's agreement to it holds.
    pub(crate) async fn export(&self, part: &ExportPart) -> Result<Exported> {
        let (access, size) = (&self.app.access, self.app.record.size());
        if !access.caught_up(size, SETTLE).await {
            bail!("the view of accesses is behind the record; try again in a minute");
        }
        let leave = access.leave(part.agreed, self.clock.now()).await??;
        let secret = unhex(&part.secret).and_then(|bytes| Secret::new(&bytes));
        let export = Export {
            house: self,
            part,
            leaves: leave.charts()?,
            secret: secret.context("the secret must have 16 bytes or more")?,
            today: self
                .clock
                .now()
                .timestamp()
                .to_zoned(jiff::tz::TimeZone::UTC)
                .date(),
        };
        self.app
            .chart
            .caught_up(self.app.record.size(), SETTLE)
            .await;
        export.run().await
    }
}

struct Export<'a> {
    house: &'a House,
    part: &'a ExportPart,
    /// What two people agreed to.
    leaves: &'a Leaves,
    secret: Secret,
    today: Date,
}

impl Export<'_> {
    async fn run(&self) -> Result<Exported> {
        let mut out = Exported::default();
        let directory = self.directory().await?;
        let mut house = Facts::default();
        directory.iter().for_each(|one| house.learn(one));
        let finder = Finder::new(&house)?;
        if self.part.page.is_none() {
            let known = finder.know(&Facts::default())?;
            let masking = self.masking(&finder, &known, self.dates("directory"));
            directory
                .iter()
                .for_each(|one| take(&masking, one, &mut out));
            if *self.leaves == Leaves::Charts {
                out.left_out = self.left_out().await?;
            }
        }
        let (patients, next) = self.patients(&mut out).await?;
        for patient in patients {
            self.chart(&finder, &patient, &mut out).await?;
        }
        out.next = next;
        Ok(out)
    }

    fn masking<'a>(
        &'a self,
        finder: &'a Finder,
        known: &'a guard::mask::Known,
        dates: Dates,
    ) -> Masking<'a> {
        Masking {
            finder,
            known,
            secret: &self.secret,
            dates,
            today: self.today,
        }
    }

    fn dates(&self, patient: &str) -> Dates {
        match self.part.dates {
            DateRule::Shift => self.secret.dates(patient),
            DateRule::Year => Dates::Year,
        }
    }

    /// Staff, wards and facilities, each type by a decision of its own.
    async fn directory(&self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for kind in DIRECTORY {
            let open = self
                .open(Subject::Kind(kind.to_owned()), vec![kind.to_owned()])
                .await?;
            all.extend(everything(&open, kind).await?);
        }
        Ok(all)
    }

    /// How many there are of what stays here by its nature and belongs to no chart; none is read.
    async fn left_out(&self) -> Result<Vec<(String, String, u64)>> {
        let mut all = Vec::new();
        for &(kind, why) in left_out() {
            let open = self
                .open(Subject::Kind(kind.to_owned()), vec![kind.to_owned()])
                .await?;
            let counted = open.search(&all_of(kind), &PageOf::default()).await?;
            if let Some(count) = counted.total.filter(|count| *count > 0) {
                all.push((kind.to_owned(), why.to_owned(), count));
            }
        }
        Ok(all)
    }

    /// The next patients that two people agreed to, by id, and where to go on.
    async fn patients(&self, out: &mut Exported) -> Result<(Vec<String>, Option<String>)> {
        match self.leaves {
            Leaves::Charts => self.everybody().await,
            Leaves::Ward { ward } => Ok(self.next_of(self.on_ward(ward).await?)),
            Leaves::Patients { patients } => {
                let (some, next) = self.next_of(patients.iter().cloned().collect());
                Ok((self.known(some, out).await?, next))
            }
            Leaves::Study { .. } => Ok((Vec::new(), None)),
        }
    }

    /// The next of these; the id of the last one asks for those behind it.
    fn next_of(&self, mut all: BTreeSet<String>) -> (Vec<String>, Option<String>) {
        if let Some(last) = &self.part.page {
            all.retain(|id| id > last);
        }
        let some: Vec<String> = all.iter().take(PATIENTS_A_PART).cloned().collect();
        let more = all.len() > some.len();
        let next = some.last().filter(|_| more).cloned();
        (some, next)
    }

    /// Who lies on a ward now, or is expected there.
    async fn on_ward(&self, ward: &str) -> Result<BTreeSet<String>> {
        let subject = Subject::Kind("Patient".to_owned());
        let open = self.open(subject, vec!["Patient".to_owned()]).await?;
        let find = FindPatient {
            ward: Some(ward.to_owned()),
            limit: usize::MAX,
            ..FindPatient::default()
        };
        let rows = open.find(&find).await?;
        Ok(rows.into_iter().map(|row| row.patient).collect())
    }

    /// Those that have a chart. Who was merged into another does not leave by the name of their old id alone: nobody
    /// agreed to the other one.
    async fn known(&self, ids: Vec<String>, out: &mut Exported) -> Result<Vec<String>> {
        let mut known = Vec::new();
        for id in ids {
            let located = self.house.app.chart.locate("Patient", &id).await?;
            let joined = self.house.app.chart.joined_since(&id, self.part.agreed);
            let why = match located {
                Some(_) if joined => {
                    "another chart became one with that of a patient after it was agreed to: ask again"
                }
                Some(located) if located.patient.as_ref().is_none_or(|own| *own == id) => {
                    known.push(id);
                    continue;
                }
                Some(_) => "a patient that was agreed to was merged into another: ask for that one",
                None => "there is no chart of a patient that was agreed to",
            };
            out.refused.push(("Patient".to_owned(), why.to_owned()));
        }
        Ok(known)
    }

    /// The next of all patients. Who was merged into another is exported there.
    async fn everybody(&self) -> Result<(Vec<String>, Option<String>)> {
        let subject = Subject::Kind("Patient".to_owned());
        let open = self.open(subject, vec!["Patient".to_owned()]).await?;
        let page = PageOf {
            count: PATIENTS_A_PART,
            token: self.part.page.clone(),
        };
        let page = open.search(&all_of("Patient"), &page).await?;
        let own = |stored: &Stored| {
            stored
                .patient
                .as_ref()
                .is_none_or(|patient| *patient == stored.id)
        };
        let ids = page.matches.iter().filter(|stored| own(stored));
        Ok((ids.map(|stored| stored.id.clone()).collect(), page.next))
    }

    /// One chart, by a decision of its own, sealed under the patient's key.
    async fn chart(&self, finder: &Finder, patient: &str, out: &mut Exported) -> Result<()> {
        let open = self
            .open(Subject::Patient(patient.to_owned()), Vec::new())
            .await?;
        let mut resources = Vec::new();
        for kind in wire::fhir::kinds() {
            if !DIRECTORY.contains(kind) {
                resources.extend(everything(&open, kind).await?);
            }
        }
        // Masking is work for a processor: other tasks of this thread go on elsewhere.
        tokio::task::block_in_place(|| self.mask(finder, (patient, &resources), out))?;
        out.patients += 1;
        Ok(())
    }

    /// Masks a chart with everything that it tells of the patient.
    fn mask(
        &self,
        finder: &Finder,
        (patient, resources): (&str, &[Value]),
        out: &mut Exported,
    ) -> Result<()> {
        let mut facts = Facts::default();
        resources.iter().for_each(|resource| facts.learn(resource));
        let known = finder.know(&facts)?;
        let masking = self.masking(finder, &known, self.dates(patient));
        resources
            .iter()
            .for_each(|resource| take(&masking, resource, out));
        Ok(())
    }

    /// Asks the guard, has the answer sealed, and opens what it allows.
    async fn open(&self, subject: Subject, kinds: Vec<String>) -> Result<Open> {
        let app = &self.house.app;
        let ask = Ask {
            identity: operator(),
            act: Act::Export,
            subject,
            kinds,
            purpose: "HRESCH".to_owned(),
            reason: Some(self.part.reason.clone()),
            detail: format!(
                "de-identified, as agreed to in request {}",
                self.part.agreed
            ),
        };
        let decision = app.policies.decide(ask, &Relations::default());
        match app.record.witness(decision).await? {
            Witnessed::Allowed(permit) => Ok(app.chart.open_with(permit)),
            Witnessed::Refused(index, decision) => bail!(
                "the export is refused: {} (decision {index} in the record)",
                decision.words().join("; ")
            ),
        }
    }
}

/// Every current resource of a type that the permit reaches.
async fn everything(open: &Open, kind: &str) -> Result<Vec<Value>> {
    let query = all_of(kind);
    let (mut all, mut token) = (Vec::new(), None);
    loop {
        let page = PageOf { count: PAGE, token };
        // Without contents that lie in the vault: of attachments the mask keeps none.
        let page = open.search(&query, &page).await?;
        for stored in page.matches {
            all.push(serde_json::from_slice(&stored.json)?);
        }
        token = page.next;
        if token.is_none() {
            return Ok(all);
        }
    }
}

fn all_of(kind: &str) -> Query {
    Query {
        total: Total::Not,
        ..Query::new(kind)
    }
}

/// Masks one resource; what cannot be masked is counted with the reason and stays here.
fn take(masking: &Masking<'_>, resource: &Value, out: &mut Exported) {
    let kind = resource
        .get("resourceType")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match masking.resource(resource) {
        Ok(masked) => {
            out.searched_bytes += masked.json.len() as u64;
            out.lines
                .entry(kind.to_owned())
                .or_default()
                .push(masked.json);
            for (kind, count) in masked.counts {
                *out.masked.entry(kind).or_default() += count;
            }
        }
        Err(why @ Withheld::LeftOut { .. }) => {
            out.left_out.push((kind.to_owned(), why.to_string(), 1));
        }
        Err(why) => out.refused.push((kind.to_owned(), why.to_string())),
    }
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}
