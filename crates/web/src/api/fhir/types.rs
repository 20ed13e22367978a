//! A search over several types at once (FHIR R4 section 3.1.0.9): each type is a search of its
//! own, decided, sealed and looked up like any other, and the answer holds them one after another.
//!
//! All pages of an answer are of one moment, that of the first.

use std::collections::HashSet;

use chart::{Open, Page, PageOf, Stored};
use guard::Identity;
use wire::fhir::Code;
use wire::fhir::search::{Query, Total};

use super::answer::Answer;
use super::audit;
use super::door::Door;
use super::fault::Fault;
use super::history::url;
use super::json::Head;
use super::query::{self, Pairs};
use super::recent::Concern;
use super::search::{Asked, ask, bare_page_of, bundle, concerns, entries};

/// Where a page begins.
struct Place {
    /// Which of the types.
    kind: usize,
    /// Where in the answer about it; `None`: at the beginning of all.
    token: Option<String>,
}

/// What was found so far.
#[derive(Default)]
struct Found {
    entries: Vec<(Stored, &'static str)>,
    total: Option<u64>,
    next: Option<String>,
}

/// One page of what matches.
///
/// # Errors
/// 400 for a parameter that is unknown or unsupported, 403 if one of the types may not be asked for.
pub(crate) async fn search(door: &Door, who: &Identity, pairs: &Pairs) -> Result<Answer, Fault> {
    let queries = door.queries_of(pairs)?;
    if queries.iter().any(|query| query.kind == audit::KIND) {
        let words = "AuditEvents are searched by themselves: `GET [base]/AuditEvent`";
        return Err(Fault::bad(Code::NotSupported, words));
    }
    let place = Place::of(&queries)?;
    let said: Pairs = pairs
        .iter()
        .filter(|(name, _)| name != "_page")
        .cloned()
        .collect();
    let mut asked = Vec::with_capacity(queries.len());
    for query in queries.into_iter().skip(place.kind) {
        let detail = format!("{}?{}", query.kind, query::text(pairs));
        asked.push(ask(door, who, (query, detail)).await?);
    }
    all_may_be_asked(door, who, &asked).await?;
    let mut found = find(door, who, (asked, place)).await?;
    drop_doubles(&mut found.entries);
    let base = &door.app.settings.fhir_base;
    let mut head = Head {
        kind: "searchset",
        total: found.total,
        links: vec![("self", url(base, "", &said))],
    };
    if let Some(next) = found.next {
        let mut more = said;
        more.push(("_page".to_owned(), next));
        head.links.push(("next", url(base, "", &more)));
    }
    Ok(Answer::body(bundle(base, &head, &found.entries)))
}

/// Refuses the whole before anything is looked at: half an answer would look like all of it.
async fn all_may_be_asked(door: &Door, who: &Identity, asked: &[Asked]) -> Result<(), Fault> {
    for one in asked {
        let decision = door.decide(who, one.question.clone()).await?;
        if !decision.allowed() {
            door.permit(who, one.question.clone(), None).await?;
        }
    }
    Ok(())
}

async fn find(
    door: &Door,
    who: &Identity,
    (asked, place): (Vec<Asked>, Place),
) -> Result<Found, Fault> {
    let settings = &door.app.settings;
    let Some(total) = asked.first().map(|one| one.query.total) else {
        return Ok(Found::default());
    };
    let count = asked.first().and_then(|one| one.query.count);
    let count = count
        .unwrap_or(settings.page_size)
        .min(settings.page_size_max);
    let is_first = place.token.is_none();
    if is_first {
        // The first type fixes the moment of all: what was written of the others counts as well.
        let all: Vec<Concern> = asked
            .iter()
            .flat_map(|one| concerns(&one.question))
            .collect();
        door.fresh(&all).await?;
    }
    let mut found = Found {
        total: Some(0).filter(|_| is_first && total != Total::Not),
        ..Found::default()
    };
    let (mut at, mut left, mut token) = (place.kind, count, place.token);
    let (mut beginning, mut bare) = (None, Vec::new());
    for one in asked {
        let full = count > 0 && (left == 0 || found.next.is_some());
        if full && (found.total.is_none() || total != Total::Accurate) {
            found.total = None;
            found.continue_at(at, beginning.as_ref());
            break;
        }
        let query = one.query.clone();
        let of = PageOf {
            count: if full { 0 } else { left },
            token: token.take().or_else(|| beginning.clone()),
        };
        let (open, page) = bare_page_of(door, who, (one, &of)).await?;
        beginning.get_or_insert_with(|| page.beginning.clone());
        found.total = found.total.zip(page.total).map(|(all, more)| all + more);
        if full && page.total != Some(0) {
            found.continue_at(at, beginning.as_ref());
        }
        left = left.saturating_sub(page.matches.len());
        found.goes_on(at, &page);
        bare.push((open, query, page));
        at += 1;
    }
    found.entries = filled(door, bare).await?;
    Ok(found)
}

/// What the pages bring, once there is room for all of it: what holds some of the room never waits for more.
async fn filled(
    door: &Door,
    bare: Vec<(Open, Query, Page)>,
) -> Result<Vec<(Stored, &'static str)>, Fault> {
    let mut bytes = 0_usize;
    for (open, _, page) in &bare {
        bytes = bytes.saturating_add(open.page_brings(page));
    }
    door.make_room(bytes).await?;
    let mut all = Vec::new();
    for (open, query, page) in bare {
        all.extend(entries(&query, open.filled(page).await?));
    }
    Ok(all)
}

impl Place {
    fn of(queries: &[Query]) -> Result<Place, Fault> {
        let Some(text) = queries.first().and_then(|query| query.page.as_deref()) else {
            return Ok(Place {
                kind: 0,
                token: None,
            });
        };
        let bad = || {
            let words = "`_page` is not where an answer goes on; follow the `next` link";
            Fault::bad(Code::Value, words)
        };
        let (kind, token) = text.split_once('.').ok_or_else(bad)?;
        let kind: usize = kind.parse().map_err(|_| bad())?;
        (kind < queries.len())
            .then(|| Place {
                kind,
                token: Some(token.to_owned()),
            })
            .ok_or_else(bad)
    }
}

impl Found {
    fn goes_on(&mut self, at: usize, page: &Page) {
        if self.next.is_none()
            && let Some(next) = &page.next
        {
            self.next = Some(format!("{at}.{next}"));
        }
    }

    /// The next page begins with a type, if none was said to before.
    fn continue_at(&mut self, at: usize, beginning: Option<&String>) {
        if self.next.is_none() {
            self.next = beginning.map(|token| format!("{at}.{token}"));
        }
    }
}

/// Of what was found for one type and came along with another, the match is kept.
fn drop_doubles(entries: &mut Vec<(Stored, &'static str)>) {
    entries.sort_by_key(|(_, mode)| *mode != "match");
    let mut seen = HashSet::new();
    entries.retain(|(stored, _)| seen.insert((stored.kind.clone(), stored.id.clone())));
}
