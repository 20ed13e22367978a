use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use guard::{Grant, Scope};
use wire::dicom::{DEPTH_LIMIT, Rejection, Repertoire, Request};

use super::{Config, Destination, Error, FeedConfig, WEB_FEED};
use crate::mllp::UNKNOWN_FEED;
use crate::tls::{Peer, fingerprints};

/// Characters of an AE title (PS3.5 section 6.2).
const TITLE_CHARACTERS_MAX: usize = 16;
/// What `pdu_bytes_max` may be (PS3.8 annex D.1 has no bounds; less holds no request).
const PDU_BYTES: std::ops::RangeInclusive<u32> = (4 << 10)..=(16 << 20);

/// A sender of images and what it may do.
#[derive(Debug, Clone)]
pub struct Feed {
    /// What it may store: SOP classes in the place of message kinds.
    pub grant: Grant,
    /// IANA zone of its times without an offset.
    pub zone: String,
    /// Character set of its data sets that name none.
    pub charset: String,
    /// Assigning authority of its patient ids without an issuer.
    pub authority: String,
    /// What it may ask, as SMART scopes; empty: nothing.
    pub queries: Vec<String>,
    /// AE titles to which it may have objects moved.
    pub destinations: Vec<String>,
    calling: Vec<String>,
}

impl Feed {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.grant.feed
    }

    /// A feed from its settings, with the house's defaults.
    ///
    /// # Errors
    /// [`Error::Feed`] if a name, a title, a zone or a character set makes no sense.
    pub fn new(settings: &FeedConfig, defaults: &Config) -> Result<Feed, Error> {
        let or = |own: &Option<String>, default: &String| own.as_ref().unwrap_or(default).clone();
        let feed = Feed {
            grant: Grant {
                feed: settings.name.clone(),
                messages: settings.classes.clone(),
                facilities: Vec::new(),
            },
            zone: or(&settings.zone, &defaults.zone),
            charset: or(&settings.charset, &defaults.charset),
            authority: or(&settings.authority, &defaults.authority),
            queries: settings.queries.clone(),
            destinations: settings.destinations.clone(),
            calling: settings.calling.clone(),
        };
        feed.check(defaults).map_err(|why| Error::Feed {
            feed: settings.name.clone(),
            why,
        })?;
        Ok(feed)
    }

    fn check(&self, house: &Config) -> Result<(), String> {
        if self.name().is_empty() || self.name() == UNKNOWN_FEED {
            return Err(format!("give it a `name` other than `{UNKNOWN_FEED}`"));
        }
        if self.calling.is_empty() {
            return Err("say by which AE titles it calls: `calling`".into());
        }
        self.calling.iter().try_for_each(|title| is_title(title))?;
        let mut scopes = self.queries.iter();
        if let Some(scope) = scopes.find(|scope| Scope::parse(scope).is_err()) {
            return Err(format!(
                "`{scope}` is no scope, such as `system/ImagingStudy.rs`"
            ));
        }
        let known = |title: &&String| house.destinations.iter().any(|one| one.title == **title);
        if let Some(title) = self.destinations.iter().find(|title| !known(title)) {
            return Err(format!(
                "there is no `[[dicom.destination]]` with the title `{title}`"
            ));
        }
        if jiff::tz::TimeZone::get(&self.zone).is_err() {
            let zone = &self.zone;
            return Err(format!("`{zone}` is no IANA zone, such as `Europe/Berlin`"));
        }
        if Repertoire::named(&self.charset, &Repertoire::ascii()).is_unknown() {
            let set = &self.charset;
            return Err(format!(
                "`{set}` is no character set that is known, such as `ISO_IR 100`"
            ));
        }
        Ok(())
    }

    /// Whether it may store objects of a SOP class.
    pub(crate) fn may_store(&self, class: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(prefix) => class.starts_with(prefix),
            None => pattern == class,
        };
        self.grant.messages.iter().any(fits)
    }
}

/// All feeds, with what they are recognized by.
#[derive(Debug)]
pub(crate) struct Feeds {
    titles: Vec<String>,
    bound: Vec<Bound>,
}

#[derive(Debug)]
struct Bound {
    feed: Arc<Feed>,
    fingerprints: Vec<String>,
    subjects: Vec<String>,
}

