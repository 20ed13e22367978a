//! Looking for patients, studies, series and instances.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chart::{InstancesOf, Open, PageOf, Series};
use event::{Act, Subject};
use serde_json::Value;
use wire::dicom::{Attributes, Level, Person, tags};
use wire::fhir::search::QueryLimits;

use super::{FoundImages, ImageQuery, NoImages, STUDY, broken, broken_chart, hides, narrow};
use crate::App;
use crate::taking::Answering;

/// Studies that are looked at in one go.
const STUDIES_AT_ONCE: usize = 100;
/// Instances that are looked at in one go.
const INSTANCES_AT_ONCE: usize = 1_000;
/// Studies that one query looks at.
const STUDIES_MAX: usize = 20_000;

/// What was found so far.
struct Finding<'q> {
    of: &'q ImageQuery<'q>,
    found: FoundImages,
    /// Whom it shows.
    patients: BTreeSet<String>,
    /// Of a query for patients: each, with studies, series and instances.
    people: BTreeMap<String, (Person, [u64; 3])>,
}

impl App {
    /// What matches a query: patients, studies, series or instances, `max` at most.
    ///
    /// # Errors
    /// [`NoImages`] says why nothing is told.
    pub async fn find_images(&self, of: &ImageQuery<'_>) -> Result<FoundImages, NoImages> {
        self.images_fresh().await?;
        let named = self.studies_named(of.query);
        let subject = self.images_subject(of, &named).await?;
        let permit = self.images_permit(of, (Act::Search, subject)).await?;
        hides(&permit, &[STUDY])?;
        let answering = Answering::with(&permit);
        let open = self.chart.open_with(permit);
        let mut finding = Finding {
            of,
            found: FoundImages::default(),
            patients: BTreeSet::new(),
            people: BTreeMap::new(),
        };
        match named.is_empty() {
            true => finding.all(&open).await?,
            false => {
                for some in named.chunks(STUDIES_AT_ONCE) {
                    finding.studies(&open, some).await?;
                }
            }
        }
        let (found, patients) = finding.end();
        let sealed = answering.seal(self, patients).await;
        sealed.map_err(broken)?;
        Ok(found)
    }

    /// Whom a query is about: the patient of the one study that it names; for an app that was opened
    /// for one patient, that patient; for people, the patient whom they name; else all studies.
    async fn images_subject(
        &self,
        of: &ImageQuery<'_>,
        named: &[String],
    ) -> Result<Subject, NoImages> {
        let through = of.who.through.as_ref();
        let patient = match named {
            [study] => self.patient_of_study(study).await?,
            _ => None,
        };
        let launched = through.and_then(|through| through.patient.clone());
        let patient = match patient.or(launched) {
            None if through.is_some() => self.patient_named(of).await?,
            patient => patient,
        };
        Ok(patient.map_or_else(|| Subject::Kind(STUDY.to_owned()), Subject::Patient))
    }
}

