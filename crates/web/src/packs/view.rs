use askama::Template;
use lifeline::SheetId;

use crate::pages::patients::view::{ChartPage, Row};
use crate::pages::words;

/// Everything inside a ward pack.
#[derive(Template)]
#[template(path = "pack.html")]
pub(crate) struct PackBody {
    pub ward: String,
    pub patients: Vec<PackPatient>,
    /// Blank sheets for patients without a chart.
    pub newcomers: Vec<PaperSheet>,
    /// Rows of a blank sheet.
    pub rows: u16,
    /// The sealed decision by which the charts were read.
    pub decided: u64,
    /// The event that lists the patients.
    pub list: u64,
}

impl PackBody {
    /// `12 patients`
    fn many(&self) -> String {
        words::count(self.patients.len() as u64, "patient", "patients")
    }
}

/// One patient in a pack.
pub(crate) struct PackPatient {
    /// Their number in the list, from 1.
    pub number: u16,
    pub row: Row,
    /// What a search looks at.
    pub find: String,
    pub chart: Option<ChartPage>,
    /// The patient said no to the chart being shown.
    pub withheld: bool,
    pub sheets: Vec<PaperSheet>,
}

/// A blank sheet.
pub(crate) struct PaperSheet {
    pub id: String,
    /// SVG.
    pub barcode: String,
    pub number: u16,
}

impl PaperSheet {
    pub(crate) fn of(id: SheetId) -> PaperSheet {
        PaperSheet {
            id: id.to_string(),
            barcode: id.barcode(),
            number: id.sheet,
        }
    }
}
