//! Marks in what the chart makes of events: they say by which event their content came, and that this record
//! wrote them. Text that somebody else wrote is no mark, whatever it looks like.

use std::collections::HashSet;
use std::ops::Range;

use event::Content;

use super::Part;
use super::text;
use crate::Blind;

/// Writes marks and knows them again.
#[derive(Clone)]
pub struct Marks(Blind);

/// A mark of this record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marked {
    /// Where it stands, without its quotes.
    pub(super) place: Range<usize>,
    /// As it stands in the event.
    pub(super) mark: String,
    /// The event.
    pub(super) index: u64,
    /// Bytes of JSON that it stands for.
    pub(super) written: u64,
}

impl Marks {
    /// Those of a record.
    pub const fn of(blind: Blind) -> Marks {
        Marks(blind)
    }

    /// The JSON of an event with marks that say by which event their contents came: what is made of it may
    /// go on into what other events make.
    ///
    /// INVARIANT: only what the event itself lists as its contents is numbered.
    #[must_use]
    pub fn numbered(&self, json: &[u8], contents: &[Content], index: u64) -> Vec<u8> {
        let listed: HashSet<String> = contents.iter().map(Content::mark).collect();
        let numbered = |begin: usize| {
            let (place, mark) = text::string_at(json, begin)?;
            let tag = listed
                .contains(mark)
                .then(|| self.0.tag_of_mark(mark, index))?;
            Some((place, format!("{mark}:{index}:{tag}").into_bytes()))
        };
        let parts: Vec<Part> = text::begins(json)
            .into_iter()
            .filter_map(numbered)
            .collect();
        text::replaced(json, &parts)
    }

    /// All marks of this record, in order.
    pub(super) fn marked(&self, json: &[u8]) -> Vec<Marked> {
        let begins = text::begins(json).into_iter();
        begins
            .filter_map(|begin| self.marked_at(json, begin))
            .collect()
    }

    fn marked_at(&self, json: &[u8], begin: usize) -> Option<Marked> {
        let (place, text) = text::string_at(json, begin)?;
        self.read(text).map(|marked| Marked { place, ..marked })
    }

    /// The mark that a text is, wherever it stands.
    pub(super) fn read(&self, text: &str) -> Option<Marked> {
        let (rest, tag) = text.rsplit_once(':')?;
        let (mark, index) = rest.rsplit_once(':')?;
        let index = index.parse().ok()?;
        let written = mark.strip_prefix(Content::MARK)?.split(':').next()?;
        let written = written.parse().ok()?;
        (self.0.tag_of_mark(mark, index) == tag).then(|| Marked {
            place: 0..0,
            mark: mark.to_owned(),
            index,
            written,
        })
    }

    /// How many bytes more the JSON has once its contents are back, without those of more than `each_max`.
    /// It believes its own marks alone.
    #[must_use]
    pub fn promised(&self, json: &[u8], each_max: u64) -> usize {
        let marked = self.marked(json).into_iter();
        let sizes = marked.filter(|one| one.written <= each_max);
        let sizes = sizes.map(|one| usize::try_from(one.written).unwrap_or(usize::MAX));
        sizes.fold(0, usize::saturating_add)
    }

    /// These parts, and what stands for anything else in the JSON that looks like a mark; in order.
    pub(super) fn parts(&self, json: &[u8], mut parts: Vec<Part>) -> Vec<Part> {
        parts.sort_unstable_by_key(|(place, _)| place.start);
        let within = |begin: &usize| {
            let after = parts.partition_point(|(place, _)| place.start <= *begin);
            let before = after.checked_sub(1).and_then(|before| parts.get(before));
            before.is_some_and(|(place, _)| place.contains(begin))
        };
        let begins = text::begins(json).into_iter();
        let others: Vec<Part> = begins
            .filter(|begin| !within(begin))
            .map(text::unmarked)
            .collect();
        parts.extend(others);
        parts.sort_unstable_by_key(|(place, _)| place.start);
        parts
    }

