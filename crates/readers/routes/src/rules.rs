//! Whether a route passes a message on.

use std::fmt;

use event::{Event, Image, Message, Resource};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wire::hl7::rule::{Change, Condition, change};
use wire::hl7::{self, Parsed};

use crate::RouteConfig;

/// A condition, as it is written in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Must(pub Condition);

/// A change, as it is written in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed(pub Change);

impl<'de> Deserialize<'de> for Must {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Must, D::Error> {
        let read = Condition::parse(&String::deserialize(from)?);
        read.map(Must).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Changed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Changed, D::Error> {
        let read = Change::parse(&String::deserialize(from)?);
        read.map(Changed).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Must {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        written(&self.0, to)
    }
}

impl Serialize for Changed {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        written(&self.0, to)
    }
}

fn written<S: Serializer>(rule: &impl fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(rule)
}

impl RouteConfig {
    /// Whether it passes on what this event brought.
    pub fn takes(&self, event: &Event) -> bool {
        match &event.body {
            event::Body::Message(message) => self.takes_message(message, &event.raw),
            event::Body::Resource(resource) => self.takes_resource(resource),
            event::Body::Image(image) => self.takes_image(image),
            _ => false,
        }
    }

    /// Whether it passes this message on.
    pub fn takes_message(&self, message: &Message, raw: &[u8]) -> bool {
        let named =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|one| one == name);
        if self.is_dicom() || !named(&self.feeds, &message.feed) || !self.is_of_kind(&message.kind)
        {
            return false;
        }
        // Of what is not mapped nobody knows which resources it means.
        if self.to.starts_with("http") && !message.mapped {
            return false;
        }
        if self.must.is_empty() && self.applications.is_empty() && self.facilities.is_empty() {
            return true;
        }
        let parsed = hl7::parse(raw, &message.charset);
        let said = |field| {
            parsed
                .message
                .get("MSH", field)
                .string()
                .unwrap_or_default()
        };
        named(&self.applications, &said(3))
            && named(&self.facilities, &said(4))
            && self.must.iter().all(|must| must.0.holds(&parsed.message))
    }

    fn is_of_kind(&self, kind: &str) -> bool {
        // A question is answered by whom it was asked; it is not passed on unless it is named.
        let question = kind.starts_with("QBP^");
        self.messages
            .iter()
            .any(|wanted| match wanted.strip_suffix('*') {
                Some("") => !question,
                Some(prefix) => kind.starts_with(prefix),
                None => wanted == kind || kind.split('^').next() == Some(wanted),
            })
    }

    /// Whether it passes this object on. What the receiver sent itself does not go back to it.
    fn takes_image(&self, image: &Image) -> bool {
        let named =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|one| one == name);
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(prefix) => image.class.starts_with(prefix),
            None => *pattern == image.class,
        };
        self.is_dicom()
            && image.calling != self.called
            && named(&self.feeds, &image.feed)
            && named(&self.modalities, &image.modality)
            && named(&self.senders, &image.calling)
            && (self.classes.is_empty() || self.classes.iter().any(fits))
    }

    fn takes_resource(&self, resource: &Resource) -> bool {
        self.resources
            .iter()
            .any(|one| one == "*" || *one == resource.kind)
    }

    /// The message as this route sends it.
    ///
    /// # Errors
    /// In words, why it cannot be made.
    pub fn made(&self, parsed: &Parsed<'_>) -> Result<Vec<u8>, String> {
        let changes: Vec<Change> = self.changes.iter().map(|one| one.0.clone()).collect();
        change(&parsed.message, &changes, &self.tables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "MSH|^~\\&|LAB|GH|A|B|20260101||ORU^R01|7|P|2.5\rPV1|1|I\r";

    fn takes(rules: &str, kind: &str) -> bool {
        let text = format!("name = \"x\"\nto = \"file:/x\"\n{rules}");
        let route: RouteConfig = toml::from_str(&text).unwrap();
        let message = Message {
            feed: "lab".into(),
            kind: kind.into(),
            control: "7".into(),
            zone: "UTC".into(),
            charset: String::new(),
            authority: "GH".into(),
            mapped: true,
            complaints: Vec::new(),
        };
        route.takes_message(&message, RAW.as_bytes())
    }

    #[test]
    fn a_route_takes_what_fits_all_of_its_conditions() {
        for yes in [
            "",
            "messages = [\"ORU\"]",
            "messages = [\"ORU^R01\"]",
            "messages = [\"ORU^*\"]",
            "feeds = [\"lab\"]",
            "applications = [\"LAB\"]\nfacilities = [\"GH\"]\nwhere = ['PV1-2 = \"I\"']",
        ] {
            assert!(takes(yes, "ORU^R01"), "{yes}");
        }
        for no in [
            "messages = [\"OR\"]",
            "messages = [\"ORU^R03\"]",
            "messages = []",
            "feeds = [\"adt\"]",
            "applications = [\"ADT\"]",
            "facilities = [\"XX\"]",
            "where = ['PV1-2 = \"I\"', 'PV1-2 != \"I\"']",
        ] {
            assert!(!takes(no, "ORU^R01"), "{no}");
        }
        assert!(!takes("", "QBP^Q22"));
        assert!(takes("messages = [\"QBP\"]", "QBP^Q22"));
    }

    #[test]
    fn a_route_to_a_pacs_takes_objects_that_fit_and_none_that_came_from_it() {
        let takes = |rules: &str, calling: &str| {
            let text = format!("name = \"x\"\nto = \"dicoms://h:1\"\ncalled = \"PACS\"\n{rules}");
            let route: RouteConfig = toml::from_str(&text).unwrap();
            let image = Image {
                feed: "ct".into(),
                calling: calling.into(),
                class: "1.2.840.10008.5.1.4.1.1.2".into(),
                modality: "CT".into(),
                ..Image::default()
            };
            route.takes_image(&image)
        };
        for yes in [
            "",
            "feeds = [\"ct\"]\nmodalities = [\"MR\", \"CT\"]",
            "classes = [\"1.2.840.10008.5.1.4.1.1.2*\"]\nsenders = [\"CT1\"]",
        ] {
            assert!(takes(yes, "CT1"), "{yes}");
        }
        for no in [
            "feeds = [\"mr\"]",
            "modalities = [\"MR\"]",
            "classes = [\"1.2.840.10008.5.1.4.1.1.4\"]",
            "senders = [\"CT2\"]",
        ] {
            assert!(!takes(no, "CT1"), "{no}");
        }
        assert!(!takes("", "PACS"));
    }
}
