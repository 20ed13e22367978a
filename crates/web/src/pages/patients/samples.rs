use super::super::vitals::{Flag, Report, ResultRow, Vital};
use super::*;
use crate::error::WayIn;
use crate::pages::Samples;
use crate::pages::glass::view::GlassForm;
use crate::pages::picture::{Gauge, Point, Trend};
use crate::pages::shell::samples::{administrator, ago, eye, mark, shell};
use crate::pages::shell::{Check, Here};

impl Samples for PatientsPage {
    fn samples() -> Vec<PatientsPage> {
        let own = WardList {
            title: "ICU".into(),
            rows: (1..8).map(row).collect(),
            refused: Vec::new(),
            cut: true,
            decision: 48_190,
        };
        let refused = WardList {
            title: "SURG2".into(),
            rows: Vec::new(),
            refused: vec!["You don't work on ward `SURG2`.".into()],
            cut: false,
            decision: 48_191,
        };
        let none = WardList {
            title: "Found".into(),
            rows: Vec::new(),
            refused: Vec::new(),
            cut: false,
            decision: 48_192,
        };
        vec![
            page(
                "7 patients are on your ward.",
                vec![own],
                SearchForm::default(),
            ),
            page(
                "You may not see this list.",
                vec![refused],
                SearchForm {
                    ward: "SURG2".into(),
                    ..SearchForm::default()
                },
            ),
            page(
                "Nobody fits.",
                vec![none],
                SearchForm {
                    name: "o'\"neil <".into(),
                    born: "1950-04-12".into(),
                    ..SearchForm::default()
                },
            ),
        ]
    }
}

fn page(answer: &str, lists: Vec<WardList>, search: SearchForm) -> PatientsPage {
    let ward = |code: &str, patients: &str, own, here| WardLink {
        code: code.into(),
        href: format!("/patients?ward={code}"),
        patients: patients.into(),
        own,
        here,
    };
    PatientsPage {
        shell: shell("Patients", Here::Patients),
        question: "Who is on your wards?",
        answer: answer.into(),
        wards: vec![
            ward("ICU", "7", true, true),
            ward("MED1", "55", false, false),
            ward("SURG2", "41", false, false),
        ],
        search,
        lists,
        away: None,
    }
}

fn row(number: u32) -> Row {
    Row {
        id: format!("p{number}"),
        name: [
            "Müller, Jürgen",
            "Ødegård, Åse",
            "García-Núñez, María del Carmen",
            "O'Neil, Sam",
        ][number as usize % 4]
            .into(),
        born: format!("19{}-04-12", 40 + number * 3),
        age: (86 - number * 3).to_string(),
        sex: if number.is_multiple_of(2) {
            "male"
        } else {
            "female"
        }
        .into(),
        identifier: format!("10023{number}"),
        ward: "ICU".into(),
        place: format!("room {number}, bed A"),
        expected: number == 3,
        attending: "Dr. Li Wei".into(),
    }
}

impl Samples for RefusedPage {
    fn samples() -> Vec<RefusedPage> {
        vec![RefusedPage {
            shell: shell("Not your patient", Here::Patients),
            what: "this chart".into(),
            words: vec!["The patient is on none of your wards, and you are named on none of their current encounters.".into()],
            because: vec!["no-policy-allows".into()],
            decision: 48_201,
            way_in: WayIn::Glass("b7q3aaaaaaaaaaaaaaaaaaaaaa".into()),
            glass: GlassForm::empty(),
            minutes: 15,
        },
        RefusedPage {
            shell: shell("Guarded", Here::Patients),
            what: "this chart".into(),
            words: vec!["This chart is guarded more closely than others: confirm with your second factor, then ask again.".into()],
            because: vec!["vip-charts-need-a-second-factor".into()],
            decision: 48_202,
            way_in: WayIn::StepUp("/patients/b7q3aaaaaaaaaaaaaaaaaaaaaa".into()),
            glass: GlassForm::empty(),
            minutes: 15,
        }]
    }
}

impl Samples for UnmergePage {
    fn samples() -> Vec<UnmergePage> {
        vec![UnmergePage {
            shell: administrator("Take back a merge", Here::Patients),
            retired: "b7q3aaaaaaaaaaaaaaaaaaaaaa".into(),
            survivor: "x2kdaaaaaaaaaaaaaaaaaaaaaa".into(),
            reason: "two \"different\" people".into(),
            wrong: Some("Type why: at least 8 letters.".into()),
        }]
    }
}

impl Samples for ChartPage {
    fn samples() -> Vec<ChartPage> {
        vec![full(), bare()]
    }
}

fn shot() -> Shot {
    Shot {
        src: "/patients/b7q3aaaaaaaaaaaaaaaaaaaaaa/imaging/c9/919".into(),
        alt: "CT, <HEAD>, series 2, picture 1".into(),
    }
}

