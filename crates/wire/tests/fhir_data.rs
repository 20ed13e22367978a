//! The published and synthetic resources in the shared data folder, one by one.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the table of refusals is printed on purpose"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde_json::Value;
use wire::fhir::search::QueryLimits;
use wire::fhir::{self, Issue, Limits, TermValue};

fn data() -> Option<PathBuf> {
    let set = std::env::var_os("SALUS_SHARED_DATA").map(PathBuf::from);
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let fhir = set.unwrap_or(root).join("fhir");
    fhir.is_dir().then_some(fhir)
}

/// File name and bytes of each JSON file in a tar.gz.
fn archive(name: &str) -> Vec<(String, Vec<u8>)> {
    let Some(folder) = data() else {
        return Vec::new();
    };
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(folder.join(name)).unwrap()));
    let mut out = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        if path.ends_with(".json") {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            out.push((path, bytes));
        }
    }
    out
}

fn synthea() -> Vec<(String, Vec<u8>)> {
    let Some(folder) = data() else {
        return Vec::new();
    };
    let mut files: Vec<_> = fs::read_dir(folder.join("synthea-r4"))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    files.sort_by_key(|f| f.file_name());
    let read = |file: fs::DirEntry| {
        let mut bytes = Vec::new();
        GzDecoder::new(File::open(file.path()).unwrap())
            .read_to_end(&mut bytes)
            .unwrap();
        (file.file_name().to_string_lossy().into_owned(), bytes)
    };
    files.into_iter().map(read).collect()
}

fn refusals(bytes: &[u8]) -> Vec<Issue> {
    match fhir::parse(bytes, &Limits::default()) {
        Ok(value) => fhir::check(&value)
            .into_iter()
            .filter(Issue::refuses)
            .collect(),
        Err(fault) => vec![fault.into()],
    }
}

fn refused(files: &[(String, Vec<u8>)]) -> BTreeMap<String, Vec<Issue>> {
    let judged = files
        .iter()
        .map(|(name, bytes)| (name.clone(), refusals(bytes)));
    judged.filter(|(_, issues)| !issues.is_empty()).collect()
}

/// Prints the table of refusals: it is the list that the documentation explains.
fn print(of: usize, refused: &BTreeMap<String, Vec<Issue>>) {
    println!("{} of {of} refused", refused.len());
    for (name, issues) in refused {
        issues
            .iter()
            .take(3)
            .for_each(|issue| println!("  {name}: {issue}"));
    }
}

#[test]
fn synthea_is_accepted_whole() {
    let files = synthea();
    let refused = refused(&files);
    print(files.len(), &refused);
    assert!(refused.is_empty());
}

/// Published files with a true fault: the file and a word of what is wrong with it.
const FAULTY: &[(&str, &str)] = &[
    (
        "ActivityDefinition-blood-tubes-supply.json",
        "narrative is empty",
    ),
    (
        "ActivityDefinition-heart-valve-replacement.json",
        "narrative is empty",
    ),
    (
        "Communication-fm-attachment.json",
        "not the `application/pdf`",
    ),
    (
        "Communication-fm-solicited.json",
        "not the `application/pdf`",
    ),
    ("DeviceMetric-example.json", "points to `DeviceDefinition`"),
    ("DeviceUseStatement-example.json", "points to `Procedure`"),
    (
        "DiagnosticReport-example-pgx.json",
        "not the `application/pdf`",
    ),
    ("DocumentManifest-654789.json", "not the `application/pdf`"),
    ("EventDefinition-example.json", "narrative is empty"),
    (
        "MedicationRequest-medrx0301.json",
        "points to `Practitioner`",
    ),
    ("Observation-clinical-gender.json", "points to `Encounter`"),
    ("Questionnaire-qs1.json", "`linkId` is required"),
    (
        "Questionnaire-zika-virus-exposure-assessment.json",
        "narrative is empty",
    ),
    ("examples/diagnosticreport-cbc.json", "`div` is required"),
    (
        "R5Requirements-us-core-certifying-system.json",
        "no resource type of FHIR R4",
    ),
    (
        "R5Requirements-us-core-client.json",
        "no resource type of FHIR R4",
    ),
    (
        "R5Requirements-us-core-server.json",
        "no resource type of FHIR R4",
    ),
    (
        "ImplementationGuide-hl7.fhir.uv.ips.json",
        "`ActorDefinition/Consumer` is no reference",
    ),
    ("openapi/ips-server.openapi.json", "needs a `resourceType`"),
    ("other/validation-oo.json", "`issue` is required"),
    ("other/validation-summary.json", "needs a `resourceType`"),
    ("package/package.json", "needs a `resourceType`"),
];

