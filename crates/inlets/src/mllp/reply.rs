//! The answer to one message, to be written once its fate is known.

use std::sync::Arc;

use record::Receipt;
use wire::hl7::Complaint;
use wire::hl7::ack::{self, Stamp, Verdict};
use wire::mllp::wrap_into;

use super::Feed;
use super::arrival::parse_for;

/// What will be answered if the record takes it.
#[derive(Debug)]
pub(crate) struct Reply {
    /// MSH of what is answered; empty: none was readable.
    pub(crate) head: Vec<u8>,
    /// Whose message it is, for its character set.
    pub(crate) feed: Arc<Feed>,
    pub(crate) verdict: Verdict,
    pub(crate) complaint: Option<Complaint>,
}

impl Reply {
    /// Writes the answer to what was sealed. The receipt of a repeated delivery is that of the
    /// first one, so the answer is the same, byte for byte.
    pub(crate) fn sealed(&self, out: &mut Vec<u8>, receipt: &Receipt) {
        let control = receipt.index.to_string();
        let stamp = Stamp {
            control: &control,
            millis: receipt.at.millis(),
        };
        let answers = self.answers(self.verdict, &stamp, self.complaint.as_ref());
        answers.iter().for_each(|answer| wrap_into(out, answer));
    }

    /// Writes the answer to what could not be sealed.
    pub(crate) fn failed(&self, out: &mut Vec<u8>, millis: i64, failure: &Failure) {
        let control = format!("E{millis}");
        let stamp = Stamp {
            control: &control,
            millis,
        };
        let answers = self.answers(failure.verdict, &stamp, Some(&failure.complaint));
        answers.iter().for_each(|answer| wrap_into(out, answer));
    }

    fn answers(
        &self,
        verdict: Verdict,
        stamp: &Stamp<'_>,
        complaint: Option<&Complaint>,
    ) -> Vec<Vec<u8>> {
        let parsed = parse_for(&self.head, &self.feed);
        ack::answers(&parsed.message, verdict, stamp, complaint)
    }
}

/// Why nothing was sealed, in the sender's terms.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) verdict: Verdict,
    pub(crate) complaint: Complaint,
}
