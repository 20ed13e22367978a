//! The paths of the document, and what each method of them does.

use serde_json::{Map, Value, json};

use super::super::offered::{Asked, At, Offer, SEARCH_WORDS, offered_params};
use super::parts::{part, search_name};

/// What any question may be answered with instead.
const ASKED: &[u16] = &[400, 401, 403, 404, 406, 429, 503];
/// The same of what anybody may ask.
const OPEN: &[u16] = &[400, 406, 429, 500];
/// The same of a resource that is named.
const NAMED: &[u16] = &[400, 401, 403, 404, 406, 410, 429, 503];
/// The same of a write.
const WRITTEN: &[u16] = &[
    400, 401, 403, 404, 406, 409, 410, 412, 413, 415, 422, 429, 503,
];
/// The same of what is asked with a body.
const POSTED: &[u16] = &[400, 401, 403, 404, 406, 410, 413, 415, 422, 429, 503];

/// One method of a path: its name, its parameters (names of parts), its body (the same; empty: none), what
/// it is answered with.
struct Method<'a> {
    id: String,
    params: Vec<&'a str>,
    body: &'a str,
    good: &'a [(u16, &'a str)],
    bad: &'a [u16],
}

impl Method<'_> {
    fn json(&self) -> Value {
        let params: Vec<Value> = self
            .params
            .iter()
            .map(|name| part("parameters", name))
            .collect();
        let mut answers = Map::new();
        for (status, name) in self.good {
            answers.insert(status.to_string(), part("responses", name));
        }
        for status in self.bad {
            answers.insert(status.to_string(), part("responses", "Fault"));
        }
        let mut out = json!({
            "operationId": self.id,
            "parameters": params,
            "responses": answers,
        });
        if let (Some(map), false) = (out.as_object_mut(), self.body.is_empty()) {
            map.insert("requestBody".to_owned(), part("requestBodies", self.body));
        }
        out
    }
}

fn got<'a>(id: String, params: Vec<&'a str>, good: &'a [(u16, &'a str)]) -> Method<'a> {
    Method {
        id,
        params,
        body: "",
        good,
        bad: ASKED,
    }
}

