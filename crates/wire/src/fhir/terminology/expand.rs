//! From the definition of a ValueSet to its concepts.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::system::{Entry, concepts_of, passes};
use super::{Concept, Terminology, Unanswered, built_in, text};
use crate::fhir::search::fold;

/// Value sets within value sets, at most.
const DEPTH_MAX: usize = 8;

pub(super) fn by_url(
    from: &Terminology<'_>,
    url: &str,
    depth: usize,
) -> Result<Vec<Concept>, Unanswered> {
    if let Some(list) = built_in(url) {
        from.spend(list.len())?;
        let mut all: Vec<Concept> = list
            .all()
            .map(|(system, code)| Concept {
                system: system.to_owned(),
                code: code.to_owned(),
                display: None,
            })
            .collect();
        all.sort_unstable_by(|a, b| (&a.system, &a.code).cmp(&(&b.system, &b.code)));
        return Ok(all);
    }
    match from.value_set(url) {
        Some(set) => of_set(from, set, depth),
        None => Err(Unanswered::NoValueSet(url.to_owned())),
    }
}

pub(super) fn of_set(
    from: &Terminology<'_>,
    set: &Value,
    depth: usize,
) -> Result<Vec<Concept>, Unanswered> {
    if depth > DEPTH_MAX {
        let words = format!(
            "`{}` refers to value sets more than {DEPTH_MAX} deep",
            text(set, "url")
        );
        return Err(Unanswered::NotOffered(words));
    }
    let Some(compose) = set.get("compose") else {
        let all = expanded(set);
        from.spend(all.len())?;
        return Ok(all);
    };
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    for include in list(compose, "include") {
        for concept in of_include(from, include, depth)? {
            if seen.insert(concept.clone().bare()) {
                all.push(concept);
            }
        }
        if all.len() > from.concepts_max {
            return Err(Unanswered::TooMany(from.concepts_max));
        }
    }
    for exclude in list(compose, "exclude") {
        let out = of_include(from, exclude, depth)?;
        let out: HashSet<Concept> = out.into_iter().map(Concept::bare).collect();
        all.retain(|concept| !out.contains(&concept.clone().bare()));
    }
    Ok(all)
}

impl Concept {
    /// The concept without what people read of it.
    fn bare(self) -> Concept {
        Concept {
            display: None,
            ..self
        }
    }
}

/// An expansion that stands in the resource itself.
fn expanded(set: &Value) -> Vec<Concept> {
    fn collect(list: &Value, all: &mut Vec<Concept>) {
        for one in list.as_array().into_iter().flatten() {
            let (system, code) = (text(one, "system"), text(one, "code"));
            if !code.is_empty() && one.get("abstract") != Some(&true.into()) {
                let display = text(one, "display");
                all.push(Concept {
                    system: system.to_owned(),
                    code: code.to_owned(),
                    display: (!display.is_empty()).then(|| display.to_owned()),
                });
            }
            if let Some(inner) = one.get("contains") {
                collect(inner, all);
            }
        }
    }
    let mut all = Vec::new();
    if let Some(list) = set.pointer("/expansion/contains") {
        collect(list, &mut all);
    }
    all
}

/// What one `include` or `exclude` means: its system's concepts that are in all of its value sets.
fn of_include(
    from: &Terminology<'_>,
    include: &Value,
    depth: usize,
) -> Result<Vec<Concept>, Unanswered> {
    from.spend(1)?;
    let system = text(include, "system");
    let mut found = match system.is_empty() {
        true => None,
        false => Some(of_system(from, include, system)?),
    };
    for set in list(include, "valueSet") {
        let set = by_url(from, set.as_str().unwrap_or_default(), depth + 1)?;
        found = Some(match found {
            None => set,
            Some(before) => {
                let within: HashSet<Concept> = set.into_iter().map(Concept::bare).collect();
                let kept = before.into_iter();
                kept.filter(|one| within.contains(&one.clone().bare()))
                    .collect()
            }
        });
    }
    Ok(found.unwrap_or_default())
}

