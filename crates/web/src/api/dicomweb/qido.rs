//! QIDO-RS (PS3.18 section 10.6): the same query as C-FIND.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, WARNING};
use axum::response::{IntoResponse as _, Response};
use guard::Identity;
use serde_json::{Map, Value, json};
use wire::dicom::{Attributes, Level, Query, Whole, attribute, tags};

use super::Refused;
use super::accept::Accepted;
use super::route::Place;
use crate::App;
use crate::api::fhir::query_pairs;
use crate::imaging::ImageQuery;

const JSON: &str = "application/dicom+json";

/// Looks for studies, series or instances.
pub(super) async fn search(
    app: &Arc<App>,
    who: &Identity,
    (place, text): (&Place, &str),
    accepted: &[Accepted],
) -> Result<Response, Refused> {
    let json = |one: &Accepted| one.takes(JSON) || one.takes("application/json");
    if !accepted.iter().any(json) {
        let words = format!("results are given as `{JSON}` alone");
        return Err(Refused::unacceptable(words));
    }
    let mut query = place.query()?;
    let most = app.settings.dicomweb_matches_max;
    let (mut limit, mut offset) = (most, 0);
    for (name, value) in query_pairs(text, app.settings.search_parameters_max)? {
        match name.as_str() {
            "limit" => limit = count(&name, &value)?.min(most),
            "offset" => offset = count(&name, &value)?.min(most),
            // All that is known is told anyway; names match without regard to case, and no further.
            "includefield" | "fuzzymatching" => {}
            _ => ask(&mut query, &name, &value)?,
        }
    }
    let said = format!("QIDO-RS {}", query.text());
    let found = app
        .find_images(&ImageQuery {
            who,
            query: &query,
            said: &said,
            authority: &app.settings.image_authority,
            max: offset.saturating_add(limit).min(most),
        })
        .await
        .map_err(|why| Refused::of(why, who))?;
    let base = app.settings.fhir_base.as_str();
    let base = base.strip_suffix("/fhir").unwrap_or(base);
    let all = found.matches.iter().skip(offset);
    let all = all.map(|one| told(&query, one, base));
    let body = Value::Array(all.map(Value::Object).collect()).to_string();
    let kind = [(CONTENT_TYPE, HeaderValue::from_static(JSON))];
    let mut response = (StatusCode::OK, kind, body).into_response();
    if found.more {
        // PS3.18 section 8.3.4.4.
        let words = "299 salus \"There are additional results that can be requested\"";
        let warning: (HeaderName, _) = (WARNING, HeaderValue::from_static(words));
        response.headers_mut().insert(warning.0, warning.1);
    }
    Ok(response)
}

fn ask(query: &mut Query, name: &str, value: &str) -> Result<(), Refused> {
    let found = attribute(name);
    let (tag, vr) = found.ok_or_else(|| Refused::bad(format!("`{name}` is no attribute")))?;
    // Lists of UIDs may be parted by commas here.
    let value = match vr {
        wire::dicom::VR::UI => value.replace(',', "\\"),
        _ => value.to_owned(),
    };
    let asked = query.ask((tag, vr), &value);
    asked.map_err(|fault| Refused::bad(fault.to_string()))
}

fn count(name: &str, value: &str) -> Result<usize, Refused> {
    let count = value.parse();
    count.map_err(|_| Refused::bad(format!("`{name}` is a number, not `{value}`")))
}

/// One result, with where it can be fetched.
fn told(query: &Query, found: &Attributes, base: &str) -> Map<String, Value> {
    let mut out = query.json(found, Whole::All);
    let uid = |tag| found.get(tag).unwrap_or_default();
    let mut url = format!("{base}/dicomweb/studies/{}", uid(tags::STUDY_INSTANCE_UID));
    if query.level >= Level::Series {
        url = format!("{url}/series/{}", uid(tags::SERIES_INSTANCE_UID));
    }
    if query.level == Level::Image {
        url = format!("{url}/instances/{}", uid(tags::SOP_INSTANCE_UID));
    }
    out.insert("00081190".into(), json!({"vr": "UR", "Value": [url]}));
    out
}
