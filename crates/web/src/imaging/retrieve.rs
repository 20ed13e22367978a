//! Handing out objects.

use std::collections::BTreeMap;

use chart::{Instance, InstancesOf, PageOf};
use event::{Act, Subject};
use serde_json::Value;
use wire::dicom::{Level, tags};
use wire::fhir::search::QueryLimits;

use super::{ImageQuery, NoImages, PATIENT, STUDY, broken, broken_chart, hides};
use crate::App;

/// Studies of one patient that are handed out with one question.
const STUDIES_MAX: usize = 1_000;

impl App {
    /// The objects that a query names by its unique keys, one decision for each patient.
    ///
    /// # Errors
    /// [`NoImages`] says why there are none.
    pub async fn retrieve_images(&self, of: &ImageQuery<'_>) -> Result<Vec<Instance>, NoImages> {
        self.images_fresh().await?;
        let mut by_patient: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
        match of.query.level {
            Level::Patient => {
                let patient = self.patient_named(of).await?;
                by_patient.insert(patient, Vec::new());
            }
            Level::Study | Level::Series | Level::Image => {
                for study in self.studies_named(of.query) {
                    let patient = self.patient_of_study(&study).await?;
                    by_patient.entry(patient).or_default().push(study);
                }
            }
        }
        let mut all = Vec::new();
        for (patient, studies) in by_patient {
            let theirs = self.retrieve_of(of, (patient, studies), all.len()).await?;
            all.extend(theirs);
        }
        Ok(all)
    }

    async fn retrieve_of(
        &self,
        of: &ImageQuery<'_>,
        (patient, mut studies): (Option<String>, Vec<String>),
        before: usize,
    ) -> Result<Vec<Instance>, NoImages> {
        let is_there = patient.is_some();
        // Somebody who was merged is named by either number.
        let is_named = match (&patient, self.patient_named(of).await?) {
            (Some(id), Some(named)) => {
                let survivor = self.chart.survivor(id).await.map_err(broken_chart)?;
                survivor.as_ref().unwrap_or(id) == &named
            }
            _ => false,
        };
        let subject = patient.map_or_else(|| Subject::Kind(STUDY.to_owned()), Subject::Patient);
        let permit = self.images_permit(of, (Act::Read, subject)).await?;
        hides(&permit, &[STUDY, PATIENT])?;
        if !is_there {
            return Ok(Vec::new());
        }
        let open = self.chart.open_with(permit);
        if of.query.level == Level::Patient {
            let query = wire::fhir::query(STUDY, &[], &QueryLimits::default());
            let query = query.map_err(|issue| broken(issue.words))?;
            let page = PageOf {
                count: STUDIES_MAX,
                token: None,
            };
            let page = open.search(&query, &page).await.map_err(broken_chart)?;
            if page.next.is_some() {
                return Err(too_much());
            }
            studies = page.matches.into_iter().map(|one| one.id).collect();
        }
        // An object names its patient, and nothing can be taken out of it: the permit must show the whole
        // study and the whole patient, who must be the one that is asked for.
        let owners = open.whole_studies(&studies).await.map_err(broken_chart)?;
        let theirs = |study: &String| {
            owners
                .get(study)
                .is_some_and(|owner| is_named || of.is_of(owner))
        };
        studies.retain(theirs);
        let left = of.max.saturating_sub(before);
        let mut all = Vec::new();
        for study in studies {
            let wanted = InstancesOf {
                series: of.query.uids(tags::SERIES_INSTANCE_UID).to_vec(),
                instances: of.query.uids(tags::SOP_INSTANCE_UID).to_vec(),
                after: 0,
                count: left.saturating_add(1),
            };
            let some = open.instances(&study, &wanted).await;
            all.extend(some.map_err(broken_chart)?);
            if all.len() > left {
                return Err(too_much());
            }
        }
        Ok(all)
    }
}

impl ImageQuery<'_> {
    /// Whether a `Patient` has the Patient ID that is asked for, under its issuer; without an issuer under
    /// the authority of who asks.
    fn is_of(&self, owner: &Value) -> bool {
        let Some(number) = self.query.single(tags::PATIENT_ID) else {
            return true;
        };
        let issuer = self.query.single(tags::ISSUER_OF_PATIENT_ID);
        let system = wire::v2::authority_system(issuer.unwrap_or_default(), self.authority);
        let all = owner.get("identifier").and_then(Value::as_array);
        let mut all = all.into_iter().flatten();
        all.any(|one| {
            let has = |name: &str, text: &str| one.get(name).and_then(Value::as_str) == Some(text);
            has("value", number) && has("system", &system)
        })
    }
}

fn too_much() -> NoImages {
    NoImages::TooMuch("more objects are named than are handed out at once; name fewer".into())
}