impl Finding<'_> {
    /// All studies that the query can match, page by page.
    async fn all(&mut self, open: &Open) -> Result<(), NoImages> {
        let search = narrow::search(self.of.query);
        let query = wire::fhir::query(STUDY, &search, &QueryLimits::default());
        let query = query.map_err(|issue| broken(issue.words))?;
        let mut page = PageOf {
            count: STUDIES_AT_ONCE,
            token: None,
        };
        let mut looked = 0;
        loop {
            let some = open.search(&query, &page).await.map_err(broken_chart)?;
            looked += some.matches.len();
            let ids: Vec<String> = some.matches.into_iter().map(|one| one.id).collect();
            self.studies(open, &ids).await?;
            match some.next {
                Some(_) if self.found.more => return Ok(()),
                Some(_) if looked >= STUDIES_MAX => {
                    return Err(NoImages::TooMuch(format!(
                        "more than {STUDIES_MAX} studies would be looked at; ask more narrowly"
                    )));
                }
                Some(next) => page.token = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Those of the studies that match.
    async fn studies(&mut self, open: &Open, ids: &[String]) -> Result<(), NoImages> {
        let series = open.series(ids).await.map_err(broken_chart)?;
        let owners = open.owners(ids).await.map_err(broken_chart)?;
        let mut by_study: HashMap<&str, Vec<&Series>> = HashMap::new();
        for one in &series {
            by_study.entry(&one.first.study).or_default().push(one);
        }
        for id in ids {
            if self.found.more {
                return Ok(());
            }
            if let Some(series) = by_study.get(id.as_str()) {
                self.study(open, (series, &owners)).await?;
            }
        }
        Ok(())
    }

    async fn study(
        &mut self,
        open: &Open,
        (series, owners): (&[&Series], &HashMap<String, Value>),
    ) -> Result<(), NoImages> {
        let Some(first) = series.first().map(|series| &series.first) else {
            return Ok(());
        };
        let query = self.of.query;
        let patient = first.patient.clone().unwrap_or_default();
        let owner = owners.get(&patient).and_then(Value::as_object);
        let person = owner.map(|owner| Person::of(owner, &first.header, query));
        let person = person.unwrap_or_default();
        let mut modalities: Vec<&str> = Vec::new();
        for one in series {
            let modality = one.first.header.modality.as_str();
            if !modality.is_empty() && !modalities.contains(&modality) {
                modalities.push(modality);
            }
        }
        let instances = series.iter().map(|one| one.instances).sum();
        let counts = (series.len() as u64, instances);
        let study = Attributes::of_patient(&person).with(&Attributes::of_study(
            &first.header,
            &modalities,
            counts,
        ));
        if !query.matches(Level::Patient..=Level::Study, &study) {
            return Ok(());
        }
        match query.level {
            Level::Patient => {
                let (_, sums) = self.people.entry(patient).or_insert((person, [0; 3]));
                for (sum, more) in sums.iter_mut().zip([1, counts.0, counts.1]) {
                    *sum += more;
                }
                self.found.more = self.people.len() > self.of.max;
            }
            Level::Study => self.add(&patient, study),
            Level::Series | Level::Image => {
                for one in series {
                    self.series(open, (&patient, &study, one)).await?;
                }
            }
        }
        Ok(())
    }

    async fn series(
        &mut self,
        open: &Open,
        (patient, study, one): (&str, &Attributes, &Series),
    ) -> Result<(), NoImages> {
        let query = self.of.query;
        let header = &one.first.header;
        let own = Attributes::of_series(header, one.instances);
        let series = study.clone().with(&own);
        if self.found.more || !query.matches(Level::Series..=Level::Series, &series) {
            return Ok(());
        }
        if query.level == Level::Series {
            self.add(patient, series);
            return Ok(());
        }
        let mut of = InstancesOf {
            series: vec![header.series.clone()],
            instances: query.uids(tags::SOP_INSTANCE_UID).to_vec(),
            after: 0,
            count: INSTANCES_AT_ONCE,
        };
        // What is matched may come after many that are not.
        while !self.found.more {
            let all = open.instances(&one.first.study, &of).await;
            let all = all.map_err(broken_chart)?;
            let Some(last) = all.last().map(|last| last.index) else {
                break;
            };
            let is_last = all.len() < of.count;
            for one in all {
                let own = Attributes::of_instance(&one.header, &one.syntax);
                let instance = series.clone().with(&own);
                if !self.found.more && query.matches(Level::Image..=Level::Image, &instance) {
                    self.add(patient, instance);
                }
            }
            if is_last {
                break;
            }
            of.after = last;
        }
        Ok(())
    }

    fn add(&mut self, patient: &str, one: Attributes) {
        if self.found.matches.len() >= self.of.max {
            self.found.more = true;
            return;
        }
        self.found.matches.push(one);
        if !patient.is_empty() {
            self.patients.insert(patient.to_owned());
        }
    }

    /// What was found, and whom it shows.
    fn end(mut self) -> (FoundImages, Vec<String>) {
        let max = self.of.max;
        for (id, (person, sums)) in std::mem::take(&mut self.people).into_iter().take(max) {
            let mut one = Attributes::of_patient(&person);
            let counts = [
                tags::NUMBER_OF_PATIENT_RELATED_STUDIES,
                tags::NUMBER_OF_PATIENT_RELATED_SERIES,
                tags::NUMBER_OF_PATIENT_RELATED_INSTANCES,
            ];
            for (tag, sum) in counts.into_iter().zip(sums) {
                one.set(tag, &sum.to_string());
            }
            self.found.matches.push(one);
            self.patients.insert(id);
        }
        (self.found, self.patients.into_iter().collect())
    }
}
