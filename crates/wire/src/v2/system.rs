//! How coding systems and authorities are named: HL7 names to URIs.

use std::borrow::Cow;

use super::code::{Table, look};

/// Table 0396 and what senders write in its place.
const SYSTEMS: Table = &[
    ("LN", "http://loinc.org"),
    ("LOINC", "http://loinc.org"),
    ("SCT", "http://snomed.info/sct"),
    ("SNOMED", "http://snomed.info/sct"),
    ("SNOMED-CT", "http://snomed.info/sct"),
    ("SNOMEDCT", "http://snomed.info/sct"),
    ("I9", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("I9C", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("I9CDX", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("I9CM", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("ICD9", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("ICD-9", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("ICD9CM", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("I10", "http://hl7.org/fhir/sid/icd-10"),
    ("ICD10", "http://hl7.org/fhir/sid/icd-10"),
    ("ICD-10", "http://hl7.org/fhir/sid/icd-10"),
    ("I10C", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("I10CM", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("ICD10CM", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("ICD-10-CM", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("I10G", "http://fhir.de/CodeSystem/bfarm/icd-10-gm"),
    ("RXNORM", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    ("RXN", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    ("NDC", "http://hl7.org/fhir/sid/ndc"),
    ("NDFRT", "http://hl7.org/fhir/ndfrt"),
    ("UNII", "http://fdasis.nlm.nih.gov"),
    ("CVX", "http://hl7.org/fhir/sid/cvx"),
    ("C4", "http://www.ama-assn.org/go/cpt"),
    ("CPT", "http://www.ama-assn.org/go/cpt"),
    ("CPT4", "http://www.ama-assn.org/go/cpt"),
    ("WC", "http://www.whocc.no/atc"),
    ("ATC", "http://www.whocc.no/atc"),
    ("UCUM", "http://unitsofmeasure.org"),
    ("MDC", "urn:iso:std:iso:11073:10101"),
    ("CDCREC", "urn:oid:2.16.840.1.113883.6.238"),
];

/// The URI of a coding system by the name a message gives it. Unknown names keep their name.
pub(crate) fn uri(name: &str) -> Cow<'static, str> {
    if let Some(known) = look(SYSTEMS, name) {
        return Cow::Borrowed(known);
    }
    if let Some(table) = table_number(name) {
        return Cow::Owned(format!("http://terminology.hl7.org/CodeSystem/v2-{table}"));
    }
    if is_oid(name) {
        return Cow::Owned(format!("urn:oid:{name}"));
    }
    if is_uri(name) {
        return Cow::Owned(name.to_owned());
    }
    Cow::Owned(format!("urn:salus:coding-system:{}", uri_part(name)))
}

/// `HL70001` is HL7's own table 0001.
fn table_number(name: &str) -> Option<&str> {
    let digits = name
        .strip_prefix("HL7")
        .or_else(|| name.strip_prefix("hl7"))?;
    let plain = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then_some(digits)
}

/// An object identifier as FHIR takes it: arcs of digits, the first of them 0, 1 or 2.
pub(super) fn is_oid(text: &str) -> bool {
    let mut arcs = text.split('.');
    matches!(arcs.next(), Some("0" | "1" | "2"))
        && text.contains('.')
        && arcs.all(|arc| {
            arc == "0"
                || (!arc.is_empty()
                    && !arc.starts_with('0')
                    && arc.bytes().all(|byte| byte.is_ascii_digit()))
        })
}

/// Whether it can stand as a URI as it is.
pub(super) fn is_uri(text: &str) -> bool {
    ["http://", "https://", "urn:"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// `text` with everything percent-encoded that a URI may not hold.
pub(crate) fn uri_part(text: &str) -> Cow<'_, str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$'()*+,;=:@/".contains(&byte);
    if text.bytes().all(fits) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if fits(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems() {
        assert_eq!(uri("LN"), "http://loinc.org");
        assert_eq!(uri("sct"), "http://snomed.info/sct");
        assert_eq!(
            uri("HL70078"),
            "http://terminology.hl7.org/CodeSystem/v2-0078"
        );
        assert_eq!(
            uri("2.16.840.1.113883.6.96"),
            "urn:oid:2.16.840.1.113883.6.96"
        );
        assert_eq!(uri("99 LÜB"), "urn:salus:coding-system:99%20L%C3%9CB");
        assert_eq!(uri("http://x.example/y"), "http://x.example/y");
        assert_eq!(uri("http://x y"), "urn:salus:coding-system:http://x%20y");
    }

    #[test]
    fn oids() {
        assert!(is_oid("1.2.840.0.1") && !is_oid("1") && !is_oid("3.1") && !is_oid("1.02"));
        assert!(!is_oid("1..2") && !is_oid("1.a"));
    }
}
