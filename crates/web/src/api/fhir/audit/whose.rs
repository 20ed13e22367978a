//! Whom a search for AuditEvents is about.

use guard::Identity;

use super::super::door::Door;
use super::super::fault::Fault;
use super::super::query;
use super::super::settle::matching_shown;
use super::reading::Reading;

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
        let survivor = door.app.chart.survivor(id).await?;
        let id = survivor.unwrap_or_else(|| id.clone());
        self.filter.patients = door.app.chart.family(&id);
        self.heard.patients.clone_from(&self.filter.patients);
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
            Some(system) => format!("{system}|{value}"),
            None => value.clone(),
        };
        let text = query::text(&[("identifier".to_owned(), token)]);
        let mut ids = matching_shown(door, who, ("Patient", &text)).await?;
        if let Some(system) = &system {
            let made = door.app.record.blind().id("Patient", system, &value);
            ids.push(made);
        }
        let asked = std::mem::take(&mut self.filter.patients);
        ids.retain(|id| asked.is_empty() || asked.contains(id));
        if ids.is_empty() {
            self.nothing();
            return Ok(None);
        }
        let mut family = Vec::new();
        for id in ids {
            let survivor = door.app.chart.survivor(&id).await?.unwrap_or(id);
            family.extend(door.app.chart.family(&survivor));
        }
        family.sort_unstable();
        family.dedup();
        let first = family.first().cloned().filter(|_| family.len() == 1);
        self.heard.patients.clone_from(&family);
        self.filter.patients = family;
        Ok(first)
    }
}
