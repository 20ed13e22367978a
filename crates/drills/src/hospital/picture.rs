//! What brings people in: a diagnosis, and what it does to laboratory values, vital signs and the
//! list of medications while it lasts.

/// One clinical picture.
#[derive(Debug)]
pub(crate) struct Picture {
    /// Ward code.
    pub(crate) ward: &'static str,
    /// Age range in years.
    pub(crate) ages: (i64, i64),
    /// ICD-10-CM code and text.
    pub(crate) diagnosis: (&'static str, &'static str),
    /// Shifts at full severity, in standard deviations, by analyte key (see `labs`).
    pub(crate) labs: &'static [(&'static str, f64)],
    /// Shifts at full severity: heart rate, systolic pressure, breaths, temperature, saturation.
    pub(crate) vitals: [f64; 5],
    /// Keys of the medications that are ordered (see `drugs`).
    pub(crate) drugs: &'static [&'static str],
    /// Whether a culture is taken.
    pub(crate) culture: bool,
}

/// A long-standing problem: ICD-10-CM code, text, SNOMED CT code.
pub(crate) const PROBLEMS: [(&str, &str, &str); 8] = [
    ("I10", "Essential (primary) hypertension", "59621000"),
    (
        "E11.9",
        "Type 2 diabetes mellitus without complications",
        "44054006",
    ),
    ("I48.91", "Unspecified atrial fibrillation", "49436004"),
    (
        "J44.9",
        "Chronic obstructive pulmonary disease, unspecified",
        "13645005",
    ),
    (
        "N18.30",
        "Chronic kidney disease, stage 3 unspecified",
        "433144002",
    ),
    ("E78.5", "Hyperlipidemia, unspecified", "55822004"),
    (
        "M81.0",
        "Age-related osteoporosis without current pathological fracture",
        "64859006",
    ),
    ("F32.A", "Depression, unspecified", "35489007"),
];

/// An allergy: HL7 table 0127 type, SNOMED CT code, text, reaction, severity (table 0128).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Allergy {
    pub(crate) kind: &'static str,
    pub(crate) code: &'static str,
    pub(crate) text: &'static str,
    pub(crate) reaction: &'static str,
    pub(crate) severity: &'static str,
}

pub(crate) const ALLERGIES: [Allergy; 8] = [
    Allergy {
        kind: "DA",
        code: "91936005",
        text: "Penicillin",
        reaction: "Anaphylaxis",
        severity: "SV",
    },
    Allergy {
        kind: "DA",
        code: "294505008",
        text: "Amoxicillin",
        reaction: "Urticaria",
        severity: "MO",
    },
    Allergy {
        kind: "DA",
        code: "293586001",
        text: "Aspirin",
        reaction: "Bronchospasm",
        severity: "SV",
    },
    Allergy {
        kind: "DA",
        code: "91939003",
        text: "Sulfonamide",
        reaction: "Rash",
        severity: "MI",
    },
    Allergy {
        kind: "FA",
        code: "91935009",
        text: "Peanut",
        reaction: "Anaphylaxis",
        severity: "SV",
    },
    Allergy {
        kind: "FA",
        code: "91934008",
        text: "Nut",
        reaction: "Swelling of lips",
        severity: "MO",
    },
    Allergy {
        kind: "EA",
        code: "300916003",
        text: "Latex",
        reaction: "Contact dermatitis",
        severity: "MI",
    },
    Allergy {
        kind: "DA",
        code: "293637006",
        text: "Iodinated contrast",
        reaction: "Nausea",
        severity: "MI",
    },
];

