//! Flow: the feeds, what they sent that is on no chart, and one message opened for a reason.

pub(crate) mod body;
pub(crate) mod connect;
pub(crate) mod imports;
pub(crate) mod routes;
pub(crate) mod subscribers;
pub(crate) mod view;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use event::{Act, Body, Event, Subject};
use flow::{Feed, KeptKind, Page, Quarantined, Silence, Usual, WEEKS_MIN};

use crate::error::{Problem, broken};
use crate::pages::access;
use crate::pages::picture::Bars;
use crate::pages::shell::{Here, Tone};
use crate::pages::visit::{Posted, Visit, page, reason};
use crate::pages::words::{self, Eye, Stamp};
use view::{FeedRow, FlowPage, LinesOf, MessagePage, MessageRow, Opened};

/// How often the page fetches itself again, in seconds.
const LIVE_SECONDS: u32 = 5;
/// Messages that each list shows.
const MESSAGES_SHOWN: usize = 50;

/// `GET /flow`
pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let flow = &visit.app.flow;
    let feeds = flow
        .feeds(visit.eye.now)
        .await
        .map_err(|why| broken(&why))?;
    let may_open = visit.oversees().await;
    let (mut kept, mut quarantined) = (Vec::new(), Vec::new());
    let (mut subscribers, mut imports) = (Vec::new(), Vec::new());
    if may_open {
        imports = imports::rows(&visit).await?;
        subscribers = subscribers::rows(&visit).await?;
        kept = flow.kept().await.map_err(|why| broken(&why))?;
        let newest = Page {
            before: None,
            rows: MESSAGES_SHOWN,
        };
        quarantined = flow
            .quarantined(None, newest)
            .await
            .map_err(|why| broken(&why))?
            .rows;
    }
    let routes = routes::rows(&visit, may_open).await?;
    let (tone, answer) = routes::with_routes(answer(&visit, &feeds), &routes);
    let mut shell = visit.shell("Flow", Here::Flow);
    shell.live = Some(LIVE_SECONDS);
    let view = FlowPage {
        shell,
        answer,
        tone,
        feeds: feeds.iter().map(|feed| feed_row(&visit, feed)).collect(),
        kept: kept.into_iter().map(kept_row).collect(),
        quarantined: quarantined
            .into_iter()
            .map(|one| row(&visit, one))
            .collect(),
        routes,
        subscribers,
        imports,
        outlet: access::outlet(&visit).filter(|_| may_open),
        fetches: may_open && !visit.app.pulls.sources().is_empty(),
        may_open,
    };
    page(StatusCode::OK, &view)
}

/// Whether a feed was not heard for longer than usual at this hour of the week; for a fixed time, as
/// long as what is usual is not known.
pub(crate) fn silent(visit: &Visit, feed: &Feed) -> bool {
    match feed.silence() {
        Silence::Longer => true,
        Silence::Usual => false,
        Silence::Unknown => feed.age_ms > visit.app.settings.feed_silent_ms,
    }
}

/// The feeds that are expected to go on. What comes from nobody's address is none.
pub(crate) fn expected(feeds: &[Feed]) -> Vec<&Feed> {
    let sends = |feed: &&Feed| feed.format.is_none() || feed.total.messages > 0;
    feeds.iter().filter(sends).collect()
}

/// How the feeds flow, of which some are silent: never good without evidence of what is usual.
pub(crate) fn tone(feeds: &[&Feed], silent: usize) -> Tone {
    let known = |feed: &&Feed| feed.silence() != Silence::Unknown;
    match silent {
        0 if !feeds.is_empty() && feeds.iter().all(known) => Tone::Good,
        0 => Tone::Unknown,
        _ => Tone::Warn,
    }
}

/// Messages of all feeds by the hour, oldest first, for a picture.
pub(crate) fn hours(eye: &Eye, feeds: &[Feed]) -> Vec<(String, u64)> {
    let mut all = std::collections::BTreeMap::new();
    for hour in feeds.iter().flat_map(|feed| &feed.hours) {
        *all.entry(hour.start).or_insert(0) += hour.messages;
    }
    all.into_iter()
        .map(|(start, messages)| (Stamp::new(start, eye).clock, messages))
        .collect()
}

