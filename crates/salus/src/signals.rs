//! What machines say, joined to the house: up to where files were read, and the feeds over HTTPS.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use event::Position;
use inlets::signals::{Config, Positions};
use jiff::tz::TimeZone;
use tokio::sync::Semaphore;
use web::App;
use web::api::signals::{Feed, Feeds, Repeats};
use wire::signals::Format;

/// How long one wait for the view takes before it says so.
const FOLD_WAIT: Duration = Duration::from_secs(10);

/// Up to where files were read, as the view of the feeds has it once it knows all that is sealed.
pub(crate) struct Known(pub(crate) Arc<App>);

#[async_trait]
impl Positions for Known {
    async fn of(&self, feed: &str) -> Option<Position> {
        let size = self.0.record.size();
        while !self.0.flow.caught_up(size, FOLD_WAIT).await {
            tracing::info!(
                feed,
                "a file is not read yet: the view of the feeds is behind the record"
            );
        }
        self.0.flow.position(feed).await
    }
}

/// The zone of a feed's times without an offset; of one that is not configured any more, UTC.
pub(crate) fn zone(config: &Config, feed: &str) -> TimeZone {
    let syslog = config.syslog.feeds.iter().map(|one| (&one.name, &one.zone));
    let https = config.https.feeds.iter().map(|one| (&one.name, &one.zone));
    let files = config.files.iter().map(|one| (&one.name, &one.zone));
    let named = syslog
        .chain(https)
        .chain(files)
        .find(|(name, _)| *name == feed);
    let zone = named.and_then(|(_, zone)| TimeZone::get(zone).ok());
    zone.unwrap_or(TimeZone::UTC)
}

/// The feeds over HTTPS, as the web crate wants them.
///
/// # Errors
/// What makes no sense in `[signals.https]`, in words.
pub(crate) fn feeds(config: &Config) -> Result<Feeds> {
    let own = &config.https;
    let syslog = config.syslog.feeds.iter().map(|feed| &feed.name);
    let mut names: HashSet<&String> = syslog
        .chain(config.files.iter().map(|file| &file.name))
        .collect();
    let mut feeds = Vec::with_capacity(own.feeds.len());
    for feed in &own.feeds {
        let name = &feed.name;
        if name.is_empty() || name.contains('/') || !names.insert(name) {
            bail!("feed `{name}` of `[signals]`: give it a `name` of its own, without `/`");
        }
        let Some(format) = Format::of(&feed.format) else {
            let known = Format::ALL.map(|format| format!("`{}`", format.word()));
            bail!(
                "feed `{name}` of `[signals]`: `{}` is no format: {}",
                feed.format,
                known.join(", ")
            );
        };
        if format == Format::Audit {
            bail!(
                "feed `{name}` of `[signals]`: format `audit` is for syslog: `[[signals.syslog.feed]]`"
            );
        }
        let Ok(zone) = TimeZone::get(&feed.zone) else {
            bail!(
                "feed `{name}` of `[signals]`: `{}` is no IANA zone",
                feed.zone
            );
        };
        feeds.push(Feed {
            name: name.clone(),
            format,
            zone,
            client: feed.client.clone(),
        });
    }
    Ok(Feeds {
        feeds,
        body_bytes_max: own.body_bytes_max,
        unpacked_bytes_max: own.unpacked_bytes_max,
        line_bytes_max: config.line_bytes_max,
        batch_bytes_max: config.batch_bytes_max,
        room: Arc::new(Semaphore::new(own.posts_max)),
        repeats: Arc::new(Repeats::of(own.keys_max)),
    })
}
