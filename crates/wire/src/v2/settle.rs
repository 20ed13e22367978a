//! What has to hold within a resource, whatever was laid upon it by whom.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// Puts right what two messages together may make of a resource.
pub(super) fn settle(kind: &str, resource: &mut Map<String, Value>) {
    match kind {
        "Encounter" => vacate(resource),
        "Appointment" => timely(resource),
        _ => {}
    }
}

fn status(resource: &Map<String, Value>) -> &str {
    let status = resource.get("status").and_then(Value::as_str);
    status.unwrap_or_default()
}

/// An appointment has a start and an end (app-2), or is only proposed or cancelled (app-3); a reason
/// for cancelling it goes when it is not (app-4).
fn timely(appointment: &mut Map<String, Value>) {
    let has = |element: &str| appointment.contains_key(element);
    if !(has("start") && has("end")) {
        for element in ["start", "_start", "end", "_end"] {
            appointment.shift_remove(element);
        }
        let instead = match status(appointment) {
            "proposed" | "cancelled" | "waitlist" => None,
            "noshow" | "entered-in-error" => Some("cancelled"),
            _ => Some("proposed"),
        };
        if let Some(instead) = instead {
            appointment.insert("status".into(), instead.into());
        }
    }
    if !matches!(status(appointment), "cancelled" | "noshow") {
        appointment.shift_remove("cancelationReason");
    }
}

/// Nobody lies in a bed of a visit that is over, however late a message that names one comes.
fn vacate(encounter: &mut Map<String, Value>) {
    if !matches!(
        status(encounter),
        "finished" | "cancelled" | "entered-in-error"
    ) {
        return;
    }
    if let Some(Value::Array(places)) = encounter.get_mut("location") {
        for place in places.iter_mut().filter_map(Value::as_object_mut) {
            if place.get("status").and_then(Value::as_str) != Some("completed") {
                place.insert("status".into(), "completed".into());
            }
        }
        let mut seen = HashSet::new();
        places.retain(|place| seen.insert(place.to_string()));
    }
}
