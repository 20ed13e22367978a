//! Laboratory tests: what is measured, what is normal, and what a given illness makes of it.

use crate::dice::Dice;

/// Something the laboratory measures.
#[derive(Debug, PartialEq)]
pub(crate) struct Analyte {
    /// Short key that clinical pictures use.
    pub(crate) key: &'static str,
    /// LOINC code and name.
    pub(crate) loinc: (&'static str, &'static str),
    /// UCUM unit.
    pub(crate) unit: &'static str,
    /// Reference range.
    pub(crate) range: (f64, f64),
    /// Beyond these it is critical; outside what can be measured: never.
    pub(crate) critical: (f64, f64),
    /// Digits after the point.
    pub(crate) decimals: usize,
}

impl Analyte {
    /// What is measured if the illness moves the value by `shift` standard deviations.
    pub(crate) fn measure(&self, dice: &mut Dice, shift: f64) -> f64 {
        let (low, high) = self.range;
        let deviation = (high - low) / 5.0;
        let value = f64::midpoint(low, high) + deviation * (dice.bell() * 0.8 + shift);
        value.max(low * 0.2).max(self.smallest())
    }

    /// HL7 table 0078: `LL`, `L`, `N`, `H`, `HH`.
    pub(crate) fn flag(&self, value: f64) -> &'static str {
        match value {
            low if low <= self.critical.0 => "LL",
            low if low < self.range.0 => "L",
            high if high >= self.critical.1 => "HH",
            high if high > self.range.1 => "H",
            _ => "N",
        }
    }

    /// The value as the laboratory prints it, and the number that was printed.
    pub(crate) fn printed(&self, value: f64) -> (String, f64) {
        let text = format!("{value:.*}", self.decimals);
        let number = text.parse().unwrap_or(value);
        (text, number)
    }

    /// `135-145` as OBX-7 has it.
    pub(crate) fn range_text(&self) -> String {
        let (low, high) = self.range;
        format!("{low:.*}-{high:.*}", self.decimals, self.decimals)
    }

    fn smallest(&self) -> f64 {
        [1.0, 0.1, 0.01].get(self.decimals).copied().unwrap_or(0.01)
    }
}

/// A panel: key, LOINC code and name, keys of what is in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Panel {
    pub(crate) loinc: (&'static str, &'static str),
    /// HL7 table 0074: `HM` hematology, `CH` chemistry.
    pub(crate) section: &'static str,
    pub(crate) parts: &'static [&'static str],
}

impl Panel {
    pub(crate) fn analytes(&self) -> impl Iterator<Item = &'static Analyte> {
        let parts = self.parts;
        parts
            .iter()
            .filter_map(|key| ANALYTES.iter().find(|analyte| analyte.key == *key))
    }
}

pub(crate) const CBC: Panel = Panel {
    loinc: ("58410-2", "CBC panel - Blood by Automated count"),
    section: "HM",
    parts: &["WBC", "RBC", "HGB", "HCT", "MCV", "PLT"],
};
pub(crate) const CMP: Panel = Panel {
    loinc: (
        "24323-8",
        "Comprehensive metabolic 2000 panel - Serum or Plasma",
    ),
    section: "CH",
    parts: &[
        "NA", "K", "CL", "CO2", "BUN", "CREA", "GLU", "CA", "PROT", "ALB", "BILI", "ALP", "AST",
        "ALT",
    ],
};
pub(crate) const TROPONIN: Panel = Panel {
    loinc: (
        "89579-7",
        "Troponin I.cardiac [Mass/volume] in Serum or Plasma by High sensitivity method",
    ),
    section: "CH",
    parts: &["TROP"],
};
pub(crate) const LACTATE: Panel = Panel {
    loinc: ("2524-7", "Lactate [Moles/volume] in Serum or Plasma"),
    section: "CH",
    parts: &["LAC"],
};
pub(crate) const INFLAMMATION: Panel = Panel {
    loinc: (
        "1988-5",
        "C reactive protein [Mass/volume] in Serum or Plasma",
    ),
    section: "CH",
    parts: &["CRP"],
};
pub(crate) const CLOTTING: Panel = Panel {
    loinc: (
        "34528-0",
        "PT panel - Platelet poor plasma by Coagulation assay",
    ),
    section: "HM",
    parts: &["PT", "INR"],
};

const NEVER: f64 = f64::INFINITY;

const fn analyte(
    key: &'static str,
    loinc: (&'static str, &'static str),
    unit: &'static str,
    range: (f64, f64),
) -> Analyte {
    Analyte {
        key,
        loinc,
        unit,
        range,
        critical: (-NEVER, NEVER),
        decimals: 1,
    }
}

impl Analyte {
    const fn critical(self, low: f64, high: f64) -> Analyte {
        Analyte {
            critical: (low, high),
            ..self
        }
    }

    const fn digits(self, decimals: usize) -> Analyte {
        Analyte { decimals, ..self }
    }
}

