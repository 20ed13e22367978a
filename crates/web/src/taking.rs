//! How much is taken: the counts that go with every question to the guard, and whom an answer
//! about several patients showed, sealed before it leaves.

use event::{Act, Body, Event, Shown, Subject};
use guard::{Ask, Facts, Identity, Standing, admit};
use record::{Error, Permit};

use crate::App;

/// The facts with what the asker took already.
pub(crate) fn counted(
    app: &App,
    facts: Facts,
    (identity, act, subject): (&Identity, Act, &Subject),
) -> Facts {
    let now = app.clock.now();
    let taking = app.access.taking(&identity.actor, act, subject, now);
    Facts { taking, ..facts }
}

/// Counts what an allowed question shows.
pub(crate) fn opened(app: &App, ask: &Ask) {
    app.access.opened(ask, app.clock.now());
}

/// A permit for an answer that may show several patients, kept until it is known whom.
pub(crate) struct Answering {
    ask: Ask,
    shown: Shown,
}

impl Answering {
    /// To be made before the permit is used up.
    pub(crate) fn with(permit: &Permit) -> Answering {
        let ask = permit.ask().clone();
        let shown = Shown {
            decision: permit.index(),
            asked: ask.detail.clone(),
            purpose: ask.purpose.clone(),
            because: permit.because().to_vec(),
            patients: Vec::new(),
            identity_only: identity_only(&ask),
        };
        Answering { ask, shown }
    }

    /// Seals whom the answer shows; there is nothing to seal if it shows nobody, or if the
    /// decision named the one patient it is about. Returns the index of the event.
    ///
    /// # Errors
    /// What keeps the record from sealing: then the answer must not leave.
    pub(crate) async fn seal(
        mut self,
        app: &App,
        patients: Vec<String>,
    ) -> Result<Option<u64>, Error> {
        if patients.is_empty() || self.ask.subject.patient().is_some() {
            return Ok(None);
        }
        self.shown.patients = patients;
        let Identity { actor, from, .. } = self.ask.identity;
        // Before it is sealed, so that a burst of lists cannot run ahead either.
        app.access.showed(&actor.id, &self.shown, app.clock.now());
        let body = Body::Shown(self.shown);
        let event = Event::new(actor, self.ask.act, self.ask.subject, body).from_address(from);
        let admitted =
            admit(event.into(), Standing::Salus, "").map_err(|refused| Error::Broken {
                doing: "seal whom an answer shows",
                why: refused.words,
            })?;
        let receipts = app.record.admit(vec![admitted]).await?;
        Ok(receipts.first().map(|receipt| receipt.index))
    }
}

/// A ward's list and the finding of patients show who they are, and nothing else.
fn identity_only(ask: &Ask) -> bool {
    match &ask.subject {
        Subject::Ward(_) => ask.act != Act::Carry,
        Subject::Kind(kind) => kind == "Patient" && ask.kinds == ["Patient"],
        _ => false,
    }
}
