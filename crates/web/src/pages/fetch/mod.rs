//! Images fetched from a PACS: of one patient, by whoever cares for them; of anybody, by whoever manages feeds.

pub(crate) mod view;

use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Subject};
use guard::{Ask, Decision};
use serde_json::Value;

use crate::error::Problem;
use crate::imaging::{PATIENT, STUDY};
use crate::pages::shell::Here;
use crate::pages::visit::{Fields, Posted, Visit, page, reason};
use crate::pages::words;
use crate::pulls::{GONE, Pull, PullOrder, PullSource, PullWhat};
use view::{FetchPage, Typed, masked, rows};

/// How often the page fetches itself again, in seconds.
const LIVE_SECONDS: u32 = 5;
/// What is done to an order that goes on.
const BACK: &str = "back";
/// Letters of an accession number and of a Patient ID (PS3.5 section 6.2: SH, LO).
const ACCESSION_LETTERS_MAX: usize = 16;
const NUMBER_LETTERS_MAX: usize = 64;
/// Letters of a UID (PS3.5 section 9.1).
const UID_LETTERS_MAX: usize = 64;

/// A patient whose images may be fetched.
struct Whose {
    id: String,
    name: String,
    /// System and value of each identifier.
    numbers: Vec<(String, String)>,
    /// The sealed decision that allowed the look.
    decision: u64,
}

/// `GET /patients/{id}/fetch`
pub(crate) async fn of_patient(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    if let Some(survivor) = visit.app.chart.survivor(&id).await? {
        let to = format!("/patients/{survivor}/fetch");
        return Ok(Redirect::to(&to).into_response());
    }
    // An open page that looks for news, by somebody who still may see it, seals no look for nothing.
    let known = visit.app.pulls.changes();
    if visit.live == Some(known) && visit.decide(looking(&visit, &id)).await?.allowed() {
        return Ok((StatusCode::NO_CONTENT, [version(known)]).into_response());
    }
    let whose = whose(&visit, &id).await?;
    let view = patient_page(&visit, (&whose, &Fields::default()), None).await?;
    Ok(([version(known)], page(StatusCode::OK, &view)?).into_response())
}

/// `POST /patients/{id}/fetch`: an order, with a reason.
pub(crate) async fn order_of_patient(
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let whose = whose(&visit, &id).await?;
    let wanted = match fields.get("do") {
        BACK => return back_of_patient(&visit, (&whose, &fields)).await,
        _ => of_this_patient(&visit, (&whose, &fields)),
    };
    let ordered = match wanted {
        Ok((order, what)) => {
            let ask = fetching(&visit, &id, (&order, &what));
            visit.permit("fetching these images", ask).await?;
            visit.app.pulls.order(order, (what, visit.eye.now))
        }
        Err(wrong) => Err(wrong),
    };
    match ordered {
        Ok(()) => Ok(Redirect::to(&format!("/patients/{id}/fetch")).into_response()),
        Err(wrong) => {
            let view = patient_page(&visit, (&whose, &fields), Some(wrong)).await?;
            page(StatusCode::BAD_REQUEST, &view)
        }
    }
}

/// `GET /flow/fetch`
pub(crate) async fn of_house(visit: Visit) -> Result<Response, Problem> {
    oversees(&visit).await?;
    let view = house_page(&visit, &Fields::default(), None).await?;
    page(StatusCode::OK, &view)
}

/// `POST /flow/fetch`: an order, with a reason.
pub(crate) async fn order_of_house(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    oversees(&visit).await?;
    if fields.get("do") == BACK {
        return back_of_house(&visit, &fields).await;
    }
    let ordered = match of_anybody(&visit, &fields) {
        Ok((order, what, source)) => {
            let mut ask = visit.ask(Act::Manage, Subject::Feed(source.feed));
            ask.purpose = "HOPERAT".to_owned();
            ask.reason = Some(order.reason.clone());
            ask.detail = format!("fetch from {}: {what}", order.from);
            visit.permit("fetching images", ask).await?;
            visit.app.pulls.order(order, (what, visit.eye.now))
        }
        Err(wrong) => Err(wrong),
    };
    match ordered {
        Ok(()) => Ok(Redirect::to("/flow/fetch").into_response()),
        Err(wrong) => {
            let view = house_page(&visit, &fields, Some(wrong)).await?;
            page(StatusCode::BAD_REQUEST, &view)
        }
    }
}

