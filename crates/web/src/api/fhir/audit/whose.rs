//! Whom a search for AuditEvents is about.

use guard::Identity;

use super::super::door::Door;
use super::super::fault::Fault;
use super::super::query;
use super::super::recent::Concern;
use super::super::settle::matching_shown;
use super::reading::Reading;
use crate::numbered::told_under;
use wire::fhir::search::escaped;

impl Reading {
    /// The one patient that it is about, with who was merged into them from here on.
    pub(super) async fn patient(
        &mut self,
        door: &Door,
        who: &Identity,
    ) -> Result<Option<String>, Fault> {
        if let Some(named) = self.named.take() {
            return self.identified(door, who, named).await;
        }
        let [id] = self.filter.patients.as_slice() else {
            return Ok(None);
        };
        door.fresh(&[Concern::Kind("Patient")]).await?;
        let survivor = door.app.chart.survivor(id).await?;
        let id = survivor.unwrap_or_else(|| id.clone());
        self.filter.patients = door.app.chart.family(&id);
        self.heard.patients = told_under(&door.app, &self.filter.patients).await?;
        Ok(Some(id))
    }

    /// The patient with an identifier, as the chart knows them, and as the identifier alone makes
    /// them: others tell of patients who are not on this record. Asked of the guard like any search.
    async fn identified(
        &mut self,
        door: &Door,
        who: &Identity,
        (system, value): (Option<String>, String),
    ) -> Result<Option<String>, Fault> {
        let token = match &system {
            Some(system) => format!("{}|{}", escaped(system), escaped(&value)),
            None => escaped(&value),
        };
        let text = query::text(&[("identifier".to_owned(), token)]);
        let mut ids = matching_shown(door, who, ("Patient", &text)).await?;
        if let Some(system) = &system {
            ids.push(door.app.record.blind().id("Patient", system, &value));
        }
        let asked = std::mem::take(&mut self.filter.patients);
        ids.retain(|id| asked.is_empty() || asked.contains(id));
        if ids.is_empty() {
            self.nothing();
            return Ok(None);
        }
        let (mut family, mut persons) = (Vec::new(), Vec::new());
        for id in ids {
            let survivor = door.app.chart.survivor(&id).await?.unwrap_or(id);
            family.extend(door.app.chart.family(&survivor));
            persons.push(survivor);
        }
        for all in [&mut family, &mut persons] {
            all.sort_unstable();
            all.dedup();
        }
        self.heard.patients = told_under(&door.app, &family).await?;
        // The id that the number makes is no person of its own beside one who has the number.
        let mut known = Vec::new();
        for person in persons {
            if door.app.chart.locate("Patient", &person).await?.is_some() {
                known.push(person);
            }
        }
        let one = match (known.as_slice(), family.as_slice()) {
            ([one], _) | ([], [one]) => Some(one.clone()),
            _ => None,
        };
        self.filter.patients = family;
        Ok(one)
    }
}
