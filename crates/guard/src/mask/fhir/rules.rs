//! What becomes of each element of a FHIR R4 resource, by its name.
//!
//! The table is short because FHIR names alike what is alike. What no row names is free text and
//! goes through the finder; a type that no row names does not leave at all.

/// What becomes of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// It stays: a code or a word of the standard.
    Keep,
    /// It is left out.
    Drop,
    /// A logical id of this resource.
    Id,
    /// Identifier: its value becomes a pseudonym.
    Identifier,
    /// A HumanName, or the name of an organization or a place.
    Name,
    /// An Address: state, country and three digits of the ZIP code stay.
    Address,
    /// Extensions: those on the list stay.
    Extension,
    /// An extension without which the rest may mean something else.
    ModifierExtension,
    /// The date of birth.
    Birth,
    /// An object identifier of DICOM.
    Oid,
    /// An Attachment: what it is stays, what is in it does not.
    Attachment,
    /// Free text in which words that nobody knows are masked too.
    Prose,
    /// Whatever its form says: a date, a reference, an object, text.
    Look,
}

/// Types that stay here by their nature, and why. Nothing else refers to what is in them.
pub(crate) const LEFT_OUT: [(&str, &str); 2] = [
    (
        "AuditEvent",
        "it tells who looked at whom, when and from where",
    ),
    ("Binary", "what is in it cannot be looked into"),
];

/// The types that may leave. Others stay by their nature ([`LEFT_OUT`]), tell of people alone
/// (`Person`), or are not covered yet.
pub(crate) const TYPES: [&str; 53] = [
    "AllergyIntolerance",
    "Appointment",
    "CarePlan",
    "CareTeam",
    "ChargeItem",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "Communication",
    "CommunicationRequest",
    "Composition",
    "Condition",
    "Consent",
    "Coverage",
    "DetectedIssue",
    "Device",
    "DeviceRequest",
    "DeviceUseStatement",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "EpisodeOfCare",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "HealthcareService",
    "ImagingStudy",
    "Immunization",
    "List",
    "Location",
    "Media",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "NutritionOrder",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RiskAssessment",
    "Schedule",
    "ServiceRequest",
    "Specimen",
    "SupplyDelivery",
    "Task",
];

/// The rule for an element of a type.
pub(crate) fn rule(kind: &str, element: &str) -> Rule {
    let own = OWN
        .iter()
        .find(|&&(of, names, _)| of == kind && has(names, element));
    let rule = own.or_else(|| {
        OWN.iter()
            .find(|&&(of, names, _)| of == "*" && has(names, element))
    });
    rule.map_or(Rule::Look, |&(_, _, rule)| rule)
}

fn has(names: &str, element: &str) -> bool {
    names.split(' ').any(|name| name == element)
}

/// (type or `*`, elements, rule); the first row that fits counts.
const OWN: [(&str, &str, Rule); 23] = [
    ("Patient", "contact photo link", Rule::Drop),
    ("Patient", "birthDate", Rule::Birth),
    ("RelatedPerson", "birthDate photo", Rule::Drop),
    ("Practitioner", "birthDate photo qualification", Rule::Drop),
    (
        "PractitionerRole",
        "availableTime notAvailable availabilityExceptions",
        Rule::Drop,
    ),
    ("Location", "name", Rule::Name),
    (
        "Location",
        "position description alias hoursOfOperation availabilityExceptions",
        Rule::Drop,
    ),
    ("Organization", "name", Rule::Name),
    ("Organization", "alias contact", Rule::Drop),
    ("HealthcareService", "name", Rule::Name),
    (
        "HealthcareService",
        "comment extraDetails photo availableTime notAvailable location",
        Rule::Drop,
    ),
    (
        "Device",
        "serialNumber lotNumber distinctIdentifier udiCarrier deviceName url note contact",
        Rule::Drop,
    ),
    ("DeviceUseStatement", "udi", Rule::Drop),
    (
        "FamilyMemberHistory",
        "name bornDate bornString",
        Rule::Drop,
    ),
    ("Coverage", "subscriberId dependent network", Rule::Drop),
    ("Media", "content deviceName", Rule::Attachment),
    ("Provenance", "location policy", Rule::Drop),
    ("ImagingStudy", "endpoint location", Rule::Drop),
    (
        "*",
        "meta implicitRules text signature telecom photo udiCarrier serialNumber lotNumber",
        Rule::Drop,
    ),
    ("*", "id", Rule::Id),
    (
        "*",
        "identifier accessionIdentifier masterIdentifier groupIdentifier requisition preAuthRef",
        Rule::Identifier,
    ),
    ("*", "name", Rule::Name),
    (
        "*",
        "resourceType status intent priority use gender language contentType system version unit code comparator currency mode kind criticality category linkId type verificationStatus clinicalStatus active rank sequence docStatus lifecycleStatus",
        Rule::Keep,
    ),
];

