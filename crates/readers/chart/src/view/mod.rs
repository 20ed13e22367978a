//! What the chart page shows: plain words, each with the version that proves it.
//!
//! Nothing is invented: what the record does not say is `None` or an empty list, and the page says
//! that there is no evidence.

use event::Time;

use crate::Source;

/// Where a line of the chart comes from: enough to show it, check it and prove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// FHIR type of the resource.
    pub kind: String,
    /// Its logical id.
    pub id: String,
    /// Index of the event that wrote this version.
    pub version: u64,
    /// When that event was sealed.
    pub at: Time,
    /// It came for an identifier that had already been retired by a merge.
    pub late: bool,
    /// Which door it came in by.
    pub source: Source,
}

/// One patient, as the chart page shows them. Dates and times are as the sender wrote them
/// (FHIR `date` or `dateTime`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientView {
    /// Id of the (surviving) Patient resource.
    pub id: String,
    /// Who this is and where they lie.
    pub identity: Identity,
    /// Resuscitation status and other advance directives, the latest first.
    pub code_status: Vec<CodeStatus>,
    /// Allergies and intolerances; refuted and erroneous ones are left out.
    pub allergies: Vec<Allergy>,
    /// Medications, the active ones first.
    pub medications: Vec<Medication>,
    /// Doses that were given, the newest first.
    pub given: Vec<Doing>,
    /// Notes from the bedside, the newest first.
    pub notes: Vec<Doing>,
    /// Imaging studies, the newest first: what they are, and how many series and images.
    pub imaging: Vec<Doing>,
    /// Problems and diagnoses, the active ones first.
    pub problems: Vec<Problem>,
    /// What whoever comes near should know: isolation, falls, aggression; the newest first.
    pub precautions: Vec<Precaution>,
    /// The latest of each vital sign with those before it.
    pub vitals: Vec<Vital>,
    /// Results by report, the newest first; results without a report come last.
    pub reports: Vec<Report>,
    /// Encounters, the newest first.
    pub encounters: Vec<Encounter>,
    /// Next of kin and other contacts.
    pub contacts: Vec<Contact>,
    /// Insurance.
    pub coverage: Vec<Coverage>,
    /// How many events the chart had folded: how fresh this page is.
    pub folded: u64,
    /// Observations left out because there are more than `summary_scan_max`.
    pub left_out: u64,
    /// Entries left out because the permit masks what carries their security labels.
    pub masked: u64,
    /// Elements taken out of entries that stay (`Patient.telecom`), sorted.
    pub hidden: Vec<String>,
}

/// Who the patient is and where they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Where this comes from; `None`: no Patient resource arrived yet, only others for this id.
    pub mark: Option<Mark>,
    /// The name in use, for instance `Müller, Anna Maria`.
    pub name: Option<String>,
    /// FHIR `date`.
    pub birth_date: Option<String>,
    /// `male`, `female`, `other` or `unknown`.
    pub sex: Option<String>,
    /// When they died (FHIR `dateTime`), or `yes` if only that is known.
    pub deceased: Option<String>,
    /// `active` is false.
    pub inactive: bool,
    /// Record numbers.
    pub identifiers: Vec<Identifier>,
    /// Addresses, one line each.
    pub addresses: Vec<Address>,
    /// Telephone, mail.
    pub telecom: Vec<Telecom>,
    /// Languages, the preferred one first.
    pub languages: Vec<String>,
    /// Code of the ward of the current encounter.
    pub ward: Option<String>,
    /// Room.
    pub room: Option<String>,
    /// Bed.
    pub bed: Option<String>,
    /// Name of the attending clinician.
    pub attending: Option<String>,
    /// Identifiers of the patients that were merged into this one.
    pub merged_from: Vec<Retired>,
}

/// A patient id that was merged into this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    /// Id of the retired Patient resource.
    pub id: String,
    /// Its record numbers.
    pub identifiers: Vec<Identifier>,
    /// Index of the event that merged it.
    pub version: u64,
}

/// One record number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// What kind of number: `MR`, `SS`, or the system it belongs to.
    pub label: String,
    /// The number.
    pub value: String,
}

/// One address in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `home`, `work`, `temp` ...
    pub label: Option<String>,
    /// Street, postal code, city, country.
    pub text: String,
}

/// One way to reach somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telecom {
    /// `phone home`, `email work` ...
    pub label: String,
    /// The number or address.
    pub value: String,
}

/// A resuscitation status or advance directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeStatus {
    /// Where this comes from.
    pub mark: Mark,
    /// What it says, for instance `Do not resuscitate`.
    pub text: String,
    /// Since when.
    pub since: Option<String>,
    /// It is the latest; the others are what it said before.
    pub current: bool,
}

/// An allergy or intolerance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allergy {
    /// Where this comes from.
    pub mark: Mark,
    /// The substance.
    pub substance: String,
    /// How the patient reacts.
    pub reactions: Vec<String>,
    /// `low`, `high`, `unable-to-assess`; or a reaction's severity.
    pub severity: Option<String>,
    /// `active`, `inactive`, `resolved`.
    pub status: Option<String>,
    /// `confirmed`, `unconfirmed`.
    pub verification: Option<String>,
    /// Since when.
    pub since: Option<String>,
}

/// A medication that was ordered, or that the patient says they take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Medication {
    /// Where this comes from.
    pub mark: Mark,
    /// What.
    pub name: String,
    /// How much, how often, in words.
    pub dosage: Option<String>,
    /// `active`, `on-hold`, `stopped`, `completed` ...
    pub status: String,
    /// It is active or on hold.
    pub active: bool,
    /// Since when.
    pub since: Option<String>,
}