/// An order of a patient is taken back: whoever may order one may do it.
async fn back_of_patient(
    visit: &Visit,
    (whose, fields): (&Whose, &Fields),
) -> Result<Response, Problem> {
    let family = visit.app.chart.family(&whose.id);
    let taken = match going_on(visit, (fields, Some(&family))) {
        Ok((pull, reason)) => {
            let mut ask = visit.ask(Act::Fetch, Subject::Patient(whose.id.clone()));
            ask.kinds = vec![STUDY.to_owned()];
            ask.reason = Some(reason);
            ask.detail = format!("take back: fetch from {}: {}", pull.from, pull.what);
            visit.permit("taking this order back", ask).await?;
            let by = (visit.identity.actor.name.as_str(), visit.eye.now);
            visit.app.pulls.take_back(pull.id, by)
        }
        Err(wrong) => Err(wrong),
    };
    match taken {
        Ok(()) => Ok(Redirect::to(&format!("/patients/{}/fetch", whose.id)).into_response()),
        Err(wrong) => {
            let view = patient_page(visit, (whose, fields), Some(wrong)).await?;
            page(StatusCode::BAD_REQUEST, &view)
        }
    }
}

/// An order of anybody is taken back, without being told what of a patient it is.
async fn back_of_house(visit: &Visit, fields: &Fields) -> Result<Response, Problem> {
    let taken = match going_on(visit, (fields, None)) {
        Ok((pull, reason)) => {
            let mut sources = visit.app.pulls.sources().iter();
            let feed = sources.find(|one| one.title == pull.from);
            let feed = feed.map(|one| one.feed.clone()).unwrap_or_default();
            let mut ask = visit.ask(Act::Manage, Subject::Feed(feed));
            ask.purpose = "HOPERAT".to_owned();
            ask.reason = Some(reason);
            ask.detail = format!("take back: fetch from {}: {}", pull.from, masked(&pull));
            visit.permit("taking an order back", ask).await?;
            let by = (visit.identity.actor.name.as_str(), visit.eye.now);
            visit.app.pulls.take_back(pull.id, by)
        }
        Err(wrong) => Err(wrong),
    };
    match taken {
        Ok(()) => Ok(Redirect::to("/flow/fetch").into_response()),
        Err(wrong) => {
            let view = house_page(visit, fields, Some(wrong)).await?;
            page(StatusCode::BAD_REQUEST, &view)
        }
    }
}

/// The order that is to be taken back, of these patients (`None`: of anybody), and why.
fn going_on(
    visit: &Visit,
    (fields, patients): (&Fields, Option<&[String]>),
) -> Result<(Pull, String), String> {
    let id = fields.get("order").parse::<u64>().ok();
    let mut all = visit.app.pulls.of(patients).into_iter();
    let pull = all.find(|pull| Some(pull.id) == id && pull.goes_on());
    Ok((pull.ok_or(GONE)?, reason(fields)?))
}

/// The question whether a patient's images may be fetched.
pub(crate) fn fetching(visit: &Visit, id: &str, (order, what): (&PullOrder, &str)) -> Ask {
    let mut ask = visit.ask(Act::Fetch, Subject::Patient(id.to_owned()));
    ask.kinds = vec![STUDY.to_owned()];
    ask.reason = Some(order.reason.clone());
    ask.detail = format!("fetch from {}: {what}", order.from);
    ask
}

async fn oversees(visit: &Visit) -> Result<(), Problem> {
    let ask = visit.ask(Act::Read, Subject::Feed(String::new()));
    visit.leave("fetching images", ask).await.map(|_| ())
}

