//! What a pack shows once it is open, by the templates of the chart page.

use askama::Template;
use chart::{Carried, CensusRow};
use lifeline::SheetId;

use super::PackError;
use super::view::{PackBody, PackPatient, PaperSheet};
use crate::App;
use crate::pages::patients::Checks;
use crate::pages::patients::census::row_of;
use crate::pages::patients::told::Teller;
use crate::pages::patients::view::Row;
use crate::pages::visit::eye;
use crate::pages::words::Eye;

/// What a pack is made of beside the charts.
pub(super) struct Order<'a> {
    pub ward: &'a str,
    /// The sealed decision by which the charts were read.
    pub decided: u64,
    /// The event that lists the patients.
    pub list: u64,
    /// The patients in the order of that list: their numbers on sheets.
    pub listed: &'a [String],
    pub withheld: &'a [String],
}

/// The whole content.
pub(super) fn html(
    app: &App,
    order: &Order<'_>,
    carried: Vec<Carried>,
) -> Result<String, PackError> {
    let limits = app.lifeline.limits();
    let eye = eye(app);
    let checks = Checks::carried();
    let teller = Teller {
        eye: &eye,
        checks: &checks,
        rows: limits.pack_results_max,
    };
    let mut patients = Vec::with_capacity(carried.len());
    for one in carried {
        let chart = one
            .chart
            .map(|chart| teller.chart(&chart, limits.pack_reports_max));
        let number = number_of(order, &one.row);
        patients.push(PackPatient {
            number,
            withheld: order.withheld.contains(&one.row.patient),
            sheets: sheets(order, number, limits.pack_sheets),
            find: find(&eye, &one.row),
            row: row_of(&eye, one.row),
            chart,
        });
    }
    let body = PackBody {
        ward: order.ward.to_owned(),
        patients,
        // A patient who comes while systems are away has no chart and no number yet.
        newcomers: sheets(order, 0, limits.pack_sheets.saturating_mul(2)),
        rows: limits.sheet_rows,
        decided: order.decided,
        list: order.list,
    };
    body.render()
        .map_err(|why| PackError::Page(why.to_string()))
}

fn number_of(order: &Order<'_>, row: &CensusRow) -> u16 {
    let place = order.listed.iter().position(|id| *id == row.patient);
    place.map_or(0, |place| u16::try_from(place + 1).unwrap_or_default())
}

fn sheets(order: &Order<'_>, patient: u16, many: u16) -> Vec<PaperSheet> {
    let sheet = |sheet| {
        let id = SheetId {
            list: order.list,
            patient,
            sheet,
        };
        PaperSheet::of(id)
    };
    (1..=many).map(sheet).collect()
}

/// What a search looks at, in small letters: names, numbers, place.
fn find(eye: &Eye, row: &CensusRow) -> String {
    let Row {
        name,
        born,
        identifier,
        place,
        attending,
        ..
    } = row_of(eye, row.clone());
    [name, born, identifier, place, attending]
        .join(" ")
        .to_lowercase()
}
