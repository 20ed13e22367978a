//! One file of an export: decided, looked up, and whom it shows sealed before it leaves.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use chart::{ChartError, Open, PageOf, Stored};
use guard::Identity;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use wire::fhir::Code;
use wire::fhir::search::Subset;

use super::super::answer::{Answer, Streamed};
use super::super::binary;
use super::super::door::Door;
use super::super::fault::Fault;
use super::super::held;
use super::super::search::cut;
use super::job::{Job, State};
use super::prepare::question;
use crate::imaging::Room;
use crate::paced::Paced;
use crate::taking::Answering;

/// Bytes of lines that are sent at a time, at least.
const PIECE_BYTES: usize = 64 << 10;

/// The lines of a file.
///
/// # Errors
/// 403 when the guard refuses by now (a ceiling, a scope that was taken back), 404 for a file that is
/// not there.
pub(super) async fn file(
    door: &Door,
    who: &Identity,
    (job, at): (&Job, usize),
) -> Result<Answer, Fault> {
    let part = match job.state() {
        State::Done(parts) => parts.into_iter().nth(at),
        State::Running(_) | State::Failed(_) => None,
    };
    let part = part.ok_or_else(|| {
        let words = format!("the export `{}` has no file {at}", job.id);
        Fault::new(StatusCode::NOT_FOUND, Code::NotFound, words)
    })?;
    let permit = door.permit(who, question(job, part.kind), None).await?;
    let answering = Answering::with(&permit);
    let open = door.app.chart.open_with(permit);
    let mut list = job.wanted.list(part.kind, part.deleted);
    list.until = part.until;
    let (mut found, mut token) = (Vec::new(), Some(part.after));
    while token.is_some() {
        let of = PageOf {
            count: door.app.settings.page_size_max,
            token: token.take(),
        };
        let page = open.listed(&list, &of).await?;
        found.extend(page.matches);
        token = page.next;
    }
    let mut patients: Vec<String> = found.iter().filter_map(|one| one.patient.clone()).collect();
    patients.sort_unstable();
    patients.dedup();
    answering.seal(&door.app, patients).await?;
    let body = match part.deleted {
        true => gone(&found),
        false => {
            let subset = job
                .wanted
                .subsets
                .get(part.kind)
                .cloned()
                .unwrap_or_default();
            if found.iter().any(|bare| open.brings(bare) > 0) {
                return Ok(streamed(door, open, (found, subset)));
            }
            let bytes = found.iter().map(|stored| stored.json.len() + 1).sum();
            let mut lines = Vec::with_capacity(bytes);
            for stored in found {
                line(&cut(open.stripped(stored), &subset).json, &mut lines);
            }
            lines
        }
    };
    Ok(Answer {
        body: Some(body.into()),
        media: Some("application/fhir+ndjson"),
        ..Answer::default()
    })
}

/// The lines one by one: contents are brought from the vault while the file is sent, so that it never
/// stands in memory as a whole. Each holds its room until it was read.
fn streamed(door: &Door, open: Open, (found, subset): (Vec<Stored>, Subset)) -> Answer {
    let (pieces, made) = mpsc::channel(1);
    let lines = Lines {
        door: door.clone(),
        open,
        found: found.into_iter(),
        subset,
    };
    tokio::spawn(lines.send(pieces));
    let rate = door.app.settings.images_rate();
    Answer {
        stream: Streamed::of(Body::new(Paced::new(made, rate))),
        media: Some("application/fhir+ndjson"),
        ..Answer::default()
    }
}

/// The lines of a file that are not sent yet.
struct Lines {
    door: Door,
    open: Open,
    found: std::vec::IntoIter<Stored>,
    subset: Subset,
}

impl Lines {
    /// Until nobody reads any more.
    async fn send(mut self, pieces: mpsc::Sender<io::Result<Bytes>>) {
        let going = Arc::new(Semaphore::new(1));
        loop {
            // What went before is let go first: an answer does not wait in vain for room that it holds itself.
            let turn = Arc::clone(&going).acquire_owned().await;
            let piece = match self.piece().await {
                Ok(Some((lines, rooms))) => Ok(held::with(lines, (rooms, turn))),
                Ok(None) => return,
                Err(why) => {
                    tracing::error!(?why, "a file of an export was broken off");
                    Err(io::Error::other("a resource cannot be given"))
                }
            };
            let ends = piece.is_err();
            if pieces.send(piece).await.is_err() || ends {
                return;
            }
        }
    }

    /// Some lines, and the room that they hold. Whoever was erased meanwhile has none.
    async fn piece(&mut self) -> Result<Option<(Bytes, Vec<Room>)>, Fault> {
        let (mut lines, mut rooms) = (Vec::new(), Vec::new());
        while lines.len() < PIECE_BYTES {
            let Some(bare) = self.found.next() else {
                break;
            };
            let bytes = self.open.brings(&bare);
            if bytes > 0 {
                rooms.push(binary::room(&self.door, bytes).await?);
            }
            match self.open.whole_if_there(bare).await {
                Ok(stored) => line(&cut(stored, &self.subset).json, &mut lines),
                Err(ChartError::OutsidePermit { .. }) => {}
                Err(why) => return Err(why.into()),
            }
        }
        Ok((!lines.is_empty()).then(|| (lines.into(), rooms)))
    }
}

/// The resource in one line, its digits as they are. A line break in JSON is never within a text.
fn line(json: &[u8], lines: &mut Vec<u8>) {
    let begins = lines.len();
    lines.extend_from_slice(json);
    for byte in lines.iter_mut().skip(begins) {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    lines.push(b'\n');
}

/// A transaction that deletes what was deleted, in one line.
fn gone(found: &[Stored]) -> Vec<u8> {
    let entries: Vec<Value> = found
        .iter()
        .map(|one| json!({ "request": { "method": "DELETE", "url": format!("{}/{}", one.kind, one.id) } }))
        .collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
    format!("{bundle}\n").into_bytes()
}
