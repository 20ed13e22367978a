//! Simplified Publish of IHE MHD (ITI-105): one DocumentReference with its content within, by the profile
//! `IHE.MHD.SimplifiedPublish.DocumentReference` of MHD 4.2.

use serde_json::Value;

use super::PROFILES;
use crate::fhir::issue::{Code, Issue};

/// What must be there: where, and in words.
const REQUIRED: [(&str, &str); 4] = [
    (
        "/masterIdentifier/value",
        "a document has its `uniqueId` as `masterIdentifier`",
    ),
    ("/subject", "a document that is published names its patient"),
    (
        "/content/0/attachment/contentType",
        "the content says of which type it is",
    ),
    (
        "/content/0/attachment/data",
        "the content is written within, in base64",
    ),
];
/// What must not.
const FORBIDDEN: [(&str, &str); 4] = [
    (
        "/identifier",
        "the recipient gives identifiers beside the `masterIdentifier`",
    ),
    (
        "/docStatus",
        "the profile has no state of the document's making",
    ),
    (
        "/modifierExtension",
        "the profile has no extension that changes what is said",
    ),
    (
        "/content/0/attachment/url",
        "the content is written within; the recipient gives it an address",
    ),
];

/// Whether a resource claims to be published so.
#[must_use]
pub fn is_simplified(resource: &Value) -> bool {
    let profiles = resource.pointer("/meta/profile").and_then(Value::as_array);
    let claims = |profile: &Value| {
        let profile = profile.as_str().unwrap_or_default();
        let (profile, _) = profile.split_once('|').unwrap_or((profile, ""));
        profile.strip_prefix(PROFILES) == Some("SimplifiedPublish.DocumentReference")
    };
    super::kind(resource) == "DocumentReference"
        && profiles.is_some_and(|profiles| profiles.iter().any(claims))
}

/// Everything of such a DocumentReference that is not as the profile has it.
#[must_use]
pub fn simplified_faults(resource: &Value) -> Vec<Issue> {
    let mut issues = Vec::new();
    let mut want = |holds: bool, code: Code, (path, words): (&str, &str)| {
        if !holds {
            let dotted = path.replace("/0", "").replace('/', ".");
            let place = format!("DocumentReference{dotted}");
            issues.push(Issue::error(code, place, words.to_owned()));
        }
    };
    for one in REQUIRED {
        want(resource.pointer(one.0).is_some(), Code::Required, one);
    }
    for one in FORBIDDEN {
        want(resource.pointer(one.0).is_none(), Code::Invariant, one);
    }
    let is_current = resource.get("status") == Some(&"current".into());
    let status = ("/status", "the status is `current`");
    want(is_current, Code::Value, status);
    let contents = resource.get("content").and_then(Value::as_array);
    let is_one = contents.is_none_or(|contents| contents.len() == 1);
    let content = ("/content", "a document has one content");
    want(is_one, Code::Invariant, content);
    let patient =
        super::subject(resource).is_none_or(|one| one.starts_with('#') || is_patient(one));
    let subject = ("/subject", "a document is about a Patient");
    want(patient, Code::Value, subject);
    let within = super::subject(resource).is_some_and(|subject| subject.starts_with('#'));
    let subject = (
        "/subject/reference",
        "the patient is not written within the document; name them by reference (`Patient/...`) or by `identifier`",
    );
    want(!within, Code::Value, subject);
    issues
}

/// What of such a DocumentReference that came alone points where nothing is.
#[must_use]
pub fn lone_faults(resource: &Value) -> Vec<Issue> {
    let subject = super::subject(resource).filter(|subject| subject.starts_with("urn:"));
    let fault = |subject| {
        let words = format!(
            "`{subject}` names an entry of a bundle, and a document that is published by itself comes without one; \
             name the patient by reference (`Patient/...`) or by `identifier`"
        );
        Issue::error(Code::Value, "DocumentReference.subject.reference", words)
    };
    subject.map(fault).into_iter().collect()
}

/// Whether a reference can be to a Patient: relative, absolute, conditional, or to an entry.
fn is_patient(reference: &str) -> bool {
    let (path, query) = reference.split_once('?').unwrap_or((reference, ""));
    let path = path.split("/_history/").next().unwrap_or_default();
    let mut parts = path.rsplit('/');
    match query.is_empty() {
        false => parts.next() == Some("Patient"),
        true => path.starts_with("urn:") || parts.nth(1) == Some("Patient"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn published() -> Value {
        json!({
            "resourceType": "DocumentReference",
            "meta": {"profile": [format!("{PROFILES}SimplifiedPublish.DocumentReference|4.2.4")]},
            "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"},
            "status": "current",
            "subject": {"reference": "Patient/1"},
            "content": [{"attachment": {"contentType": "text/plain", "data": "aGVsbG8="}}],
        })
    }

    #[test]
    fn only_what_claims_the_profile_is_held_against_it() {
        let mut one = published();
        assert!(is_simplified(&one));
        assert_eq!(simplified_faults(&one), []);
        let mut bare = one.clone();
        bare["content"][0]["attachment"] = json!({"data": "aGVsbG8="});
        let faults = simplified_faults(&bare);
        let at = |path: &str| format!("DocumentReference{path}");
        let told = |faults: Vec<Issue>| -> Vec<_> {
            faults.into_iter().map(|one| (one.code, one.path)).collect()
        };
        let kind = at(".content.attachment.contentType");
        assert_eq!(told(faults), [(Code::Required, kind)]);
        let mut more = one.clone();
        more["docStatus"] = "final".into();
        more["status"] = "superseded".into();
        let faults = told(simplified_faults(&more));
        let (made, status) = (at(".docStatus"), at(".status"));
        assert_eq!(faults, [(Code::Invariant, made), (Code::Value, status)]);
        let subject = at(".subject.reference");
        for (reference, together, alone) in [
            ("#patient", vec![(Code::Value, subject.clone())], vec![]),
            ("urn:uuid:1", vec![], vec![(Code::Value, subject)]),
            ("Patient/1", vec![], vec![]),
        ] {
            one["subject"]["reference"] = reference.into();
            assert_eq!(told(simplified_faults(&one)), together, "{reference}");
            assert_eq!(told(lone_faults(&one)), alone, "{reference}");
        }
        one["meta"]["profile"][0] = format!("{PROFILES}Minimal.DocumentReference").into();
        assert!(!is_simplified(&one));
    }

    #[test]
    fn whom_a_document_is_about_is_a_patient_however_it_is_named() {
        for (reference, is) in [
            ("Patient/1", true),
            ("https://a.example/fhir/Patient/1/_history/2", true),
            ("Patient?identifier=urn:x|4711", true),
            ("urn:uuid:3c5a9d0e-0000-4000-8000-000000000001", true),
            ("#patient", false),
            ("Group/1", false),
            ("Group?identifier=Patient/1", false),
            ("Patient", false),
        ] {
            assert_eq!(is_patient(reference), is, "{reference}");
        }
    }
}
