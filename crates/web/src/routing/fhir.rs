//! A FHIR R4 server that gets, as one transaction for each message, the resources that it means; or a
//! resource as it was written.
//!
//! A message tells parts of what it is about. What of it does not replace the whole is laid upon what
//! the *receiver* has, and goes only if that is still there (`ifMatch`): nothing that others wrote over
//! there is lost, and no chart is opened here.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use event::Resource;
use routes::RouteConfig;
use serde_json::{Map, Value, json};
use wire::v2::{self, Draft, Mode};

use super::line::Answer;
use crate::App;
use crate::fetch::{Form, Sent, Terms};
use crate::secrets::secret_in;

/// The largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// The most characters of an answer that are kept.
const WORDS_MAX: usize = 300;

/// What goes to a FHIR server.
pub(super) enum Part {
    /// What a message says of a resource.
    Draft(Box<Draft>),
    /// A resource as it was written; `None`: it was deleted.
    Whole {
        kind: String,
        id: String,
        resource: Option<Value>,
    },
}

/// The resources that a message means, as the route changed it.
///
/// # Errors
/// In words, why it means none that could be sent.
pub(super) fn of_message(
    app: &App,
    bytes: &[u8],
    message: &event::Message,
) -> Result<Vec<Part>, String> {
    let blind = app.record.blind();
    let id = |kind: &str, system: &str, value: &str| blind.id(kind, system, value);
    let sender = v2::Sender {
        zone: &message.zone,
        charset: &message.charset,
        authority: &message.authority,
        id: &id,
    };
    let reading = v2::read(bytes, &sender);
    if reading.merge.is_some() {
        return Err("that two patients are one is not told to a FHIR server".to_owned());
    }
    if reading.drafts.is_empty() {
        return Err("it means no resources".to_owned());
    }
    let drafts = reading.drafts.into_iter();
    Ok(drafts.map(|draft| Part::Draft(Box::new(draft))).collect())
}

/// A written resource, as it was received whole.
///
/// # Errors
/// In words: it is no JSON.
pub(super) fn of_resource(written: &Resource, raw: &[u8]) -> Result<Vec<Part>, String> {
    let (kind, id) = (written.kind.clone(), written.id.clone());
    let whole = |resource| vec![Part::Whole { kind, id, resource }];
    if raw.is_empty() {
        return Ok(whole(None));
    }
    let raw = wire::fhir::resolve(raw, &written.resolved);
    let read = serde_json::from_slice::<Map<String, Value>>(&raw);
    match read {
        Ok(mut resource) => {
            resource.insert("id".to_owned(), written.id.as_str().into());
            Ok(whole(Some(unstamped(resource))))
        }
        Err(why) => Err(format!("it is no resource: {why}")),
    }
}

/// Without what the server that keeps it sets.
fn unstamped(mut resource: Map<String, Value>) -> Value {
    if let Some(Value::Object(meta)) = resource.get_mut("meta") {
        meta.retain(|name, _| !matches!(name.as_str(), "versionId" | "lastUpdated"));
        if meta.is_empty() {
            resource.shift_remove("meta");
        }
    }
    Value::Object(resource)
}

/// The way to a FHIR server.
pub(super) struct Server {
    app: Arc<App>,
    base: String,
    authorities: PathBuf,
    token_file: PathBuf,
}

/// A resource that a message touches: as the receiver has it, and as it is to be.
struct Touched {
    url: String,
    there: There,
    now: Map<String, Value>,
}

/// What the receiver has of a resource.
enum There {
    /// It was not asked: what the message says is the whole.
    Unasked,
    Nothing,
    Is(Map<String, Value>),
}

impl There {
    /// What must still be so when the resource is written there. Of one without a version nothing can
    /// be said.
    fn condition(&self) -> Option<(&'static str, String)> {
        match self {
            There::Unasked => None,
            There::Nothing => Some(("ifNoneMatch", "*".to_owned())),
            There::Is(there) => {
                let version = there.get("meta")?.get("versionId")?.as_str()?;
                Some(("ifMatch", format!("W/\"{version}\"")))
            }
        }
    }
}

