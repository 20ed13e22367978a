//! An image of another patient than its study: it is on no chart, and the feed it came by is told so.

use event::{Act, Actor, Arrival, Body, Event, Resend, Subject, Unread};

use super::step::Origin;

/// An image that says it is of another patient than its study.
#[derive(Debug)]
pub(super) struct Stray {
    feed: String,
    /// The id of the study's resource.
    study: String,
    /// The event that brought the image.
    event: u64,
}

impl Stray {
    /// One that came by a feed; who writes an ImagingStudy by FHIR is answered there.
    pub(super) fn of(from: &Origin, study: String, event: u64) -> Option<Stray> {
        let Origin::Feed(feed) = from else {
            return None;
        };
        let feed = feed.clone();
        Some(Stray { feed, study, event })
    }

    /// What is sealed of it, once for each study: neither patient is named.
    pub(super) fn told(self) -> Arrival {
        let reason = format!(
            "the image of event {} says it is of another patient than its study (ImagingStudy/{}); it is on no chart. \
             Correct the patient where the images come from, and send them again",
            self.event, self.study
        );
        let message = format!("image of another patient {} {}", self.feed, self.study);
        let feed = self.feed;
        let body = Body::Unread(Unread {
            feed: feed.clone(),
            reason,
        });
        Arrival {
            claim: Event::new(Actor::salus(), Act::Audit, Subject::Feed(feed), body),
            resend: Some(Resend {
                sender: "chart".into(),
                message,
            }),
        }
    }
}
