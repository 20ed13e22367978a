//! What every page has around it: the bar, who is signed in, how old the page is.

use crate::pages::words::{self, Stamp};

/// What surrounds a page.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    /// The window's title.
    pub title: String,
    /// Which item of the bar is current.
    pub here: Here,
    /// Who is signed in.
    pub who: Option<Who>,
    /// How old what the page shows is; `None` for a page that shows nothing that ages.
    pub fresh: Option<Fresh>,
    /// What to know of what is shown, if this is the standby.
    pub standby: Option<String>,
    /// What the last form did, in words.
    pub done: Option<String>,
    /// What the person should know about their own account, in words.
    pub notices: Vec<String>,
    /// How often the page may fetch itself again, in seconds; `None`: never.
    pub live: Option<u32>,
    /// What a page that fetches itself again knows already; 0: it always wants the whole.
    pub version: u64,
    /// The glass that whoever is signed in has broken, while it lasts.
    pub glass: Vec<Lasting>,
}

/// Broken glass, while it lasts.
#[derive(Debug, Clone)]
pub(crate) struct Lasting {
    /// The event that broke it.
    pub index: u64,
    pub patient: String,
    /// `14:03`
    pub until: String,
}

impl Shell {
    /// Nothing around a page but its title.
    pub(crate) fn bare(title: &str) -> Shell {
        Shell {
            title: title.to_owned(),
            here: Here::Nowhere,
            who: None,
            fresh: None,
            standby: None,
            done: None,
            notices: Vec::new(),
            live: None,
            version: 0,
            glass: Vec::new(),
        }
    }

    /// The token every form of this session carries.
    pub(crate) fn csrf(&self) -> &str {
        self.who.as_ref().map_or("", |who| who.csrf.as_str())
    }

    /// Whether the person may change accounts.
    pub(crate) fn administers(&self) -> bool {
        self.who.as_ref().is_some_and(|who| who.administers)
    }

    /// The items of the bar that are for this person.
    pub(crate) fn bar(&self) -> Vec<(Here, &'static str, &'static str)> {
        let who = self.who.as_ref();
        let offered = |here: Here| match here {
            Here::Access => who.is_some_and(|who| who.oversees),
            Here::Settings => who.is_some_and(|who| who.administers),
            _ => true,
        };
        let items = Here::BAR.into_iter();
        items.filter(|(here, ..)| offered(*here)).collect()
    }
}

/// The items of the bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Here {
    Now,
    Patients,
    Access,
    Lifeline,
    Record,
    Flow,
    Settings,
    Nowhere,
}

impl Here {
    /// The items in order, with where they lead.
    pub(crate) const BAR: [(Here, &'static str, &'static str); 7] = [
        (Here::Now, "Now", "/now"),
        (Here::Patients, "Patients", "/patients"),
        (Here::Access, "Access", "/access"),
        (Here::Lifeline, "Lifeline", "/lifeline"),
        (Here::Record, "Record", "/record"),
        (Here::Flow, "Flow", "/flow"),
        (Here::Settings, "Settings", "/settings/people"),
    ];
}

/// Who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub name: String,
    pub role: &'static str,
    pub administers: bool,
    pub oversees: bool,
    pub csrf: String,
}

impl Who {
    pub(crate) fn initials(&self) -> String {
        words::initials(&self.name)
    }
}

/// How old what a page shows is.
#[derive(Debug, Clone)]
pub(crate) struct Fresh {
    /// When the page was made.
    pub at: Stamp,
    /// The zone in which all times of the page are written.
    pub zone: String,
    /// Sealed events that what is shown does not contain yet.
    pub behind: u64,
}

impl Fresh {
    pub(crate) fn words(&self) -> String {
        match self.behind {
            0 => "everything sealed so far is in it".to_owned(),
            1 => "1 sealed event is not in it yet".to_owned(),
            many => format!("{} sealed events are not in it yet", words::thousands(many)),
        }
    }
}

