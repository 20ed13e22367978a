//! `$expand`, `$validate-code` and `$lookup` (R4 sections 4.8 and 4.9) over the built-in value sets
//! and the ValueSets and CodeSystems that were written here. Each of those is looked up by a search
//! of its own, decided and sealed.

mod asked;
mod loaded;
mod told;

use std::sync::Arc;

use axum::http::StatusCode;
use guard::Identity;
use serde_json::{Map, Value};
use wire::fhir::Code;
use wire::fhir::terminology::{Concept, Looked, Terminology, look_up, matching};

use super::answer::Answer;
use super::door::Door;
use super::fault::Fault;
use super::ids;
use super::look::Look;
use super::route::Target;
use asked::{Asked, Coding, needs};
use loaded::Loaded;
use told::{Verdict, in_set, known};

/// The concepts of a value set.
///
/// # Errors
/// 400 for a question that cannot be understood, 404 for a definition that is not at hand.
pub(crate) async fn expand(
    door: &Door,
    who: &Identity,
    (target, look): (Option<&Target>, &Look),
) -> Result<Answer, Fault> {
    let mut asked = Asked::read(door, look).await?;
    asked.only(
        "$expand",
        &["url", "valueSetVersion", "filter", "offset", "count"],
    )?;
    let set = asked.set(door, who, target).await?.map(Arc::new);
    let mut loaded = Loaded::default();
    let url = asked.url("valueSetVersion");
    let named = (set.clone(), url.clone());
    let concepts = expanded(door, who, (&mut loaded, named)).await?;
    let concepts = matching(concepts, asked.text("filter").unwrap_or_default());
    let (offset, count) = (asked.number("offset")?, asked.number("count")?);
    let of = set.as_deref().or_else(|| loaded.value_set(url.as_deref()?));
    let made = expansion(door, (of, url.as_deref()), (&concepts, offset, count))?;
    Ok(Answer::body(made.to_string().into_bytes()))
}

/// The concepts of a set that is at hand, or of an address.
async fn expanded(
    door: &Door,
    who: &Identity,
    (loaded, named): (&mut Loaded, (Option<Arc<Value>>, Option<String>)),
) -> Result<Vec<Concept>, Fault> {
    match named {
        (Some(set), _) => {
            let question = move |terms: &Terminology<'_>| terms.expand_set(&set);
            loaded.answer(door, who, question).await
        }
        (None, Some(url)) => {
            let question = move |terms: &Terminology<'_>| terms.expand(&url);
            loaded.answer(door, who, question).await
        }
        (None, None) => Err(needs("url")),
    }
}

