//! `AuditEvent`: the sealed decisions, writes and sessions in FHIR's form (IHE BALP 1.1).
//!
//! They are made from what is sealed whenever they are asked for; nobody writes them. With them stand
//! the audit messages that other systems sent here (IHE ATNA), in the same form: ITI-81 asks for both.
//! What clients create as AuditEvents is taken as such a message ([`take`]). Those that are written in another way
//! (by `PUT`, in a transaction, by an import) are resources like any other, and no search finds them.

mod reading;
mod taken;
mod whose;

use access::{Order, Page, Trace, TraceId, audited, heard_as_resource};
use event::{Act, Subject};
use guard::Identity;
use serde_json::Value;
use wire::audit::{Site, audit_event};
use wire::fhir::search::{Query, Total};

use super::answer::Answer;
use super::door::{Door, Question};
use super::fault::Fault;
use super::history::url;
use super::json::{self, Head, quoted};
use super::query::{self, Pairs};
use super::route::Target;
use crate::App;
use reading::Reading;
pub(crate) use taken::{is_told, take};

/// The type.
pub(crate) const KIND: &str = "AuditEvent";

/// The id of an event that Salus itself saw, if the target is one.
pub(crate) fn own(target: &Target) -> Option<TraceId> {
    (target.kind == KIND)
        .then(|| TraceId::parse(&target.id))
        .flatten()
}

/// A page ends with the event that makes it so large, though there be more.
const PAGE_BYTES: usize = 4 << 20;

/// Who tells of it.
pub(crate) fn site(app: &App) -> Site {
    let key = app.record.public_key();
    Site {
        id: key.split('+').next().unwrap_or_default().to_owned(),
        url: app.settings.fhir_base.clone(),
    }
}

/// One event.
///
/// # Errors
/// 403 for what may not be seen, 404 for what is not there.
pub(crate) async fn read(
    door: &Door,
    who: &Identity,
    (target, id): (&Target, TraceId),
) -> Result<Answer, Fault> {
    fresh(door).await?;
    let trace = door.app.access.trace(id).await.map_err(broken)?;
    let heard = match trace {
        Some(_) => None,
        None => heard_of(door, id).await?,
    };
    let patient = trace.as_ref().and_then(|trace| trace.patient.clone());
    let patient = patient.or_else(|| heard.as_ref().and_then(|heard| heard.patient.clone()));
    let detail = format!("{KIND}/{}", target.id);
    permit(door, who, (patient, detail)).await?;
    let event = match (trace, heard) {
        (Some(trace), _) => Some(audit_event(&audited(&trace, &site(&door.app), ""))),
        (None, Some(heard)) => resource(door, heard.id).await?,
        (None, None) => None,
    };
    let event = event.ok_or_else(|| Fault::absent(target.kind, &target.id))?;
    Ok(Answer::body(event.to_string().into_bytes()))
}

/// One page of what matches.
///
/// # Errors
/// 400 for a parameter that is unknown or not offered, 403 for what may not be asked.
pub(crate) async fn search(door: &Door, who: &Identity, pairs: &Pairs) -> Result<Answer, Fault> {
    let query = door.query_of(KIND, &reading::unchained(pairs))?;
    let mut wanted = Reading::of(&query, &site(&door.app))?;
    let patient = wanted.patient(door, who).await?;
    let detail = format!("{KIND}?{}", query::text(pairs));
    permit(door, who, (patient, detail)).await?;
    fresh(door).await?;
    let settings = &door.app.settings;
    let count = query.count.unwrap_or(settings.page_size);
    let page = Page {
        after: wanted.after,
        rows: count.clamp(1, settings.page_size_max),
        order: wanted.order,
    };
    let total = match query.total == Total::Accurate || count == 0 {
        true => Some(wanted.total(door).await?),
        false => None,
    };
    let listing = match count {
        0 => (Vec::new(), None),
        _ => listed(door, &wanted, page).await?,
    };
    Ok(Answer::body(bundle(door, &query, (total, listing)).await?))
}

/// One entry of an answer: what Salus saw, or what another system tells.
enum Told {
    Own(Box<Trace>),
    Other(TraceId),
}

impl Told {
    const fn id(&self) -> TraceId {
        match self {
            Told::Own(trace) => trace.id,
            Told::Other(id) => *id,
        }
    }
}

