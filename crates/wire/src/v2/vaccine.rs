//! Immunization: VXU (ORC, RXA, RXR, OBX).

use serde_json::{Value, json};

use super::group::{self, Group};
use super::json::{Object, absent, coding, concept_of, reference};
use super::number::{self, Numbers};
use super::observation::{self, Shared};
use super::result::Met;
use super::work::{Work, spot};
use super::{Draft, Mode, code, dose};
use crate::hl7::{Message, Segment};

const ROLE: &str = "http://terminology.hl7.org/CodeSystem/v2-0443";

/// The code of "no vaccine administered": its group holds observations only.
const NO_VACCINE: &str = "998";

/// An amount that stands for an unknown one.
const UNKNOWN_AMOUNT: &str = "999";

/// LOINC codes of observations that are elements of the immunization.
const ELIGIBILITY: &str = "64994-7";
const FUNDING: &str = "30963-3";
const DOSE_NUMBER: [&str; 2] = ["30973-2", "59783-1"];
const PUBLICATION: [&str; 2] = ["29768-9", "29769-7"];

/// The immunizations of a VXU.
pub(super) fn vaccines(message: &Message<'_>, work: &mut Work<'_>) {
    let groups = group::groups(message, &["RXA"]);
    for group in &groups {
        match group.first("RXA") {
            Some(rxa) if is_vaccine(rxa) => vaccine(group, rxa, work),
            _ => {
                let whole = nothing_given(group, work);
                group::observations(group, &whole, work);
            }
        }
    }
}

/// What tells statements apart that come without a vaccine (`998`): their number, else the patient,
/// the time and what they say, so that a later one takes no earlier one's place.
fn nothing_given(group: &Group<'_>, work: &mut Work<'_>) -> String {
    let numbers = Numbers::of(group.first("ORC"), None, work);
    let key = numbers.key();
    if !key.is_empty() && !key.ends_with("|9999") {
        return key;
    }
    let time = group.first("RXA").and_then(|rxa| rxa.field(3).string());
    let said = group
        .all("OBX")
        .flat_map(|obx| [obx.field(3), obx.field(5)]);
    let said: Vec<String> = said.filter_map(|part| part.comp(1).string()).collect();
    let (time, said) = (time.unwrap_or_default(), said.join("|"));
    format!("{}|{time}|{said}", work.patient)
}

fn is_vaccine(rxa: Segment<'_>) -> bool {
    rxa.field(5).comp(1).string().as_deref().map(str::trim) != Some(NO_VACCINE)
}

fn vaccine(group: &Group<'_>, rxa: Segment<'_>, work: &mut Work<'_>) {
    let orc = group.first("ORC");
    let told = work.told;
    work.told = work.told_at(&[rxa.field(22)]).or(told);
    let numbers = Numbers::of(orc, None, work);
    let id = id(&numbers, rxa, work);
    let mut draft = work.of_patient("Immunization", id.clone(), Mode::Replace);
    draft.list("identifier", numbers.identifiers());
    draft.put("meta", number::confidential(orc, work));
    standing(rxa, &mut draft, work);
    let vaccine = work.concept(rxa.field(5), "").unwrap_or_else(|| {
        work.complain_at(spot(rxa, 5), "names no vaccine");
        absent()
    });
    draft.put("vaccineCode", vaccine);
    draft.put("patient", work.patient_reference());
    let encounter = work.encounter_reference();
    draft.put("encounter", encounter);
    when(orc, rxa, &mut draft, work);
    given(group, rxa, &mut draft, work);
    let mut note = dose::notes(rxa, 9, work);
    // The first of them may be a code; the others are what somebody wrote.
    if origin(rxa, &mut draft, work) && !note.is_empty() {
        note.remove(0);
    }
    note.extend(group.note(&["OBX"], work));
    draft.list("note", note);
    observed(group, (&mut draft, &id), work);
    work.add(draft);
    work.told = told;
}

/// The filler's number, else the placer's, else the patient, the vaccine and the time. `9999` is
/// what registries write where there is no number.
fn id(numbers: &Numbers, rxa: Segment<'_>, work: &mut Work<'_>) -> String {
    if let Some(id) = numbers.done_id("Immunization", work)
        && !work.has_made(&id)
        && !numbers.key().ends_with("|9999")
    {
        return id;
    }
    let key = super::clinical::key_of(rxa.field(5), work);
    let time = work.text(rxa.field(3)).unwrap_or_default();
    let patient = work.patient.clone();
    work.part_id("Immunization", &[&patient, &key, &time])
}

/// RXA-20, unless RXA-21 takes it back; why it was not given (RXA-18).
fn standing(rxa: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let at = spot(rxa, 20);
    let status = match work.text(rxa.field(21)).as_deref() {
        Some("D") => "entered-in-error",
        _ if at.part().is_absent() => "completed",
        _ => work
            .look(at, at.part(), code::IMMUNIZED)
            .unwrap_or("completed"),
    };
    draft.put("status", Value::from(status));
    draft.put("statusReason", work.concept(rxa.field(18).rep(0), ""));
    let at = spot(rxa, 19);
    let reasons = work
        .reps(at)
        .filter_map(|part| work.concept(part, ""))
        .collect();
    draft.list("reasonCode", reasons);
}

fn when(orc: Option<Segment<'_>>, rxa: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    match work.time(spot(rxa, 3)) {
        Some(stamp) => stamp.put(&mut draft.json, "occurrenceDateTime"),
        None => draft.put("occurrenceString", Value::from("unknown")),
    }
    let recorded = orc
        .map(|orc| spot(orc, 9))
        .filter(|at| !at.part().is_absent());
    if let Some(stamp) = work.time(recorded.unwrap_or(spot(rxa, 22))) {
        stamp.put(&mut draft.json, "recorded");
    }
}

