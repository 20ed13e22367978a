//! How often what happens, by hour of the day.

/// Something that happens in the hospital of its own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    Admission,
    BrokenMessage,
    CodeStatus,
    Discharge,
    Dose,
    DoubleRegistration,
    Letter,
    MorningLabs,
    NewAllergy,
    NewPerson,
    NewProblem,
    PersonUpdate,
    PreAdmission,
    Prescription,
    Registration,
    StopPrescription,
    Transfer,
    UrgentLabs,
    VisitUpdate,
    Vitals,
}

/// How often something happens.
#[derive(Debug)]
pub(crate) struct Habit {
    pub(crate) what: Happening,
    /// Times a day, on average.
    a_day: f64,
    /// Relative weight of each hour (UTC).
    hours: &'static [u8; 24],
}

impl Habit {
    /// Times an hour, in that hour.
    pub(crate) fn rate(&self, hour: usize) -> f64 {
        let all: f64 = self.hours.iter().copied().map(f64::from).sum();
        let now = self.hours.get(hour).copied().map_or(0.0, f64::from);
        self.a_day * now / all
    }
}

const fn habit(what: Happening, a_day: f64, hours: &'static [u8; 24]) -> Habit {
    Habit { what, a_day, hours }
}

const EVEN: [u8; 24] = [
    3, 3, 3, 3, 3, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 5, 5, 4, 4, 3,
];
const MORNING: [u8; 24] = [
    2, 1, 1, 2, 8, 40, 60, 30, 8, 6, 6, 6, 5, 5, 5, 5, 4, 4, 3, 3, 3, 2, 2, 2,
];
const OFFICE: [u8; 24] = [
    1, 1, 1, 1, 1, 1, 2, 6, 16, 24, 26, 28, 30, 28, 24, 20, 14, 9, 6, 4, 3, 2, 2, 1,
];
const MIDDAY: [u8; 24] = [
    0, 0, 0, 0, 0, 0, 0, 1, 4, 12, 24, 28, 24, 16, 12, 8, 5, 3, 1, 0, 0, 0, 0, 0,
];
const ROUNDS: [u8; 24] = [
    4, 3, 3, 3, 5, 10, 14, 10, 12, 8, 8, 8, 12, 8, 14, 8, 8, 8, 13, 8, 10, 8, 10, 6,
];
const MEALS: [u8; 24] = [
    3, 1, 1, 1, 2, 8, 10, 14, 40, 18, 8, 10, 28, 14, 8, 8, 10, 16, 32, 16, 14, 22, 12, 5,
];

/// Everything that happens, with two corrections from the books of an imagined 178-bed house:
/// admissions and discharges balance, and night work is a third of day work.
pub(crate) const HABITS: [Habit; 20] = [
    habit(Happening::Admission, 52.0, &OFFICE),
    habit(Happening::BrokenMessage, 3.0, &EVEN),
    habit(Happening::CodeStatus, 12.0, &OFFICE),
    habit(Happening::Discharge, 50.0, &MIDDAY),
    habit(Happening::Dose, 640.0, &MEALS),
    habit(Happening::DoubleRegistration, 3.0, &OFFICE),
    habit(Happening::Letter, 14.0, &OFFICE),
    habit(Happening::MorningLabs, 330.0, &MORNING),
    habit(Happening::NewAllergy, 8.0, &OFFICE),
    habit(Happening::NewPerson, 6.0, &OFFICE),
    habit(Happening::NewProblem, 10.0, &OFFICE),
    habit(Happening::PersonUpdate, 14.0, &OFFICE),
    habit(Happening::PreAdmission, 8.0, &OFFICE),
    habit(Happening::Prescription, 120.0, &OFFICE),
    habit(Happening::Registration, 40.0, &OFFICE),
    habit(Happening::StopPrescription, 90.0, &OFFICE),
    habit(Happening::Transfer, 18.0, &OFFICE),
    habit(Happening::UrgentLabs, 130.0, &EVEN),
    habit(Happening::VisitUpdate, 70.0, &OFFICE),
    habit(Happening::Vitals, 820.0, &ROUNDS),
];
