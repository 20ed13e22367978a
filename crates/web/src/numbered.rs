//! Under which ids what other systems tell of a patient is kept.

use chart::ChartError;

use crate::App;

/// The ids of a family, and those that their numbers alone make: other systems name a patient by a
/// number, and a Patient may have several, or an id that was not made of any. A number that
/// somebody else has too stands for neither.
///
/// # Errors
/// [`ChartError::Broken`].
pub async fn told_under(app: &App, family: &[String]) -> Result<Vec<String>, ChartError> {
    let mut all = family.to_vec();
    let blind = app.record.blind();
    for (system, value) in app.chart.numbers(family).await? {
        let id = blind.id("Patient", &system, &value);
        // An id that is a Patient of its own is that patient's.
        if !all.contains(&id) && app.chart.locate("Patient", &id).await?.is_none() {
            all.push(id);
        }
    }
    Ok(all)
}
