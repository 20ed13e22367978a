//! Laying the changes of one event upon what is there. Pure: nothing here reads or writes a table.

use std::sync::Arc;

use event::Time;
use serde_json::{Map, Value};
use wire::dicom::{self, Source};
use wire::v2::{Draft, Mode, Told};

use super::batch::{Batch, NewImage, NewPage, NewRow, Seen};
use super::content::{About, Content, Follows};
use super::index::{Found, Names};
use super::memory::{Current, Name};
use super::several::whose;
use super::step::{Change, Origin, Step, Study, Whole, patient_of_draft};
use super::stray::Stray;
use crate::alias::Relinked;
use crate::hash;
use crate::kept;
use crate::store::{DELETED, FROM_FHIR, FROM_SALUS, LABELS, LATE};

/// The event whose changes are being applied, and what it has written so far.
pub(super) struct Now {
    seq: i64,
    at: Time,
    source: i64,
    first: i64,
    items: Vec<Vec<u8>>,
}

/// When what a message says happened, and what is kept beside the version for those that come after.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    /// In milliseconds since 1970; 0: nobody said.
    pub(super) told: i64,
    /// Empty: nothing.
    pub(super) beside: Arc<[u8]>,
}

impl Said {
    fn at(told: Option<Told>) -> Said {
        Said {
            told: told.map_or(0, |told| told.from_ms),
            beside: Arc::default(),
        }
    }
}

impl Now {
    /// The index of the event.
    pub(super) const fn event(&self) -> i64 {
        self.seq
    }
}

/// One version about to be written.
struct Version<'v> {
    kind: &'v str,
    id: String,
    /// The patient's number and id.
    patient: Option<(i64, String)>,
    /// `None`: deleted.
    content: Option<Content>,
    said: Said,
    hot: bool,
}

