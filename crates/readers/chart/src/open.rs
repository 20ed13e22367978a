use std::collections::HashMap;
use std::sync::Arc;

use event::{Act, Altered, Subject};
use guard::{Ask, Element};
use record::Permit;

use crate::carry::{self, Carried};
use crate::chart::Chart;
use crate::contents;
use crate::error::Outcome;
use crate::instances::{self, Instance, InstancesOf, Series};
use crate::page::{EverythingOf, Excerpt, HistoryOf, ListOf, Page, PageOf, Placed, Stored};
use crate::read::Found;
use crate::ready::Asker;
use crate::scope::Scope;
use crate::view::{CensusRow, FindPatient, PatientView};
use crate::{census, excerpt, history, listed, read, search, summary, whole};

/// The chart, open for what one sealed decision allowed: one patient, one type or one ward.
pub struct Open {
    chart: Chart,
    scope: Scope,
    index: u64,
    /// The labels that are left out, the elements that are taken out.
    less: (Vec<String>, Vec<Element>),
    /// Of a reading of one patient: as whom it was asked for.
    ask: Option<Ask>,
    /// The words that there were, and how often everything was forgotten, when this was opened.
    words: i64,
    epoch: u64,
}

impl Open {
    pub(crate) fn new(chart: Chart, permit: Permit) -> Open {
        let known = chart.folder.answers.known();
        let scope = Scope::of(permit.ask(), &known.aliases);
        Open {
            scope: scope
                .without(permit.masks(), &known.words)
                .hiding(permit.hides(), &known.words),
            index: permit.index(),
            less: (permit.masks().to_vec(), permit.hides().to_vec()),
            ask: asks_of_one(permit.ask()),
            words: known.words.count(),
            epoch: chart.folder.answers.kept.epoch(),
            chart,
        }
    }

    /// Open to what `permit` allows to be written, so that what stood there can be written back.
    pub(crate) fn to_write_back(chart: Chart, permit: Permit, act: Act) -> Open {
        let mut ask = permit.ask().clone();
        if ask.act == act {
            ask.act = Act::Read;
        }
        let known = chart.folder.answers.known();
        let scope = Scope::of(&ask, &known.aliases);
        Open {
            scope,
            index: permit.index(),
            less: (permit.masks().to_vec(), permit.hides().to_vec()),
            ask: None,
            words: known.words.count(),
            epoch: chart.folder.answers.kept.epoch(),
            chart,
        }
    }

    /// The index of the sealed decision.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The current version of a resource, without what of it lies in the vault; `None`: there never was one.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::Broken`].
    pub async fn read(&self, kind: &str, id: &str) -> Outcome<Option<Stored>> {
        let found = read::one(&self.chart, &self.scope, (kind, id, None)).await?;
        Ok(self.without(found))
    }

    /// What [`Chart::find`] found: the same as [`Open::read`] of that type and id, without looking a
    /// second time. What type it is says what was found, not whoever shows it.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::Broken`].
    pub async fn shown(&self, found: Found) -> Outcome<Option<Stored>> {
        Ok(self.without(self.shown_bare(found).await?))
    }

    /// As [`Open::shown`], but marks stand in the place of what lies in the vault.
    ///
    /// INVARIANT: what is bare is shown to nobody before [`Open::whole`], [`Open::filled`] or [`Open::data`].
    ///
    /// # Errors
    /// As [`Open::shown`].
    pub async fn shown_bare(&self, found: Found) -> Outcome<Option<Stored>> {
        read::shown(&self.chart, &self.scope, found).await
    }

    /// The value of `data` of a bare resource, as bytes; `None`: it does not lie in the vault.
    ///
    /// # Errors
    /// [`crate::ChartError::Broken`] if it is missing or altered.
    pub async fn data(&self, bare: &Stored) -> Outcome<Option<Vec<u8>>> {
        contents::data(&self.chart.contents, bare).await
    }

    /// How many bytes of JSON a bare resource brings from the vault.
    pub fn brings(&self, bare: &Stored) -> usize {
        self.chart.contents.promised(&bare.json, u64::MAX)
    }

    /// The same of a page, without those that are left out of pages.
    pub fn page_brings(&self, bare: &Page) -> usize {
        contents::brought(&self.chart.contents, (bare, self.page_max()))
    }

    fn page_max(&self) -> contents::PageMax {
        let config = &self.chart.config;
        (config.content_inline_bytes_max, config.contents_bytes_max)
    }

    /// A bare resource with its contents.
    ///
    /// # Errors
    /// [`crate::ChartError::Broken`] if one of them is missing or altered.
    pub async fn whole(&self, bare: Stored) -> Outcome<Stored> {
        contents::whole(&self.chart.contents, bare).await
    }

    /// One of several bare resources with its contents; what is missing or altered is said in its place.
    ///
    /// # Errors
    /// [`crate::ChartError::Broken`].
    pub async fn whole_if_there(&self, bare: Stored) -> Outcome<Stored> {
        contents::whole_if_there(&self.chart.contents, (bare, u64::MAX)).await
    }

