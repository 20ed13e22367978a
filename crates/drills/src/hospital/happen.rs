//! What can happen, and whose business each happening is.

use crate::hospital::adt::Trigger;
use crate::hospital::bundles::Entry;
use crate::hospital::habits::Happening;
use crate::hospital::labs::{CBC, CMP};
use crate::hospital::live::{Due, Live};
use crate::hospital::patient::{Class, Visit};
use crate::hospital::results::{Stage, correct};

/// So many people have a number before only known ones come back.
pub(super) const PEOPLE_MAX: usize = 2_000;

impl Live {
    pub(super) fn happen(&mut self, what: Happening) {
        match what {
            Happening::Admission => self.admission(),
            Happening::BrokenMessage => self.broken_message(),
            Happening::CodeStatus => self.code_status(),
            Happening::Discharge => self.discharge(),
            Happening::Dose => self.dose(),
            Happening::DoubleRegistration => self.double_registration(),
            Happening::Letter => self.letter(),
            Happening::MorningLabs => self.labs(&[&CBC, &CMP]),
            Happening::NewAllergy => self.new_allergy(),
            Happening::NewPerson => self.new_person(),
            Happening::NewProblem => self.new_problem(),
            Happening::PersonUpdate => self.person_update(),
            Happening::PreAdmission => self.appointment(Class::Expected),
            Happening::Prescription => self.prescription(),
            Happening::Registration => self.appointment(Class::Outpatient),
            Happening::StopPrescription => self.stop_prescription(),
            Happening::Transfer => self.transfer(),
            Happening::UrgentLabs => self.urgent_labs(),
            Happening::VisitUpdate => self.visit_update(),
            Happening::Vitals => self.vitals(),
        }
    }

    pub(super) fn fulfil(&mut self, due: Due) {
        match due {
            Due::Arrival(place) => self.arrive(place),
            Due::CancelAdmission(place) => self.cancel_admission(place),
            Due::CancelTransfer(place) => self.cancel_transfer(place),
            Due::CancelDischarge(place) => self.cancel_discharge(place),
            Due::Correction(mut report) => {
                correct(&mut self.dice, &mut report);
                self.send_result(&report, Stage::Corrected);
            }
            Due::Culture(report) => self.send_result(&report, Stage::Final),
            Due::Departure(place) => self.leave(place),
            Due::Merge(survivor, retired) => self.merge(survivor, retired),
            Due::Straggler(place) => self.straggler(place),
            Due::Result(report) => self.result(report),
        }
    }

    pub(super) fn adt(&mut self, trigger: Trigger, place: usize) {
        let item = self.hospital.adt_item(trigger, place, self.now);
        self.send(item);
    }

    /// Somebody who lies in a bed.
    pub(super) fn somebody(&mut self) -> Option<usize> {
        let inside: Vec<usize> = (0..self.hospital.patients.len())
            .filter(|place| self.hospital.in_bed(*place))
            .collect();
        self.dice.pick_from(&inside).copied()
    }

    /// Somebody who is at home, or somebody new while there is room on the list.
    pub(super) fn guest(&mut self) -> usize {
        let home: Vec<usize> = self
            .hospital
            .patients
            .iter()
            .enumerate()
            .filter(|(_, patient)| patient.visit.is_none() && !patient.retired)
            .map(|(place, _)| place)
            .collect();
        let full = self.hospital.patients.len() >= PEOPLE_MAX;
        let known = if full || self.dice.chance(350) {
            self.dice.pick_from(&home).copied()
        } else {
            None
        };
        match known {
            Some(place) => self.sicken(place),
            None => self.add_person(),
        }
    }

    pub(super) fn add_person(&mut self) -> usize {
        let patient = self.hospital.newcomer(self.now);
        self.hospital.patients.push(patient);
        self.hospital.patients.len() - 1
    }

    pub(super) fn sicken(&mut self, place: usize) -> usize {
        if let Some(patient) = self.hospital.patients.get_mut(place) {
            patient.relapse(&mut self.dice, self.now);
        }
        place
    }

    pub(super) fn bundle(&mut self, client: &'static str, entries: Vec<Entry>) {
        let item = self.hospital.fhir_item(client, self.now, entries);
        self.send([item]);
    }

    pub(super) fn visit_mut(&mut self, place: usize) -> Option<&mut Visit> {
        self.hospital.patients.get_mut(place)?.visit.as_mut()
    }

    /// Changes the visit and remembers the one that was.
    pub(super) fn set_visit(&mut self, place: usize, visit: Option<Visit>) {
        let Some(patient) = self.hospital.patients.get_mut(place) else {
            return;
        };
        if let Some(last) = std::mem::replace(&mut patient.visit, visit) {
            self.hospital.last_visits.insert(place, last);
        }
    }
}