/// The question whether somebody may see a patient's studies, and whose they are: orders name them.
fn looking(visit: &Visit, id: &str) -> Ask {
    let mut ask = visit.ask(Act::Read, Subject::Patient(id.to_owned()));
    ask.kinds = vec![STUDY.to_owned(), PATIENT.to_owned()];
    ask.detail = "fetching images".to_owned();
    ask
}

fn version(known: u64) -> (HeaderName, HeaderValue) {
    (
        HeaderName::from_static("salus-version"),
        HeaderValue::from(known),
    )
}

/// Who the patient is, opened by a decision of its own.
async fn whose(visit: &Visit, id: &str) -> Result<Whose, Problem> {
    let permit = visit.permit("this patient", looking(visit, id)).await?;
    let open = visit.app.chart.open_with(permit);
    let stored = open.read(PATIENT, id).await?;
    let missing = || Problem::Missing("patient at this address".to_owned());
    let stored = stored.ok_or_else(missing)?;
    let patient: Value = serde_json::from_slice(&stored.json).unwrap_or_default();
    Ok(Whose {
        id: id.to_owned(),
        name: crate::pages::patients::imaging::called(&patient),
        numbers: numbers(&patient),
        decision: open.index(),
    })
}

/// System and value of each identifier.
fn numbers(patient: &Value) -> Vec<(String, String)> {
    let all = patient.get("identifier").and_then(Value::as_array);
    let text = |one: &Value, name| one.get(name).and_then(Value::as_str).map(str::to_owned);
    all.into_iter()
        .flatten()
        .filter_map(|one| text(one, "system").zip(text(one, "value")))
        .collect()
}

/// What is ordered of a patient, and in words.
fn of_this_patient(
    visit: &Visit,
    (whose, fields): (&Whose, &Fields),
) -> Result<(PullOrder, String), String> {
    let source = source(visit, fields)?;
    let named = named(fields)?;
    let what = match named {
        Some(one) => vec![one],
        None => numbers_at(&source, whose)?,
    };
    let words = match what.as_slice() {
        [PullWhat::Patient(_), ..] => "all studies".to_owned(),
        all => in_words(all),
    };
    let order = ordered(visit, (source.title, what), fields)?;
    let patient = Some(whose.id.clone());
    Ok((PullOrder { patient, ..order }, words))
}

/// The numbers by which a PACS knows a patient.
fn numbers_at(source: &PullSource, whose: &Whose) -> Result<Vec<PullWhat>, String> {
    let system = wire::v2::authority_system("", &source.authority);
    let own = whose.numbers.iter().filter(|(of, _)| *of == system);
    let all: Vec<PullWhat> = own
        .map(|(_, number)| PullWhat::Patient(number.clone()))
        .collect();
    match all.is_empty() {
        true => Err(format!(
            "No number of this patient is known by which \u{201c}{}\u{201d} would know them: name a study or an \
             accession number.",
            source.title
        )),
        false => Ok(all),
    }
}

/// What is ordered of anybody, in words, and from where.
fn of_anybody(visit: &Visit, fields: &Fields) -> Result<(PullOrder, String, PullSource), String> {
    let source = source(visit, fields)?;
    let number = fields.get("number");
    let what = match (named(fields)?, number) {
        (Some(_), number) if !number.is_empty() => {
            return Err("Name one: a study, an accession number or a patient.".to_owned());
        }
        (Some(what), _) => what,
        (None, "") => return Err("Say what: a study, an accession number or a patient.".to_owned()),
        (None, number) => PullWhat::Patient(single(number, NUMBER_LETTERS_MAX)?),
    };
    let words = in_words(std::slice::from_ref(&what));
    let order = ordered(visit, (source.title.clone(), vec![what]), fields)?;
    Ok((order, words, source))
}

fn ordered(
    visit: &Visit,
    (from, what): (String, Vec<PullWhat>),
    fields: &Fields,
) -> Result<PullOrder, String> {
    Ok(PullOrder {
        id: 0,
        from,
        what,
        reason: reason(fields)?,
        by: visit.identity.clone(),
        patient: None,
    })
}