/// Whether a code is in a value set or code system.
///
/// # Errors
/// As [`expand`].
pub(crate) async fn validate_code(
    door: &Door,
    who: &Identity,
    (kind, target, look): (&'static str, Option<&Target>, &Look),
) -> Result<Answer, Fault> {
    let mut asked = Asked::read(door, look).await?;
    asked.only(
        "$validate-code",
        &[
            "url",
            "valueSetVersion",
            "version",
            "code",
            "system",
            "display",
        ],
    )?;
    let kept = asked.set(door, who, target).await?;
    if asked.codings.is_empty() {
        return Err(needs("code"));
    }
    let mut loaded = Loaded::default();
    let verdict = match kind {
        "ValueSet" => {
            let named = (kept.map(Arc::new), asked.url("valueSetVersion"));
            let concepts = expanded(door, who, (&mut loaded, named)).await?;
            in_set(&asked.codings, &concepts)
        }
        _ => {
            let own = kept
                .as_ref()
                .and_then(|kept| kept.get("url")?.as_str().map(str::to_owned));
            let url = own
                .or_else(|| asked.url("version"))
                .ok_or_else(|| needs("url"))?;
            loaded.code_systems.extend(kept);
            let mut verdict = Verdict::no(format!("none of the codes is of `{url}`"));
            let address = url.split('|').next().unwrap_or_default();
            let own = |coding: &&Coding| {
                let said = coding.system.as_deref();
                said.is_none_or(|said| said == address)
            };
            for coding in asked.codings.iter().filter(own) {
                let code = coding.code.clone();
                let found = looked_up(door, who, (&mut loaded, (&url, &code))).await?;
                verdict = match found {
                    Some(found) => Verdict::of(coding, found.display.as_deref()),
                    None => Verdict::no(format!("`{code}` is no code of `{url}`")),
                };
                if verdict.result {
                    break;
                }
            }
            verdict
        }
    };
    Ok(Answer::body(verdict.parameters().to_string().into_bytes()))
}

/// What is known of a code.
///
/// # Errors
/// 400 for a question that cannot be understood, 404 for a code or system that is not there.
pub(crate) async fn lookup(door: &Door, who: &Identity, look: &Look) -> Result<Answer, Fault> {
    let asked = Asked::read(door, look).await?;
    asked.only("$lookup", &["system", "code", "version"])?;
    let coding = asked
        .codings
        .first()
        .cloned()
        .ok_or_else(|| needs("code"))?;
    let system = coding.system.ok_or_else(|| needs("system"))?;
    let system = match asked.text("version") {
        Some(version) => format!("{system}|{version}"),
        None => system,
    };
    let mut loaded = Loaded::default();
    let code = coding.code;
    let found = looked_up(door, who, (&mut loaded, (&system, &code))).await?;
    let found = found.ok_or_else(|| {
        let words = format!("`{code}` is no code of `{system}`");
        Fault::new(StatusCode::NOT_FOUND, Code::NotFound, words)
    })?;
    Ok(Answer::body(known(&found, &code).to_string().into_bytes()))
}

async fn looked_up(
    door: &Door,
    who: &Identity,
    (loaded, (system, code)): (&mut Loaded, (&str, &str)),
) -> Result<Option<Looked>, Fault> {
    let (system, code) = (system.to_owned(), code.to_owned());
    let question = move |terms: &Terminology<'_>| look_up(terms, &system, &code);
    loaded.answer(door, who, question).await
}

fn expansion(
    door: &Door,
    (set, url): (Option<&Value>, Option<&str>),
    (concepts, offset, count): (&[Concept], Option<usize>, Option<usize>),
) -> Result<Value, Fault> {
    let mut out = Map::new();
    out.insert("resourceType".into(), "ValueSet".into());
    let of = |name: &str| set.and_then(|set| set.get(name)).cloned();
    let address = url.and_then(|url| url.split('|').next()).map(Value::from);
    let members = [
        ("url", of("url").or(address)),
        ("version", of("version")),
        ("name", of("name")),
        ("title", of("title")),
        ("status", of("status").or_else(|| Some("active".into()))),
    ];
    put(&mut out, members);
    let shown = concepts
        .iter()
        .skip(offset.unwrap_or(0))
        .take(count.unwrap_or(usize::MAX));
    let contains: Vec<Value> = shown.map(contained).collect();
    let mut expansion = Map::new();
    let members = [
        (
            "identifier",
            Some(format!("urn:uuid:{}", ids::uuid()?).into()),
        ),
        ("timestamp", Some(door.app.clock.now().to_string().into())),
        ("total", Some(concepts.len().into())),
        ("offset", offset.map(Value::from)),
        ("contains", (!contains.is_empty()).then(|| contains.into())),
    ];
    put(&mut expansion, members);
    out.insert("expansion".into(), expansion.into());
    Ok(out.into())
}

/// Puts in those members that are there.
fn put<const N: usize>(map: &mut Map<String, Value>, members: [(&str, Option<Value>); N]) {
    let members = members.into_iter();
    map.extend(members.filter_map(|(name, value)| Some((name.to_owned(), value?))));
}

fn contained(concept: &Concept) -> Value {
    let mut out = Map::new();
    let system = Some(concept.system.as_str()).filter(|system| !system.is_empty());
    let members = [
        ("system", system.map(Value::from)),
        ("code", Some(concept.code.as_str().into())),
        ("display", concept.display.as_deref().map(Value::from)),
    ];
    put(&mut out, members);
    out.into()
}