fn answer(visit: &Visit, feeds: &[Feed]) -> (Tone, String) {
    let feeds = expected(feeds);
    let quiet: Vec<String> = feeds
        .iter()
        .filter(|feed| silent(visit, feed))
        .map(|feed| format!("\u{201c}{}\u{201d}", feed.name))
        .collect();
    match (feeds.len(), quiet.len()) {
        (0, _) => (
            Tone::Unknown,
            "There is no evidence yet: no feed has sent anything.".to_owned(),
        ),
        (all, 0) => {
            let flowing = match all {
                1 => "The feed is flowing.".to_owned(),
                _ => format!("All {all} feeds are flowing."),
            };
            match tone(&feeds, 0) {
                Tone::Good => (Tone::Good, flowing),
                tone => (
                    tone,
                    format!("{flowing} What silence is usual is not known of each yet."),
                ),
            }
        }
        (all, silent) => {
            let are = if silent == 1 { "is" } else { "are" };
            let flowing = all - silent;
            (
                Tone::Warn,
                format!(
                    "{flowing} of {all} feeds flowing; {} {are} silent.",
                    words::list(&quiet)
                ),
            )
        }
    }
}

fn feed_row(visit: &Visit, feed: &Feed) -> FeedRow {
    let (tone, state) = match (silent(visit, feed), feed.silence()) {
        _ if expected(std::slice::from_ref(feed)).is_empty() => (Tone::Warn, "turned away"),
        (true, Silence::Longer) => (Tone::Warn, "silent for longer than usual"),
        (true, _) => (Tone::Warn, "silent"),
        (false, Silence::Unknown) => (Tone::Unknown, "flowing"),
        (false, _) => (Tone::Good, "flowing"),
    };
    let what = if feed.format.is_some() {
        "lines"
    } else {
        "messages"
    };
    FeedRow {
        name: feed.name.clone(),
        tone,
        state: state.to_owned(),
        last: visit.stamp(feed.last),
        usual: usual(visit, feed),
        pace: format!("{:.1}", feed.per_minute()),
        messages: words::thousands(feed.total.messages),
        kept: words::thousands(feed.total.kept),
        unread: words::thousands(feed.total.unread),
        odd: words::thousands(feed.total.odd),
        reused: words::thousands(feed.total.reused),
        lines: lines_of(feed),
        rate: Bars::of(&hours(&visit.eye, std::slice::from_ref(feed)), what),
    }
}

/// What silence is usual at this hour of the week, in words.
fn usual(visit: &Visit, feed: &Feed) -> String {
    match feed.usual {
        Usual::Known {
            longest_ms,
            alarm_ms,
            weeks,
        } => format!(
            "{} at most at this hour of the week ({weeks} weeks seen); more than {} needs somebody \
             to look",
            words::span(longest_ms),
            words::span(alarm_ms)
        ),
        Usual::Unknown { weeks } => format!(
            "not known yet: this hour of the week was seen in {weeks} of {WEEKS_MIN} weeks; until \
             then more than {} needs somebody to look",
            words::span(visit.app.settings.feed_silent_ms)
        ),
    }
}

fn lines_of(feed: &Feed) -> Option<LinesOf> {
    let kinds = feed.kinds.iter();
    let kinds =
        kinds.map(|(kind, lines)| format!("{} {}", words::quoted(kind), words::thousands(*lines)));
    Some(LinesOf {
        format: feed.format.clone()?,
        dropped: words::thousands(feed.total.dropped),
        cut: words::thousands(feed.total.cut),
        kinds: kinds.collect::<Vec<_>>().join(", "),
    })
}

/// Whether the page opens events of this kind.
pub(crate) const fn opens(body: &Body) -> bool {
    matches!(
        body,
        Body::Image(_) | Body::Message(_) | Body::Signals(_) | Body::Unread(_)
    )
}

fn row(visit: &Visit, one: Quarantined) -> MessageRow {
    MessageRow {
        index: one.index,
        feed: one.feed,
        kind: String::new(),
        why: words::quoted(&one.reason),
        said: format!("{} ago", visit.stamp(one.at).age),
    }
}

fn kept_row(one: KeptKind) -> MessageRow {
    MessageRow {
        index: one.last,
        feed: one.feed,
        why: why_on_no_chart(&one.kind).to_owned(),
        kind: one.kind,
        said: words::count(one.messages, "message", "messages"),
    }
}

fn why_on_no_chart(kind: &str) -> &'static str {
    if wire::v2::maps(kind) {
        "They name nobody, or two patients, or lack what they are about; the link opens the last \
         one and says which."
    } else {
        "Salus does not map this kind to a chart yet; the link opens the last one."
    }
}

/// `GET /flow/{index}`
pub(crate) async fn message(visit: Visit, Path(index): Path<String>) -> Result<Response, Problem> {
    let (sealed, feed) = find(&visit, &index).await?;
    visit
        .leave("this message", visit.ask(Act::Read, Subject::Feed(feed)))
        .await?;
    page(StatusCode::OK, &masked(&visit, &sealed))
}