impl Batch<'_> {
    /// Applies one event.
    pub(super) fn apply(&mut self, mut step: Step) {
        self.find_orders(step.seq, &mut step.changes);
        let mut now = Now {
            seq: step.seq,
            at: step.at,
            source: 0,
            first: self.memory.next_rid,
            items: Vec::new(),
        };
        for change in step.changes {
            self.change(&mut now, &step.from, change);
        }
        self.write_moved(&mut now, &step.from);
        if now.items.is_empty() {
            return;
        }
        let page = NewPage {
            seq: now.seq,
            first: now.first,
            items: now.items,
        };
        self.pending.pages.push(page);
    }

    fn change(&mut self, now: &mut Now, from: &Origin, change: Change) {
        match change {
            Change::Draft(draft) => self.draft(now, from, *draft),
            Change::Study(study) => self.study(now, from, *study),
            Change::Replace(whole) => self.replaced(now, from, *whole),
            Change::Write(whole) => self.whole(now, from, *whole),
            Change::Delete { kind, id } => self.delete(now, from, &kind, id),
            Change::Merge { retired, survivor } => {
                let aliases = Arc::make_mut(&mut self.memory.known.aliases);
                let changes = aliases.merge(&retired, &survivor, now.seq);
                self.relink(changes);
            }
            Change::Unmerge { retired, survivor } => {
                let aliases = Arc::make_mut(&mut self.memory.known.aliases);
                let changes = aliases.unmerge(&retired, &survivor);
                self.relink(changes);
            }
            Change::Unlink { patient, other } => self.unlink(now, from, patient, &other),
        }
    }

    /// What a message says of a resource. No version is made if nothing changes.
    fn draft(&mut self, now: &mut Now, from: &Origin, draft: Draft) {
        if wire::v2::is_told_by_several(draft.kind) {
            return self.by_several(now, from, &draft);
        }
        let hot = draft.mode != Mode::Replace;
        let patient = patient_of_draft(&draft).map(str::to_owned);
        let told = Said::at(draft.told);
        let Some(current) = self.there(draft.kind, &draft.id, hot) else {
            let of = (draft.kind, draft.id.clone(), patient);
            return self.map(now, from, (of, told), wire::v2::alone(draft));
        };
        if current.is_newer_than(draft.told) {
            return self.late(now, from, &draft);
        }
        let theirs = current.patient.clone();
        if is_in_passing(&draft) && self.are_two(theirs.as_deref(), patient.as_deref()) {
            tracing::warn!(
                kind = draft.kind,
                event = now.seq,
                "a message names what is another patient's; it changes nothing of that"
            );
            return;
        }
        let Some(current) = self.there(draft.kind, &draft.id, hot) else {
            return;
        };
        let fingerprint = fingerprint(&draft);
        if current.idle.iter().any(|idle| **idle == *fingerprint) {
            return self.still(draft.kind, &draft.id, told);
        }
        let before = current.json.as_deref().and_then(object);
        let after = wire::v2::merged(before.as_ref(), &draft);
        let newer = (patient.as_deref(), [&current.patient, &patient]);
        let whose = whose(&after, newer);
        if before.as_ref() == Some(&after) && current.patient == whose {
            current.is_idle_after(&fingerprint);
            return self.still(draft.kind, &draft.id, told);
        }
        self.map(now, from, ((draft.kind, draft.id, whose), told), after);
    }

    /// One more instance. A study that is another patient's stays as it is: that two patients' images
    /// have one study is a mistake of the sender, which is not to be shown on either chart.
    fn study(&mut self, now: &mut Now, from: &Origin, study: Study) {
        let (kind, id) = ("ImagingStudy", study.id.as_str());
        let current = self.there(kind, id, true);
        let theirs = current.as_ref().and_then(|current| current.patient.clone());
        let before = current.and_then(|current| current.json.as_deref().and_then(object));
        if self.are_two(theirs.as_deref(), Some(&study.patient)) {
            self.strays
                .extend(Stray::of(from, study.id, now.seq.unsigned_abs()));
            return;
        }
        let patient = theirs.unwrap_or_else(|| study.patient.clone());
        // Ids were made when the event was understood; none is made from here.
        let source = Source {
            authority: "",
            zone: &study.zone,
            id: &|_, _, _| String::new(),
        };
        let after = dicom::study(before.as_ref(), &study.header, (id, &patient), source);
        if before.is_none() {
            self.anew(&study.id);
        }
        // Whose it is says the image, not the study: a merge may be taken back.
        let pid = self.pid(&study.patient);
        self.pending.images.push(NewImage {
            seq: now.seq,
            study: study.id.clone(),
            pid,
            series: study.header.series.clone(),
            instance: study.header.instance.clone(),
            syntax: study.syntax,
            header: serde_json::to_string(&study.header).unwrap_or_default(),
        });
        self.map(
            now,
            from,
            ((kind, study.id, Some(patient)), Said::default()),
            after,
        );
    }

    /// A study that was deleted begins again: what came before is none of its objects any more.
    fn anew(&mut self, study: &str) {
        let name = self.name("ImagingStudy", study);
        let seen = name.and_then(|name| self.seen.get(&name));
        if seen.is_some_and(|seen| seen.current.is_some()) {
            self.pending.images.retain(|image| image.study != study);
            self.pending.anew.insert(study.to_owned());
        }
    }

    /// Whether these are two patients, whoever was merged into whom.
    pub(super) fn are_two(&self, one: Option<&str>, other: Option<&str>) -> bool {
        let aliases = &self.memory.known.aliases;
        match (one, other) {
            (Some(one), Some(other)) => aliases.survivor(one) != aliases.survivor(other),
            _ => false,
        }
    }

    /// What an older message says that comes after a newer one: it may add, but changes nothing.
    fn late(&mut self, now: &mut Now, from: &Origin, draft: &Draft) {
        let Some(current) = self.there(draft.kind, &draft.id, true) else {
            return;
        };
        let Some(before) = current.json.as_deref().and_then(object) else {
            return;
        };
        let patient = current.patient.clone();
        let after = wire::v2::merged_late(&before, draft);
        if after != before {
            let of = (draft.kind, draft.id.clone(), patient);
            self.map(now, from, (of, Said::default()), after);
        }
    }

    /// What was said again stays as it is, and is as new as the last who said so.
    pub(super) fn still(&mut self, kind: &str, id: &str, said: Said) {
        let first = self.first_rid;
        let name = self.name(kind, id);
        let seen = name.and_then(|name| self.seen.get_mut(&name));
        let Some(current) = seen.and_then(|seen| seen.current.as_mut()) else {
            return;
        };
        if said.told <= current.told && said.beside == current.beside {
            return;
        }
        current.told = current.told.max(said.told);
        current.beside = said.beside;
        let (rid, told, beside) = (current.rid, current.told, current.beside.clone());
        let row = usize::try_from(rid - first)
            .ok()
            .and_then(|place| self.pending.rows.get_mut(place));
        match row {
            Some(row) => (row.told, row.beside) = (told, beside),
            None => drop(self.pending.told.insert(rid, (told, beside))),
        }
    }

    /// What replaces whole. No version is made if nothing changes.
    fn replaced(&mut self, now: &mut Now, from: &Origin, whole: Whole) {
        let told = Said::at(whole.told);
        let Some(current) = self.there(&whole.kind, &whole.id, false) else {
            return self.whole(now, from, whole);
        };
        if current.is_newer_than(whole.told) {
            return;
        }
        let before = current.json.as_deref().unwrap_or_default();
        if current.patient == whole.patient && says_the_same(before, &whole.content.json) {
            self.still(&whole.kind, &whole.id, told);
        } else {
            self.whole(now, from, whole);
        }
    }

    /// The current version, unless there is none or it is deleted.
    pub(super) fn there(&mut self, kind: &str, id: &str, hot: bool) -> Option<&mut Current> {
        let name = self.name(kind, id)?;
        let seen = self.seen.get_mut(&name)?;
        seen.hot = hot;
        seen.current.as_mut().filter(|current| !current.deleted)
    }

    pub(super) fn map(
        &mut self,
        now: &mut Now,
        from: &Origin,
        ((kind, id, patient), said): ((&str, String, Option<String>), Said),
        json: Map<String, Value>,
    ) {
        let about = About {
            kind,
            id: &id,
            patient: patient.as_deref(),
            at: now.at,
        };
        let labels = &self.memory.known.labels;
        let content = Content::of(about, Names::Anybody, &Value::Object(json), labels);
        let version = Version {
            kind,
            id,
            patient: patient.map(|id| (self.pid(&id), id)),
            content: Some(content),
            said,
            hot: true,
        };
        self.write(now, from, version);
    }

    fn whole(&mut self, now: &mut Now, from: &Origin, whole: Whole) {
        let version = Version {
            kind: &whole.kind,
            id: whole.id,
            patient: whole.patient.map(|id| (self.pid(&id), id)),
            content: Some(whole.content),
            said: Said::at(whole.told),
            hot: false,
        };
        self.write(now, from, version);
    }

    pub(super) fn delete(&mut self, now: &mut Now, from: &Origin, kind: &str, id: String) {
        let seen = self.name(kind, &id).and_then(|name| self.seen.get(&name));
        let Some(current) = seen.and_then(|seen| seen.current.as_ref()) else {
            return;
        };
        if current.deleted {
            return;
        }
        let patient = current.patient.clone().map(|id| (current.pid, id));
        let version = Version {
            kind,
            id,
            patient,
            content: None,
            said: Said::default(),
            hot: false,
        };
        self.write(now, from, version);
    }

    fn unlink(&mut self, now: &mut Now, from: &Origin, patient: String, other: &str) {
        let seen = self
            .name("Patient", &patient)
            .and_then(|name| self.seen.get(&name));
        let current = seen.and_then(|seen| seen.current.as_ref());
        let before = current
            .and_then(|current| current.json.as_deref())
            .and_then(object);
        let Some(before) = before else { return };
        let after = wire::v2::unmerged(&before, other);
        if after != before {
            let whose = Some(patient.clone());
            self.map(
                now,
                from,
                (("Patient", patient, whose), Said::default()),
                after,
            );
        }
    }

    /// Writes one version: its row, what it is found by, and what follows from it.
    fn write(&mut self, now: &mut Now, from: &Origin, version: Version<'_>) {
        now.source = self.source(from);
        let kind = self.word(version.kind);
        let rid = self.memory.next_rid;
        self.memory.next_rid += 1;
        let (pid, patient) = match version.patient {
            Some((pid, id)) => (pid, Some(id)),
            None => (0, None),
        };
        let name = (version.kind, version.id.as_str());
        let (json, mut flags, labels, day) = match version.content {
            Some(content) => {
                self.follow(name, content.follows, pid);
                let day = self.index(rid, content.found);
                (content.json, 0, self.labels(&content.labels), day)
            }
            None => {
                self.follow(name, Follows::of(name, None, now.at), pid);
                (Vec::new(), DELETED, 0, 0)
            }
        };
        if patient
            .as_deref()
            .is_some_and(|id| self.memory.known.aliases.is_retired(id))
        {
            flags |= LATE;
        }
        let name = (kind, version.id.clone());
        self.orders.moved.remove(&name);
        let before = self.seen.get(&name).and_then(|seen| seen.current.as_ref());
        // What came by another door does not make old messages new.
        let told = before
            .map_or(0, |before| before.told)
            .max(version.said.told);
        let beside = version.said.beside;
        let was = before.map(|before| before.patient.as_deref());
        let charts = [was.flatten(), patient.as_deref()].into_iter().flatten();
        let mut touched: Vec<i64> = charts.map(kept::chart_of).collect();
        if patient.is_none() || was == Some(None) {
            touched.push(hash::slot(version.kind, &version.id));
        }
        self.pending.touched.append(&mut touched);
        let current = Current {
            told,
            beside: beside.clone(),
            rid,
            pid,
            patient,
            deleted: flags & DELETED != 0,
            json: Some(json.as_slice().into()),
            idle: Vec::new(),
        };
        let prev = self.replace(name, current, version.hot);
        self.pending.rows.push(NewRow {
            rid,
            kind,
            id: version.id,
            pid,
            seq: now.seq,
            item: i64::try_from(now.items.len()).unwrap_or(i64::MAX),
            at: now.at,
            flags,
            source: now.source,
            prev,
            next: 0,
            labels,
            day,
            told,
            beside,
        });
        now.items.push(json);
    }

    /// Makes `current` the current version; returns the one before it, or 0.
    fn replace(&mut self, name: Name, current: Current, hot: bool) -> i64 {
        let rid = current.rid;
        let first = self.first_rid;
        let seen = self.seen.entry(name).or_insert(Seen {
            current: None,
            stored: 0,
            hot,
        });
        seen.hot = hot;
        let before = seen.current.replace(current);
        let prev = before.map_or(0, |before| before.rid);
        if prev >= first {
            let row = usize::try_from(prev - first)
                .ok()
                .and_then(|place| self.pending.rows.get_mut(place));
            if let Some(row) = row {
                row.next = rid;
            }
        } else if prev > 0 {
            self.pending.superseded.push((prev, rid));
        }
        prev
    }

    /// Notes what a version is found by; the day that its row has.
    fn index(&mut self, rid: i64, found: Found) -> i64 {
        let terms = found.keys.into_iter().map(|key| (key, rid));
        self.pending.terms.extend(terms);
        let names = found.words.into_iter().map(|word| (word, rid));
        self.pending.names.extend(names);
        found.day
    }

    /// Stays follow encounters, places follow locations, ties follow appointments, orders and
    /// reports; consents follow themselves.
    fn follow(&mut self, (kind, id): (&str, &str), follows: Follows, pid: i64) {
        match follows {
            Follows::Nothing => {}
            Follows::Stay(stay) => {
                let stay = stay.map(|stay| (pid, stay));
                self.pending.stays.insert(id.to_owned(), stay);
            }
            Follows::Place(place) => {
                Arc::make_mut(&mut self.memory.known.places).set(id, place.clone());
                self.pending.places.insert(id.to_owned(), place);
            }
            Follows::Ties(ties) => {
                let ties = if pid > 0 { ties } else { Vec::new() };
                self.pending.ties.insert(hash::slot(kind, id), (pid, ties));
            }
            Follows::Provisions(provisions) => {
                let kept = (!provisions.is_empty() && pid > 0)
                    .then(|| (pid, serde_json::to_string(&provisions).unwrap_or_default()));
                self.memory.known.consents = true;
                self.pending.consents.insert(hash::slot(kind, id), kept);
            }
        }
    }

    /// The number of the security labels of a version.
    fn labels(&mut self, labels: &str) -> i64 {
        match labels.is_empty() {
            true => 0,
            false => self.word(&format!("{LABELS}{labels}")),
        }
    }

    fn relink(&mut self, changes: impl IntoIterator<Item = Relinked>) {
        for (retired, link) in changes {
            let retired = self.pid(&retired);
            let link = link.map(|link| (self.pid(&link.survivor), link.seq));
            self.pending.aliases.insert(retired, link);
        }
    }

    /// The name of a resource, if its type has a number.
    pub(super) fn name(&self, kind: &str, id: &str) -> Option<Name> {
        let number = self.memory.known.words.number(kind)?;
        Some((number, id.to_owned()))
    }

    /// The number of a word; gives it one if it has none.
    pub(super) fn word(&mut self, text: &str) -> i64 {
        if let Some(number) = self.memory.known.words.number(text) {
            return number;
        }
        let (number, _) = Arc::make_mut(&mut self.memory.known.words).add(text);
        self.pending.words.push((number, text.to_owned()));
        number
    }

    /// The number of a patient; gives them one if they have none.
    pub(super) fn pid(&mut self, id: &str) -> i64 {
        if let Some(pid) = self.memory.pids.get(id) {
            return *pid;
        }
        let pid = self.memory.next_pid;
        self.memory.next_pid += 1;
        self.memory.pids.put(id.to_owned(), pid);
        self.pending.patients.push((pid, id.to_owned()));
        pid
    }

    fn source(&mut self, from: &Origin) -> i64 {
        match from {
            Origin::Fhir => FROM_FHIR,
            Origin::Salus => FROM_SALUS,
            Origin::Feed(feed) => self.word(feed),
        }
    }
}

/// Whether a message only mentions a resource, and does not say itself whose it is.
pub(super) fn is_in_passing(draft: &Draft) -> bool {
    let says = ["subject", "patient", "beneficiary"];
    draft.mode == Mode::Fill || !says.iter().any(|element| draft.json.contains_key(*element))
}

/// Everything of a draft that decides what comes of laying it upon a version.
fn fingerprint(draft: &Draft) -> Vec<u8> {
    let mode = match draft.mode {
        Mode::Merge => 'm',
        Mode::Replace => 'r',
        Mode::Fill => 'f',
    };
    let parts = (
        &draft.json,
        &draft.otherwise,
        &draft.clears,
        &draft.patient,
        mode,
    );
    serde_json::to_vec(&parts).unwrap_or_default()
}

/// Whether two texts are the same resource, however its members are ordered.
fn says_the_same(before: &[u8], after: &[u8]) -> bool {
    before == after || object(before).is_some_and(|before| object(after) == Some(before))
}

pub(super) fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok()
}
