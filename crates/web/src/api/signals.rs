//! `POST /signals/{feed}`: lines of machines, one JSON object or another line each, over HTTPS. The
//! answer comes after the commit; what was refused is sealed nowhere.

mod fault;
mod repeats;

pub use repeats::Repeats;

use std::io::Read as _;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body as HttpBody, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use event::{Act, Actor, Body, Event, Signals, Subject, Time};
use flate2::read::MultiGzDecoder;
use guard::{Admitted, Grant, Standing, admit};
use jiff::tz::TimeZone;
use serde_json::json;
use tokio::sync::Semaphore;
use wire::signals::{Cut, Format, Line, Tally};

use crate::App;
use crate::caller::address;
use fault::{Fault, RETRY_SECONDS};
use repeats::Before;

/// The scope of a client that may send lines.
pub const SCOPE: &str = "system/signals";

/// The header with which a client says that a request is the same one, sent again.
const KEY: &str = "idempotency-key";
const KEY_BYTES_MAX: usize = 255;

/// The feeds that come over HTTPS, and what one request may hold.
pub struct Feeds {
    /// Who may send what.
    pub feeds: Vec<Feed>,
    /// Bytes of one request, as they come.
    pub body_bytes_max: usize,
    /// Bytes of one request once it is unpacked.
    pub unpacked_bytes_max: usize,
    /// Bytes in one line; a longer one is kept in pieces.
    pub line_bytes_max: usize,
    /// Bytes of lines in one batch; one line may be larger.
    pub batch_bytes_max: usize,
    /// Requests that are read at the same time.
    pub room: Arc<Semaphore>,
    /// What was answered to requests with an `Idempotency-Key`.
    pub repeats: Arc<Repeats>,
}

impl Default for Feeds {
    fn default() -> Feeds {
        Feeds {
            feeds: Vec::new(),
            body_bytes_max: 16 << 20,
            unpacked_bytes_max: 32 << 20,
            line_bytes_max: 64 << 10,
            batch_bytes_max: 1 << 20,
            room: Arc::new(Semaphore::new(8)),
            repeats: Arc::new(Repeats::of(10_000)),
        }
    }
}

/// Bytes that are read of a body that is refused for who sends it.
const REFUSED_BYTES_READ: usize = 64 << 10;

/// A source of lines.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Its name, in the record and on the Flow page.
    pub name: String,
    /// How its lines are read.
    pub format: Format,
    /// The zone of its times without an offset.
    pub zone: TimeZone,
    /// The client that may send in its name.
    pub client: String,
}

/// The endpoint.
pub(crate) fn mounted() -> Router<Arc<App>> {
    Router::new().route("/signals/{feed}", post(take))
}

async fn take(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let (parts, body) = request.into_parts();
    let feed = match allowed(&app, &parts.headers, &name) {
        Ok(feed) => feed,
        Err(refused) => {
            // Who still writes when the connection ends never sees the answer.
            drop(whole(body, REFUSED_BYTES_READ).await);
            return Err(refused);
        }
    };
    let room = Arc::clone(&app.signals.room).try_acquire_owned();
    let room = room.map_err(|_| Fault::TooFast(RETRY_SECONDS))?;
    let packed = packed(&parts.headers)?;
    let key = key(&parts.headers)?;
    let bytes = whole(body, app.signals.body_bytes_max).await?;
    let place = match key.map(|key| app.signals.repeats.begin((&feed.name, &key), &bytes)) {
        None => None,
        Some(Before::New(place)) => Some(place),
        Some(Before::Answered(told)) => return Ok(answered(told)),
        Some(Before::Going) => return Err(Fault::TooFast(RETRY_SECONDS)),
        Some(Before::Another) => return Err(Fault::Reused),
    };
    let from = address(&parts.extensions);
    // It goes on though nobody waits for the answer any more: what is sealed is remembered as that.
    let work = tokio::spawn(async move {
        let told = sealed(&app, (feed, packed, from), bytes).await?;
        if let Some(place) = place {
            place.answer(told.clone());
        }
        drop(room);
        Ok(answered(told))
    });
    work.await.map_err(|_| Fault::Broken)?
}

fn answered(told: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], told).into_response()
}