    /// A bare page with contents; what is missing, altered or larger than a page may have within is said in
    /// its place.
    ///
    /// # Errors
    /// [`crate::ChartError::Broken`].
    pub async fn filled(&self, bare: Page) -> Outcome<Page> {
        let max = self.page_max();
        contents::page(&self.chart.contents, (bare, max)).await
    }

    /// A bare resource without its contents, which are said to be left out.
    #[must_use]
    pub fn stripped(&self, bare: Stored) -> Stored {
        contents::without(&self.chart.contents, bare)
    }

    fn without(&self, found: Option<Stored>) -> Option<Stored> {
        found.map(|bare| self.stripped(bare))
    }

    fn page_without(&self, bare: Page) -> Page {
        contents::page_without(&self.chart.contents, bare)
    }

    /// One version of a resource, without what of it lies in the vault.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::Broken`].
    pub async fn version(&self, kind: &str, id: &str, version: u64) -> Outcome<Option<Stored>> {
        Ok(self.without(self.version_bare(kind, id, version).await?))
    }

    /// As [`Open::version`], bare as in [`Open::shown_bare`].
    ///
    /// # Errors
    /// As [`Open::version`].
    pub async fn version_bare(
        &self,
        kind: &str,
        id: &str,
        version: u64,
    ) -> Outcome<Option<Stored>> {
        read::one(&self.chart, &self.scope, (kind, id, Some(version))).await
    }

    /// Whether what is told elsewhere of what an event wrote has to leave its values out, since this
    /// permit masks what carries such labels. `None`: it is about no event.
    ///
    /// # Errors
    /// [`crate::ChartError::Broken`].
    pub async fn withholds(&self, event: Option<u64>) -> Outcome<bool> {
        read::withheld(&self.chart, &self.scope, event).await
    }

    /// Whether what was found in another system has to leave its values out even if what was sealed does
    /// not: this permit masks labels, and what was found there may carry others.
    pub fn withholds_found(&self, altered: &Altered) -> bool {
        read::found_withheld(&self.scope, altered)
    }

