//! Imaging studies: their pictures on the chart page, a page for each, and the pictures themselves.
//! Each picture is a look of its own, decided by the guard and sealed.

use std::collections::HashMap;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse as _, Redirect, Response};
use chart::{Instance, InstancesOf, Open, Series};
use event::{Act, Subject};
use serde_json::Value;

use super::view::{Imaged, SeriesShown, Shot, StudyPage};
use crate::error::Problem;
use crate::imaging::{NotDrawn, PATIENT, STUDY, not_drawn};
use crate::pages::shell::Here;
use crate::pages::visit::{Visit, page};
use crate::pages::words;

/// Studies of a chart page that are shown with pictures, the newest.
const STUDIES_SHOWN: usize = 12;
/// Pictures of one study on it: of as many series the first.
const SHOTS_OF_STUDY: usize = 4;
/// Series of a study that its page shows.
const SERIES_SHOWN: usize = 40;
/// Pictures of one series on it, the first.
const SHOTS_OF_SERIES: usize = 8;
/// No picture of a page is wider or higher than so many pixels.
const PIXELS: usize = 192;
/// After so many seconds a picture is asked for again that there was no room for.
const RETRY_SECONDS: &str = "10";
/// Why there is no picture where something is hidden.
const HIDDEN: &str = "No picture: parts of this study or of its patient are hidden from you, and they \
                      cannot be taken out of images.";

/// Puts pictures to the studies of a chart page.
///
/// # Errors
/// [`Problem::Broken`].
pub(crate) async fn with_pictures(open: &Open, imaging: &mut [Imaged]) -> Result<(), Problem> {
    let ids: Vec<String> = imaging
        .iter()
        .take(STUDIES_SHOWN)
        .map(|one| one.id.clone())
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    let whole = open.whole_studies(&ids).await?;
    let mut by_study: HashMap<String, Vec<Series>> = HashMap::new();
    for one in open.series(&ids).await? {
        by_study
            .entry(one.first.study.clone())
            .or_default()
            .push(one);
    }
    for one in imaging.iter_mut().take(STUDIES_SHOWN) {
        let all = by_study.remove(&one.id).unwrap_or_default();
        if !whole.contains_key(&one.id) {
            one.none = HIDDEN.to_owned();
            continue;
        }
        let drawn = all.iter().filter(|one| not_drawn(&one.first).is_none());
        let shots = drawn.take(SHOTS_OF_STUDY);
        one.shots = shots.map(|series| shot(&one.href, &series.first)).collect();
        if let (true, Some(first)) = (one.shots.is_empty(), all.first()) {
            one.none = no_picture(&first.first);
        }
    }
    Ok(())
}

/// `GET /patients/{id}/imaging/{study}`
pub(crate) async fn study(
    visit: Visit,
    Path((id, study)): Path<(String, String)>,
) -> Result<Response, Problem> {
    if let Some(survivor) = visit.app.chart.survivor(&id).await? {
        let to = format!("/patients/{survivor}/imaging/{study}");
        return Ok(Redirect::to(&to).into_response());
    }
    let open = opened(&visit, &id, format!("the images of study {study}")).await?;
    let missing = || Problem::Missing("study at this address".to_owned());
    let ids = [study.clone()];
    let owners = open.owners(&ids).await?;
    let owner = owners.values().next().ok_or_else(missing)?;
    let href = format!("/patients/{id}/imaging/{study}");
    let mut view = StudyPage {
        shell: visit.shell("Images", Here::Patients),
        id,
        name: called(owner),
        title: "study not described".to_owned(),
        facts: Vec::new(),
        none: String::new(),
        series: Vec::new(),
        left_out: 0,
        decision: open.index(),
    };
    match open.whole_studies(&ids).await?.is_empty() {
        true => HIDDEN.clone_into(&mut view.none),
        false => tell(&open, (&study, &href), &mut view).await?,
    }
    page(StatusCode::OK, &view)
}

async fn tell(
    open: &Open,
    (study, href): (&str, &str),
    view: &mut StudyPage,
) -> Result<(), Problem> {
    let all = open.series(&[study.to_owned()]).await?;
    view.left_out = all.len().saturating_sub(SERIES_SHOWN);
    if let Some(first) = all.first() {
        let header = &first.first.header;
        let name = [header.modality.as_str(), header.study_description.as_str()];
        let name: Vec<&str> = name.into_iter().filter(|part| !part.is_empty()).collect();
        if !name.is_empty() {
            view.title = name.join(" ");
        }
        view.facts = facts(header);
    }
    for one in all.iter().take(SERIES_SHOWN) {
        let of = InstancesOf {
            series: vec![one.first.header.series.clone()],
            count: SHOTS_OF_SERIES,
            ..InstancesOf::default()
        };
        let some = open.instances(study, &of).await?;
        let shots = some.iter().filter(|one| not_drawn(one).is_none());
        let shots: Vec<Shot> = shots.map(|one| shot(href, one)).collect();
        let none = match (shots.is_empty(), some.first()) {
            (true, Some(first)) => no_picture(first),
            (true, None) => "No evidence.".to_owned(),
            (false, _) => String::new(),
        };
        view.series.push(SeriesShown {
            title: series_title(&one.first),
            detail: series_detail(one),
            shots,
            none,
        });
    }
    Ok(())
}

