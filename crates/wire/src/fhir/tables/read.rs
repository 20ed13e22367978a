//! From the text files to [`Tables`].

use std::collections::HashMap;

use super::super::path;
use super::Tables;
use super::types::{
    CodeList, Element, Param, ParamKind, Part, Primitive, Rule, Slot, Structure, Type,
};

const STRUCTURES: &str = include_str!("structures.txt");
const CODES: &str = include_str!("codes.txt");
const SEARCH: &str = include_str!("search.txt");

/// What every base has, as lines of the table: name, cardinality, type.
const RESOURCE: &[&str] = &[
    " id\t01\tid\t\ts",
    " meta\t01\tMeta\t\ts",
    " implicitRules\t01\turi\t\tsm",
    " language\t01\tcode",
];
const DOMAIN: &[&str] = &[
    " text\t01\tNarrative",
    " contained\t0*\tResource",
    " extension\t0*\tExtension",
    " modifierExtension\t0*\tExtension\t\tm",
];
const ELEMENT: &[&str] = &[" id\t01\tstring", " extension\t0*\tExtension"];
const BACKBONE: &[&str] = &[" modifierExtension\t0*\tExtension\t\tsm"];

/// Reads the three files. A line that is not understood is left out; a test looks for such lines.
pub(super) fn read() -> Tables {
    let mut tables = Tables {
        lists: code_lists(),
        params: search_params(),
        ..Tables::default()
    };
    let lists: HashMap<&str, usize> = tables
        .lists
        .iter()
        .enumerate()
        .map(|(at, list)| (list.name, at))
        .collect();
    for line in lines(STRUCTURES).filter(|l| starts_structure(l)) {
        let path = field(line, 0);
        tables.by_path.insert(path, tables.by_path.len());
        if matches!(field(line, 1), "R" | "D") {
            tables.kinds.push(path);
        }
    }
    tables.kinds.sort_unstable();
    let names = Names {
        paths: &tables.by_path,
        lists: &lists,
    };
    let mut structures: Vec<Structure> = Vec::with_capacity(tables.by_path.len());
    for line in lines(STRUCTURES) {
        if starts_structure(line) {
            structures.extend(structure(line, &names));
        } else if let Some(last) = structures.last_mut() {
            fill(last, line, &names);
        }
    }
    tables.structures = structures;
    tables
}

/// Lines that could not be read, for the test.
#[cfg(test)]
pub(super) fn complaints() -> Vec<&'static str> {
    let rules = lines(STRUCTURES).filter(|l| l.starts_with(['!', '?']) && rule(l).is_none());
    let params = lines(SEARCH).filter(|l| l.starts_with(' '));
    rules
        .chain(
            params.filter(|l| param(l).is_none_or(|p| p.expr.is_none() && !field(l, 2).is_empty())),
        )
        .collect()
}

struct Names<'a> {
    paths: &'a HashMap<&'static str, usize>,
    lists: &'a HashMap<&'a str, usize>,
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines()
        .filter(|l| !l.starts_with('#') && !l.is_empty())
}

