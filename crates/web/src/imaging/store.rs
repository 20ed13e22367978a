//! Storing: who takes objects in is handed in from outside, so that every door has the same one. Here
//! the guard is asked.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use event::{Act, Actor, Body, Event, Image, Role, Subject};
use guard::{Ask, Decision, Identity, Scope, Seen, seen};
use record::Witnessed;
use wire::dicom::Status;

use super::{NoImages, PATIENT, STUDY, broken, broken_chart};
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

    /// It says nothing of its patient that is not known: who gives it may write no patients.
    fn leave_patient(&mut self);

    /// Nobody lets it in, for a reason in words: it is kept like all that is refused.
    async fn turn_away(self: Box<Self>, why: &str) -> Stored;

    /// Keeps it and seals it, by that decision, which is of these patients (one person) or of nobody; what is
    /// told of it.
    async fn keep(self: Box<Self>, decision: &Decision, patients: &[String]) -> Stored;
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
    /// The guard let them store something. Else what is refused is sealed without its bytes.
    pub vouched: bool,
}

/// What one request stores, as far as it is.
#[derive(Debug, Default)]
pub(crate) struct Deposit {
    study: Option<String>,
    vouched: AtomicBool,
    over: AtomicBool,
    /// The studies that it began.
    began: Mutex<HashSet<String>>,
    /// The patients who were there, or whom it made.
    patients: Mutex<HashSet<String>>,
}

/// What an object may do to the patient whom it names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    /// Make one, or fill what is not known.
    Written,
    /// Nothing: they are there.
    Stays,
    /// They are not there, and may not be made: the guard's words.
    Refused(Vec<String>),
}

impl Deposit {
    /// Whether nothing more of it is taken: what came could not be read, and the guard let its sender store
    /// nothing yet.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn is_vouched(&self) -> bool {
        self.vouched.load(Ordering::Relaxed)
    }

    fn vouch(&self) {
        self.vouched.store(true, Ordering::Relaxed);
    }

    fn began(&self, study: &str) -> bool {
        let began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        began.contains(study)
    }

    fn knows(&self, patient: &str) -> bool {
        let patients = self.patients.lock().unwrap_or_else(PoisonError::into_inner);
        patients.contains(patient)
    }

    fn know(&self, patient: &str) {
        let mut patients = self.patients.lock().unwrap_or_else(PoisonError::into_inner);
        patients.insert(patient.to_owned());
    }

    fn begin(&self, study: &str) {
        let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        began.insert(study.to_owned());
    }
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
        (coming, deposit): (Box<dyn Coming>, &Deposit),
    ) -> Result<Stored, NoImages> {
        let vouched = deposit.is_vouched();
        let giver = Giver {
            actor: who.actor.clone(),
            address: who.from.clone(),
            study: deposit.study.clone(),
            vouched,
        };
        let mut claimed = match coming.look(giver).await {
            Ok(claimed) => claimed,
            Err(stored) => {
                deposit.over.store(!vouched, Ordering::Relaxed);
                return Ok(stored);
            }
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
        let act = self.store_act(&image.study, deposit).await?;
        let patients = subject.patient().map(|one| self.chart.family(one));
        let detail = format!("STOW-RS SOPInstanceUID={}", image.instance);
        let asked = self.may_store(who, (act, subject.clone()), (STUDY, detail.clone()));
        let stored = match asked.await? {
            Ok(decision) => {
                deposit.vouch();
                match self.may_name(who, (&subject, deposit), detail).await? {
                    Named::Refused(why) => claimed.turn_away(&no_patient(&why)).await,
                    named => {
                        if named == Named::Stays {
                            claimed.leave_patient();
                        }
                        claimed.keep(&decision, &patients.unwrap_or_default()).await
                    }
                }
            }
            Err(_) => Stored {
                named,
                within: within.clone(),
                status: Status::NotAuthorized,
            },
        };
        if let (Status::Success, Some(patient)) = (stored.status, subject.patient()) {
            deposit.know(patient);
        }
        if act == Act::Create && stored.status == Status::Success {
            deposit.begin(&within.0);
        }
        Ok(Stored { within, ..stored })
    }

    /// What an object may do to the patient whom it names: to make one takes leave to create a Patient, which is
    /// sealed if it is refused; to fill one, leave to update it.
    async fn may_name(
        &self,
        who: &Identity,
        (subject, deposit): (&Subject, &Deposit),
        detail: String,
    ) -> Result<Named, NoImages> {
        let Some(patient) = subject.patient() else {
            return Ok(Named::Stays);
        };
        if !deposit.knows(patient) && !self.is_there(patient).await? {
            let asked = self.may_store(who, (Act::Create, subject.clone()), (PATIENT, detail));
            return Ok(match asked.await? {
                Ok(_) => Named::Written,
                Err(why) => Named::Refused(why),
            });
        }
        let ask = asking(who, (Act::Update, subject.clone()), (PATIENT, detail));
        let decision = self.decide(ask).await.map_err(broken)?;
        Ok(match decision.allowed() && is_whole(&decision, PATIENT) {
            true => Named::Written,
            false => Named::Stays,
        })
    }

    /// Whether the chart knows a patient, by this id or by another after a merge.
    async fn is_there(&self, patient: &str) -> Result<bool, NoImages> {
        self.images_fresh().await?;
        let survivor = self.chart.survivor(patient).await.map_err(broken_chart)?;
        if survivor.is_some() {
            return Ok(true);
        }
        let located = self.chart.locate(PATIENT, patient).await;
        Ok(located.map_err(broken_chart)?.is_some())
    }

    /// The guard's word before anything is read: whether an app or a feed may store anything at all. Of
    /// people it depends on the patient.
    ///
    /// # Errors
    /// [`NoImages`]: it may not.
    pub(crate) async fn may_store_any(
        &self,
        who: &Identity,
        study: Option<String>,
    ) -> Result<Deposit, NoImages> {
        let deposit = Deposit {
            study,
            ..Deposit::default()
        };
        let through = who.through.as_ref();
        let launched = through.and_then(|through| through.patient.clone());
        let of_people = through.is_some() && launched.is_none();
        let subject = launched.map_or_else(|| Subject::Kind(STUDY.to_owned()), Subject::Patient);
        let acts = in_scope(who);
        if of_people && !acts.is_empty() {
            return Ok(deposit);
        }
        let mut words = Vec::new();
        // What no scope names is refused by the guard, and that is sealed.
        for act in if acts.is_empty() {
            vec![Act::Create]
        } else {
            acts
        } {
            let what = (STUDY, "STOW-RS".to_owned());
            let asked = self.may_store(who, (act, subject.clone()), what);
            match asked.await? {
                Ok(_) => {
                    deposit.vouch();
                    return Ok(deposit);
                }
                Err(why) => words = why,
            }
        }
        Err(NoImages::Refused(words))
    }

    /// A study that is not there is made; one that is there gets more, unless this request began it.
    async fn store_act(&self, study: &str, deposit: &Deposit) -> Result<Act, NoImages> {
        if deposit.began(study) {
            return Ok(Act::Create);
        }
        self.images_fresh().await?;
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
        (kind, detail): (&str, String),
    ) -> Result<Result<Decision, Vec<String>>, NoImages> {
        let ask = asking(who, (act, subject), (kind, detail));
        let decision = self.decide(ask).await.map_err(broken)?;
        if !decision.allowed() {
            return match self.record.witness(decision).await.map_err(broken)? {
                Witnessed::Refused(_, decision) => Ok(Err(decision.words().to_vec())),
                Witnessed::Allowed(_) => Err(broken("a refusal was sealed as its opposite")),
            };
        }
        // Of an object nobody can tell whether it is within a scope that is narrowed.
        Ok(match is_whole(&decision, kind) {
            true => Ok(decision),
            false => Err(vec![
                "images are not stored by a scope that is narrowed".to_owned(),
            ]),
        })
    }
}