fn of_system(
    from: &Terminology<'_>,
    include: &Value,
    system: &str,
) -> Result<Vec<Concept>, Unanswered> {
    let named = list(include, "concept");
    if !named.is_empty() {
        return of_names(from, system, named);
    }
    let filters = list(include, "filter");
    let Some(code_system) = from.code_system(system) else {
        return whole_built_in(system)
            .filter(|_| filters.is_empty())
            .ok_or_else(|| Unanswered::NoCodeSystem(system.to_owned()));
    };
    if text(code_system, "content") != "complete" {
        return Err(Unanswered::NoCodeSystem(system.to_owned()));
    }
    let all = concepts_of(code_system);
    from.spend(all.len().saturating_mul(1 + filters.len()))?;
    let mut kept: Vec<&Entry<'_>> = all.iter().collect();
    for filter in filters {
        kept = passes(&all, kept, filter)?;
    }
    let concept = |entry: &&Entry<'_>| Concept {
        system: system.to_owned(),
        code: entry.code.to_owned(),
        display: entry.display.map(str::to_owned),
    };
    Ok(kept.iter().map(concept).collect())
}

/// The concepts that an include lists, with the words of their system where it is at hand.
fn of_names(
    from: &Terminology<'_>,
    system: &str,
    named: &[Value],
) -> Result<Vec<Concept>, Unanswered> {
    from.spend(named.len())?;
    let mut shown: HashMap<&str, &str> = HashMap::new();
    if let Some(at_hand) = from.code_system(system) {
        let all = concepts_of(at_hand);
        from.spend(all.len())?;
        shown = all
            .iter()
            .filter_map(|entry| Some((entry.code, entry.display?)))
            .collect();
    }
    let concept = |one: &Value| {
        let (code, display) = (text(one, "code"), text(one, "display"));
        let display = match display.is_empty() {
            true => shown.get(code).copied(),
            false => Some(display),
        };
        Concept {
            system: system.to_owned(),
            code: code.to_owned(),
            display: display.map(str::to_owned),
        }
    };
    Ok(named.iter().map(concept).collect())
}

/// All codes of a system of R4 whose value set is built in: the one that has its name.
fn whole_built_in(system: &str) -> Option<Vec<Concept>> {
    let name = system.rsplit('/').next()?;
    let list = built_in(&format!("http://hl7.org/fhir/ValueSet/{name}"))?;
    if list.all().any(|(of, _)| of != system) {
        return None;
    }
    let concept = |(system, code): (&str, &str)| Concept {
        system: system.to_owned(),
        code: code.to_owned(),
        display: None,
    };
    let mut all: Vec<Concept> = list.all().map(concept).collect();
    all.sort_unstable_by(|a, b| a.code.cmp(&b.code));
    Some(all)
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    let list = value.get(key).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// The concepts whose words or code hold all words of a text.
#[must_use]
pub fn matching(concepts: Vec<Concept>, words: &str) -> Vec<Concept> {
    let wanted = fold(words);
    let wanted: Vec<&str> = wanted.split_whitespace().collect();
    let holds = |concept: &Concept| {
        let shown = fold(concept.display.as_deref().unwrap_or_default());
        let code = fold(&concept.code);
        wanted
            .iter()
            .all(|word| shown.contains(word) || code.contains(word))
    };
    concepts.into_iter().filter(holds).collect()
}

/// The concept of a code in an expansion; without a system the only one of that code.
#[must_use]
pub fn member<'c>(
    concepts: &'c [Concept],
    (system, code): (Option<&str>, &str),
) -> Option<&'c Concept> {
    let mut found = concepts.iter().filter(|concept| {
        concept.code == code && system.is_none_or(|system| concept.system == system)
    });
    let first = found.next();
    first.filter(|_| found.next().is_none())
}
