//! Queries and retrievals over DICOM, answered from the charts: the feed that asks is a client with the
//! scopes its section names, and the guard decides.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event::{Actor, ActorKind, Event, Role};
use guard::{Decision, Identity, Standing};
use inlets::dicom::{
    Answers, Asked, Claim, Delivered, Delivery, Fate, Found, Held, Intake, Kept, Object, Retrieval,
    Sender, Told, Unanswered,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use web::{
    App, Claimed, Coming, Failed, Giver, ImageQuery, NoImages, Objects, OnItsWay, Peer, Scu,
    Stored, Wanted,
};
use wire::dicom::Status;

const TOO_LONG: &str = "it took longer than `retrieve_ms`";

/// The charts, for those who ask over DICOM.
pub(crate) struct Images(pub(crate) Arc<App>);

/// The intake of the inlet, for what is stored over DICOMweb.
pub(crate) struct Taking(pub(crate) Arc<Intake>);

/// An object that comes over DICOMweb.
struct Arriving {
    intake: Arc<Intake>,
    held: Held,
}

/// The same, looked through.
struct LookedThrough {
    intake: Arc<Intake>,
    claim: Claim,
}

impl Objects for Taking {
    fn begin(&self) -> Box<dyn Coming> {
        Box::new(Arriving {
            held: self.0.begin_from_web(),
            intake: Arc::clone(&self.0),
        })
    }
}

#[async_trait]
impl Coming for Arriving {
    fn add(&mut self, bytes: &[u8]) {
        self.held.add(bytes);
    }

    async fn look(self: Box<Self>, giver: Giver) -> Result<Box<dyn Claimed>, Stored> {
        let Arriving { intake, held } = *self;
        let sender = Sender::web(intake.config(), giver.actor, giver.address);
        let mut sender = sender.map_err(|why| {
            tracing::error!(%why, "an object was not taken");
            stored(Told {
                named: (String::new(), String::new()),
                status: Status::ProcessingFailure,
                why: String::new(),
            })
        })?;
        sender.vouched = giver.vouched;
        let looked = Box::pin(intake.look_at_file((sender, giver.study), held)).await;
        let claim = looked.map_err(stored)?;
        Ok(Box::new(LookedThrough { intake, claim }))
    }
}

#[async_trait]
impl Claimed for LookedThrough {
    fn event(&self) -> &Event {
        self.claim.event()
    }

    fn leave_patient(&mut self) {
        self.claim.leave_patient();
    }

    async fn turn_away(self: Box<Self>, why: &str) -> Stored {
        stored(self.intake.turn_away(self.claim, why).await)
    }

    async fn keep(self: Box<Self>, decision: &Decision, patients: &[String]) -> Stored {
        let LookedThrough { intake, claim } = *self;
        let claim = claim.only_of(patients);
        stored(Box::pin(intake.keep(claim, Standing::Decided(decision))).await)
    }
}

fn stored(told: Told) -> Stored {
    Stored {
        named: told.named,
        within: (String::new(), String::new()),
        status: told.status,
    }
}

#[async_trait]
impl Answers for Images {
    async fn find(&self, asked: Asked<'_>) -> Result<Found, Unanswered> {
        let who = client(&asked);
        let found = self.0.find_images(&query(&asked, &who)).await;
        let found = found.map_err(unanswered)?;
        Ok(Found {
            matches: found.matches,
            more: found.more,
        })
    }

    async fn retrieve(&self, asked: Asked<'_>) -> Result<Box<dyn Retrieval>, Unanswered> {
        let found = self.0.retrieval(Wanted {
            who: client(&asked),
            query: asked.query.clone(),
            said: asked.said.to_owned(),
            authority: asked.feed.authority.clone(),
            max: asked.max,
            // A feed is what its section says, until the next start.
            bearer: None,
        });
        let found = found.await.map_err(unanswered)?;
        let kept = found.objects().iter().map(|one| Kept {
            index: one.index,
            class: one.header.class.clone(),
            instance: one.header.instance.clone(),
            syntax: one.syntax.clone(),
        });
        Ok(Box::new(Going {
            app: Arc::clone(&self.0),
            kept: kept.collect(),
            found,
        }))
    }

    async fn deliver(
        &self,
        (delivery, mut objects): (Delivery<'_>, Box<dyn Retrieval>),
        told: mpsc::Sender<Delivered>,
    ) -> Result<(), String> {
        let to = delivery.destination;
        let peer = Peer {
            called: to.title.clone(),
            calling: delivery.calling.to_owned(),
            host: to.host.clone(),
            port: to.port,
            tls: to.tls,
            keys: [&to.authorities, &to.certificate, &to.key].map(Clone::clone),
            wait: Duration::from_millis(delivery.answer_ms),
        };
        let all = objects.objects().to_vec();
        if all.is_empty() {
            return Ok(());
        }
        let kinds = all.iter();
        let kinds: Vec<(&str, &str)> = kinds
            .map(|one| (one.class.as_str(), one.syntax.as_str()))
            .collect();
        let mut scu = Scu::open(&self.0, &peer, &kinds).await?;
        let until = Instant::now() + Duration::from_millis(delivery.wait_ms);
        for (place, one) in all.iter().enumerate() {
            if delivery.stop.is_cancelled() {
                break;
            }
            if Instant::now() >= until {
                return Err(TOO_LONG.into());
            }
            let sent = send((&mut scu, objects.as_mut()), (place, one), delivery.origin);
            let sent = timeout_at(until, sent).await;
            let fate = match sent.map_err(|_| TOO_LONG)? {
                Ok(status) => Fate::of(status),
                Err(Failed::Object(why)) => {
                    tracing::warn!(index = one.index, why, "an object was not moved");
                    Fate::Failed
                }
                Err(Failed::Association(why)) => return Err(why),
            };
            let instance = one.instance.clone();
            // Who asked is gone: nothing more is sent.
            if told.send(Delivered { instance, fate }).await.is_err() {
                break;
            }
        }
        scu.close().await;
        Ok(())
    }
}

async fn send(
    (scu, objects): (&mut Scu, &mut dyn Retrieval),
    (place, one): (usize, &Kept),
    (title, message): (&str, u16),
) -> Result<u16, Failed> {
    let Object { file, room } = objects.object(place).await.map_err(Failed::Object)?;
    let named = (one.class.as_str(), one.instance.as_str());
    let stored = scu.store(named, file, Some((title, message))).await;
    drop(room);
    stored
}

/// Objects on their way to somebody who asked over DICOM.
struct Going {
    app: Arc<App>,
    kept: Vec<Kept>,
    found: web::Retrieval,
}

#[async_trait]
impl Retrieval for Going {
    fn objects(&self) -> &[Kept] {
        &self.kept
    }

    async fn object(&mut self, place: usize) -> Result<Object, String> {
        let OnItsWay { file, room } = self
            .found
            .out(&self.app, place)
            .await
            .map_err(|why| why.to_string())?;
        Ok(Object {
            file,
            room: Box::new(room),
        })
    }
}

fn query<'a>(asked: &Asked<'a>, who: &'a Identity) -> ImageQuery<'a> {
    ImageQuery {
        who,
        query: asked.query,
        said: asked.said,
        authority: &asked.feed.authority,
        max: asked.max,
    }
}

fn unanswered(why: NoImages) -> Unanswered {
    match why {
        NoImages::Refused(words) => Unanswered::Refused(words.join("; ")),
        NoImages::TooMuch(why) => Unanswered::TooMuch(why),
        NoImages::Broken(why) => {
            tracing::error!(%why, "a query over DICOM was not answered");
            Unanswered::Broken(why)
        }
    }
}

fn client(asked: &Asked<'_>) -> Identity {
    let name = asked.feed.name();
    let mut identity = Identity::of(Actor {
        kind: ActorKind::Software,
        id: format!("feed-{name}"),
        name: format!("the feed {name}"),
        role: Role::Client,
    });
    identity.scopes.clone_from(&asked.feed.queries);
    identity.from = Some(asked.address.to_owned());
    identity
}
