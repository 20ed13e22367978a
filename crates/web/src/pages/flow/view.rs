use askama::Template;

use super::imports::ImportRow;
use super::routes::RouteRow;
use super::subscribers::SubscriberRow;
use crate::pages::picture::Bars;
use crate::pages::shell::{Shell, Tone};
use crate::pages::words::Stamp;

/// Is every feed flowing?
#[derive(Template)]
#[template(path = "flow.html")]
pub(crate) struct FlowPage {
    pub shell: Shell,
    pub answer: String,
    pub tone: Tone,
    pub feeds: Vec<FeedRow>,
    /// Kept, not mapped.
    pub kept: Vec<MessageRow>,
    /// Not understood.
    pub quarantined: Vec<MessageRow>,
    /// What is passed on.
    pub routes: Vec<RouteRow>,
    /// Who asked to be told, for those who oversee feeds.
    pub subscribers: Vec<SubscriberRow>,
    /// What is imported, for those who oversee feeds.
    pub imports: Vec<ImportRow>,
    /// The audit trail's way out, for those who oversee it.
    pub outlet: Option<crate::pages::access::view::Outlet>,
    /// Whether images can be fetched from a PACS, for those who oversee feeds.
    pub fetches: bool,
    /// Whether this person may look at messages.
    pub may_open: bool,
}

/// One feed.
pub(crate) struct FeedRow {
    pub name: String,
    pub tone: Tone,
    pub state: String,
    pub last: Stamp,
    /// What silence is usual, in words.
    pub usual: String,
    /// Messages a minute.
    pub pace: String,
    pub messages: String,
    pub kept: String,
    pub unread: String,
    pub odd: String,
    pub reused: String,
    /// What is told of lines of machines; `None`: it sends messages.
    pub lines: Option<LinesOf>,
    pub rate: Option<Bars>,
}

/// What is told of a feed of machines.
pub(crate) struct LinesOf {
    /// How its lines are read.
    pub format: String,
    /// Lines that were not kept.
    pub dropped: String,
    /// Pieces of longer lines.
    pub cut: String,
    /// The kinds of its lines and how many of each, in words; empty: none is known.
    pub kinds: String,
}

/// One message without its body.
pub(crate) struct MessageRow {
    pub index: u64,
    pub feed: String,
    pub kind: String,
    pub why: String,
    /// How old, or how many.
    pub said: String,
}