fn source(visit: &Visit, fields: &Fields) -> Result<PullSource, String> {
    let title = fields.get("from");
    let mut sources = visit.app.pulls.sources().iter();
    let found = sources.find(|one| one.title == title);
    found
        .cloned()
        .ok_or_else(|| "Choose from where.".to_owned())
}

/// The study or the accession number that was typed; `None`: neither.
fn named(fields: &Fields) -> Result<Option<PullWhat>, String> {
    match (fields.get("study"), fields.get("accession")) {
        ("", "") => Ok(None),
        ("", number) => Ok(Some(PullWhat::Accession(single(
            number,
            ACCESSION_LETTERS_MAX,
        )?))),
        (uid, "") => {
            let letters = uid.bytes().all(|one| one.is_ascii_digit() || one == b'.');
            match letters && uid.len() <= UID_LETTERS_MAX {
                true => Ok(Some(PullWhat::Study(uid.to_owned()))),
                false => Err("A study is named by its UID: digits and dots.".to_owned()),
            }
        }
        _ => Err("Name one: a study or an accession number.".to_owned()),
    }
}

/// A value that names one thing alone.
fn single(typed: &str, letters_max: usize) -> Result<String, String> {
    let odd = |letter: char| letter.is_control() || ['*', '?', '\\'].contains(&letter);
    match typed.contains(odd) || typed.chars().count() > letters_max {
        true => Err(format!(
            "\u{201c}{typed}\u{201d} names no single one: no *, ? or \\, and {letters_max} letters at most."
        )),
        false => Ok(typed.to_owned()),
    }
}

fn in_words(what: &[PullWhat]) -> String {
    let words = what.iter().map(|one| match one {
        PullWhat::Study(uid) => format!("study {uid}"),
        PullWhat::Patient(number) => format!("all studies of patient {number}"),
        PullWhat::Accession(number) => format!("accession number {number}"),
    });
    words::list(&words.collect::<Vec<_>>())
}

async fn patient_page(
    visit: &Visit,
    (whose, typed): (&Whose, &Fields),
    wrong: Option<String>,
) -> Result<FetchPage, Problem> {
    let asked = PullOrder {
        id: 0,
        from: String::new(),
        what: Vec::new(),
        reason: "a reason that will be typed".to_owned(),
        by: visit.identity.clone(),
        patient: None,
    };
    let may = visit
        .decide(fetching(visit, &whose.id, (&asked, "")))
        .await?;
    let family = visit.app.chart.family(&whose.id);
    let mut shell = visit.shell("Fetch images", Here::Patients);
    shell.live = Some(LIVE_SECONDS);
    shell.version = visit.app.pulls.changes();
    Ok(FetchPage {
        shell,
        of: Some((whose.id.clone(), whose.name.clone())),
        action: format!("/patients/{}/fetch", whose.id),
        sources: titles(visit),
        typed: Typed::of(typed),
        refused: refused(&may),
        rows: rows(visit, &visit.app.pulls.of(Some(&family)), true),
        wrong,
        decision: Some(whose.decision),
    })
}

async fn house_page(
    visit: &Visit,
    typed: &Fields,
    wrong: Option<String>,
) -> Result<FetchPage, Problem> {
    let mut shell = visit.shell("Fetch images", Here::Flow);
    shell.live = Some(LIVE_SECONDS);
    let mut ask = visit.ask(Act::Manage, Subject::Feed(String::new()));
    ask.purpose = "HOPERAT".to_owned();
    let may = visit.decide(ask).await?;
    Ok(FetchPage {
        shell,
        of: None,
        action: "/flow/fetch".to_owned(),
        sources: titles(visit),
        typed: Typed::of(typed),
        refused: refused(&may),
        rows: rows(visit, &visit.app.pulls.of(None), false),
        wrong,
        decision: None,
    })
}

/// Why it is refused; empty: it is not.
fn refused(may: &Decision) -> Vec<String> {
    match may.allowed() {
        true => Vec::new(),
        false => may.words().to_vec(),
    }
}

fn titles(visit: &Visit) -> Vec<String> {
    let sources = visit.app.pulls.sources().iter();
    sources.map(|one| one.title.clone()).collect()
}
