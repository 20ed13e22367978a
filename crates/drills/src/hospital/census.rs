//! Who is there when the hospital opens, and how the systems say so.

use event::Time;

use crate::hospital::adt::{Trigger, adt};
use crate::hospital::bundles::{self, Entry, Resuscitate, transaction};
use crate::hospital::drugs::drug_by;
use crate::hospital::house::{Bed, Staff};
use crate::hospital::labs::{CBC, CMP, Panel};
use crate::hospital::patient::{Class, Order, Patient, Visit};
use crate::hospital::results::{Report, Stage, measure, oru};
use crate::hospital::{Hospital, Item, PATIENTS, Via};

const HOUR: i64 = 3_600_000;

impl Hospital {
    /// Makes the patients and puts four in five of them to bed.
    pub(super) fn fill(&mut self) {
        for place in 0..PATIENTS {
            let patient = self.newcomer(self.start);
            let (class, since) = match place % 20 {
                0 => (Class::Expected, self.dice.between(0, 2)),
                1 | 2 => (Class::Outpatient, self.dice.between(0, 5)),
                _ => (Class::Inpatient, self.dice.between(1, 96)),
            };
            self.patients.push(patient);
            let admitted = self.start.plus_millis(-since * HOUR);
            self.begin_visit(place, class, admitted);
            if class == Class::Inpatient {
                self.prescribe_for(place, admitted);
            }
        }
    }

    /// Somebody new with the next medical record number.
    pub(super) fn newcomer(&mut self, now: Time) -> Patient {
        let mrn = format!("SL{}", 100_001 + self.patients.len());
        Patient::new(&mut self.dice, mrn, now)
    }

    /// Begins a visit; an inpatient for whom no bed is free becomes an outpatient.
    pub(super) fn begin_visit(&mut self, place: usize, class: Class, admitted: Time) {
        let ward = self.patients.get(place).map_or(0, Patient::ward);
        let bed = if class == Class::Inpatient {
            self.take_bed(ward)
        } else {
            None
        };
        let class = if class == Class::Inpatient && bed.is_none() {
            Class::Outpatient
        } else {
            class
        };
        let attending = self.physician_of(ward);
        let visit = Visit {
            number: self.number("V"),
            class,
            bed,
            before: None,
            admitted,
            discharged: None,
            attending,
        };
        if let Some(patient) = self.patients.get_mut(place) {
            patient.visit = Some(visit);
        }
    }

    /// A free bed on the ward, or else on any other.
    fn take_bed(&mut self, ward: usize) -> Option<Bed> {
        let here = self.free.iter().find(|bed| bed.ward == ward);
        let bed = here.or_else(|| self.free.iter().next_back()).copied()?;
        self.free.remove(&bed);
        Some(bed)
    }

    /// A physician of the ward, as XCN.
    pub(super) fn physician_of(&mut self, ward: usize) -> String {
        let code = super::WARDS.get(ward).map_or("", |known| known.code);
        let here: Vec<&Staff> = self
            .staff
            .iter()
            .filter(|one| one.role == event::Role::Physician && one.wards.contains(&code))
            .collect();
        self.dice
            .pick_from(&here)
            .map(|one| one.xcn())
            .unwrap_or_default()
    }

    /// A number of the hospital's own, never given twice: letters, opening hour, counter.
    pub(super) fn number(&mut self, letters: &str) -> String {
        self.numbers += 1;
        format!(
            "{letters}{}-{:06}",
            self.start.millis() / 60_000,
            self.numbers
        )
    }

    /// Writes the prescriptions that go with the patient's illness and problems.
    fn prescribe_for(&mut self, place: usize, written: Time) {
        let Some(patient) = self.patients.get(place) else {
            return;
        };
        let mut keys = patient.picture.drugs.to_vec();
        for (code, _, _) in &patient.problems {
            match *code {
                "I10" => keys.push("LISIN"),
                "E11.9" => keys.push("METF"),
                "F32.A" => keys.push("SERT"),
                _ => {}
            }
        }
        keys.dedup();
        let orders = keys
            .into_iter()
            .map(|key| Order {
                number: self.number("RX"),
                drug: drug_by(key),
                written,
            })
            .collect();
        if let Some(patient) = self.patients.get_mut(place) {
            patient.orders = orders;
        }
    }