/// How something stands. The shape and the word say it; the color only repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Evidence that all is well.
    Good,
    /// Somebody should look.
    Warn,
    /// Something is wrong.
    Bad,
    /// No evidence either way. Never shown as good.
    Unknown,
}

impl Tone {
    /// The style class.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Warn => "warn",
            Tone::Bad => "bad",
            Tone::Unknown => "unknown",
        }
    }

    /// The shape: a check, a triangle, a diamond, a dashed ring.
    pub(crate) const fn icon(self) -> &'static str {
        match self {
            Tone::Good => {
                r#"<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M8 1a7 7 0 1 0 .01 0M4.5 8.2l2.4 2.4 4.6-5"/></svg>"#
            }
            Tone::Warn => {
                r#"<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M8 1.5L15 14H1zM8 6v4M8 11.6v.9"/></svg>"#
            }
            Tone::Bad => {
                r#"<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M8 .8L15.2 8 8 15.2.8 8zM8 4.4v4.4M8 10.6v.9"/></svg>"#
            }
            Tone::Unknown => {
                r#"<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="6.6" stroke-dasharray="3 2.2"/></svg>"#
            }
        }
    }
}

/// The proof behind one thing on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The event that says it.
    pub index: u64,
    /// What re-reading that event from disk found.
    pub check: Check,
}

/// What re-reading an event from disk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    /// Row, entry, tile and signature agree.
    Verified,
    /// They don't; what is wrong, in words.
    Altered(String),
    /// It was not re-read for this page.
    Unchecked,
    /// It stands in a ward pack, from where nothing leads back to the record.
    Carried,
}

impl Mark {
    pub(crate) const fn tone(&self) -> Tone {
        match self.check {
            Check::Verified => Tone::Good,
            Check::Altered(_) => Tone::Bad,
            Check::Unchecked | Check::Carried => Tone::Unknown,
        }
    }

    pub(crate) const fn word(&self) -> &'static str {
        match self.check {
            Check::Verified => "verified",
            Check::Altered(_) => "altered",
            Check::Unchecked => "sealed, not re-read",
            Check::Carried => "sealed",
        }
    }

    /// Whether it stands where nothing leads to the record.
    pub(crate) fn is_carried(&self) -> bool {
        self.check == Check::Carried
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use event::Time;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::pages::words::Eye;

    pub(crate) fn eye() -> Eye {
        Eye {
            now: Time::from_millis(1_795_269_802_000),
            zone: TimeZone::UTC,
        }
    }

    /// `minutes` before the sample moment.
    pub(crate) fn ago(minutes: i64) -> Stamp {
        let eye = eye();
        Stamp::new(eye.now.plus_millis(-minutes * 60_000 - 7_000), &eye)
    }

    pub(crate) fn shell(title: &str, here: Here) -> Shell {
        Shell {
            title: title.into(),
            here,
            who: Some(Who {
                name: "Anna Keller".into(),
                role: "nurse",
                administers: false,
                oversees: false,
                csrf: "q0aZ7sampletoken".into(),
            }),
            fresh: Some(Fresh {
                at: Stamp::new(eye().now, &eye()),
                zone: "UTC".into(),
                behind: 0,
            }),
            standby: None,
            done: None,
            notices: Vec::new(),
            live: None,
            version: 0,
            glass: Vec::new(),
        }
    }

    pub(crate) fn administrator(title: &str, here: Here) -> Shell {
        let mut shell = shell(title, here);
        shell.who = Some(Who {
            name: "Tomás <Órtiz>".into(),
            role: "administrator",
            administers: true,
            oversees: true,
            csrf: "q0aZ7sampletoken".into(),
        });
        shell
    }

    pub(crate) fn outside(title: &str) -> Shell {
        let mut shell = shell(title, Here::Nowhere);
        shell.who = None;
        shell.fresh = None;
        shell
    }

    pub(crate) fn mark(index: u64) -> Mark {
        Mark {
            index,
            check: Check::Verified,
        }
    }
}