fn field(line: &'static str, at: usize) -> &'static str {
    line.split('\t').nth(at).unwrap_or("")
}

fn starts_structure(line: &str) -> bool {
    !line.starts_with([' ', '!', '?'])
}

fn structure(line: &'static str, names: &Names<'_>) -> Option<Structure> {
    let inherited: [&[&'static str]; 2] = match field(line, 1) {
        "R" => [RESOURCE, &[]],
        "D" => [RESOURCE, DOMAIN],
        "B" => [ELEMENT, BACKBONE],
        "E" => [ELEMENT, &[]],
        _ => return None,
    };
    let mut out = Structure {
        path: field(line, 0),
        elements: Vec::new(),
        rules: Vec::new(),
        slots: HashMap::new(),
    };
    for line in inherited.into_iter().flatten() {
        fill(&mut out, line, names);
    }
    Some(out)
}

fn fill(structure: &mut Structure, line: &'static str, names: &Names<'_>) {
    if line.starts_with(['!', '?']) {
        structure.rules.extend(rule(line));
        return;
    }
    let Some(element) = element(line, names) else {
        return;
    };
    let place = structure.elements.len();
    for (key, kind) in &element.types {
        structure.slots.insert(
            key.clone(),
            Slot {
                element: place,
                kind: *kind,
            },
        );
    }
    structure.elements.push(element);
}

fn element(line: &'static str, names: &Names<'_>) -> Option<Element> {
    let written = field(line, 0).trim_start();
    let (name, choice) = match written.strip_suffix("[x]") {
        Some(name) => (name, true),
        None => (written, false),
    };
    let (min, max) = field(line, 1).split_at_checked(1)?;
    let mut targets = Vec::new();
    let mut types = Vec::new();
    for word in field(line, 2).split(',') {
        let (word, points_to) = word.split_once('(').unwrap_or((word, ""));
        targets.extend(
            points_to
                .trim_end_matches(')')
                .split('/')
                .filter(|t| !t.is_empty()),
        );
        let key = if choice {
            choice_key(name, word)
        } else {
            name.to_owned()
        };
        types.push((key.into_boxed_str(), kind(word, names)?));
    }
    let codes = names.lists.get(field(line, 3)).copied();
    Some(Element {
        name,
        min: min.parse().ok()?,
        many: max == "*",
        choice,
        types,
        targets,
        codes,
        summary: field(line, 4).contains('s'),
        modifier: field(line, 4).contains('m'),
    })
}

/// `value` and `Quantity` make `valueQuantity`; `boolean` makes `valueBoolean`.
fn choice_key(name: &str, kind: &str) -> String {
    let mut chars = kind.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    name.chars().chain(first).chain(chars).collect()
}

fn kind(word: &str, names: &Names<'_>) -> Option<Type> {
    let word = word.trim_start_matches('@');
    if word == "Resource" {
        return Some(Type::Resource);
    }
    if let Some((_, primitive)) = Primitive::NAMES.iter().find(|(name, _)| *name == word) {
        return Some(Type::Primitive(*primitive));
    }
    let place = *names.paths.get(word)?;
    Some(if word == "Reference" {
        Type::Reference(place)
    } else {
        Type::Structure(place)
    })
}

fn rule(line: &'static str) -> Option<Rule> {
    let key = field(line, 0).get(1..)?;
    let expr = path::parse(field(line, 1))?;
    Some(Rule {
        key,
        refuses: line.starts_with('!'),
        expr,
        words: field(line, 2),
    })
}

fn code_lists() -> Vec<CodeList> {
    let mut out: Vec<CodeList> = Vec::new();
    for line in lines(CODES) {
        if let Some(name) = line.strip_prefix('=') {
            out.push(CodeList {
                name,
                ..CodeList::default()
            });
        } else if let Some(list) = out.last_mut() {
            let system = field(line, 0);
            for code in line.split('\t').skip(1) {
                list.codes.entry(code).or_default().push(system);
                if list.sample.len() < 8 {
                    list.sample.push(code);
                }
            }
        }
    }
    out
}

fn search_params() -> HashMap<&'static str, Vec<Param>> {
    let mut out: HashMap<&'static str, Vec<Param>> = HashMap::new();
    let mut general: Vec<&'static str> = Vec::new();
    let mut kind = "";
    for line in lines(SEARCH) {
        if !line.starts_with(' ') {
            kind = line;
            let inherited = general.iter().filter_map(|l| param(l)).collect();
            out.insert(
                kind,
                if kind == "Resource" {
                    Vec::new()
                } else {
                    inherited
                },
            );
        } else if kind == "Resource" {
            general.push(line);
        } else {
            out.entry(kind).or_default().extend(param(line));
        }
    }
    out.remove("Resource");
    out.values_mut()
        .for_each(|list| list.sort_by_key(|p| p.code));
    out
}

fn param(line: &'static str) -> Option<Param> {
    let code = field(line, 0).trim_start();
    let kind = ParamKind::read(field(line, 1))?;
    let mut parts = Vec::new();
    if kind == ParamKind::Composite {
        for text in field(line, 3).split(" $ ") {
            parts.push(part(text)?);
        }
    }
    let last = if parts.is_empty() { field(line, 3) } else { "" };
    let targets = last
        .split('/')
        .filter(|t| !t.is_empty() && *t != "*")
        .collect();
    Some(Param {
        code: code.trim_end_matches('~'),
        kind,
        targets,
        compartment: code.ends_with('~'),
        expr: path::parse(field(line, 2)),
        parts,
    })
}

/// A part of a composite: name, type, expression.
fn part(text: &'static str) -> Option<Part> {
    let (code, rest) = text.split_once(' ')?;
    let (kind, expr) = rest.split_once(' ')?;
    Some(Part {
        code,
        kind: ParamKind::read(kind)?,
        expr: path::parse(expr)?,
    })
}
