//! Appointment: SIU (SCH, AIS, AIG, AIL, AIP, NTE).

use serde_json::{Map, Value, json};

use super::json::Object;
use super::patient::table;
use super::work::{Spot, Work, spot};
use super::{Draft, Mode, code, data, observation, time};
use crate::hl7::{Message, Part, Segment};

/// The Appointment of an SIU.
pub(super) fn appointment(message: &Message<'_>, trigger: &str, work: &mut Work<'_>) {
    let Some(sch) = message.segment("SCH") else {
        return work.complain("there is no SCH, so there is no appointment".into());
    };
    let id = id(sch, work);
    let mut draft = work.of_patient("Appointment", id, Mode::Merge);
    let mut numbers = Vec::new();
    for (field, kind) in [(1, "PLAC"), (2, "FILL")] {
        let named = data::entity(sch.field(field), work.sender.authority);
        numbers.extend(named.map(|named| data::identifier(&named, Some(kind))));
    }
    draft.list("identifier", numbers);
    standing((message, sch), trigger, &mut draft, work);
    why(message, sch, &mut draft, work);
    timed(message, sch, &mut draft, work);
    orders(sch, &mut draft, work);
    participants(message, sch, &mut draft, work);
    work.add(draft);
}

/// By the filler's number, else the placer's.
fn id(sch: Segment<'_>, work: &mut Work<'_>) -> String {
    let authority = work.sender.authority;
    for field in [2, 1] {
        if let Some(named) = data::entity(sch.field(field), authority) {
            return work.id("Appointment", &named.system, &named.value);
        }
    }
    work.complain_at(
        spot(sch, 2),
        "numbers no appointment; told apart by patient and time",
    );
    let at = work.text(sch.field(11).comp(4)).unwrap_or_default();
    let patient = work.patient.clone();
    work.part_id("Appointment", &[&patient, &at])
}

/// What a trigger says by itself weighs more than SCH-25 or AIS-10.
fn standing(
    (message, sch): (&Message<'_>, Segment<'_>),
    trigger: &str,
    draft: &mut Draft,
    work: &mut Work<'_>,
) {
    let by_trigger = match trigger {
        "S15" | "S16" => Some("cancelled"),
        "S17" => Some("entered-in-error"),
        "S26" => Some("noshow"),
        _ => None,
    };
    let ais = message.segment("AIS").map(|ais| spot(ais, 10));
    let said = [Some(spot(sch, 25)), ais]
        .into_iter()
        .flatten()
        .find_map(|at| work.look(at, at.part(), code::APPOINTMENT_STATUS));
    match (by_trigger, said, trigger) {
        (Some(status), _, _) | (None, Some(status), _) => draft.put("status", Value::from(status)),
        (None, None, "S12" | "S13") => draft.put("status", Value::from("booked")),
        (None, None, _) => drop(draft.otherwise.insert("status".into(), "booked".into())),
    }
    if matches!(trigger, "S15" | "S16" | "S26") {
        draft.put("cancelationReason", work.concept(sch.field(6), ""));
    }
}

fn why(message: &Message<'_>, sch: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let reason = work.concept(sch.field(7), &table("0276"));
    draft.list("reasonCode", reason.into_iter().collect());
    draft.put(
        "appointmentType",
        work.concept(sch.field(8), &table("0277")),
    );
    let mut services = Vec::new();
    for ais in message.segments("AIS") {
        services.extend(work.concept(ais.field(3), ""));
    }
    draft.list("serviceType", services);
    let notes: Vec<Segment<'_>> = message.segments("NTE").collect();
    let words = observation::note(&notes, work);
    draft.put("comment", words.and_then(|note| note.get("text").cloned()));
}

/// `start` and `end`: TQ1, else SCH-11, else the earliest AIS, AIG, AIL or AIP with its duration.
fn timed(message: &Message<'_>, sch: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let minutes = minutes(sch.field(9), sch.field(10), work);
    draft.put("minutesDuration", minutes.map(Value::from));
    let tq1 = message
        .segment("TQ1")
        .map(|tq1| (spot(tq1, 7), tq1.field(7), tq1.field(8)));
    let at = spot(sch, 11);
    let of_sch = (at, at.part().comp(4), at.part().comp(5));
    let first = tq1
        .into_iter()
        .chain([of_sch])
        .find(|(_, start, _)| !start.is_absent());
    let (at, start, end) = match first {
        Some(found) => found,
        None => match resources(message).find(|one| !one.start().part().is_absent()) {
            Some(one) => (one.start(), one.start().part(), sch.field(0)),
            None => return,
        },
    };
    instant("start", (at, start), draft, work);
    instant("end", (at, end), draft, work);
    if draft.json.contains_key("start") && !draft.json.contains_key("end") {
        let end = draft.json.get("start").and_then(Value::as_str).zip(minutes);
        let end = end.and_then(|(start, minutes)| time::later(start, i64::from(minutes)));
        // An appointment that begins has an end (app-2).
        match end {
            Some(end) => draft.put("end", Value::from(end)),
            None => draft.put("end", draft.json.get("start").cloned()),
        }
    }
}

