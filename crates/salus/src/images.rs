//! Queries and retrievals over DICOM, answered from the charts: the feed that asks is a client with the
//! scopes its section names, and the guard decides.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event::{Actor, ActorKind, Event, Role};
use guard::{Decision, Identity, Standing};
use inlets::dicom::{
    Answers, Asked, Claim, Delivered, Delivery, Fate, Found, Held, Intake, Kept, Sender, Told,
    Unanswered,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use web::{App, Claimed, Coming, Failed, Giver, ImageQuery, NoImages, Objects, Peer, Scu, Stored};
use wire::dicom::Status;

const TOO_LONG: &str = "it took longer than `retrieve_ms`";

/// The charts, for those who ask over DICOM.
pub(crate) struct Images(pub(crate) Arc<App>);

/// The intake of the inlet, for what is stored over DICOMweb.
pub(crate) struct Taking(pub(crate) Arc<Intake>);

/// An object that comes over DICOMweb.
struct OnItsWay {
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
        Box::new(OnItsWay {
            held: self.0.begin(Vec::new()),
            intake: Arc::clone(&self.0),
        })
    }
}

#[async_trait]
impl Coming for OnItsWay {
    fn add(&mut self, bytes: &[u8]) {
        self.held.add(bytes);
    }

    async fn look(self: Box<Self>, giver: Giver) -> Result<Box<dyn Claimed>, Stored> {
        let OnItsWay { intake, held } = *self;
        let sender = Sender::web(intake.config(), giver.actor, giver.address);
        let sender = sender.map_err(|why| {
            tracing::error!(%why, "an object was not taken");
            stored(Told {
                named: (String::new(), String::new()),
                status: Status::ProcessingFailure,
                why: String::new(),
            })
        })?;
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

    async fn keep(self: Box<Self>, decision: &Decision) -> Stored {
        let LookedThrough { intake, claim } = *self;
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

    async fn retrieve(&self, asked: Asked<'_>) -> Result<Vec<Kept>, Unanswered> {
        let who = client(&asked);
        let found = self.0.retrieve_images(&query(&asked, &who)).await;
        let kept = found.map_err(unanswered)?.into_iter().map(|one| Kept {
            index: one.index,
            class: one.header.class,
            instance: one.header.instance,
            syntax: one.syntax,
        });
        Ok(kept.collect())
    }

    async fn deliver(
        &self,
        delivery: Delivery<'_>,
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
        };
        if delivery.objects.is_empty() {
            return Ok(());
        }
        let kinds = delivery.objects.iter();
        let kinds: Vec<(&str, &str)> = kinds
            .map(|one| (one.class.as_str(), one.syntax.as_str()))
            .collect();
        let mut scu = Scu::open(&self.0, &peer, &kinds).await?;
        let until = Instant::now() + Duration::from_millis(delivery.wait_ms);
        for one in delivery.objects {
            if delivery.stop.is_cancelled() {
                break;
            }
            if Instant::now() >= until {
                return Err(TOO_LONG.into());
            }
            let sent = timeout_at(until, self.send(&mut scu, one, delivery.origin)).await;
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

impl Images {
    async fn send(
        &self,
        scu: &mut Scu,
        one: &Kept,
        (title, message): (&str, u16),
    ) -> Result<u16, Failed> {
        let words = |why: record::Error| Failed::Object(why.to_string());
        let sealed = self.0.record.get(one.index).await.map_err(words)?;
        let file = self.0.record.object(&sealed).await.map_err(words)?;
        let named = (one.class.as_str(), one.instance.as_str());
        scu.store(named, file, Some((title, message))).await
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
