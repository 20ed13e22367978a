//! Coming, going and being moved: what the admission office has to tell.

use crate::hospital::adt::{Trigger, merge};
use crate::hospital::happen::PEOPLE_MAX;
use crate::hospital::house::Bed;
use crate::hospital::labs::{CBC, CMP};
use crate::hospital::live::{Due, Live};
use crate::hospital::patient::{Class, Patient, Visit};
use crate::hospital::people::Person;
use crate::hospital::{Item, Via};

impl Live {
    pub(super) fn admission(&mut self) {
        if self.hospital.free.is_empty() {
            return;
        }
        let place = self.guest();
        self.admit(place);
        if self.dice.chance(25) {
            self.later(40, Due::CancelAdmission(place));
        }
    }

    pub(super) fn admit(&mut self, place: usize) {
        self.hospital.begin_visit(place, Class::Inpatient, self.now);
        if !self.hospital.in_bed(place) {
            return self.adt(Trigger::Register, place);
        }
        self.adt(Trigger::Admit, place);
        self.order_labs(place, &CBC, 30);
        self.order_labs(place, &CMP, 35);
    }

    pub(super) fn arrive(&mut self, place: usize) {
        if self
            .hospital
            .patients
            .get(place)
            .is_some_and(|patient| patient.is(Class::Expected))
        {
            self.admit(place);
        }
    }

    pub(super) fn appointment(&mut self, class: Class) {
        let place = self.guest();
        self.hospital.begin_visit(place, class, self.now);
        if class == Class::Expected {
            self.adt(Trigger::PreAdmit, place);
            let wait = self.dice.between(120, 2_000);
            return self.later(wait, Due::Arrival(place));
        }
        self.adt(Trigger::Register, place);
        let wait = self.dice.between(40, 300);
        self.later(wait, Due::Departure(place));
    }

    /// The healthiest of a few goes home; nobody does while half of the beds are free.
    pub(super) fn discharge(&mut self) {
        if self.hospital.free.len() > 89 {
            return;
        }
        let mut healthiest: Option<(usize, f64)> = None;
        for _ in 0..6 {
            let Some(place) = self.somebody() else { return };
            let Some(patient) = self.hospital.patients.get_mut(place) else {
                return;
            };
            let severity = patient.severity(&mut self.dice, self.now);
            if healthiest.is_none_or(|(_, least)| severity < least) {
                healthiest = Some((place, severity));
            }
        }
        if let Some((place, _)) = healthiest {
            self.leave(place);
            if self.dice.chance(30) {
                self.later(25, Due::CancelDischarge(place));
            }
        }
    }

    /// A03, and the bed is free. The visit itself is forgotten, save for a cancellation.
    pub(super) fn leave(&mut self, place: usize) {
        let now = self.now;
        let Some(visit) = self.visit_mut(place) else {
            return;
        };
        if visit.class == Class::Expected {
            return;
        }
        let bed = visit.bed;
        visit.discharged = Some(now);
        self.adt(Trigger::Discharge, place);
        self.hospital.free.extend(bed);
        self.set_visit(place, None);
    }

    pub(super) fn cancel_discharge(&mut self, place: usize) {
        // Only if the patient has not come back meanwhile.
        if self
            .hospital
            .patients
            .get(place)
            .is_some_and(|patient| patient.visit.is_none())
        {
            self.reopen(place);
        }
    }

    pub(super) fn reopen(&mut self, place: usize) {
        let Some(last) = self.hospital.last_visits.get(&place).cloned() else {
            return;
        };
        let Some(bed) = last.bed.filter(|bed| self.hospital.free.remove(bed)) else {
            return;
        };
        let visit = Visit {
            bed: Some(bed),
            discharged: None,
            ..last
        };
        self.set_visit(place, Some(visit));
        self.adt(Trigger::CancelDischarge, place);
    }

    pub(super) fn cancel_admission(&mut self, place: usize) {
        let Some(bed) = self.hospital.patients.get(place).and_then(Patient::bed) else {
            return;
        };
        self.adt(Trigger::CancelAdmit, place);
        self.hospital.free.insert(bed);
        self.set_visit(place, None);
        self.hospital.last_visits.remove(&place);
    }

