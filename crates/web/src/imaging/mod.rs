//! DICOM objects of charts, for the doors that speak DICOM: looked for and handed out by the word of
//! the guard, which is sealed, as is whom an answer shows.

mod drawn;
mod find;
mod narrow;
mod out;
mod pulling;
mod retrieve;
mod scu;
mod store;

pub use crate::api::fhir::Bearer;
pub use drawn::sweep_pictures;
pub(crate) use drawn::{NotDrawn, Pictures, not_drawn, pixels};
pub use out::{NotOut, OnItsWay, Retrieval, Room, Wanted};
pub(crate) use out::{Outgoing, held_while};
pub use pulling::Receives;
pub use scu::{Failed, Peer, Scu};
pub(crate) use store::Deposit;
pub use store::{Claimed, Coming, Giver, Objects, Stored};

use std::time::Duration;

use chart::ChartError;
use event::{Act, Subject};
use guard::{Ask, Identity};
use record::{Permit, Witnessed};
use wire::dicom::{Attributes, Query, tags};

use crate::App;
use crate::taking;

pub(crate) const STUDY: &str = "ImagingStudy";
pub(crate) const PATIENT: &str = "Patient";

/// What is asked of the images.
#[derive(Debug, Clone, Copy)]
pub struct ImageQuery<'a> {
    /// Who asks.
    pub who: &'a Identity,
    /// What is to match.
    pub query: &'a Query,
    /// The operation and what it asks, in one line, for the record.
    pub said: &'a str,
    /// The assigning authority of patient ids without an issuer.
    pub authority: &'a str,
    /// Matches or objects, at most.
    pub max: usize,
}

/// What matches.
#[derive(Debug, Clone, Default)]
pub struct FoundImages {
    /// Each match.
    pub matches: Vec<Attributes>,
    /// There are more than may be told.
    pub more: bool,
}

/// Why nothing is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoImages {
    /// It may not be asked: the guard's words.
    Refused(Vec<String>),
    /// It would take more than may be taken.
    TooMuch(String),
    /// It is our fault.
    Broken(String),
}

impl App {
    /// Leave to look at studies of somebody, sealed; or why not.
    ///
    /// An image names its patient, so whoever sees one must be allowed to see both types.
    async fn images_permit(
        &self,
        of: &ImageQuery<'_>,
        (act, subject): (Act, Subject),
    ) -> Result<Permit, NoImages> {
        let ask = Ask {
            identity: of.who.clone(),
            act,
            subject,
            kinds: vec![STUDY.to_owned(), PATIENT.to_owned()],
            purpose: crate::api::fhir::purpose(of.who.role()).to_owned(),
            reason: None,
            detail: of.said.to_owned(),
        };
        let decision = self.decide(ask).await.map_err(broken)?;
        match self.record.witness(decision).await.map_err(broken)? {
            Witnessed::Allowed(permit) => {
                taking::opened(self, permit.ask());
                Ok(permit)
            }
            Witnessed::Refused(_, decision) => Err(NoImages::Refused(decision.words().to_vec())),
        }
    }

    /// What came before the question is in the answer.
    async fn images_fresh(&self) -> Result<(), NoImages> {
        let wait = Duration::from_millis(self.settings.chart_wait_ms);
        match self.chart.caught_up(self.record.size(), wait).await {
            true => Ok(()),
            false => Err(NoImages::Broken(
                "the chart does not show yet what was sent before".into(),
            )),
        }
    }

    /// The ids of the studies that a query names.
    fn studies_named(&self, query: &Query) -> Vec<String> {
        let blind = self.record.blind();
        let id = |kind: &str, system: &str, value: &str| blind.id(kind, system, value);
        let uids = query.uids(tags::STUDY_INSTANCE_UID).iter();
        uids.map(|uid| wire::dicom::study_named(uid, &id)).collect()
    }

    /// The id of the patient whom a query names, if there is one.
    async fn patient_named(&self, of: &ImageQuery<'_>) -> Result<Option<String>, NoImages> {
        let Some(number) = of.query.single(tags::PATIENT_ID) else {
            return Ok(None);
        };
        let issuer = of
            .query
            .single(tags::ISSUER_OF_PATIENT_ID)
            .unwrap_or_default();
        let system = wire::v2::authority_system(issuer, of.authority);
        let id = self.record.blind().id(PATIENT, &system, number);
        if let Some(survivor) = self.chart.survivor(&id).await.map_err(broken_chart)? {
            return Ok(Some(survivor));
        }
        let located = self.chart.locate(PATIENT, &id).await;
        Ok(located.map_err(broken_chart)?.map(|_| id))
    }

    /// Whose a study is; `None`: it is not there, or nobody's.
    async fn patient_of_study(&self, study: &str) -> Result<Option<String>, NoImages> {
        let located = self.chart.locate(STUDY, study).await;
        Ok(located
            .map_err(broken_chart)?
            .and_then(|located| located.patient))
    }
}

/// Whether a permit hides an element of a study (or of its patient): what images say cannot be taken
/// out of them, so they are not handed out.
fn hides(permit: &Permit, kinds: &[&str]) -> Result<(), NoImages> {
    let of = |place: String| {
        let kind = place.split('.').next().unwrap_or_default().to_owned();
        kind == "*" || kinds.contains(&kind.as_str())
    };
    match permit.hides().iter().any(|one| one.label().is_none() && of(one.place())) {
        true => Err(NoImages::Refused(vec![
            "parts of studies or of patients are hidden from you, and they cannot be taken out of images"
                .into(),
        ])),
        false => Ok(()),
    }
}

fn broken(why: impl std::fmt::Display) -> NoImages {
    NoImages::Broken(why.to_string())
}

fn broken_chart(why: ChartError) -> NoImages {
    match why {
        ChartError::TooCostly { .. } => NoImages::TooMuch(why.to_string()),
        _ => NoImages::Broken(why.to_string()),
    }
}
