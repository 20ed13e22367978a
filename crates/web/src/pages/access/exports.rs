//! Data of many patients leaves when one person asked for it and another agreed.

use access::{Export, NoLeave};
use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Body, Event, ExportAnswered, ExportAsked, Leaves, Subject};
use guard::{Standing, admit};

use crate::error::{Problem, broken};
use crate::pages::shell::{Here, Shell, Tone};
use crate::pages::visit::{Fields, Posted, Visit, page, reason};
use crate::pages::words::{self, Stamp};

/// Requests on the page.
const SHOWN: usize = 50;
/// The most characters of what is to leave and to whom.
const LETTERS_MAX: usize = 300;

/// May data leave?
#[derive(Template)]
#[template(path = "access_exports.html")]
pub(crate) struct ExportsPage {
    pub shell: Shell,
    pub answer: String,
    pub exports: Vec<Row>,
    pub what: String,
    pub recipient: String,
    pub reason: String,
    pub sort: String,
    pub which: String,
    pub wrong: Option<String>,
}

/// One request.
pub(crate) struct Row {
    pub index: u64,
    pub at: Stamp,
    pub asker: String,
    pub what: String,
    pub recipient: String,
    pub reason: String,
    /// What the command lets out, in words.
    pub leaves: String,
    pub tone: Tone,
    pub state: String,
    /// Who answered, when and why; `None`: nobody yet.
    pub answered: Option<Answered>,
    /// It may leave now, by this command of the operator.
    pub command: Option<String>,
    /// This person may answer it.
    pub yours: bool,
}

/// What another person said.
pub(crate) struct Answered {
    pub index: u64,
    pub who: String,
    pub at: Stamp,
    pub reason: String,
}

/// `GET /access/exports`
pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    page(
        StatusCode::OK,
        &view(&visit, &Fields::default(), None).await?,
    )
}

async fn view(
    visit: &Visit,
    typed: &Fields,
    wrong: Option<String>,
) -> Result<ExportsPage, Problem> {
    let ask = visit.ask(Act::Audit, Subject::Record);
    visit.leave("the exports", ask).await?;
    let exports = visit.app.access.exports(SHOWN).await;
    let exports = exports.map_err(|why| broken(&why))?;
    let limits = visit.app.access.export_limits();
    let now = visit.eye.now;
    let open = exports
        .iter()
        .filter(|export| export.open(&limits, now))
        .count() as u64;
    let waits = words::count(open, "request waits", "requests wait");
    Ok(ExportsPage {
        shell: visit.shell("Exports", Here::Access),
        answer: words::sentence(&format!("{waits} for another person")),
        exports: exports
            .into_iter()
            .map(|export| row(visit, export))
            .collect(),
        what: typed.get("what").to_owned(),
        recipient: typed.get("recipient").to_owned(),
        reason: typed.get("reason").to_owned(),
        sort: typed.get("leaves").to_owned(),
        which: typed.get("which").to_owned(),
        wrong,
    })
}

fn row(visit: &Visit, export: Export) -> Row {
    let limits = visit.app.access.export_limits();
    let own = export.asker.0 == visit.identity.actor.id;
    let yours = !own && export.open(&limits, visit.eye.now);
    let answerer = export
        .answer
        .as_ref()
        .map_or_else(String::new, |answer| answer.answerer.1.clone());
    let left = export.clone().leave(&limits, visit.eye.now);
    let command = left.as_ref().ok().and_then(|_| export.command());
    let leaves = export.leaves.as_ref().map(access::words_of);
    let leaves = leaves.unwrap_or_else(|| "said in words alone; ask for it again".to_owned());
    let (tone, state) = match left {
        Ok(leave) => (
            Tone::Good,
            format!(
                "{answerer} agreed; it may leave until {}",
                visit.stamp(leave.until).short()
            ),
        ),
        Err(NoLeave::Unanswered | NoLeave::Unknown) => {
            (Tone::Warn, "waits for another person".to_owned())
        }
        Err(NoLeave::Refused) => (Tone::Bad, format!("{answerer} refused")),
        Err(NoLeave::Lapsed | NoLeave::Other | NoLeave::Unsaid) => {
            (Tone::Unknown, "lapsed".to_owned())
        }
    };
    let answered = export.answer.map(|answer| Answered {
        index: answer.index,
        who: answer.answerer.1,
        at: visit.stamp(answer.at),
        reason: answer.reason,
    });
    Row {
        answered,
        command,
        leaves,
        index: export.index,
        at: visit.stamp(export.at),
        asker: export.asker.1,
        what: export.what,
        recipient: export.recipient,
        reason: export.reason,
        tone,
        state,
        yours,
    }
}

/// `POST /access/exports`: ask.
pub(crate) async fn ask(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let asked = match wanted(&fields) {
        Ok(asked) => asked,
        Err(wrong) => {
            return page(
                StatusCode::BAD_REQUEST,
                &view(&visit, &fields, Some(wrong)).await?,
            );
        }
    };
    let why = asked.reason.clone();
    seal(&visit, why, Body::ExportAsked(asked)).await?;
    Ok(Redirect::to("/access/exports").into_response())
}

