//! Who may send, and under which name.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use event::{Act, Actor, Arrival, Body, Event, Position, Signals, Subject, Time};
use guard::{Admitted, Grant, Standing};
use jiff::tz::TimeZone;
use record::Blind;
use wire::audit;
use wire::signals::{Cut, Format, Line, Tally, lines};

use super::{Config, Error, SyslogFeed};
use crate::tls::{Peer, fingerprints};

/// The feed of those who are bound to none. Nothing of what they send is kept; it is counted.
pub const UNKNOWN_FEED: &str = "unknown syslog";

/// Audit messages that are gathered together: each may become an event of its own, and a reader tells
/// the lines of one apart by twelve bits.
pub(crate) const AUDIT_LINES_MAX: usize = 1_000;

/// A source of lines: its name, and how they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    pub(crate) grant: Grant,
    pub(crate) format: Format,
    pub(crate) zone: TimeZone,
    /// The assigning authority of patients' identifiers that name none.
    authority: String,
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

    /// A feed that is read from a file.
    ///
    /// # Errors
    /// As [`Feed::new`]; audit messages come by syslog, since one may be several lines.
    pub(crate) fn of_file(name: &str, format: &str, zone: &str) -> Result<Feed, Error> {
        let feed = Feed::new(name, format, zone)?;
        match feed.is_audit() {
            true => Err(Error::Feed {
                feed: name.to_owned(),
                why: "format `audit` is for syslog: `[[signals.syslog.feed]]`".to_owned(),
            }),
            false => Ok(feed),
        }
    }

    fn of_syslog(settings: &SyslogFeed) -> Result<Feed, Error> {
        let mut feed = Feed::new(&settings.name, &settings.format, &settings.zone)?;
        feed.authority.clone_from(&settings.authority);
        Ok(feed)
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
            authority: String::new(),
        }
    }

    pub(crate) fn unknown() -> Feed {
        Feed::of(UNKNOWN_FEED, Format::Syslog, TimeZone::UTC)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.grant.feed
    }

    /// Whether its lines are audit messages.
    pub(crate) fn is_audit(&self) -> bool {
        self.format == Format::Audit
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally::new(self.format, self.zone.clone())
    }

    /// What was gathered, as the guard lets it in: one batch; of audit messages one for each patient,
    /// under whose key it goes, and one of those that name nobody or several.
    pub(crate) fn batches(
        &self,
        (tally, cuts): (&Tally, &[Cut]),
        (lost, now): (Lost, Time),
        blind: &Blind,
    ) -> Vec<Admitted> {
        if !self.is_audit() {
            let batch = self.batch(tally.clone(), (lost, now), None);
            return batch.into_iter().collect();
        }
        let mut groups: BTreeMap<Option<String>, Tally> = BTreeMap::new();
        for (line, cut) in lines(&tally.batch).zip(cuts) {
            let patient = self.patient(line, blind);
            let group = groups.entry(patient).or_insert_with(|| self.tally());
            group.add(line, *cut);
        }
        if lost.lines > 0 {
            groups.entry(None).or_insert_with(|| self.tally());
        }
        let lost_of = |patient: &Option<String>| match patient {
            None => lost.clone(),
            Some(_) => Lost::default(),
        };
        let batches = groups.into_iter().filter_map(|(patient, tally)| {
            let lost = lost_of(&patient);
            let subject = patient.map_or_else(|| self.subject(), Subject::Patient);
            self.of_subject(subject, tally, ((lost, now), None))
        });
        batches.collect()
    }

    /// The one patient that an audit message names.
    fn patient(&self, line: Line<'_>, blind: &Blind) -> Option<String> {
        let heard = audit::heard(line.bytes, (line.at, &self.zone)).ok()?;
        let named = heard.message.patients(&self.authority).into_iter();
        let id = |system: &str, value: &str| blind.id("Patient", system, value);
        let mut ids = named.map(|(_, whose)| whose.id(id));
        let first = ids.next()?;
        ids.all(|id| id == first).then_some(first)
    }

    fn subject(&self) -> Subject {
        Subject::Feed(self.name().to_owned())
    }

    /// A batch as the guard lets it in; `None`: it does not.
    pub(crate) fn batch(
        &self,
        tally: Tally,
        lost: (Lost, Time),
        position: Option<Position>,
    ) -> Option<Admitted> {
        self.of_subject(self.subject(), tally, (lost, position))
    }

    fn of_subject(
        &self,
        subject: Subject,
        tally: Tally,
        ((lost, now), position): ((Lost, Time), Option<Position>),
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
            ..self.told()
        });
        let claim = Event::new(Actor::feed(self.name()), Act::Send, subject, body);
        let arrival = Arrival::from(claim.with_raw(tally.batch));
        guard::admit(arrival, Standing::Feed(&self.grant), "").ok()
    }
}

impl Feed {
    /// What a reader of audit messages has to know.
    fn told(&self) -> Signals {
        if !self.is_audit() {
            return Signals::default();
        }
        let zone = self.zone.iana_name().unwrap_or_default();
        Signals {
            zone: zone.to_owned(),
            authority: self.authority.clone(),
            ..Signals::default()
        }
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
            feeds.push(Arc::new(Feed::of_syslog(settings)?));
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
