//! Access: who looked at whose chart, when, what part, and why it was allowed.

mod elsewhere;
pub(crate) mod exports;
pub(crate) mod graph;
pub(crate) mod letter;
pub(crate) mod print;
mod told;
mod typed;
pub(crate) mod view;

use access::{Filter, Listing, Page, Trace, TraceId, What};
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use event::{Act, Subject, Time};
use staff::Listed;

use crate::error::{Problem, broken};
use crate::pages::shell::Here;
use crate::pages::visit::{Visit, page};
use crate::pages::words;
use graph::Graph;
use told::Teller;
use typed::{TYPED_LETTERS_MAX, patient};
pub(crate) use typed::{Typed, search};
use view::{AccessPage, Asked, Choice, Outlet, Taken};

/// Rows of a list on one page.
const ROWS: usize = 50;
/// People or patients that are summed up on one page.
const SUMS_MAX: usize = 200;
/// Days that are looked at when none are named.
const DAYS: i64 = 90;
const DAY_MS: i64 = 86_400_000;

/// `GET /access`
pub(crate) async fn show(visit: Visit, Query(typed): Query<Typed>) -> Result<Response, Problem> {
    let typed = typed.recalled(&visit);
    let span = span(&visit, &typed)?;
    let view = match (typed.patient.trim(), typed.account.trim()) {
        ("", "") => start(&visit, (&typed, span)).await?,
        ("", account) => of_account(&visit, account, (&typed, span)).await?,
        (_, _) => {
            let patient = patient(&visit, &typed).await?;
            of_patient(&visit, &patient, (&typed, span)).await?
        }
    };
    page(StatusCode::OK, &view)
}

/// The days that are looked at: from the first, to before the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub from: Time,
    pub to: Option<Time>,
}

fn span(visit: &Visit, typed: &Typed) -> Result<Span, Problem> {
    let from = day(visit, &typed.from)?;
    let to = day(visit, &typed.to)?;
    Ok(Span {
        from: from.unwrap_or(visit.eye.now.plus_millis(-DAYS * DAY_MS)),
        to: to.map(|to| to.plus_millis(DAY_MS)),
    })
}

/// Midnight of a typed day in the zone that pages show; `None`: nothing was typed.
pub(crate) fn day(visit: &Visit, typed: &str) -> Result<Option<Time>, Problem> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(None);
    }
    let wrong = || {
        let shown: String = typed.chars().take(20).collect();
        Problem::Malformed(format!("`{shown}` is no day; write it as 2026-11-26"))
    };
    let date: jiff::civil::Date = typed.parse().map_err(|_| wrong())?;
    let midnight = date.to_zoned(visit.eye.zone.clone()).map_err(|_| wrong())?;
    Ok(Some(Time::from_millis(
        midnight.timestamp().as_millisecond(),
    )))
}

/// What every form of this page shows: what was typed, and whom one may choose.
fn asked(visit: &Visit, (typed, span): (&Typed, Span)) -> Asked {
    let listed = visit.app.staff.people().into_iter();
    let listed = listed.chain(visit.app.staff.clients());
    let choice = |one: Listed| Choice {
        name: format!("{} ({})", one.name, words::role(one.role)),
        account: one.id,
    };
    Asked {
        patient: typed.patient.trim().to_owned(),
        account: typed.account.trim().to_owned(),
        accounts: listed.map(choice).collect(),
        from: visit.stamp(span.from).day,
        to: typed.to.trim().to_owned(),
        address: typed.address(),
    }
}

async fn start(visit: &Visit, (typed, span): (&Typed, Span)) -> Result<AccessPage, Problem> {
    let mut ask = visit.ask(Act::Audit, Subject::Record);
    ask.purpose = "HOPERAT".to_owned();
    let permit = visit.permit("who looked", ask).await?;
    let filter = Filter {
        from: Some(span.from),
        to: span.to,
        allowed: Some(false),
        ..Filter::default()
    };
    let listing = listing(visit, &filter, typed).await?;
    let refused = visit
        .app
        .access
        .count(&filter)
        .await
        .map_err(|why| broken(&why))?;
    let teller = Teller::new(visit);
    let mut view = AccessPage {
        answer: format!(
            "{} refused since {}.",
            words::count(refused, "look was", "looks were"),
            visit.stamp(span.from).day
        ),
        ..empty(visit, (typed, span), permit.index())
    };
    view.answer = words::capital(&view.answer);
    view.rows = listing.rows.iter().map(|trace| teller.row(trace)).collect();
    view.next = listing.next.map(|id| id.to_string());
    view.outlet = outlet(visit);
    Ok(view)
}

fn empty(visit: &Visit, asked_with: (&Typed, Span), decision: u64) -> AccessPage {
    AccessPage {
        shell: visit.shell("Access", Here::Access),
        question: "Who looked at whose chart?",
        answer: String::new(),
        asked: asked(visit, asked_with),
        graph: None,
        people: Vec::new(),
        patients: Vec::new(),
        taken: None,
        rows: Vec::new(),
        next: None,
        elsewhere: Vec::new(),
        told: String::new(),
        decision,
        outlet: None,
    }
}

