//! `history` of a resource, a type, and everything (FHIR R4 section 3.1.0.11).

use chart::{HistoryOf, Located, Page, PageOf, Stored};
use event::{Act, Role, Subject, Time};
use guard::Identity;
use wire::fhir::Code;

use super::answer::{Answer, etag};
use super::door::{Door, Question, subject};
use super::fault::Fault;
use super::json::{self, Head, quoted};
use super::query::{self, Pairs};
use super::read::locate;
use super::recent::Concern;
use super::route::{Past, Target};
use crate::taking::Answering;

/// What was, newest first.
///
/// # Errors
/// 400 for a parameter that history has not, 403 or 404 for what may not be seen.
pub(crate) async fn history(
    door: &Door,
    who: &Identity,
    (past, pairs): (&Past, &Pairs),
) -> Result<Answer, Fault> {
    let wanted = Wanted::read(door, pairs)?;
    let (target, located) = match past {
        Past::Instance(target) => (Some(target), locate(door, target).await?),
        Past::System => {
            door.fresh(&[Concern::Record]).await?;
            (None, None)
        }
        Past::Type(kind) => {
            door.fresh(&[Concern::Kind(kind)]).await?;
            (None, None)
        }
    };
    let question = question(past, located.as_ref(), pairs);
    let permit = door.permit(who, question, target).await?;
    if let (Some(target), None) = (target, &located) {
        return Err(Fault::absent(target.kind, &target.id));
    }
    let answering = Answering::with(&permit);
    let bound = who.through.is_some() || who.role() == Role::Client;
    let open = door.app.chart.open_with(permit);
    let mut page = open
        .history_bare(&of(past), &wanted.at_least_one(target))
        .await?;
    // A resource of which nothing may be seen looks as if it had never been.
    if let Some(target) = target.filter(|_| bound && page.matches.is_empty() && wanted.is_first()) {
        return Err(Fault::absent(target.kind, &target.id));
    }
    wanted.cut(&mut page);
    answering.seal(&door.app, page.patients.clone()).await?;
    let page = door.filled(&open, page).await?;
    let base = &door.app.settings.fhir_base;
    Ok(Answer::body(bundle(base, (past, pairs), &page)))
}

fn question(past: &Past, located: Option<&Located>, pairs: &Pairs) -> Question {
    let (subject, kinds) = match past {
        Past::Instance(target) => {
            let patient = located.and_then(|located| located.patient.clone());
            (subject(target.kind, patient), vec![target.kind.to_owned()])
        }
        Past::System => (Subject::Record, Vec::new()),
        Past::Type(kind) => (subject(kind, None), vec![(*kind).to_owned()]),
    };
    Question {
        act: Act::History,
        subject,
        kinds,
        detail: url("", &path(past), pairs)
            .trim_start_matches('/')
            .to_owned(),
    }
}

/// The part of a history that is asked for.
struct Wanted {
    page: PageOf,
    since: Option<Time>,
}

impl Wanted {
    fn read(door: &Door, pairs: &Pairs) -> Result<Wanted, Fault> {
        let settings = &door.app.settings;
        let mut wanted = Wanted {
            page: PageOf {
                count: settings.page_size,
                token: None,
            },
            since: None,
        };
        for (name, value) in pairs {
            match name.as_str() {
                "_count" => {
                    let count: usize = value.parse().map_err(|_| bad(name, value))?;
                    wanted.page.count = count.min(settings.page_size_max);
                }
                "_page" => wanted.page.token = Some(value.clone()),
                "_since" => wanted.since = Some(instant(value).ok_or_else(|| bad(name, value))?),
                _ => {
                    let words = format!(
                        "history has no parameter `{name}` here; it has `_count` and `_since`"
                    );
                    return Err(Fault::bad(Code::NotSupported, words));
                }
            }
        }
        Ok(wanted)
    }

