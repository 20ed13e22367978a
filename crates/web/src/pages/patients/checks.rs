//! Re-reads from disk the events behind a chart page, so that it can say which are unaltered.

use std::collections::HashMap;
use std::sync::Arc;

use chart::PatientView;
use tokio::task::JoinSet;

use crate::App;
use crate::pages::patients::view::Checked;
use crate::pages::shell::{Check, Mark};

/// What re-reading found, by event.
pub(crate) struct Checks {
    found: HashMap<u64, Check>,
    /// What is said of an event that was not re-read.
    rest: Check,
}

impl Checks {
    /// Re-reads the events behind a chart in the order of the page, as many as a page may.
    pub(crate) async fn of(app: &Arc<App>, patient: &PatientView) -> Checks {
        let mut wanted: Vec<u64> = Vec::new();
        for index in marks(patient).map(|mark| mark.version) {
            if !wanted.contains(&index) {
                wanted.push(index);
            }
        }
        let mut found: HashMap<u64, Check> = wanted
            .iter()
            .map(|index| (*index, Check::Unchecked))
            .collect();
        let mut work = JoinSet::new();
        for index in wanted.into_iter().take(app.settings.checks_per_page_max) {
            let record = app.record.clone();
            work.spawn(async move { (index, check(&record, index).await) });
        }
        while let Some(Ok((index, check))) = work.join_next().await {
            found.insert(index, check);
        }
        Checks {
            found,
            rest: Check::Unchecked,
        }
    }

    /// For a pack: nothing is re-read, and nothing leads back to the record.
    pub(crate) fn carried() -> Checks {
        Checks {
            found: HashMap::new(),
            rest: Check::Carried,
        }
    }

    /// Whether it is told for a pack, which is read later and elsewhere.
    pub(crate) fn is_carried(&self) -> bool {
        self.rest == Check::Carried
    }

    /// The mark of one thing on the page.
    pub(crate) fn mark(&self, index: u64) -> Mark {
        let check = self.found.get(&index).cloned();
        let check = check.unwrap_or_else(|| self.rest.clone());
        Mark { index, check }
    }

    pub(crate) fn counted(&self) -> Checked {
        let mut counted = Checked::default();
        for check in self.found.values() {
            match check {
                Check::Verified => counted.verified += 1,
                Check::Altered(_) => counted.altered += 1,
                Check::Unchecked | Check::Carried => counted.unchecked += 1,
            }
        }
        counted
    }
}

/// What re-reading one event finds. An event that no checkpoint covers yet is not checked.
pub(crate) async fn check(record: &record::Record, index: u64) -> Check {
    match record.check(index).await {
        Ok(None) => Check::Verified,
        Ok(Some(what)) => Check::Altered(what),
        Err(_) => Check::Unchecked,
    }
}

fn marks(patient: &PatientView) -> impl Iterator<Item = &chart::Mark> {
    let first = patient.identity.mark.iter();
    let first = first.chain(patient.code_status.iter().map(|item| &item.mark));
    let first = first.chain(patient.allergies.iter().map(|item| &item.mark));
    let first = first.chain(patient.medications.iter().map(|item| &item.mark));
    let first = first.chain(patient.given.iter().map(|item| &item.mark));
    let first = first.chain(patient.notes.iter().map(|item| &item.mark));
    let first = first.chain(patient.imaging.iter().map(|item| &item.mark));
    let first = first.chain(patient.problems.iter().map(|item| &item.mark));
    let first = first.chain(patient.precautions.iter().map(|item| &item.mark));
    let first = first.chain(patient.vitals.iter().map(|item| &item.latest.mark));
    let results = patient.reports.iter().flat_map(|report| {
        let rows = report.results.iter().map(|row| &row.mark);
        report.mark.iter().chain(rows)
    });
    let last = patient.encounters.iter().map(|item| &item.mark);
    let last = last.chain(patient.contacts.iter().map(|item| &item.mark));
    let last = last.chain(patient.coverage.iter().map(|item| &item.mark));
    first.chain(results).chain(last)
}
