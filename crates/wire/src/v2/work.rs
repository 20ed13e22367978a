use std::borrow::Cow;
use std::collections::HashMap;

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::json::{extension, reference};
use super::{Draft, Mode, Sender, Told, code, time};
use crate::fhir::search::span_of;
use crate::hl7::{Part, Segment, Value as Said};

/// Complaints about one message; further ones are counted only.
const COMPLAINTS_MAX: usize = 50;

/// Repetitions of one field that are read.
const REPEATS_MAX: usize = 200;

/// Characters in one FHIR string (R4, section 2.24.0.1: one megabyte).
const TEXT_CHARS_MAX: usize = 1_048_576;

/// The URL of the extension that keeps a time as the sender wrote it.
const ORIGINAL_TIME: &str = "urn:salus:hl7-time";

/// The system under which parts of something are told apart that have no id of their own.
const PART: &str = "urn:salus:part";

/// One message being read: what has come of it so far.
pub(super) struct Work<'w> {
    pub(super) sender: &'w Sender<'w>,
    /// Id of the Patient.
    pub(super) patient: String,
    /// Id of the Encounter, if the message is about one.
    pub(super) encounter: Option<String>,
    /// How people and places that are named in passing meet what is known of them.
    pub(super) house: Mode,
    /// When what is being read happened, as the sender says.
    pub(super) told: Option<Told>,
    zone: Option<TimeZone>,
    drafts: Vec<Draft>,
    /// By id: where the draft is.
    seen: HashMap<String, usize>,
    /// By the id that a filler's number alone makes: where the order is.
    fillers: HashMap<String, usize>,
    complaints: Vec<String>,
    unlisted: usize,
    has_control: bool,
}

/// A field of a segment: a place that can be read, and complained about.
#[derive(Clone, Copy)]
pub(super) struct Spot<'m> {
    pub(super) segment: Segment<'m>,
    pub(super) number: usize,
}

/// Characters of an id that the parts of one whole share.
const STEM: usize = 10;

impl<'m> Spot<'m> {
    /// What stands there.
    pub(super) fn part(self) -> Part<'m> {
        self.segment.field(self.number)
    }

    /// Whether `""` stands there.
    pub(super) fn is_null(self) -> bool {
        self.part().is_null()
    }
}