    /// What is asked of the chart: of one resource at least a version, to know that there is one.
    fn at_least_one(&self, target: Option<&Target>) -> PageOf {
        let mut page = self.page.clone();
        if target.is_some() {
            page.count = page.count.max(1);
        }
        page
    }

    fn is_first(&self) -> bool {
        self.page.token.is_none()
    }

    /// Takes away what is older than was asked for. The newest comes first, so that the first
    /// that is too old is the end.
    fn cut(&self, page: &mut Page) {
        if page.matches.len() > self.page.count {
            page.matches.truncate(self.page.count);
            page.next = None;
        }
        let Some(since) = self.since else {
            return;
        };
        page.total = None;
        let kept = page.matches.iter().take_while(|stored| stored.at >= since);
        let kept = kept.count();
        if kept < page.matches.len() {
            page.matches.truncate(kept);
            page.next = None;
        }
    }
}

fn bad(name: &str, value: &str) -> Fault {
    Fault::bad(Code::Value, format!("`{name}` cannot be `{value}`"))
}

/// An instant, or a date for its first moment in UTC.
pub(crate) fn instant(text: &str) -> Option<Time> {
    // A `+` of the offset that was not escaped has become a space.
    let text = text.replace(' ', "+");
    let stamp = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let date: jiff::civil::Date = text.parse().ok()?;
        let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(zoned.timestamp())
    })?;
    Some(Time::from_millis(stamp.as_millisecond()))
}

fn of(past: &Past) -> HistoryOf {
    match past {
        Past::Instance(target) => HistoryOf::Instance {
            kind: target.kind.to_owned(),
            id: target.id.clone(),
        },
        Past::System => HistoryOf::System,
        Past::Type(kind) => HistoryOf::Type {
            kind: (*kind).to_owned(),
        },
    }
}

fn path(past: &Past) -> String {
    match past {
        Past::Instance(target) => format!("{}/{}/_history", target.kind, target.id),
        Past::System => "_history".to_owned(),
        Past::Type(kind) => format!("{kind}/_history"),
    }
}

fn bundle(base: &str, (past, pairs): (&Past, &Pairs), page: &Page) -> Vec<u8> {
    let path = path(past);
    let asked = pairs.iter().filter(|(name, _)| name != "_page");
    let mut asked: Pairs = asked.cloned().collect();
    let mut links = vec![("self", url(base, &path, &asked))];
    if let Some(next) = &page.next {
        asked.push(("_page".to_owned(), next.clone()));
        links.push(("next", url(base, &path, &asked)));
    }
    let head = Head {
        kind: "history",
        total: page.total,
        links,
    };
    json::bundle(&head, &page.matches, |stored, out| entry(base, stored, out))
}

/// `base/path?pairs`.
pub(crate) fn url(base: &str, path: &str, pairs: &Pairs) -> String {
    match query::text(pairs).as_str() {
        "" => format!("{base}/{path}"),
        text => format!("{base}/{path}?{text}"),
    }
}

fn entry(base: &str, stored: &Stored, out: &mut Vec<u8>) {
    let place = format!("{}/{}", stored.kind, stored.id);
    let full_url = quoted(&format!("{base}/{place}"));
    out.extend_from_slice(format!("{{\"fullUrl\":{full_url}").as_bytes());
    let (method, status) = match stored.deleted {
        true => ("DELETE", "204"),
        false => ("PUT", "200"),
    };
    if !stored.deleted {
        out.extend_from_slice(b",\"resource\":");
        out.extend_from_slice(&stored.json);
    }
    let rest = format!(
        ",\"request\":{{\"method\":\"{method}\",\"url\":{}}},\"response\":{{\"status\":\"{status}\",\
         \"etag\":{},\"lastModified\":{}}}}}",
        quoted(&place),
        quoted(&etag(stored.version)),
        quoted(&stored.at.to_string()),
    );
    out.extend_from_slice(rest.as_bytes());
}
