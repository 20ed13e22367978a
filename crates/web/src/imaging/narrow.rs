//! A query as a search for `ImagingStudy`: it may find too much, and the query has the last word.

use wire::dicom::{Query, tags};
use wire::fhir::search::escaped;

/// Parameters of a FHIR search that finds all studies that the query can match.
pub(super) fn search(query: &Query) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut add = |name: &str, value: String| all.push((name.to_owned(), value));
    if let Some(accession) = query.single(tags::ACCESSION_NUMBER) {
        add("identifier", escaped(accession));
    }
    if let Some(number) = query.single(tags::PATIENT_ID) {
        add("patient.identifier", escaped(number));
    }
    if let Some(modality) = query.single(tags::MODALITIES_IN_STUDY) {
        add("modality", escaped(modality));
    }
    // The chart has moments in zones, the query has days in none: a day more on each side holds all.
    let (from, to) = query.dates(tags::STUDY_DATE).unwrap_or_default();
    if let Some(day) = moved(from, -1) {
        add("started", format!("ge{day}"));
    }
    if let Some(day) = moved(to, 1) {
        add("started", format!("le{day}"));
    }
    all
}

fn moved(day: &str, days: i64) -> Option<jiff::civil::Date> {
    let day = jiff::civil::Date::strptime("%Y%m%d", day).ok()?;
    day.checked_add(jiff::Span::new().days(days)).ok()
}

#[cfg(test)]
mod tests {
    use wire::dicom::{Level, VR};

    use super::*;

    #[test]
    fn a_query_is_narrowed_by_what_the_index_knows() {
        let mut query = Query::new(Level::Study);
        for (tag, vr, value) in [
            (tags::ACCESSION_NUMBER, VR::SH, "A|9"),
            (tags::PATIENT_ID, VR::LO, "47*"),
            (tags::STUDY_DATE, VR::DA, "20230301-"),
        ] {
            query.ask((tag, vr), value).unwrap();
        }
        let found = search(&query);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            found,
            [("identifier", "A\\|9"), ("started", "ge2023-02-28")]
        );
    }
}
