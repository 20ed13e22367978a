//! `/patients`: the wards, the lists of the person's own, the search.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use chart::{CensusRow, FindPatient, WardCount};
use event::{Act, Subject};
use guard::Ask;
use record::Witnessed;
use serde::Deserialize;

use super::told::place;
use super::view::{PatientsPage, Row, SearchForm, WardLink, WardList};
use crate::error::{Problem, broken, said};
use crate::pages::shell::Here;
use crate::pages::visit::{Fields, Posted, Visit, page};
use crate::pages::words;
use crate::taking::Answering;

/// The longest thing that is looked for, in characters.
const TYPED_LETTERS_MAX: usize = 100;

/// What the page is asked with: a ward, or the id of a search.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct Wanted {
    ward: String,
    search: String,
}

/// What was typed into the search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) name: String,
    identifier: String,
    born: String,
    ward: String,
}

impl Typed {
    /// A search by name alone.
    pub(crate) fn name(name: &str) -> Typed {
        Typed {
            name: name.to_owned(),
            ..Typed::default()
        }
    }

    fn of(fields: &Fields) -> Typed {
        let field = |name: &str| fields.get(name).to_owned();
        Typed {
            name: field("name"),
            identifier: field("identifier"),
            born: field("born"),
            ward: field("ward"),
        }
    }
}

/// `POST /patients`: what is looked for comes in the body and goes into no address.
pub(crate) async fn search(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let typed = Typed::of(&fields);
    let form = form(&typed)?;
    if !form.searches() {
        let ward = words::in_query(&form.ward);
        let place = match ward.as_str() {
            "" => "/patients".to_owned(),
            ward => format!("/patients?ward={ward}"),
        };
        return Ok(Redirect::to(&place).into_response());
    }
    let kept = keep(&visit, typed)?;
    Ok(Redirect::to(&format!("/patients?search={kept}")).into_response())
}

/// Keeps what the visitor looks for; the id under which this session finds it again.
pub(crate) fn keep(visit: &Visit, typed: Typed) -> Result<String, Problem> {
    let kept = visit.session.typed.patients.keep(typed);
    kept.ok_or_else(|| broken(&"this machine gives no random numbers"))
}

/// What the search finds; without one, the lists of the person's own wards.
pub(crate) async fn lists(visit: &Visit, typed: &Typed) -> Result<Vec<WardList>, Problem> {
    let form = form(typed)?;
    if !form.name.is_empty() {
        return Ok(vec![found(visit, &form).await?]);
    }
    let mut lists = Vec::new();
    for ward in &visit.identity.wards {
        lists.push(census(visit, ward).await?);
    }
    Ok(lists)
}

/// `GET /patients`
pub(crate) async fn show(visit: Visit, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    let kept = visit.session.typed.patients.find(&wanted.search);
    let typed = kept.unwrap_or_else(|| Typed {
        ward: wanted.ward,
        ..Typed::default()
    });
    let form = form(&typed)?;
    let wards = visit.app.chart.wards().await?;
    let searched = form.searches();
    let mut lists = Vec::new();
    if searched {
        lists.push(found(&visit, &form).await?);
    } else if form.ward.is_empty() {
        for ward in &visit.identity.wards {
            lists.push(census(&visit, ward).await?);
        }
    } else {
        lists.push(census(&visit, &form.ward).await?);
    }
    let (question, answer) = answer(&lists, searched, &form.ward);
    let view = PatientsPage {
        shell: visit.shell("Patients", Here::Patients),
        question,
        answer,
        wards: links(&visit, &wards, &form.ward),
        search: form,
        lists,
        away: crate::pages::downtime::away(&visit),
    };
    page(StatusCode::OK, &view)
}

/// Refuses what is longer than a search takes.
pub(crate) fn check(typed: &Typed) -> Result<(), Problem> {
    form(typed).map(drop)
}

fn form(typed: &Typed) -> Result<SearchForm, Problem> {
    let all = [&typed.name, &typed.identifier, &typed.born, &typed.ward];
    if all
        .iter()
        .any(|one| one.chars().count() > TYPED_LETTERS_MAX)
    {
        return Err(Problem::Malformed(format!(
            "a search takes at most {TYPED_LETTERS_MAX} characters in each field"
        )));
    }
    let form = SearchForm {
        name: typed.name.trim().to_owned(),
        identifier: typed.identifier.trim().to_owned(),
        born: typed.born.trim().to_owned(),
        ward: typed.ward.trim().to_owned(),
    };
    let date = form
        .born
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-');
    if !date || !matches!(form.born.len(), 0 | 4 | 7 | 10) {
        return Err(Problem::Malformed(format!(
            "`{}` is no birth date; write it as 1950-04-12, 1950-04 or 1950",
            form.born
        )));
    }
    Ok(form)
}

async fn census(visit: &Visit, ward: &str) -> Result<WardList, Problem> {
    let ask = visit.ask(Act::Read, Subject::Ward(ward.to_owned()));
    let most = visit.app.settings.patients_per_page_max;
    listed(
        visit,
        ask,
        format!("Ward {ward}"),
        async |open: chart::Open| {
            let mut rows = open.census().await?;
            let cut = rows.len() > most;
            rows.truncate(most);
            Ok((rows, cut))
        },
    )
    .await
}

