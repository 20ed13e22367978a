//! Messages for load: many, alike, with ids that the sender fills in.

use event::Time;

use crate::hospital::labs::CMP;
use crate::hospital::results::{Report, Stage, oru};
use crate::hospital::{Hospital, PATIENTS};

/// A metabolic panel for each of the first `patients` patients; `ids`: MSH-10, and the number for
/// placer and filler.
pub(crate) fn panels(seed: u64, patients: usize, sent: (Time, &str, &str)) -> Vec<Vec<u8>> {
    let (at, control, order) = sent;
    let mut hospital = Hospital::new(seed, at);
    (0..patients.min(PATIENTS))
        .filter_map(|place| {
            let report = hospital.report(place, &CMP, at)?;
            let report = Report {
                placer: order.to_owned(),
                filler: order.to_owned(),
                ..report
            };
            Some(oru(
                &report,
                hospital.patients.get(place)?,
                (control, at, Stage::Final),
            ))
        })
        .collect()
}
