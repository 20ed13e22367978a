//! One route: what waits, what was set aside, and what may be ordered.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Subject, Time};
use jiff::civil::DateTime;
use routes::RouteState;

use crate::error::{Problem, broken};
use crate::pages::shell::{Here, Shell, Tone};
use crate::pages::visit::{Fields, Posted, Visit, page, reason};
use crate::pages::words::{self, Stamp};
use crate::routing::{RouteWanted, Step, Which, manage};

/// A message that waits longer than this needs somebody to look.
const WAITS_LATE_MS: i64 = 60_000;

/// Does what arrives reach this receiver?
#[derive(Template)]
#[template(path = "flow_route.html")]
pub(crate) struct RoutePage {
    pub shell: Shell,
    pub answer: String,
    pub route: RouteRow,
    pub aside: Vec<AsideRow>,
    /// The index of the event with its rules.
    pub rules: u64,
    /// The message whose turn is next; `None`: none waits.
    pub next: Option<u64>,
    /// Whether this person may order something.
    pub orders: bool,
    pub messages: String,
    pub reason: String,
    pub wrong: Option<String>,
}

/// How a route does.
pub(crate) struct RouteRow {
    pub name: String,
    pub to: String,
    pub tone: Tone,
    pub state: String,
    pub paused: bool,
    /// When a receiver last took one.
    pub last: Option<Stamp>,
    /// Taken within 24 hours.
    pub day: String,
    pub depth: String,
    /// Since when the oldest waits.
    pub oldest: Option<Stamp>,
    /// Set aside within 24 hours.
    pub errors: String,
    /// What keeps it from sending; empty: nothing, or nobody who may know it asks.
    pub trouble: String,
}

/// A message that was set aside.
pub(crate) struct AsideRow {
    pub message: u64,
    pub at: Stamp,
    pub outcome: &'static str,
    pub answer: String,
}

/// The rows of all routes; what receivers said for those alone who oversee feeds.
pub(crate) async fn rows(visit: &Visit, oversees: bool) -> Result<Vec<RouteRow>, Problem> {
    let states = visit.app.routes.list(visit.eye.now).await;
    let states = states.map_err(|why| broken(&why))?;
    Ok(states
        .iter()
        .map(|state| row(visit, state, oversees))
        .collect())
}

fn row(visit: &Visit, state: &RouteState, oversees: bool) -> RouteRow {
    let (tone, words) = light(state, visit.eye.now);
    let trouble = state.trouble.as_deref().filter(|_| oversees);
    RouteRow {
        name: state.name.clone(),
        to: state.to.clone(),
        tone,
        state: words,
        paused: state.paused.is_some(),
        last: state.last.map(|last| visit.stamp(last)),
        day: words::thousands(state.taken_day),
        depth: words::thousands(state.depth),
        oldest: state.oldest.map(|oldest| visit.stamp(oldest)),
        errors: words::thousands(state.aside_day),
        trouble: trouble.map(words::quoted).unwrap_or_default(),
    }
}

/// The light, in words.
fn light(state: &RouteState, now: Time) -> (Tone, String) {
    let late = state
        .oldest
        .is_some_and(|oldest| now.since(oldest) > WAITS_LATE_MS);
    let (tone, words) = match state {
        RouteState {
            open: false,
            depth: 0,
            ..
        } => (Tone::Unknown, "not configured any more"),
        RouteState { open: false, .. } => (Tone::Bad, "not configured any more, and messages wait"),
        RouteState {
            paused: Some(_), ..
        } => (Tone::Warn, "paused"),
        RouteState {
            trouble: Some(_), ..
        } => (Tone::Bad, "held up"),
        _ if late => (Tone::Warn, "late"),
        RouteState { aside_day: 1.., .. } => (Tone::Warn, "some were refused"),
        RouteState {
            last: None,
            depth: 0,
            ..
        } => (Tone::Unknown, "nothing passed on yet"),
        _ => (Tone::Good, "passing on"),
    };
    (tone, words.to_owned())
}