/// That field of that segment.
pub(super) const fn spot(segment: Segment<'_>, number: usize) -> Spot<'_> {
    Spot { segment, number }
}

/// A time as FHIR writes it, with the original where something was supplied.
pub(super) struct Stamp {
    pub(super) moment: time::Moment,
    original: Option<String>,
}

impl Stamp {
    /// Sets `element`, and `_element` with the original if that says more.
    pub(super) fn put(self, map: &mut Map<String, Value>, element: &str) {
        map.insert(element.into(), self.moment.text.into());
        if let Some(original) = self.original {
            let kept = extension(ORIGINAL_TIME, "valueString", original);
            let mut twin = Map::with_capacity(1);
            twin.insert("extension".into(), Value::Array(vec![kept]));
            map.insert(format!("_{element}"), Value::Object(twin));
        }
    }
}

impl<'w> Work<'w> {
    pub(super) fn new(sender: &'w Sender<'w>, house: Mode) -> Work<'w> {
        let mut work = Work {
            sender,
            patient: String::new(),
            encounter: None,
            house,
            told: None,
            zone: time::zone(sender.zone),
            drafts: Vec::with_capacity(24),
            seen: HashMap::new(),
            fillers: HashMap::new(),
            complaints: Vec::new(),
            unlisted: 0,
            has_control: false,
        };
        if work.zone.is_none() {
            let words = format!(
                "`{}` names no time zone; times lose their clock",
                sender.zone
            );
            work.complain(words);
        }
        work
    }

    /// The drafts in order, and the complaints.
    pub(super) fn finish(mut self) -> (Vec<Draft>, Vec<String>) {
        if self.has_control {
            self.complain("control characters in texts were left out".into());
        }
        if self.unlisted > 0 {
            let words = format!("{} more complaints are not listed", self.unlisted);
            self.complaints.push(words);
        }
        (self.drafts, self.complaints)
    }

    pub(super) fn complain(&mut self, words: String) {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(words);
        } else {
            self.unlisted += 1;
        }
    }

    pub(super) fn complain_at(&mut self, at: Spot<'_>, words: &str) {
        if self.complaints.len() < COMPLAINTS_MAX {
            let place = at.segment.place(at.number);
            self.complaints.push(format!("{place}: {words}"));
        } else {
            self.unlisted += 1;
        }
    }

    /// Takes a draft, unless this message made it already.
    pub(super) fn add(&mut self, draft: Draft) {
        if self.seen.contains_key(&draft.id) {
            return;
        }
        let at = self.drafts.len();
        self.seen.insert(draft.id.clone(), at);
        for filler in &draft.fillers {
            self.fillers.entry(filler.clone()).or_insert(at);
        }
        self.drafts.push(draft);
    }

    /// Whether this message made that resource already. An id comes from the kind, too, so it
    /// names one resource.
    pub(super) fn has_made(&self, id: &str) -> bool {
        self.seen.contains_key(id)
    }

    /// The order of this message that goes by that filler's number too.
    pub(super) fn known_as(&self, filler: &str) -> Option<&str> {
        let draft = self.drafts.get(*self.fillers.get(filler)?)?;
        Some(&draft.id)
    }

    /// An order that this message made goes by one more number of its filler.
    pub(super) fn goes_by(&mut self, id: &str, filler: String) {
        if self.fillers.contains_key(&filler) {
            return;
        }
        let Some(at) = self.seen.get(id).copied() else {
            return;
        };
        if let Some(draft) = self.drafts.get_mut(at) {
            draft.fillers.push(filler.clone());
            self.fillers.insert(filler, at);
        }
    }

    /// What this message made under that id.
    pub(super) fn made(&mut self, id: &str) -> Option<&mut Draft> {
        self.drafts.get_mut(*self.seen.get(id)?)
    }

    /// A new draft of a resource of the patient.
    pub(super) fn of_patient(&self, kind: &'static str, id: String, mode: Mode) -> Draft {
        let mut draft = Draft::new(kind, id, mode);
        draft.patient = Some(self.patient.clone());
        // What only fills in is nobody's word on when it was so.
        draft.told = self.told.filter(|_| mode != Mode::Fill);
        draft
    }

    /// When something happened, from the first of these places that holds a time.
    pub(super) fn told_at(&self, places: &[Part<'_>]) -> Option<Told> {
        places.iter().find_map(|part| {
            let text = part.string()?;
            let moment = time::moment(text.trim(), self.zone.as_ref())?;
            told(&text, &moment)
        })
    }

    /// The id of the resource that has an identifier of its own.
    pub(super) fn id(&self, kind: &str, system: &str, value: &str) -> String {
        (self.sender.id)(kind, system, value)
    }

    /// The id of a resource that is told apart by what it is a part of.
    pub(super) fn part_id(&self, kind: &str, path: &[&str]) -> String {
        // The unit separator cannot stand in a text that was read, so two paths never look alike.
        match path {
            [only] => (self.sender.id)(kind, PART, only),
            _ => (self.sender.id)(kind, PART, &path.join("\u{1f}")),
        }
    }

    /// The id of what is told apart by the order that it is a part of, and that order; without an order
    /// by the patient. It says which order: who knows the order by another number finds the same part.
    pub(super) fn id_of_part(
        &self,
        kind: &str,
        (order, path): (Option<&str>, &[&str]),
    ) -> (String, Option<String>) {
        match order {
            Some(order) => {
                let part = super::order::part(order, &self.part_id(kind, path));
                (part, Some(order.to_owned()))
            }
            None => {
                let path: Vec<&str> = [self.patient.as_str()]
                    .into_iter()
                    .chain(path.iter().copied())
                    .collect();
                (self.part_id(kind, &path), None)
            }
        }
    }

    /// What the ids of the parts of one whole begin with: names that are looked for together are
    /// then kept together, in an index that is ordered by them.
    pub(super) fn stem(&self, kind: &str, whole: &str) -> String {
        let mut id = self.part_id(kind, &[whole]);
        id.truncate(id.floor_char_boundary(STEM));
        id
    }

    /// The id of a part of the whole whose `stem` it is: as long, and as hard to guess.
    pub(super) fn member_id(&self, kind: &str, (stem, part): (&str, &str)) -> String {
        let id = self.part_id(kind, &[part]);
        let rest = id.get(stem.len()..).unwrap_or(&id);
        format!("{stem}{rest}")
    }

    pub(super) fn patient_reference(&self) -> Value {
        reference("Patient", &self.patient)
    }

    pub(super) fn encounter_reference(&self) -> Option<Value> {
        self.encounter
            .as_deref()
            .map(|id| reference("Encounter", id))
    }

    /// The text of a component, trimmed; `None` if there is none or it does not decode.
    pub(super) fn text<'m>(&mut self, part: Part<'m>) -> Option<Cow<'m, str>> {
        self.clean(part.text())
    }

    /// Like [`Work::text`], with separators in it left as they are.
    pub(super) fn free<'m>(&mut self, part: Part<'m>) -> Option<Cow<'m, str>> {
        self.clean(part.whole())
    }

    fn clean<'m>(&mut self, said: Said<'m>) -> Option<Cow<'m, str>> {
        // What does not decode has its complaint from the parser.
        let text = match said.text()? {
            plain if plain.bytes().all(|byte| (0x20..0x7f).contains(&byte)) => plain,
            other => self.without_controls(other),
        };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return None;
        }
        if trimmed.len() > TEXT_CHARS_MAX && trimmed.chars().count() > TEXT_CHARS_MAX {
            let words = format!("a text of more than {TEXT_CHARS_MAX} characters was left out");
            self.complain(words);
            return None;
        }
        Some(match text {
            text if trimmed.len() == text.len() => text,
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        })
    }

    fn without_controls<'m>(&mut self, text: Cow<'m, str>) -> Cow<'m, str> {
        let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if !text.contains(odd) {
            return text;
        }
        self.has_control = true;
        Cow::Owned(text.replace(odd, ""))
    }

    /// A text that can be a FHIR code: no blanks at the ends, single ones within.
    pub(super) fn code<'m>(&mut self, part: Part<'m>) -> Option<Cow<'m, str>> {
        self.text(part).filter(|text| is_code(text))
    }

    /// The FHIR code of an HL7 code. One that is not in the table is complained about.
    pub(super) fn look(
        &mut self,
        at: Spot<'_>,
        part: Part<'_>,
        table: code::Table,
    ) -> Option<&'static str> {
        let said = self.text(part)?;
        let found = code::look(table, &said);
        if found.is_none() {
            self.complain_at(at, &format!("`{said}` has no counterpart in FHIR"));
        }
        found
    }

    /// The repetitions of a field, up to the limit.
    pub(super) fn reps<'m>(&mut self, at: Spot<'m>) -> impl Iterator<Item = Part<'m>> + use<'m> {
        let part = at.part();
        if part.bytes().len() > REPEATS_MAX && part.reps().nth(REPEATS_MAX).is_some() {
            let words = format!("only the first {REPEATS_MAX} repetitions were read");
            self.complain_at(at, &words);
        }
        part.reps().take(REPEATS_MAX)
    }

    /// A time. What is none is complained about.
    pub(super) fn time(&mut self, at: Spot<'_>) -> Option<Stamp> {
        self.time_in(at, at.part())
    }

    /// A Period, from two places. An end before its start is complained about and left out.
    pub(super) fn period(
        &mut self,
        start: (Spot<'_>, Part<'_>),
        end: (Spot<'_>, Part<'_>),
    ) -> Option<Value> {
        let mut period = Map::new();
        for (element, (at, part)) in [("start", start), ("end", end)] {
            if let Some(stamp) = self.time_in(at, part) {
                stamp.put(&mut period, element);
            }
        }
        if is_reversed(&period) {
            self.complain_at(end.0, "the end is before the start; left out");
            period.shift_remove("end");
            period.shift_remove("_end");
        }
        (!period.is_empty()).then_some(Value::Object(period))
    }

    /// A time in a part of a field.
    pub(super) fn time_in(&mut self, at: Spot<'_>, part: Part<'_>) -> Option<Stamp> {
        let original = self.text(part)?;
        let Some(moment) = time::moment(&original, self.zone.as_ref()) else {
            let words = format!("`{}` is not the form of a time; left out", shape(&original));
            self.complain_at(at, &words);
            return None;
        };
        let note = match moment.source {
            time::Source::Said | time::Source::Supplied => None,
            time::Source::Twice => Some("came twice that day; read as its first time"),
            time::Source::Never => Some("never came that day; read as if clocks had not leapt"),
        };
        if let Some(note) = note {
            let words = format!("an hour that in `{}` {note}", self.sender.zone);
            self.complain_at(at, &words);
        }
        let kept = moment.source != time::Source::Said;
        Some(Stamp {
            moment,
            original: kept.then(|| original.into_owned()),
        })
    }
}