fn published() -> Vec<(String, Vec<u8>)> {
    let names = [
        "hl7-r4-examples-instances.tar.gz",
        "us-core-examples.tar.gz",
        "hl7.fhir.uv.ips-2.0.0.tgz",
    ];
    names.iter().flat_map(|name| archive(name)).collect()
}

#[test]
fn published_examples_are_refused_only_for_true_faults() {
    let files = published();
    if files.is_empty() {
        return;
    }
    let refused = refused(&files);
    print(files.len(), &refused);
    let known = |name: &str| FAULTY.iter().find(|(end, _)| name.ends_with(end));
    for (name, issues) in &refused {
        let why = known(name).map_or("", |(_, why)| why);
        assert!(!why.is_empty(), "{name} is refused: {issues:?}");
        assert!(
            issues.iter().any(|i| i.words.contains(why)),
            "{name}: {issues:?}"
        );
    }
    assert_eq!(refused.len(), FAULTY.len());
}

/// Every resource in the folder that can be read, those in bundles too.
fn each_resource(visit: &mut dyn FnMut(&[u8])) {
    for (name, bytes) in synthea().into_iter().chain(published()) {
        if fhir::parse(&bytes, &Limits::default()).is_err() {
            continue;
        }
        match fhir::bundle::split(&bytes) {
            Ok(bundle) => bundle
                .entries
                .iter()
                .filter_map(|e| e.resource)
                .for_each(&mut *visit),
            Err(_) if name.contains("package.json") => {}
            Err(_) => visit(&bytes),
        }
    }
}

fn without_meta(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.shift_remove("id");
        map.shift_remove("meta");
    }
    value
}

#[test]
fn stamping_changes_id_and_meta_only() {
    let read = |bytes: &[u8]| fhir::parse(bytes, &Limits::default()).unwrap();
    each_resource(&mut |raw| {
        let stamped = fhir::stamp(raw, "an-id", 42, "2026-01-02T03:04:05Z");
        let (before, after) = (read(raw), read(&stamped));
        assert_eq!(after["id"], "an-id");
        assert_eq!(after["meta"]["versionId"], "42");
        assert_eq!(after["meta"]["lastUpdated"], "2026-01-02T03:04:05Z");
        assert_eq!(after["meta"]["profile"], before["meta"]["profile"]);
        assert_eq!(
            without_meta(before).to_string(),
            without_meta(after).to_string()
        );
        assert_eq!(
            fhir::stamp(&stamped, "an-id", 42, "2026-01-02T03:04:05Z"),
            stamped
        );
    });
}

#[test]
fn resolving_replaces_every_reference_and_nothing_else() {
    each_resource(&mut |raw| {
        let value = fhir::parse(raw, &Limits::default()).unwrap();
        let urns: Vec<String> = fhir::references(&value)
            .into_iter()
            .map(|(_, r)| r)
            .filter(|r| r.starts_with("urn:uuid:"))
            .collect();
        let there = |urn: &String| urn.replace("urn:uuid:", "Patient/");
        let pairs: Vec<_> = urns.iter().map(|u| (u.clone(), there(u))).collect();
        let resolved = fhir::resolve(raw, &pairs);
        let back: Vec<_> = pairs.iter().map(|(a, b)| (b.clone(), a.clone())).collect();
        assert_eq!(fhir::resolve(&resolved, &back), raw);
        let after = fhir::parse(&resolved, &Limits::default()).unwrap();
        assert!(
            fhir::references(&after)
                .iter()
                .all(|(_, r)| !r.starts_with("urn:uuid:"))
        );
        if pairs.is_empty() {
            assert_eq!(resolved, raw);
        }
    });
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace(',', "\\,")
        .replace('|', "\\|")
        .replace('$', "\\$")
}

/// The search value that asks for exactly this term.
fn asking_for(value: &TermValue) -> Option<String> {
    Some(match value {
        TermValue::Token { code, .. } if code.is_empty() => return None,
        TermValue::Token {
            system: Some(system),
            code,
        } => format!("{}|{}", escaped(system), escaped(code)),
        TermValue::Token { system: None, code } => escaped(code),
        TermValue::Text(text) if text.is_empty() => return None,
        TermValue::Text(text) | TermValue::Reference(text) | TermValue::Uri(text) => escaped(text),
        TermValue::Quantity {
            value,
            system: Some(system),
            code: Some(code),
        } => format!("{value}|{}|{}", escaped(system), escaped(code)),
        TermValue::Quantity { value, .. } | TermValue::Number(value) => format!("{value}"),
        TermValue::Span { .. } => return None,
    })
}

