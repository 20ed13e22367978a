//! Results: DiagnosticReport (OBR), and the order groups that hold them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::clinical::key_of;
use super::data;
use super::json::{coding, concept_of, extension, reference};
use super::observation::{self, Shared};
use super::patient::table;
use super::role::{self, Role};
use super::specimen::specimens;
use super::work::{Spot, Work, spot};
use super::{Draft, Mode, code, number, service};
use crate::hl7::{Message, Part, Segment};

const REPORT_NOTE: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

/// One order with its results: ORC, OBR, and what follows up to the next.
pub(super) struct Order<'m> {
    orc: Option<Segment<'m>>,
    obr: Option<Segment<'m>>,
    /// Notes, and who takes part, behind the OBR; likewise behind each OBX.
    notes: Vec<Segment<'m>>,
    results: Vec<(Segment<'m>, Vec<Segment<'m>>)>,
    specimens: Vec<Segment<'m>>,
}

/// Divides a message into its orders. Results before any OBR are an order without one.
pub(super) fn orders<'m>(message: &'m Message<'m>) -> Vec<Order<'m>> {
    let mut orders: Vec<Order<'m>> = Vec::new();
    let mut orc = None;
    for segment in message.all() {
        match segment.name() {
            "ORC" => orc = Some(segment),
            "OBR" => orders.push(open(orc.take(), Some(segment))),
            "OBX" | "SPM" if orders.is_empty() => {
                let mut order = open(None, None);
                order.take(segment);
                orders.push(order);
            }
            _ => {
                if let Some(order) = orders.last_mut() {
                    order.take(segment);
                }
            }
        }
    }
    orders
}

impl<'m> Order<'m> {
    fn take(&mut self, segment: Segment<'m>) {
        match (segment.name(), self.results.last_mut()) {
            ("OBX", _) => self.results.push((segment, Vec::new())),
            ("SPM", _) => self.specimens.push(segment),
            ("NTE" | "PRT" | "ROL", Some((_, notes))) => notes.push(segment),
            ("NTE" | "PRT" | "ROL", None) => self.notes.push(segment),
            _ => {}
        }
    }
}

fn open<'m>(orc: Option<Segment<'m>>, obr: Option<Segment<'m>>) -> Order<'m> {
    Order {
        orc,
        obr,
        notes: Vec::new(),
        results: Vec::new(),
        specimens: Vec::new(),
    }
}

/// How often each key was met, so that what a sender does not tell apart is told apart by order.
pub(super) type Met = HashMap<String, usize>;

/// `key`, with a number behind it from its second time on.
pub(super) fn once(met: &mut Met, key: String) -> String {
    if let Some(count) = met.get_mut(&key) {
        *count += 1;
        return format!("{key}#{count}");
    }
    met.insert(key.clone(), 1);
    key
}

/// The DiagnosticReport, Specimens and Observations of an order.
pub(super) fn order(order: &Order<'_>, met: &mut Met, work: &mut Work<'_>) {
    let Some(obr) = order.obr else {
        return loose(order, met, work);
    };
    // A result is as old as its last change (OBR-22), whenever the message was written.
    let told = work.told;
    work.told = work.told_at(&[obr.field(22)]).or(told);
    let key = once(met, order_key(order, obr, work));
    let specimens = specimens(&order.specimens, (obr, &key), work);
    let mut shared = Shared {
        stem: work.stem("Observation", &key),
        parent: key.clone(),
        category: category(obr, work),
        effective: effective(obr, work),
        specimen: match specimens.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        },
        part_of: None,
        meta: number::confidential(order.orc, work),
    };
    let mut inner = Met::new();
    let mut results = Vec::with_capacity(order.results.len());
    for (obx, notes) in &order.results {
        let id = observation::observation(*obx, notes, (&mut shared, &mut inner), work);
        results.extend(id.map(|id| reference("Observation", &id)));
    }
    let mut draft = report(order, obr, &key, work);
    shared.put_effective(&mut draft.json);
    draft.list("specimen", specimens);
    draft.list("result", results);
    draft.put("meta", shared.meta);
    draft.list(
        "basedOn",
        service::named(order.orc, (obr, &order.notes), work)
            .into_iter()
            .collect(),
    );
    work.add(draft);
    work.told = told;
}

/// Observations that belong to no order, as in an ADT message.
fn loose(order: &Order<'_>, met: &mut Met, work: &mut Work<'_>) {
    let visit = work.encounter.clone().unwrap_or_default();
    let parent = format!("{}|{visit}", work.patient);
    let mut shared = Shared {
        stem: work.stem("Observation", &parent),
        parent,
        category: None,
        effective: Map::new(),
        specimen: None,
        part_of: None,
        meta: None,
    };
    for (obx, notes) in &order.results {
        observation::observation(*obx, notes, (&mut shared, met), work);
    }
}

