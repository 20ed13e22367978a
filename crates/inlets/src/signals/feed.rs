//! Who may send, and under which name.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use event::{Act, Actor, Arrival, Body, Event, Position, Signals, Subject, Time};
use guard::{Admitted, Grant, Standing};
use jiff::tz::TimeZone;
use wire::signals::{Format, Tally};

use super::{Config, Error, SyslogFeed};
use crate::tls::{Peer, fingerprints};

/// The feed of those who are bound to none. Nothing of what they send is kept; it is counted.
pub const UNKNOWN_FEED: &str = "unknown syslog";

/// A source of lines: its name, and how they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    pub(crate) grant: Grant,
    pub(crate) format: Format,
    pub(crate) zone: TimeZone,
}

/// What was lost before a batch, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) lines: u64,
    pub(crate) why: String,
}

impl Feed {
    /// A feed from its settings.
    ///
    /// # Errors
    /// [`Error::Feed`] if the name, the format or the zone makes no sense.
    pub fn new(name: &str, format: &str, zone: &str) -> Result<Feed, Error> {
        let wrong = |why: String| Error::Feed {
            feed: name.to_owned(),
            why,
        };
        if name.is_empty() || name == UNKNOWN_FEED {
            return Err(wrong(format!(
                "give it a `name` other than `{UNKNOWN_FEED}`"
            )));
        }
        let format = Format::of(format).ok_or_else(|| {
            let known = Format::ALL.map(|format| format!("`{}`", format.word()));
            wrong(format!("`{format}` is no format: {}", known.join(", ")))
        })?;
        let zone = TimeZone::get(zone)
            .map_err(|_| wrong(format!("`{zone}` is no IANA zone, such as `Europe/Berlin`")))?;
        Ok(Feed::of(name, format, zone))
    }

    fn of(name: &str, format: Format, zone: TimeZone) -> Feed {
        Feed {
            grant: Grant {
                feed: name.to_owned(),
                messages: Vec::new(),
                facilities: Vec::new(),
            },
            format,
            zone,
        }
    }

    pub(crate) fn unknown() -> Feed {
        Feed::of(UNKNOWN_FEED, Format::Syslog, TimeZone::UTC)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.grant.feed
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally::new(self.format, self.zone.clone())
    }

    /// A batch as the guard lets it in; `None`: it does not.
    pub(crate) fn batch(
        &self,
        tally: Tally,
        (lost, now): (Lost, Time),
        position: Option<Position>,
    ) -> Option<Admitted> {
        let (first, last) = tally.span.map_or((now, now), |(first, last)| {
            (Time::from_millis(first), Time::from_millis(last))
        });
        let kinds = tally.kinds();
        let reason = match tally.reason.is_empty() {
            true => lost.why,
            false => tally.reason,
        };
        let body = Body::Signals(Signals {
            feed: self.name().to_owned(),
            format: self.format.word().to_owned(),
            lines: tally.lines,
            first,
            last,
            unread: tally.unread,
            cut: tally.cut,
            dropped: lost.lines,
            reason,
            kinds,
            position,
        });
        let subject = Subject::Feed(self.name().to_owned());
        let claim = Event::new(Actor::feed(self.name()), Act::Send, subject, body);
        let arrival = Arrival::from(claim.with_raw(tally.batch));
        guard::admit(arrival, Standing::Feed(&self.grant), "").ok()
    }
}

/// All feeds of syslog, with what they are recognized by; each by its place in the list.
#[derive(Debug)]
pub(crate) struct Senders(Vec<Bound>);

#[derive(Debug)]
struct Bound {
    sources: Vec<IpAddr>,
    fingerprints: Vec<String>,
    subjects: Vec<String>,
}

impl Senders {
    /// Who may send, and the feed of each, in the same order.
    pub(crate) fn new(config: &Config) -> Result<(Senders, Vec<Arc<Feed>>), Error> {
        let (mut bound, mut feeds) = (Vec::new(), Vec::new());
        let mut names = HashSet::new();
        for settings in &config.syslog.feeds {
            feeds.push(Arc::new(Feed::new(
                &settings.name,
                &settings.format,
                &settings.zone,
            )?));
            bound.push(Bound::new(settings)?);
        }
        for name in feeds.iter().map(|feed| feed.name()).chain(files(config)) {
            if !names.insert(name.to_owned()) {
                return Err(Error::Feed {
                    feed: name.to_owned(),
                    why: "two feeds have this name".to_owned(),
                });
            }
        }
        Ok((Senders(bound), feeds))
    }

    /// The feed that is sent without TLS from an address. Whoever names no address is on this
    /// machine: nobody else may say that they are.
    pub(crate) fn from(&self, address: IpAddr) -> Option<usize> {
        let address = address.to_canonical();
        self.0.iter().position(|bound| {
            let named = bound.sources.contains(&address);
            let here = bound.sources.is_empty() && address.is_loopback();
            named || here && bound.fingerprints.is_empty() && bound.subjects.is_empty()
        })
    }

    /// The feed that a certificate is bound to.
    pub(crate) fn of(&self, peer: &Peer) -> Option<usize> {
        let named = |bound: &Bound| bound.subjects.iter().any(|name| peer.names.contains(name));
        let fits = |bound: &Bound| bound.fingerprints.contains(&peer.fingerprint) || named(bound);
        self.0.iter().position(fits)
    }
}

impl Bound {
    fn new(settings: &SyslogFeed) -> Result<Bound, Error> {
        let fingerprints = fingerprints(&settings.certificates).map_err(|why| Error::Feed {
            feed: settings.name.clone(),
            why,
        })?;
        let sources = settings.sources.iter().map(IpAddr::to_canonical);
        Ok(Bound {
            sources: sources.collect(),
            fingerprints,
            subjects: settings.subjects.clone(),
        })
    }
}

fn files(config: &Config) -> impl Iterator<Item = &str> {
    config.files.iter().map(|file| file.name.as_str())
}
