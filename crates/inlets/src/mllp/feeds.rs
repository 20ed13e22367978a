//! Which feed a sender is.

use std::collections::HashSet;
use std::sync::Arc;

use guard::{Grant, Scope};
use wire::hl7::{Charset, Message};

use super::{Config, Error, FeedConfig};
use crate::tls::{Peer, fingerprints};

/// The feed of senders that are bound to none. It may send nothing; what it sends is kept.
pub const UNKNOWN_FEED: &str = "unknown";

/// A sender: what it may send, and how to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Its name, kinds and facilities.
    pub grant: Grant,
    /// IANA zone of its times without an offset.
    pub zone: String,
    /// Character set of its messages with an empty MSH-18, as table 0211 names it.
    pub charset: String,
    /// Assigning authority of its identifiers that name none.
    pub authority: String,
    /// Sending applications (MSH-3) it may speak as; empty: any.
    pub applications: Vec<String>,
    /// What it may ask, as SMART scopes; empty: nothing.
    pub queries: Vec<String>,
}

impl Feed {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.grant.feed
    }

    /// A feed from its settings, with the house's defaults.
    ///
    /// # Errors
    /// [`Error::Feed`] if a name, a zone or a character set makes no sense.
    pub fn new(settings: &FeedConfig, defaults: &Config) -> Result<Feed, Error> {
        let or = |own: &Option<String>, default: &String| own.as_ref().unwrap_or(default).clone();
        let feed = Feed {
            grant: Grant {
                feed: settings.name.clone(),
                messages: settings.messages.clone(),
                facilities: settings.facilities.clone(),
            },
            zone: or(&settings.zone, &defaults.zone),
            charset: or(&settings.charset, &defaults.charset),
            authority: or(&settings.authority, &defaults.authority),
            applications: settings.applications.clone(),
            queries: settings.queries.clone(),
        };
        feed.check().map_err(|why| Error::Feed {
            feed: settings.name.clone(),
            why,
        })?;
        Ok(feed)
    }

    fn check(&self) -> Result<(), String> {
        if self.name().is_empty() || self.name() == UNKNOWN_FEED {
            return Err(format!("give it a `name` other than `{UNKNOWN_FEED}`"));
        }
        if jiff::tz::TimeZone::get(&self.zone).is_err() {
            return Err(format!(
                "`{}` is no IANA zone, such as `Europe/Berlin`",
                self.zone
            ));
        }
        if let Some(scope) = self
            .queries
            .iter()
            .find(|scope| Scope::parse(scope).is_err())
        {
            return Err(format!("`{scope}` is no scope, such as `system/Patient.s`"));
        }
        if Charset::named(&self.charset).is_none() {
            let set = &self.charset;
            return Err(format!(
                "`{set}` is no character set that is known, such as `8859/1`"
            ));
        }
        Ok(())
    }

    fn speaks_as(&self, application: &str) -> bool {
        self.applications.is_empty() || self.applications.iter().any(|known| known == application)
    }
}

/// All feeds, with what they are recognized by.
#[derive(Debug)]
pub(crate) struct Feeds {
    bound: Vec<Bound>,
    unknown: Arc<Feed>,
}

#[derive(Debug)]
struct Bound {
    feed: Arc<Feed>,
    fingerprints: Vec<String>,
    subjects: Vec<String>,
}

/// The feeds that a connection may be, by what is known of it before it says anything.
#[derive(Debug, Clone)]
pub(crate) struct Candidates {
    feeds: Vec<Arc<Feed>>,
    unknown: Arc<Feed>,
}

impl Feeds {
    pub(crate) fn new(config: &Config) -> Result<Feeds, Error> {
        let mut bound = Vec::with_capacity(config.feeds.len());
        let mut names = HashSet::new();
        for settings in &config.feeds {
            let feed = Arc::new(Feed::new(settings, config)?);
            if !names.insert(settings.name.clone()) {
                let why = "two feeds have this name".to_owned();
                return Err(Error::Feed {
                    feed: settings.name.clone(),
                    why,
                });
            }
            bound.push(Bound {
                feed,
                fingerprints: fingerprints(&settings.certificates).map_err(|why| Error::Feed {
                    feed: settings.name.clone(),
                    why,
                })?,
                subjects: settings.subjects.clone(),
            });
        }
        Ok(Feeds {
            bound,
            unknown: Arc::new(unknown(config)),
        })
    }

    /// Plain connections may be any feed that no certificate is asked of.
    pub(crate) fn of_plain(&self) -> Candidates {
        self.candidates(|bound| bound.fingerprints.is_empty() && bound.subjects.is_empty())
    }

    /// TLS connections are the feeds their certificate is bound to.
    pub(crate) fn of_peer(&self, peer: &Peer) -> Candidates {
        self.candidates(|bound| {
            bound.fingerprints.contains(&peer.fingerprint)
                || bound
                    .subjects
                    .iter()
                    .any(|subject| peer.names.contains(subject))
        })
    }

    fn candidates(&self, fits: impl Fn(&Bound) -> bool) -> Candidates {
        let fitting = self.bound.iter().filter(|bound| fits(bound));
        Candidates {
            feeds: fitting.map(|bound| Arc::clone(&bound.feed)).collect(),
            unknown: Arc::clone(&self.unknown),
        }
    }
}

impl Candidates {
    /// The feed that this message is from, by MSH-3.
    pub(crate) fn of(&self, message: &Message<'_>) -> Arc<Feed> {
        let application = message.get("MSH", 3).string().unwrap_or_default();
        let named =
            |feed: &&Arc<Feed>| !feed.applications.is_empty() && feed.speaks_as(&application);
        let fitting = self.feeds.iter().find(named);
        let fitting =
            fitting.or_else(|| self.feeds.iter().find(|feed| feed.speaks_as(&application)));
        Arc::clone(fitting.unwrap_or(&self.unknown))
    }

    /// Whom to name as the sender of bytes that say nothing of their sender, and how to read them.
    pub(crate) fn first(&self) -> Arc<Feed> {
        Arc::clone(self.feeds.first().unwrap_or(&self.unknown))
    }
}

fn unknown(config: &Config) -> Feed {
    Feed {
        grant: Grant {
            feed: UNKNOWN_FEED.into(),
            messages: Vec::new(),
            facilities: Vec::new(),
        },
        zone: config.zone.clone(),
        charset: config.charset.clone(),
        authority: config.authority.clone(),
        applications: Vec::new(),
        queries: Vec::new(),
    }
}
