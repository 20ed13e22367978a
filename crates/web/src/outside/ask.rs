//! Reads the other system. It is not believed: each answer is bounded in size and time, each page
//! belongs to the server that is configured, and a list that does not end is broken off.

use lifeline::UpstreamConfig;
use serde_json::Value;

use crate::fetch::{Fetch, Form, Sent, Terms};
use crate::upstream::{terms, token};

/// Pages without a resource that are followed, at most.
const EMPTY_PAGES_MAX: u32 = 3;

/// The other system.
pub(super) struct Other<'a> {
    fetch: &'a Fetch,
    config: &'a UpstreamConfig,
    authorization: Option<String>,
}

impl<'a> Other<'a> {
    pub(super) fn of(fetch: &'a Fetch, config: &'a UpstreamConfig) -> Result<Other<'a>, String> {
        Ok(Other {
            fetch,
            authorization: token(config)?,
            config,
        })
    }

    fn base(&self) -> &str {
        self.config.fhir.trim_end_matches('/')
    }

    /// What of an address may be said in a log: base and type, for ids and queries name patients.
    fn place(&self, url: &str) -> String {
        let below = url.strip_prefix(self.base()).unwrap_or_default();
        let mut parts = below.split(['/', '?']).filter(|part| !part.is_empty());
        let kind = parts.next().filter(|part| !part.contains('='));
        format!("{}/{}", self.base(), kind.unwrap_or_default())
    }

    /// The status and, if it is one of success, the JSON.
    async fn get(&self, url: &str) -> Result<(u16, Value), String> {
        let form = Form {
            sent: Sent::Nothing,
            body: String::new(),
            authorization: self.authorization.clone(),
            condition: None,
        };
        let terms = Terms {
            bytes_max: self.config.compare_page_bytes_max,
            ..terms(self.config)
        };
        let (status, body) = self.fetch.ask(url, Some(form), terms).await?;
        let url = self.place(url);
        match status {
            200..=299 => match serde_json::from_slice(&body) {
                Ok(value) => Ok((status, value)),
                Err(why) => Err(format!("`{url}` answers what is no JSON: {why}")),
            },
            401 | 403 => Err(format!(
                "`{url}` answers HTTP {status}: the token in `token_file` does not let us read"
            )),
            408 | 425 | 429 | 500.. => Err(format!("`{url}` answers HTTP {status}")),
            _ => Ok((status, Value::Null)),
        }
    }

    /// Those of some resources that a search finds; who is not among them may be there all the same.
    pub(super) async fn some(&self, kind: &str, ids: &[&str]) -> Result<Vec<Value>, String> {
        let count = ids.len();
        let url = format!(
            "{}/{kind}?_id={}&_count={count}",
            self.base(),
            ids.join(",")
        );
        let (_, bundle) = self.get(&url).await?;
        Ok(match bundle {
            Value::Null => Vec::new(),
            bundle => entries(&self.place(&url), &bundle)?.0,
        })
    }

    /// One resource; `None`: it is not there.
    pub(super) async fn one(&self, kind: &str, id: &str) -> Result<Option<Value>, String> {
        let url = format!("{}/{kind}/{id}", self.base());
        let (status, value) = self.get(&url).await?;
        let url = self.place(&url);
        match status {
            404 | 410 => Ok(None),
            200..=299 if name(&value) == (kind, id) => Ok(Some(value)),
            200..=299 => Err(format!("`{url}` answers with another resource")),
            _ => Err(format!("`{url}` answers HTTP {status}")),
        }
    }

    /// Begins a list of all resources of a type, or of those that changed since a moment.
    pub(super) fn all(&self, kind: &str, since: Option<&str>) -> Pages {
        let since = since.map_or(String::new(), |since| format!("&_lastUpdated=ge{since}"));
        let count = self.config.compare_page;
        Pages {
            kind: kind.to_owned(),
            next: Some(format!("{}/{kind}?_count={count}{since}", self.base())),
            read: 0,
            empty: 0,
        }
    }

    /// The next page of a list; `None`: that was all.
    pub(super) async fn page(&self, pages: &mut Pages) -> Result<Option<Vec<Value>>, String> {
        let Some(url) = pages.next.take() else {
            return Ok(None);
        };
        pages.read += 1;
        if pages.read > self.config.compare_pages_max {
            let kind = &pages.kind;
            return Err(format!(
                "the list of `{kind}` did not end after {} pages (`compare_pages_max`)",
                pages.read - 1
            ));
        }
        let (status, bundle) = self.get(&url).await?;
        let place = self.place(&url);
        if bundle.is_null() {
            return Err(format!("`{place}` answers HTTP {status}"));
        }
        let (found, next) = entries(&place, &bundle)?;
        pages.empty = match found.is_empty() {
            true => pages.empty + 1,
            false => 0,
        };
        pages.next = next.map(|next| self.here(next)).transpose()?;
        if pages.next.as_ref() == Some(&url) || pages.empty > EMPTY_PAGES_MAX {
            return Err(format!(
                "`{place}` leads to itself or to nothing, again and again"
            ));
        }
        Ok(Some(found))
    }

    /// A link of an answer, to the server that is configured and to no other: it may know itself
    /// by another name.
    fn here(&self, link: &str) -> Result<String, String> {
        let path = |url: &str| {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            rest.find('/').map(|at| rest.split_at(at).1.to_owned())
        };
        let base = self.base();
        let own = path(base).unwrap_or_default();
        let asked = match link.contains("://") {
            true => path(link).unwrap_or_default(),
            false if link.starts_with('/') => link.to_owned(),
            false => format!("{own}/{link}"),
        };
        let below = asked.strip_prefix(&own);
        match below.filter(|below| below.is_empty() || below.starts_with(['/', '?'])) {
            Some(below) if !below.contains("/../") => Ok(format!("{base}{below}")),
            _ => Err(format!(
                "a page leads to an address which is not under `{base}`"
            )),
        }
    }
}