fn written<'a>(
    id: String,
    params: &[&'a str],
    (body, good): (&'a str, &'a [(u16, &'a str)]),
) -> Method<'a> {
    Method {
        id,
        params: params.to_vec(),
        body,
        good,
        bad: WRITTEN,
    }
}

/// The paths of no type.
pub(super) fn of_base(paths: &mut Map<String, Value>) {
    let words: Vec<&str> = SEARCH_WORDS.iter().map(|(name, _)| *name).collect();
    let typed = [&["types"], words.as_slice()].concat();
    let found = &[(200, "Bundle")];
    let search = got("search-system".to_owned(), typed.clone(), found);
    let bundle = written("bundle".to_owned(), &["Prefer"], ("Bundle", found));
    let form = Method {
        body: "Form",
        bad: POSTED,
        ..got("search-system-by-form".to_owned(), Vec::new(), found)
    };
    let also = got("search-system-here".to_owned(), typed, found);
    let history = vec!["_count", "since", "_page", "_format", "_pretty"];
    let history = got("history-system".to_owned(), history, found);
    let mut open = got(
        "metadata".to_owned(),
        vec!["_format", "_pretty"],
        &[(200, "CapabilityStatement")],
    );
    open.bad = OPEN;
    let mut document = got("openapi".to_owned(), Vec::new(), &[(200, "Manifest")]);
    document.bad = OPEN;
    let [mut open, mut document] = [open.json(), document.json()];
    for one in [&mut open, &mut document] {
        if let Some(map) = one.as_object_mut() {
            map.insert("security".to_owned(), json!([]));
        }
    }
    let all = [
        ("/", json!({ "get": search.json(), "post": bundle.json() })),
        ("/metadata", json!({ "get": open })),
        ("/openapi.json", json!({ "get": document })),
        ("/_history", json!({ "get": history.json() })),
        (
            "/_search",
            json!({ "get": also.json(), "post": form.json() }),
        ),
    ];
    paths.extend(all.map(|(path, item)| (path.to_owned(), item)));
    of_jobs(paths);
}

/// What became of what is answered later.
fn of_jobs(paths: &mut Map<String, Value>) {
    let status = [(200, "Manifest"), (202, "Nothing")];
    for (name, lines) in [("export", "Lines"), ("import", "Lines")] {
        let asked = got(format!("{name}-status"), vec![], &status);
        let bad = [ASKED, &[502]].concat();
        let asked = Method { bad: &bad, ..asked };
        let ended = got(format!("{name}-end"), vec![], &[(202, "Nothing")]);
        let mut item = json!({ "get": asked.json(), "delete": ended.json() });
        placed(&mut item, &["job"]);
        paths.insert(format!("/${name}-status/{{job}}"), item);
        let good = [(200, lines)];
        let file = got(format!("{name}-file"), vec![], &good);
        let mut item = json!({ "get": file.json() });
        placed(&mut item, &["job", "file"]);
        paths.insert(format!("/${name}-file/{{job}}/{{file}}"), item);
    }
}

/// The paths of a type, without its operations.
pub(super) fn of_type(paths: &mut Map<String, Value>, kind: &str) {
    let own: Vec<String> = offered_params(kind).into_iter().map(search_name).collect();
    let own = own.iter().map(String::as_str);
    let words = SEARCH_WORDS.iter().map(|(name, _)| *name);
    let params: Vec<&str> = own.chain(words).collect();
    let found = [(200, "Bundle")];
    let by_form = Method {
        body: "Form",
        bad: POSTED,
        ..got(format!("search-by-form-{kind}"), Vec::new(), &found)
    };
    let here = got(format!("search-here-{kind}"), params.clone(), &found);
    let search = json!({ "get": here.json(), "post": by_form.json() });
    let past = vec!["_count", "since", "_page", "_format", "_pretty"];
    let history = got(format!("history-type-{kind}"), past.clone(), &found);
    let of_one = Method {
        bad: NAMED,
        ..got(format!("history-{kind}"), past, &found)
    };
    let mut of_one = json!({ "get": of_one.json() });
    placed(&mut of_one, &["id"]);
    let mut version = json!({ "get": read(format!("vread-{kind}"), kind) });
    placed(&mut version, &["id", "version"]);
    let all = [
        ("", conditional(kind, params)),
        ("/_search", search),
        ("/_history", json!({ "get": history.json() })),
        ("/{id}", instance(kind)),
        ("/{id}/_history", of_one),
        ("/{id}/_history/{version}", version),
    ];
    paths.extend(all.map(|(path, item)| (format!("/{kind}{path}"), item)));
}

/// `[type]`: search, create, and writes by query.
fn conditional(kind: &str, params: Vec<&str>) -> Value {
    let changed = [(200, kind), (201, kind)];
    let ways = ["If-Match", "If-None-Match", "Prefer"];
    let search = got(format!("search-{kind}"), params.clone(), &[(200, "Bundle")]);
    let name = |what: &str| format!("{what}-{kind}");
    let create = ["If-None-Exist", "Prefer"];
    let create = written(name("create"), &create, (kind, &changed));
    let by_query: Vec<&str> = params
        .into_iter()
        .filter(|name| name.starts_with("search."))
        .chain(ways)
        .collect();
    let update = written(name("update-where"), &by_query, (kind, &changed));
    let patch = written(name("patch-where"), &by_query, ("Patch", &changed));
    let gone = [(200, "OperationOutcome"), (204, "Nothing")];
    let delete = written(name("delete-where"), &by_query, ("", &gone));
    json!({
        "get": search.json(),
        "post": create.json(),
        "put": update.json(),
        "patch": patch.json(),
        "delete": delete.json(),
    })
}

/// `[type]/[id]`.
fn instance(kind: &str) -> Value {
    let changed = [(200, kind), (201, kind)];
    let ways = ["If-Match", "If-None-Match", "Prefer"];
    let name = |what: &str| format!("{what}-{kind}");
    let update = written(name("update"), &ways, (kind, &changed));
    let patch = written(name("patch"), &ways, ("Patch", &changed));
    let gone = [(200, "OperationOutcome"), (204, "Nothing")];
    let delete = written(name("delete"), &["If-Match", "Prefer"], ("", &gone));
    let mut item = json!({
        "get": read(name("read"), kind),
        "put": update.json(),
        "patch": patch.json(),
        "delete": delete.json(),
    });
    placed(&mut item, &["id"]);
    item
}

fn read(id: String, kind: &str) -> Value {
    let params = vec![
        "_elements",
        "_summary",
        "_format",
        "_pretty",
        "If-None-Match",
        "If-Modified-Since",
    ];
    let good = [(200, kind), (304, "Nothing")];
    let method = Method {
        bad: NAMED,
        ..got(id, params, &good)
    };
    method.json()
}

/// The paths of an operation.
pub(super) fn of_operation(paths: &mut Map<String, Value>, kind: &str, offer: &Offer) {
    let before = if kind.is_empty() {
        String::new()
    } else {
        format!("/{kind}")
    };
    if offer.at != At::One {
        let id = format!("{}-{kind}-all", offer.name);
        let own = offer.params.to_vec();
        paths.insert(format!("{before}/${}", offer.name), asked(offer, own, &id));
    }
    if offer.at != At::All {
        let own = offer.params.iter().copied();
        let own = own.filter(|name| !offer.all_only.contains(name)).collect();
        let mut item = asked(offer, own, &format!("{}-{kind}-one", offer.name));
        placed(&mut item, &["id"]);
        paths.insert(format!("{before}/{{id}}/${}", offer.name), item);
    }
}

fn asked(offer: &Offer, own: Vec<&str>, id: &str) -> Value {
    let own: Vec<String> = own.iter().map(|name| format!("of.{name}")).collect();
    let mut params: Vec<&str> = own.iter().map(String::as_str).collect();
    let good = [(200, offer.answer)];
    let later = [(202, "Nothing")];
    let waits = matches!(offer.asked, Asked::Later | Asked::Manifest);
    if waits {
        params.push("Later");
    }
    let good = if waits {
        later.as_slice()
    } else {
        good.as_slice()
    };
    let body = match offer.asked {
        Asked::Parameters | Asked::Later | Asked::Resource => "Question",
        Asked::Body => "Needed",
        Asked::Manifest => "Manifest",
    };
    let get = Method {
        bad: POSTED,
        ..got(format!("{id}-get"), params.clone(), good)
    };
    let post = Method {
        id: id.to_owned(),
        params: if waits { vec!["Later"] } else { vec![] },
        body,
        good,
        bad: POSTED,
    };
    match offer.asked {
        Asked::Body | Asked::Manifest => json!({ "post": post.json() }),
        Asked::Parameters | Asked::Resource | Asked::Later => {
            json!({ "get": get.json(), "post": post.json() })
        }
    }
}

/// Puts what stands in the path to it.
fn placed(item: &mut Value, names: &[&str]) {
    let names: Vec<Value> = names.iter().map(|name| part("parameters", name)).collect();
    if let Some(map) = item.as_object_mut() {
        map.insert("parameters".to_owned(), names.into());
    }
}
