//! Lifeline: what is left when Salus, the network or the building is away?

pub(crate) mod card;
mod drills;
mod errand;
mod ladder;
pub(crate) mod order;
pub(crate) mod packs;
mod point;
pub(crate) mod rewind;
pub(crate) mod view;

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use lifeline::PackStatus;
use serde::Deserialize;

use crate::errands::Errand;
use crate::error::{Problem, broken};
use crate::pages::shell::{Here, Tone};
use crate::pages::visit::{Visit, page};
use crate::pages::words;
use view::{LifelinePage, PackRow, Step};

/// What the page is asked with.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Asked {
    /// An event to go back to.
    point: String,
    /// The same, typed: counts before the slider's.
    event: String,
}

/// `GET /lifeline`
pub(crate) async fn show(visit: Visit, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    page(StatusCode::OK, &overview(&visit, (&asked, None)).await?)
}

/// The page, with what was wrong with a form.
async fn overview(
    visit: &Visit,
    (asked, wrong): (&Asked, Option<String>),
) -> Result<LifelinePage, Problem> {
    let told = packs::Told::of(&visit.app, visit.eye.now);
    let lifeline = &visit.app.lifeline;
    let statuses = lifeline.statuses();
    let copies = lifeline.copies().await.map_err(|why| broken(&why))?;
    let tried = lifeline
        .drills(drills::SHOWN)
        .await
        .map_err(|why| broken(&why))?;
    let (within_tone, within) = drills::within(visit, &tried);
    let wanted = [asked.event.trim(), asked.point.trim()];
    let wanted = wanted.into_iter().find(|one| !one.is_empty());
    let point = point::at(visit, wanted.unwrap_or_default()).await?;
    let errand = visit.app.errands.drill.now();
    Ok(LifelinePage {
        shell: visit.shell("Lifeline", Here::Lifeline),
        tone: told.tone,
        answer: answer(&told),
        packs: statuses.iter().map(|one| row(visit, one)).collect(),
        wards: wards(visit).await?,
        rungs: ladder::rungs(visit, &copies),
        vitals: drills::figures(visit, &tried),
        drills: drills::rows(visit, &tried),
        choices: order::DRILLS.to_vec(),
        orders: rewind::may_order(visit) && !matches!(errand, Errand::Runs(_)),
        drilling: errand::words(visit, &errand),
        wrong,
        clean: clean(visit).await?,
        within_tone,
        within,
        last: visit.app.record.size().saturating_sub(1),
        at: point.as_ref().map_or_else(
            || visit.app.record.size().saturating_sub(1),
            |point| point.index,
        ),
        point,
        steps: steps(visit).await?,
    })
}

/// The last clean point, if something speaks of an intrusion: index, and what does.
async fn clean(visit: &Visit) -> Result<Option<(u64, String)>, Problem> {
    let days = i64::from(visit.app.lifeline.limits().evidence_days);
    let since = event::Time::from_millis(visit.eye.now.millis() - days * 86_400_000);
    let first = visit.app.lifeline.evidence(since, 1).await;
    let first = first.map_err(|why| broken(&why))?.into_iter().next();
    Ok(first.map(|one| (one.index.saturating_sub(1), one.what)))
}

fn answer(told: &packs::Told) -> String {
    match told.tone {
        Tone::Good => "Every ward pack is fresh.".to_owned(),
        Tone::Unknown => "There is no evidence that wards could go on without Salus.".to_owned(),
        Tone::Warn | Tone::Bad => words::sentence(&told.detail),
    }
}

/// Waits until the view knows what was just sealed: the page that is shown next has to.
pub(crate) async fn settled(visit: &Visit) {
    let wait = std::time::Duration::from_millis(visit.app.settings.chart_wait_ms);
    let size = visit.app.record.size();
    visit.app.lifeline.caught_up(size, wait).await;
}

/// In which order things come back, each needing those before it, and how it stands now.
async fn steps(visit: &Visit) -> Result<Vec<Step>, Problem> {
    let feeds = visit.app.flow.feeds(visit.eye.now).await;
    let mut feeds = feeds.map_err(|why| broken(&why))?;
    // Patients have to be there before what is about them.
    feeds.sort_by_key(|feed| (!feed.name.to_lowercase().contains("adt"), feed.name.clone()));
    let size = visit.app.record.size();
    let late = crate::pages::visit::behind(&visit.app);
    let step = |name: &str, why: &str, now: String| Step {
        name: name.to_owned(),
        why: why.to_owned(),
        now,
    };
    let mut steps = vec![
        step(
            "Root key and keyring",
            "without them no event can be read",
            "in use".to_owned(),
        ),
        step(
            "Record",
            "everything else is read from it",
            words::count(size, "event", "events"),
        ),
        step(
            "Charts",
            "people need them first; folded from the record",
            words::count(late, "event behind", "events behind"),
        ),
        step(
            "Sign-in",
            "nobody sees a chart without it",
            words::count(visit.app.staff.people().len() as u64, "account", "accounts"),
        ),
        step(
            "Ward packs",
            "what wards read until then",
            words::count(visit.app.lifeline.statuses().len() as u64, "ward", "wards"),
        ),
    ];
    for feed in feeds {
        let why = match feed.name.to_lowercase().contains("adt") {
            true => "patients have to be known before what is about them",
            false => "it sends again what was not acknowledged",
        };
        let now = format!("last heard {} ago", words::span(feed.age_ms));
        steps.push(step(&format!("Feed {}", feed.name), why, now));
    }
    steps.push(step(
        "Paper",
        "typed in last, decided by people",
        "see Downtime".to_owned(),
    ));
    Ok(steps)
}

/// The wards whose packs this person may fetch or whose cards they may print.
async fn wards(visit: &Visit) -> Result<Vec<(String, String)>, Problem> {
    let wards = visit.app.chart.wards().await?;
    let own = |code: &str| visit.identity.wards.iter().any(|ward| ward == code);
    let administers = visit.identity.role() == event::Role::Administrator;
    let may = wards
        .into_iter()
        .filter(|ward| administers || own(&ward.code));
    Ok(may
        .map(|ward| (words::in_path(&ward.code), ward.code))
        .collect())
}

fn row(visit: &Visit, status: &PackStatus) -> PackRow {
    let now = visit.eye.now;
    let limits = visit.app.lifeline.limits();
    let old = status.is_old(now, limits);
    let puts = status.puts.iter().map(|put| {
        let proved = put.proved.map_or_else(
            || "never".to_owned(),
            |at| format!("{} ago", words::span(now.since(at))),
        );
        (
            put.folder.display().to_string(),
            proved,
            words::quoted(&put.wrong),
        )
    });
    PackRow {
        ward: status.ward.clone(),
        tone: if old { Tone::Bad } else { Tone::Good },
        age: status.age(now).map_or_else(
            || "missing".to_owned(),
            |age| format!("{} old", words::span(age)),
        ),
        patients: words::thousands(status.patients as u64),
        kilobytes: words::thousands(status.bytes.div_ceil(1024) as u64),
        events: words::thousands(status.events),
        puts: puts.collect(),
        wrong: words::quoted(&status.wrong),
        part: old_part(status, now, limits),
    }
}

/// How much of the time until it counts as old has passed, of 100.
fn old_part(status: &PackStatus, now: event::Time, limits: &lifeline::Limits) -> i64 {
    let age = status.age(now).unwrap_or(limits.pack_old_ms);
    (age.saturating_mul(100) / limits.pack_old_ms.max(1)).clamp(2, 100)
}
