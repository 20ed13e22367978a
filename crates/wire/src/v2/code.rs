//! The code tables: what an HL7 v2 code is in FHIR, after the guide's concept maps. Where the guide leaves a gap, the comment beside the row says what was chosen.

mod orders;

pub(super) use orders::*;

/// HL7 v2 code to the code of a FHIR element with a required binding.
pub(super) type Table = &'static [(&'static str, &'static str)];

/// HL7 v2 code to (code, display, system).
pub(super) type Codings = &'static [(&'static str, &'static str, &'static str, &'static str)];

/// The FHIR code of `code`; letter case does not matter.
pub(super) fn look(table: Table, code: &str) -> Option<&'static str> {
    let row = table.iter().find(|(v2, _)| v2.eq_ignore_ascii_case(code))?;
    Some(row.1)
}

/// The (code, display, system) of `code`; letter case does not matter.
pub(super) fn look_coding(
    table: Codings,
    code: &str,
) -> Option<(&'static str, &'static str, &'static str)> {
    let row = table.iter().find(|row| row.0.eq_ignore_ascii_case(code))?;
    Some((row.1, row.2, row.3))
}

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const CLASS_0004: &str = "http://terminology.hl7.org/CodeSystem/v2-0004";
const MARITAL: &str = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus";
const NULL_FLAVOR: &str = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
const RELATION_0063: &str = "http://terminology.hl7.org/CodeSystem/v2-0063";
const CONTACT_0131: &str = "http://terminology.hl7.org/CodeSystem/v2-0131";

/// Table 0001 to administrative-gender. Words and the German `W` are not in the table, but sent.
pub(super) const SEX: Table = &[
    ("F", "female"),
    ("M", "male"),
    ("O", "other"),
    ("U", "unknown"),
    ("A", "other"),
    ("N", "other"),
    ("W", "female"),
    ("FEMALE", "female"),
    ("MALE", "male"),
    ("OTHER", "other"),
    ("UNKNOWN", "unknown"),
];

/// Table 0200 to name-use.
pub(super) const NAME_USE: Table = &[
    ("BAD", "old"),
    ("D", "usual"),
    ("L", "official"),
    ("M", "maiden"),
    ("MSK", "anonymous"),
    ("N", "nickname"),
    ("NAV", "temp"),
    ("R", "official"),
    ("TEMP", "temp"),
];

/// Table 0190 to address-use.
pub(super) const ADDRESS_USE: Table = &[
    ("BA", "old"),
    ("BI", "billing"),
    ("C", "temp"),
    ("B", "work"),
    ("H", "home"),
    ("O", "work"),
];

/// Table 0201 to contact-point-use.
pub(super) const CONTACT_USE: Table = &[("PRN", "home"), ("WPN", "work"), ("PRS", "mobile")];

/// Table 0202 to contact-point-system; a cell phone is a phone whose use is mobile.
pub(super) const CONTACT_SYSTEM: Table = &[
    ("PH", "phone"),
    ("CP", "phone"),
    ("FX", "fax"),
    ("BP", "pager"),
    ("Internet", "email"),
    ("X.400", "email"),
    ("MD", "other"),
    ("SAT", "other"),
    ("TDD", "other"),
    ("TTY", "other"),
];

/// Table 0085 to observation-status. `B`, `I`, `N`, `O`, `R`, `S`, `U` and `V` have no row in the
/// guide; these are the nearest states.
pub(super) const OBSERVATION_STATUS: Table = &[
    ("A", "amended"),
    ("B", "amended"),
    ("C", "corrected"),
    ("D", "entered-in-error"),
    ("F", "final"),
    ("I", "registered"),
    ("N", "cancelled"),
    ("O", "registered"),
    ("P", "preliminary"),
    ("R", "preliminary"),
    ("S", "preliminary"),
    ("U", "final"),
    ("V", "final"),
    ("W", "entered-in-error"),
    ("X", "cancelled"),
];

/// Table 0123 to diagnostic-report-status.
pub(super) const REPORT_STATUS: Table = &[
    ("A", "partial"),
    ("C", "corrected"),
    ("F", "final"),
    ("I", "registered"),
    ("M", "partial"),
    ("O", "registered"),
    ("P", "preliminary"),
    ("R", "partial"),
    ("S", "registered"),
    ("X", "cancelled"),
];