/// Seals the lines of a body; what is answered then.
async fn sealed(
    app: &Arc<App>,
    (feed, packed, from): (Feed, bool, Option<String>),
    bytes: Vec<u8>,
) -> Result<String, Fault> {
    let now = app.clock.now();
    let (work, sender) = (Arc::clone(app), from.clone());
    let batches = tokio::task::spawn_blocking(move || {
        let bytes = match packed {
            true => unpacked(&bytes, work.signals.unpacked_bytes_max)?,
            false => bytes,
        };
        tallies(&bytes, (&feed, now, sender.as_deref()), &work.signals)
            .map(|tallies| (feed, tallies))
    });
    let (feed, tallies) = batches.await.map_err(|_| Fault::Broken)??;
    let (lines, unread) = tallies.iter().fold((0, 0), |(lines, unread), one| {
        (lines + one.lines, unread + one.unread)
    });
    let admitted: Option<Vec<Admitted>> = tallies
        .into_iter()
        .map(|tally| admitted(&feed, tally, (now, from.clone())))
        .collect();
    let sealed = app.record.admit(admitted.ok_or(Fault::Broken)?).await;
    let receipts = sealed.map_err(|why| {
        tracing::error!(%why, feed = feed.name, lines, "lines were not sealed");
        match why {
            record::Error::TooLarge { .. } => Fault::TooLarge("event_bytes_max"),
            _ => Fault::Broken,
        }
    })?;
    let events: Vec<u64> = receipts.iter().map(|receipt| receipt.index).collect();
    Ok(json!({"lines": lines, "not_understood": unread, "events": events}).to_string())
}

/// By what a request that is sent again is known.
fn key(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Fault> {
    let Some(key) = headers.get(KEY) else {
        return Ok(None);
    };
    match (1..=KEY_BYTES_MAX).contains(&key.len()) {
        true => Ok(Some(key.as_bytes().to_vec())),
        false => Err(Fault::Malformed("`Idempotency-Key` has 1 to 255 bytes")),
    }
}

/// The feed that a request may send for.
fn allowed(app: &App, headers: &HeaderMap, name: &str) -> Result<Feed, Fault> {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|said| said.to_str().ok());
    let token = token.and_then(|said| said.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let identity = token.and_then(|(_, token)| app.staff.client(token.trim()));
    let identity = identity.ok_or(Fault::Unknown)?;
    let client = &identity.actor.id;
    app.paced(client)
        .map_err(|fast| Fault::TooFast(fast.seconds))?;
    if !identity.scopes.iter().any(|scope| scope == SCOPE) {
        return Err(Fault::Forbidden);
    }
    let feed = app.signals.feeds.iter().find(|feed| feed.name == name);
    let feed = feed.ok_or(Fault::Missing)?;
    match feed.client == *client {
        true => Ok(feed.clone()),
        false => Err(Fault::Forbidden),
    }
}

/// Whether the body is packed.
fn packed(headers: &HeaderMap) -> Result<bool, Fault> {
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Ok(false),
        Some(encoding) if encoding.eq_ignore_ascii_case(b"gzip") => Ok(true),
        Some(_) => Err(Fault::Encoding),
    }
}

async fn whole(body: HttpBody, bytes_max: usize) -> Result<Vec<u8>, Fault> {
    match to_bytes(body, bytes_max).await {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(why) if too_long(&why) => Err(Fault::TooLarge("body_bytes_max")),
        Err(_) => Err(Fault::Malformed("the body did not come whole")),
    }
}

fn too_long(why: &axum::Error) -> bool {
    let mut cause = std::error::Error::source(why);
    while let Some(why) = cause {
        if why.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = why.source();
    }
    false
}

fn unpacked(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut out = Vec::new();
    let mut unpacking = MultiGzDecoder::new(bytes).take(most.saturating_add(1));
    let read = unpacking.read_to_end(&mut out);
    if out.len() > bytes_max {
        return Err(Fault::TooLarge("unpacked_bytes_max"));
    }
    read.map(|_| out)
        .map_err(|_| Fault::Malformed("the body is no gzip"))
}