pub(crate) const ANALYTES: [Analyte; 25] = [
    analyte(
        "WBC",
        (
            "6690-2",
            "Leukocytes [#/volume] in Blood by Automated count",
        ),
        "10*3/uL",
        (4.0, 11.0),
    )
    .critical(1.0, 30.0),
    analyte(
        "RBC",
        (
            "789-8",
            "Erythrocytes [#/volume] in Blood by Automated count",
        ),
        "10*6/uL",
        (4.0, 5.9),
    )
    .digits(2),
    analyte(
        "HGB",
        ("718-7", "Hemoglobin [Mass/volume] in Blood"),
        "g/dL",
        (12.0, 17.0),
    )
    .critical(7.0, 20.0),
    analyte(
        "HCT",
        (
            "4544-3",
            "Hematocrit [Volume Fraction] of Blood by Automated count",
        ),
        "%",
        (36.0, 50.0),
    )
    .critical(21.0, 60.0),
    analyte(
        "MCV",
        (
            "787-2",
            "MCV [Entitic mean volume] in Red Blood Cells by Automated count",
        ),
        "fL",
        (80.0, 100.0),
    ),
    analyte(
        "PLT",
        ("777-3", "Platelets [#/volume] in Blood by Automated count"),
        "10*3/uL",
        (150.0, 400.0),
    )
    .digits(0)
    .critical(20.0, 1000.0),
    analyte(
        "NA",
        ("2951-2", "Sodium [Moles/volume] in Serum or Plasma"),
        "mmol/L",
        (135.0, 145.0),
    )
    .digits(0)
    .critical(120.0, 160.0),
    analyte(
        "K",
        ("2823-3", "Potassium [Moles/volume] in Serum or Plasma"),
        "mmol/L",
        (3.5, 5.1),
    )
    .critical(2.5, 6.5),
    analyte(
        "CL",
        ("2075-0", "Chloride [Moles/volume] in Serum or Plasma"),
        "mmol/L",
        (98.0, 107.0),
    )
    .digits(0),
    analyte(
        "CO2",
        (
            "2028-9",
            "Carbon dioxide, total [Moles/volume] in Serum or Plasma",
        ),
        "mmol/L",
        (22.0, 29.0),
    )
    .digits(0)
    .critical(10.0, 40.0),
    analyte(
        "BUN",
        ("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma"),
        "mg/dL",
        (7.0, 20.0),
    )
    .digits(0)
    .critical(0.0, 100.0),
    analyte(
        "CREA",
        ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma"),
        "mg/dL",
        (0.6, 1.2),
    )
    .digits(2)
    .critical(0.0, 5.0),
    analyte(
        "GLU",
        ("2345-7", "Glucose [Mass/volume] in Serum or Plasma"),
        "mg/dL",
        (70.0, 140.0),
    )
    .digits(0)
    .critical(45.0, 400.0),
    analyte(
        "CA",
        ("17861-6", "Calcium [Mass/volume] in Serum or Plasma"),
        "mg/dL",
        (8.5, 10.5),
    )
    .critical(6.5, 13.0),
    analyte(
        "PROT",
        ("2885-2", "Protein [Mass/volume] in Serum or Plasma"),
        "g/dL",
        (6.0, 8.3),
    ),
    analyte(
        "ALB",
        ("1751-7", "Albumin [Mass/volume] in Serum or Plasma"),
        "g/dL",
        (3.5, 5.0),
    ),
    analyte(
        "BILI",
        ("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma"),
        "mg/dL",
        (0.1, 1.2),
    )
    .critical(-NEVER, 15.0),
    analyte(
        "ALP",
        (
            "6768-6",
            "Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma",
        ),
        "U/L",
        (40.0, 129.0),
    )
    .digits(0),
    analyte(
        "AST",
        (
            "1920-8",
            "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
        ),
        "U/L",
        (10.0, 40.0),
    )
    .digits(0),
    analyte(
        "ALT",
        (
            "1742-6",
            "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
        ),
        "U/L",
        (7.0, 56.0),
    )
    .digits(0),
    analyte(
        "TROP",
        (
            "89579-7",
            "Troponin I.cardiac [Mass/volume] in Serum or Plasma by High sensitivity method",
        ),
        "ng/L",
        (0.0, 26.0),
    )
    .digits(0)
    .critical(-NEVER, 100.0),
    analyte(
        "LAC",
        ("2524-7", "Lactate [Moles/volume] in Serum or Plasma"),
        "mmol/L",
        (0.5, 2.0),
    )
    .critical(-NEVER, 4.0),
    analyte(
        "CRP",
        (
            "1988-5",
            "C reactive protein [Mass/volume] in Serum or Plasma",
        ),
        "mg/L",
        (0.0, 5.0),
    ),
    analyte("PT", ("5902-2", "Prothrombin time (PT)"), "s", (11.0, 13.5)),
    analyte(
        "INR",
        ("6301-6", "INR in Platelet poor plasma by Coagulation assay"),
        "{INR}",
        (0.9, 1.1),
    )
    .digits(2)
    .critical(-NEVER, 5.0),
];

/// What may grow in a culture: SNOMED CT code and name.
pub(crate) const ORGANISMS: [(&str, &str); 4] = [
    ("112283007", "Escherichia coli"),
    ("3092008", "Staphylococcus aureus"),
    ("9861002", "Streptococcus pneumoniae"),
    ("56415008", "Klebsiella pneumoniae"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_panel_finds_its_analytes() {
        for panel in [CBC, CMP, TROPONIN, LACTATE, INFLAMMATION, CLOTTING] {
            assert_eq!(panel.analytes().count(), panel.parts.len());
        }
    }

    #[test]
    fn flags_follow_the_printed_value() {
        let potassium = ANALYTES.iter().find(|a| a.key == "K").unwrap();
        let flags = [2.4, 3.0, 4.0, 5.5, 6.6].map(|value| potassium.flag(value));
        assert_eq!(flags, ["LL", "L", "N", "H", "HH"]);
        assert_eq!(potassium.printed(5.1000001), ("5.1".to_owned(), 5.1));
        assert_eq!(potassium.range_text(), "3.5-5.1");
    }

    #[test]
    fn illness_moves_values() {
        let mut dice = Dice::new(5);
        let lactate = ANALYTES.iter().find(|a| a.key == "LAC").unwrap();
        let mut mean = |shift| {
            (0..500)
                .map(|_| lactate.measure(&mut dice, shift))
                .sum::<f64>()
                / 500.0
        };
        assert!(mean(8.0) > mean(0.0) + 1.5);
    }
}
