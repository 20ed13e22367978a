//! Ward packs: who is on a ward and what is known of them, kept ready for when Salus is away.
//!
//! One decision of the guard stands for one reading of the charts, and whom the pack holds is
//! sealed as a list's patients are. When nothing changed, the same content is stamped anew: no
//! chart is read, and nothing is sealed.

mod content;
mod pull;
pub(crate) mod view;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chart::{ChartError, WardState};
use event::{Act, Actor, Role, Subject, Time};
use guard::{Ask, Decision, Identity, Obligation};
use lifeline::{Content, Lifeline, Stamp};
use record::Witnessed;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::App;
use crate::pages::visit::{behind, eye};
use crate::pages::words;
use crate::taking::Answering;

pub use pull::SCOPE;
pub(crate) use pull::{download, machine};

/// Charts are read again after this long though nothing seems to have changed, in milliseconds:
/// ages and periods of consents go on by themselves.
const READ_AGAIN_MS: i64 = 3_600_000;
/// The same list of patients is sealed again after this long, so that it can be found.
const LIST_AGAIN_MS: i64 = 24 * 3_600_000;
/// How often it is looked whether a pack is due.
const TICK: Duration = Duration::from_millis(500);
/// The shortest time between two makings of one ward's pack.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// What is kept between two makings.
#[derive(Default)]
pub(crate) struct Packing {
    held: Mutex<HashMap<String, Held>>,
    /// One pack at a time: they are work for the whole machine, and nobody waits for them.
    turn: tokio::sync::Mutex<()>,
}

/// What was read for a ward.
#[derive(Clone)]
struct Held {
    state: WardState,
    masks: Vec<String>,
    content: Arc<Content>,
    patients: usize,
    at: Time,
}

