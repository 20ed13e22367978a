//! A Binary that is sent as what it is (FHIR R4, Binary, on serving it by the RESTful API): the body of the request is the content,
//! `Content-Type` says what it is and `X-Security-Context` whose.

use axum::body::{Body, HttpBody as _};
use axum::http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use event::Act;
use guard::Identity;
use serde_json::{Map, Value, json};
use wire::fhir::{Code, Issue};

use super::body;
use super::door::{Door, Question, subject};
use super::fault::Fault;
use super::format::header;
use super::intent::Context;
use super::read::locate;
use super::route::Write;
use super::settle::{Fate, Settled};
use crate::imaging::Room;

/// Names the resource whose rules of access hold for a Binary.
pub(crate) const SECURITY_CONTEXT: HeaderName = HeaderName::from_static("x-security-context");
/// Bytes by whose look it is told whether content is what its type says.
const LOOKED_AT_BYTES: usize = 6 << 10;
/// Bytes of content that are written within the resource; the record puts them elsewhere if it wants.
const INLINE_BYTES_MAX: usize = 64 << 10;
/// When somebody for whom there was no room may ask again, in seconds.
const RETRY_SECONDS: &str = "10";
/// Characters of a content type, at most.
const TYPE_CHARS_MAX: usize = 255;
/// FHIR, read here or not: to keep it as a document would surprise.
const FHIR: [&str; 8] = [
    "application/fhir+json",
    "application/json",
    "application/json+fhir",
    "text/json",
    "application/fhir+xml",
    "application/fhir+turtle",
    "application/xml+fhir",
    "text/turtle",
];

/// Content apart from its resource.
#[derive(Debug)]
pub(crate) struct Raw {
    /// What it is, as the sender says.
    pub(crate) kind: String,
    /// Whose it is: a reference.
    context: Option<String>,
    /// Whether that was said.
    pub(crate) of: Context,
    /// The bytes.
    pub(crate) bytes: Bytes,
    /// To be held until it is stored.
    pub(crate) room: Room,
}

/// The type of the content, if the request brings a Binary as what it is.
pub(crate) fn kind(write: &Write, headers: &HeaderMap) -> Option<String> {
    let takes = matches!(
        write,
        Write::Create(_) | Write::Update(_) | Write::UpdateWhere(_)
    );
    let said = header(headers, &CONTENT_TYPE)?.trim();
    let essence = said.split(';').next().unwrap_or_default().trim();
    let (family, name) = essence.split_once('/')?;
    let is_token = |text: &str| {
        let of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
        !text.is_empty() && text.bytes().all(of_it)
    };
    let sound = is_token(family) && is_token(name) && said.len() <= TYPE_CHARS_MAX;
    let fhir = FHIR.iter().any(|one| essence.eq_ignore_ascii_case(one));
    let raw = takes && write.kind() == "Binary" && sound && !fhir;
    raw.then(|| said.to_owned())
}

/// Whose the content is, as the header says.
///
/// # Errors
/// 400 if it says that in letters that no reference has, or twice.
pub(crate) fn context(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let mut all = headers.get_all(&SECURITY_CONTEXT).iter();
    let Some(said) = all.next() else {
        return Ok(None);
    };
    let twice = all.next().is_some();
    match said.to_str() {
        Ok(said) if !twice => Ok(Some(said.trim().to_owned())),
        _ => {
            let words = "`X-Security-Context` is one reference, in ASCII, such as `Patient/123`";
            Err(Fault::bad(Code::Value, words))
        }
    }
}