/// `POST /flow/{index}`: the body, for a reason.
pub(crate) async fn open(Path(index): Path<String>, posted: Posted) -> Result<Response, Problem> {
    let visit = posted.visit;
    let (sealed, feed) = find(&visit, &index).await?;
    visit
        .leave("this message", visit.ask(Act::Read, Subject::Feed(feed)))
        .await?;
    let mut view = masked(&visit, &sealed);
    let why = match reason(&posted.fields) {
        Ok(why) => why,
        Err(wrong) => {
            view.reason = posted.fields.get("reason").to_owned();
            view.wrong = Some(wrong);
            return page(StatusCode::BAD_REQUEST, &view);
        }
    };
    let mut ask = visit.ask(Act::ReadMessage, sealed.event().subject.clone());
    ask.purpose = "HOPERAT".to_owned();
    ask.reason = Some(why.clone());
    ask.detail = format!("event {}", sealed.index());
    let permit = visit.permit("the body of this message", ask).await?;
    let (segments, note) = body::shown(sealed.event(), visit.app.settings.message_shown_bytes_max);
    view.opened = Some(Opened {
        segments,
        decision: permit.index(),
        reason: why,
        note,
    });
    page(StatusCode::OK, &view)
}

/// The message at an index, with its feed's name.
async fn find(visit: &Visit, index: &str) -> Result<(::record::Sealed, String), Problem> {
    let missing = || Problem::Missing("message at this address".to_owned());
    let index: u64 = index.parse().map_err(|_| missing())?;
    let sealed = visit.app.record.get(index).await?;
    let feed = match &sealed.event().body {
        Body::Message(message) => message.feed.clone(),
        Body::Unread(unread) => unread.feed.clone(),
        Body::Signals(batch) => batch.feed.clone(),
        Body::Image(image) => image.feed.clone(),
        _ => return Err(missing()),
    };
    Ok((sealed, feed))
}

fn masked(visit: &Visit, sealed: &::record::Sealed) -> MessagePage {
    let event = sealed.event();
    let (facts, complaints) = known(event);
    let index = sealed.index();
    MessagePage {
        shell: visit.shell(&format!("Message {index}"), Here::Flow),
        index,
        at: visit.stamp(sealed.at()),
        facts,
        complaints: complaints.iter().map(|one| words::quoted(one)).collect(),
        bytes: words::thousands(event.raw.len() as u64),
        opened: None,
        reason: String::new(),
        wrong: None,
    }
}

/// What is known of a message without opening it: labels and values, and what was odd.
fn known(event: &Event) -> (Vec<(&'static str, String)>, Vec<String>) {
    match &event.body {
        Body::Message(message) => {
            let facts = vec![
                ("Feed", message.feed.clone()),
                ("Kind", message.kind.clone()),
                ("Message id", message.control.clone()),
                ("On a chart", on_a_chart(message)),
            ];
            (facts, message.complaints.clone())
        }
        Body::Image(image) => {
            let facts = vec![
                ("Feed", image.feed.clone()),
                ("AE title", image.calling.clone()),
                ("Modality", image.modality.clone()),
                ("SOP class", image.class.clone()),
                ("SOP instance", image.instance.clone()),
                ("Transfer syntax", image.syntax.clone()),
                ("Bytes in the vault", words::thousands(image.whole.bytes)),
            ];
            (facts, image.complaints.clone())
        }
        Body::Signals(batch) => {
            let count = |lines: u64| words::thousands(lines);
            let facts = vec![
                ("Feed", batch.feed.clone()),
                ("Format", batch.format.clone()),
                ("Lines", count(batch.lines)),
                ("Not understood", count(batch.unread)),
                ("Pieces of longer lines", count(batch.cut)),
                ("Not kept", count(batch.dropped)),
            ];
            let odd = Some(batch.reason.clone()).filter(|why| !why.is_empty());
            (facts, odd.into_iter().collect())
        }
        Body::Unread(unread) => {
            let facts = vec![
                ("Feed", unread.feed.clone()),
                ("On a chart", "no: it could not be understood".to_owned()),
            ];
            (facts, vec![unread.reason.clone()])
        }
        _ => (Vec::new(), Vec::new()),
    }
}

/// Whether a message reached a chart; if not, why.
fn on_a_chart(message: &event::Message) -> String {
    let kind = message.kind.as_str();
    if message.mapped && kind.starts_with("QBP^") {
        return "no: it is a question, and was answered".to_owned();
    }
    if message.mapped && (kind.starts_with("MFN^") || kind == "ADT^A20") {
        return "no: it is about staff or places, and they were changed".to_owned();
    }
    if message.mapped {
        return "yes".to_owned();
    }
    // What keeps a message off every chart was the last thing that was said of it.
    match message.complaints.last().filter(|_| wire::v2::maps(kind)) {
        Some(why) => format!("no: {}", words::quoted(why)),
        None => "no: kept, not mapped".to_owned(),
    }
}