/// The filler's number and the service; without a filler's number the placer's; without either the
/// patient, the service and its time.
fn order_key(order: &Order<'_>, obr: Segment<'_>, work: &mut Work<'_>) -> String {
    let service = key_of(obr.field(4), work);
    let authority = work.sender.authority;
    let orc = order.orc;
    let number = |number: usize| {
        let of_orc = || orc.and_then(|orc| data::entity(orc.field(number), authority));
        data::entity(obr.field(number), authority).or_else(of_orc)
    };
    if let Some(named) = number(3).or_else(|| number(2)) {
        return format!("{}|{}|{service}", named.system, named.value);
    }
    work.complain_at(
        spot(obr, 3),
        "numbers no order; told apart by patient, service and time",
    );
    let time = work.text(obr.field(7)).unwrap_or_default();
    format!("{}|{time}|{service}", work.patient)
}

fn report(order: &Order<'_>, obr: Segment<'_>, key: &str, work: &mut Work<'_>) -> Draft {
    let id = work.part_id("DiagnosticReport", &[key]);
    // Results are added to those there are: a correction may come with the corrected one alone.
    let mut draft = work.of_patient("DiagnosticReport", id, Mode::Merge);
    if let Some(note) = observation::note(&order.notes, work) {
        draft.list(
            "extension",
            vec![extension(REPORT_NOTE, "valueAnnotation", note)],
        );
    }
    draft.list("identifier", order_numbers(order, obr, work));
    let at = spot(obr, 25);
    if at.part().is_absent() {
        work.complain_at(at, "says no status; kept as `unknown`");
    }
    let status = work
        .look(at, at.part(), code::REPORT_STATUS)
        .unwrap_or("unknown");
    draft.put("status", Value::from(status));
    if let Some(section) = work.code(obr.field(24)) {
        draft.list(
            "category",
            vec![concept_of(coding(&table("0074"), &section, None))],
        );
    }
    let concept = work.concept(obr.field(4), "");
    if concept.is_none() {
        work.complain_at(spot(obr, 4), "names no service");
        draft.otherwise.insert("code".into(), super::json::absent());
    }
    draft.put("code", concept);
    draft.put("subject", work.patient_reference());
    let encounter = work.encounter_reference();
    draft.put("encounter", encounter);
    issued(spot(obr, 22), &mut draft, work);
    let interpreter = work.ndl(obr.field(32));
    draft.list("resultsInterpreter", interpreter.into_iter().collect());
    let roles = Role::among(&order.notes);
    let interpreters = role::named(&roles, &["PI", "PRI"], work);
    role::add(&mut draft, "resultsInterpreter", interpreters);
    let mut performers = Vec::new();
    for number in [34, 35] {
        performers.extend(
            work.reps(spot(obr, number))
                .filter_map(|part| work.ndl(part)),
        );
    }
    draft.list("performer", performers);
    let helpers = role::named(&roles, &["AI", "ARI", "TN", "TR"], work);
    role::add(&mut draft, "performer", helpers);
    draft
}

fn order_numbers(order: &Order<'_>, obr: Segment<'_>, work: &mut Work<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    for (number, kind) in [(2, "PLAC"), (3, "FILL")] {
        let authority = work.sender.authority;
        let of_orc = || {
            order
                .orc
                .and_then(|orc| data::entity(orc.field(number), authority))
        };
        let named = data::entity(obr.field(number), authority).or_else(of_orc);
        found.extend(named.map(|named| data::identifier(&named, Some(kind))));
    }
    found
}

/// `issued` is an instant: a day is not enough.
fn issued(at: Spot<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    if let Some(stamp) = work.time(at) {
        if stamp.moment.has_clock() {
            stamp.put(&mut draft.json, "issued");
        } else {
            work.complain_at(at, "has no time of day; left out");
        }
    }
}

/// OBR-7 and OBR-8 as `effective[x]`.
pub(super) fn effective(obr: Segment<'_>, work: &mut Work<'_>) -> Map<String, Value> {
    let mut map = Map::new();
    let (start, end) = (spot(obr, 7), spot(obr, 8));
    span(
        (start, start.part()),
        (end, end.part()),
        ("effective", &mut map),
        work,
    );
    map
}

/// A start alone is a time, with an end it is a period.
pub(super) fn span(
    start: (Spot<'_>, Part<'_>),
    end: (Spot<'_>, Part<'_>),
    (stem, map): (&str, &mut Map<String, Value>),
    work: &mut Work<'_>,
) {
    if end.1.is_absent() {
        if let Some(stamp) = work.time_in(start.0, start.1) {
            stamp.put(map, &format!("{stem}DateTime"));
        }
    } else if let Some(period) = work.period(start, end) {
        map.insert(format!("{stem}Period"), period);
    }
}

fn category(obr: Segment<'_>, work: &mut Work<'_>) -> Option<Value> {
    let section = work.text(obr.field(24))?;
    let category = code::look(code::SECTION_CATEGORY, &section)?;
    Some(concept_of(coding(CATEGORY, category, None)))
}