/// Asks the guard before any room is taken, as far as it is known yet whose the content is.
///
/// # Errors
/// 403 for whoever may not write it, sealed; 400 as [`context`].
pub(crate) async fn may_write(
    door: &Door,
    who: &Identity,
    (write, headers): (&Write, &HeaderMap),
) -> Result<(), Fault> {
    let act = match write {
        Write::Create(_) => Act::Create,
        _ => Act::Update,
    };
    let patient = match (context(headers)?, write) {
        (Some(said), _) if !said.is_empty() => {
            let base = door.app.settings.fhir_base.trim_end_matches('/');
            let own = said.strip_prefix(base);
            let own = own.and_then(|own| own.strip_prefix('/'));
            let reference = own.unwrap_or(&said);
            // One that is to be looked up first is asked about then.
            if reference.contains('?') {
                return Ok(());
            }
            let resource = json!({
                "resourceType": "Binary",
                "securityContext": {"reference": reference},
            });
            wire::fhir::patient_of(&resource)
        }
        (None, Write::Update(target)) => {
            locate(door, target).await?.and_then(|found| found.patient)
        }
        (None, Write::UpdateWhere(_)) => return Ok(()),
        _ => None,
    };
    let question = Question {
        act,
        subject: subject("Binary", patient),
        kinds: vec!["Binary".to_owned()],
        detail: match write {
            Write::Update(target) => format!("Binary/{}", target.id),
            _ => "Binary".to_owned(),
        },
    };
    if !door.decide(who, question.clone()).await?.allowed() {
        // The refusal is sealed.
        door.permit(who, question, None).await?;
    }
    Ok(())
}

/// Reads the content, once there is room for it.
///
/// # Errors
/// 413 beyond `binary_bytes_max`, 503 if there is no room within `binary_wait_ms`, 400 if it was cut off or is
/// not what its type says.
pub(crate) async fn read(
    door: &Door,
    (kind, headers): (String, &HeaderMap),
    body: Body,
) -> Result<Raw, Fault> {
    let max = door.app.settings.binary_bytes_max;
    let said = body.size_hint().exact();
    if said.is_some_and(|said| said > max as u64) {
        let words = format!("the body is larger than `binary_bytes_max` = {max} bytes; split it");
        return Err(Fault::too_large(words));
    }
    let most = said.and_then(|said| usize::try_from(said).ok());
    let coming = &door.app.documents_in;
    let room = coming.room_for(most.unwrap_or(max) as u64).await;
    let room = room.map_err(|_| no_room())?;
    let bytes = body::read(body, (max, "binary_bytes_max")).await?;
    fits(&kind, &bytes)?;
    let context = context(headers)?;
    Ok(Raw {
        kind,
        of: match context {
            Some(_) => Context::AsSaid,
            None => Context::AsBefore,
        },
        context: context.filter(|context| !context.is_empty()),
        bytes,
        room,
    })
}

/// Room for content on its way out.
///
/// # Errors
/// 503.
pub(crate) async fn room(door: &Door, bytes: usize) -> Result<Room, Fault> {
    let room = door.app.documents.room_for(bytes as u64).await;
    room.map_err(|_| no_room())
}

/// 503: others hold it.
pub(crate) fn no_room() -> Fault {
    let mut fault = Fault::later("too many large contents are on their way; ask again in a while");
    fault.header = Some((RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS)));
    fault
}

/// As in a resource: nobody shall open one thing as another.
fn fits(kind: &str, bytes: &[u8]) -> Result<(), Fault> {
    let begin = bytes.get(..LOOKED_AT_BYTES).unwrap_or(bytes);
    let begin = STANDARD.encode(begin);
    match wire::fhir::misnamed(kind, &begin) {
        None => Ok(()),
        Some(why) => {
            let issue = Issue::error(Code::Value, "Binary.data".to_owned(), why);
            Err(Fault::of(axum::http::StatusCode::BAD_REQUEST, vec![issue]))
        }
    }
}

impl Raw {
    /// The resource; without its content, and that apart, if it is large.
    pub(crate) fn parted(&self, write: &Write) -> (Bytes, Option<Bytes>) {
        let resource = self.resource(write);
        match self.bytes.len() {
            0 => (resource.into(), None),
            1..=INLINE_BYTES_MAX => {
                let data = STANDARD.encode(&self.bytes);
                (with_data(resource.as_bytes(), &data).into(), None)
            }
            _ => (resource.into(), Some(self.bytes.clone())),
        }
    }

