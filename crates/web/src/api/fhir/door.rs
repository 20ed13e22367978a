//! What every interaction goes through: wait until the chart is fresh enough, ask the guard, have
//! the decision sealed, and only then look.

use std::sync::Arc;
use std::time::Duration;

use chart::ChartError;
use event::{Act, Role, Subject};
use guard::{Ask, Decision, Identity};
use record::{Permit, Sealed, Witnessed};
use tokio::sync::Semaphore;
use wire::fhir::search::QueryLimits;
use wire::fhir::{Code, Limits, Query};

use super::about::About;
use super::export::Jobs;
use super::fault::Fault;
use super::format::Layout;
use super::held::Held;
use super::query;
use super::recent::{Concern, Recent};
use super::route::Target;
use super::subscription::{Sockets, Tokens};
use super::who::Proof;
use crate::{App, taking};

/// Bodies larger than this, in bytes, are read on a thread of their own.
const INLINE_BYTES_MAX: usize = 64 * 1024;

/// For so long after it was sealed a version is told that the chart does not show yet.
const UNFOLDED_MS_MAX: i64 = 1_000;

/// What the door keeps between requests.
#[derive(Debug)]
pub(crate) struct Kept {
    recent: Recent,
    /// Large bodies that are read at the same time: one for each processor, since each takes
    /// memory many times its size.
    heavy: Semaphore,
    /// What is told to everybody about this door, once it was asked for.
    pub(crate) about: About,
    /// Exports under way and done.
    pub(crate) exports: Jobs,
    /// Held while an import is counted and sealed.
    pub(crate) importing: tokio::sync::Mutex<()>,
    /// Tokens that bind websockets.
    pub(crate) tokens: Tokens,
    /// Websockets that are open.
    pub(crate) sockets: Sockets,
}

impl Default for Kept {
    fn default() -> Kept {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Kept {
            recent: Recent::default(),
            heavy: Semaphore::new(processors),
            about: About::default(),
            exports: Jobs::default(),
            importing: tokio::sync::Mutex::default(),
            tokens: Tokens::default(),
            sockets: Sockets::default(),
        }
    }
}

/// The FHIR door, for one request.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) app: Arc<App>,
    pub(crate) kept: Arc<Kept>,
    /// What the answer is to look like.
    pub(crate) layout: Layout,
    /// Room for what the answer brings from the vault.
    pub(crate) held: Held,
    /// By what whoever asks proved who that is.
    pub(crate) proof: Proof,
}

/// A question to the guard, but for who asks.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) act: Act,
    pub(crate) subject: Subject,
    pub(crate) kinds: Vec<String>,
    pub(crate) detail: String,
}

impl Question {
    /// A question about one resource: of its patient, or else of its type.
    pub(crate) fn of(act: Act, target: &Target, patient: Option<String>) -> Question {
        Question {
            act,
            subject: subject(target.kind, patient),
            kinds: vec![target.kind.to_owned()],
            detail: format!("{}/{}", target.kind, target.id),
        }
    }
}

/// The patient, or all resources of the type.
pub(crate) fn subject(kind: &str, patient: Option<String>) -> Subject {
    patient.map_or_else(|| Subject::Kind(kind.to_owned()), Subject::Patient)
}

impl Door {
    /// Waits until the chart shows the writes through this door that bear on `concerns`.
    ///
    /// # Errors
    /// 503 if that takes longer than `chart_wait_ms`.
    pub(crate) async fn fresh(&self, concerns: &[Concern]) -> Result<(), Fault> {
        self.caught_up(self.kept.recent.size(concerns)).await
    }

    /// The event that wrote a resource last through this door, if the chart does not show that yet: what it wrote may be
    /// told from it, without waiting. `None`: to be waited for.
    ///
    /// INVARIANT: what the chart does not show yet decides nothing about whoever asks: no label, and no consent, be it the first.
    pub(crate) fn unfolded(&self, who: &Identity, target: &Target) -> Option<Sealed> {
        let app = &self.app;
        let folded = *app.chart.folded().borrow();
        let concern = Concern::Resource(target.kind, target.id.clone());
        let size = self.kept.recent.size(&[concern]);
        // Most of what is asked for the chart shows.
        if size <= folded {
            return None;
        }
        let consents = self.kept.recent.size(&[Concern::Kind("Consent")]);
        if consents > folded || !app.is_ruled_without_charts(who) {
            return None;
        }
        let index = size.checked_sub(1)?;
        let sealed = app.record.at_hand(index)?;
        // A chart that is further behind than ever on a busy day stands still, or is folded anew.
        let until = sealed.at().plus_millis(UNFOLDED_MS_MAX);
        (app.clock.now() <= until).then_some(sealed)
    }

    /// Waits until the chart has folded `size` events.
    ///
    /// # Errors
    /// 503 if that takes longer than `chart_wait_ms`.
    pub(crate) async fn caught_up(&self, size: u64) -> Result<(), Fault> {
        if *self.app.chart.folded().borrow() >= size {
            return Ok(());
        }
        let wait = Duration::from_millis(self.app.settings.chart_wait_ms);
        if self.app.chart.caught_up(size, wait).await {
            return Ok(());
        }
        Err(Fault::later(
            "the chart does not show yet what was written before; ask again in a second",
        ))
    }

