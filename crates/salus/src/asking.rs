//! Asking for an export as the operator of the machine: another person has to agree on the console.

use std::time::Duration;

use access::{Export, NoLeave};
use anyhow::{Result, bail};
use event::{Act, Body, Event, ExportAsked, Leaves, Subject};
use guard::{Standing, admit};
use serde::{Deserialize, Serialize};

use crate::assemble::House;

/// How long the list waits for the view to know what was just sealed.
const SETTLE: Duration = Duration::from_secs(60);
/// Requests on the list, the newest first.
const LISTED: usize = 50;
/// The fewest and the most characters of what is to leave, to whom and why.
const LETTERS: std::ops::RangeInclusive<usize> = 3..=300;

/// What is to leave, to whom and why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) what: String,
    pub(crate) recipient: String,
    pub(crate) reason: String,
    /// What leaves, as the commands check it.
    pub(crate) leaves: Leaves,
}

/// One request, as it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// What names it: the index at which it is sealed.
    pub(crate) number: u64,
    /// When it was asked for.
    pub(crate) at: String,
    /// Who asked.
    pub(crate) asker: String,
    pub(crate) what: String,
    pub(crate) recipient: String,
    pub(crate) reason: String,
    /// What leaves, as the commands check it, in words; `None`: it is said in `what` alone.
    pub(crate) leaves: Option<String>,
    /// By which command it leaves, once it may.
    pub(crate) command: Option<String>,
    /// How it stands, in words.
    pub(crate) state: String,
    /// Until when it may leave; `None`: it may not.
    pub(crate) until: Option<String>,
}

impl House {
    /// Asks for an export, sealed; the requests as they stand then.
    pub(crate) async fn ask_for_export(&self, wanted: &Wanted) -> Result<Vec<Asked>> {
        let fields = [
            ("--what", &wanted.what),
            ("--recipient", &wanted.recipient),
            ("--reason", &wanted.reason),
        ];
        for (option, text) in fields {
            if !LETTERS.contains(&text.trim().chars().count()) {
                bail!(
                    "`{option}` must have {} to {} characters",
                    LETTERS.start(),
                    LETTERS.end()
                );
            }
        }
        let reason = Some(wanted.reason.trim().to_owned());
        let decision = self.decide(Act::Export, Subject::Record, reason);
        let body = Body::ExportAsked(ExportAsked {
            what: wanted.what.trim().to_owned(),
            recipient: wanted.recipient.trim().to_owned(),
            reason: wanted.reason.trim().to_owned(),
            leaves: Some(wanted.leaves.clone()),
        });
        let actor = decision.ask().identity.actor.clone();
        let event = Event::new(actor, Act::Export, Subject::Record, body);
        let admitted = admit(event.into(), Standing::Decided(&decision), "");
        let admitted = admitted.map_err(|refused| anyhow::anyhow!(refused.words))?;
        self.app.record.admit(vec![admitted]).await?;
        self.exports().await
    }

    /// The requests for exports, the newest first.
    pub(crate) async fn exports(&self) -> Result<Vec<Asked>> {
        let (access, size) = (&self.app.access, self.app.record.size());
        if !access.caught_up(size, SETTLE).await {
            bail!("the view of accesses is behind the record; try again in a minute");
        }
        let exports = access.exports(LISTED).await?;
        Ok(exports.into_iter().map(|one| self.asked(one)).collect())
    }

    fn asked(&self, export: Export) -> Asked {
        let answerer = export
            .answer
            .as_ref()
            .map(|answer| answer.answerer.1.clone());
        let answerer = answerer.unwrap_or_default();
        let limits = self.app.access.export_limits();
        let (state, until) = match export.clone().leave(&limits, self.clock.now()) {
            Ok(leave) => (format!("{answerer} agreed"), Some(leave.until.to_string())),
            Err(NoLeave::Unanswered | NoLeave::Unknown) => {
                ("waits for another person".to_owned(), None)
            }
            Err(NoLeave::Refused) => (format!("{answerer} refused"), None),
            Err(NoLeave::Lapsed | NoLeave::Other | NoLeave::Unsaid) => ("lapsed".to_owned(), None),
        };
        Asked {
            leaves: export.leaves.as_ref().map(access::words_of),
            command: export.command(),
            number: export.index,
            at: export.at.to_string(),
            asker: export.asker.1,
            what: export.what,
            recipient: export.recipient,
            reason: export.reason,
            state,
            until,
        }
    }
}
