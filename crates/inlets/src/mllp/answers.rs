//! Queries: what is asked of the chart over MLLP, and who answers it.

use std::sync::Arc;

use async_trait::async_trait;
use wire::hl7::Message;
use wire::hl7::ack::{self, Stamp};
use wire::mllp::wrap_into;
use wire::v2::query::{self, Found, Query};

use super::Feed;
use super::arrival::parse_for;

/// Who answers queries: it asks the guard first, and seals what was decided and whom it showed.
#[async_trait]
pub trait Answers: Send + Sync + 'static {
    /// What there is to say to a query; what may not be asked is an answer too.
    async fn answer(&self, asked: Asked<'_>) -> Found;
}

/// A query that was sealed.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who asks.
    pub feed: &'a Feed,
    /// What is asked.
    pub query: &'a Query,
    /// Patients that may be named, at most.
    pub patients_max: usize,
}

/// A query, with its bytes: its answer repeats some of them.
pub(crate) struct Inquiry {
    raw: Vec<u8>,
    feed: Arc<Feed>,
    query: Query,
}

impl Inquiry {
    /// The query that a message is, if it is one.
    pub(crate) fn of(message: &Message<'_>, raw: &[u8], feed: &Arc<Feed>) -> Option<Inquiry> {
        let query = query::query(message, &feed.authority)?;
        Some(Inquiry {
            raw: raw.to_vec(),
            feed: Arc::clone(feed),
            query,
        })
    }

    /// Asks, and writes the answer behind the acknowledgement, if one is wanted.
    pub(crate) async fn answer(
        &self,
        (answers, patients_max): (Option<&Arc<dyn Answers>>, usize),
        stamp: &Stamp<'_>,
        out: &mut Vec<u8>,
    ) {
        let found = self.found(answers, patients_max).await;
        let parsed = parse_for(&self.raw, &self.feed);
        if let Some(commit) = ack::commit(&parsed.message, stamp) {
            wrap_into(out, &commit);
        }
        let answer = query::respond(&parsed.message, &self.query, stamp, &found);
        wrap_into(out, &answer);
    }

    async fn found(&self, answers: Option<&Arc<dyn Answers>>, patients_max: usize) -> Found {
        if let Some(why) = &self.query.fault {
            return Found::Refused(why.clone());
        }
        let Some(answers) = answers.filter(|_| !self.feed.queries.is_empty()) else {
            let feed = self.feed.name();
            return Found::Refused(format!(
                "`{feed}` may ask nothing: its feed has no `queries`"
            ));
        };
        let asked = Asked {
            feed: &self.feed,
            query: &self.query,
            patients_max,
        };
        answers.answer(asked).await
    }
}
