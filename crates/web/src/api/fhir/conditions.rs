//! The conditions a request may carry: `If-Match`, `If-None-Match`, `If-None-Exist`,
//! `If-Modified-Since`.

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use event::Time;
use wire::fhir::Code;

use super::fault::Fault;
use super::format::header;

/// The conditions of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    /// Do it only to this version.
    pub(crate) if_match: Option<u64>,
    /// Not if this is the version.
    pub(crate) if_none_match: Option<Tag>,
    /// Not if nothing changed after this.
    pub(crate) if_modified_since: Option<Time>,
    /// Create only if this query finds nothing.
    pub(crate) if_none_exist: Option<String>,
}

/// What an `If-None-Match` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    /// `*`: any version at all.
    Any,
    /// `W/"7"`.
    Version(u64),
}

/// The conditions as they were written, before they were understood.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written<'a> {
    /// `If-Match`.
    pub(crate) if_match: Option<&'a str>,
    /// `If-None-Match`.
    pub(crate) if_none_match: Option<&'a str>,
    /// `If-Modified-Since`: an HTTP date, in a bundle an instant.
    pub(crate) if_modified_since: Option<&'a str>,
    /// `If-None-Exist`.
    pub(crate) if_none_exist: Option<&'a str>,
}

impl Conditions {
    /// The conditions in the headers of a request.
    ///
    /// # Errors
    /// 400 for a condition that cannot be understood: to ignore it could overwrite something.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Conditions, Fault> {
        let if_none_exist = HeaderName::from_static("if-none-exist");
        Conditions::read(Written {
            if_match: header(headers, &IF_MATCH),
            if_none_match: header(headers, &IF_NONE_MATCH),
            if_modified_since: header(headers, &IF_MODIFIED_SINCE),
            if_none_exist: header(headers, &if_none_exist),
        })
    }

    /// The conditions of a request or of an entry.
    ///
    /// # Errors
    /// 400 for a condition that cannot be understood.
    pub(crate) fn read(written: Written<'_>) -> Result<Conditions, Fault> {
        Ok(Conditions {
            if_match: written.if_match.map(version).transpose()?,
            if_none_match: written.if_none_match.map(tag).transpose()?,
            // An unreadable date is to be ignored (RFC 9110 section 13.1.3).
            if_modified_since: written.if_modified_since.and_then(moment),
            if_none_exist: written.if_none_exist.map(query).transpose()?,
        })
    }

    /// Whether the asker has the version of this index and moment already.
    pub(crate) fn has(&self, version: u64, at: Time) -> bool {
        match (self.if_none_match, self.if_modified_since) {
            (Some(Tag::Any), _) => true,
            (Some(Tag::Version(known)), _) => known == version,
            // HTTP dates have whole seconds.
            (None, Some(since)) => at.millis().div_euclid(1000) <= since.millis().div_euclid(1000),
            (None, None) => false,
        }
    }
}

fn tag(text: &str) -> Result<Tag, Fault> {
    match text.trim() {
        "*" => Ok(Tag::Any),
        text => version(text).map(Tag::Version),
    }
}

fn version(text: &str) -> Result<u64, Fault> {
    let text = text.trim();
    let inner = text.strip_prefix("W/").unwrap_or(text);
    inner.trim_matches('"').parse().map_err(|_| {
        let words = format!("`{text}` is not a version; send it as `W/\"7\"`, as `ETag` gives it");
        Fault::bad(Code::Value, words)
    })
}

fn moment(text: &str) -> Option<Time> {
    let instant = jiff::fmt::rfc2822::parse(text).map(|zoned| zoned.timestamp());
    let instant = instant.or_else(|_| text.parse::<jiff::Timestamp>());
    Some(Time::from_millis(instant.ok()?.as_millisecond()))
}

fn query(text: &str) -> Result<String, Fault> {
    let text = text.trim().trim_start_matches('?');
    if text.is_empty() {
        let words = "`If-None-Exist` is empty; give the query that must find nothing";
        return Err(Fault::bad(Code::Value, words));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_clients_write_them() {
        for text in ["W/\"7\"", "\"7\"", "7", " W/\"7\" "] {
            assert_eq!(version(text).unwrap(), 7, "{text}");
        }
        assert_eq!(version("W/\"abc\"").unwrap_err().status.as_u16(), 400);
    }

    #[test]
    fn an_http_date_has_whole_seconds() {
        let since = Written {
            if_modified_since: Some("Sun, 06 Nov 1994 08:49:37 GMT"),
            ..Written::default()
        };
        let conditions = Conditions::read(since).unwrap();
        assert!(conditions.has(1, Time::from_millis(784_111_777_900)));
        assert!(!conditions.has(1, Time::from_millis(784_111_778_000)));
    }
}
