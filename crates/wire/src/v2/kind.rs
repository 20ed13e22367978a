//! Which kinds of messages are mapped, and by what.

/// What a message is about, and so which segments make which resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// A patient and a visit (ADT, BAR).
    Visit,
    /// Two patients are one (ADT).
    Merge,
    /// Two patients in one message that stay two: swapped beds, links (ADT).
    Two,
    /// A place, and nobody in it (ADT^A20).
    Place,
    /// Results (ORU).
    Results,
    /// Orders and answers to them (ORM, OML, OMG, OMI, OMD and their answers).
    Orders,
    /// Orders for medicines, and doses to give (OMP, RDE, RGV).
    Medicines,
    /// Doses dispensed and given (RDS, RAS).
    Doses,
    /// Documents (MDM).
    Documents,
    /// Appointments (SIU).
    Appointments,
    /// Vaccinations (VXU).
    Vaccines,
    /// Charges (DFT).
    Charges,
    /// Problems and goals (PPR, PGL).
    Problems,
    /// Staff and places (MFN).
    Master,
}

/// The family of a kind, `TYPE^TRIGGER`; `None`: messages of that kind are kept, and not mapped.
pub(super) fn family(kind: &str) -> Option<Family> {
    let (what, trigger) = kind.split_once('^')?;
    let family = match what {
        "ADT" => return admission(trigger),
        "ORU" => Family::Results,
        "ORM" | "OML" | "OMG" | "OMI" | "OMD" | "ORR" | "ORL" | "ORG" | "ORI" | "ORD" => {
            Family::Orders
        }
        "OMP" | "ORP" | "RDE" | "RRE" | "RGV" | "RRG" => Family::Medicines,
        "RDS" | "RRD" | "RAS" | "RRA" => Family::Doses,
        "MDM" => Family::Documents,
        "SIU" => Family::Appointments,
        "VXU" => Family::Vaccines,
        "DFT" => Family::Charges,
        "PPR" | "PGL" => Family::Problems,
        "BAR" => Family::Visit,
        "MFN" => Family::Master,
        _ => return None,
    };
    triggers(what).contains(&trigger).then_some(family)
}

/// The triggers of a type that are mapped. Before version 2.4 all about orders had `O01`.
fn triggers(what: &str) -> &'static [&'static str] {
    match what {
        "ORU" => &["R01", "R30", "R31", "R32"],
        "ORM" => &["O01"],
        "OML" => &["O21", "O33", "O35", "O39"],
        "OMG" => &["O19"],
        "OMI" => &["O23"],
        "OMD" => &["O03"],
        "ORR" => &["O02"],
        "ORL" => &["O22", "O34", "O36", "O40"],
        "ORG" => &["O20"],
        "ORI" => &["O24"],
        "ORD" => &["O04"],
        "OMP" => &["O09"],
        "ORP" => &["O10"],
        "RDE" => &["O01", "O11", "O25", "O49"],
        "RRE" => &["O02", "O12", "O26"],
        "RGV" => &["O01", "O15"],
        "RRG" => &["O02", "O16"],
        "RDS" => &["O01", "O13"],
        "RRD" => &["O02", "O14"],
        "RAS" => &["O01", "O17"],
        "RRA" => &["O02", "O18"],
        "MDM" => &[
            "T01", "T02", "T03", "T04", "T05", "T06", "T07", "T08", "T09", "T10", "T11",
        ],
        "SIU" => &[
            "S12", "S13", "S14", "S15", "S16", "S17", "S18", "S19", "S20", "S21", "S22", "S26",
        ],
        "VXU" => &["V04"],
        "DFT" => &["P03", "P11"],
        "PPR" => &["PC1", "PC2", "PC3"],
        "PGL" => &["PC6", "PC7", "PC8"],
        "BAR" => &["P01", "P02", "P05", "P06", "P10", "P12"],
        "MFN" => &["M02", "M05"],
        _ => &[],
    }
}

/// Whether messages of that kind are patient queries, which are answered and change no chart.
pub(super) fn asks(kind: &str) -> bool {
    matches!(kind, "QBP^Q21" | "QBP^Q22" | "QBP^Q23")
}

fn admission(trigger: &str) -> Option<Family> {
    let number: u8 = trigger
        .strip_prefix('A')
        .filter(|digits| digits.len() == 2)?
        .parse()
        .ok()?;
    match number {
        // A19 is a query, A56 to A59 were never given out.
        19 | 56..=59 => None,
        17 | 24 | 37 => Some(Family::Two),
        20 => Some(Family::Place),
        18 | 30 | 34 | 36 | 39 | 40 | 43 | 46..=48 => Some(Family::Merge),
        1..=62 => Some(Family::Visit),
        _ => None,
    }
}

impl Family {
    /// Whether the sender is who tells who a patient is and where: others name them in passing.
    pub(super) const fn tells_who(self) -> bool {
        matches!(
            self,
            Family::Visit | Family::Merge | Family::Two | Family::Place | Family::Master
        )
    }

    /// The segment without which a message is about nothing.
    pub(super) const fn needs(self) -> Option<&'static str> {
        match self {
            Family::Documents => Some("TXA"),
            Family::Appointments => Some("SCH"),
            Family::Master => Some("MFE"),
            Family::Place => Some("NPU"),
            _ => None,
        }
    }

    /// Whether diagnoses stand within the orders, and are of those.
    pub(super) const fn has_own_diagnoses(self) -> bool {
        matches!(self, Family::Orders | Family::Medicines | Family::Doses)
    }
}

/// Whether a trigger is about a person, an account or an order: a visit is named in passing, if at
/// all.
pub(super) fn names_visit_in_passing(kind: &str) -> bool {
    let Some(trigger) = kind.strip_prefix("ADT^") else {
        return true;
    };
    matches!(
        trigger,
        "A28"
            | "A29"
            | "A31"
            | "A37"
            | "A24"
            | "A60"
            | "A18"
            | "A30"
            | "A34"
            | "A35"
            | "A36"
            | "A39"
            | "A40"
            | "A41"
            | "A43"
            | "A44"
            | "A46"
            | "A47"
            | "A48"
            | "A49"
    )
}
