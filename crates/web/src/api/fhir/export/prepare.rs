//! The preparation of an export: where its files begin and end.

use std::sync::Arc;

use chart::PageOf;
use event::{Act, Subject};

use super::super::door::{Door, Question};
use super::super::fault::Fault;
use super::job::{Job, Part, State};

/// Walks through all that is asked for. No content leaves: that is decided file by file.
pub(super) async fn prepare(door: Door, job: Arc<Job>) {
    let state = match walk(&door, &job).await {
        Ok(parts) => State::Done(parts),
        Err(fault) => State::Failed(fault),
    };
    job.is_now(state);
}

async fn walk(door: &Door, job: &Job) -> Result<Vec<Part>, Fault> {
    door.caught_up(door.app.record.size()).await?;
    let (mut parts, mut beginning, mut count) = (Vec::new(), None, 0);
    let kinds = &job.wanted.kinds;
    let states: &[bool] = match job.wanted.since {
        Some(_) => &[false, true],
        None => &[false],
    };
    for (at, kind) in kinds.iter().copied().enumerate() {
        let permit = door.permit(&job.who, question(job, kind), None).await?;
        let open = door.app.chart.open_with(permit);
        for &deleted in states {
            let mut after: Option<String> = beginning.clone();
            loop {
                if door.kept.exports.get(&job.id).is_none() {
                    return Ok(Vec::new());
                }
                let of = PageOf {
                    count: door.app.settings.page_size_max,
                    token: after.clone(),
                };
                let page = open.placed(&job.wanted.list(kind, deleted), &of).await?;
                let first = beginning.get_or_insert_with(|| page.beginning.clone());
                if page.count > 0 {
                    count += page.count;
                    parts.push(Part {
                        kind,
                        deleted,
                        after: after.unwrap_or_else(|| first.clone()),
                        until: page.next.clone(),
                        count: page.count,
                    });
                }
                let words = format!(
                    "type {} of {}, {count} resources so far",
                    at + 1,
                    kinds.len()
                );
                job.is_now(State::Running(words));
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
    }
    Ok(parts)
}

/// What is asked of the guard about one type of an export.
pub(super) fn question(job: &Job, kind: &str) -> Question {
    Question {
        act: Act::Search,
        subject: Subject::Kind(kind.to_owned()),
        kinds: vec![kind.to_owned()],
        detail: format!("{kind} of {}", job.request),
    }
}
