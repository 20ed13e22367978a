//! Bulk imports: whose they are, how far each is, what is wrong.

use event::ImportEnd;
use flow::{Import, Imports};

use crate::api::fhir::{progress, said_as};
use crate::error::{Problem, broken};
use crate::pages::shell::Tone;
use crate::pages::visit::Visit;
use crate::pages::words::{self, Stamp};

/// Imports that are shown, the newest.
const SHOWN_MAX: u32 = 20;

/// How an import does.
pub(crate) struct ImportRow {
    pub id: String,
    /// The client that asked for it.
    pub client: String,
    pub tone: Tone,
    pub state: String,
    /// Files, resources, lines that were refused.
    pub progress: String,
    pub last: Stamp,
    /// What keeps it from going on, or why it was given up; empty: nothing.
    pub trouble: String,
}

/// The rows of the newest imports, for those who oversee feeds.
pub(crate) async fn rows(visit: &Visit) -> Result<Vec<ImportRow>, Problem> {
    let all = visit.app.flow.imports(Imports::Newest(SHOWN_MAX)).await;
    let all = all.map_err(|why| broken(&why))?;
    Ok(all.iter().map(|one| row(visit, one)).collect())
}

fn row(visit: &Visit, one: &Import) -> ImportRow {
    let said = visit.app.routes.said(&said_as(&one.id));
    let trouble = match one.ended {
        None => said.and_then(|said| said.trouble),
        Some(_) => Some(one.why.clone()),
    };
    let (_, refused) = one.counts();
    let (tone, state) = match one.ended {
        None if trouble.is_some() => (Tone::Warn, "trying again"),
        None => (Tone::Unknown, "goes on"),
        Some(ImportEnd::Done) if refused > 0 => (Tone::Warn, "done, not all was taken"),
        Some(ImportEnd::Done) => (Tone::Good, "done"),
        Some(ImportEnd::Cancelled) => (Tone::Unknown, "ended by its client"),
        Some(ImportEnd::Failed) => (Tone::Bad, "given up"),
    };
    ImportRow {
        id: one.id.clone(),
        client: words::quoted(&one.client),
        tone,
        state: state.to_owned(),
        progress: progress(one),
        last: visit.stamp(one.last),
        trouble: trouble.as_deref().map(words::quoted).unwrap_or_default(),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::pages::shell::samples::ago;

    pub(crate) fn rows() -> Vec<ImportRow> {
        vec![ImportRow {
            id: "a1".into(),
            client: "migration".into(),
            tone: Tone::Warn,
            state: "trying again".into(),
            progress: "1 of 3 files read, 120400 resources kept, 2 lines refused".into(),
            last: ago(2),
            trouble: "\u{201c}files.hospital\u{201d}: it broke off <script>alert(1)</script>"
                .into(),
        }]
    }
}
