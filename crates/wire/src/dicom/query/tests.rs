use super::*;
use crate::dicom::{Header, Limits, Syntax, Writer, scan};

fn said() -> Header {
    Header {
        study: "1.2.3".into(),
        series: "1.2.3.1".into(),
        instance: "1.2.3.1.1".into(),
        class: "1.2.840.10008.5.1.4.1.1.2".into(),
        patient_id: "4711".into(),
        patient_name: "Müller^Jörg".into(),
        study_date: "20230306".into(),
        study_time: "0815".into(),
        accession: "A9".into(),
        modality: "CT".into(),
        ..Header::default()
    }
}

fn query(
    level: &str,
    keys: &[(Tag, VR, &[u8])],
    (root, operation): (Root, Operation),
) -> Result<Query, Fault> {
    let mut writer = Writer::new(Syntax::IMPLICIT);
    let mut all = vec![(tags::QUERY_RETRIEVE_LEVEL, VR::CS, level.as_bytes())];
    all.extend_from_slice(keys);
    all.sort_by_key(|(tag, ..)| *tag);
    for (tag, vr, value) in all {
        writer = writer.bytes(tag, vr, value);
    }
    let bytes = writer.finish();
    let set = scan(&bytes, Syntax::IMPLICIT, &Limits::default()).unwrap();
    Query::of(&set, (root, operation), &Repertoire::ascii())
}

fn study() -> Attributes {
    let person = Person {
        id: "4711".into(),
        name: "Müller^Jörg".into(),
        ..Person::default()
    };
    let counts = Attributes::of_study(&said(), &["CT", "PR"], (2, 7));
    Attributes::of_patient(&person).with(&counts)
}

#[test]
fn a_study_is_found_by_what_it_says() {
    let find = (Root::Study, Operation::Find);
    for (tag, vr, value, does) in [
        (tags::PATIENT_ID, VR::LO, &b"4711"[..], true),
        (tags::PATIENT_ID, VR::LO, b"47*", true),
        (tags::PATIENT_ID, VR::LO, b"4712", false),
        (tags::STUDY_DATE, VR::DA, b"20230301-20230331", true),
        (tags::MODALITIES_IN_STUDY, VR::CS, b"PR", true),
        // Workstations ask for the modality of a study thus.
        (tags::MODALITY, VR::CS, b"CT", true),
        (tags::MODALITY, VR::CS, b"MR", false),
        (tags::ACCESSION_NUMBER, VR::SH, b"*", true),
        (tags::STUDY_INSTANCE_UID, VR::UI, b"1.2.4\\1.2.3", true),
    ] {
        let query = query("STUDY", &[(tag, vr, value)], find).unwrap();
        let levels = Level::Patient..=Level::Study;
        assert_eq!(query.matches(levels, &study()), does, "{tag} {value:?}");
    }
}

#[test]
fn what_is_not_matched_is_not_left_out() {
    let find = (Root::Study, Operation::Find);
    let asked = [(tags::INSTITUTION_NAME, VR::LO, &b"St*"[..])];
    assert_eq!(
        query("STUDY", &asked, find),
        Err(Fault::Unmatched(tags::INSTITUTION_NAME))
    );
    let asked = [(tags::SERIES_DESCRIPTION, VR::LO, &b"x"[..])];
    assert_eq!(
        query("STUDY", &asked, find),
        Err(Fault::Unmatched(tags::SERIES_DESCRIPTION))
    );
    let asked = [(tags::STUDY_DATE, VR::DA, &b"soon"[..])];
    assert_eq!(
        query("STUDY", &asked, find),
        Err(Fault::Value(tags::STUDY_DATE))
    );
    assert_eq!(
        query("PATIENT", &[], find),
        Err(Fault::Level("PATIENT".into()))
    );
    assert_eq!(query("HOUSE", &[], find), Err(Fault::Level("HOUSE".into())));
    assert!(query("PATIENT", &[], (Root::Patient, Operation::Find)).is_ok());
}

