//! Laying the changes of one event upon what is there. Pure: nothing here reads or writes a table.

use std::sync::Arc;

use event::Time;
use serde_json::{Map, Value};
use wire::v2::{Draft, Mode};

use super::batch::{Batch, NewPage, NewRow, Seen};
use super::index::{self, Found, Names};
use super::memory::{Current, Name};
use super::stay::Stay;
use super::step::{Change, Origin, Ready, Step, Written, bytes, patient_of_draft};
use crate::alias::Relinked;
use crate::error::Outcome;
use crate::hash;
use crate::place::Place;
use crate::store::{DELETED, FROM_FHIR, FROM_SALUS, LABELS, LATE};
use crate::tie;

/// The event whose changes are being applied, and what it has written so far.
struct Now {
    seq: i64,
    at: Time,
    source: i64,
    first: i64,
    items: Vec<Vec<u8>>,
}

/// One version about to be written.
struct Version<'v> {
    kind: &'v str,
    id: String,
    /// The patient's number and id.
    patient: Option<(i64, String)>,
    /// Content, and what it is found by; `None`: deleted.
    content: Option<(Vec<u8>, Found)>,
    /// What labels, ties, stays and places follow from; `None`: deleted.
    value: Option<&'v Value>,
    hot: bool,
}

impl Batch<'_> {
    /// Applies one event.
    pub(super) fn apply(&mut self, step: Step) -> Outcome<()> {
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
        if now.items.is_empty() {
            return Ok(());
        }
        let page = NewPage {
            seq: now.seq,
            first: now.first,
            items: i64::try_from(now.items.len()).unwrap_or(i64::MAX),
            body: self.memory.packer.pack(&now.items)?,
        };
        self.pending.pages.push(page);
        Ok(())
    }

    fn change(&mut self, now: &mut Now, from: &Origin, change: Change) {
        match change {
            Change::Draft(draft, ready) => self.draft(now, from, (*draft, ready)),
            Change::Write(written) => self.written(now, from, written),
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
    fn draft(&mut self, now: &mut Now, from: &Origin, (draft, ready): (Draft, Option<Ready>)) {
        let hot = draft.mode != Mode::Replace;
        let name = self.name(draft.kind, &draft.id);
        let seen = name.as_ref().and_then(|name| self.seen.get_mut(name));
        let current = seen.and_then(|seen| {
            seen.hot = hot;
            seen.current.as_mut().filter(|current| !current.deleted)
        });
        let patient = patient_of_draft(&draft).map(str::to_owned);
        let Some(current) = current else {
            let of = (draft.kind, draft.id.clone(), patient);
            return match ready {
                Some(ready) => self.replaced(now, from, of, ready),
                None => self.map(now, from, of, wire::v2::merged(None, &draft)),
            };
        };
        let fingerprint = fingerprint(&draft);
        if current.idle.iter().any(|idle| **idle == *fingerprint) {
            return;
        }
        let same_patient = current.patient == patient;
        let before = current.json.as_deref().and_then(object);
        let after = wire::v2::merged(before.as_ref(), &draft);
        if before.as_ref() == Some(&after) && same_patient {
            current.is_idle_after(&fingerprint);
            return;
        }
        let of = (draft.kind, draft.id, patient);
        match ready {
            Some(ready) => self.replaced(now, from, of, ready),
            None => self.map(now, from, of, after),
        }
    }

    /// A version that was ready before: no Encounter and no Location, which are laid upon others.
    fn replaced(
        &mut self,
        now: &mut Now,
        from: &Origin,
        (kind, id, patient): (&str, String, Option<String>),
        ready: Ready,
    ) {
        let version = Version {
            kind,
            id,
            patient: patient.map(|id| (self.pid(&id), id)),
            content: Some((ready.json, ready.found)),
            value: Some(&ready.value),
            hot: false,
        };
        self.write(now, from, version);
    }

    fn map(
        &mut self,
        now: &mut Now,
        from: &Origin,
        (kind, id, patient): (&str, String, Option<String>),
        json: Map<String, Value>,
    ) {
        let value = Value::Object(json);
        let found = index::of(kind, &value, (patient.as_deref(), Names::Anybody));
        let version = Version {
            kind,
            id,
            patient: patient.map(|id| (self.pid(&id), id)),
            content: Some((bytes(&value), found)),
            value: Some(&value),
            hot: true,
        };
        self.write(now, from, version);
    }

    fn written(&mut self, now: &mut Now, from: &Origin, written: Written) {
        let whose = (written.patient.as_deref(), Names::Anybody);
        let found = index::of(&written.kind, &written.value, whose);
        let version = Version {
            kind: &written.kind,
            id: written.id,
            patient: written.patient.map(|id| (self.pid(&id), id)),
            content: Some((written.json, found)),
            value: Some(&written.value),
            hot: false,
        };
        self.write(now, from, version);
    }

    fn delete(&mut self, now: &mut Now, from: &Origin, kind: &str, id: String) {
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
            value: None,
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
            self.map(now, from, ("Patient", patient, whose), after);
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
        self.follow((version.kind, &version.id), version.value, pid);
        self.tie((version.kind, &version.id), version.value, (pid, now.at));
        let labels = self.labels(version.value);
        let (json, mut flags) = match version.content {
            Some((json, found)) => {
                self.index(rid, found);
                (json, 0)
            }
            None => (Vec::new(), DELETED),
        };
        if patient
            .as_deref()
            .is_some_and(|id| self.memory.known.aliases.is_retired(id))
        {
            flags |= LATE;
        }
        let current = Current {
            rid,
            pid,
            patient,
            deleted: flags & DELETED != 0,
            json: Some(json.as_slice().into()),
            idle: Vec::new(),
        };
        let prev = self.replace((kind, version.id.clone()), current, version.hot);
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

    fn index(&mut self, rid: i64, found: Found) {
        let terms = found.keys.into_iter().map(|key| (key, rid));
        self.pending.terms.extend(terms);
        let names = found.words.into_iter().map(|word| (word, rid));
        self.pending.names.extend(names);
    }

    /// Stays follow encounters, places follow locations.
    fn follow(&mut self, (kind, id): (&str, &str), value: Option<&Value>, pid: i64) {
        match kind {
            "Encounter" => {
                let stay = value.and_then(Stay::of).map(|stay| (pid, stay));
                self.pending.stays.insert(id.to_owned(), stay);
            }
            "Location" => {
                let place = value.map(|value| Place::of(id, value));
                Arc::make_mut(&mut self.memory.known.places).set(id, place.clone());
                self.pending.places.insert(id.to_owned(), place);
            }
            _ => {}
        }
    }

    /// The number of the security labels of a version.
    fn labels(&mut self, value: Option<&Value>) -> i64 {
        let labels = value.map_or_else(String::new, |value| self.memory.labels.of(value));
        match labels.is_empty() {
            true => 0,
            false => self.word(&format!("{LABELS}{labels}")),
        }
    }

    /// Ties follow appointments, orders and reports; consents follow themselves.
    fn tie(&mut self, (kind, id): (&str, &str), value: Option<&Value>, (pid, at): (i64, Time)) {
        if kind == "Consent" {
            let provisions = value.map_or_else(Vec::new, tie::provisions);
            let kept = (!provisions.is_empty() && pid > 0)
                .then(|| (pid, serde_json::to_string(&provisions).unwrap_or_default()));
            self.memory.known.consents = true;
            self.pending.consents.insert(hash::slot(kind, id), kept);
        }
        if tie::ties(kind) {
            let ties = value.filter(|_| pid > 0);
            let ties = ties.map_or_else(Vec::new, |value| tie::of(kind, value, at));
            self.pending.ties.insert(hash::slot(kind, id), (pid, ties));
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
    fn name(&self, kind: &str, id: &str) -> Option<Name> {
        let number = self.memory.known.words.number(kind)?;
        Some((number, id.to_owned()))
    }

    /// The number of a word; gives it one if it has none.
    fn word(&mut self, text: &str) -> i64 {
        if let Some(number) = self.memory.known.words.number(text) {
            return number;
        }
        let (number, _) = Arc::make_mut(&mut self.memory.known.words).add(text);
        self.pending.words.push((number, text.to_owned()));
        number
    }

    /// The number of a patient; gives them one if they have none.
    fn pid(&mut self, id: &str) -> i64 {
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

fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok()
}