impl Feeds {
    pub(crate) fn new(config: &Config) -> Result<Feeds, Error> {
        if config.depth_max > DEPTH_LIMIT {
            let why = format!("`depth_max` is {DEPTH_LIMIT} at most");
            return Err(Error::Setting(why));
        }
        if !PDU_BYTES.contains(&config.pdu_bytes_max) {
            let (from, to) = (PDU_BYTES.start(), PDU_BYTES.end());
            return Err(Error::Setting(format!("`pdu_bytes_max` is {from} to {to}")));
        }
        if config.titles.is_empty() {
            let why = "say by which AE titles Salus is called: `titles`";
            return Err(Error::Setting(why.into()));
        }
        let titles = config.titles.iter();
        titles
            .clone()
            .try_for_each(|title| is_title(title))
            .map_err(Error::Setting)?;
        for destination in &config.destinations {
            check_destination(destination).map_err(Error::Setting)?;
        }
        let known = |name: &str| config.feeds.iter().any(|feed| feed.name == name);
        let mut named = config
            .destinations
            .iter()
            .filter(|one| !one.feed.is_empty());
        if let Some(one) = named.find(|one| !known(&one.feed)) {
            let why = format!(
                "`{}` is pulled from as the feed `{}`, and there is no such `[[dicom.feed]]`",
                one.title, one.feed
            );
            return Err(Error::Setting(why));
        }
        let mut bound = Vec::with_capacity(config.feeds.len());
        let mut names = HashSet::new();
        for settings in &config.feeds {
            let wrong = |why: String| Error::Feed {
                feed: settings.name.clone(),
                why,
            };
            if settings.name == WEB_FEED {
                let why =
                    format!("give it another `name`: `{WEB_FEED}` is what comes over DICOMweb");
                return Err(wrong(why));
            }
            if !names.insert(&settings.name) {
                return Err(wrong("two feeds have this name".into()));
            }
            bound.push(Bound {
                feed: Arc::new(Feed::new(settings, config)?),
                fingerprints: fingerprints(&settings.certificates).map_err(wrong)?,
                subjects: settings.subjects.clone(),
            });
        }
        Ok(Feeds {
            titles: titles.cloned().collect(),
            bound,
        })
    }

    /// Who asks for an association, by certificate and AE title together.
    ///
    /// # Errors
    /// How it is rejected, and why in words.
    pub(crate) fn of(
        &self,
        request: &Request,
        peer: Option<&Peer>,
    ) -> Result<Arc<Feed>, (Rejection, String)> {
        let (called, calling) = (&request.called, &request.calling);
        if !request.version_1 {
            return Err((
                Rejection::Version,
                "it speaks another protocol version".into(),
            ));
        }
        if !request.is_dicom {
            return Err((
                Rejection::Context,
                "its application context is not DICOM's".into(),
            ));
        }
        if !self.titles.contains(called) {
            let why = format!("`{called}` is none of the AE titles of Salus (`titles`)");
            return Err((Rejection::Called, why));
        }
        let by_title = |bound: &&Bound| bound.feed.calling.contains(calling);
        let mut named = self.bound.iter().filter(by_title).peekable();
        if named.peek().is_none() {
            let why = format!("no feed calls itself `{calling}`");
            return Err((Rejection::Calling, why));
        }
        let found = named.find(|bound| bound.is_proved_by(peer));
        found.map(|bound| Arc::clone(&bound.feed)).ok_or_else(|| {
            let why = match peer {
                Some(peer) => format!(
                    "the certificate of {} ({}) is of no feed that calls itself `{calling}`",
                    peer.names.join(", "),
                    peer.fingerprint
                ),
                None => format!("the feed that calls itself `{calling}` must show a certificate"),
            };
            (Rejection::Calling, why)
        })
    }
}

impl Bound {
    /// Over TLS the certificate must be the feed's; plain connections, which come from this machine
    /// alone, may be a feed that no certificate is asked of.
    fn is_proved_by(&self, peer: Option<&Peer>) -> bool {
        match peer {
            Some(peer) => {
                let by_name = |subject: &String| peer.names.contains(subject);
                self.fingerprints.contains(&peer.fingerprint) || self.subjects.iter().any(by_name)
            }
            None => self.fingerprints.is_empty() && self.subjects.is_empty(),
        }
    }
}

/// # Errors
/// Why objects cannot be sent there, in words.
fn check_destination(destination: &Destination) -> Result<(), String> {
    is_title(&destination.title)?;
    let Destination {
        title, host, port, ..
    } = destination;
    if host.is_empty() || *port == 0 {
        return Err(format!("say where `{title}` is: `host` and `port`"));
    }
    let address: Result<IpAddr, _> = host.parse();
    let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match destination.tls || here {
        true => Ok(()),
        false => Err(format!(
            "plain DICOM to `{title}` would carry patient data in the clear: set `tls`"
        )),
    }
}

/// # Errors
/// Why it is no AE title, in words.
fn is_title(title: &str) -> Result<(), String> {
    let fits = |letter: char| (letter.is_ascii_graphic() || letter == ' ') && letter != '\\';
    let right = !title.is_empty()
        && title.len() <= TITLE_CHARACTERS_MAX
        && title.trim() == title
        && title.chars().all(fits);
    match right {
        true => Ok(()),
        false => Err(format!(
            "`{title}` is no AE title: 1 to 16 ASCII characters without `\\`"
        )),
    }
}