/// Table 0127 to allergy-intolerance-category.
pub(super) const ALLERGY_CATEGORY: Table = &[
    ("DA", "medication"),
    ("FA", "food"),
    ("EA", "environment"),
    ("AA", "biologic"),
    ("PA", "environment"),
    ("LA", "environment"),
];

/// Table 0128 to allergy-intolerance-criticality.
pub(super) const CRITICALITY: Table = &[("SV", "high"), ("MI", "low"), ("U", "unable-to-assess")];

/// Table 0128 to reaction-event-severity.
pub(super) const SEVERITY: Table = &[("SV", "severe"), ("MO", "moderate"), ("MI", "mild")];

/// PV1-2, table 0004, to encounter-status: for messages whose trigger does not tell.
pub(super) const CLASS_STATUS: Table = &[
    ("E", "in-progress"),
    ("I", "in-progress"),
    ("O", "in-progress"),
    ("P", "planned"),
    ("R", "in-progress"),
    ("B", "in-progress"),
    ("C", "in-progress"),
    ("N", "in-progress"),
];

/// Table 0004 to the class of an encounter.
pub(super) const CLASS: Codings = &[
    ("E", "EMER", "emergency", ACT_CODE),
    ("I", "IMP", "inpatient encounter", ACT_CODE),
    ("O", "AMB", "ambulatory", ACT_CODE),
    ("P", "PRENC", "pre-admission", ACT_CODE),
    ("R", "R", "Recurring patient", CLASS_0004),
    ("B", "B", "Obstetrics", CLASS_0004),
    ("C", "C", "Commercial Account", CLASS_0004),
    ("N", "N", "Not Applicable", CLASS_0004),
    ("U", "U", "Unknown", CLASS_0004),
];

/// Table 0002 to v3-MaritalStatus.
pub(super) const MARITAL_STATUS: Codings = &[
    ("A", "L", "Legally Separated", MARITAL),
    ("D", "D", "Divorced", MARITAL),
    ("M", "M", "Married", MARITAL),
    ("S", "S", "Never Married", MARITAL),
    ("W", "W", "Widowed", MARITAL),
    ("C", "C", "Common Law", MARITAL),
    ("G", "T", "Domestic partner", MARITAL),
    ("P", "T", "Domestic partner", MARITAL),
    ("R", "T", "Domestic partner", MARITAL),
    ("E", "L", "Legally Separated", MARITAL),
    ("N", "A", "Annulled", MARITAL),
    ("I", "I", "Interlocutory", MARITAL),
    ("B", "U", "unmarried", MARITAL),
    ("U", "UNK", "unknown", NULL_FLAVOR),
    ("O", "OTH", "other", NULL_FLAVOR),
    ("T", "NAVU", "Not available", NULL_FLAVOR),
];

/// Table 0063 to v3-RoleCode where it has the relationship.
pub(super) const RELATIONSHIP: Codings = &[
    ("SEL", "ONESELF", "self", ROLE),
    ("SPO", "SPS", "spouse", ROLE),
    ("DOM", "SIGOTHR", "significant other", ROLE),
    ("CHD", "CHILD", "child", ROLE),
    ("GCH", "GRNDCHILD", "grandchild", ROLE),
    ("NCH", "NCHILD", "natural child", ROLE),
    ("SCH", "STPCHLD", "step child", ROLE),
    ("FCH", "CHLDFOST", "foster child", ROLE),
    ("DEP", "DEP", "Handicapped dependent", RELATION_0063),
    ("WRD", "WRD", "Ward of court", RELATION_0063),
    ("PAR", "PRN", "parent", ROLE),
    ("MTH", "MTH", "mother", ROLE),
    ("FTH", "FTH", "father", ROLE),
    ("CGV", "CGV", "Care giver", RELATION_0063),
    ("GRD", "GRD", "Guardian", RELATION_0063),
    ("GRP", "GRPRN", "grandparent", ROLE),
    ("EXF", "EXT", "extended family member", ROLE),
    ("SIB", "SIB", "sibling", ROLE),
    ("BRO", "BRO", "brother", ROLE),
    ("SIS", "SIS", "sister", ROLE),
    ("FND", "FRND", "unrelated friend", ROLE),
    ("OAD", "OAD", "Other adult", RELATION_0063),
    ("EME", "EME", "Employee", RELATION_0063),
    ("EMR", "E", "Employer", CONTACT_0131),
    ("ASC", "ASC", "Associate", RELATION_0063),
    ("EMC", "C", "Emergency Contact", CONTACT_0131),
    ("OWN", "OWN", "Owner", RELATION_0063),
    ("TRA", "TRA", "Trainer", RELATION_0063),
    ("MGR", "MGR", "Manager", RELATION_0063),
    ("NON", "NON", "None", RELATION_0063),
    ("UNK", "U", "Unknown", CONTACT_0131),
    ("OTH", "O", "Other", CONTACT_0131),
];