    pub(super) fn census(&mut self) -> Vec<Item> {
        let mut items: Vec<Item> = (0..self.patients.len())
            .filter_map(|place| self.arrival_of(place))
            .collect();
        let beds: Vec<usize> = (0..self.patients.len())
            .filter(|place| self.in_bed(*place))
            .collect();
        for place in &beds {
            for panel in [&CBC, &CMP] {
                items.extend(self.first_result(*place, panel));
            }
        }
        for place in beds {
            items.extend(self.first_bundles(place));
        }
        items
    }

    pub(super) fn in_bed(&self, place: usize) -> bool {
        self.patients
            .get(place)
            .is_some_and(|patient| patient.bed().is_some())
    }

    fn arrival_of(&mut self, place: usize) -> Option<Item> {
        let trigger = match self.patients.get(place)?.visit.as_ref()?.class {
            Class::Inpatient => Trigger::Admit,
            Class::Outpatient => Trigger::Register,
            Class::Expected => Trigger::PreAdmit,
        };
        let at = self.start;
        self.adt_item(trigger, place, at)
    }

    /// An ADT message about one patient as an item.
    pub(super) fn adt_item(&mut self, trigger: Trigger, place: usize, at: Time) -> Option<Item> {
        let control = self.number("ADT");
        let message = adt(trigger, self.patients.get(place)?, (&control, at));
        Some(Item {
            at,
            via: Via::Hl7 {
                feed: "adt",
                message,
            },
        })
    }

    fn first_result(&mut self, place: usize, panel: &'static Panel) -> Option<Item> {
        let report = self.report(place, panel, self.start.plus_millis(-2 * HOUR))?;
        self.result_item(&report, (self.start, Stage::Final))
    }

    /// Draws a specimen and measures it.
    pub(super) fn report(
        &mut self,
        place: usize,
        panel: &'static Panel,
        at: Time,
    ) -> Option<Report> {
        let (placer, filler) = (self.number("O"), self.number("L"));
        let patient = self.patients.get_mut(place)?;
        let severity = patient.severity(&mut self.dice, at);
        let what = measure(&mut self.dice, panel, (patient, severity));
        let ordered_by = patient
            .visit
            .as_ref()
            .map(|visit| visit.attending.clone())
            .unwrap_or_default();
        Some(Report {
            patient: place,
            placer,
            filler,
            collected: at,
            ordered_by,
            what,
        })
    }

    /// An ORU message as an item.
    pub(super) fn result_item(&mut self, report: &Report, sent: (Time, Stage)) -> Option<Item> {
        let control = self.number("LAB");
        let (at, stage) = sent;
        let message = oru(
            report,
            self.patients.get(report.patient)?,
            (&control, at, stage),
        );
        Some(Item {
            at,
            via: Via::Hl7 {
                feed: "lab",
                message,
            },
        })
    }

    fn first_bundles(&mut self, place: usize) -> Vec<Item> {
        let at = self.start;
        let Some(patient) = self.patients.get_mut(place) else {
            return Vec::new();
        };
        let severity = patient.severity(&mut self.dice, at);
        let mut bedside = bundles::vitals(&mut self.dice, (patient, severity), at);
        bedside.push(bundles::code_status(patient, at, first_status(patient)));
        let dice = &mut self.dice;
        let pharmacy: Vec<Entry> = patient
            .orders
            .iter()
            .map(|order| bundles::prescribe(patient, order, uuid(dice)))
            .collect();
        let mut items = vec![self.fhir_item("vitals", at, bedside)];
        if !pharmacy.is_empty() {
            items.push(self.fhir_item("pharmacy", at, pharmacy));
        }
        items
    }

    /// A transaction as an item.
    pub(super) fn fhir_item(
        &mut self,
        client: &'static str,
        at: Time,
        entries: Vec<Entry>,
    ) -> Item {
        let bundle = transaction(&self.number("FHIR"), at, entries);
        Item {
            at,
            via: Via::Fhir { client, bundle },
        }
    }
}

/// The oldest do not want to be resuscitated.
fn first_status(patient: &Patient) -> Resuscitate {
    if patient.person.birth.year() < 1940 {
        Resuscitate::No
    } else {
        Resuscitate::Full
    }
}

/// A `urn:uuid:` (version 4 in form) from the dice.
pub(super) fn uuid(dice: &mut crate::dice::Dice) -> String {
    let (high, low) = (dice.roll(), dice.roll());
    format!(
        "urn:uuid:{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFF,
        0x8000 | ((low >> 48) & 0x3FFF),
        low & 0xFFFF_FFFF_FFFF,
    )
}
