//! Patient queries over MLLP, answered from the chart: the feed that asks is a client with the
//! scopes its section names, and the guard decides.

use std::sync::Arc;

use async_trait::async_trait;
use event::{Actor, ActorKind, Role};
use guard::Identity;
use inlets::mllp::{Answers, Asked, Feed};
use web::{App, Sought};
use wire::v2::query::{Found, Listed};

/// The chart, for those who ask over MLLP.
pub(crate) struct Asking(pub(crate) Arc<App>);

#[async_trait]
impl Answers for Asking {
    async fn answer(&self, asked: Asked<'_>) -> Found {
        let who = client(asked.feed);
        // Who says how many they take is given so many, told how many there are, and goes on there.
        let takes = asked.query.takes.filter(|takes| *takes > 0);
        let count = takes.unwrap_or(asked.patients_max).min(asked.patients_max);
        let (token, before) = match asked.query.goes_on.as_deref().map(pointed) {
            None => (None, 0),
            Some(Some((token, before))) => (Some(token), before),
            Some(None) => return Found::Refused("no answer ended there (DSC-1)".into()),
        };
        let search = &asked.query.search;
        match self.0.find_patients(&who, search, (count, token)).await {
            Sought::Patients(patients) => Found::Patients(Listed {
                patients,
                before,
                ..Listed::default()
            }),
            Sought::Some(patients, total, next) if takes.is_some() => {
                let named = before.saturating_add(patients.len() as u64);
                Found::Patients(Listed {
                    patients,
                    before,
                    total,
                    goes_on: Some(format!("{next}.{named}")),
                })
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

/// Where the answer before ended, and how many patients had been named by then.
fn pointed(pointer: &str) -> Option<(String, u64)> {
    let (token, named) = pointer.rsplit_once('.')?;
    Some((token.to_owned(), named.parse().ok()?))
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