/// The lines of a body in batches.
fn tallies(
    bytes: &[u8],
    (feed, now, from): (&Feed, Time, Option<&str>),
    limits: &Feeds,
) -> Result<Vec<Tally>, Fault> {
    let line_bytes_max = limits.line_bytes_max.max(1);
    let (mut all, mut taken) = (Vec::new(), 0_usize);
    let mut tally = Tally::new(feed.format, feed.zone.clone());
    let lines = bytes.split(|byte| *byte == b'\n');
    for line in lines.filter(|line| !line.is_empty()) {
        let cut = match line.len() <= line_bytes_max {
            true => Cut::Whole,
            false => Cut::Piece,
        };
        for piece in line.chunks(line_bytes_max) {
            let piece = Line {
                at: now.millis(),
                source: from.unwrap_or("-"),
                bytes: piece,
            };
            // Each line has a head of its own: many short ones become more than they were.
            let before = tally.batch.len();
            tally.add(piece, cut);
            taken = taken.saturating_add(tally.batch.len().saturating_sub(before));
            if taken > limits.unpacked_bytes_max {
                return Err(Fault::TooLarge("unpacked_bytes_max"));
            }
            if tally.batch.len() >= limits.batch_bytes_max {
                let empty = Tally::new(feed.format, feed.zone.clone());
                all.push(std::mem::replace(&mut tally, empty));
            }
        }
    }
    if tally.lines > 0 {
        all.push(tally);
    }
    match all.is_empty() {
        true => Err(Fault::Malformed("there is no line in the body")),
        false => Ok(all),
    }
}

fn admitted(feed: &Feed, tally: Tally, (now, from): (Time, Option<String>)) -> Option<Admitted> {
    let body = Body::Signals(Signals {
        feed: feed.name.clone(),
        format: feed.format.word().to_owned(),
        lines: tally.lines,
        first: now,
        last: now,
        unread: tally.unread,
        cut: tally.cut,
        kinds: tally.kinds(),
        reason: tally.reason,
        ..Signals::default()
    });
    let grant = Grant {
        feed: feed.name.clone(),
        messages: Vec::new(),
        facilities: Vec::new(),
    };
    let subject = Subject::Feed(feed.name.clone());
    let claim = Event::new(Actor::feed(&feed.name), Act::Send, subject, body);
    let claim = claim.from_address(from).with_raw(tally.batch);
    admit(claim.into(), Standing::Feed(&grant), "").ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn feed() -> Feed {
        Feed {
            name: "edr".into(),
            format: Format::Json,
            zone: TimeZone::UTC,
            client: "collector".into(),
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packing = GzEncoder::new(Vec::new(), Compression::best());
        packing.write_all(bytes).unwrap();
        packing.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked() {
        let bomb = gzip(&vec![b'x'; 1 << 20]);
        assert!(bomb.len() < 4_096);
        assert_eq!(
            unpacked(&bomb, 1_000),
            Err(Fault::TooLarge("unpacked_bytes_max"))
        );
        assert_eq!(unpacked(&bomb, 1 << 20).unwrap().len(), 1 << 20);
        assert!(matches!(unpacked(b"{}\n", 1_000), Err(Fault::Malformed(_))));
        let cut = bomb.get(..bomb.len() / 2).unwrap();
        assert!(matches!(unpacked(cut, 1 << 20), Err(Fault::Malformed(_))));
    }

    #[test]
    fn a_body_is_lines_in_batches_and_a_long_line_is_pieces() {
        let limits = Feeds {
            line_bytes_max: 8,
            batch_bytes_max: 60,
            ..Feeds::default()
        };
        let body = b"{\"a\":1}\n\nno JSON\r\n{\"a\":\"0123456789\"}";
        let with = (&feed(), Time::from_millis(7), Some("10.0.0.7"));
        let all = tallies(body, with, &limits).unwrap();
        let lines: Vec<&[u8]> = all
            .iter()
            .flat_map(|tally| wire::signals::lines(&tally.batch).map(|line| line.bytes))
            .collect();
        let wanted: [&[u8]; 5] = [
            b"{\"a\":1}",
            b"no JSON\r",
            b"{\"a\":\"01",
            b"23456789",
            b"\"}",
        ];
        assert_eq!(lines, wanted);
        assert!(all.len() > 1);
        let sum = |count: fn(&Tally) -> u64| all.iter().map(count).sum::<u64>();
        assert_eq!((sum(|one| one.unread), sum(|one| one.cut)), (1, 3));
        assert!(tallies(b"\n\n", with, &limits).is_err());
    }
}