fn instant(
    element: &str,
    (at, part): (Spot<'_>, Part<'_>),
    draft: &mut Draft,
    work: &mut Work<'_>,
) {
    if part.is_absent() {
        return;
    }
    match work.time_in(at, part) {
        Some(stamp) if stamp.moment.has_clock() => stamp.put(&mut draft.json, element),
        Some(_) => work.complain_at(at, "has no time of day; left out"),
        None => {}
    }
}

/// A duration in minutes; without a unit it is in minutes.
fn minutes(amount: Part<'_>, unit: Part<'_>, work: &mut Work<'_>) -> Option<u32> {
    let amount = work
        .text(amount.rep(0))?
        .parse::<u32>()
        .ok()
        .filter(|amount| *amount > 0)?;
    let unit = work
        .text(unit.comp(1))
        .unwrap_or_default()
        .to_ascii_uppercase();
    let factor = match unit.as_str() {
        "" | "M" | "MIN" | "MINUTES" | "MINUTE" => 1,
        "H" | "HR" | "HOUR" | "HOURS" => 60,
        "D" | "DAY" | "DAYS" => 1_440,
        _ => return None,
    };
    amount
        .checked_mul(factor)
        .filter(|minutes| *minutes < 1 << 31)
}

/// SCH-26 and SCH-27, by number; the order itself comes by its own message.
fn orders(sch: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let authority = work.sender.authority;
    let mut found = Vec::new();
    for field in [26, 27] {
        let at = spot(sch, field);
        found.extend(work.reps(at).filter_map(|part| data::entity(part, authority)).map(|named| {
            json!({"type": "ServiceRequest", "identifier": data::identifier(&named, None)})
        }));
    }
    draft.list("basedOn", found);
}

/// One AIG, AIL or AIP.
struct Resource<'m> {
    segment: Segment<'m>,
    /// Fields: start, its duration, the unit of that, the filler's status.
    fields: (usize, usize, usize, usize),
}

impl<'m> Resource<'m> {
    fn start(&self) -> Spot<'m> {
        spot(self.segment, self.fields.0)
    }
}

fn resources<'m>(message: &'m Message<'m>) -> impl Iterator<Item = Resource<'m>> {
    message.all().filter_map(|segment| {
        let fields = match segment.name() {
            "AIS" => (4, 7, 8, 10),
            "AIG" => (8, 11, 12, 14),
            "AIL" | "AIP" => (6, 9, 10, 12),
            _ => return None,
        };
        Some(Resource { segment, fields })
    })
}

/// The patient, and everybody and everything that is reserved; contacts after them. A message that
/// names resources names all of them.
fn participants(message: &Message<'_>, sch: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let patient = json!({"actor": work.patient_reference(), "status": "accepted"});
    let mut found = vec![patient];
    for resource in resources(message).filter(|one| one.segment.name() != "AIS") {
        found.extend(participant(&resource, work));
    }
    for (field, role) in [
        (12, "placer contact"),
        (16, "filler contact"),
        (20, "enterer"),
    ] {
        let person = work.practitioner(sch.field(field).rep(0));
        let one =
            |actor: Value| json!({"type": [{"text": role}], "actor": actor, "status": "accepted"});
        found.extend(person.map(one));
    }
    if found.len() > 1 {
        draft.clear("participant");
        draft.list("participant", found);
    } else {
        draft
            .otherwise
            .insert("participant".into(), Value::Array(found));
    }
}

fn participant(resource: &Resource<'_>, work: &mut Work<'_>) -> Option<Value> {
    let segment = resource.segment;
    let actor = match segment.name() {
        "AIP" => work.practitioner(segment.field(3).rep(0))?,
        "AIL" => work
            .location(segment.field(3).rep(0), None)?
            .get("location")?
            .clone(),
        _ => {
            let name = super::medicine::instruction(segment.field(3).rep(0), work)?;
            json!({"display": name})
        }
    };
    let kind = work.concept(segment.field(4).rep(0), "");
    let said = work
        .text(segment.field(resource.fields.3))
        .unwrap_or_default();
    let status = match said.to_ascii_lowercase().as_str() {
        "cancelled" | "deleted" | "noshow" | "blocked" => "declined",
        "pending" | "waitlist" => "tentative",
        _ => "accepted",
    };
    let one = Object::with_room(4)
        .list("type", kind.into_iter().collect())
        .set("actor", actor)
        .set("status", status)
        .put("period", period(resource, work));
    Some(one.done())
}

/// From the start for as long as it takes.
fn period(resource: &Resource<'_>, work: &mut Work<'_>) -> Option<Value> {
    let stamp = work.time(resource.start())?;
    let start = stamp.moment.text.clone();
    let mut map = Map::new();
    stamp.put(&mut map, "start");
    let (_, long, unit, _) = resource.fields;
    let segment = resource.segment;
    let minutes = minutes(segment.field(long), segment.field(unit), work);
    let end = minutes.and_then(|minutes| time::later(&start, i64::from(minutes)));
    if let Some(end) = end {
        map.insert("end".into(), end.into());
    }
    Some(Value::Object(map))
}
