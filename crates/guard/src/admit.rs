//! The only way from a claim to an event that the record will take.

use event::{Arrival, Body, Event, Image, Resend};

use crate::Decision;

/// An event the guard vouches for. There is no other way to make one than [`admit`].
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    event: Event,
    resend: Option<Resend>,
}

impl Admitted {
    /// The event.
    pub const fn event(&self) -> &Event {
        &self.event
    }

    /// How a second delivery of the same thing would be recognised.
    pub const fn resend(&self) -> Option<&Resend> {
        self.resend.as_ref()
    }

    /// Both parts, for the record.
    pub fn into_parts(self) -> (Event, Option<Resend>) {
        (self.event, self.resend)
    }
}

/// A decision is the guard's own word: it goes into the record with its reasons.
impl From<&Decision> for Admitted {
    fn from(decision: &Decision) -> Admitted {
        let ask = decision.ask();
        let body = Body::Decision(decision.decided());
        let actor = ask.identity.actor.clone();
        let mut event = Event::new(actor, ask.act, ask.subject.clone(), body);
        event.because = decision.because().to_vec();
        event.from.clone_from(&ask.identity.from);
        Admitted {
            event,
            resend: None,
        }
    }
}

/// On whose word an arrival comes in.
#[derive(Debug, Clone, Copy)]
pub enum Standing<'a> {
    /// Somebody asked the guard, and this is what it said.
    Decided(&'a Decision),
    /// A message feed, with what its certificate or address entitles it to send.
    Feed(&'a Grant),
    /// Salus itself: decisions, sessions, accounts changed by the operator, unread bytes.
    Salus,
}

/// What one feed may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The feed's name.
    pub feed: String,
    /// Message kinds as `ORU^R01`, `ADT^*` or `*`; of a feed of images SOP classes by UID.
    pub messages: Vec<String>,
    /// Sending facilities (MSH-4, first component); empty: any.
    pub facilities: Vec<String>,
}

/// Why an arrival was not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Ids of what refused it.
    pub because: Vec<String>,
    /// In plain language.
    pub words: String,
}

/// Turns a claim into an event, or says why not.
///
/// `facility` is what the sender says it is (MSH-4.1); empty for anything that is not a message.
///
/// # Errors
/// [`Refused`] if the standing does not entitle the arrival.
pub fn admit(
    arrival: Arrival,
    standing: Standing<'_>,
    facility: &str,
) -> Result<Admitted, Refused> {
    let because = match standing {
        Standing::Decided(decision) if decision.allowed() => decision.because().to_vec(),
        Standing::Decided(decision) => {
            return Err(Refused {
                because: decision.because().to_vec(),
                words: decision.words().join(" "),
            });
        }
        Standing::Feed(grant) => by_grant(&arrival, grant, facility)?,
        Standing::Salus => vec!["salus-itself".to_owned()],
    };
    let Arrival { mut claim, resend } = arrival;
    claim.because = because;
    if let Standing::Decided(decision) = standing {
        claim.from.clone_from(&decision.ask().identity.from);
    }
    Ok(Admitted {
        event: claim,
        resend,
    })
}

fn by_grant(arrival: &Arrival, grant: &Grant, facility: &str) -> Result<Vec<String>, Refused> {
    let message = match &arrival.claim.body {
        Body::Message(message) => message,
        Body::Signals(signals) if signals.feed != grant.feed => {
            return Err(Refused {
                because: vec!["feed-name".into()],
                words: format!(
                    "feed `{}` may not send in the name of `{}`",
                    grant.feed, signals.feed
                ),
            });
        }
        Body::Image(image) => return of_image(image, grant),
        _ => return Ok(vec![format!("feed:{}", grant.feed)]),
    };
    if !grant
        .messages
        .iter()
        .any(|pattern| matches_kind(pattern, &message.kind))
    {
        return Err(Refused {
            because: vec!["feed-message-type".into()],
            words: format!("feed `{}` may not send `{}`", grant.feed, message.kind),
        });
    }
    if !grant.facilities.is_empty() && !grant.facilities.iter().any(|known| known == facility) {
        return Err(Refused {
            because: vec!["feed-facility".into()],
            words: format!(
                "feed `{}` may not send for facility `{facility}`",
                grant.feed
            ),
        });
    }
    Ok(vec![format!("feed:{}", grant.feed)])
}

