//! What other systems tell of accesses to a patient's data: their audit messages, in rows.

use access::{Heard, HeardFilter, Page};

use super::view::Elsewhere;
use super::{ROWS, Span};
use crate::error::{Problem, broken};
use crate::pages::visit::Visit;
use crate::pages::words;

/// The newest of what is told of one of these patients, and how much there is.
pub(super) async fn of_patients(
    visit: &Visit,
    patients: Vec<String>,
    span: Span,
) -> Result<(Vec<Elsewhere>, u64), Problem> {
    let filter = HeardFilter {
        patients,
        from: Some(span.from),
        to: span.to,
        ..HeardFilter::default()
    };
    let access = &visit.app.access;
    let listing = access.heard(&filter, Page::newest(ROWS)).await;
    let listing = listing.map_err(|why| broken(&why))?;
    let count = access.heard_count(&filter).await;
    let count = count.map_err(|why| broken(&why))?;
    let rows = listing.rows.iter().map(|heard| row(visit, heard));
    Ok((rows.collect(), count))
}

fn row(visit: &Visit, heard: &Heard) -> Elsewhere {
    let name = match heard.user_name.is_empty() {
        true => &heard.user,
        false => &heard.user_name,
    };
    let what = match heard.name.is_empty() {
        true => &heard.code,
        false => &heard.name,
    };
    Elsewhere {
        index: heard.id.index,
        at: visit.stamp(heard.told_at),
        who: words::quoted(name),
        user: match name == &heard.user {
            true => String::new(),
            false => words::quoted(&heard.user),
        },
        what: words::quoted(what),
        action: action(&heard.action),
        outcome: outcome(&heard.outcome),
        source: words::quoted(&heard.source),
        feed: heard.feed.clone(),
        from: heard
            .addresses
            .first()
            .map(|from| words::quoted(from))
            .unwrap_or_default(),
        odd: heard.complaints.join("; "),
    }
}

/// `EventActionCode` in a word (PS3.15 A.5.1).
fn action(code: &str) -> &'static str {
    match code {
        "C" => "create",
        "R" => "read",
        "U" => "update",
        "D" => "delete",
        "E" => "execute",
        _ => "",
    }
}

/// `EventOutcomeIndicator` in words (PS3.15 A.5.1).
fn outcome(code: &str) -> &'static str {
    match code {
        "0" => "done",
        "4" => "failed in part",
        "8" => "failed",
        "12" => "failed, and something stopped",
        _ => "not said",
    }
}
