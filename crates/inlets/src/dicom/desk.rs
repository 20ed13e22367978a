//! What all associations share.

use std::sync::Arc;

use event::Actor;

use super::Config;
use super::answers::Answers;
use super::arrivals::Waiters;
use super::held::Held;
use super::image::unread;
use super::intake::{Came, Intake};
use crate::mllp::UNKNOWN_FEED;
use crate::places::Tally;
use guard::Standing;
use wire::dicom::{Origin, Status};

pub(crate) struct Desk {
    pub(crate) config: Config,
    /// Who answers queries; `None`: nobody does.
    pub(crate) answers: Option<Arc<dyn Answers>>,
    /// Where objects go.
    pub(crate) intake: Arc<Intake>,
    /// Associations by feed.
    pub(crate) by_feed: Tally,
}

impl Desk {
    /// The Identifier of a query that begins to come.
    pub(crate) fn identifier(&self) -> Held {
        self.intake.begin(Vec::new()).short()
    }

    /// An association was refused: who called, and why.
    pub(crate) async fn rejected(&self, (address, why): (&str, &str), request: Vec<u8>) {
        tracing::warn!(address, why, "an association was rejected");
        let why = format!("an association was rejected: {why}");
        let actor = Actor::feed(UNKNOWN_FEED);
        let event = unread((UNKNOWN_FEED, &actor), &why, self.intake.kept(&request));
        let event = event.from_address(Some(address.to_owned()));
        self.intake.seal(event).await;
    }

    /// Looks an object through, keeps it and seals it; what the sender is told, and why.
    pub(crate) async fn store(
        &self,
        (mut came, origin): (Came, &Origin),
        held: Held,
    ) -> (Status, String) {
        let waiters = self.intake.waiters((&mut came, origin));
        let only = waiters.as_ref().and_then(Waiters::only);
        let feed = Arc::clone(&came.sender.feed);
        let looked = Box::pin(self.intake.look(came, held)).await;
        let told = match looked {
            Ok(claim) => {
                let asked = (claim, only.as_deref());
                let standing = Standing::Feed(&feed.grant);
                Box::pin(self.intake.keep_asked(asked, standing)).await
            }
            Err(told) => told,
        };
        if let Some(waiters) = waiters {
            waiters.tell(&told);
        }
        (told.status, told.why)
    }
}
