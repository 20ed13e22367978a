//! Patient queries over MLLP, answered from the chart: the feed that asks is a client with the
//! scopes its section names, and the guard decides.

use std::sync::Arc;

use async_trait::async_trait;
use event::{Actor, ActorKind, Role};
use guard::Identity;
use inlets::mllp::{Answers, Asked, Feed};
use web::{App, Sought};
use wire::v2::query::Found;

/// The chart, for those who ask over MLLP.
pub(crate) struct Asking(pub(crate) Arc<App>);

#[async_trait]
impl Answers for Asking {
    async fn answer(&self, asked: Asked<'_>) -> Found {
        let who = client(asked.feed);
        // Who takes fewer is given fewer, and told how many there are.
        let takes = asked.query.takes.filter(|takes| *takes > 0);
        let count = takes.unwrap_or(asked.patients_max).min(asked.patients_max);
        match self.0.find_patients(&who, &asked.query.search, count).await {
            Sought::Patients(patients) => Found::Patients(patients, None),
            Sought::Some(patients, total) if takes == Some(count) => {
                Found::Patients(patients, total)
            }
            Sought::Some(..) => Found::TooMany(count),
            Sought::Refused(why) => Found::Refused(why),
            Sought::Broken(why) => {
                tracing::error!(%why, feed = asked.feed.name(), "a query was not answered");
                Found::Broken
            }
        }
    }
}

fn client(feed: &Feed) -> Identity {
    let mut identity = Identity::of(Actor {
        kind: ActorKind::Software,
        id: format!("feed-{}", feed.name()),
        name: format!("the feed {}", feed.name()),
        role: Role::Client,
    });
    identity.scopes.clone_from(&feed.queries);
    identity
}
