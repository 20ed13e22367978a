//! `$everything` about one patient (R4, `patient-operation-everything`): a search of all types at
//! once, decided for the patient, page by page of one moment.

use std::collections::BTreeSet;

use chart::{EverythingOf, Located, Page, PageOf, Stored};
use event::{Act, Subject};
use guard::{Identity, Scope};
use wire::fhir::Code;
use wire::fhir::search::span_of;

use super::answer::Answer;
use super::door::{Door, Question, subject};
use super::fault::Fault;
use super::history::{instant, url};
use super::json::Head;
use super::operation;
use super::query::Pairs;
use super::read::locate;
use super::recent::Concern;
use super::route::Target;
use super::search::bundle;

/// One page of everything.
///
/// # Errors
/// 400 for a parameter it has not, 403 or 404 for a patient who may not be seen or is not there.
pub(crate) async fn everything(
    door: &Door,
    who: &Identity,
    (target, pairs): (Option<&Target>, &Pairs),
) -> Result<Answer, Fault> {
    let target = whose(who, target)?;
    let wanted = Wanted::read(door, pairs)?;
    let located = located(door, &target).await?;
    let patient = located.as_ref().and_then(|located| located.patient.clone());
    let path = format!("Patient/{}/$everything", target.id);
    let mut question = Question {
        act: Act::Search,
        subject: subject(target.kind, patient),
        kinds: wanted.of.kinds.clone(),
        detail: url("", &path, pairs).trim_start_matches('/').to_owned(),
    };
    if question.kinds.is_empty() {
        question.kinds = kinds(door, who, &question).await?;
    }
    let permit = door.permit(who, question, Some(&target)).await?;
    there(located.as_ref(), &target)?;
    let open = door.app.chart.open_with(permit);
    let page = open.everything_bare(&wanted.of, &wanted.page).await?;
    let page = door.filled(&open, page).await?;
    Ok(Answer::body(answer(door, (&path, pairs), page)))
}

/// The patient in the URL, or else the one an app was opened for.
///
/// # Errors
/// 400 when nobody says which patient.
pub(crate) fn whose(who: &Identity, target: Option<&Target>) -> Result<Target, Fault> {
    let launched = || {
        let id = who.through.as_ref()?.patient.clone()?;
        Some(Target {
            kind: "Patient",
            id,
        })
    };
    target.cloned().or_else(launched).ok_or_else(|| {
        let words = "say which patient: `Patient/[id]/$...`";
        Fault::bad(Code::Required, words)
    })
}

/// Where the patient stands, once the chart shows all that was written about them.
///
/// # Errors
/// 503 when that takes too long.
pub(crate) async fn located(door: &Door, target: &Target) -> Result<Option<Located>, Fault> {
    let located = locate(door, target).await?;
    let patient = located.as_ref().and_then(|located| located.patient.clone());
    if let Some(patient) = patient {
        door.fresh(&[Concern::Patient(patient)]).await?;
    }
    Ok(located)
}

/// Refuses a patient who is not there, or not any more.
///
/// # Errors
/// 404 or 410.
pub(crate) fn there(located: Option<&Located>, target: &Target) -> Result<(), Fault> {
    match located {
        None => Err(Fault::absent(target.kind, &target.id)),
        Some(located) if located.deleted => Err(Fault::gone(target.kind, &target.id)),
        Some(_) => Ok(()),
    }
}

/// The types that may be asked for: none, which is all of them, or those that the asker's scopes
/// name; if they may have nothing, all, so that the refusal is sealed.
async fn kinds(door: &Door, who: &Identity, question: &Question) -> Result<Vec<String>, Fault> {
    if door.decide(who, question.clone()).await?.allowed() {
        return Ok(Vec::new());
    }
    let scopes = who.scopes.iter().filter_map(|text| Scope::parse(text).ok());
    let named: BTreeSet<String> = scopes
        .map(|scope| scope.kind().to_owned())
        .filter(|kind| kind != "*")
        .collect();
    let mut allowed = Vec::new();
    for kind in named {
        let mut part = question.clone();
        part.kinds = vec![kind.clone()];
        // What belongs to the patient, or else to the house.
        if matches!(part.subject, Subject::Patient(_)) && door.decide(who, part).await?.allowed() {
            allowed.push(kind);
        }
    }
    Ok(allowed)
}

/// What is asked for.
struct Wanted {
    of: EverythingOf,
    page: PageOf,
}

impl Wanted {
    fn read(door: &Door, pairs: &Pairs) -> Result<Wanted, Fault> {
        let max = door.app.settings.page_size_max;
        let mut wanted = Wanted {
            of: EverythingOf::default(),
            page: PageOf {
                count: max,
                token: None,
            },
        };
        for (name, value) in pairs {
            let bad = || Fault::bad(Code::Value, format!("`{name}` cannot be `{value}`"));
            match name.as_str() {
                "_count" => {
                    let count: usize = value.parse().map_err(|_| bad())?;
                    wanted.page.count = count.clamp(1, max);
                }
                "_page" => wanted.page.token = Some(value.clone()),
                "_since" => wanted.of.since = Some(instant(value).ok_or_else(bad)?),
                "_type" => wanted.of.kinds.extend(operation::kinds(value)?),
                "start" => wanted.of.from_ms = Some(span_of(value).ok_or_else(bad)?.lo_ms),
                "end" => wanted.of.until_ms = Some(span_of(value).ok_or_else(bad)?.hi_ms),
                _ => {
                    let words = format!(
                        "`$everything` has no parameter `{name}` here; it has `_count`, `_since`, `_type`, `start` and `end`"
                    );
                    return Err(Fault::bad(Code::NotSupported, words));
                }
            }
        }
        Ok(wanted)
    }
}

fn answer(door: &Door, (path, pairs): (&str, &Pairs), page: Page) -> Vec<u8> {
    let base = &door.app.settings.fhir_base;
    let said = pairs.iter().filter(|(name, _)| name != "_page");
    let mut said: Pairs = said.cloned().collect();
    let mut head = Head {
        kind: "searchset",
        total: page.total,
        links: vec![("self", url(base, path, &said))],
    };
    if let Some(next) = page.next {
        said.push(("_page".to_owned(), next));
        head.links.push(("next", url(base, path, &said)));
    }
    let matches = page.matches.into_iter().map(|stored| (stored, "match"));
    let included = page.included.into_iter().map(|stored| (stored, "include"));
    let entries: Vec<(Stored, &str)> = matches.chain(included).collect();
    bundle(base, &head, &entries)
}
