//! St. Salus, a hospital that does not exist: 200 patients on six wards, the people who work
//! there, and everything their systems would send. The same seed and start give the same bytes.

mod adt;
mod bundles;
mod care;
mod census;
mod drugs;
mod habits;
mod happen;
mod house;
mod labs;
mod live;
pub(crate) mod load_message;
mod message;
mod moves;
mod patient;
mod people;
mod picture;
mod results;

use std::collections::{BTreeMap, BTreeSet};

use event::Time;

use crate::dice::Dice;
use house::Bed;
use patient::{Patient, Visit};

pub use bundles::{AUTHORITY_SYSTEM, PRESCRIPTION_SYSTEM};
pub use house::{Staff, WARDS, Ward};
pub use live::Live;

/// How many patients there are when the hospital opens.
pub const PATIENTS: usize = 200;
/// The namespace (HL7 HD.1) that assigns St. Salus's identifiers.
pub const AUTHORITY: &str = "STSALUS";
/// The facility (MSH-4) of every message.
pub const FACILITY: &str = "STSALUS";

/// Something one of the hospital's systems sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// When, in the hospital's own time. Never earlier than the item before it.
    pub at: Time,
    /// What, and by which way.
    pub via: Via,
}

/// The ways out of the hospital's systems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// An HL7 v2 message, without MLLP framing.
    Hl7 {
        /// Name of the feed, one of [`Hospital::feeds`].
        feed: &'static str,
        /// The message.
        message: Vec<u8>,
    },
    /// A FHIR R4 transaction Bundle in JSON.
    Fhir {
        /// Id of the client, one of [`Hospital::clients`].
        client: &'static str,
        /// The bundle.
        bundle: Vec<u8>,
    },
}

/// A system that sends HL7 v2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    /// Its name.
    pub name: &'static str,
    /// What it may send, as `ADT^*` or `ORU^R01`.
    pub messages: &'static [&'static str],
    /// IANA name of the zone in which it writes times without an offset.
    pub zone: &'static str,
}

/// A system that speaks FHIR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: &'static str,
    /// Its name in words.
    pub name: &'static str,
    /// SMART v2 scopes that it needs.
    pub scopes: &'static [&'static str],
}

/// The hospital: who is where, and how ill.
#[derive(Debug, Clone)]
pub struct Hospital {
    dice: Dice,
    start: Time,
    staff: Vec<Staff>,
    patients: Vec<Patient>,
    free: BTreeSet<Bed>,
    /// The last visit that ended, by place of the patient: what a cancellation goes back to.
    last_visits: BTreeMap<usize, Visit>,
    numbers: u64,
}

impl Hospital {
    /// The hospital of a seed as it is at `start`.
    pub fn new(seed: u64, start: Time) -> Hospital {
        let dice = Dice::new(seed);
        let mut hospital = Hospital {
            staff: house::staff(&mut dice.fork(1)),
            dice: dice.fork(2),
            start,
            patients: Vec::with_capacity(PATIENTS),
            free: (0..WARDS.len()).flat_map(Bed::of).collect(),
            last_visits: BTreeMap::new(),
            numbers: 0,
        };
        hospital.fill();
        hospital
    }

    /// Who works there: nurses and physicians of every ward, a privacy officer, an administrator.
    pub fn staff(&self) -> &[Staff] {
        &self.staff
    }

    /// Its senders of HL7 v2 messages.
    pub const fn feeds() -> [Feed; 3] {
        [
            Feed {
                name: "adt",
                messages: &["ADT^*"],
                zone: "UTC",
            },
            Feed {
                name: "lab",
                messages: &["ORU^R01"],
                zone: "UTC",
            },
            Feed {
                name: "documents",
                messages: &["MDM^*"],
                zone: "UTC",
            },
        ]
    }

    /// Its senders of FHIR transactions.
    pub const fn clients() -> [Client; 2] {
        [
            Client {
                id: "vitals",
                name: "Bedside monitors and charting",
                scopes: &["system/Patient.rs", "system/Observation.crus"],
            },
            Client {
                id: "pharmacy",
                name: "Pharmacy",
                scopes: &[
                    "system/Patient.rs",
                    "system/MedicationRequest.crus",
                    "system/MedicationAdministration.crus",
                    "system/AllergyIntolerance.crus",
                    "system/Condition.crus",
                ],
            },
        ]
    }

    /// The opening census: everybody by ADT first; then the last laboratory results; then, by
    /// FHIR, what is prescribed, the vital signs and the code status. FHIR items refer to patients
    /// by identifier, so the ADT part must have reached the chart before they are sent.
    pub fn opening(&mut self) -> Vec<Item> {
        self.census()
    }

    /// Traffic without end.
    pub fn live(self) -> Live {
        Live::new(self)
    }
}
