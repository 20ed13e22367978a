//! One request is one request, also behind a proxy that counts bytes in another way (RFC 9112
//! section 6.1): what could be read as two is refused or is the last of its connection.

use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use axum::http::{StatusCode, Version};
use axum::response::Response;

/// Refuses a request with two lengths, and ends the connection after one that came in chunks: a
/// length that stood beside them is not seen any more at this place.
pub(crate) async fn one_at_a_time(
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let chunked = request.headers().contains_key(TRANSFER_ENCODING);
    let two = chunked && request.headers().contains_key(CONTENT_LENGTH);
    let old = request.version() < Version::HTTP_2;
    let mut response = match two {
        true => {
            let words = "a request has one length";
            web::turned_away(request.uri().path(), StatusCode::BAD_REQUEST, words)
        }
        false => next(request).await,
    };
    if chunked && old {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
