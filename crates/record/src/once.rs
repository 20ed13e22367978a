//! What can be written once, and by which blind tags that is known.

use event::{Body, Glass, Import, ImportStep};

use crate::door::Inner;
use crate::sequencer::Write;

/// What a review is called among the things that can be written once; no FHIR type is called so.
const REVIEW: &str = "glass-review";
/// What a part of an imported file is called among them.
const IMPORTED: &str = "imported-part";
/// What a verdict about an alteration in another system is called among them.
const PUT_BACK: &str = "put-back-verdict";
/// What a verdict is called among them.
const VERDICT: &str = "captured-verdict";

impl Inner {
    /// What an event writes that only one may write.
    pub(crate) fn write_of(&self, body: &Body, patient: Option<[u8; 16]>) -> Option<Write> {
        // Of several who decide about the same thing, one is first.
        let only = |kind: &str, id: u64, resource: [u8; 16]| Write {
            resource,
            patient: None,
            replaces: 0,
            as_of: 0,
            kind: kind.to_owned(),
            id: id.to_string(),
        };
        match body {
            Body::Resource(written) => Some(Write {
                resource: self.resource_tag(&written.kind, &written.id),
                patient,
                replaces: written.replaces,
                as_of: written.as_of,
                kind: written.kind.clone(),
                id: written.id.clone(),
            }),
            Body::Glass(Glass::Reviewed { glass, .. }) => {
                Some(only(REVIEW, *glass, self.review_tag(*glass)))
            }
            Body::Verdict(verdict) => {
                let captured = verdict.captured;
                Some(only(VERDICT, captured, self.verdict_tag(captured)))
            }
            Body::PutBack(put) if put.step.decides() => {
                let alteration = put.alteration;
                Some(only(PUT_BACK, alteration, self.put_back_tag(alteration)))
            }
            Body::Import(import) => {
                let (part, tag) = self.part_tag(import)?;
                Some(Write {
                    id: part,
                    ..only(IMPORTED, 0, tag)
                })
            }
            Body::Image(image) => {
                let tag = self.instance_tag(&image.instance);
                Some(Write {
                    id: image.instance.clone(),
                    ..only("DICOM instance", 0, tag)
                })
            }
            _ => None,
        }
    }

    pub(crate) fn resource_tag(&self, kind: &str, id: &str) -> [u8; 16] {
        self.keyring
            .tag(&[b"resource", kind.as_bytes(), id.as_bytes()])
    }

    /// The tag of the one review that broken glass can have.
    pub(crate) fn review_tag(&self, glass: u64) -> [u8; 16] {
        self.resource_tag(REVIEW, &glass.to_string())
    }

    /// The tag of the one verdict that an entry can have.
    pub(crate) fn verdict_tag(&self, captured: u64) -> [u8; 16] {
        self.resource_tag(VERDICT, &captured.to_string())
    }

    /// The tag of the one verdict that an alteration in another system can have.
    pub(crate) fn put_back_tag(&self, alteration: u64) -> [u8; 16] {
        self.resource_tag(PUT_BACK, &alteration.to_string())
    }

    /// The name and the tag of the part of an imported file that is read after so many of its lines.
    pub(crate) fn part_tag(&self, import: &Import) -> Option<(String, [u8; 16])> {
        let ImportStep::Took { input, after, .. } = &import.step else {
            return None;
        };
        let part = format!("{}/{input}/{after}", import.import);
        let tag = self.resource_tag(IMPORTED, &part);
        Some((part, tag))
    }

    pub(crate) fn delivery_tags(
        &self,
        sender: &str,
        message: &str,
        content: &[u8],
    ) -> ([u8; 16], [u8; 16]) {
        let message = self
            .keyring
            .tag(&[b"message", sender.as_bytes(), message.as_bytes()]);
        (message, self.keyring.tag(&[b"content", content]))
    }
}
