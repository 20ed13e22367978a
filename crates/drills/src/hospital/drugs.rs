//! The hospital's formulary.

/// A medication: key, RxNorm code and text, dose, unit (UCUM), route (SNOMED CT code and text),
/// times a day.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Drug {
    pub(crate) key: &'static str,
    pub(crate) rxnorm: &'static str,
    pub(crate) text: &'static str,
    pub(crate) dose: f64,
    pub(crate) unit: &'static str,
    pub(crate) route: (&'static str, &'static str),
    pub(crate) daily: u32,
}

const ORAL: (&str, &str) = ("26643006", "Oral route");
const VEIN: (&str, &str) = ("47625008", "Intravenous route");
const SKIN: (&str, &str) = ("34206005", "Subcutaneous route");
const LUNG: (&str, &str) = ("447694001", "Respiratory tract route");

const fn drug(
    key: &'static str,
    code: (&'static str, &'static str),
    dose: (f64, &'static str),
) -> Drug {
    Drug {
        key,
        rxnorm: code.0,
        text: code.1,
        dose: dose.0,
        unit: dose.1,
        route: ORAL,
        daily: 1,
    }
}

impl Drug {
    const fn by(self, route: (&'static str, &'static str), daily: u32) -> Drug {
        Drug {
            route,
            daily,
            ..self
        }
    }
}

pub(crate) const DRUGS: [Drug; 25] = [
    drug("APAP", ("161", "Acetaminophen"), (1000.0, "mg")).by(ORAL, 4),
    drug("ASA", ("1191", "Aspirin"), (81.0, "mg")),
    drug("ATORVA", ("83367", "Atorvastatin"), (40.0, "mg")),
    drug("AZI", ("18631", "Azithromycin"), (500.0, "mg")),
    drug("CEFAZ", ("2180", "Cefazolin"), (2.0, "g")).by(VEIN, 3),
    drug("CEFT", ("2193", "Ceftriaxone"), (2.0, "g")).by(VEIN, 1),
    drug("ENOX", ("67108", "Enoxaparin"), (40.0, "mg")).by(SKIN, 1),
    drug("FE", ("24947", "Ferrous sulfate"), (325.0, "mg")).by(ORAL, 2),
    drug("FURO", ("4603", "Furosemide"), (40.0, "mg")).by(VEIN, 2),
    drug("HEP", ("5224", "Heparin"), (5000.0, "[iU]")).by(SKIN, 3),
    drug("INS", ("253182", "Insulin, regular, human"), (6.0, "[iU]")).by(SKIN, 4),
    drug("KCL", ("8591", "Potassium chloride"), (40.0, "meq")).by(VEIN, 2),
    drug("LISIN", ("29046", "Lisinopril"), (10.0, "mg")),
    drug("METO", ("6918", "Metoprolol"), (25.0, "mg")).by(ORAL, 2),
    drug("MORPH", ("7052", "Morphine"), (2.0, "mg")).by(VEIN, 4),
    drug("NACL", ("9863", "Sodium chloride"), (1000.0, "mL")).by(VEIN, 2),
    drug("NOREPI", ("7512", "Norepinephrine"), (4.0, "mg")).by(VEIN, 1),
    drug("ONDA", ("26225", "Ondansetron"), (4.0, "mg")).by(VEIN, 3),
    drug("OXY", ("7824", "Oxytocin"), (10.0, "[iU]")).by(VEIN, 1),
    drug("PANTO", ("40790", "Pantoprazole"), (40.0, "mg")),
    drug("PIPTAZ", ("74169", "Piperacillin / tazobactam"), (4.5, "g")).by(VEIN, 3),
    drug("PRED", ("8640", "Prednisone"), (40.0, "mg")),
    drug("SALB", ("435", "Albuterol"), (2.5, "mg")).by(LUNG, 4),
    drug("METF", ("6809", "Metformin"), (500.0, "mg")).by(ORAL, 2),
    drug("SERT", ("36437", "Sertraline"), (50.0, "mg")),
];

/// A medication by key; the first of the list for an unknown key.
pub(crate) fn drug_by(key: &str) -> Drug {
    let found = DRUGS.iter().find(|drug| drug.key == key);
    found.copied().unwrap_or_default()
}
