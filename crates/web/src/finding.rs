//! Patients found for another door than those of this room: asked of the guard, sealed, and
//! sealed again whom the answer showed before it leaves.

use std::time::Duration;

use chart::{ChartError, PageOf};
use event::{Act, Subject};
use guard::{Ask, Identity};
use record::Witnessed;
use serde_json::{Map, Value};
use wire::fhir::search::QueryLimits;

use crate::App;
use crate::taking::{self, Answering};

/// What came of looking for patients.
#[derive(Debug)]
pub enum Sought {
    /// These fit, and no others.
    Patients(Vec<Map<String, Value>>),
    /// These fit, and there are more: how many in all, as far as that is known, and where to go on.
    Some(Vec<Map<String, Value>>, Option<u64>, String),
    /// It may not be asked, or cannot be: why.
    Refused(String),
    /// It could not be looked for.
    Broken(String),
}

impl App {
    /// Looks for patients by the parameters of a FHIR search; names `count` at most, from where an
    /// earlier answer to the same search ended.
    pub async fn find_patients(
        &self,
        who: &Identity,
        search: &[(String, String)],
        (count, goes_on): (usize, Option<String>),
    ) -> Sought {
        match self.seek(who, search, (count, goes_on)).await {
            Ok(sought) => sought,
            Err(why) => Sought::Broken(why),
        }
    }

    async fn seek(
        &self,
        who: &Identity,
        search: &[(String, String)],
        (count, token): (usize, Option<String>),
    ) -> Result<Sought, String> {
        let query = match wire::fhir::query("Patient", search, &QueryLimits::default()) {
            Ok(query) => query,
            Err(issue) => return Ok(Sought::Refused(issue.words)),
        };
        // Who was registered before the question is in the answer.
        let wait = Duration::from_millis(self.settings.chart_wait_ms);
        if !self.chart.caught_up(self.record.size(), wait).await {
            return Err("the chart does not show yet what was sent before".into());
        }
        let decision = self.decide(ask(who, search)).await.map_err(in_words)?;
        let permit = match self.record.witness(decision).await.map_err(in_words)? {
            Witnessed::Allowed(permit) => permit,
            Witnessed::Refused(_, decision) => {
                return Ok(Sought::Refused(decision.words().join("; ")));
            }
        };
        taking::opened(self, permit.ask());
        let answering = Answering::with(&permit);
        let open = self.chart.open_with(permit);
        let page = PageOf { count, token };
        let page = match open.search(&query, &page).await {
            Ok(page) => page,
            Err(ChartError::BadPage(_)) => {
                return Ok(Sought::Refused("no answer ended there".into()));
            }
            Err(why) => return Err(in_words(why)),
        };
        let shown = page.patients.clone();
        answering.seal(self, shown).await.map_err(in_words)?;
        let read = |one: &chart::Stored| serde_json::from_slice(&one.json).ok();
        let patients: Vec<Map<String, Value>> = page.matches.iter().filter_map(read).collect();
        Ok(match page.next {
            None => Sought::Patients(patients),
            Some(next) => Sought::Some(patients, page.total, next),
        })
    }
}

fn ask(who: &Identity, search: &[(String, String)]) -> Ask {
    let pairs = search.iter().map(|(name, value)| format!("{name}={value}"));
    Ask {
        identity: who.clone(),
        act: Act::Search,
        subject: Subject::Kind("Patient".into()),
        kinds: vec!["Patient".into()],
        purpose: "HOPERAT".into(),
        reason: None,
        detail: format!("Patient?{}", pairs.collect::<Vec<_>>().join("&")),
    }
}

fn in_words(why: impl std::fmt::Display) -> String {
    why.to_string()
}
