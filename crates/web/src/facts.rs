//! What the guard is asked with: everything that is known of who asks and of the patient.

use chart::ChartError;
use event::{Role, Time};
use guard::{Ask, Decision, Facts, Identity};

use crate::{App, taking};

impl App {
    /// What the guard says of a question, with everything that is known of it; nothing is sealed.
    ///
    /// # Errors
    /// [`ChartError`] if the chart cannot be read.
    pub async fn decide(&self, mut ask: Ask) -> Result<Decision, ChartError> {
        self.complete(&mut ask.identity);
        let facts = self.facts(&ask).await?;
        let facts = taking::counted(self, facts, (&ask.identity, ask.act, &ask.subject));
        Ok(self.policies.decide(ask, &facts))
    }

    /// What of an identity depends on the moment.
    pub(crate) fn complete(&self, identity: &mut Identity) {
        if !is_system(identity.role()) {
            let now = self.clock.now();
            let at = now.timestamp().to_zoned(self.zone()).datetime();
            identity.on_shift = self.rota.on_shift(&identity.actor.id, at);
        }
    }

    /// Everything that is known of a question about a patient.
    ///
    /// # Errors
    /// [`ChartError`] if the chart cannot be read.
    pub(crate) async fn facts(&self, ask: &Ask) -> Result<Facts, ChartError> {
        let Some(patient) = ask.subject.patient() else {
            return Ok(Facts::default());
        };
        let system = is_system(ask.identity.role());
        if self.is_ruled_without_charts(&ask.identity) {
            return Ok(Facts::default());
        }
        let now = self.clock.now();
        let mut facts = self.chart.facts(&ask.identity, patient, now).await?;
        if !system {
            self.add_own(&mut facts, (&ask.identity.actor.id, patient), now)
                .await?;
        }
        Ok(facts)
    }

    /// Whether nothing that is in a chart matters to what the guard says of this asker.
    pub(crate) fn is_ruled_without_charts(&self, who: &Identity) -> bool {
        let heeds = self.policies.heeds_of_systems();
        let heeded = heeds.labels || heeds.consents && self.chart.any_consents();
        is_system(who.role()) && !heeded
    }

    /// What is known of the asker and the patient beside the chart.
    async fn add_own(
        &self,
        facts: &mut Facts,
        (account, patient): (&str, &str),
        now: Time,
    ) -> Result<(), ChartError> {
        if let Some(own) = self.rota.own_patient(account) {
            facts.own = self.same_patient(own, patient).await?;
        }
        for broken in self.oversight.lasting(account, now) {
            if self.same_patient(&broken.patient, patient).await? {
                facts.glass = Some(broken.index);
            }
        }
        Ok(())
    }

    /// Whether two ids are one patient, merges included.
    async fn same_patient(&self, one: &str, other: &str) -> Result<bool, ChartError> {
        if one == other {
            return Ok(true);
        }
        let survivor = |id: String, kept: Option<String>| kept.unwrap_or(id);
        let one = survivor(one.to_owned(), self.chart.survivor(one).await?);
        let other = survivor(other.to_owned(), self.chart.survivor(other).await?);
        Ok(one == other)
    }
}

/// Whether nobody in particular asks: no ward, no rota, no glass.
const fn is_system(role: Role) -> bool {
    matches!(
        role,
        Role::Client | Role::Feed | Role::Operator | Role::Salus
    )
}
