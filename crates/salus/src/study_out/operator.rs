//! The same, as the operator of the machine asks for it, here or of a running server: each object is a line of JSON,
//! and behind it its bytes.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::{Left, Told, Wanted};
use crate::assemble::House;
use crate::local::{Operator, streamed};

/// Bytes of a line, at most.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Objects that leave.
pub(crate) enum Objects {
    Here(mpsc::Receiver<Left>),
    There(Pieces),
}

/// A body as it comes.
pub(crate) struct Pieces {
    body: Incoming,
    come: Vec<u8>,
}

impl Operator {
    /// The objects of a study, without whose they are.
    pub(crate) async fn study_out(&self, wanted: Wanted) -> Result<Objects> {
        match self {
            Operator::Here(house) => Ok(Objects::Here(house.study_out(wanted).await?)),
            Operator::There(socket) => {
                let wanted = serde_json::to_vec(&wanted)?;
                let body = streamed(socket, "/deidentify", &wanted).await?;
                Ok(Objects::There(Pieces {
                    body,
                    come: Vec::new(),
                }))
            }
        }
    }
}

impl Objects {
    /// The next one; `None`: that were all.
    pub(crate) async fn next(&mut self) -> Result<Option<Left>> {
        let next = match self {
            Objects::Here(all) => all.recv().await.context("it broke off")?,
            Objects::There(pieces) => pieces.next().await?,
        };
        match next.0 {
            Told { end: Some(_), .. } => Ok(None),
            Told {
                event: 0,
                refused: Some(why),
                ..
            } => bail!("{why}"),
            _ => Ok(Some(next)),
        }
    }
}

impl Pieces {
    async fn next(&mut self) -> Result<Left> {
        let end = loop {
            if let Some(end) = self.come.iter().position(|byte| *byte == b'\n') {
                break end;
            }
            if self.come.len() > LINE_BYTES_MAX {
                bail!("what the server says is too long");
            }
            self.more().await?;
        };
        let line = self.first(end + 1);
        let told: Told = serde_json::from_slice(&line)?;
        let bytes = usize::try_from(told.bytes)?;
        while self.come.len() < bytes {
            self.more().await?;
        }
        Ok((told, self.first(bytes)))
    }

    /// The first so many bytes of what came.
    fn first(&mut self, bytes: usize) -> Vec<u8> {
        let rest = self.come.split_off(bytes.min(self.come.len()));
        std::mem::replace(&mut self.come, rest)
    }

    async fn more(&mut self) -> Result<()> {
        let frame = self.body.frame().await.context("the server broke off")?;
        if let Ok(bytes) = frame?.into_data() {
            self.come.extend_from_slice(&bytes);
        }
        Ok(())
    }
}

/// The door for it.
pub(crate) fn mounted() -> Router<Arc<House>> {
    Router::new().route("/deidentify", post(out))
}

async fn out(State(house): State<Arc<House>>, Json(wanted): Json<Wanted>) -> Response {
    match Box::pin(house.study_out(wanted)).await {
        Ok(objects) => Body::from_stream(lines(objects)).into_response(),
        Err(why) => (StatusCode::CONFLICT, format!("{why:#}")).into_response(),
    }
}

fn lines(objects: mpsc::Receiver<Left>) -> impl futures_util::Stream<Item = Result<Bytes>> {
    futures_util::stream::unfold(objects, |mut objects| async {
        let (told, file) = objects.recv().await?;
        let line = serde_json::to_vec(&told).map(|mut line| {
            line.push(b'\n');
            line.extend_from_slice(&file);
            Bytes::from(line)
        });
        Some((line.map_err(Into::into), objects))
    })
}
