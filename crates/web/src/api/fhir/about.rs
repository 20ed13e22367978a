//! What this door tells everybody about itself, before it is known who asks: the `CapabilityStatement` and the
//! OpenAPI document. Each is made once, away from the threads that serve, and shared by all answers: asking for it
//! again costs neither memory nor work.

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::answer::Answer;
use super::door::Door;
use super::fault::Fault;

/// What is told, once it was asked for.
#[derive(Debug, Default)]
pub(crate) struct About {
    capability: OnceCell<Laid>,
    openapi: OnceCell<Bytes>,
}

/// A text in both layouts.
#[derive(Debug)]
struct Laid {
    dense: Bytes,
    pretty: Bytes,
}

/// What this server can do, dated when it was first asked.
///
/// # Errors
/// 500 if the making was cut off.
pub(crate) async fn capability(door: &Door) -> Result<Answer, Fault> {
    let base = door.app.settings.fhir_base.clone();
    let date = door.app.clock.now().to_string();
    let make = move || laid(&wire::fhir::capability(&base, VERSION, &date));
    let about = &door.kept.about.capability;
    let laid = about.get_or_try_init(|| made(make)).await?;
    Ok(Answer {
        pretty: Some(laid.pretty.clone()),
        ..Answer::body(laid.dense.clone())
    })
}

/// The same as an OpenAPI document. It is large, and told in one layout whatever is asked for.
///
/// # Errors
/// 500 if the making was cut off.
pub(crate) async fn openapi(door: &Door) -> Result<Answer, Fault> {
    let base = door.app.settings.fhir_base.clone();
    let make = move || Bytes::from(wire::fhir::openapi(&base, VERSION).to_string());
    let about = &door.kept.about.openapi;
    let document = about.get_or_try_init(|| made(make)).await?;
    Ok(Answer {
        pretty: Some(document.clone()),
        media: Some("application/json"),
        ..Answer::body(document.clone())
    })
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

async fn made<T: Send + 'static>(make: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    let made = tokio::task::spawn_blocking(make).await;
    made.map_err(|_| Fault::broken("the making of a document was cut off; ask again"))
}

fn laid(value: &Value) -> Laid {
    let dense = Bytes::from(value.to_string());
    let pretty = serde_json::to_vec_pretty(value).map_or_else(|_| dense.clone(), Bytes::from);
    Laid { dense, pretty }
}