async fn found(visit: &Visit, form: &SearchForm) -> Result<WardList, Problem> {
    let mut ask = visit.ask(Act::Search, Subject::Kind("Patient".to_owned()));
    ask.kinds = vec!["Patient".to_owned()];
    ask.detail = detail(form);
    let most = visit.app.settings.patients_per_page_max;
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let find = FindPatient {
        name: given(&form.name),
        identifier: given(&form.identifier),
        birth_date: given(&form.born),
        ward: given(&form.ward),
        limit: most + 1,
    };
    listed(visit, ask, "Found".to_owned(), async |open: chart::Open| {
        let mut rows = open.find(&find).await?;
        let cut = rows.len() > most;
        rows.truncate(most);
        Ok((rows, cut))
    })
    .await
}

/// The sealed decision's list: its rows, or why it may not be seen.
async fn listed(
    visit: &Visit,
    ask: Ask,
    title: String,
    read: impl AsyncFnOnce(chart::Open) -> Result<(Vec<CensusRow>, bool), chart::ChartError>,
) -> Result<WardList, Problem> {
    let (rows, cut, refused, decision) = match visit.witness(ask).await? {
        Witnessed::Refused(index, decision) => (Vec::new(), false, said(&decision), index),
        Witnessed::Allowed(permit) => {
            let index = permit.index();
            let answering = Answering::with(&permit);
            let (rows, cut) = read(visit.app.chart.open_with(permit)).await?;
            let patients = rows.iter().map(|row| row.patient.clone()).collect();
            answering.seal(&visit.app, patients).await?;
            (rows, cut, Vec::new(), index)
        }
    };
    let rows = rows.into_iter().map(|row| told(visit, row)).collect();
    Ok(WardList {
        title,
        rows,
        refused,
        cut,
        decision,
    })
}

fn told(visit: &Visit, row: CensusRow) -> Row {
    row_of(&visit.eye, row)
}

/// One patient of a list.
pub(crate) fn row_of(eye: &words::Eye, row: CensusRow) -> Row {
    let born = row.birth_date.unwrap_or_default();
    let number = row
        .identifiers
        .iter()
        .find(|one| one.label.starts_with("MR"));
    let number = number.or(row.identifiers.first());
    Row {
        age: words::years_since(&born, eye).map_or_else(String::new, |years| years.to_string()),
        id: row.patient,
        name: row.name.unwrap_or_else(|| "Name: no evidence".to_owned()),
        born,
        sex: row.sex.unwrap_or_default(),
        identifier: number.map_or_else(String::new, |number| number.value.clone()),
        ward: row.ward.unwrap_or_default(),
        place: place(row.room.as_deref(), row.bed.as_deref()),
        expected: row.expected,
        attending: row.attending.unwrap_or_default(),
    }
}

/// What was looked for, as the record keeps it.
fn detail(form: &SearchForm) -> String {
    let fields = [
        ("name", &form.name),
        ("identifier", &form.identifier),
        ("born", &form.born),
        ("ward", &form.ward),
    ];
    let typed = fields.iter().filter(|(_, value)| !value.is_empty());
    typed
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
}

fn answer(lists: &[WardList], searched: bool, ward: &str) -> (&'static str, String) {
    let many: u64 = lists.iter().map(|list| list.rows.len() as u64).sum();
    let refused = lists.iter().any(|list| !list.refused.is_empty());
    if refused && many == 0 {
        let question = if searched {
            "Whom does the search find?"
        } else {
            "Who is on this ward?"
        };
        return (question, "You may not see this list.".to_owned());
    }
    if searched {
        let answer = match many {
            0 => "Nobody fits.".to_owned(),
            1 => "1 patient fits.".to_owned(),
            _ => format!("{} patients fit.", words::thousands(many)),
        };
        return ("Whom does the search find?", answer);
    }
    let patients = words::count(many, "patient is", "patients are");
    if !ward.is_empty() {
        return (
            "Who is on this ward?",
            words::sentence(&format!("{patients} on ward {ward}")),
        );
    }
    match lists.len() {
        0 => (
            "Who is on your wards?",
            "You work on no ward: choose one, or search.".to_owned(),
        ),
        1 => (
            "Who is on your ward?",
            words::sentence(&format!("{patients} on your ward")),
        ),
        _ => (
            "Who is on your wards?",
            words::sentence(&format!("{patients} on your wards")),
        ),
    }
}

/// The wards, the person's own first.
fn links(visit: &Visit, wards: &[WardCount], here: &str) -> Vec<WardLink> {
    let own = |code: &str| visit.identity.wards.iter().any(|ward| ward == code);
    let mut links: Vec<WardLink> = wards
        .iter()
        .map(|ward| WardLink {
            href: format!("/patients?ward={}", words::in_query(&ward.code)),
            patients: words::thousands(ward.patients),
            own: own(&ward.code),
            here: ward.code == here,
            code: ward.code.clone(),
        })
        .collect();
    links.sort_by_key(|link| !link.own);
    links
}