/// Something that was done or noted at the bedside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doing {
    /// Where this comes from.
    pub mark: Mark,
    /// What.
    pub text: String,
    /// How much, in words.
    pub detail: Option<String>,
    /// When.
    pub when: Option<String>,
}

/// A problem or diagnosis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where this comes from.
    pub mark: Mark,
    /// What.
    pub text: String,
    /// Its code, if it has one.
    pub code: Option<String>,
    /// `active`, `resolved` ...
    pub status: Option<String>,
    /// It is active, or nothing says otherwise.
    pub active: bool,
    /// Since when.
    pub onset: Option<String>,
}

/// Something that whoever comes near the patient should know (FHIR `Flag`, active).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precaution {
    /// Where this comes from.
    pub mark: Mark,
    /// What.
    pub text: String,
    /// What kind: `Infection Control`, `Safety` ...
    pub category: Option<String>,
    /// Since when.
    pub since: Option<String>,
}

/// One vital sign over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vital {
    /// Its code (LOINC, if it has one).
    pub code: String,
    /// Its name.
    pub name: String,
    /// The latest.
    pub latest: VitalReading,
    /// Those before it, the newest first, at most `trend_max`.
    pub before: Vec<VitalReading>,
}

/// One reading of a vital sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VitalReading {
    /// Where this comes from.
    pub mark: Mark,
    /// Value as sent, for instance `120/80` or `36.60`.
    pub value: String,
    /// Unit.
    pub unit: Option<String>,
    /// When it was measured.
    pub when: Option<String>,
    /// The interpretation: `H`, `LL`, `A` ...; empty: none was sent.
    pub flag: String,
}

/// A report with its results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Where this comes from; `None`: results that no report names.
    pub mark: Option<Mark>,
    /// What was examined.
    pub name: String,
    /// `final`, `preliminary`, `corrected` ...
    pub status: Option<String>,
    /// When the sample was taken or the finding was made.
    pub when: Option<String>,
    /// When it was issued.
    pub issued: Option<String>,
    /// The conclusion, if one was written.
    pub conclusion: Option<String>,
    /// Its results in the order of the report.
    pub results: Vec<ResultRow>,
}

/// One result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultRow {
    /// Where this comes from.
    pub mark: Mark,
    /// What was measured.
    pub name: String,
    /// Its code, if it has one.
    pub code: Option<String>,
    /// The value as sent; `None`: see `absent`.
    pub value: Option<String>,
    /// Unit.
    pub unit: Option<String>,
    /// Reference range, as the laboratory wrote it.
    pub range: Option<String>,
    /// The interpretation: `H`, `LL`, `A` ...; empty: none was sent.
    pub flag: String,
    /// The flag says that it is not normal.
    pub abnormal: bool,
    /// `final`, `preliminary`, `corrected`, `entered-in-error` ...
    pub status: String,
    /// When it was observed.
    pub when: Option<String>,
    /// Why there is no value.
    pub absent: Option<String>,
    /// Comments, one line each.
    pub notes: Vec<String>,
}

/// One stay or visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encounter {
    /// Where this comes from.
    pub mark: Mark,
    /// `inpatient encounter`, `ambulatory` ..., or the class code.
    pub class: Option<String>,
    /// What for: type or service.
    pub what: Option<String>,
    /// `in-progress`, `finished`, `cancelled` ...
    pub status: String,
    /// The patient is here now, or is expected.
    pub current: bool,
    /// From when.
    pub start: Option<String>,
    /// Until when.
    pub end: Option<String>,
    /// Where, for instance `3W / 301 / A`.
    pub place: Option<String>,
    /// Who takes part: (role, name).
    pub people: Vec<(String, String)>,
    /// Why.
    pub reasons: Vec<String>,
    /// The visit number.
    pub number: Option<String>,
}

/// Somebody to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Where this comes from.
    pub mark: Mark,
    /// Name.
    pub name: Option<String>,
    /// What they are to the patient.
    pub relationship: Option<String>,
    /// How to reach them.
    pub telecom: Vec<Telecom>,
    /// Where they live.
    pub address: Option<String>,
}

/// One insurance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Where this comes from.
    pub mark: Mark,
    /// Who pays.
    pub payor: Option<String>,
    /// The plan.
    pub plan: Option<String>,
    /// The subscriber's or member's number.
    pub number: Option<String>,
    /// `active`, `cancelled` ...
    pub status: Option<String>,
    /// From when.
    pub start: Option<String>,
    /// Until when.
    pub end: Option<String>,
}

/// One patient in a list: of a ward, or of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CensusRow {
    /// Id of the (surviving) Patient resource.
    pub patient: String,
    /// Where the identity comes from; `None`: no Patient resource arrived yet.
    pub mark: Option<Mark>,
    /// Name.
    pub name: Option<String>,
    /// FHIR `date`.
    pub birth_date: Option<String>,
    /// `male`, `female`, `other` or `unknown`.
    pub sex: Option<String>,
    /// Record numbers.
    pub identifiers: Vec<Identifier>,
    /// Code of the ward where they are, or are expected.
    pub ward: Option<String>,
    /// Room.
    pub room: Option<String>,
    /// Bed.
    pub bed: Option<String>,
    /// Name of the attending clinician.
    pub attending: Option<String>,
    /// Since when (FHIR `dateTime`).
    pub since: Option<String>,
    /// Not here yet.
    pub expected: bool,
}

/// Which patients are looked for; everything that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FindPatient {
    /// Beginnings of words of the name, in any order; case and accents do not matter.
    pub name: Option<String>,
    /// A record number, exactly; of any system.
    pub identifier: Option<String>,
    /// FHIR `date`, exactly (a year or month finds everybody born in it).
    pub birth_date: Option<String>,
    /// Code of the ward where they are, or are expected.
    pub ward: Option<String>,
    /// Rows, at most.
    pub limit: usize,
}