/// Why there is no pack.
#[derive(Debug, Error)]
pub enum PackError {
    /// The guard said no.
    #[error("the policies refuse it: {0}")]
    Refused(String),
    /// A chart cannot be read.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// The record does not seal.
    #[error(transparent)]
    Record(#[from] record::Error),
    /// It cannot be sealed or put.
    #[error(transparent)]
    Pack(#[from] lifeline::Error),
    /// It cannot be written as HTML.
    #[error("the pack cannot be written: {0}")]
    Page(String),
}

/// Makes every pack that is asked for, as often as is asked for, until `stop`.
pub async fn keep_packing(app: Arc<App>, stop: CancellationToken) {
    let mut due: HashMap<String, Instant> = HashMap::new();
    while !stop.is_cancelled() {
        for (ward, every) in wanted(&app).await {
            let now = Instant::now();
            if due.get(&ward).is_some_and(|due| *due > now) {
                continue;
            }
            due.insert(ward.clone(), now + every.max(EVERY_MIN));
            if let Err(why) = refresh(&app, &ward).await {
                tracing::error!(%ward, %why, "a ward's pack was not made; trying again");
            }
            if stop.is_cancelled() {
                return;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// The wards whose packs are asked for, and how often.
async fn wanted(app: &App) -> Vec<(String, Duration)> {
    let configs = app.lifeline.configs();
    if configs.is_empty() {
        return Vec::new();
    }
    let mut wanted: Vec<(String, Duration)> = Vec::new();
    let every = |ms: u64| Duration::from_millis(ms);
    for one in configs.iter().filter(|one| one.ward != "*") {
        wanted.push((one.ward.clone(), every(one.every_ms)));
    }
    if let Some(all) = configs.iter().find(|one| one.ward == "*") {
        let wards = app.chart.wards().await.unwrap_or_default().into_iter();
        let others = wards.filter(|ward| ward.patients + ward.expected > 0);
        for ward in others {
            if !wanted.iter().any(|(known, _)| *known == ward.code) {
                wanted.push((ward.code, every(all.every_ms)));
            }
        }
    }
    wanted
}

/// Brings a ward's pack up to date, and puts it where it is wanted.
///
/// # Errors
/// [`PackError`]; the status of the pack then says why, and its age goes on.
pub async fn refresh(app: &Arc<App>, ward: &str) -> Result<Arc<Vec<u8>>, PackError> {
    let _turn = app.packing.turn.lock().await;
    let made = make(app, ward).await;
    if let Err(why) = &made {
        app.lifeline.failed(ward, &why.to_string());
    }
    made
}

async fn make(app: &Arc<App>, ward: &str) -> Result<Arc<Vec<u8>>, PackError> {
    let made = current(app).await?;
    let state = app.chart.ward_state(ward).await?;
    let decision = app.decide(ask(ward, String::new())).await?;
    let masks = masks(&decision);
    let held = lock(app).get(ward).cloned();
    let held = held.filter(|held| {
        let same = held.state.patients == state.patients && held.state.mark == state.mark;
        same && held.masks == masks && made.since(held.at) < READ_AGAIN_MS && decision.allowed()
    });
    let held = match held {
        Some(held) => held,
        None => {
            let (content, patients) = read(app, ward, &state).await?;
            Held {
                state,
                masks,
                content: Arc::new(content),
                patients,
                at: made,
            }
        }
    };
    lock(app).insert(ward.to_owned(), held.clone());
    let stamp = stamp(app, ward, made);
    let lifeline = app.lifeline.clone();
    let work = move || lifeline.make(&held.content, held.patients, &stamp);
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|why| PackError::Page(why.to_string()))?
        .map_err(PackError::from)
}

/// The moment that the charts are as of: now, or when they have fallen behind.
async fn current(app: &App) -> Result<Time, PackError> {
    let now = app.clock.now();
    let wait = Duration::from_millis(app.settings.chart_wait_ms);
    if behind(app) == 0 || app.chart.caught_up(app.record.size(), wait).await {
        return Ok(now);
    }
    let folded = *app.chart.folded().borrow();
    let next = app.record.read(folded, 1).await?;
    Ok(next.first().map_or(now, |next| next.at()))
}

/// Reads the charts of a ward by one sealed decision.
async fn read(
    app: &Arc<App>,
    ward: &str,
    state: &WardState,
) -> Result<(Content, usize), PackError> {
    let listed = app.lifeline.listing(ward).await?;
    let now = app.clock.now();
    let listed =
        listed.filter(|list| list.patients == state.patients && now.since(list.at) < LIST_AGAIN_MS);
    let detail = match &listed {
        Some(list) => format!("ward pack, patients as listed in event {}", list.index),
        None => "ward pack".to_owned(),
    };
    let decision = app.decide(ask(ward, detail)).await?;
    let permit = match app.record.witness(decision).await? {
        Witnessed::Allowed(permit) => permit,
        Witnessed::Refused(_, decision) => {
            return Err(PackError::Refused(decision.words().join(" ")));
        }
    };
    let answering = Answering::with(&permit);
    let withheld = withheld(app, permit.ask(), &state.patients).await?;
    let open = app.chart.open_with(permit);
    let decided = open.index();
    let mut carried = open.carried(&withheld).await?;
    // Whoever came between the list and the reading is in the next pack.
    carried.retain(|one| state.patients.contains(&one.row.patient));
    let list = match listed {
        Some(list) => list.index,
        None => {
            let sealed = answering.seal(app, state.patients.clone()).await?;
            sealed.unwrap_or(decided)
        }
    };
    let order = content::Order {
        ward,
        decided,
        list,
        listed: &state.patients,
        withheld: &withheld,
    };
    let patients = carried.len();
    let html = content::html(app, &order, carried)?;
    let style = crate::assets::CSS;
    Ok((Content { html, style }, patients))
}

/// Patients who said no to their chart being shown: a pack says that they are there, no more.
async fn withheld(app: &App, ask: &Ask, patients: &[String]) -> Result<Vec<String>, PackError> {
    let now = app.clock.now();
    let mut withheld = Vec::new();
    // Who reads a pack works on the ward, as one or the other, and so for the house that runs it; a
    // no to one person alone cannot be kept, since a pack knows nobody.
    let wards = match &ask.subject {
        Subject::Ward(ward) => vec![ward.clone()],
        _ => Vec::new(),
    };
    let readers = [Role::Nurse, Role::Physician].map(|role| Identity {
        wards: wards.clone(),
        ..Identity::of(Actor {
            role,
            ..ask.identity.actor.clone()
        })
    });
    let about = |purposes: &[String]| purposes.is_empty() || purposes.contains(&ask.purpose);
    for patient in patients {
        for reader in &readers {
            let facts = app.chart.facts(reader, patient, now).await?;
            let mut consents = facts.consents.iter();
            let refuses = consents.any(|one| !one.permits && about(&one.purposes));
            if refuses && !withheld.contains(patient) {
                withheld.push(patient.clone());
            }
        }
    }
    Ok(withheld)
}

fn ask(ward: &str, detail: String) -> Ask {
    Ask {
        identity: Identity::of(Actor::salus()),
        act: Act::Carry,
        subject: Subject::Ward(ward.to_owned()),
        kinds: Vec::new(),
        purpose: "TREAT".to_owned(),
        reason: None,
        detail,
    }
}

/// What is left out of packs: another set of policies may leave out more.
fn masks(decision: &Decision) -> Vec<String> {
    let leaves_out = |one: &&Obligation| matches!(one, Obligation::Hide(_) | Obligation::Mask(_));
    let obligations = decision.obligations().iter().filter(leaves_out);
    obligations.map(ToString::to_string).collect()
}

fn stamp(app: &App, ward: &str, made: Time) -> Stamp {
    let eye = eye(app);
    let said = words::Stamp::new(made, &eye);
    let limits = app.lifeline.limits();
    Stamp {
        ward: ward.to_owned(),
        made,
        made_words: format!("{} {} {}", said.day, said.exact, app.settings.zone),
        old_ms: limits.pack_old_ms,
        lock_ms: limits.pack_lock_ms,
        head: Lifeline::head(&app.record.checkpoint().1),
    }
}

/// What a panicking thread left is still what was read.
fn lock(app: &App) -> std::sync::MutexGuard<'_, HashMap<String, Held>> {
    let held = app.packing.held.lock();
    held.unwrap_or_else(PoisonError::into_inner)
}