    /// What was, the newest first, bare as in [`Open::shown_bare`].
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::BadPage`],
    /// [`crate::ChartError::Broken`].
    pub async fn history_bare(&self, what: &HistoryOf, page: &PageOf) -> Outcome<Page> {
        history::page(&self.chart, &self.scope, what, page).await
    }

    /// What was, the newest first, without what of it lies in the vault.
    ///
    /// # Errors
    /// As [`Open::history_bare`].
    pub async fn history(&self, what: &HistoryOf, page: &PageOf) -> Outcome<Page> {
        Ok(self.page_without(self.history_bare(what, page).await?))
    }

    /// What there is, bare as in [`Open::shown_bare`].
    ///
    /// # Errors
    /// Each of [`crate::ChartError`].
    pub async fn search_bare(&self, query: &wire::fhir::Query, page: &PageOf) -> Outcome<Page> {
        search::page(&self.chart, &self.scope, query, page).await
    }

    /// What there is, without what of it lies in the vault.
    ///
    /// # Errors
    /// As [`Open::search_bare`].
    pub async fn search(&self, query: &wire::fhir::Query, page: &PageOf) -> Outcome<Page> {
        Ok(self.page_without(self.search_bare(query, page).await?))
    }

    /// Everything about the permit's patient, in the order in which it was written, with what it
    /// refers to that belongs to nobody; bare as in [`Open::shown_bare`].
    ///
    /// # Errors
    /// Each of [`crate::ChartError`].
    pub async fn everything_bare(&self, what: &EverythingOf, page: &PageOf) -> Outcome<Page> {
        whole::everything(&self.chart, &self.scope, (what, page)).await
    }

    /// The same, without what of it lies in the vault.
    ///
    /// # Errors
    /// As [`Open::everything_bare`].
    pub async fn everything(&self, what: &EverythingOf, page: &PageOf) -> Outcome<Page> {
        Ok(self.page_without(self.everything_bare(what, page).await?))
    }

    /// All resources of the permit's type, in the order in which they were written; bare as in
    /// [`Open::shown_bare`], as there may be many.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::BadPage`],
    /// [`crate::ChartError::Broken`].
    pub async fn listed(&self, what: &ListOf, page: &PageOf) -> Outcome<Page> {
        listed::page(&self.chart, &self.scope, (what, page)).await
    }

    /// As [`Open::listed`], but only where the page lies and how much is on it: no content is read unless
    /// filters or narrowed scopes ask for it.
    ///
    /// # Errors
    /// As [`Open::listed`].
    pub async fn placed(&self, what: &ListOf, page: &PageOf) -> Outcome<Placed> {
        listed::place(&self.chart, &self.scope, (what, page)).await
    }

    /// Of the permit's patient what is wanted of these types, and how many of the newest of each
    /// are looked at; the types that matter most come first, as there is one limit for all.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::Broken`].
    pub async fn excerpt(
        &self,
        kinds: &[(&str, usize)],
        wants: impl FnMut(&serde_json::Value) -> bool + Send,
    ) -> Outcome<Excerpt> {
        excerpt::of(&self.chart, &self.scope, (kinds, wants)).await
    }

    /// What was made of an excerpt for the same scope before, if nothing that it is made of changed. `what`
    /// says what it is.
    pub fn kept(&self, what: &str) -> Option<Arc<[u8]>> {
        let key = self.key(what)?;
        let found = self.chart.folder.answers.kept.get(&key);
        if found.is_some() {
            self.asked(what, &key);
        }
        found
    }

    /// Keeps what was made of an excerpt, to be shown again to the same scope.
    pub fn keep(&self, what: &str, excerpt: &Excerpt, made: &[u8]) {
        // Labels that were new when this was opened were left out, whatever they say.
        let same = self.words == self.chart.folder.answers.known().words.count();
        if let Some(key) = self.key(what).filter(|_| same) {
            let made = (Arc::from(made), self.epoch);
            self.chart
                .folder
                .answers
                .kept
                .put(key.clone(), made, excerpt);
            self.asked(what, &key);
        }
    }

    /// Notes that this was asked for, so that it is made again when something of it changes.
    fn asked(&self, what: &str, seen: &str) {
        let patient = self.scope.family().and_then(<[String]>::first);
        let (Some(patient), Some(ask)) = (patient, &self.ask) else {
            return;
        };
        if self.chart.folder.answers.ready.again(patient, seen) {
            return;
        }
        let asker = Asker {
            what: what.to_owned(),
            seen: seen.to_owned(),
            ask: ask.clone(),
            less: self.less.clone(),
        };
        self.chart.folder.answers.ready.asked(patient, asker);
    }

    fn key(&self, what: &str) -> Option<String> {
        self.scope.key(what, &self.less)
    }

    /// Ids of what a conditional write or reference means: none, one, or two if there are more. What
    /// is left out or hidden counts: it is there, and no content leaves.
    ///
    /// # Errors
    /// Each of [`crate::ChartError`].
    pub async fn matching(&self, query: &wire::fhir::Query) -> Outcome<Vec<String>> {
        search::ids(&self.chart, &self.scope.unmasked(), query, 2).await
    }

    /// The chart page; `None`: nothing is known of this patient.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::Broken`].
    pub async fn summary(&self) -> Outcome<Option<PatientView>> {
        summary::of(&self.chart, &self.scope).await
    }

    /// Who lies on the permit's ward, or is expected there; by room and bed.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::Broken`].
    pub async fn census(&self) -> Outcome<Vec<CensusRow>> {
        census::of_ward(&self.chart, &self.scope).await
    }

    /// The series of these studies (ids of `ImagingStudy`), as far as the permit shows them.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::Broken`].
    pub async fn series(&self, studies: &[String]) -> Outcome<Vec<Series>> {
        instances::series(&self.chart, &self.scope, studies).await
    }

    /// Whose these studies are: their `Patient`s by id, as far as the permit shows both.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::Broken`].
    pub async fn owners(&self, studies: &[String]) -> Outcome<HashMap<String, serde_json::Value>> {
        instances::owners(&self.chart, &self.scope, studies).await
    }

    /// Those of these studies whose objects may leave, with their `Patient`s: the permit shows both, and
    /// hides nothing of either.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::Broken`].
    pub async fn whole_studies(
        &self,
        studies: &[String],
    ) -> Outcome<HashMap<String, serde_json::Value>> {
        instances::whole(&self.chart, &self.scope, studies).await
    }

    /// DICOM objects of one study (the id of its `ImagingStudy`), if the permit shows it.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::Broken`].
    pub async fn instances(&self, study: &str, of: &InstancesOf) -> Outcome<Vec<Instance>> {
        instances::instances(&self.chart, &self.scope, (study, of)).await
    }

    /// As [`Open::matching`], but what is left out or hidden is not there: for conditions whose
    /// answer would tell of it.
    ///
    /// # Errors
    /// Each of [`crate::ChartError`].
    pub async fn matching_shown(&self, query: &wire::fhir::Query) -> Outcome<Vec<String>> {
        search::ids(&self.chart, &self.scope, query, 2).await
    }

    /// Everybody on the permit's ward with their charts, by room and bed: what its pack holds.
    /// `withheld`: patients of whom it says only that they are there.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`] unless the permit is for a pack,
    /// [`crate::ChartError::Broken`].
    pub async fn carried(&self, withheld: &[String]) -> Outcome<Vec<Carried>> {
        carry::all(&self.chart, &self.scope, withheld).await
    }

    /// Patients by name, number, birth date or ward; needs a permit for the type `Patient` or,
    /// for its patients only, for a ward.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::TooCostly`],
    /// [`crate::ChartError::Broken`].
    pub async fn find(&self, find: &FindPatient) -> Outcome<Vec<CensusRow>> {
        census::find(&self.chart, &self.scope, find).await
    }
}

/// The question, if it is to read one patient.
fn asks_of_one(ask: &Ask) -> Option<Ask> {
    let of_one = ask.act == Act::Read && matches!(ask.subject, Subject::Patient(_));
    of_one.then(|| ask.clone())
}