#[test]
fn what_the_index_holds_the_filter_finds() {
    let mut seen = 0usize;
    each_resource(&mut |raw| {
        seen += 1;
        // One in seven is enough of the many alike.
        if !seen.is_multiple_of(7) {
            return;
        }
        let resource = fhir::parse(raw, &Limits::default()).unwrap();
        let kind = resource["resourceType"].as_str().unwrap_or("");
        for term in fhir::terms(&resource) {
            let Some(value) = asking_for(&term.value) else {
                continue;
            };
            let pairs = [(term.param.to_owned(), value.clone())];
            let Ok(query) = fhir::query(kind, &pairs, &QueryLimits::default()) else {
                // Only values that no search can be made of: odd references in examples.
                assert!(
                    matches!(term.value, TermValue::Reference(_)),
                    "{kind} {term:?}"
                );
                continue;
            };
            assert!(
                fhir::matches(&resource, &query.filters[0]),
                "{kind} {term:?} {value}"
            );
        }
    });
}

/// A plain generator (xorshift), so that a failure comes again.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 16).unwrap_or(0)
}

/// Leaves out a stretch, doubles one, or changes a byte to one that means something in JSON.
fn mangle(bytes: &mut Vec<u8>, state: &mut u64) {
    let from = next(state) % bytes.len();
    let to = (from + 1 + next(state) % 40).min(bytes.len());
    match next(state) % 4 {
        0 => drop(bytes.drain(from..to)),
        1 => {
            let piece = bytes[from..to].to_vec();
            let at = next(state) % bytes.len();
            bytes.splice(at..at, piece);
        }
        _ => bytes[from] = b"\"{}[]:,0-#/\\e \xff"[next(state) % 15],
    }
}

#[test]
fn mangled_examples_never_panic() {
    let mut state = 0x5a1_u64;
    let mut still_json = 0usize;
    for (_, bytes) in published()
        .iter()
        .filter(|(_, b)| (10..20_000).contains(&b.len()))
    {
        for _ in 0..3 {
            let mut bytes = bytes.clone();
            mangle(&mut bytes, &mut state);
            let stamped = fhir::stamp(&bytes, "a", 1, "t");
            let _ = fhir::bundle::split(&bytes);
            let Ok(resource) = fhir::parse(&bytes, &Limits::default()) else {
                continue;
            };
            still_json += 1;
            let _ = (
                fhir::check(&resource),
                fhir::terms(&resource),
                fhir::references(&resource),
            );
            let _ = fhir::patient_of(&resource);
            if resource.is_object() {
                assert!(fhir::parse(&stamped, &Limits::default()).is_ok());
            }
        }
    }
    assert!(data().is_none() || still_json > 100, "{still_json}");
}

/// Every published resource, and those that Synthea's bundles hold.
fn resources() -> Vec<Value> {
    let whole = [
        "hl7-r4-examples-instances.tar.gz",
        "us-core-examples.tar.gz",
    ];
    let files = whole.into_iter().flat_map(archive).chain(synthea());
    let mut all = Vec::new();
    for (_, bytes) in files {
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
            continue;
        };
        let entries = value.get("entry").and_then(Value::as_array);
        let entries = entries.into_iter().flatten();
        all.extend(entries.filter_map(|entry| entry.get("resource").cloned()));
        all.push(value);
    }
    all
}

#[test]
fn through_a_lens_a_resource_is_found_by_the_same_terms_and_is_the_same_patient_s() {
    let codes = [
        "identifier",
        "code",
        "encounter",
        "patient",
        "subject",
        "birthdate",
        "name",
    ];
    let (mut looked, mut smaller) = (0, 0);
    for whole in resources() {
        let Some(kind) = whole["resourceType"].as_str() else {
            continue;
        };
        let Some(lens) = fhir::Lens::of(kind, &codes, &[]) else {
            continue;
        };
        let shown = lens.read(whole.to_string().as_bytes()).unwrap();
        let terms = |of: &Value| fhir::search::terms_of(of, &codes);
        assert_eq!(terms(&shown), terms(&whole), "{whole}");
        assert_eq!(
            fhir::patient_of(&shown),
            fhir::patient_of(&whole),
            "{whole}"
        );
        looked += 1;
        smaller += usize::from(shown != whole);
    }
    println!("{looked} resources, {smaller} of them smaller through a lens");
    assert!(data().is_none() || looked > 1_000, "{looked}");
    assert!(data().is_none() || smaller * 2 > looked, "{smaller}");
}