pub(crate) const PICTURES: [Picture; 15] = [
    Picture {
        ward: "ICU",
        ages: (35, 85),
        diagnosis: ("A41.9", "Sepsis, unspecified organism"),
        labs: &[
            ("WBC", 6.0),
            ("LAC", 6.0),
            ("CRP", 30.0),
            ("CREA", 4.0),
            ("PLT", -3.0),
            ("BILI", 3.0),
        ],
        vitals: [45.0, -35.0, 12.0, 2.0, -6.0],
        drugs: &["PIPTAZ", "NOREPI", "PANTO", "ENOX"],
        culture: true,
    },
    Picture {
        ward: "ICU",
        ages: (45, 85),
        diagnosis: ("I21.4", "Non-ST elevation (NSTEMI) myocardial infarction"),
        labs: &[("TROP", 60.0), ("WBC", 1.5), ("GLU", 2.5), ("LAC", 1.5)],
        vitals: [20.0, -10.0, 5.0, 0.2, -3.0],
        drugs: &["ASA", "ATORVA", "METO", "HEP"],
        culture: false,
    },
    Picture {
        ward: "ICU",
        ages: (18, 60),
        diagnosis: (
            "E10.10",
            "Type 1 diabetes mellitus with ketoacidosis without coma",
        ),
        labs: &[
            ("GLU", 18.0),
            ("CO2", -6.0),
            ("K", 3.0),
            ("NA", -3.0),
            ("BUN", 3.0),
        ],
        vitals: [35.0, -15.0, 12.0, 0.1, 0.0],
        drugs: &["INS", "KCL", "NACL"],
        culture: false,
    },
    Picture {
        ward: "MED1",
        ages: (60, 92),
        diagnosis: (
            "I50.23",
            "Acute on chronic systolic (congestive) heart failure",
        ),
        labs: &[("BUN", 3.0), ("CREA", 2.5), ("NA", -2.5), ("TROP", 3.0)],
        vitals: [18.0, -8.0, 8.0, 0.0, -5.0],
        drugs: &["FURO", "METO", "LISIN", "ENOX"],
        culture: false,
    },
    Picture {
        ward: "MED1",
        ages: (50, 88),
        diagnosis: (
            "J44.1",
            "Chronic obstructive pulmonary disease with (acute) exacerbation",
        ),
        labs: &[("CO2", 3.0), ("WBC", 2.0), ("CRP", 6.0)],
        vitals: [15.0, 5.0, 10.0, 0.5, -7.0],
        drugs: &["PRED", "SALB", "AZI"],
        culture: false,
    },
    Picture {
        ward: "MED1",
        ages: (40, 90),
        diagnosis: ("J18.9", "Pneumonia, unspecified organism"),
        labs: &[("WBC", 4.0), ("CRP", 20.0), ("NA", -1.5), ("LAC", 1.5)],
        vitals: [22.0, -8.0, 9.0, 1.6, -5.0],
        drugs: &["CEFT", "AZI", "APAP", "ENOX"],
        culture: true,
    },
    Picture {
        ward: "MED2",
        ages: (55, 90),
        diagnosis: ("N17.9", "Acute kidney failure, unspecified"),
        labs: &[
            ("CREA", 9.0),
            ("BUN", 8.0),
            ("K", 3.5),
            ("CO2", -3.0),
            ("CA", -1.5),
        ],
        vitals: [8.0, -12.0, 3.0, 0.0, -1.0],
        drugs: &["NACL", "PANTO", "HEP"],
        culture: false,
    },
    Picture {
        ward: "MED2",
        ages: (40, 88),
        diagnosis: ("K92.2", "Gastrointestinal hemorrhage, unspecified"),
        labs: &[
            ("HGB", -5.0),
            ("HCT", -5.0),
            ("BUN", 4.0),
            ("PLT", -1.0),
            ("INR", 3.0),
        ],
        vitals: [25.0, -20.0, 4.0, 0.0, -1.0],
        drugs: &["PANTO", "NACL"],
        culture: false,
    },
    Picture {
        ward: "MED2",
        ages: (30, 80),
        diagnosis: ("N10", "Acute pyelonephritis"),
        labs: &[("WBC", 3.5), ("CRP", 15.0), ("CREA", 1.0)],
        vitals: [18.0, -5.0, 3.0, 1.8, 0.0],
        drugs: &["CEFT", "APAP", "NACL"],
        culture: true,
    },
    Picture {
        ward: "SURG",
        ages: (65, 95),
        diagnosis: (
            "S72.001A",
            "Fracture of unspecified part of neck of right femur, initial encounter",
        ),
        labs: &[("HGB", -3.0), ("HCT", -3.0), ("CRP", 10.0), ("ALB", -2.0)],
        vitals: [12.0, -5.0, 2.0, 0.3, -2.0],
        drugs: &["MORPH", "APAP", "ENOX", "CEFAZ"],
        culture: false,
    },
    Picture {
        ward: "SURG",
        ages: (16, 60),
        diagnosis: ("K35.80", "Unspecified acute appendicitis"),
        labs: &[("WBC", 3.5), ("CRP", 8.0)],
        vitals: [15.0, 0.0, 2.0, 1.0, 0.0],
        drugs: &["CEFAZ", "APAP", "ONDA", "MORPH"],
        culture: false,
    },
    Picture {
        ward: "SURG",
        ages: (30, 80),
        diagnosis: (
            "K80.00",
            "Calculus of gallbladder with acute cholecystitis without obstruction",
        ),
        labs: &[
            ("WBC", 3.0),
            ("BILI", 4.0),
            ("ALP", 3.0),
            ("ALT", 3.0),
            ("AST", 3.0),
            ("CRP", 8.0),
        ],
        vitals: [12.0, 0.0, 2.0, 0.8, 0.0],
        drugs: &["PIPTAZ", "APAP", "ONDA"],
        culture: false,
    },
    Picture {
        ward: "MAT",
        ages: (18, 43),
        diagnosis: ("O80", "Encounter for full-term uncomplicated delivery"),
        labs: &[("WBC", 1.5), ("HGB", -1.5), ("HCT", -1.5), ("ALP", 2.0)],
        vitals: [10.0, -3.0, 1.0, 0.2, 0.0],
        drugs: &["OXY", "APAP", "FE"],
        culture: false,
    },
    Picture {
        ward: "PED",
        ages: (0, 2),
        diagnosis: (
            "J21.0",
            "Acute bronchiolitis due to respiratory syncytial virus",
        ),
        labs: &[("WBC", 1.0), ("CRP", 2.0), ("CO2", 1.0)],
        vitals: [45.0, -25.0, 22.0, 1.0, -6.0],
        drugs: &["SALB", "APAP"],
        culture: false,
    },
    Picture {
        ward: "PED",
        ages: (3, 15),
        diagnosis: ("A08.4", "Viral intestinal infection, unspecified"),
        labs: &[("NA", -2.0), ("K", -2.0), ("CO2", -2.5), ("BUN", 1.5)],
        vitals: [30.0, -15.0, 4.0, 0.8, 0.0],
        drugs: &["NACL", "ONDA", "APAP"],
        culture: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hospital::drugs::drug_by;
    use crate::hospital::house::WARDS;
    use crate::hospital::labs::ANALYTES;

    #[test]
    fn pictures_name_only_what_there_is() {
        for picture in &PICTURES {
            assert!(WARDS.iter().any(|ward| ward.code == picture.ward));
            for (key, _) in picture.labs {
                assert!(ANALYTES.iter().any(|analyte| analyte.key == *key), "{key}");
            }
            for key in picture.drugs {
                assert_eq!(drug_by(key).key, *key);
            }
        }
        for ward in WARDS {
            assert!(PICTURES.iter().any(|picture| picture.ward == ward.code));
        }
    }
}