#[test]
fn what_is_above_must_be_named() {
    let find = (Root::Study, Operation::Find);
    assert_eq!(
        query("SERIES", &[], find),
        Err(Fault::Unique(tags::STUDY_INSTANCE_UID))
    );
    let study = (tags::STUDY_INSTANCE_UID, VR::UI, &b"1.2.3"[..]);
    assert!(query("SERIES", &[study], find).is_ok());
    assert_eq!(
        query("IMAGE", &[study], find),
        Err(Fault::Unique(tags::SERIES_INSTANCE_UID))
    );
    let two = (tags::STUDY_INSTANCE_UID, VR::UI, &b"1.2.3\\1.2.4"[..]);
    assert_eq!(
        query("SERIES", &[two], find),
        Err(Fault::Unique(tags::STUDY_INSTANCE_UID))
    );
    let get = (Root::Study, Operation::Get);
    assert!(query("STUDY", &[two], get).is_ok());
    assert_eq!(
        query("STUDY", &[], get),
        Err(Fault::Unique(tags::STUDY_INSTANCE_UID))
    );
    let all = (Root::Patient, Operation::Move);
    assert_eq!(
        query("PATIENT", &[], all),
        Err(Fault::Unique(tags::PATIENT_ID))
    );
    let star = (tags::PATIENT_ID, VR::LO, &b"*"[..]);
    assert_eq!(
        query("PATIENT", &[star], all),
        Err(Fault::Unique(tags::PATIENT_ID))
    );
}

#[test]
fn an_answer_has_what_was_asked_in_the_letters_that_the_asker_reads() {
    let keys = [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, &b"ISO_IR 100"[..]),
        (tags::PATIENT_NAME, VR::PN, b"M\xfcller*"),
        (tags::STUDY_DESCRIPTION, VR::LO, b""),
        (tags::NUMBER_OF_STUDY_RELATED_INSTANCES, VR::IS, b""),
        (tags::INSTITUTION_NAME, VR::LO, b""),
    ];
    let query = query("STUDY", &keys, (Root::Study, Operation::Find)).unwrap();
    assert_eq!(query.text(), "STUDY PatientName=Müller*");
    assert!(query.matches(Level::Patient..=Level::Study, &study()));
    for syntax in [Syntax::IMPLICIT, Syntax::EXPLICIT] {
        let bytes = query.answer(&study(), (syntax, "SALUS"), "");
        let set = scan(&bytes, syntax, &Limits::default()).unwrap();
        assert_eq!(set.complaints(), &[] as &[String]);
        assert_eq!(set.bytes(tags::PATIENT_NAME), b"M\xfcller^J\xf6rg");
        assert_eq!(set.ascii(tags::SPECIFIC_CHARACTER_SET), "ISO_IR 100");
        assert_eq!(set.ascii(tags::NUMBER_OF_STUDY_RELATED_INSTANCES), "7");
        assert_eq!(set.ascii(tags::RETRIEVE_AE_TITLE), "SALUS");
        assert!(set.get(tags::INSTITUTION_NAME).is_some());
        assert!(set.get(tags::ACCESSION_NUMBER).is_none());
    }
    let person = Person {
        name: "山田^太郎".into(),
        ..Person::default()
    };
    let other = Attributes::of_patient(&person);
    let bytes = query.answer(&other, (Syntax::EXPLICIT, "SALUS"), "");
    let set = scan(&bytes, Syntax::EXPLICIT, &Limits::default()).unwrap();
    assert_eq!(set.ascii(tags::SPECIFIC_CHARACTER_SET), "ISO_IR 192");
    assert_eq!(set.bytes(tags::PATIENT_NAME), "山田^太郎".as_bytes());
}

#[test]
fn who_a_study_is_of_is_what_the_chart_knows_today() {
    let patient = serde_json::json!({
        "identifier": [{"value": "88"}, {"value": "4711"}],
        "name": [{"family": "Meier", "given": ["Jörg", "Uwe"], "prefix": ["Dr"]}],
        "birthDate": "1970-01-02", "gender": "male",
    });
    let patient = patient.as_object().unwrap();
    let any = Query::new(Level::Study);
    let person = Person::of(patient, &said(), &any);
    assert_eq!(
        (person.id.as_str(), person.name.as_str()),
        ("4711", "Meier^Jörg^Uwe^Dr")
    );
    assert_eq!(
        (person.birth_date.as_str(), person.sex.as_str()),
        ("19700102", "M")
    );
    // Whoever was merged is answered by the number that was asked for.
    let by = |number: &str| Person::of(patient, &said(), &asked(&[(tags::PATIENT_ID, number)])).id;
    assert_eq!((by("88").as_str(), by("99").as_str()), ("88", "4711"));
    let header = Header {
        patient_name: "Meier^Jörg^Uwe^Dr=マイヤー".into(),
        ..said()
    };
    assert_eq!(Person::of(patient, &header, &any).name, header.patient_name);
}