/// `GET /patients/{id}/imaging/{study}/{event}`: the picture of one object.
pub(crate) async fn picture(
    visit: Visit,
    Path((id, study, event)): Path<(String, String, u64)>,
) -> Result<Response, Problem> {
    let open = opened(&visit, &id, format!("a picture of study {study}")).await?;
    let missing = || Problem::Missing("picture at this address".to_owned());
    if open
        .whole_studies(std::slice::from_ref(&study))
        .await?
        .is_empty()
    {
        return Err(missing());
    }
    let of = InstancesOf {
        after: event.checked_sub(1).ok_or_else(missing)?,
        count: 1,
        ..InstancesOf::default()
    };
    let found = open.instances(&study, &of).await?.into_iter().next();
    let one = found.filter(|one| one.index == event).ok_or_else(missing)?;
    match visit.app.drawn(&one, PIXELS).await {
        Ok(drawn) => {
            let body = crate::paced::whole(drawn.bytes, visit.app.settings.images_rate());
            Ok(([(CONTENT_TYPE, drawn.media)], body).into_response())
        }
        Err(NotDrawn::Busy(why)) => {
            let words = format!("there is no picture now: {why}\n");
            let later = [(RETRY_AFTER, RETRY_SECONDS)];
            Ok((StatusCode::SERVICE_UNAVAILABLE, later, words).into_response())
        }
        Err(NotDrawn::Never(why)) => {
            let words = format!("there is no picture: {why}\n");
            Ok((StatusCode::NOT_FOUND, words).into_response())
        }
    }
}

/// The patient's images, opened by a decision of their own: whoever sees one sees whose it is.
async fn opened(visit: &Visit, id: &str, detail: String) -> Result<Open, Problem> {
    let mut ask = visit.ask(Act::Read, Subject::Patient(id.to_owned()));
    ask.kinds = vec![STUDY.to_owned(), PATIENT.to_owned()];
    ask.detail = detail;
    let permit = visit.permit("these images", ask).await?;
    Ok(visit.app.chart.open_with(permit))
}

/// What a `Patient` is called.
pub(crate) fn called(patient: &Value) -> String {
    let text = |path: &str| patient.pointer(path).and_then(Value::as_str);
    let whole = text("/name/0/text").map(str::to_owned);
    let parts = || {
        let given = patient.pointer("/name/0/given").and_then(Value::as_array);
        let given = given.into_iter().flatten().filter_map(Value::as_str);
        let all: Vec<&str> = given.chain(text("/name/0/family")).collect();
        (!all.is_empty()).then(|| all.join(" "))
    };
    whole
        .or_else(parts)
        .unwrap_or_else(|| "Name: no evidence".to_owned())
}

fn shot(href: &str, one: &Instance) -> Shot {
    let header = &one.header;
    let number = |name: &str, number: &str| match number {
        "" => String::new(),
        number => format!("{name} {number}"),
    };
    let parts = [
        header.modality.clone(),
        header.body_part.clone(),
        header.series_description.clone(),
        number("series", &header.series_number),
        number("picture", &header.instance_number),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Shot {
        src: format!("{href}/{}", one.index),
        alt: match parts.is_empty() {
            true => "picture, not described".to_owned(),
            false => parts.join(", "),
        },
    }
}

fn no_picture(one: &Instance) -> String {
    let why = not_drawn(one).unwrap_or("it cannot be read");
    format!("No picture: {why}.")
}

fn facts(header: &wire::dicom::Header) -> Vec<(&'static str, String)> {
    let date = header.study_date.as_str();
    let date = match (date.get(..4), date.get(4..6), date.get(6..8)) {
        (Some(year), Some(month), Some(day)) => format!("{year}-{month}-{day}"),
        _ => date.to_owned(),
    };
    let all = [
        ("Date", date),
        ("Body part", header.body_part.clone()),
        ("Accession number", header.accession.clone()),
    ];
    all.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn series_title(one: &Instance) -> String {
    let header = &one.header;
    let number = match header.series_number.as_str() {
        "" => "Series".to_owned(),
        number => format!("Series {number}"),
    };
    match header.series_description.as_str() {
        "" => number,
        text => format!("{number}: {text}"),
    }
}

fn series_detail(one: &Series) -> String {
    let header = &one.first.header;
    let objects = words::count(one.instances, "object", "objects");
    let parts = [header.modality.clone(), header.body_part.clone(), objects];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}
