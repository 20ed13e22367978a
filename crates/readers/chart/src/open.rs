use record::Permit;

use crate::error::Outcome;
use crate::{
    CensusRow, Chart, ChartError, FindPatient, HistoryOf, Page, PageOf, PatientView, Stored,
};

/// The chart, open for what one sealed decision allowed: one patient, one type or one ward.
pub struct Open {
    chart: Chart,
    permit: Permit,
}

#[expect(clippy::unused_async, clippy::todo, reason = "signatures first")]
impl Open {
    pub(crate) fn new(chart: Chart, permit: Permit) -> Open {
        Open { chart, permit }
    }
    /// The index of the sealed decision.
    pub fn index(&self) -> u64 {
        let _ = &self.chart;
        self.permit.index()
    }
    /// The current version of a resource; `None`: there never was one.
    ///
    /// # Errors
    /// [`ChartError::OutsidePermit`], [`ChartError::Broken`].
    pub async fn read(&self, _kind: &str, _id: &str) -> Outcome<Option<Stored>> {
        todo!()
    }
    /// One version of a resource.
    ///
    /// # Errors
    /// [`ChartError::OutsidePermit`], [`ChartError::Broken`].
    pub async fn version(&self, _kind: &str, _id: &str, _version: u64) -> Outcome<Option<Stored>> {
        todo!()
    }
    /// What was, the newest first.
    ///
    /// # Errors
    /// [`ChartError::OutsidePermit`], [`ChartError::BadPage`], [`ChartError::Broken`].
    pub async fn history(&self, _what: &HistoryOf, _page: &PageOf) -> Outcome<Page> {
        todo!()
    }
    /// What there is.
    ///
    /// # Errors
    /// Each of [`ChartError`].
    pub async fn search(&self, _query: &wire::fhir::Query, _page: &PageOf) -> Outcome<Page> {
        todo!()
    }
    /// The chart page; `None`: nothing is known of this patient.
    ///
    /// # Errors
    /// [`ChartError::OutsidePermit`], [`ChartError::Broken`].
    pub async fn summary(&self) -> Outcome<Option<PatientView>> {
        todo!()
    }
    /// Who lies on the permit's ward, or is expected there; by room and bed.
    ///
    /// # Errors
    /// [`ChartError::OutsidePermit`], [`ChartError::Broken`].
    pub async fn census(&self) -> Outcome<Vec<CensusRow>> {
        todo!()
    }
    /// Patients by name, number, birth date or ward; needs a permit for the type `Patient` or,
    /// for its patients only, for a ward.
    ///
    /// # Errors
    /// [`ChartError::OutsidePermit`], [`ChartError::TooCostly`], [`ChartError::Broken`].
    pub async fn find(&self, _find: &FindPatient) -> Outcome<Vec<CensusRow>> {
        todo!()
    }
}
const _: Option<ChartError> = None;
