//! Now: is anything wrong?

pub(crate) mod view;

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use chart::WardCount;
use event::Time;
use flow::{Feed, Page, Quarantined};
use serde::Deserialize;

use crate::error::{Problem, broken};
use crate::pages::flow::routes::{self, RouteRow};
use crate::pages::flow::{expected, hours, silent, tone};
use crate::pages::lifeline::packs;
use crate::pages::picture::Bars;
use crate::pages::shell::{Here, Tone};
use crate::pages::visit::{Visit, behind, page};
use crate::pages::{outside, record, reviews, words};
use view::{NowPage, Tile, Waiting, WardBar};

/// How often the page fetches itself again, in seconds.
const LIVE_SECONDS: u32 = 5;
/// Quarantined messages that the page lists, the newest.
const WAITING_SHOWN: usize = 8;
/// Alterations that the tile of the record looks at.
const ALTERED_LOOKED_AT: u32 = 100;
/// The chart may be this many events behind before somebody should look.
const BEHIND_MAX: u64 = 5_000;

/// What the page may be asked with.
#[derive(Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
}

/// `GET /now`
pub(crate) async fn show(visit: Visit, Query(done): Query<Done>) -> Result<Response, Problem> {
    let feeds = visit
        .app
        .flow
        .feeds(visit.eye.now)
        .await
        .map_err(|why| broken(&why))?;
    let newest = Page {
        before: None,
        rows: WAITING_SHOWN,
    };
    let waiting = visit
        .app
        .flow
        .quarantined(None, newest)
        .await
        .map_err(|why| broken(&why))?;
    let wards = visit.app.chart.wards().await?;
    let mut tiles = vec![
        feeds_tile(&visit, &feeds),
        record_tile(&visit).await?,
        chart_tile(&visit),
        patients_tile(&visit, &wards),
        packs_tile(&visit),
    ];
    tiles.extend(views_tile(&visit));
    tiles.extend(witness_tile(&visit));
    let oversees = visit.oversees().await;
    tiles.extend(routes_tile(&routes::rows(&visit, oversees).await?));
    if oversees {
        tiles.push(glass_tile(&visit));
    }
    let unread = feeds
        .iter()
        .flat_map(|feed| &feed.hours)
        .map(|hour| hour.unread)
        .sum();
    let (tone, answer) = answer(&tiles, unread);
    let mut shell = visit.shell("Now", Here::Now);
    shell.live = Some(LIVE_SECONDS);
    shell.done = (done.done == "unmerged")
        .then(|| "The merge was taken back. The two are separate patients again.".to_owned());
    let view = NowPage {
        shell,
        answer,
        tone,
        tiles,
        river: Bars::of(&hours(&visit.eye, &feeds), "messages"),
        wards: bars(&visit, &wards),
        waiting: waiting
            .rows
            .into_iter()
            .map(|one| told(&visit, one))
            .collect(),
        may_open: oversees,
    };
    page(StatusCode::OK, &view)
}

fn answer(tiles: &[Tile], unread: u64) -> (Tone, String) {
    let amiss = tiles
        .iter()
        .filter(|tile| matches!(tile.tone, Tone::Warn | Tone::Bad))
        .count();
    let need = amiss as u64 + unread;
    let bad = tiles.iter().any(|tile| tile.tone == Tone::Bad);
    match need {
        0 if tiles.iter().all(|tile| tile.tone == Tone::Good) => {
            (Tone::Good, "All is flowing. Nothing needs you.".to_owned())
        }
        0 => (
            Tone::Unknown,
            "Nothing needs you, but some evidence is missing.".to_owned(),
        ),
        _ => {
            let tone = if bad { Tone::Bad } else { Tone::Warn };
            (
                tone,
                words::sentence(&words::count(need, "thing needs you", "things need you")),
            )
        }
    }
}

