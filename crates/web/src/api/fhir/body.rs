//! Reading the body of a request, up to a limit.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use wire::fhir::Code;

use super::fault::Fault;

/// How much of a body that is too large is read and thrown away, in bytes, so that its sender
/// gets to read the answer instead of a broken connection.
const DRAIN_BYTES_MAX: usize = 128 * 1024 * 1024;

/// The whole body.
///
/// # Errors
/// 413 if it has more than `max` bytes, the limit with this name; 400 if it was cut off.
pub(crate) async fn read(mut body: Body, (max, limit): (usize, &str)) -> Result<Bytes, Fault> {
    let hint = usize::try_from(body.size_hint().lower()).unwrap_or(max);
    let mut bytes = Vec::with_capacity(if hint > max { 0 } else { hint });
    let mut total = 0_usize;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| Fault::bad(Code::Structure, "the body was cut off"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        total = total.saturating_add(data.len());
        if total <= max {
            bytes.extend_from_slice(&data);
        } else if total.saturating_sub(max) > DRAIN_BYTES_MAX {
            break;
        } else {
            bytes = Vec::new();
        }
    }
    if total > max {
        let words = format!("the body is larger than `{limit}` = {max} bytes; split it");
        return Err(Fault::too_large(words));
    }
    Ok(Bytes::from(bytes))
}