/// Where a list is.
pub(super) struct Pages {
    kind: String,
    next: Option<String>,
    read: u32,
    empty: u32,
}

/// Type and id of a resource; empty: it has none.
pub(super) fn name(resource: &Value) -> (&str, &str) {
    let text = |name: &str| resource.get(name).and_then(Value::as_str);
    (
        text("resourceType").unwrap_or_default(),
        text("id").unwrap_or_default(),
    )
}

/// The resources that a page matches, and the link to the next one.
fn entries<'a>(url: &str, bundle: &'a Value) -> Result<(Vec<Value>, Option<&'a str>), String> {
    if name(bundle).0 != "Bundle" {
        return Err(format!("`{url}` answers what is no Bundle"));
    }
    let list = |name: &str| {
        bundle
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let found = list("entry")
        .filter(|entry| {
            let mode = entry.pointer("/search/mode").and_then(Value::as_str);
            matches!(mode, None | Some("match"))
        })
        .filter_map(|entry| entry.get("resource").cloned());
    let next =
        list("link").find(|link| link.get("relation").and_then(Value::as_str) == Some("next"));
    let next = next.and_then(|link| link.get("url").and_then(Value::as_str));
    Ok((found.collect(), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_leads_to_the_configured_server_and_nowhere_else() {
        let config = UpstreamConfig {
            fhir: "https://ehr.hospital/fhir/".into(),
            ..UpstreamConfig::default()
        };
        let fetch = Fetch::default();
        let other = Other::of(&fetch, &config).unwrap();
        for (link, asked) in [
            (
                "https://ehr.hospital/fhir?_page=2",
                "https://ehr.hospital/fhir?_page=2",
            ),
            (
                "http://inside:8080/fhir/Patient?_page=2",
                "https://ehr.hospital/fhir/Patient?_page=2",
            ),
            ("/fhir/Patient?x", "https://ehr.hospital/fhir/Patient?x"),
            (
                "Patient?_page=2",
                "https://ehr.hospital/fhir/Patient?_page=2",
            ),
        ] {
            assert_eq!(other.here(link).as_deref(), Ok(asked), "{link}");
        }
        for link in [
            "https://ehr.hospital/admin",
            "https://ehr.hospital/fhirs",
            "http://169.254.169.254/latest",
            "/fhir/../admin",
        ] {
            assert!(other.here(link).is_err(), "{link}");
        }
    }
}
