//! What of a resource is too large for a row: documents, pictures and the like, as base64 in it.

use serde::{Deserialize, Serialize};

use crate::Stored;

/// One JSON string of a resource whose content lies in the vault. In the raw bytes of the event its mark
/// stands in its place, so that everything else of the resource is as it was received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// What lies there.
    pub whole: Stored,
    /// How it stands in the resource.
    pub form: Form,
}

/// How bytes of the vault stand in a JSON string.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// As base64 (RFC 4648 section 4, padded, without breaks).
    #[default]
    Base64,
    /// As they are: what stood between the quotes.
    Text,
}

impl Content {
    /// What every mark begins with.
    pub const MARK: &str = "urn:salus:content:";

    /// What stands in its place: how many bytes of JSON that was, and the hash of what lies in the vault,
    /// which nobody can know before it lies there.
    pub fn mark(&self) -> String {
        let hash = self.whole.path.rsplit('/').next().unwrap_or_default();
        format!("{}{}:{hash}", Content::MARK, self.written())
    }

    /// Bytes that it takes in the resource, without the quotes.
    pub const fn written(&self) -> u64 {
        match self.form {
            Form::Base64 => self.whole.bytes.div_ceil(3).saturating_mul(4),
            Form::Text => self.whole.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_how_much_it_stands_for() {
        let mut content = Content::default();
        content.whole.path = "object/2026-11-27/ab12".into();
        content.whole.bytes = 4;
        assert_eq!(content.mark(), "urn:salus:content:8:ab12");
        content.form = Form::Text;
        assert_eq!(content.mark(), "urn:salus:content:4:ab12");
    }
}