    pub(super) fn transfer(&mut self) {
        let Some(place) = self.somebody() else { return };
        let free: Vec<Bed> = self.hospital.free.iter().copied().collect();
        let Some(bed) = self.dice.pick_from(&free).copied() else {
            return;
        };
        let home = self.hospital.patients.get(place).map_or(0, Patient::ward);
        // Children stay with children, and mothers with mothers.
        if [4, 5].contains(&home) != [4, 5].contains(&bed.ward) {
            return self.move_to(
                place,
                self.hospital
                    .free
                    .iter()
                    .find(|bed| bed.ward == home)
                    .copied(),
            );
        }
        self.move_to(place, Some(bed));
    }

    pub(super) fn move_to(&mut self, place: usize, bed: Option<Bed>) {
        let Some(bed) = bed else { return };
        let Some(visit) = self.visit_mut(place) else {
            return;
        };
        let left = visit.bed.replace(bed);
        visit.before = left;
        self.hospital.free.remove(&bed);
        self.hospital.free.extend(left);
        self.adt(Trigger::Transfer, place);
        if self.dice.chance(60) {
            self.later(15, Due::CancelTransfer(place));
        }
    }

    pub(super) fn cancel_transfer(&mut self, place: usize) {
        let Some(visit) = self.visit_mut(place) else {
            return;
        };
        let (Some(here), Some(back)) = (visit.bed, visit.before) else {
            return;
        };
        if !self.hospital.free.remove(&back) {
            return;
        }
        if let Some(visit) = self.visit_mut(place) {
            (visit.bed, visit.before) = (Some(back), Some(here));
        }
        self.hospital.free.insert(here);
        self.adt(Trigger::CancelTransfer, place);
    }

    pub(super) fn visit_update(&mut self) {
        let Some(place) = self.somebody() else { return };
        let ward = self
            .hospital
            .patients
            .get(place)
            .and_then(Patient::bed)
            .map_or(0, |bed| bed.ward);
        let attending = self.hospital.physician_of(ward);
        if let Some(visit) = self.visit_mut(place) {
            visit.attending = attending;
            visit.before = None;
        }
        self.adt(Trigger::Update, place);
    }

    pub(super) fn person_update(&mut self) {
        let Some(place) = self.somebody() else { return };
        let phone = format!(
            "+1-555-{:03}-{:04}",
            self.dice.below(1000),
            self.dice.below(10_000)
        );
        if let Some(patient) = self.hospital.patients.get_mut(place) {
            patient.person.phone = phone;
        }
        self.adt(Trigger::UpdatePerson, place);
    }

    pub(super) fn new_person(&mut self) {
        if self.hospital.patients.len() < PEOPLE_MAX {
            let place = self.add_person();
            self.adt(Trigger::AddPerson, place);
        }
    }

    /// The desk does not find somebody who is there already, and registers them again.
    pub(super) fn double_registration(&mut self) {
        let Some(known) = self.somebody() else { return };
        if self.hospital.patients.len() >= PEOPLE_MAX {
            return;
        }
        let double = self.add_person();
        let Some(person) = self
            .hospital
            .patients
            .get(known)
            .map(|patient| patient.person.clone())
        else {
            return;
        };
        if let Some(patient) = self.hospital.patients.get_mut(double) {
            patient.person = Person {
                middle: String::new(),
                ..person
            };
            patient.allergies.clear();
        }
        self.hospital
            .begin_visit(double, Class::Outpatient, self.now);
        self.adt(Trigger::Register, double);
        self.order_labs(double, &CMP, 20);
        self.later(180, Due::Merge(known, double));
    }

    pub(super) fn merge(&mut self, survivor: usize, retired: usize) {
        let control = self.hospital.number("ADT");
        let patients = &self.hospital.patients;
        let (Some(kept), Some(gone)) = (patients.get(survivor), patients.get(retired)) else {
            return;
        };
        let message = merge(kept, gone, (&control, self.now));
        self.send([Item {
            at: self.now,
            via: Via::Hl7 {
                feed: "adt",
                message,
            },
        }]);
        if let Some(gone) = self.hospital.patients.get_mut(retired) {
            gone.retired = true;
            gone.visit = None;
        }
        self.later(30, Due::Straggler(retired));
    }
}