impl Touched {
    /// What goes into the transaction; `None`: it is there already.
    fn entry(self) -> Option<Value> {
        let condition = self.there.condition();
        let now = unstamped(self.now);
        let same = match self.there {
            There::Is(there) => unstamped(there) == now,
            There::Unasked | There::Nothing => false,
        };
        (!same).then(|| put(&self.url, now, condition))
    }
}

/// Why nothing was sent, or nothing came of it.
type Failed = Answer;

impl Server {
    pub(super) fn at(app: &Arc<App>, route: &RouteConfig, base: String) -> Server {
        Server {
            app: Arc::clone(app),
            base,
            authorities: route.authorities.clone(),
            token_file: route.token_file.clone(),
        }
    }

    /// Sends one transaction.
    pub(super) async fn send(&self, parts: &[Part]) -> Answer {
        match self.try_send(parts).await {
            Ok(answer) | Err(answer) => answer,
        }
    }

    async fn try_send(&self, parts: &[Part]) -> Result<Answer, Failed> {
        let (mut entries, mut touched) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Draft(draft) => self.lay(&mut touched, draft).await?,
                Part::Whole { kind, id, resource } => {
                    let url = format!("{kind}/{id}");
                    entries.push(match resource {
                        Some(resource) => put(&url, resource.clone(), None),
                        None => json!({"request": {"method": "DELETE", "url": url}}),
                    });
                }
            }
        }
        entries.extend(touched.into_iter().filter_map(Touched::entry));
        if entries.is_empty() {
            return Ok(Answer::Taken("all of it is there already".to_owned()));
        }
        let sent = entries.len();
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        let (status, body) = self.ask(&self.base, Some(bundle.to_string())).await?;
        let said: String = String::from_utf8_lossy(&body)
            .chars()
            .take(WORDS_MAX)
            .collect();
        Ok(match status {
            200..=299 if answers(&body, sent) => Answer::Taken(format!("HTTP {status}")),
            200..=299 => Answer::Down(format!(
                "HTTP {status} without a transaction's answer: {said}"
            )),
            // Somebody else wrote there meanwhile: it is laid upon that.
            409 | 412 => Answer::Again(format!("HTTP {status} {said}")),
            _ => judged(status, said),
        })
    }

    /// Lays what a message says of a resource upon what is there.
    async fn lay(&self, touched: &mut Vec<Touched>, draft: &Draft) -> Result<(), Failed> {
        let url = format!("{}/{}", draft.kind, draft.id);
        let before = touched.iter_mut().find(|one| one.url == url);
        if let Some(one) = before {
            one.now = v2::merged(Some(&one.now), draft);
            return Ok(());
        }
        let there = match draft.mode {
            Mode::Replace => There::Unasked,
            Mode::Merge | Mode::Fill => match self.there(&url).await? {
                Some(there) => There::Is(there),
                None => There::Nothing,
            },
        };
        let before = match &there {
            There::Is(there) => Some(there),
            There::Unasked | There::Nothing => None,
        };
        let now = v2::merged(before, draft);
        touched.push(Touched { url, there, now });
        Ok(())
    }

    /// The resource as the receiver has it; `None`: it has none.
    async fn there(&self, url: &str) -> Result<Option<Map<String, Value>>, Failed> {
        let (status, body) = self.ask(&format!("{}/{url}", self.base), None).await?;
        match status {
            200 => match serde_json::from_slice(&body) {
                Ok(there) => Ok(Some(there)),
                Err(why) => Err(Answer::Down(format!(
                    "`{}` answers no resource: {why}",
                    self.base
                ))),
            },
            404 | 410 => Ok(None),
            _ => Err(judged(status, "when it was asked what it has".to_owned())),
        }
    }

    /// Posts a bundle, or reads.
    async fn ask(&self, url: &str, bundle: Option<String>) -> Result<(u16, Bytes), Failed> {
        let authorization = match self.token_file.as_os_str().is_empty() {
            true => None,
            false => {
                let token = secret_in(&self.token_file).map_err(Answer::Down)?;
                Some(format!("Bearer {token}"))
            }
        };
        let form = Form {
            sent: match bundle {
                Some(_) => Sent::Bundle,
                None => Sent::Nothing,
            },
            body: bundle.unwrap_or_default(),
            authorization,
            condition: None,
        };
        let terms = Terms {
            authorities: &self.authorities,
            wait_ms: self.app.routes.config().wait_ms.max(1),
            bytes_max: ANSWER_BYTES_MAX,
        };
        let asked = self.app.fetch.ask(url, Some(form), terms).await;
        asked.map_err(Answer::Down)
    }
}