/// What is said of feeds, and which routes are held up.
pub(super) fn with_routes((tone, words): (Tone, String), rows: &[RouteRow]) -> (Tone, String) {
    let held = rows.iter().filter(|row| row.tone == Tone::Bad);
    let held: Vec<String> = held
        .map(|row| format!("\u{201c}{}\u{201d}", row.name))
        .collect();
    match held.as_slice() {
        [] => (tone, words),
        [one] => (Tone::Bad, format!("{words} The route {one} is held up.")),
        _ => (
            Tone::Bad,
            format!("{words} The routes {} are held up.", words::list(&held)),
        ),
    }
}

/// `GET /flow/routes/{name}`
pub(crate) async fn show(visit: Visit, Path(name): Path<String>) -> Result<Response, Problem> {
    let view = view(&visit, (&name, &Fields::default()), None).await?;
    page(StatusCode::OK, &view)
}

/// `POST /flow/routes/{name}`: an order, with a reason.
pub(crate) async fn order(Path(name): Path<String>, posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let wanted = match wanted(&visit, (&name, &fields)) {
        Ok(wanted) => wanted,
        Err(wrong) => return again(&visit, (&name, &fields), wrong).await,
    };
    if matches!(wanted.step, Step::Replay(_)) {
        visit.needs_step_up(&address(&name))?;
    }
    let mut ask = manage(&visit.identity, &name);
    ask.reason = Some(wanted.reason.clone());
    let decision = visit.leave("orders about this route", ask).await?;
    match visit.app.order_route_by(&wanted, &decision).await {
        Ok(_) => Ok(Redirect::to(&address(&name)).into_response()),
        Err(wrong) => again(&visit, (&name, &fields), words::quoted(&wrong)).await,
    }
}

fn address(name: &str) -> String {
    format!("/flow/routes/{}", words::in_path(name))
}

async fn again(visit: &Visit, typed: (&str, &Fields), wrong: String) -> Result<Response, Problem> {
    let view = view(visit, typed, Some(wrong)).await?;
    page(StatusCode::BAD_REQUEST, &view)
}

async fn view(
    visit: &Visit,
    (name, typed): (&str, &Fields),
    wrong: Option<String>,
) -> Result<RoutePage, Problem> {
    let ask = visit.ask(Act::Read, Subject::Feed(name.to_owned()));
    visit.leave("this route", ask).await?;
    let routes = &visit.app.routes;
    let states = routes
        .list(visit.eye.now)
        .await
        .map_err(|why| broken(&why))?;
    let state = states.into_iter().find(|state| state.name == name);
    let state = state.ok_or_else(|| Problem::Missing("route at this address".to_owned()))?;
    let aside = routes.aside(name).await.map_err(|why| broken(&why))?;
    let may = visit.decide(manage(&visit.identity, name)).await?;
    let route = row(visit, &state, true);
    Ok(RoutePage {
        shell: visit.shell(&format!("Route {name}"), Here::Flow),
        answer: words::sentence(&answer(&state, &route)),
        route,
        aside: aside
            .into_iter()
            .map(|one| AsideRow {
                message: one.message,
                at: visit.stamp(one.at),
                outcome: one.outcome.word(),
                answer: words::quoted(&one.answer),
            })
            .collect(),
        rules: state.rules,
        next: state.next,
        orders: may.allowed(),
        messages: typed.get("messages").to_owned(),
        reason: typed.get("reason").to_owned(),
        wrong,
    })
}

fn answer(state: &RouteState, row: &RouteRow) -> String {
    let waits = words::count(state.depth, "message waits", "messages wait");
    match &state.paused {
        Some(why) => format!("paused: {}; {waits}", words::quoted(why)),
        None => format!("{}; {waits}", row.state),
    }
}

fn wanted(visit: &Visit, (name, fields): (&str, &Fields)) -> Result<RouteWanted, String> {
    let step = match fields.get("do") {
        "pause" => Step::Pause,
        "resume" => Step::Resume,
        "skip" => {
            let message = fields.get("message").parse();
            Step::Skip(message.map_err(|_| "Say which message: its number.".to_owned())?)
        }
        "replay" => Step::Replay(which(visit, fields)?),
        _ => return Err("Choose what to do.".to_owned()),
    };
    Ok(RouteWanted {
        route: name.to_owned(),
        step,
        reason: reason(fields)?,
    })
}

