//! Answers that are given before any door looked at a request, or by none: each in the form of the door
//! that its path leads to, so that whoever speaks FHIR, SCIM or OAuth is answered in that.

use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use wire::fhir::{Code, Issue};

/// The form of an answer that is no success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `OperationOutcome` (FHIR R4 section 3.1.0.1.5).
    Outcome,
    /// RFC 7644 section 3.12.
    Scim,
    /// RFC 9457.
    Problem,
    /// RFC 6749 section 5.2.
    Grant,
    /// Words: pages, DICOMweb (PS3.18 section 8.5 leaves it open), the log and its witnesses.
    Words,
}

impl Form {
    fn of(path: &str) -> Form {
        let under = |door: &str| {
            let rest = path.strip_prefix(door);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match () {
            () if under("/fhir") => Form::Outcome,
            () if under("/scim/v2") => Form::Scim,
            () if under("/signals") => Form::Problem,
            () if ["/oauth/token", "/oauth/revoke", "/oauth/introspect"].contains(&path) => {
                Form::Grant
            }
            () => Form::Words,
        }
    }

    const fn media(self) -> &'static str {
        match self {
            Form::Outcome => "application/fhir+json",
            Form::Scim => "application/scim+json",
            Form::Problem => "application/problem+json",
            Form::Grant => "application/json",
            Form::Words => "text/plain; charset=utf-8",
        }
    }

    fn body(self, status: StatusCode, words: &str) -> Vec<u8> {
        let value = match self {
            Form::Outcome => wire::fhir::outcome(&[Issue::error(code(status), "", words)]),
            Form::Scim => json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "status": status.as_str(),
                "detail": words,
            }),
            Form::Problem => json!({
                "title": status.canonical_reason().unwrap_or_default(),
                "status": status.as_u16(),
                "detail": words,
            }),
            Form::Grant => json!({"error": grant(status), "error_description": words}),
            Form::Words => return format!("{words}\n").into_bytes(),
        };
        Value::to_string(&value).into_bytes()
    }
}

fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Code::Throttled,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::NotSupported,
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLong,
        StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => Code::Transient,
        status if status.is_server_error() => Code::Exception,
        _ => Code::Invalid,
    }
}

fn grant(status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            "temporarily_unavailable"
        }
        _ => "invalid_request",
    }
}

/// An answer to a request for `path` that no door looked at, in the form of its door.
pub fn turned_away(path: &str, status: StatusCode, words: &str) -> Response {
    let form = Form::of(path);
    let kind = [(CONTENT_TYPE, form.media())];
    (status, kind, form.body(status, words)).into_response()
}

/// What is wrong, where whoever answered said nothing in the form of the door.
fn words(status: StatusCode, method: &Method) -> String {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => format!("`{method}` is not possible here"),
        StatusCode::NOT_FOUND => "there is nothing at this address".to_owned(),
        StatusCode::PAYLOAD_TOO_LARGE => "the body is larger than is taken here".to_owned(),
        StatusCode::REQUEST_TIMEOUT => "the request took too long to come".to_owned(),
        StatusCode::SERVICE_UNAVAILABLE => "this cannot be answered now; ask again".to_owned(),
        status if status.is_server_error() => {
            "Salus or its machine has a fault; what it is stands in the program's log".to_owned()
        }
        _ => "the request cannot be understood".to_owned(),
    }
}

/// Whether an answer says in the form of a door what is wrong.
fn speaks(form: Form, headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let plain = kind.is_none_or(|kind| kind.starts_with("text/"));
    form == Form::Words || !plain
}

/// Around everything: what no door said, such as that there is no such address or method, is said in
/// the form of the door that the path leads to.
pub(crate) async fn keep(
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let form = Form::of(request.uri().path());
    if form == Form::Words {
        return next(request).await;
    }
    let (path, method) = (request.uri().path().to_owned(), request.method().clone());
    let answer = next(request).await;
    let status = answer.status();
    let wrong = status.is_client_error() || status.is_server_error();
    if !wrong || speaks(form, answer.headers()) || method == Method::HEAD {
        return answer;
    }
    let said = turned_away(&path, status, &words(status, &method));
    let (mut parts, _) = answer.into_parts();
    let (new, body) = said.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.remove(CONTENT_ENCODING);
    parts.headers.insert(CONTENT_TYPE, kind(&new.headers));
    Response::from_parts(parts, body)
}

fn kind(headers: &HeaderMap) -> HeaderValue {
    let kind = headers.get(CONTENT_TYPE).cloned();
    kind.unwrap_or(HeaderValue::from_static("text/plain; charset=utf-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_in_which_form_it_is_answered() {
        for (path, form) in [
            ("/fhir", Form::Outcome),
            ("/fhir/Patient/1", Form::Outcome),
            ("/fhirs", Form::Words),
            ("/scim/v2/Users", Form::Scim),
            ("/signals/firewall", Form::Problem),
            ("/oauth/token", Form::Grant),
            ("/oauth/authorize", Form::Words),
            ("/dicomweb/studies", Form::Words),
            ("/", Form::Words),
        ] {
            assert_eq!(Form::of(path), form, "{path}");
        }
    }

    #[test]
    fn words_of_a_form_name_the_status() {
        let said = Form::Outcome.body(StatusCode::TOO_MANY_REQUESTS, "slow down");
        let said: Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(said["resourceType"], "OperationOutcome");
        assert_eq!(said["issue"][0]["code"], "throttled");
        let said = Form::Scim.body(StatusCode::NOT_FOUND, "there is none");
        let said: Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(said["status"], "404");
    }
}