fn feeds_tile(visit: &Visit, feeds: &[Feed]) -> Tile {
    let feeds = expected(feeds);
    let quiet: Vec<&&Feed> = feeds.iter().filter(|feed| silent(visit, feed)).collect();
    let last: Option<Time> = feeds.iter().map(|feed| feed.last).max();
    let (tone, state) = match (feeds.len(), quiet.len()) {
        (0, _) => (Tone::Unknown, "no evidence".to_owned()),
        (_, 0) => (tone(&feeds, 0), "all flowing".to_owned()),
        (all, quiet) => (Tone::Warn, format!("{quiet} of {all} silent")),
    };
    let ago = |time: Time| words::span(visit.eye.now.since(time));
    let detail = match (quiet.first(), last) {
        (Some(feed), _) => format!("{} was last heard {} ago", feed.name, ago(feed.last)),
        (None, Some(last)) if tone == Tone::Unknown => format!(
            "last message {} ago; what silence is usual is not known yet",
            ago(last)
        ),
        (None, Some(last)) => format!("last message {} ago", ago(last)),
        (None, None) => "no system has sent a message yet".to_owned(),
    };
    Tile {
        label: "Feeds",
        href: "/flow",
        tone,
        state,
        number: (feeds.len() - quiet.len()).to_string(),
        unit: if feeds.is_empty() { "feeds" } else { "flowing" }.to_owned(),
        detail,
    }
}

/// Whether what arrives is passed on; nothing if nothing is to be.
fn routes_tile(rows: &[RouteRow]) -> Option<Tile> {
    let first = |tone: Tone| rows.iter().find(|row| row.tone == tone);
    let amiss = first(Tone::Bad).or_else(|| first(Tone::Warn));
    let worst = amiss.or_else(|| first(Tone::Unknown)).or(rows.first())?;
    let good = rows.iter().filter(|row| row.tone == Tone::Good).count();
    let state = match worst.tone {
        Tone::Good => "passing on",
        Tone::Unknown => "no evidence",
        Tone::Warn => "needs a look",
        Tone::Bad => "held up",
    };
    Some(Tile {
        label: "Routes",
        href: "/flow",
        tone: worst.tone,
        state: state.to_owned(),
        number: good.to_string(),
        unit: format!("of {} passing on", rows.len()),
        detail: match worst.tone {
            Tone::Good => "what arrives is passed on".to_owned(),
            _ => format!("{}: {}; {} wait", worst.name, worst.state, worst.depth),
        },
    })
}

fn glass_tile(visit: &Visit) -> Tile {
    let waiting = visit.app.oversight.waiting();
    let (tone, detail) = reviews::answer(visit, &waiting);
    let state = match tone {
        Tone::Good => "nothing waits",
        Tone::Warn | Tone::Unknown => "waits for a review",
        Tone::Bad => "waits too long",
    };
    Tile {
        label: "Broken glass",
        href: "/access/reviews",
        tone,
        state: state.to_owned(),
        number: words::thousands(waiting.len() as u64),
        unit: "to review".to_owned(),
        detail,
    }
}

async fn record_tile(visit: &Visit) -> Result<Tile, Problem> {
    let size = visit.app.record.size();
    let altered = visit.app.oversight.altered(ALTERED_LOOKED_AT).await;
    let altered = record::news(visit, &altered.map_err(|why| broken(&why))?);
    let elsewhere = outside::news(visit).await?.map(|words| (Tone::Bad, words));
    let altered = elsewhere.or(altered);
    let (tone, _) = record::answer(visit, size);
    let (_, _, at) = visit.app.record.checkpoint();
    let age = words::span(visit.eye.now.since(at));
    let (state, detail) = match tone {
        Tone::Good => ("sealed and published", format!("last checkpoint {age} ago")),
        Tone::Unknown => ("no evidence", "no checkpoint is published yet".to_owned()),
        Tone::Warn | Tone::Bad => (
            "not published",
            format!("last checkpoint {age} ago, events wait"),
        ),
    };
    let gone = visit.app.record.uprooted().borrow().clone();
    let gone = gone.map(|_| {
        let words = "the data folder was removed or replaced; stop Salus, put it back or restore a backup, start it again";
        (Tone::Bad, "nothing is taken", words.to_owned())
    });
    if let Some((tone, state, detail)) = gone {
        return Ok(record_tile_of(size, (tone, state, detail)));
    }
    let (tone, state, detail) = match altered {
        Some((tone, words)) => (tone, "altered", words),
        None => (tone, state, detail),
    };
    Ok(record_tile_of(size, (tone, state, detail)))
}

fn record_tile_of(size: u64, (tone, state, detail): (Tone, &str, String)) -> Tile {
    Tile {
        label: "Record",
        href: "/record",
        tone,
        state: state.to_owned(),
        number: words::thousands(size),
        unit: if size == 1 { "event" } else { "events" }.to_owned(),
        detail,
    }
}