    /// The JSON without contents: each is said to be absent, by that code of data-absent-reason.
    #[must_use]
    pub fn without(&self, json: Vec<u8>, code: &str) -> Vec<u8> {
        if text::begins(&json).is_empty() {
            return json;
        }
        let marked = self.marked(&json).into_iter();
        let absent = marked.filter_map(|one| text::absent(&json, &one.place, code));
        let parts = self.parts(&json, absent.collect());
        text::replaced(&json, &parts)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn marks(key: &str) -> Marks {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key.as_bytes());
        Marks::of(Blind(Arc::new(key)))
    }

    fn content(bytes: u64) -> Content {
        let mut content = Content::default();
        content.whole.path = "object/2026-11-27/ab12".into();
        content.whole.bytes = bytes;
        content
    }

    #[test]
    fn a_mark_of_this_record_is_found_and_no_other() {
        let (own, other, content) = (marks("own"), marks("other"), content(6));
        let json = format!(
            r#"{{"data":"{}","b":"x urn:salus:content:8:cd:7","c":"urn:salus:content:8:ab12:7:AAAA"}}"#,
            content.mark()
        );
        assert_eq!(own.marked(json.as_bytes()), [], "it is not numbered yet");
        let numbered = own.numbered(json.as_bytes(), std::slice::from_ref(&content), 7);
        let found = own.marked(&numbered);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].mark.as_str(), found[0].index, found[0].written),
            (content.mark().as_str(), 7, 8)
        );
        assert_eq!(own.promised(&numbered, 8), 8);
        assert_eq!(own.promised(&numbered, 7), 0, "larger than each may be");
        assert_eq!(other.promised(&numbered, u64::MAX), 0, "another's mark");
        let elsewhere = String::from_utf8(numbered).unwrap().replace(":7:", ":9:");
        assert_eq!(
            own.promised(elsewhere.as_bytes(), u64::MAX),
            0,
            "another event"
        );
    }

    #[test]
    fn what_is_written_by_hand_promises_nothing() {
        let own = marks("own");
        for forged in [
            r#"["urn:salus:content:99999999999999999999:"]"#,
            r#"["urn:salus:content:171000000:ab12"]"#,
            r#"["urn:salus:content:171000000:ab12:7"]"#,
            r#"["urn:salus:content:171000000:ab12:7:aaaaaaaaaaaaaaaaaaaaaaaaaa"]"#,
        ] {
            assert_eq!(own.promised(forged.as_bytes(), u64::MAX), 0, "{forged}");
        }
    }

    #[test]
    fn without_contents_it_says_so() {
        let (own, content) = (marks("own"), content(6));
        let json = format!(r#"{{"id":"1","data":"{}"}}"#, content.mark());
        let numbered = own.numbered(json.as_bytes(), &[content], 7);
        let told = own.without(numbered, "temp-unknown");
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
        assert_eq!(told["_data"]["extension"][0]["valueCode"], "temp-unknown");
        assert_eq!((told["id"].as_str(), told.get("data")), (Some("1"), None));
        assert_eq!(own.without(b"{\"a\":1}".to_vec(), "error"), b"{\"a\":1}");
    }

    proptest! {
        #[test]
        fn nothing_that_looks_like_a_mark_leaves(
            texts in proptest::collection::vec("(urn:salus:content:){0,2}[a-z0-9:]{0,12}", 0..6),
            place in 0_usize..6,
        ) {
            let (own, content) = (marks("own"), content(6));
            let mut members: Vec<String> = texts
                .iter()
                .enumerate()
                .map(|(at, text)| format!("\"a{at}\":{}", serde_json::Value::from(text.as_str())))
                .collect();
            members.insert(place.min(members.len()), format!("\"data\":\"{}\"", content.mark()));
            let json = format!("{{{}}}", members.join(","));
            let numbered = own.numbered(json.as_bytes(), &[content], 7);
            prop_assert_eq!(own.promised(&numbered, u64::MAX), 8);
            let told = own.without(numbered, "error");
            prop_assert!(text::begins(&told).is_empty());
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&told).is_ok());
        }
    }
}
