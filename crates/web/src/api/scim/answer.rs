//! What SCIM answers with, and its errors (RFC 7644 section 3.12).

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Why it was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// No token, or one that is not good.
    Unknown,
    Forbidden(&'static str),
    /// More requests in a minute than are taken.
    TooFast,
    Missing,
    /// The name is somebody's already.
    Taken,
    /// What was sent is no SCIM.
    Syntax(String),
    /// A filter that is not answered.
    Filter(String),
    /// A value that cannot be.
    Value(String),
    /// Our own fault.
    Broken(String),
}

impl Fault {
    pub(super) fn broken(problem: crate::error::Problem) -> Fault {
        Fault::Broken(problem.to_string())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, kind, detail) = match self {
            Fault::Unknown => (
                401,
                "",
                "a bearer token of `salus client add` is needed".to_owned(),
            ),
            Fault::Forbidden(why) => (403, "", why.to_owned()),
            Fault::TooFast => (
                429,
                "",
                "more requests in a minute than are taken".to_owned(),
            ),
            Fault::Missing => (404, "", "there is no such user".to_owned()),
            Fault::Taken => (409, "uniqueness", "this `userName` is taken".to_owned()),
            Fault::Syntax(why) => (400, "invalidSyntax", why),
            Fault::Filter(why) => (400, "invalidFilter", why),
            Fault::Value(why) => (400, "invalidValue", why),
            Fault::Broken(why) => {
                tracing::error!(why, "a request of the staff directory failed");
                (503, "", "it cannot be sealed now; send it again".to_owned())
            }
        };
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": status.to_string(),
            "detail": detail,
        });
        if let Some(members) = body.as_object_mut().filter(|_| !kind.is_empty()) {
            members.insert("scimType".to_owned(), kind.into());
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = answer(status, &body);
        if status == StatusCode::UNAUTHORIZED {
            let bearer = axum::http::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    let kind = [(CONTENT_TYPE, "application/scim+json")];
    (status, kind, body.to_string()).into_response()
}

pub(super) fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// `GET /ServiceProviderConfig`
pub(super) async fn provider() -> Response {
    let no = json!({"supported": false});
    answer(
        StatusCode::OK,
        &json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": {"supported": true},
            "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
            "filter": {"supported": true, "maxResults": super::PAGE_MAX},
            "changePassword": no, "sort": no, "etag": no,
            "authenticationSchemes": [{
                "type": "oauthbearertoken", "name": "Bearer token",
                "description": "A token of `salus client add NAME --scope system/scim`",
            }],
        }),
    )
}

/// `GET /ResourceTypes`
pub(super) async fn types() -> Response {
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": "User", "name": "User", "endpoint": "/Users",
        "schema": super::user::SCHEMA,
        "schemaExtensions": [{"schema": super::user::PERSON, "required": false}],
    });
    answer(
        StatusCode::OK,
        &json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": 1, "startIndex": 1, "itemsPerPage": 1,
            "Resources": [user],
        }),
    )
}