/// Both kinds in the order of the record, which is one for both.
async fn listed(
    door: &Door,
    wanted: &Reading,
    page: Page,
) -> Result<(Vec<Told>, Option<TraceId>), Fault> {
    let access = &door.app.access;
    let mut all = Vec::new();
    let mut more = false;
    if !wanted.nothing_own {
        let own = access.traces(&wanted.filter, page).await.map_err(broken)?;
        more |= own.next.is_some();
        all.extend(own.rows.into_iter().map(|trace| Told::Own(Box::new(trace))));
    }
    if !wanted.nothing_heard {
        let heard = access.heard(&wanted.heard, page).await.map_err(broken)?;
        more |= heard.next.is_some();
        all.extend(heard.rows.into_iter().map(|heard| Told::Other(heard.id)));
    }
    all.sort_by_key(Told::id);
    if page.order == Order::Newest {
        all.reverse();
    }
    more |= all.len() > page.rows;
    all.truncate(page.rows);
    let next = all.last().map(Told::id).filter(|_| more);
    Ok((all, next))
}

async fn heard_of(door: &Door, id: TraceId) -> Result<Option<access::Heard>, Fault> {
    let only = access::HeardFilter {
        only: Some(id),
        ..access::HeardFilter::default()
    };
    let found = door.app.access.heard(&only, Page::newest(1)).await;
    Ok(found.map_err(broken)?.rows.pop())
}

/// What another system tells, from what is sealed. `None`: it was erased meanwhile.
async fn resource(door: &Door, id: TraceId) -> Result<Option<Value>, Fault> {
    let record = &door.app.record;
    match record.get(id.index).await {
        Ok(sealed) => Ok(heard_as_resource(id, sealed.event(), &record.blind())),
        Err(record::Error::Erased(_)) => Ok(None),
        Err(why) => Err(Fault::from(why)),
    }
}

/// Leave to look at who looked: sealed, like every look.
async fn permit(
    door: &Door,
    who: &Identity,
    (patient, detail): (Option<String>, String),
) -> Result<(), Fault> {
    let question = Question {
        act: Act::Audit,
        subject: patient.map_or(Subject::Record, Subject::Patient),
        kinds: vec![KIND.to_owned()],
        detail,
    };
    let permit = door.permit(who, question, None).await?;
    // The trail is not searched by the chart, which holds narrowed scopes: nothing is shown to one.
    let narrowed = match guard::seen(permit.ask(), KIND) {
        guard::Seen::All => false,
        guard::Seen::Parts(parts) => parts.iter().any(|part| !part.narrowed.is_empty()),
    };
    match narrowed {
        true => Err(Fault::beyond_scopes()),
        false => Ok(()),
    }
}

/// Waits until everything sealed so far is in the view, so that one's own look is found.
async fn fresh(door: &Door) -> Result<(), Fault> {
    let wait = std::time::Duration::from_millis(door.app.settings.chart_wait_ms);
    let size = door.app.record.size();
    match door.app.access.caught_up(size, wait).await {
        true => Ok(()),
        false => Err(Fault::later(
            "the audit view does not show yet what was sealed before; ask again in a second",
        )),
    }
}

async fn bundle(
    door: &Door,
    query: &Query,
    (total, (rows, next)): (Option<u64>, (Vec<Told>, Option<TraceId>)),
) -> Result<Vec<u8>, Fault> {
    let base = &door.app.settings.fhir_base;
    let (entries, cut) = entries(door, rows).await?;
    let next = cut.or(next);
    let mut pairs = query.pairs.clone();
    let mut links = vec![("self", url(base, KIND, &pairs))];
    if let Some(next) = next {
        pairs.retain(|(name, _)| name != "_page");
        pairs.push(("_page".to_owned(), next.to_string()));
        links.push(("next", url(base, KIND, &pairs)));
    }
    let head = Head {
        kind: "searchset",
        total,
        links,
    };
    Ok(json::bundle(&head, &entries, |(id, event), out| {
        let full_url = quoted(&format!("{base}/{KIND}/{id}"));
        out.extend_from_slice(format!("{{\"fullUrl\":{full_url},\"resource\":").as_bytes());
        out.extend_from_slice(event.as_bytes());
        out.extend_from_slice(b",\"search\":{\"mode\":\"match\"}}");
    }))
}

/// The resources of a page, and where it ends if it is full before its rows are: what others tell may
/// be large, and is told once for each patient.
async fn entries(
    door: &Door,
    rows: Vec<Told>,
) -> Result<(Vec<(TraceId, String)>, Option<TraceId>), Fault> {
    let site = site(&door.app);
    let count = rows.len();
    let (mut entries, mut bytes) = (Vec::with_capacity(count), 0);
    for (row, number) in rows.into_iter().zip(1..) {
        let event = match &row {
            Told::Own(trace) => Some(audit_event(&audited(trace, &site, ""))),
            Told::Other(id) => resource(door, *id).await?,
        };
        let Some(event) = event else {
            continue;
        };
        let event = event.to_string();
        bytes += event.len();
        entries.push((row.id(), event));
        if bytes >= PAGE_BYTES && number < count {
            return Ok((entries, Some(row.id())));
        }
    }
    Ok((entries, None))
}

fn broken(error: access::Error) -> Fault {
    Fault::ours(&error)
}