/// How much, of which lot, by whom and where.
fn given(group: &Group<'_>, rxa: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    if work.text(rxa.field(6)).as_deref() != Some(UNKNOWN_AMOUNT) {
        draft.put("doseQuantity", dose::quantity(rxa, (6, 7), work));
    }
    for (member, value) in dose::way(group, Some(rxa), work) {
        if member != "method" {
            draft.put(member, value);
        }
    }
    draft.put(
        "lotNumber",
        work.text(rxa.field(15).rep(0)).map(Value::from),
    );
    if let Some(stamp) = work.time_in(spot(rxa, 16), rxa.field(16).rep(0)) {
        draft.put("expirationDate", Value::from(stamp.moment.day()));
    }
    draft.put("manufacturer", manufacturer(rxa, work));
    let place = work
        .location(rxa.field(27), None)
        .and_then(|entry| entry.get("location").cloned());
    draft.put("location", place.or_else(|| at_place(rxa, work)));
    let mut performers = Vec::new();
    for part in work.reps(spot(rxa, 10)) {
        performers.extend(work.practitioner(part).map(|actor| performer("AP", &actor)));
    }
    if let Some(orc) = group.first("ORC") {
        let ordered = work.practitioner(orc.field(12).rep(0));
        performers.extend(ordered.map(|actor| performer("OP", &actor)));
    }
    draft.list("performer", performers);
}

fn performer(role: &str, actor: &Value) -> Value {
    json!({"function": concept_of(coding(ROLE, role, None)), "actor": actor})
}

fn manufacturer(rxa: Segment<'_>, work: &mut Work<'_>) -> Option<Value> {
    let part = rxa.field(17).rep(0);
    let code = work.text(part.comp(1));
    let name = work
        .free(part.comp(2))
        .or_else(|| code.clone())?
        .into_owned();
    let system = work
        .text(part.comp(3))
        .map(|name| super::system::uri(&name).into_owned());
    let identifier = code.map(|code| {
        Object::with_room(2)
            .put("system", system)
            .set("value", code)
            .done()
    });
    let one = Object::with_room(3)
        .set("type", "Organization")
        .put("identifier", identifier);
    Some(one.set("display", name).done())
}

/// RXA-11 (LA2): the facility in its fourth component, or the point of care.
fn at_place(rxa: Segment<'_>, work: &mut Work<'_>) -> Option<Value> {
    let part = rxa.field(11);
    let name = [4, 1]
        .into_iter()
        .find_map(|number| work.text(part.comp(number).sub(1)))?;
    Some(json!({"display": name}))
}

/// RXA-9, table NIP001: `00` is told by who gave it, the others are from hearsay. Whether it was
/// such a code, and no note.
fn origin(rxa: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) -> bool {
    let part = rxa.field(9).rep(0);
    let said = work.text(part.comp(1)).unwrap_or_default();
    if said.len() != 2 || !said.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    draft.put("primarySource", Value::from(said == "00"));
    if said != "00" {
        draft.put("reportOrigin", work.concept(part, ""));
    }
    true
}

/// What was observed: some of it is an element, the rest are observations that are part of it.
fn observed(group: &Group<'_>, (draft, id): (&mut Draft, &str), work: &mut Work<'_>) {
    let mut shared = Shared {
        stem: work.stem("Observation", id),
        parent: id.to_owned(),
        category: None,
        effective: serde_json::Map::new(),
        specimen: None,
        part_of: Some(reference("Immunization", id)),
        meta: draft.json.get("meta").cloned(),
    };
    let (mut met, mut education) = (Met::new(), Vec::new());
    for obx in group.all("OBX") {
        let code = work.text(obx.field(3).comp(1)).unwrap_or_default();
        match &*code {
            ELIGIBILITY => draft.list(
                "programEligibility",
                work.concept(obx.field(5), "").into_iter().collect(),
            ),
            FUNDING => draft.put("fundingSource", work.concept(obx.field(5), "")),
            code if DOSE_NUMBER.contains(&code) => protocol(obx, draft, work),
            code if PUBLICATION.contains(&code) => publication(obx, &mut education, work),
            _ => {
                let notes = group.notes_behind(obx);
                observation::observation(obx, &notes, (&mut shared, &mut met), work);
            }
        }
    }
    draft.list("education", education);
}

fn protocol(obx: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let said = work.text(obx.field(5)).unwrap_or_default();
    let number = said
        .parse::<u32>()
        .ok()
        .filter(|number| (1..1 << 31).contains(number));
    let one = match number {
        Some(number) => json!({"doseNumberPositiveInt": number}),
        None if said.is_empty() => return,
        None => json!({"doseNumberString": said}),
    };
    draft.list("protocolApplied", vec![one]);
}

/// The dates of a leaflet (VIS): published, presented.
fn publication(obx: Segment<'_>, education: &mut Vec<Value>, work: &mut Work<'_>) {
    let code = work.text(obx.field(3).comp(1)).unwrap_or_default();
    let member = if code == "29768-9" {
        "publicationDate"
    } else {
        "presentationDate"
    };
    let Some(stamp) = work.time(spot(obx, 5)) else {
        return;
    };
    let last = education.last_mut().and_then(Value::as_object_mut);
    match last.filter(|map| !map.contains_key(member)) {
        Some(map) => drop(map.insert(member.into(), stamp.moment.text.into())),
        None => education.push(json!({
            member: stamp.moment.text,
            "documentType": "VIS",
        })),
    }
}
