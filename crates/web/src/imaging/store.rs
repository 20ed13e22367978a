//! Storing: who takes objects in is handed in from outside, so that every door has the same one. Here
//! the guard is asked.

use async_trait::async_trait;
use event::{Act, Actor, Body, Event, Image, Subject};
use guard::{Ask, Decision, Identity, Seen, seen};
use record::Witnessed;
use wire::dicom::Status;

use super::{NoImages, STUDY, broken, broken_chart};
use crate::App;

/// Takes objects in.
pub trait Objects: Send + Sync {
    /// An object begins to come: a file (PS3.10).
    fn begin(&self) -> Box<dyn Coming>;
}

/// An object that is coming.
#[async_trait]
pub trait Coming: Send {
    /// Takes more of it.
    fn add(&mut self, bytes: &[u8]);

    /// All of it is there: looks it through.
    ///
    /// # Errors
    /// What is told of it; that is sealed already.
    async fn look(self: Box<Self>, giver: Giver) -> Result<Box<dyn Claimed>, Stored>;
}

/// An object that was looked through: a claim, until the guard lets it in.
#[async_trait]
pub trait Claimed: Send {
    /// What is claimed, without the object.
    fn event(&self) -> &Event;

    /// Keeps it and seals it, by that decision; what is told of it.
    async fn keep(self: Box<Self>, decision: &Decision) -> Stored;
}

/// Who gives an object.
#[derive(Debug, Clone)]
pub struct Giver {
    /// Who.
    pub actor: Actor,
    /// From which address.
    pub address: Option<String>,
    /// Study Instance UID that it must have; `None`: any.
    pub study: Option<String>,
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// SOP Class UID and SOP Instance UID; empty if they are not known.
    pub named: (String, String),
    /// Study and Series Instance UID of one that was looked through.
    pub within: (String, String),
    /// As a status of C-STORE.
    pub status: Status,
}

impl App {
    /// Looks an object through, asks the guard and keeps it; what is told of it.
    ///
    /// # Errors
    /// [`NoImages::Broken`]: nothing could be decided.
    pub(crate) async fn store_image(
        &self,
        who: &Identity,
        (coming, study): (Box<dyn Coming>, Option<String>),
    ) -> Result<Stored, NoImages> {
        let giver = Giver {
            actor: who.actor.clone(),
            address: who.from.clone(),
            study,
        };
        let claimed = match coming.look(giver).await {
            Ok(claimed) => claimed,
            Err(stored) => return Ok(stored),
        };
        let event = claimed.event();
        let Body::Image(image) = &event.body else {
            return Err(broken("what was looked through is no image"));
        };
        let (named, within) = uids(image);
        let subject = match &event.subject {
            Subject::Patient(patient) => Subject::Patient(patient.clone()),
            _ => Subject::Kind(STUDY.to_owned()),
        };
        let act = self.store_act(&image.study).await?;
        let detail = format!("STOW-RS SOPInstanceUID={}", image.instance);
        let stored = match self.may_store(who, (act, subject), detail).await? {
            Ok(decision) => claimed.keep(&decision).await,
            Err(_) => Stored {
                named,
                within: within.clone(),
                status: Status::NotAuthorized,
            },
        };
        Ok(Stored { within, ..stored })
    }

    /// The guard's word before anything is read: whether an app or a feed may store anything at all. Of
    /// people it depends on the patient.
    ///
    /// # Errors
    /// [`NoImages`]: it may not.
    pub(crate) async fn may_store_any(&self, who: &Identity) -> Result<(), NoImages> {
        let through = who.through.as_ref();
        let launched = through.and_then(|through| through.patient.clone());
        let subject = match launched {
            Some(patient) => Subject::Patient(patient),
            None if through.is_none() => Subject::Kind(STUDY.to_owned()),
            None => return Ok(()),
        };
        let asked = self.may_store(who, (Act::Create, subject), "STOW-RS".to_owned());
        match asked.await? {
            Ok(_) => Ok(()),
            Err(words) => Err(NoImages::Refused(words)),
        }
    }

    /// A study that is not there is made; one that is there gets more.
    async fn store_act(&self, study: &str) -> Result<Act, NoImages> {
        let blind = self.record.blind();
        let id = |kind: &str, system: &str, value: &str| blind.id(kind, system, value);
        let study = wire::dicom::study_named(study, &id);
        let located = self.chart.locate(STUDY, &study).await;
        Ok(match located.map_err(broken_chart)? {
            Some(_) => Act::Update,
            None => Act::Create,
        })
    }

    /// What the guard says; a refusal is sealed, and comes as its words.
    async fn may_store(
        &self,
        who: &Identity,
        (act, subject): (Act, Subject),
        detail: String,
    ) -> Result<Result<Decision, Vec<String>>, NoImages> {
        let ask = Ask {
            identity: who.clone(),
            act,
            subject,
            kinds: vec![STUDY.to_owned()],
            purpose: crate::api::fhir::purpose(who.role()).to_owned(),
            reason: None,
            detail,
        };
        let decision = self.decide(ask).await.map_err(broken)?;
        if !decision.allowed() {
            return match self.record.witness(decision).await.map_err(broken)? {
                Witnessed::Refused(_, decision) => Ok(Err(decision.words().to_vec())),
                Witnessed::Allowed(_) => Err(broken("a refusal was sealed as its opposite")),
            };
        }
        // Of an object nobody can tell whether it is within a scope that is narrowed.
        Ok(match is_whole(&decision) {
            true => Ok(decision),
            false => Err(vec![
                "images are not stored by a scope that is narrowed".to_owned(),
            ]),
        })
    }
}

/// Whether one of the scopes is for all that the patient has.
fn is_whole(decision: &Decision) -> bool {
    match seen(decision.ask(), STUDY) {
        Seen::All => true,
        Seen::Parts(parts) => parts.iter().any(|part| {
            part.narrowed.is_empty() && part.patient.as_deref() == decision.ask().subject.patient()
        }),
    }
}

fn uids(image: &Image) -> ((String, String), (String, String)) {
    (
        (image.class.clone(), image.instance.clone()),
        (image.study.clone(), image.series.clone()),
    )
}