fn put(url: &str, resource: Value, condition: Option<(&str, String)>) -> Value {
    let mut request = json!({"method": "PUT", "url": url});
    if let (Some((name, value)), Some(request)) = (condition, request.as_object_mut()) {
        request.insert(name.to_owned(), value.into());
    }
    json!({"resource": resource, "request": request})
}

/// What is wrong with what was sent stays wrong. Anything else is of the server, or of what stands before
/// it: a proxy before a server that is being replaced answers 404 to everything.
fn judged(status: u16, said: String) -> Answer {
    match status {
        400 | 406 | 409 | 411..=415 | 422 => Answer::Refused(format!("HTTP {status} {said}")),
        _ => Answer::Down(format!("HTTP {status} {said}")),
    }
}

/// Whether a body is the answer to a transaction of so many entries, and not of whoever stands before
/// the server.
fn answers(body: &[u8], sent: usize) -> bool {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let is = |name: &str, wanted: &str| answer.get(name).and_then(Value::as_str) == Some(wanted);
    let entries = answer
        .get("entry")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    is("resourceType", "Bundle") && is("type", "transaction-response") && entries == sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_a_transaction_is_one() {
        let good = br#"{"resourceType":"Bundle","type":"transaction-response","entry":[{},{}]}"#;
        assert!(answers(good, 2));
        assert!(!answers(good, 3), "an entry is missing");
        let searched: &[u8] = br#"{"resourceType":"Bundle","type":"searchset","entry":[{},{}]}"#;
        for other in [b"".as_slice(), b"<html>Sign in</html>", b"{}", searched] {
            assert!(!answers(other, 2));
        }
    }

    #[test]
    fn what_is_not_of_the_message_waits() {
        let refused = |status| matches!(judged(status, String::new()), Answer::Refused(_));
        assert!([400, 413, 422].into_iter().all(refused));
        let others = [302, 401, 403, 404, 405, 408, 410, 429, 500, 501, 503];
        assert!(!others.into_iter().any(refused));
    }
    #[test]
    fn what_is_written_there_is_laid_upon_what_was_read() {
        let object = |json: Value| json.as_object().unwrap().clone();
        let entry = |there: There| {
            let now = object(json!({"resourceType": "Patient", "id": "1", "gender": "female"}));
            let url = "Patient/1".to_owned();
            Touched { url, there, now }.entry()
        };
        let request = |there: There| entry(there).unwrap()["request"].clone();
        let plain = json!({"method": "PUT", "url": "Patient/1"});
        let with = |name: &str, value: &str| {
            let mut with = plain.clone();
            with[name] = value.into();
            with
        };
        // Somebody may have made it since it was asked for.
        assert_eq!(request(There::Nothing), with("ifNoneMatch", "*"));
        let there = json!({"resourceType": "Patient", "id": "1", "meta": {"versionId": "7"}});
        let is = |there: &Value| There::Is(object(there.clone()));
        assert_eq!(request(is(&there)), with("ifMatch", "W/\"7\""));
        assert_eq!(
            request(is(&json!({"resourceType": "Patient", "id": "1"}))),
            plain
        );
        assert_eq!(request(There::Unasked), plain);
        let mut same = there;
        same["gender"] = "female".into();
        assert!(entry(is(&same)).is_none());
    }
}
