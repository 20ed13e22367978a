//! Care: specimens, vital signs, prescriptions, what is noticed and written down.

use crate::hospital::adt::letter;
use crate::hospital::bundles::{self, Resuscitate};
use crate::hospital::census::uuid;
use crate::hospital::drugs::DRUGS;
use crate::hospital::labs::{CLOTTING, INFLAMMATION, LACTATE, ORGANISMS, Panel, TROPONIN};
use crate::hospital::live::{Due, Live};
use crate::hospital::patient::{Order, Patient};
use crate::hospital::picture::{ALLERGIES, PROBLEMS};
use crate::hospital::results::{Findings, Report, Stage};
use crate::hospital::{Item, Via};

impl Live {
    pub(super) fn straggler(&mut self, place: usize) {
        if let Some(report) = self.hospital.report(place, &TROPONIN, self.now) {
            self.send_result(&report, Stage::Final);
        }
    }

    pub(super) fn labs(&mut self, panels: &[&'static Panel]) {
        let Some(place) = self.somebody() else { return };
        for panel in panels {
            let wait = self.dice.between(35, 80);
            self.order_labs(place, panel, wait);
        }
    }

    pub(super) fn urgent_labs(&mut self) {
        let Some(place) = self.somebody() else { return };
        let panel = match self.dice.below(4) {
            0 => &TROPONIN,
            1 => &LACTATE,
            2 => &INFLAMMATION,
            _ => &CLOTTING,
        };
        self.order_labs(place, panel, 25);
        let suspect = self
            .hospital
            .patients
            .get(place)
            .is_some_and(|patient| patient.picture.culture);
        if suspect && self.dice.chance(350) {
            self.culture(place);
        }
    }

    pub(super) fn culture(&mut self, place: usize) {
        let Some(mut report) = self.hospital.report(place, &LACTATE, self.now) else {
            return;
        };
        let grown = if self.dice.chance(300) {
            self.dice.pick_from(&ORGANISMS).copied()
        } else {
            None
        };
        report.what = Findings::Culture(grown);
        self.later(24 * 60, Due::Result(report));
    }

    pub(super) fn order_labs(&mut self, place: usize, panel: &'static Panel, minutes: i64) {
        if let Some(report) = self.hospital.report(place, panel, self.now) {
            self.later(minutes, Due::Result(report));
        }
    }

    pub(super) fn result(&mut self, report: Report) {
        if matches!(report.what, Findings::Culture(_)) {
            self.send_result(&report, Stage::Preliminary);
            return self.later(2 * 24 * 60, Due::Culture(report));
        }
        self.send_result(&report, Stage::Final);
        if self.dice.chance(12) {
            self.later(50, Due::Correction(report));
        }
    }

    pub(super) fn send_result(&mut self, report: &Report, stage: Stage) {
        let item = self.hospital.result_item(report, (self.now, stage));
        self.send(item);
    }

    pub(super) fn vitals(&mut self) {
        let Some(place) = self.somebody() else { return };
        let Some(patient) = self.hospital.patients.get_mut(place) else {
            return;
        };
        let severity = patient.severity(&mut self.dice, self.now);
        let entries = bundles::vitals(&mut self.dice, (patient, severity), self.now);
        self.bundle("vitals", entries);
    }

    pub(super) fn code_status(&mut self) {
        let status = if self.dice.chance(300) {
            Resuscitate::No
        } else {
            Resuscitate::Full
        };
        let Some(place) = self.somebody() else { return };
        let Some(patient) = self.hospital.patients.get(place) else {
            return;
        };
        let entry = bundles::code_status(patient, self.now, status);
        self.bundle("vitals", vec![entry]);
    }

    /// A prescription and its first dose, in one transaction.
    pub(super) fn prescription(&mut self) {
        let Some(place) = self.somebody() else { return };
        let drug = self.dice.pick(&DRUGS);
        let order = Order {
            number: self.hospital.number("RX"),
            drug,
            written: self.now,
        };
        let name = uuid(&mut self.dice);
        let Some(patient) = self.hospital.patients.get_mut(place) else {
            return;
        };
        if patient.orders.len() > 8 {
            return;
        }
        patient.orders.push(order.clone());
        let entries = vec![
            bundles::prescribe(patient, &order, name.clone()),
            bundles::give(patient, &order, (self.now, name)),
        ];
        self.bundle("pharmacy", entries);
    }

    pub(super) fn dose(&mut self) {
        let Some(place) = self.somebody() else { return };
        let Some(patient) = self.hospital.patients.get(place) else {
            return;
        };
        let Some(order) = self.dice.pick_from(&patient.orders) else {
            return;
        };
        let entry = bundles::give(patient, order, (self.now, bundles::by_number(order)));
        self.bundle("pharmacy", vec![entry]);
    }

    pub(super) fn stop_prescription(&mut self) {
        let Some(place) = self.somebody() else { return };
        let Some(patient) = self.hospital.patients.get_mut(place) else {
            return;
        };
        if patient.orders.len() < 3 {
            return;
        }
        let order = patient.orders.remove(0);
        let entry = bundles::stop(patient, &order);
        self.bundle("pharmacy", vec![entry]);
    }

    pub(super) fn new_allergy(&mut self) {
        let allergy = self.dice.pick(&ALLERGIES);
        let Some(place) = self.somebody() else { return };
        let Some(patient) = self.hospital.patients.get_mut(place) else {
            return;
        };
        if patient.allergies.contains(&allergy) {
            return;
        }
        let entry = bundles::allergy(patient, allergy, self.now);
        self.bundle("pharmacy", vec![entry]);
    }

    pub(super) fn new_problem(&mut self) {
        let problem = self.dice.pick(&PROBLEMS);
        let Some(place) = self.somebody() else { return };
        let Some(patient) = self.hospital.patients.get(place) else {
            return;
        };
        if patient.picture.ward == "PED" || patient.problems.contains(&problem) {
            return;
        }
        let entry = bundles::problem(patient, problem, self.now);
        self.bundle("pharmacy", vec![entry]);
    }

    pub(super) fn letter(&mut self) {
        let Some(place) = self.somebody() else { return };
        let control = self.hospital.number("DOC");
        let ward = self.hospital.patients.get(place).map_or(0, Patient::ward);
        let author = self.hospital.physician_of(ward);
        let Some(patient) = self.hospital.patients.get(place) else {
            return;
        };
        let message = letter(patient, &author, (&control, self.now));
        self.send([Item {
            at: self.now,
            via: Via::Hl7 {
                feed: "documents",
                message,
            },
        }]);
    }

    /// The laboratory's interface loses the first segment of a message.
    pub(super) fn broken_message(&mut self) {
        let Some(place) = self.somebody() else { return };
        let Some(report) = self.hospital.report(place, &LACTATE, self.now) else {
            return;
        };
        let Some(mut item) = self.hospital.result_item(&report, (self.now, Stage::Final)) else {
            return;
        };
        if let Via::Hl7 { message, .. } = &mut item.via {
            let head = message
                .iter()
                .position(|byte| *byte == b'\r')
                .map_or(0, |end| end + 1);
            message.drain(..head);
        }
        self.send([item]);
    }
}