/// What does this message say?
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage {
    pub shell: Shell,
    pub index: u64,
    pub at: Stamp,
    /// What is known of it without opening it, as (label, value).
    pub facts: Vec<(&'static str, String)>,
    pub complaints: Vec<String>,
    pub bytes: String,
    /// The body, once a reason is sealed; one line a segment.
    pub opened: Option<Opened>,
    pub reason: String,
    pub wrong: Option<String>,
}

/// A message's body, shown for a sealed reason.
pub(crate) struct Opened {
    pub segments: Vec<Segment>,
    pub decision: u64,
    pub reason: String,
    /// What was left out or replaced to show it, in words.
    pub note: String,
}

/// A segment: its name and the rest of the line.
pub(crate) struct Segment {
    pub name: String,
    pub rest: String,
}

#[cfg(test)]
impl crate::pages::Samples for FlowPage {
    fn samples() -> Vec<FlowPage> {
        vec![samples::busy(), samples::empty()]
    }
}

#[cfg(test)]
impl crate::pages::Samples for MessagePage {
    fn samples() -> Vec<MessagePage> {
        vec![samples::masked(), samples::opened()]
    }
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::pages::shell::Here;
    use crate::pages::shell::samples::{ago, shell};

    fn feed(name: &str, tone: Tone, state: &str, minutes: i64) -> FeedRow {
        let hours: Vec<(String, u64)> = (0..24)
            .map(|hour: u64| (format!("{hour:02}:00"), (hour * 53) % 190))
            .collect();
        FeedRow {
            name: name.into(),
            tone,
            state: state.into(),
            last: ago(minutes),
            usual: "12 min at most at this hour of the week (8 weeks seen)".into(),
            pace: "2.4".into(),
            messages: "12,004".into(),
            kept: "31".into(),
            unread: if tone == Tone::Good { "0" } else { "3" }.into(),
            odd: "1".into(),
            reused: "0".into(),
            lines: None,
            rate: Bars::of(&hours, "messages"),
        }
    }

    fn machine(name: &str) -> FeedRow {
        FeedRow {
            lines: Some(LinesOf {
                format: "suricata".into(),
                dropped: "12".into(),
                cut: "1".into(),
                kinds: "flow 9,120, dns 2,001, alert<b> 3".into(),
            }),
            ..feed(name, Tone::Good, "flowing", 0)
        }
    }

    fn row(index: u64, kind: &str, why: &str, minutes: i64) -> MessageRow {
        MessageRow {
            index,
            feed: "lab".into(),
            kind: kind.into(),
            why: why.into(),
            said: format!("{} ago", ago(minutes).age),
        }
    }

    pub(super) fn busy() -> FlowPage {
        let mut shell = shell("Flow", Here::Flow);
        shell.live = Some(5);
        FlowPage {
            shell,
            answer: "2 of 3 feeds flowing; “radiology” is silent.".into(),
            tone: Tone::Warn,
            feeds: vec![
                feed("adt", Tone::Good, "flowing", 0),
                feed("lab", Tone::Good, "flowing", 1),
                feed("radiology", Tone::Warn, "silent", 185),
                machine("ids"),
            ],
            kept: vec![
                row(812, "SIU^S23", "Salus does not map it to a chart", 40),
                row(790, "CRM^C01", "Salus does not map it to a chart", 61),
            ],
            quarantined: vec![row(4_112, "", "there is no “MSH” segment", 190)],
            routes: crate::pages::flow::routes::samples::rows(),
            subscribers: crate::pages::flow::subscribers::samples::rows(),
            imports: crate::pages::flow::imports::samples::rows(),
            outlet: None,
            fetches: true,
            may_open: true,
        }
    }

    pub(super) fn empty() -> FlowPage {
        FlowPage {
            shell: shell("Flow", Here::Flow),
            answer: "There is no evidence yet: no feed has sent anything.".into(),
            tone: Tone::Unknown,
            feeds: Vec::new(),
            kept: Vec::new(),
            quarantined: Vec::new(),
            routes: Vec::new(),
            subscribers: Vec::new(),
            imports: Vec::new(),
            outlet: None,
            fetches: false,
            may_open: false,
        }
    }

    pub(super) fn masked() -> MessagePage {
        MessagePage {
            shell: shell("Message 4,112", Here::Flow),
            index: 4_112,
            at: ago(190),
            facts: vec![
                ("Feed", "lab".into()),
                ("Kind", "ORU^R01".into()),
                ("Message id", "MSG<00001>".into()),
                ("On the chart", "yes".into()),
            ],
            complaints: vec!["“OBX-5” of type “NM” is not a number: “<5”".into()],
            bytes: "1,204".into(),
            opened: None,
            reason: String::new(),
            wrong: Some("Type why you need to read this message: at least 8 letters.".into()),
        }
    }

    pub(super) fn opened() -> MessagePage {
        let mut page = masked();
        page.wrong = None;
        page.opened = Some(Opened {
            segments: vec![
                Segment {
                    name: "MSH".into(),
                    rest: "|^~\\&|LAB|LABOR|SALUS|HOSP|20261121140302||ORU^R01|MSG00001|P|2.5.1"
                        .into(),
                },
                Segment {
                    name: "PID".into(),
                    rest: "|1||12345^^^HOSP^MR||MÜLLER^<script>alert(1)</script>^^^||19500412|F"
                        .into(),
                },
                Segment {
                    name: "OBX".into(),
                    rest: "|1|NM|2823-3^Potassium^LN||6.2|mmol/L|3.5-5.1|HH|||F".into(),
                },
            ],
            decision: 48_222,
            reason: "the ward asks why potassium is missing".into(),
            note: "Shown as UTF-8; line ends are shown as new lines.".into(),
        });
        page
    }
}
