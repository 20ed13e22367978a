//! What a client accepts: media types with the parameters that PS3.18 section 8.7 gives them.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// One media type of an `Accept`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    /// `multipart/related`, `image/png` ...
    media: String,
    /// The `type` of the parts.
    parts: Option<String>,
    /// A transfer syntax, or `*`.
    pub(super) syntax: Option<String>,
}

/// All that is accepted; anything, if the client does not say.
pub(super) fn all(headers: &HeaderMap) -> Vec<Accepted> {
    let said = headers.get_all(ACCEPT).iter();
    let said = said.filter_map(|value| value.to_str().ok());
    let all: Vec<Accepted> = said.flat_map(|line| line.split(',')).map(one).collect();
    match all.is_empty() {
        true => vec![one("*/*")],
        false => all,
    }
}

fn one(text: &str) -> Accepted {
    let mut parts = text.split(';').map(str::trim);
    let mut accepted = Accepted {
        media: parts.next().unwrap_or_default().to_ascii_lowercase(),
        ..Accepted::default()
    };
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "type" => accepted.parts = Some(value.to_ascii_lowercase()),
            "transfer-syntax" => accepted.syntax = Some(value.to_owned()),
            _ => {}
        }
    }
    accepted
}

impl Accepted {
    /// Whether it takes that as the one thing in an answer.
    pub(super) fn takes(&self, media: &str) -> bool {
        fits(&self.media, media)
    }

    /// Whether it takes an answer of parts of that media type.
    pub(super) fn takes_parts(&self, media: &str) -> bool {
        let parts = self.parts.as_deref().unwrap_or("*/*");
        self.media == "*/*" || (self.takes("multipart/related") && fits(parts, media))
    }
}

fn fits(pattern: &str, media: &str) -> bool {
    let kind = pattern.strip_suffix("/*");
    pattern == "*/*"
        || pattern == media
        || kind.is_some_and(|kind| media.split('/').next() == Some(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_understood() {
        let mut headers = HeaderMap::new();
        assert!(all(&headers).iter().any(|one| one.takes("image/png")));
        let said =
            "multipart/related; type=\"application/dicom\"; transfer-syntax=*, image/*;q=0.5";
        headers.insert(ACCEPT, said.parse().unwrap());
        let all = all(&headers);
        assert!(all[0].takes_parts("application/dicom") && !all[0].takes_parts("image/jpeg"));
        assert_eq!(all[0].syntax.as_deref(), Some("*"));
        assert!(all[1].takes("image/png") && !all[1].takes("application/dicom+json"));
        assert!(!all[1].takes_parts("application/dicom"));
    }
}