fn imaged(shots: Vec<Shot>, none: &str) -> Imaged {
    Imaged {
        id: "c9".into(),
        href: "/patients/b7q3aaaaaaaaaaaaaaaaaaaaaa/imaging/c9".into(),
        item: item("CT <head>", "2 series, 300 objects, at 09:12", "", 919),
        shots,
        none: none.into(),
    }
}

impl Samples for StudyPage {
    fn samples() -> Vec<StudyPage> {
        let page = |series: Vec<SeriesShown>, none: &str| StudyPage {
            shell: shell("Images", Here::Patients),
            id: "b7q3aaaaaaaaaaaaaaaaaaaaaa".into(),
            name: "Åberg, <Nils>".into(),
            title: "CT <head>".into(),
            facts: vec![("Date", "2026-09-21".into()), ("Body part", "HEAD".into())],
            none: none.into(),
            left_out: series.len(),
            series,
            decision: 48_201,
        };
        let series = |shots: Vec<Shot>, none: &str| SeriesShown {
            title: "Series 2: <axial>".into(),
            detail: "CT, HEAD, 300 objects".into(),
            shots,
            none: none.into(),
        };
        let full = vec![
            series((0..8).map(|_| shot()).collect(), ""),
            series(Vec::new(), "No picture: it is not an image."),
        ];
        vec![
            page(full, ""),
            page(Vec::new(), ""),
            page(Vec::new(), "No picture: parts are hidden."),
        ]
    }
}

fn item(what: &str, detail: &str, status: &str, index: u64) -> Item {
    Item {
        what: what.into(),
        detail: detail.into(),
        status: status.into(),
        strong: false,
        past: false,
        at: ago(i64::try_from(index % 4_000).unwrap_or(0)),
        late: false,
        mark: mark(index),
    }
}

fn vitals() -> Vec<Vital> {
    vec![
        vital("Blood pressure", "148/92", "mmHg", None),
        vital("Heart rate", "104", "/min", Some((60.0, 100.0))),
        vital("Body temperature", "38.4", "°C", Some((36.0, 37.5))),
        vital("Oxygen saturation", "93", "%", None),
    ]
}

fn encounters() -> Vec<Item> {
    vec![item(
        "Inpatient, ICU",
        "since 2026-11-19 08:12 · Dr. Li Wei",
        "in progress",
        880,
    )]
}

fn strong() -> (Item, Item) {
    let mut dnr = item(
        "Do not attempt resuscitation",
        "decided with the family",
        "active",
        901,
    );
    dnr.strong = true;
    let mut penicillin = item(
        "Penicillin G",
        "anaphylaxis · high criticality",
        "active",
        902,
    );
    penicillin.strong = true;
    (dnr, penicillin)
}

fn full() -> ChartPage {
    let (dnr, penicillin) = strong();
    let mut late = item("Latex", "rash", "active", 903);
    late.late = true;
    let mut gone = item(
        "Community-acquired pneumonia",
        "onset 2024-02",
        "resolved",
        911,
    );
    gone.past = true;
    let mut altered = item(
        "Furosemide 40 mg tablet",
        "1 tablet, twice a day, by mouth",
        "active",
        905,
    );
    altered.mark.check = Check::Altered("the stored bytes don't hash to the entry".into());
    let mut shell = shell("Müller, Jürgen", Here::Patients);
    shell.live = Some(5);
    ChartPage {
        shell,
        id: "p1".into(),
        identity: identity(),
        code_status: vec![dnr],
        allergies: vec![penicillin, late],
        medications: vec![
            item(
                "Metoprolol succinate 47.5 mg tablet",
                "1 tablet in the morning, by mouth",
                "active",
                904,
            ),
            altered,
        ],
        given: vec![item("Furosemide", "40 mg, at 10:00", "", 917)],
        notes: vec![item("Refuses <the> tablet", "at 10:05", "", 918)],
        imaging: Vec::new(),
        problems: vec![
            item("Heart failure, NYHA III", "onset 2021-05", "active", 910),
            gone,
        ],
        precautions: vec![item(
            "Contact isolation <MRSA>",
            "Infection control",
            "",
            906,
        )],
        vitals: vitals(),
        reports: vec![
            report("Basic metabolic panel", "final"),
            report("Blood count", "preliminary"),
        ],
        older_reports: 12,
        left_out: 0,
        masked: "3 entries are".into(),
        hidden: vec!["Patient.address".into(), "Patient.telecom".into()],
        encounters: encounters(),
        contacts: vec![item("Müller, Ilse", "wife · +49 30 1234567", "", 880)],
        coverage: vec![item("AOK Nordost", "A123456789", "active", 880)],
        decision: 48_201,
        fetches: true,
        altered: crate::pages::altered::samples::altered(),
        head: "48209 CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=".into(),
        checked: checked(),
    }
}