/// Rules by data type and by form, looked up when the table of elements says [`Rule::Look`].
pub(crate) fn by_form(element: &str) -> Option<Rule> {
    Some(match element {
        "address" => Rule::Address,
        "extension" => Rule::Extension,
        "modifierExtension" => Rule::ModifierExtension,
        "uid" => Rule::Oid,
        "attachment" | "valueAttachment" | "contentAttachment" | "presentedForm" => {
            Rule::Attachment
        }
        "note" | "comment" | "comments" | "description" | "conclusion" | "valueString"
        | "summary" | "patientInstruction" | "instruction" | "answer" | "payload"
        | "contentString" | "title" | "reason" | "details" | "onsetString" | "abatementString"
        | "performedString" => Rule::Prose,
        _ => return None,
    })
}

/// Extensions that may stay, by URL.
pub(crate) const EXTENSIONS: [&str; 5] = [
    "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-sex",
];

/// Code systems whose displays are published texts.
pub(crate) fn is_published(system: &str) -> bool {
    const STARTS: [&str; 9] = [
        "http://loinc.org",
        "http://snomed.info/",
        "http://www.nlm.nih.gov/research/umls/rxnorm",
        "http://terminology.hl7.org/",
        "http://hl7.org/fhir",
        "http://unitsofmeasure.org",
        "http://www.whocc.no/atc",
        "http://www.ama-assn.org/go/cpt",
        "urn:ietf:bcp:",
    ];
    STARTS.iter().any(|start| system.starts_with(start))
}

/// The first three digits of ZIP codes in which 20,000 people or fewer live (HHS guidance of
/// 2012, Census 2000): they become 000.
const SMALL_ZIPS: [&str; 17] = [
    "036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831", "878",
    "879", "884", "890", "893",
];

/// What may stay of a postal code: three digits of a ZIP code, nothing of any other.
pub(crate) fn zip3(code: &str) -> Option<&str> {
    let digits = code.get(..5)?;
    let rest = code.get(5..).unwrap_or_default();
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (rest.is_empty() || rest.starts_with('-'));
    let three = digits.get(..3).filter(|_| plain)?;
    Some(if SMALL_ZIPS.contains(&three) {
        "000"
    } else {
        three
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zip_codes_of_small_places_become_zeros() {
        assert_eq!(zip3("02139-1234"), Some("021"));
        assert_eq!(zip3("83001"), Some("830").map(|_| "000"));
        assert_eq!(zip3("SW1A 1AA"), None);
    }

    #[test]
    fn the_first_row_that_fits_counts() {
        assert_eq!(rule("Patient", "birthDate"), Rule::Birth);
        assert_eq!(rule("Practitioner", "birthDate"), Rule::Drop);
        assert_eq!(rule("Observation", "valueString"), Rule::Look);
        assert_eq!(by_form("valueString"), Some(Rule::Prose));
        assert_eq!(rule("Observation", "id"), Rule::Id);
    }
}
