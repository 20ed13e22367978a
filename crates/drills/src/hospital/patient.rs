//! A patient as the simulation knows them: who they are, where they lie, how ill they are.

use event::Time;

use crate::dice::Dice;
use crate::hospital::drugs::Drug;
use crate::hospital::house::{Bed, ward_place};
use crate::hospital::people::{INSURERS, Person};
use crate::hospital::picture::{ALLERGIES, Allergy, PICTURES, PROBLEMS, Picture};

/// Somebody with a medical record number.
#[derive(Debug, Clone)]
pub(crate) struct Patient {
    pub(crate) mrn: String,
    pub(crate) person: Person,
    pub(crate) kin: Person,
    /// HL7 table 0063 code and text of what the next of kin is.
    pub(crate) kin_is: (&'static str, &'static str),
    pub(crate) insurer: (&'static str, &'static str),
    pub(crate) policy: String,
    pub(crate) allergies: Vec<Allergy>,
    pub(crate) problems: Vec<(&'static str, &'static str, &'static str)>,
    pub(crate) picture: &'static Picture,
    /// How ill: 0 well, 1 as ill as the picture makes one.
    severity: f64,
    /// When `severity` was last looked at.
    looked: Time,
    pub(crate) visit: Option<Visit>,
    pub(crate) orders: Vec<Order>,
    /// The number was retired by a merge.
    pub(crate) retired: bool,
}

/// One stay or appointment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Visit {
    pub(crate) number: String,
    pub(crate) class: Class,
    pub(crate) bed: Option<Bed>,
    pub(crate) before: Option<Bed>,
    pub(crate) admitted: Time,
    pub(crate) discharged: Option<Time>,
    /// The attending physician as XCN.
    pub(crate) attending: String,
}

/// HL7 table 0004, patient class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Inpatient,
    Outpatient,
    Expected,
}

impl Class {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Class::Inpatient => "I",
            Class::Outpatient => "O",
            Class::Expected => "P",
        }
    }
}

/// A prescription.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) number: String,
    pub(crate) drug: Drug,
    pub(crate) written: Time,
}

impl Patient {
    /// A new patient whom `picture` brings in.
    pub(crate) fn new(dice: &mut Dice, mrn: String, now: Time) -> Patient {
        let picture = dice.pick_from(&PICTURES).unwrap_or(&FALLBACK);
        let today = now.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
        let mut person = Person::born(dice, today, picture.ages);
        if picture.ward == "MAT" {
            let birth = person.birth;
            person = Person {
                birth,
                ..Person::of_sex(dice, 'F')
            };
        }
        let child = picture.ward == "PED";
        let kin_is = if child {
            dice.pick(&PARENTS)
        } else {
            dice.pick(&KIN)
        };
        Patient {
            kin: person.kin(dice),
            kin_is,
            insurer: dice.pick(&INSURERS),
            policy: format!("POL{:08}", dice.below(100_000_000)),
            allergies: some_of(dice, &ALLERGIES, 350),
            problems: if child {
                Vec::new()
            } else {
                some_of(dice, &PROBLEMS, 600)
            },
            severity: 0.35 + dice.unit() * 0.65,
            looked: now,
            visit: None,
            orders: Vec::new(),
            retired: false,
            mrn,
            person,
            picture,
        }
    }

    /// Place of the ward that suits the illness.
    pub(crate) fn ward(&self) -> usize {
        ward_place(self.picture.ward)
    }

    /// How ill the patient is by now: most recover within days, with ups and downs.
    pub(crate) fn severity(&mut self, dice: &mut Dice, now: Time) -> f64 {
        let minutes = now.since(self.looked).clamp(0, 14 * 24 * 60 * 60_000) / 60_000;
        let hours = i32::try_from(minutes).map_or(0.0, |count| f64::from(count) / 60.0);
        let wander = dice.bell() * 0.03 * hours.min(4.0).sqrt();
        self.severity = (self.severity - 0.007 * hours + wander).clamp(0.0, 1.0);
        self.looked = now;
        self.severity
    }

    /// Falls ill again, of something of the patient's own kind.
    pub(crate) fn relapse(&mut self, dice: &mut Dice, now: Time) {
        self.severity = 0.4 + dice.unit() * 0.6;
        self.looked = now;
        self.orders.clear();
    }

    pub(crate) const fn bed(&self) -> Option<Bed> {
        match &self.visit {
            Some(visit) => visit.bed,
            None => None,
        }
    }

    pub(crate) fn is(&self, class: Class) -> bool {
        self.visit
            .as_ref()
            .is_some_and(|visit| visit.class == class)
    }
}

/// One to three different ones of `all`, for `in_thousand` of 1,000 people.
fn some_of<T: Copy + Default + PartialEq>(dice: &mut Dice, all: &[T], in_thousand: u64) -> Vec<T> {
    let mut some = Vec::new();
    while some.len() < 3 && dice.chance(in_thousand) {
        let one = dice.pick(all);
        if !some.contains(&one) {
            some.push(one);
        }
    }
    some
}

const KIN: [(&str, &str); 4] = [
    ("SPO", "Spouse"),
    ("CHD", "Child"),
    ("SIB", "Sibling"),
    ("FND", "Friend"),
];
const PARENTS: [(&str, &str); 2] = [("PAR", "Parent"), ("GRD", "Guardian")];

static FALLBACK: Picture = Picture {
    ward: "MED2",
    ages: (20, 80),
    diagnosis: ("R69", "Illness, unspecified"),
    labs: &[],
    vitals: [0.0; 5],
    drugs: &[],
    culture: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_get_better() {
        let mut dice = Dice::new(9);
        let start = Time::from_millis(1_772_000_000_000);
        let mut patients: Vec<Patient> = (0..100)
            .map(|n| Patient::new(&mut dice, n.to_string(), start))
            .collect();
        let first: f64 = patients
            .iter_mut()
            .map(|p| p.severity(&mut dice, start))
            .sum();
        let later = start.plus_millis(3 * 86_400_000);
        let then: f64 = patients
            .iter_mut()
            .map(|p| p.severity(&mut dice, later))
            .sum();
        assert!(then < first * 0.7, "{first} then {then}");
    }

    #[test]
    fn mothers_are_women_and_children_are_young() {
        let mut dice = Dice::new(2);
        let now = Time::from_millis(1_772_000_000_000);
        for number in 0..400 {
            let patient = Patient::new(&mut dice, number.to_string(), now);
            if patient.picture.ward == "MAT" {
                assert_eq!(patient.person.sex, 'F');
            }
            if patient.picture.ward == "PED" {
                assert!(patient.person.birth.year() >= 2009);
                assert!(patient.problems.is_empty());
            }
        }
    }
}