/// Table 0078: the codes that v3-ObservationInterpretation still has, and what they mean.
pub(super) const INTERPRETATION: Table = &[
    ("N", "Normal"),
    ("H", "High"),
    ("L", "Low"),
    ("A", "Abnormal"),
    ("HH", "Critical high"),
    ("LL", "Critical low"),
    ("AA", "Critical abnormal"),
    ("<", "Off scale low"),
    (">", "Off scale high"),
    ("B", "Better"),
    ("CAR", "Carrier"),
    ("D", "Significant change down"),
    ("DET", "Detected"),
    ("E", "Equivocal"),
    ("EX", "outside threshold"),
    ("EXP", "Expected"),
    ("HU", "Significantly high"),
    ("I", "Intermediate"),
    ("IE", "Insufficient evidence"),
    ("IND", "Indeterminate"),
    ("LU", "Significantly low"),
    ("NCL", "No CLSI defined breakpoint"),
    ("ND", "Not detected"),
    ("NEG", "Negative"),
    ("NR", "Non-reactive"),
    ("NS", "Non-susceptible"),
    ("POS", "Positive"),
    ("R", "Resistant"),
    ("RR", "Reactive"),
    ("S", "Susceptible"),
    ("SDD", "Susceptible-dose dependent"),
    ("SYN-R", "Synergy - resistant"),
    ("SYN-S", "Synergy - susceptible"),
    ("U", "Significant change up"),
    ("UNE", "Unexpected"),
    ("W", "Worse"),
    ("WR", "Weakly reactive"),
];

/// OBR-24, table 0074, to observation-category, for the services that are plainly one or the other.
pub(super) const SECTION_CATEGORY: Table = &[
    ("LAB", "laboratory"),
    ("CH", "laboratory"),
    ("HM", "laboratory"),
    ("MB", "laboratory"),
    ("MCB", "laboratory"),
    ("MYC", "laboratory"),
    ("VR", "laboratory"),
    ("SR", "laboratory"),
    ("IMM", "laboratory"),
    ("TX", "laboratory"),
    ("BG", "laboratory"),
    ("BLB", "laboratory"),
    ("CG", "laboratory"),
    ("CP", "laboratory"),
    ("GE", "laboratory"),
    ("OSL", "laboratory"),
    ("SP", "laboratory"),
    ("RAD", "imaging"),
    ("RX", "imaging"),
    ("CT", "imaging"),
    ("NMR", "imaging"),
    ("NMS", "imaging"),
    ("RUS", "imaging"),
    ("OUS", "imaging"),
    ("VUS", "imaging"),
    ("CUS", "imaging"),
    ("XRC", "imaging"),
];

/// LOINC codes of the FHIR vital signs profiles and their everyday neighbors.
const VITAL_SIGNS: [&str; 19] = [
    "85353-1", "9279-1", "8867-4", "2708-6", "59408-5", "8310-5", "8302-2", "9843-4", "29463-7",
    "39156-5", "85354-9", "8480-6", "8462-4", "8478-0", "8306-3", "3141-9", "8331-1", "8889-8",
    "8287-5",
];

/// Whether it is the LOINC code of a vital sign.
pub(super) fn is_vital_sign(loinc: &str) -> bool {
    VITAL_SIGNS.contains(&loinc)
}

#[cfg(test)]
mod tests;
