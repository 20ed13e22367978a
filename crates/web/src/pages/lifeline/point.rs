//! Choosing a point to go back to: what the record held then.

use super::view::PointNote;
use crate::error::Problem;
use crate::pages::record::told;
use crate::pages::visit::Visit;
use crate::pages::words;

/// What the record held at an event; `None`: no point was asked for, or there is none.
pub(super) async fn at(visit: &Visit, asked: &str) -> Result<Option<PointNote>, Problem> {
    let plain: String = asked.chars().filter(char::is_ascii_digit).collect();
    let Ok(index) = plain.parse::<u64>() else {
        return Ok(None);
    };
    let size = visit.app.record.size();
    let Some(sealed) = visit.app.record.read(index, 1).await?.into_iter().next() else {
        return Ok(None);
    };
    let stamp = visit.stamp(sealed.at());
    Ok(Some(PointNote {
        index: sealed.index(),
        day: stamp.day.clone(),
        clock: stamp.exact.clone(),
        age: stamp.age.clone(),
        what: told::what(sealed.event()),
        kept: words::thousands(sealed.index() + 1),
        after: words::count(
            size.saturating_sub(sealed.index() + 1),
            "event came after it",
            "events came after it",
        ),
    }))
}