/// What the witnesses of the record say, if it has any.
fn witness_tile(visit: &Visit) -> Option<Tile> {
    let (tone, said, rows) = record::cosigning::told(visit)?;
    let good = rows.iter().filter(|row| row.tone == Tone::Good).count();
    let state = match tone {
        Tone::Good => "cosigned",
        Tone::Warn => "too few cosigned lately",
        Tone::Bad => "a witness refuses",
        Tone::Unknown => "no evidence",
    };
    Some(Tile {
        label: "Witnesses",
        href: "/record",
        tone,
        state: state.to_owned(),
        number: good.to_string(),
        unit: format!("of {} cosigned", rows.len()),
        detail: said,
    })
}

fn chart_tile(visit: &Visit) -> Tile {
    let late = behind(&visit.app);
    let (tone, state) = match late {
        _ if visit.app.record.size() == 0 => (Tone::Unknown, "no evidence"),
        0..=100 => (Tone::Good, "up to date"),
        101..=BEHIND_MAX => (Tone::Good, "catching up"),
        _ => (Tone::Warn, "late"),
    };
    let detail = match tone {
        Tone::Warn => "charts do not show the newest messages yet",
        _ => "what is sealed is on its chart",
    };
    Tile {
        label: "Charts",
        href: "/patients",
        tone,
        state: state.to_owned(),
        number: words::thousands(late),
        unit: if late == 1 {
            "event behind"
        } else {
            "events behind"
        }
        .to_owned(),
        detail: detail.to_owned(),
    }
}

/// Whether a view does not go on; nothing if all do.
fn views_tile(visit: &Visit) -> Option<Tile> {
    let held = visit.app.record.held_up();
    let first = held.first()?;
    Some(Tile {
        label: "Views",
        href: "/record",
        tone: Tone::Bad,
        state: "held up".to_owned(),
        number: held.len().to_string(),
        unit: if held.len() == 1 {
            "view stands"
        } else {
            "views stand"
        }
        .to_owned(),
        detail: format!(
            "{} stands at event {} and is tried again; run salus doctor",
            words::quoted(&first.reader),
            words::thousands(first.at)
        ),
    })
}

fn patients_tile(visit: &Visit, wards: &[WardCount]) -> Tile {
    let here: u64 = wards.iter().map(|ward| ward.patients).sum();
    let expected: u64 = wards.iter().map(|ward| ward.expected).sum();
    let own = wards
        .iter()
        .filter(|ward| visit.identity.wards.contains(&ward.code));
    let own: u64 = own.map(|ward| ward.patients).sum();
    let detail = if visit.identity.wards.is_empty() {
        words::count(expected, "patient is expected", "patients are expected")
    } else {
        format!("{} of them on your wards", words::thousands(own))
    };
    let (tone, state) = match wards.len() {
        0 => (Tone::Unknown, "no evidence".to_owned()),
        many => (
            Tone::Good,
            format!("on {}", words::count(many as u64, "ward", "wards")),
        ),
    };
    Tile {
        label: "Patients",
        href: "/patients",
        tone,
        state,
        number: words::thousands(here),
        unit: if here == 1 {
            "patient now"
        } else {
            "patients now"
        }
        .to_owned(),
        detail: words::capital(&detail),
    }
}

/// Freshness is watched before anything is away: an old pack is an alarm.
fn packs_tile(visit: &Visit) -> Tile {
    let told = packs::Told::of(&visit.app, visit.eye.now);
    Tile {
        label: "Ward packs",
        href: "/lifeline",
        tone: told.tone,
        state: told.state,
        number: words::thousands(told.fresh as u64),
        unit: if told.fresh == 1 {
            "fresh"
        } else {
            "are fresh"
        }
        .to_owned(),
        detail: told.detail,
    }
}

fn bars(visit: &Visit, wards: &[WardCount]) -> Vec<WardBar> {
    let most = wards
        .iter()
        .map(|ward| ward.patients)
        .max()
        .unwrap_or_default()
        .max(1);
    let bar = |ward: &WardCount| WardBar {
        code: ward.code.clone(),
        name: ward
            .name
            .clone()
            .filter(|name| *name != ward.code)
            .unwrap_or_default(),
        patients: ward.patients,
        width: ward.patients * 100 / most,
        own: visit.identity.wards.contains(&ward.code),
    };
    let mut bars: Vec<WardBar> = wards.iter().map(bar).collect();
    bars.sort_by_key(|bar| !bar.own);
    bars
}

fn told(visit: &Visit, one: Quarantined) -> Waiting {
    Waiting {
        index: one.index,
        feed: one.feed,
        why: words::quoted(&one.reason),
        at: visit.stamp(one.at),
    }
}
