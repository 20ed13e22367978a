//! The chart page: what is on it, in which order, and that nothing is invented.

use std::io::Read;
use std::path::{Path, PathBuf};

use chart::PatientView;
use serde_json::{Value, json};

use crate::house::House;

async fn page(resources: &[Value]) -> PatientView {
    let house = House::new().await;
    for resource in resources {
        house.put(resource).await;
    }
    let open = house.chart_of("a").await;
    open.summary().await.unwrap().unwrap()
}

fn of_patient(kind: &str, id: &str, more: Value) -> Value {
    let mut all = json!({"resourceType": kind, "id": id, "subject": {"reference": "Patient/a"}});
    let map = all.as_object_mut().unwrap();
    map.extend(more.as_object().unwrap().clone());
    all
}

fn vital(id: &str, day: u32, value: &str) -> Value {
    let value: Value = serde_json::from_str(value).unwrap();
    of_patient(
        "Observation",
        id,
        json!({"status": "final", "effectiveDateTime": format!("2024-05-{day:02}"),
            "category": [{"coding": [{"code": "vital-signs"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "8310-5",
                "display": "Body temperature"}]},
            "valueQuantity": {"value": value, "unit": "Cel"}}),
    )
}

#[tokio::test]
async fn nothing_is_invented() {
    let view = page(&[json!({"resourceType": "Patient", "id": "a"})]).await;
    assert_eq!(view.identity.name, None);
    assert_eq!(view.identity.ward, None);
    assert!(view.allergies.is_empty() && view.vitals.is_empty() && view.reports.is_empty());
    assert!(view.code_status.is_empty() && view.medications.is_empty());
    let house = House::new().await;
    assert!(
        house
            .chart_of("nobody")
            .await
            .summary()
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn vitals_show_the_latest_and_where_they_came_from() {
    let pressure = of_patient(
        "Observation",
        "bp",
        json!({"status": "final", "code": {"coding": [{"code": "85354-9"}], "text": "BP"},
            "component": [
                {"code": {"coding": [{"code": "8462-4"}]}, "valueQuantity": {"value": 80}},
                {"code": {"coding": [{"code": "8480-6"}]},
                 "valueQuantity": {"value": 120, "unit": "mmHg"}}]}),
    );
    let wrong = json!({"status": "entered-in-error"});
    let mut error = vital("e", 9, "99");
    error
        .as_object_mut()
        .unwrap()
        .extend(wrong.as_object().unwrap().clone());
    let all = [
        vital("n", 3, "37.50"),
        vital("o", 1, "36.6"),
        vital("m", 2, "38"),
        pressure,
        error,
    ];
    let view = page(&all).await;
    let [temperature, pressure] = view.vitals.as_slice() else {
        panic!("{:?}", view.vitals)
    };
    assert_eq!(temperature.latest.value, "37.50");
    assert_eq!(temperature.latest.mark.id, "n");
    let before: Vec<&str> = temperature
        .before
        .iter()
        .map(|one| one.value.as_str())
        .collect();
    assert_eq!(before, ["38", "36.6"]);
    assert_eq!(pressure.latest.value, "120/80");
    assert_eq!(pressure.latest.unit.as_deref(), Some("mmHg"));
}

#[tokio::test]
async fn code_status_comes_from_wherever_it_was_recorded() {
    let observed = of_patient(
        "Observation",
        "s1",
        json!({"status": "final", "effectiveDateTime": "2024-01-01",
            "code": {"coding": [{"system": "http://loinc.org", "code": "81638-0"}]},
            "valueCodeableConcept": {"text": "Full code"}}),
    );
    let flag = of_patient(
        "Flag",
        "s2",
        json!({"status": "active", "code": {"text": "Do not resuscitate"},
            "period": {"start": "2024-02-01"}}),
    );
    let consent = json!({"resourceType": "Consent", "id": "s3", "status": "active",
        "patient": {"reference": "Patient/a"}, "dateTime": "2023-01-01",
        "scope": {"coding": [{"code": "adr"}]},
        "category": [{"coding": [{"code": "dnr", "display": "DNR"}]}]});
    let view = page(&[observed, flag, consent]).await;
    let all: Vec<(&str, bool)> = view
        .code_status
        .iter()
        .map(|one| (one.text.as_str(), one.current))
        .collect();
    assert_eq!(
        all,
        [
            ("Do not resuscitate", true),
            ("Full code", false),
            ("DNR", false)
        ]
    );
    assert!(view.reports.is_empty());
}

#[tokio::test]
async fn the_active_comes_first() {
    let medication = |id: &str, status: &str, name: Value| {
        let mut all = of_patient(
            "MedicationRequest",
            id,
            json!({"status": status,
            "dosageInstruction": [{"text": "1-0-1"}]}),
        );
        all.as_object_mut()
            .unwrap()
            .extend(name.as_object().unwrap().clone());
        all
    };
    let drug = json!({"resourceType": "Medication", "id": "d", "code": {"text": "Metformin"}});
    let named = json!({"medicationReference": {"reference": "Medication/d"}});
    let problem = |id: &str, status: &str| {
        of_patient(
            "Condition",
            id,
            json!({"code": {"text": id},
            "clinicalStatus": {"coding": [{"code": status}]}}),
        )
    };
    let all = [
        drug,
        medication(
            "m1",
            "stopped",
            json!({"medicationCodeableConcept": {"text": "Aspirin"}}),
        ),
        medication("m2", "active", named),
        problem("old", "resolved"),
        problem("new", "active"),
        json!({"resourceType": "AllergyIntolerance", "id": "x", "patient": {"reference": "Patient/a"},
            "verificationStatus": {"coding": [{"code": "refuted"}]}, "code": {"text": "Nuts"}}),
        json!({"resourceType": "Coverage", "id": "c", "beneficiary": {"reference": "Patient/a"},
            "status": "active", "payor": [{"display": "AOK"}], "subscriberId": "7"}),
    ];
    let view = page(&all).await;
    let names: Vec<&str> = view
        .medications
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["Metformin", "Aspirin"]);
    assert_eq!(view.medications[0].dosage.as_deref(), Some("1-0-1"));
    let problems: Vec<&str> = view.problems.iter().map(|one| one.text.as_str()).collect();
    assert_eq!(problems, ["new", "old"]);
    assert!(view.allergies.is_empty());
    assert_eq!(view.coverage[0].payor.as_deref(), Some("AOK"));
}

/// Where the data is that tests may read, if it is there.
pub(crate) fn shared() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(3)?
        .to_owned();
    let shared = std::env::var_os("SALUS_SHARED_DATA").map(PathBuf::from);
    let path = shared.unwrap_or_else(|| root.join("../shared/data"));
    path.is_dir().then_some(path)
}

/// Synthetic patients as they come: every one has a page, and every result is on it once.
#[tokio::test]
async fn synthetic_patients_have_pages() {
    let Some(shared) = shared() else { return };
    let mut files: Vec<PathBuf> = std::fs::read_dir(shared.join("fhir/synthea-r4"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let house = House::new().await;
    let mut patients = Vec::new();
    // Loading all of them is the FHIR door's test; here every fifth says enough.
    for path in files.into_iter().step_by(5) {
        let bundle = bundle(&path);
        let (patient, observations) = house.transaction(&bundle).await;
        if let Some(patient) = patient {
            patients.push((patient, observations));
        }
    }
    assert!(patients.len() > 15, "{}", patients.len());
    for (patient, observations) in patients {
        let open = house.chart_of(&patient).await;
        let view = open.summary().await.unwrap().unwrap();
        assert!(view.identity.name.is_some() && view.identity.birth_date.is_some());
        let results = view.reports.iter().map(|report| report.results.len());
        let vitals = view.vitals.iter().map(|vital| 1 + vital.before.len());
        let cut = view.vitals.iter().any(|vital| vital.before.len() == 24);
        let shown = results.sum::<usize>() + vitals.sum::<usize>();
        assert!(
            shown == observations || (cut && shown < observations),
            "{shown}/{observations}"
        );
        assert_eq!(view.left_out, 0);
    }
}

/// A bundle as it is kept: JSON, packed.
pub(crate) fn bundle(path: &Path) -> Value {
    let file = std::fs::File::open(path).unwrap();
    let mut bytes = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(file);
    reader.read_to_end(&mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