    fn resource(&self, write: &Write) -> String {
        let mut resource = Map::new();
        resource.insert("resourceType".to_owned(), "Binary".into());
        if let Write::Update(target) = write {
            resource.insert("id".to_owned(), target.id.as_str().into());
        }
        resource.insert("contentType".to_owned(), self.kind.as_str().into());
        if let Some(context) = &self.context {
            let reference = serde_json::json!({"reference": context});
            resource.insert("securityContext".to_owned(), reference);
        }
        Value::Object(resource).to_string()
    }
}

/// The resource with what stands for its content, or its mark, as its last member.
pub(crate) fn with_data(resource: &[u8], data: &str) -> Vec<u8> {
    with_member(resource, ("data", &format!("\"{data}\"")))
}

fn with_member(resource: &[u8], (name, json): (&str, &str)) -> Vec<u8> {
    let end = resource.iter().rposition(|byte| *byte == b'}');
    let (before, after) = resource.split_at(end.unwrap_or(resource.len()));
    let member = format!(",\"{name}\":{json}");
    [before, member.as_bytes(), after].concat()
}

/// The write with the security context that the version before has, if its content came by itself and said
/// nothing of one.
///
/// # Errors
/// 403 for whoever may not write it.
pub(crate) async fn in_context(
    door: &Door,
    who: &Identity,
    mut settled: Settled,
) -> Result<Settled, Fault> {
    if settled.intent.context != Context::AsBefore || settled.fate != Fate::Updated {
        return Ok(settled);
    }
    let target = &settled.target;
    let question = Question::of(Act::Update, target, settled.before.clone());
    let permit = door.permit(who, question, None).await?;
    let version = (target.kind, target.id.as_str(), settled.replaces);
    let chart = &door.app.chart;
    let context = chart
        .former_member(permit, version, "securityContext")
        .await?;
    if let Some(context) = context {
        let member = ("securityContext", context.to_string());
        let raw = with_member(&settled.intent.raw, (member.0, &member.1));
        settled.intent.raw = raw.into();
    }
    Ok(settled)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn kind_of(write: &Write, said: &'static str) -> Option<String> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(said))]);
        kind(write, &headers)
    }

    #[test]
    fn only_a_binary_comes_as_what_it_is() {
        let create = Write::Create("Binary");
        assert_eq!(
            kind_of(&create, "application/pdf").as_deref(),
            Some("application/pdf")
        );
        assert_eq!(
            kind_of(&create, "text/plain; charset=utf-8").as_deref(),
            Some("text/plain; charset=utf-8")
        );
        for fhir in [
            "application/fhir+json",
            "application/json",
            "application/fhir+json; charset=latin1",
            "application/json+fhir; fhirVersion=3.0",
            "Text/JSON; charset=utf8",
            "application/fhir+xml",
            "text/turtle",
            "pdf",
            "a b/c",
            "/x",
        ] {
            assert_eq!(kind_of(&create, fhir), None, "{fhir}");
        }
        assert_eq!(kind_of(&Write::Create("Patient"), "application/pdf"), None);
        assert_eq!(
            kind_of(&Write::DeleteWhere("Binary"), "application/pdf"),
            None
        );
    }

    #[test]
    fn whose_a_content_is_is_said_once_and_in_letters() {
        let said = |all: &[&'static [u8]]| {
            let all = all.iter().map(|one| HeaderValue::from_bytes(one).unwrap());
            let mut headers = HeaderMap::new();
            all.for_each(|one| {
                headers.append(SECURITY_CONTEXT, one);
            });
            context(&headers).map_err(|fault| fault.status.as_u16())
        };
        assert_eq!(said(&[]).unwrap(), None);
        assert_eq!(
            said(&[b" Patient/1"]).unwrap().as_deref(),
            Some("Patient/1")
        );
        assert_eq!(said(&[b"Patient/\xe4"]), Err(400));
        assert_eq!(said(&[b"Patient/1", b"Patient/2"]), Err(400));
    }

    #[test]
    fn data_is_the_last_member() {
        let marked = with_data(br#"{"resourceType":"Binary","contentType":"a/b"}"#, "m");
        assert_eq!(
            marked,
            br#"{"resourceType":"Binary","contentType":"a/b","data":"m"}"#
        );
    }
}