/// The acts of storing that a scope names: making a study, adding to one. Whom no scopes bind may ask for
/// either.
fn in_scope(who: &Identity) -> Vec<Act> {
    let bound = who.role() == Role::Client || who.through.is_some();
    let scopes = who.scopes.iter().filter_map(|text| Scope::parse(text).ok());
    let scopes: Vec<Scope> = scopes
        .filter(|one| [STUDY, "*"].contains(&one.kind()))
        .collect();
    let named = |letter| !bound || scopes.iter().any(|one| one.letters().contains(letter));
    let acts = [(Act::Create, 'c'), (Act::Update, 'u')];
    let named = acts.into_iter().filter(|(_, letter)| named(*letter));
    named.map(|(act, _)| act).collect()
}

fn asking(who: &Identity, (act, subject): (Act, Subject), (kind, detail): (&str, String)) -> Ask {
    Ask {
        identity: who.clone(),
        act,
        subject,
        kinds: vec![kind.to_owned()],
        purpose: crate::api::fhir::purpose(who.role()).to_owned(),
        reason: None,
        detail,
    }
}

/// Why an object is refused whose patient is not there.
fn no_patient(why: &[String]) -> String {
    format!(
        "its patient is not known, and who stores it may make none: {}",
        why.join(" ")
    )
}

/// Whether one of the scopes is for all that the patient has.
fn is_whole(decision: &Decision, kind: &str) -> bool {
    match seen(decision.ask(), kind) {
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

#[cfg(test)]
mod tests {
    use event::ActorKind;
    use guard::Through;

    use super::*;

    #[test]
    fn who_may_neither_make_studies_nor_add_to_them_has_nothing_to_store() {
        let named = |scopes: &[&str], through: Option<Through>, role| {
            let mut who = Identity::of(Actor {
                kind: ActorKind::Software,
                id: "app".into(),
                name: "app".into(),
                role,
            });
            who.scopes = scopes.iter().map(|one| (*one).to_owned()).collect();
            who.through = through;
            in_scope(&who)
        };
        let app = || {
            Some(Through {
                app: "app".into(),
                patient: None,
            })
        };
        let (nurse, client) = (Role::Nurse, Role::Client);
        assert!(
            named(
                &["user/Observation.cruds", "user/ImagingStudy.rs"],
                app(),
                nurse
            )
            .is_empty()
        );
        assert!(named(&[], None, client).is_empty());
        assert_eq!(named(&["user/*.c"], app(), nurse), [Act::Create]);
        assert_eq!(
            named(&["system/ImagingStudy.u"], None, client),
            [Act::Update]
        );
        assert_eq!(named(&[], None, nurse), [Act::Create, Act::Update]);
    }
}