/// Numbers and spans of them, or two moments in the zone of the house.
fn which(visit: &Visit, fields: &Fields) -> Result<Which, String> {
    let (since, until) = (fields.get("since"), fields.get("until"));
    let typed = fields.get("messages");
    if typed.is_empty() && !since.is_empty() && !until.is_empty() {
        return Ok(Which::Between(moment(visit, since)?, moment(visit, until)?));
    }
    let runs = typed
        .split([' ', ','])
        .filter(|one| !one.is_empty())
        .map(|one| {
            let (first, last) = one.split_once('-').unwrap_or((one, one));
            let (first, last): (Option<u64>, Option<u64>) = (first.parse().ok(), last.parse().ok());
            first.zip(last).filter(|(first, last)| first <= last)
        });
    let runs: Option<Vec<_>> = runs.collect();
    let runs = runs.filter(|runs| !runs.is_empty());
    runs.map(Which::Indices).ok_or_else(|| {
        "Say which messages: numbers such as 4711 4720-4790, or from when until when.".to_owned()
    })
}

fn moment(visit: &Visit, typed: &str) -> Result<Time, String> {
    let read: Option<DateTime> = typed.parse().ok();
    let zoned = read.and_then(|read| read.to_zoned(visit.app.zone()).ok());
    let moment = zoned.map(|zoned| Time::from_millis(zoned.timestamp().as_millisecond()));
    moment.ok_or_else(|| format!("\u{201c}{typed}\u{201d} is no moment."))
}

#[cfg(test)]
impl crate::pages::Samples for RoutePage {
    fn samples() -> Vec<RoutePage> {
        vec![samples::held_up(), samples::looked_at()]
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::pages::shell::samples::{administrator, ago, shell};

    pub(crate) fn rows() -> Vec<RouteRow> {
        vec![
            row("ehr", Tone::Good, "passing on"),
            row("registry", Tone::Bad, "held up"),
        ]
    }

    fn row(name: &str, tone: Tone, state: &str) -> RouteRow {
        let bad = tone == Tone::Bad;
        RouteRow {
            name: name.into(),
            to: format!("mllps://{name}.hospital:2600"),
            tone,
            state: state.into(),
            paused: false,
            last: (!bad).then(|| ago(1)),
            day: "12,004".into(),
            depth: if bad { "1,311" } else { "0" }.into(),
            oldest: bad.then(|| ago(75)),
            errors: "3".into(),
            trouble: if bad {
                "\u{201c}registry.hospital:2600\u{201d}: Connection refused"
            } else {
                ""
            }
            .into(),
        }
    }

    pub(super) fn held_up() -> RoutePage {
        let aside = |message, outcome, answer: &str| AsideRow {
            message,
            at: ago(40),
            outcome,
            answer: answer.into(),
        };
        RoutePage {
            shell: administrator("Route registry", Here::Flow),
            answer: "Held up; 1,311 messages wait.".into(),
            route: row("registry", Tone::Bad, "held up"),
            aside: vec![
                aside(
                    4_711,
                    "refused",
                    "AR; unknown patient <script>alert(1)</script>",
                ),
                aside(
                    4_790,
                    "looped",
                    "not sent: it is event 4,700, which went out before",
                ),
            ],
            rules: 12,
            next: Some(4_800),
            orders: true,
            messages: "4711-".into(),
            reason: "the registry lost its disk".into(),
            wrong: Some("Say which messages: numbers such as 4711 4720-4790.".into()),
        }
    }

    pub(super) fn looked_at() -> RoutePage {
        let mut route = row("ehr", Tone::Warn, "paused");
        route.paused = true;
        RoutePage {
            shell: shell("Route ehr", Here::Flow),
            answer: "Paused: the receiver moves tonight; 0 messages wait.".into(),
            route,
            aside: Vec::new(),
            rules: 12,
            next: None,
            orders: false,
            messages: String::new(),
            reason: String::new(),
            wrong: None,
        }
    }
}
