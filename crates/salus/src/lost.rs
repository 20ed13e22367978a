//! A disk that said "written" and lost power, or an old copy that was put back: the record is shorter
//! than what its own views have seen. Which events are gone is said, sealed, and no view goes on from
//! what is not there any more.

use std::path::Path;

use anyhow::{Result, anyhow};
use event::{Act, Actor, Altered, AlteredPart, Body, Event, Subject};
use guard::{Standing, admit};
use record::Record;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

use crate::config::Config;

/// Every view by the name of its file.
const VIEWS: [&str; 8] = [
    "oversight",
    "staff",
    "tokens",
    "flow",
    "routes",
    "access",
    "lifeline",
    "chart",
];

/// Events that were sealed and are gone: the first, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    first: u64,
    count: u64,
    /// The views that say so.
    views: Vec<&'static str>,
}

/// Which views have seen more than the record has, before they are opened: what they have seen and
/// the record has not is gone.
pub(crate) async fn look(config: &Config, size: u64) -> Option<Lost> {
    let (mut furthest, mut views) = (size, Vec::new());
    for name in VIEWS {
        let seen = seen(&config.view(name)).await.unwrap_or_default();
        if seen > size {
            furthest = furthest.max(seen);
            views.push(name);
        }
    }
    let count = furthest - size;
    if count == 0 {
        return None;
    }
    tracing::error!(
        first = size,
        last = furthest - 1,
        "events that were sealed are gone: the disk lost what it had said was written, or an old copy \
         was put back"
    );
    Some(Lost {
        first: size,
        count,
        views,
    })
}

/// Removes the views that went on from what is gone, so that they are folded again. They are the
/// only ones who know of it: it is sealed before.
///
/// # Errors
/// If a view's file cannot be removed.
pub(crate) fn forget(config: &Config, lost: &Lost) -> Result<()> {
    for name in &lost.views {
        record::remove_view(&config.view(name))?;
    }
    Ok(())
}

/// How many events a view says it has seen; `None`: there is none, or what it says is no count. Nothing
/// signs that number: it is told as the view's own account.
async fn seen(file: &Path) -> Option<u64> {
    if !file.exists() {
        return None;
    }
    let options = SqliteConnectOptions::new().filename(file);
    let mut view = SqliteConnection::connect_with(&options).await.ok()?;
    let next: Result<i64, _> = sqlx::query_scalar("SELECT next FROM cursor WHERE id = 1")
        .fetch_one(&mut view)
        .await;
    let _ = view.close().await;
    u64::try_from(next.ok()?).ok()
}

/// Seals which events are gone; their indexes are given to others from now on.
///
/// # Errors
/// What keeps it from being sealed.
pub(crate) async fn seal(record: &Record, lost: &Lost) -> Result<()> {
    let last = lost.first + lost.count - 1;
    let part = format!("record: events {} to {last}", lost.first);
    let words = "nothing: lost before this start; senders have to send them again";
    let sealed = format!(
        "{} events, by the unsigned account of the views {}",
        lost.count,
        lost.views.join(", ")
    );
    let body = Body::Alteration(Altered {
        index: None,
        parts: vec![AlteredPart::new(part, sealed, words)],
        whole_at: None,
        healed_from: None,
        outside: None,
    });
    let event = Event::new(Actor::salus(), Act::Manage, Subject::Record, body);
    let admitted = admit(event.into(), Standing::Salus, "");
    let admitted = admitted.map_err(|refused| anyhow!(refused.words))?;
    record.admit(vec![admitted]).await?;
    Ok(())
}