/// How long a moment is that was written with so many digits.
const DIGITS_MS: [(usize, i64); 2] = [(10, 3_600_000), (12, 60_000)];

/// A day begins somewhere on earth this much before it does in UTC, and ends as much after.
const DAY_MARGIN_MS: i64 = 14 * 3_600_000;

fn told(text: &str, moment: &time::Moment) -> Option<Told> {
    let span = span_of(&moment.text)?;
    let (mut from_ms, mut until_ms) = (span.lo_ms, span.hi_ms);
    if moment.has_clock() {
        let digits = text.trim().bytes().take_while(u8::is_ascii_digit).count();
        let long = DIGITS_MS.iter().find(|(count, _)| *count == digits);
        until_ms = long.map_or(until_ms, |(_, long)| from_ms.saturating_add(*long));
    } else {
        from_ms = from_ms.saturating_sub(DAY_MARGIN_MS);
        until_ms = until_ms.saturating_add(DAY_MARGIN_MS);
    }
    Some(Told { from_ms, until_ms })
}

/// Whether a Period ends before it starts, as far as its precision tells.
pub(super) fn is_reversed(period: &Map<String, Value>) -> bool {
    let span = |element: &str| {
        period
            .get(element)
            .and_then(Value::as_str)
            .and_then(span_of)
    };
    matches!((span("start"), span("end")), (Some(start), Some(end)) if start.lo_ms >= end.hi_ms)
}

/// How a text is written, without what it says: complaints are read by people who may not see it.
fn shape(text: &str) -> String {
    let shape = |letter: char| match letter {
        letter if letter.is_numeric() => '9',
        letter if letter.is_alphabetic() => 'a',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    text.chars().take(32).map(shape).collect()
}

fn is_code(text: &str) -> bool {
    let mut before = false;
    text.chars().all(|letter| {
        let double = before && letter.is_whitespace();
        before = letter.is_whitespace();
        !double
    })
}
