//! What the operator of the machine does to hand out one event.

use anyhow::{Result, bail};
use event::{Act, Subject};
use guard::{Ask, Facts};
use record::{Witnessed, disclosing};
use serde::{Deserialize, Serialize};

use crate::assemble::House;
use crate::operations::operator;

/// An order to hand out one event.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Disclose {
    pub(crate) index: u64,
    pub(crate) reason: String,
}

/// What is handed out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Handed {
    /// The file that anyone can check.
    pub(crate) file: String,
    /// The same on paper: HTML.
    pub(crate) sheet: String,
    /// The index of the sealed decision.
    pub(crate) decision: u64,
}

impl House {
    /// Hands out one event, for a reason that is sealed first.
    pub(crate) async fn disclose(&self, order: &Disclose) -> Result<Handed> {
        let record = &self.app.record;
        let sealed = record.get(order.index).await?;
        let subject = match &sealed.event().subject {
            Subject::Patient(id) => Subject::Patient(id.clone()),
            Subject::Kind(kind) => Subject::Kind(kind.clone()),
            _ => Subject::Record,
        };
        let ask = Ask {
            identity: operator(),
            act: Act::Export,
            subject,
            kinds: Vec::new(),
            purpose: "HOPERAT".into(),
            reason: Some(order.reason.trim().to_owned()),
            detail: disclosing(order.index),
        };
        let decision = self.app.policies.decide(ask, &Facts::default());
        let permit = match record.witness(decision).await? {
            Witnessed::Allowed(permit) => permit,
            Witnessed::Refused(_, decision) => bail!("{}", decision.words().join(" ")),
        };
        record.publish().await?;
        let decision = permit.index();
        let disclosure = record.disclose(permit, order.index).await?;
        let made = (self.config.web.zone.as_str(), self.clock.now());
        let by = (operator().actor.name, decision);
        let key = record.public_key();
        let sheet = web::disclosure_sheet(&disclosure, &key, made, (&by.0, by.1));
        Ok(Handed {
            file: disclosure.to_text(),
            sheet: sheet.map_err(anyhow::Error::msg)?,
            decision,
        })
    }
}