/// Of images the SOP class is what a feed may send, or may not.
fn of_image(image: &Image, grant: &Grant) -> Result<Vec<String>, Refused> {
    let (name, class) = (&grant.feed, &image.class);
    let refused = |because: &str, words: String| Refused {
        because: vec![because.to_owned()],
        words,
    };
    if image.feed != *name {
        let words = format!("feed `{name}` may not send in the name of `{}`", image.feed);
        return Err(refused("feed-name", words));
    }
    if !grant
        .messages
        .iter()
        .any(|pattern| matches_kind(pattern, class))
    {
        let words = format!("feed `{name}` may not store objects of the class `{class}`");
        return Err(refused("feed-message-type", words));
    }
    Ok(vec![format!("feed:{name}")])
}

fn matches_kind(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => pattern == kind,
    }
}

#[cfg(test)]
mod tests {
    use event::{Act, Actor, Message, Subject};

    use super::*;

    fn message(kind: &str) -> Arrival {
        let body = Body::Message(Message {
            feed: "lab".into(),
            kind: kind.into(),
            control: "1".into(),
            zone: "UTC".into(),
            charset: String::new(),
            authority: "MRN".into(),
            mapped: true,
            complaints: Vec::new(),
        });
        Event::new(
            Actor::feed("lab"),
            Act::Send,
            Subject::Patient("p".into()),
            body,
        )
        .into()
    }

    fn lab() -> Grant {
        Grant {
            feed: "lab".into(),
            messages: vec!["ORU^*".into(), "ORM^O01".into()],
            facilities: vec!["LABOR".into()],
        }
    }

    #[test]
    fn the_laboratory_cannot_admit_a_patient() {
        let grant = lab();
        let refused = admit(message("ADT^A01"), Standing::Feed(&grant), "LABOR").unwrap_err();
        assert_eq!(refused.because, ["feed-message-type"]);
        assert_eq!(refused.words, "feed `lab` may not send `ADT^A01`");
    }

    #[test]
    fn a_feed_speaks_only_for_its_facilities() {
        let grant = lab();
        assert!(admit(message("ORU^R01"), Standing::Feed(&grant), "LABOR").is_ok());
        let refused = admit(message("ORU^R01"), Standing::Feed(&grant), "ICU").unwrap_err();
        assert_eq!(refused.because, ["feed-facility"]);
    }

    #[test]
    fn a_feed_of_signals_speaks_in_its_own_name_alone() {
        let batch = |feed: &str| -> Arrival {
            let body = Body::Signals(event::Signals {
                feed: feed.into(),
                ..event::Signals::default()
            });
            let subject = Subject::Feed(feed.into());
            Event::new(Actor::feed(feed), Act::Send, subject, body).into()
        };
        let grant = Grant {
            feed: "edr".into(),
            messages: Vec::new(),
            facilities: Vec::new(),
        };
        let admitted = admit(batch("edr"), Standing::Feed(&grant), "").unwrap();
        assert_eq!(admitted.event().because, ["feed:edr"]);
        let refused = admit(batch("firewall"), Standing::Feed(&grant), "").unwrap_err();
        assert_eq!(refused.because, ["feed-name"]);
    }

    #[test]
    fn a_modality_stores_objects_of_its_classes() {
        let object = |class: &str| -> Arrival {
            let body = Body::Image(Image {
                feed: "ct1".into(),
                class: class.into(),
                ..Image::default()
            });
            Event::new(
                Actor::feed("ct1"),
                Act::Send,
                Subject::Feed("ct1".into()),
                body,
            )
            .into()
        };
        let grant = Grant {
            feed: "ct1".into(),
            messages: vec!["1.2.840.10008.5.1.4.1.1.2".into()],
            facilities: Vec::new(),
        };
        assert!(
            admit(
                object("1.2.840.10008.5.1.4.1.1.2"),
                Standing::Feed(&grant),
                ""
            )
            .is_ok()
        );
        let other = object("1.2.840.10008.5.1.4.1.1.7");
        let refused = admit(other, Standing::Feed(&grant), "").unwrap_err();
        assert_eq!(refused.because, ["feed-message-type"]);
    }

    #[test]
    fn an_admitted_event_says_why() {
        let grant = lab();
        let admitted = admit(message("ORU^R01"), Standing::Feed(&grant), "LABOR").unwrap();
        assert_eq!(admitted.event().because, ["feed:lab"]);
    }
}