fn bare() -> ChartPage {
    ChartPage {
        shell: shell("Unknown, Person", Here::Patients),
        id: "p9".into(),
        identity: Identity {
            name: "<b>Unknown</b>".into(),
            born: String::new(),
            age: String::new(),
            sex: String::new(),
            identifiers: Vec::new(),
            deceased: None,
            inactive: true,
            address: Vec::new(),
            reach: Vec::new(),
            languages: String::new(),
            ward: String::new(),
            place: String::new(),
            attending: String::new(),
            merged_from: Vec::new(),
            mark: None,
        },
        code_status: Vec::new(),
        allergies: Vec::new(),
        medications: Vec::new(),
        given: Vec::new(),
        notes: Vec::new(),
        // Somebody who is known by an image alone.
        imaging: vec![
            imaged(vec![shot()], ""),
            imaged(Vec::new(), "No picture: it is not an image."),
        ],
        problems: Vec::new(),
        precautions: Vec::new(),
        vitals: Vec::new(),
        reports: Vec::new(),
        older_reports: 0,
        left_out: 0,
        masked: String::new(),
        hidden: Vec::new(),
        encounters: Vec::new(),
        contacts: Vec::new(),
        coverage: Vec::new(),
        decision: 48_202,
        head: String::new(),
        checked: Checked::default(),
        fetches: false,
        altered: Vec::new(),
    }
}

fn identity() -> Identity {
    Identity {
        name: "Müller, Jürgen".into(),
        born: "1950-04-12".into(),
        age: "76".into(),
        sex: "male".into(),
        identifiers: vec![
            ("MR · HOSP".into(), "100231".into()),
            ("SS · USSSA".into(), "999-12-3456".into()),
        ],
        deceased: None,
        inactive: false,
        address: vec!["Lindenstraße 4, 10969 Berlin (home)".into()],
        reach: vec![
            "+49 30 1234567 (phone home)".into(),
            "j.mueller@example.org (email)".into(),
        ],
        languages: "German".into(),
        ward: "ICU".into(),
        place: "room 4, bed B".into(),
        attending: "Dr. Li Wei".into(),
        merged_from: vec![Merged {
            id: "b7q3aaaaaaaaaaaaaaaaaaaaaa".into(),
            identifiers: "MR 100987".into(),
            index: 870,
        }],
        mark: Some(mark(880)),
    }
}

fn vital(name: &str, value: &str, unit: &str, usual: Option<(f64, f64)>) -> Vital {
    let last: f64 = value.split('/').next().unwrap().parse().unwrap();
    let points = (0..9)
        .map(|back: i64| Point {
            at: eye().now.plus_millis(-back * 3_600_000).millis(),
            stamp: ago(back * 60),
            value: last - (back as f64) * 0.8 + f64::from((back * 7 % 5) as i32),
            shown: format!(
                "{:.1}",
                last - (back as f64) * 0.8 + f64::from((back * 7 % 5) as i32)
            ),
            flag: if back < 2 && usual.is_some() {
                "high"
            } else {
                ""
            },
        })
        .collect();
    Vital {
        name: name.into(),
        value: value.into(),
        unit: unit.into(),
        flag: usual.and(Flag::of("H")),
        when: "measured 12 min ago".into(),
        trend: Trend::of(points, usual),
        late: false,
        mark: mark(48_100),
    }
}

fn report(name: &str, status: &str) -> Report {
    let rows: Vec<ResultRow> = [
        ("Potassium", "6.2", "mmol/L", "3.5-5.1", "HH"),
        ("Sodium", "139", "mmol/L", "136-145", ""),
        ("Creatinine", "1.9", "mg/dL", "0.7-1.3", "H"),
        ("Glucose", "61", "mg/dL", "70-99", "L"),
        ("Urine culture", "no growth after 48 h", "", "", ""),
    ]
    .into_iter()
    .map(|(name, value, unit, range, flag)| ResultRow {
        name: name.into(),
        value: value.into(),
        unit: unit.into(),
        range: range.into(),
        flag: Flag::of(flag),
        gauge: Gauge::of(value, range),
        wordy: unit.is_empty(),
        notes: if name == "Potassium" {
            vec!["not hemolyzed; phoned to the ward 13:31".into()]
        } else {
            Vec::new()
        },
        status: String::new(),
        mark: mark(48_150),
    })
    .collect();
    Report {
        name: name.into(),
        status: status.into(),
        when: "2026-11-21 13:28, 35 min ago".into(),
        abnormal: 3,
        conclusion: if status == "final" {
            String::new()
        } else {
            "Differential follows.".into()
        },
        rows,
        more: if status == "final" { 0 } else { 31 },
        late: status == "preliminary",
        one_event: status == "final",
        mark: Some(mark(48_150)),
    }
}

fn checked() -> Checked {
    Checked {
        verified: 11,
        altered: 1,
        unchecked: 0,
    }
}