/// A query for studies by these attributes.
fn asked(keys: &[(Tag, &str)]) -> Query {
    let mut query = Query::new(Level::Study);
    for (tag, value) in keys {
        query.ask((*tag, VR::LO), value).unwrap();
    }
    query
}

/// Under an issuer the chart has the last word on whose number it is, whether the object named one or not.
#[test]
fn a_number_with_an_issuer_is_one_of_that_issuers_system() {
    let patient = serde_json::json!({"identifier": [
        {"system": "urn:oid:1.2", "value": "88"},
        {"system": "urn:salus:authority:STELLA", "value": "4711"},
        {"system": "urn:salus:authority:OTHER", "value": "4712"},
    ]});
    let patient = patient.as_object().unwrap();
    let (id, issuer) = (tags::PATIENT_ID, tags::ISSUER_OF_PATIENT_ID);
    let silent = said();
    let named = Header {
        issuer: "STELLA".into(),
        ..said()
    };
    for (keys, found) in [
        (&[(id, "4711"), (issuer, "STELLA")][..], true),
        (&[(id, "47*"), (issuer, "STELLA")], true),
        (&[(issuer, "STELLA")], true),
        (&[(id, "88"), (issuer, "1.2")], true),
        (&[(id, "4712"), (issuer, "OTHER")], true),
        (&[(id, "4712"), (issuer, "STELLA")], false),
        (&[(id, "4711"), (issuer, "OTHER")], false),
        (&[(id, "48*"), (issuer, "STELLA")], false),
        (&[(issuer, "NOBODY")], false),
        // Without an issuer any number counts.
        (&[(id, "88")], true),
    ] {
        let query = asked(keys);
        for header in [&silent, &named] {
            let person = Person::of(patient, header, &query);
            let own = Attributes::of_patient(&person);
            let does = query.matches(Level::Patient..=Level::Patient, &own);
            assert_eq!(does, found, "{keys:?} of {:?}", header.issuer);
        }
    }
}

#[test]
fn a_retrieval_names_objects_by_unique_keys_alone() {
    let study = (tags::STUDY_INSTANCE_UID, VR::UI, &b"1.2.3"[..]);
    let number = (tags::PATIENT_ID, VR::LO, &b"4711"[..]);
    for operation in [Operation::Get, Operation::Move] {
        let of = (Root::Study, operation);
        assert!(query("STUDY", &[number, study], of).is_ok());
        for (tag, vr, value) in [
            (tags::PATIENT_NAME, VR::PN, &b"Doe*"[..]),
            (tags::STUDY_DATE, VR::DA, b"20230306"),
        ] {
            let asked = query("STUDY", &[(tag, vr, value), study], of);
            assert_eq!(asked, Err(Fault::NotUnique(tag)));
            assert!(query("STUDY", &[(tag, vr, b""), study], of).is_ok());
        }
        // One patient, not a pattern of them.
        let some = query("STUDY", &[(tags::PATIENT_ID, VR::LO, b"47*"), study], of);
        assert_eq!(some, Err(Fault::Unique(tags::PATIENT_ID)));
    }
}

#[test]
fn a_birth_date_without_its_day_is_none() {
    let of = |born: &str| {
        let patient = serde_json::json!({"birthDate": born});
        let any = Query::new(Level::Study);
        Person::of(patient.as_object().unwrap(), &said(), &any).birth_date
    };
    assert_eq!(of("1990-05-03"), "19900503");
    assert_eq!((of("1990-05"), of("1990")), (String::new(), String::new()));
}

#[test]
fn a_uid_that_is_named_twice_is_one() {
    let of = (Root::Study, Operation::Get);
    let twice = (
        tags::STUDY_INSTANCE_UID,
        VR::UI,
        &b"1.2.4\\1.2.3\\1.2.4"[..],
    );
    let asked = query("STUDY", &[twice], of).unwrap();
    assert_eq!(asked.uids(tags::STUDY_INSTANCE_UID), ["1.2.3", "1.2.4"]);
    let many: Vec<String> = (0..1_001).map(|number| format!("1.{number}")).collect();
    let many = many.join("\\");
    let many = (tags::STUDY_INSTANCE_UID, VR::UI, many.as_bytes());
    let refused = query("STUDY", &[many], of);
    assert_eq!(refused, Err(Fault::TooMany(tags::STUDY_INSTANCE_UID)));
}
