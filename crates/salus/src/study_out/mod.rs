//! A study of the record leaves without whose it is: by the word of two people and of the guard, as an export does,
//! and taken apart before anything leaves this process.

mod operator;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chart::{Instance, InstancesOf};
use event::{Act, Subject};
use guard::Ask;
use guard::mask::Secret;
use record::Witnessed;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::assemble::House;
use crate::cleaning::{Counts, Rules};
use crate::export::unhex;
use crate::operations::operator;
pub(crate) use operator::mounted;

/// How long it waits for the views to know everything.
const SETTLE: Duration = Duration::from_secs(60);
/// Objects whose places are read at once.
const PAGE: usize = 500;
/// Objects that wait to be written.
const WAITING_MAX: usize = 1;
const STUDY: &str = "ImagingStudy";
const PATIENT: &str = "Patient";

/// What is to leave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// The index of the request that another person agreed to.
    pub(crate) agreed: u64,
    /// Study Instance UID.
    pub(crate) study: String,
    /// Why, in the operator's words.
    pub(crate) reason: String,
    /// On which pseudonyms, UIDs and days depend, as hexadecimal digits.
    pub(crate) secret: String,
    pub(crate) rules: Rules,
}

/// What became of one object, or how many there were.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The event that brought it.
    pub(crate) event: u64,
    /// What it is called now; empty: it does not leave.
    pub(crate) name: String,
    /// To how many elements something was done.
    pub(crate) done: Option<Counts>,
    /// What a person should know of it.
    pub(crate) warnings: Vec<String>,
    /// Why it does not leave; with no event, why no more do.
    pub(crate) refused: Option<String>,
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// There are no more: so many were told of.
    pub(crate) end: Option<u64>,
}

/// An object and its file.
pub(crate) type Left = (Told, Vec<u8>);

impl House {
    /// The objects of a study, one after the other.
    pub(crate) async fn study_out(
        self: &Arc<Self>,
        wanted: Wanted,
    ) -> Result<mpsc::Receiver<Left>> {
        let secret = unhex(&wanted.secret).and_then(|bytes| Secret::new(&bytes));
        let leaving = Leaving {
            secret: Arc::new(secret.context("the secret must have 16 bytes or more")?),
            house: Arc::clone(self),
            wanted: Arc::new(wanted),
        };
        let objects = leaving.objects().await?;
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        tokio::spawn(async move {
            let told = objects.len() as u64;
            let last = match leaving.all(objects, &sender).await {
                Ok(()) => Told {
                    end: Some(told),
                    ..Told::default()
                },
                Err(why) => Told {
                    refused: Some(format!("{why:#}")),
                    ..Told::default()
                },
            };
            let _ = sender.send((last, Vec::new())).await;
        });
        Ok(receiver)
    }
}

struct Leaving {
    house: Arc<House>,
    wanted: Arc<Wanted>,
    secret: Arc<Secret>,
}

impl Leaving {
    /// By the word of two people and of the guard, which is sealed.
    async fn objects(&self) -> Result<Vec<Instance>> {
        let (app, uid) = (&self.house.app, &self.wanted.study);
        let size = app.record.size();
        if !app.access.caught_up(size, SETTLE).await || !app.chart.caught_up(size, SETTLE).await {
            bail!("the views are behind the record; try again in a minute");
        }
        let now = self.house.clock.now();
        let leave = app.access.leave(self.wanted.agreed, now).await??;
        if !leave.lets_study(uid) {
            bail!(
                "request {} is not about this study: another person must agree to one for the images of the study \
                 `{uid}`",
                leave.export.index
            );
        }
        let blind = app.record.blind();
        let id = |kind: &str, system: &str, value: &str| blind.id(kind, system, value);
        let study = wire::dicom::study_named(uid, &id);
        let located = app.chart.locate(STUDY, &study).await?;
        let patient = located.and_then(|located| located.patient);
        let Some(patient) = patient else {
            bail!("there is no study `{uid}` on any chart");
        };
        let ask = Ask {
            identity: operator(),
            act: Act::Export,
            subject: Subject::Patient(patient),
            kinds: vec![STUDY.to_owned(), PATIENT.to_owned()],
            purpose: "HRESCH".to_owned(),
            reason: Some(self.wanted.reason.clone()),
            detail: format!(
                "de-identified images of the study {uid}, as agreed to in request {}",
                leave.export.index
            ),
        };
        let decision = app.decide(ask).await?;
        let open = match app.record.witness(decision).await? {
            Witnessed::Allowed(permit) => app.chart.open_with(permit),
            Witnessed::Refused(index, decision) => bail!(
                "this is refused: {} (decision {index} in the record)",
                decision.words().join("; ")
            ),
        };
        if open
            .whole_studies(std::slice::from_ref(&study))
            .await?
            .is_empty()
        {
            bail!(
                "parts of this study or of its patient are hidden, and they cannot be taken out of images"
            );
        }
        let (mut all, most) = (Vec::new(), self.house.config.dicom.retrieve_objects_max);
        loop {
            let of = InstancesOf {
                after: all.last().map_or(0, |one: &Instance| one.index),
                count: PAGE,
                ..InstancesOf::default()
            };
            let some = open.instances(&study, &of).await?;
            let is_last = some.len() < PAGE;
            all.extend(some);
            if all.len() > most {
                bail!("it has more than {most} objects (`retrieve_objects_max`)");
            }
            if is_last {
                return Ok(all);
            }
        }
    }

    /// One after the other; if the guard's word is older than `images_permit_ms`, it is asked again, and what it
    /// no longer opens stays.
    async fn all(&self, objects: Vec<Instance>, sender: &mpsc::Sender<Left>) -> Result<()> {
        let permit = Duration::from_millis(self.house.app.settings.images_permit_ms);
        let mut asked = Instant::now();
        let mut opened = events(&objects);
        for one in objects {
            if asked.elapsed() >= permit {
                opened = events(&self.objects().await?);
                asked = Instant::now();
            }
            let left = match opened.contains(&one.index) {
                true => self.one(one.index).await,
                false => stays(one.index, "it is not on this study any more"),
            };
            if sender.send(left).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn one(&self, event: u64) -> Left {
        match self.try_one(event).await {
            Ok(left) => left,
            Err(why) => stays(event, &format!("{why:#}")),
        }
    }

    async fn try_one(&self, event: u64) -> Result<Left> {
        let out = self.house.app.image_out(event, 0).await;
        let web::OnItsWay { file, room } = out.map_err(|why| anyhow::anyhow!("{why}"))?;
        let (secret, wanted) = (Arc::clone(&self.secret), Arc::clone(&self.wanted));
        let limits = self.house.config.dicom.limits();
        let work = tokio::task::spawn_blocking(move || {
            let clean = wanted.rules.clean(&file, (&secret, &limits));
            // It lies in memory no more.
            drop((file, room));
            clean
        });
        let clean = work.await??;
        let told = Told {
            event,
            name: format!("{}.dcm", clean.instance),
            done: Some(Counts::of(clean.done)),
            warnings: clean.warnings.iter().map(|one| (*one).to_owned()).collect(),
            bytes: clean.file.len() as u64,
            ..Told::default()
        };
        Ok((told, clean.file))
    }
}

/// An object that does not leave.
fn stays(event: u64, why: &str) -> Left {
    let told = Told {
        event,
        refused: Some(why.to_owned()),
        ..Told::default()
    };
    (told, Vec::new())
}

fn events(objects: &[Instance]) -> BTreeSet<u64> {
    objects.iter().map(|one| one.index).collect()
}
