//! Operations that IHE defines on Patient: `$ihe-pix` (PIXm, ITI-83), and `$match` of FHIR as PDQm has
//! it (ITI-119). Each is one question about patients: decided and sealed, with whom its answer shows.

mod mhd;
mod pairing;
mod pix;
mod publishing;
mod superseding;

pub(crate) use mhd::{provided, untouched};
pub(crate) use pairing::pairing;
pub(crate) use pix::pix;
pub(crate) use publishing::{published, replaced_by};
pub(crate) use superseding::of_one_patient;

use chart::{ChartError, Open, PageOf, Stored};
use event::Act;
use guard::Identity;
use serde_json::Value;

use super::door::{Door, Question};
use super::fault::Fault;
use super::query;
use super::recent::Concern;
use super::search::subject;
use crate::taking::Answering;

/// Patients that one search of an operation brings, at most.
const PATIENTS_MAX: usize = 200;

/// What a search brought.
enum Fitting<T> {
    /// Everybody who fits.
    All(Vec<T>),
    /// So many were looked at, and there are more.
    Some(Vec<T>),
    /// Nobody: too many would have to be looked at.
    TooBroad(ChartError),
}

/// Leave to ask which patients there are, and the way in.
struct Asking<'d> {
    door: &'d Door,
    open: Open,
    answering: Answering,
}

/// A parameter of a search and its value.
type Pair = (String, String);

/// A Patient as it may be shown.
#[derive(Debug, Clone)]
struct Known {
    stored: Stored,
    json: Value,
}

impl Known {
    fn of(stored: Stored) -> Option<Known> {
        let json = serde_json::from_slice(&stored.json).ok()?;
        Some(Known { stored, json })
    }
}

impl<'d> Asking<'d> {
    /// Asks the guard, by the search that comes first; `name` is the operation, `asked` all that it looks
    /// for, each once, as it is sealed.
    async fn of(
        door: &'d Door,
        who: &Identity,
        (name, first, asked): (&str, &[Pair], &[Pair]),
    ) -> Result<Asking<'d>, Fault> {
        let query = door.query_of("Patient", first)?;
        let question = Question {
            act: Act::Search,
            subject: subject(door, who, &query).await?,
            kinds: query.touches().into_iter().map(str::to_owned).collect(),
            detail: format!("Patient/{name}?{}", query::text(asked)),
        };
        let permit = door.permit(who, question, None).await?;
        door.fresh(&[Concern::Kind("Patient")]).await?;
        let answering = Answering::with(&permit);
        Ok(Asking {
            door,
            open: door.app.chart.open_with(permit),
            answering,
        })
    }

    /// The Patients that fit, `PATIENTS_MAX` at most, without what may not be shown.
    async fn patients(&self, pairs: &[(String, String)]) -> Result<Vec<Known>, Fault> {
        let query = self.door.query_of("Patient", pairs)?;
        let page = PageOf {
            count: PATIENTS_MAX,
            token: None,
        };
        let page = self.open.search(&query, &page).await?;
        Ok(page.matches.into_iter().filter_map(Known::of).collect())
    }

    /// Those of the Patients that fit whom `keep` makes something of; of so many that are looked at.
    async fn fitting<T>(
        &self,
        (pairs, max): (&[Pair], usize),
        mut keep: impl FnMut(Known) -> Option<T>,
    ) -> Result<Fitting<T>, Fault> {
        let query = self.door.query_of("Patient", pairs)?;
        let (mut kept, mut token, mut seen) = (Vec::new(), None, 0_usize);
        while seen < max {
            let count = PATIENTS_MAX.min(max - seen);
            let page = match self.open.search(&query, &PageOf { count, token }).await {
                Err(costly @ ChartError::TooCostly { .. }) => return Ok(Fitting::TooBroad(costly)),
                page => page?,
            };
            // A page that holds nobody counts as well, so that this ends.
            seen += page.matches.len().max(1);
            kept.extend(
                page.matches
                    .into_iter()
                    .filter_map(Known::of)
                    .filter_map(&mut keep),
            );
            token = page.next;
            if token.is_none() {
                return Ok(Fitting::All(kept));
            }
        }
        Ok(Fitting::Some(kept))
    }

    /// The Patients with these ids.
    async fn with_ids(&self, ids: &[String]) -> Result<Vec<Known>, Fault> {
        match ids {
            [] => Ok(Vec::new()),
            ids => self.patients(&[pair("_id", &ids.join(","))]).await,
        }
    }

    /// Seals whom the answer shows; it must not leave before that.
    async fn shown(self, patients: Vec<String>) -> Result<(), Fault> {
        self.answering.seal(&self.door.app, patients).await?;
        Ok(())
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