async fn of_patient(
    visit: &Visit,
    patient: &str,
    (typed, span): (&Typed, Span),
) -> Result<AccessPage, Problem> {
    let mut ask = visit.ask(Act::Audit, Subject::Patient(patient.to_owned()));
    ask.purpose = "HOPERAT".to_owned();
    let permit = visit.permit("who looked at this chart", ask).await?;
    let filter = Filter {
        from: Some(span.from),
        to: span.to,
        ..Filter::of_patient(visit.app.chart.family(patient))
    };
    let looks = Filter {
        what: What::LOOKS.to_vec(),
        ..filter.clone()
    };
    let lookers = visit.app.access.lookers(&looks, SUMS_MAX).await;
    let lookers = lookers.map_err(|why| broken(&why))?;
    let listing = listing(visit, &filter, typed).await?;
    let teller = Teller::new(visit);
    let mut people = Vec::new();
    for looker in &lookers {
        people.push(teller.looker(patient, looker).await?);
    }
    let open = people.iter().filter(|one| one.unexplained()).count() as u64;
    let mut view = empty(visit, (typed, span), permit.index());
    view.question = "Who looked at this chart?";
    view.answer = told::answer(
        people.len() as u64,
        open,
        ("person or system", "people and systems"),
    );
    view.graph = Graph::of_people(&people, patient);
    let family = visit.app.chart.family(patient);
    let (elsewhere, told) = elsewhere::of_patients(visit, family, span).await?;
    view.told = match told > elsewhere.len() as u64 {
        true => format!(
            "The newest {} of {}.",
            elsewhere.len(),
            words::thousands(told)
        ),
        false => String::new(),
    };
    view.elsewhere = elsewhere;
    view.people = people;
    view.rows = listing.rows.iter().map(|trace| teller.row(trace)).collect();
    view.next = listing.next.map(|id| id.to_string());
    Ok(view)
}

async fn of_account(
    visit: &Visit,
    account: &str,
    (typed, span): (&Typed, Span),
) -> Result<AccessPage, Problem> {
    if account.chars().count() > TYPED_LETTERS_MAX {
        return Err(Problem::Missing("account with so long a name".to_owned()));
    }
    let mut ask = visit.ask(Act::Audit, Subject::Account(account.to_owned()));
    ask.purpose = "HOPERAT".to_owned();
    let permit = visit.permit("what this account looked at", ask).await?;
    let filter = Filter {
        from: Some(span.from),
        to: span.to,
        ..Filter::of_account(account)
    };
    let looks = Filter {
        what: What::LOOKS.to_vec(),
        ..filter.clone()
    };
    let looked = visit.app.access.looked(&looks, SUMS_MAX).await;
    let looked = looked.map_err(|why| broken(&why))?;
    let listing = listing(visit, &filter, typed).await?;
    let teller = Teller::new(visit);
    let identity = visit.app.staff.identity(account);
    let mut patients = Vec::new();
    for one in looked.iter().filter(|one| !one.patient.is_empty()) {
        patients.push(teller.looked(identity.as_ref(), one).await?);
    }
    let open = patients.iter().filter(|one| one.unexplained()).count() as u64;
    let mut view = empty(visit, (typed, span), permit.index());
    view.question = "Whose charts did this account look at?";
    view.answer = told::answer(patients.len() as u64, open, ("patient", "patients"));
    let name = listing
        .rows
        .first()
        .map_or(account, |row| row.actor.name.as_str());
    view.graph = Graph::of_patients(name, &patients);
    view.taken = identity
        .as_ref()
        .and_then(|identity| taken(visit, identity));
    view.patients = patients;
    view.rows = listing.rows.iter().map(|trace| teller.row(trace)).collect();
    view.next = listing.next.map(|id| id.to_string());
    Ok(view)
}

/// How much the account takes now, and what it may.
fn taken(visit: &Visit, identity: &guard::Identity) -> Option<Taken> {
    let access = &visit.app.access;
    let need = access.need(&identity.actor, visit.eye.now)?;
    let (hour, day) = access.taken(&identity.actor.id, visit.eye.now);
    Some(Taken {
        hour,
        day,
        ceiling_hour: need.ceiling.patients_hour,
        ceiling_day: need.ceiling.patients_day,
        learned_days: need.learned_days,
    })
}

async fn listing(visit: &Visit, filter: &Filter, typed: &Typed) -> Result<Listing<Trace>, Problem> {
    let after = match typed.after.as_str() {
        "" => None,
        typed => Some(TraceId::parse(typed).ok_or_else(|| {
            Problem::Malformed("the page that is asked for does not exist".to_owned())
        })?),
    };
    let page = Page {
        after,
        ..Page::newest(ROWS)
    };
    let listing = visit.app.access.traces(filter, page).await;
    listing.map_err(|why| broken(&why))
}

/// How the audit trail's way out does; `None`: it leads nowhere.
pub(crate) fn outlet(visit: &Visit) -> Option<Outlet> {
    let status = visit.app.access.outlet()?;
    let behind = visit.app.record.size().saturating_sub(status.next);
    Some(Outlet {
        to: status.to,
        behind: words::count(behind, "sealed event waits", "sealed events wait"),
        waits: behind > 0,
        delivered: words::thousands(status.delivered),
        last: status.last.map(|last| visit.stamp(last)),
        trouble: status
            .trouble
            .map(|why| words::quoted(&words::sentence(&why))),
    })
}
