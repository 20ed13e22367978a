//! The content of a Binary as what it is (FHIR R4, Binary; IHE MHD, ITI-68): who asks for its type, and not for
//! FHIR, gets the bytes.

use axum::http::header::{
    ACCEPT, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use wire::fhir::Code;

use super::answer::Answer;
use super::binary::SECURITY_CONTEXT;
use super::fault::Fault;
use super::route::{self, Call};

/// Whether this reads one Binary, or a version of one.
pub(crate) fn is_read(parts: &Parts) -> bool {
    let looks = [Method::GET, Method::HEAD].contains(&parts.method);
    looks
        && match route::call(parts.method.as_str(), parts.uri.path()) {
            Ok(Call::Read(target) | Call::Version(target, _)) => target.kind == "Binary",
            _ => false,
        }
}

/// The content instead of the resource.
///
/// # Errors
/// 406 if it is of another type than those that are asked for.
pub(crate) fn content(answer: Answer, parts: &Parts) -> Result<Answer, Fault> {
    let Some(body) = &answer.body else {
        return Ok(answer);
    };
    let binary: Value = serde_json::from_slice(body)
        .map_err(|_| Fault::broken("a Binary that is kept cannot be read"))?;
    let text = |name: &str| binary.get(name).and_then(Value::as_str).unwrap_or_default();
    let kind = text("contentType").trim();
    if !accepts(parts, kind) {
        let words =
            format!("the content is `{kind}`; ask for that, or for `application/fhir+json`");
        return Err(Fault::new(
            StatusCode::NOT_ACCEPTABLE,
            Code::NotSupported,
            words,
        ));
    }
    let bytes = match &answer.content {
        Some(bytes) => bytes.clone(),
        None => decoded(text("data"))?.into(),
    };
    let kind = match HeaderValue::from_str(kind) {
        Ok(_) if !kind.is_empty() => kind,
        _ => "application/octet-stream",
    };
    // A document is somebody else's: nothing in it may run as if it was a page of ours.
    let mut headers = vec![
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_DISPOSITION, "attachment".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (
            CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'".to_owned(),
        ),
    ];
    let context = binary.pointer("/securityContext/reference");
    if let Some(context) = context.and_then(Value::as_str) {
        headers.push((SECURITY_CONTEXT, context.to_owned()));
    }
    Ok(Answer {
        body: Some(bytes),
        content: None,
        headers,
        ..answer
    })
}

fn decoded(data: &str) -> Result<Vec<u8>, Fault> {
    let data: String = data.split_whitespace().collect();
    let bytes = STANDARD.decode(data);
    bytes.map_err(|_| Fault::broken("the content of a Binary that is kept is no base64"))
}

fn accepts(parts: &Parts, kind: &str) -> bool {
    let essence = |text: &str| {
        text.split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    };
    let kind = essence(kind);
    let family = kind.split('/').next().unwrap_or_default().to_owned();
    let said = parts.headers.get_all(ACCEPT).iter();
    let said = said.filter_map(|value| value.to_str().ok());
    said.flat_map(|value| value.split(','))
        .map(essence)
        .any(|one| one == kind || one == format!("{family}/*"))
}
