//! Task: what was asked of an order that exists (cancel it, hold it, change it ...) and what came
//! of that. A request and its answer are the same task; that an order is new needs none.

use serde_json::Value;

use super::Mode;
use super::json::{coding, concept_of, reference};
use super::number;
use super::patient::table;
use super::work::{Work, spot};
use crate::hl7::Segment;

/// Order control (table 0119), the request it is or answers, what the request is for, and how the
/// task stands after it.
const CONTROLS: [(&str, &str, &str, &str); 20] = [
    ("CA", "CA", "Cancel order/service request", "requested"),
    ("CR", "CA", "Cancel order/service request", "completed"),
    ("UC", "CA", "Cancel order/service request", "rejected"),
    ("DC", "DC", "Discontinue order/service request", "requested"),
    ("DR", "DC", "Discontinue order/service request", "completed"),
    ("UD", "DC", "Discontinue order/service request", "rejected"),
    ("HD", "HD", "Hold order request", "requested"),
    ("HR", "HD", "Hold order request", "completed"),
    ("UH", "HD", "Hold order request", "rejected"),
    ("RL", "RL", "Release previous hold", "requested"),
    ("OR", "RL", "Release previous hold", "completed"),
    ("UR", "RL", "Release previous hold", "rejected"),
    ("RP", "RP", "Order/service replace request", "requested"),
    ("RQ", "RP", "Order/service replace request", "completed"),
    ("UM", "RP", "Order/service replace request", "rejected"),
    ("XO", "XO", "Change order/service request", "requested"),
    ("XR", "XO", "Change order/service request", "completed"),
    ("UX", "XO", "Change order/service request", "rejected"),
    ("UA", "NW", "New order/service", "rejected"),
    ("UF", "RF", "Refill order/service request", "rejected"),
];

/// The Task of an ORC about the order with that kind and id, if it asks or answers something.
pub(super) fn task(orc: Segment<'_>, (kind, order): (&str, &str), work: &mut Work<'_>) {
    let said = work.text(orc.field(1)).unwrap_or_default();
    let Some((_, request, words, status)) = CONTROLS.iter().find(|row| row.0 == said) else {
        return;
    };
    let (id, part_of) = work.id_of_part("Task", (Some(order), &[request]));
    let mut draft = work.of_patient("Task", id, Mode::Merge);
    draft.part_of = part_of;
    draft.put("status", Value::from(*status));
    draft.put("statusReason", work.concept(orc.field(16), ""));
    draft.put("intent", Value::from("order"));
    let request = coding(&table("0119"), request, Some(words));
    draft.put("code", concept_of(request));
    draft.put("focus", reference(kind, order));
    draft.put("for", work.patient_reference());
    let encounter = work.encounter_reference();
    draft.put("encounter", encounter);
    let asks = *status == "requested";
    let element = if asks { "authoredOn" } else { "lastModified" };
    if let Some(stamp) = work.time(spot(orc, 9)) {
        stamp.put(&mut draft.json, element);
    }
    if asks {
        draft.put("requester", number::requester(Some(orc), (orc, 12), work));
    }
    work.add(draft);
}