    /// Notes writes that were sealed, the record holding `size` events with them.
    pub(crate) fn note(&self, concerns: impl Iterator<Item = Concern>, size: u64) {
        let folded = *self.app.chart.folded().borrow();
        self.kept.recent.note(concerns, size, folded);
    }

    /// What the guard says, not sealed yet.
    ///
    /// # Errors
    /// 500 if the facts cannot be read.
    pub(crate) async fn decide(
        &self,
        who: &Identity,
        question: Question,
    ) -> Result<Decision, Fault> {
        let ask = Ask {
            identity: who.clone(),
            act: question.act,
            subject: question.subject,
            kinds: question.kinds,
            purpose: purpose(who.role()).to_owned(),
            reason: None,
            detail: question.detail,
        };
        Ok(self.app.decide(ask).await?)
    }

    /// Leave to look, sealed; or the sealed refusal.
    ///
    /// With a `target` the refusal reads as if the target was not there, unless who asks is a
    /// program: what a program may do depends on its scopes alone, so that its refusal is the
    /// same whether there is something or not.
    ///
    /// # Errors
    /// 403, 404, and what keeps the record from sealing.
    pub(crate) async fn permit(
        &self,
        who: &Identity,
        question: Question,
        target: Option<&Target>,
    ) -> Result<Permit, Fault> {
        let decision = self.decide(who, question).await?;
        match self.app.record.witness(decision).await? {
            Witnessed::Allowed(permit) => {
                taking::opened(&self.app, permit.ask());
                Ok(permit)
            }
            Witnessed::Refused(_, decision) => Err(match (who.role(), target) {
                (_, None) if who.through.is_some() => Fault::beyond_scopes(),
                (Role::Client | Role::Operator, _) | (_, None) => {
                    Fault::forbidden(decision.words())
                }
                (_, Some(target)) => Fault::absent(target.kind, &target.id),
            }),
        }
    }

    /// The search that `text` (a query string) asks for.
    ///
    /// # Errors
    /// 400 for anything in it that is unknown, unsupported or not well formed.
    pub(crate) fn query(&self, kind: &str, text: &str) -> Result<Query, Fault> {
        let pairs = query::pairs(text, self.app.settings.search_parameters_max)?;
        self.query_of(kind, &pairs)
    }

    /// The search that the pairs ask for.
    ///
    /// # Errors
    /// 400 for anything in it that is unknown, unsupported or not well formed.
    pub(crate) fn query_of(&self, kind: &str, pairs: &[(String, String)]) -> Result<Query, Fault> {
        wire::fhir::query(kind, pairs, &self.query_limits())
            .map_err(|issue| Fault::of(axum::http::StatusCode::BAD_REQUEST, vec![issue]))
    }

    /// The searches, one for each type, that the pairs ask for.
    ///
    /// # Errors
    /// 400 for anything in it that is unknown, unsupported or not well formed.
    pub(crate) fn queries_of(&self, pairs: &[(String, String)]) -> Result<Vec<Query>, Fault> {
        wire::fhir::search::queries(pairs, &self.query_limits())
            .map_err(|issue| Fault::of(axum::http::StatusCode::BAD_REQUEST, vec![issue]))
    }

    fn query_limits(&self) -> QueryLimits {
        QueryLimits {
            params_max: self.app.settings.search_parameters_max,
            count_max: self.app.settings.page_size_max,
            base: self.app.settings.fhir_base.clone(),
            ..QueryLimits::default()
        }
    }

    /// How much JSON is read.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            depth_max: self.app.settings.json_depth_max,
            bytes_max: self.app.settings.body_bytes_max,
        }
    }

    /// Does `work` on `bytes` of JSON, away from the threads that serve if it is much.
    ///
    /// # Errors
    /// 500 if the work was cut off.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        if bytes <= INLINE_BYTES_MAX {
            return Ok(work());
        }
        let cut_off = "the work on a large body was cut off; send it again";
        let _turn = self.kept.heavy.acquire().await;
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|_| Fault::broken(cut_off))
    }
}

/// HL7 v3 PurposeOfUse: treatment for people at the bedside, operations for programs.
pub(crate) fn purpose(role: Role) -> &'static str {
    match role {
        Role::Nurse | Role::Physician => "TREAT",
        Role::Administrator
        | Role::Client
        | Role::Feed
        | Role::Operator
        | Role::PrivacyOfficer
        | Role::Salus => "HOPERAT",
    }
}

impl From<ChartError> for Fault {
    fn from(error: ChartError) -> Fault {
        match error {
            ChartError::TooCostly { .. } => Fault::bad(Code::TooCostly, error.to_string()),
            ChartError::BadPage(_) => Fault::bad(Code::Value, error.to_string()),
            ChartError::BadSort(_) => Fault::bad(Code::NotSupported, error.to_string()),
            // Between the question and the look the resource became somebody else's.
            ChartError::OutsidePermit { .. } => {
                tracing::warn!(%error, "a permit did not fit");
                Fault::later("what was asked for changed hands meanwhile; ask again")
            }
            ChartError::Broken { .. } => Fault::ours(&error),
        }
    }
}