fn wanted(fields: &Fields) -> Result<ExportAsked, String> {
    let line = |name: &str, says: &str| {
        let typed = fields.get(name);
        match typed.chars().count() {
            3..=LETTERS_MAX => Ok(typed.to_owned()),
            _ => Err(format!("Type {says}: 3 to {LETTERS_MAX} characters.")),
        }
    };
    Ok(ExportAsked {
        what: line("what", "what is to leave")?,
        recipient: line("recipient", "to whom")?,
        leaves: Some(leaves(fields)?),
        reason: reason(fields)?,
    })
}

fn leaves(fields: &Fields) -> Result<Leaves, String> {
    let leaves = access::leaves(fields.get("leaves"), fields.get("which"));
    leaves.map_err(|why| words::sentence(&why))
}

/// `POST /access/exports/{index}`: agree or refuse.
pub(crate) async fn answer(Path(index): Path<String>, posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let missing = || Problem::Missing("request at this address".to_owned());
    let index: u64 = index.parse().map_err(|_| missing())?;
    let why = match reason(&fields) {
        Ok(why) => why,
        Err(wrong) => {
            let fields = Fields::default();
            return page(
                StatusCode::BAD_REQUEST,
                &view(&visit, &fields, Some(wrong)).await?,
            );
        }
    };
    let approved = match fields.get("verdict") {
        "agree" => true,
        "refuse" => false,
        _ => {
            return Err(Problem::Malformed(
                "the form says neither yes nor no".to_owned(),
            ));
        }
    };
    let export = visit.app.access.export(index).await;
    let export = export.map_err(|why| broken(&why))?.ok_or_else(missing)?;
    if let Some(wrong) = keeps_from(&visit, &export) {
        let view = view(&visit, &Fields::default(), Some(wrong)).await?;
        return page(StatusCode::FORBIDDEN, &view);
    }
    let answered = ExportAnswered {
        request: index,
        approved,
        reason: why.clone(),
    };
    seal(&visit, why, Body::ExportAnswered(answered)).await?;
    Ok(Redirect::to("/access/exports").into_response())
}

/// What keeps this person from answering, in words.
fn keeps_from(visit: &Visit, export: &Export) -> Option<String> {
    let limits = visit.app.access.export_limits();
    if export.asker.0 == visit.identity.actor.id {
        return Some("You asked for this export: another person has to answer.".to_owned());
    }
    if export.answer.is_some() {
        return Some("Another person has answered it already.".to_owned());
    }
    (!export.open(&limits, visit.eye.now)).then(|| "It was asked for too long ago.".to_owned())
}

async fn seal(visit: &Visit, why: String, body: Body) -> Result<(), Problem> {
    let mut ask = visit.ask(Act::Export, Subject::Record);
    ask.purpose = "HOPERAT".to_owned();
    ask.reason = Some(why);
    let decision = visit.leave("exports", ask).await?;
    let actor = visit.identity.actor.clone();
    let event = Event::new(actor, Act::Export, Subject::Record, body);
    let admitted = admit(event.into(), Standing::Decided(&decision), "")?;
    visit.app.record.admit(vec![admitted]).await?;
    // The list that is shown next has to know of it.
    let wait = std::time::Duration::from_millis(visit.app.settings.chart_wait_ms);
    let size = visit.app.record.size();
    visit.app.access.caught_up(size, wait).await;
    Ok(())
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::pages::Samples;
    use crate::pages::shell::samples::{administrator, ago};

    const HOSTILE: &str = "<script>alert(1)</script>\"'&=cmd|'/C calc'!A0";

    impl Samples for ExportsPage {
        fn samples() -> Vec<ExportsPage> {
            let answered = |yours: bool| Answered {
                index: 9,
                who: HOSTILE.into(),
                at: ago(2),
                reason: format!("{HOSTILE} {yours}"),
            };
            let row = |yours: bool| Row {
                answered: (!yours).then(|| answered(yours)),
                command: (!yours).then(|| HOSTILE.into()),
                leaves: HOSTILE.into(),
                index: 7,
                at: ago(9),
                asker: HOSTILE.into(),
                what: HOSTILE.into(),
                recipient: HOSTILE.into(),
                reason: HOSTILE.into(),
                tone: Tone::Warn,
                state: "waits for another person".into(),
                yours,
            };
            let shown = |exports: Vec<Row>| ExportsPage {
                shell: administrator("Exports", Here::Access),
                answer: "1 request waits for another person.".into(),
                exports,
                what: HOSTILE.into(),
                recipient: HOSTILE.into(),
                reason: HOSTILE.into(),
                sort: "ward".into(),
                which: HOSTILE.into(),
                wrong: Some(HOSTILE.into()),
            };
            vec![shown(vec![row(true), row(false)]), shown(Vec::new())]
        }
    }
}
