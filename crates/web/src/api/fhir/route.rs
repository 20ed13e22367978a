//! What a method and a URL ask for; the same for a request and for an entry of a bundle.

use axum::http::StatusCode;
use wire::fhir::Code;

use super::export::{Export, Level};
use super::fault::Fault;
use super::import;
use super::operation::{self, Operation};
use super::query::unescape;

/// One interaction (FHIR R4 section 3.1.0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// `POST [base]`: a transaction or a batch.
    Bundle,
    /// `GET [base]/metadata`.
    Capability,
    /// A bulk export, what became of it, or a part of it.
    Export(Export),
    /// `GET .../_history`.
    History(Past),
    /// A bulk import, what became of it, or what was refused.
    Import(import::Asked),
    /// `GET [base]/openapi.json`.
    OpenApi,
    /// `.../$name`.
    Operation(Operation),
    /// `GET [base]/[type]/[id]`.
    Read(Target),
    /// `GET [base]/[type]?...` or `POST [base]/[type]/_search`.
    Search(&'static str),
    /// `GET [base]?_type=...` or `POST [base]/_search`: a search over several types.
    SearchTypes,
    /// `GET [base]/[type]/[id]/_history/[version]`.
    Version(Target, u64),
    /// Anything that changes a resource.
    Write(Write),
}

/// Whose history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Past {
    /// Of one resource.
    Instance(Target),
    /// Of everything.
    System,
    /// Of one type.
    Type(&'static str),
}

/// A change of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    /// `POST [type]`.
    Create(&'static str),
    /// `DELETE [type]/[id]`.
    Delete(Target),
    /// `DELETE [type]?...`.
    DeleteWhere(&'static str),
    /// `PATCH [type]/[id]`.
    Patch(Target),
    /// `PATCH [type]?...`.
    PatchWhere(&'static str),
    /// `PUT [type]/[id]`.
    Update(Target),
    /// `PUT [type]?...`.
    UpdateWhere(&'static str),
}

impl Write {
    /// The type that it is about.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Write::Create(kind)
            | Write::DeleteWhere(kind)
            | Write::PatchWhere(kind)
            | Write::UpdateWhere(kind) => kind,
            Write::Delete(target) | Write::Patch(target) | Write::Update(target) => target.kind,
        }
    }

    /// Whether it takes a resource away, and so comes without one.
    pub(crate) fn deletes(&self) -> bool {
        matches!(self, Write::Delete(_) | Write::DeleteWhere(_))
    }

    /// Whether it comes with a patch instead of a resource.
    pub(crate) fn patches(&self) -> bool {
        matches!(self, Write::Patch(_) | Write::PatchWhere(_))
    }
}

/// One resource by type and logical id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    /// The FHIR type.
    pub(crate) kind: &'static str,
    /// The logical id.
    pub(crate) id: String,
}

/// What `method` on `path` (without the base, with or without a leading slash) asks for.
///
/// # Errors
/// 400 for an id that is none, 404 for a path that leads nowhere, 405 for the wrong method.
pub(crate) fn call(method: &str, path: &str) -> Result<Call, Fault> {
    let parts = path
        .trim_matches('/')
        .split('/')
        .map(unescape)
        .collect::<Result<Vec<String>, Fault>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [""] => at_base(method),
        ["metadata"] => get(method, Call::Capability),
        ["openapi.json"] => get(method, Call::OpenApi),
        ["_history"] => get(method, Call::History(Past::System)),
        ["$export"] => begin(method, Level::System),
        ["Patient", "$export"] => begin(method, Level::Patients),
        ["Group", id, "$export"] => begin(method, Level::Group(target("Group", id)?)),
        ["$export-status", job] => match method {
            "GET" | "HEAD" => Ok(Call::Export(Export::Status((*job).to_owned()))),
            "DELETE" => Ok(Call::Export(Export::Drop((*job).to_owned()))),
            _ => Err(Fault::method(method, "GET, HEAD, DELETE")),
        },
        ["$export-file", job, file] => {
            let file = file.parse().map_err(|_| nowhere(path))?;
            get(method, Call::Export(Export::File((*job).to_owned(), file)))
        }
        ["$import"] => match method {
            "POST" => Ok(Call::Import(import::Asked::Begin)),
            _ => Err(Fault::method(method, "POST")),
        },
        ["$import-status", id] => match method {
            "GET" | "HEAD" => Ok(Call::Import(import::Asked::Status((*id).to_owned()))),
            "DELETE" => Ok(Call::Import(import::Asked::Drop((*id).to_owned()))),
            _ => Err(Fault::method(method, "GET, HEAD, DELETE")),
        },
        ["$import-file", id, file] => {
            let file = file.parse().map_err(|_| nowhere(path))?;
            get(
                method,
                Call::Import(import::Asked::Refusals((*id).to_owned(), file)),
            )
        }
        ["_search"] => match method {
            "GET" | "HEAD" | "POST" => Ok(Call::SearchTypes),
            _ => Err(Fault::method(method, "GET, HEAD, POST")),
        },
        [word] => at_type(method, kind(word)?),
        [word, name] if name.starts_with('$') => {
            let operation = operation::named(method, name, (kind(word)?, None))?;
            Ok(Call::Operation(operation))
        }
        [word, id, name] if name.starts_with('$') => {
            let target = target(word, id)?;
            let operation = operation::named(method, name, (target.kind, Some(target)))?;
            Ok(Call::Operation(operation))
        }
        [word, "_search"] => at_search(method, kind(word)?),
        [word, "_history"] => get(method, Call::History(Past::Type(kind(word)?))),
        [word, id] => at_instance(method, target(word, id)?),
        [word, id, "_history"] => get(method, Call::History(Past::Instance(target(word, id)?))),
        [word, id, "_history", version] => {
            get(method, Call::Version(target(word, id)?, number(version)?))
        }
        _ => Err(nowhere(path)),
    }
}

/// The type with this name.
pub(crate) fn kind(word: &str) -> Result<&'static str, Fault> {
    if word.starts_with('$') {
        return Err(operation::not_offered(word));
    }
    wire::fhir::kinds()
        .iter()
        .copied()
        .find(|known| *known == word)
        .ok_or_else(|| {
            let words = format!("`{word}` is not a resource type of FHIR R4");
            Fault::new(StatusCode::NOT_FOUND, Code::NotSupported, words)
        })
}

/// Whether `id` can be a logical id: 1 to 64 letters, digits, `-` and `.`, and not only dots,
/// since `.` and `..` in a URL mean something else.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
        && id.bytes().any(|byte| byte != b'.')
}

fn target(word: &str, id: &str) -> Result<Target, Fault> {
    let kind = kind(word)?;
    if !is_id(id) {
        let words = format!("`{id}` is not an id: 1 to 64 letters, digits, `-` or `.`");
        return Err(Fault::bad(Code::Value, words));
    }
    Ok(Target {
        kind,
        id: id.to_owned(),
    })
}

fn number(version: &str) -> Result<u64, Fault> {
    version.parse().map_err(|_| {
        let words = format!("there is no version `{version}`");
        Fault::new(StatusCode::NOT_FOUND, Code::NotFound, words)
    })
}

fn nowhere(path: &str) -> Fault {
    let words = format!("`{path}` leads nowhere; see `metadata` for what there is");
    Fault::new(StatusCode::NOT_FOUND, Code::NotFound, words)
}

fn begin(method: &str, level: Level) -> Result<Call, Fault> {
    match method {
        "GET" | "HEAD" | "POST" => Ok(Call::Export(Export::Begin(level))),
        _ => Err(Fault::method(method, "GET, HEAD, POST")),
    }
}

fn get(method: &str, call: Call) -> Result<Call, Fault> {
    match method {
        "GET" | "HEAD" => Ok(call),
        _ => Err(Fault::method(method, "GET, HEAD")),
    }
}

fn at_base(method: &str) -> Result<Call, Fault> {
    match method {
        "POST" => Ok(Call::Bundle),
        "GET" | "HEAD" => Ok(Call::SearchTypes),
        _ => Err(Fault::method(method, "GET, HEAD, POST")),
    }
}

fn at_type(method: &str, kind: &'static str) -> Result<Call, Fault> {
    match method {
        "GET" | "HEAD" => Ok(Call::Search(kind)),
        "POST" => Ok(Call::Write(Write::Create(kind))),
        "PUT" => Ok(Call::Write(Write::UpdateWhere(kind))),
        "DELETE" => Ok(Call::Write(Write::DeleteWhere(kind))),
        "PATCH" => Ok(Call::Write(Write::PatchWhere(kind))),
        _ => Err(Fault::method(method, "GET, HEAD, POST, PUT, PATCH, DELETE")),
    }
}

fn at_search(method: &str, kind: &'static str) -> Result<Call, Fault> {
    match method {
        "GET" | "HEAD" | "POST" => Ok(Call::Search(kind)),
        _ => Err(Fault::method(method, "GET, HEAD, POST")),
    }
}

fn at_instance(method: &str, target: Target) -> Result<Call, Fault> {
    match method {
        "GET" | "HEAD" => Ok(Call::Read(target)),
        "PUT" => Ok(Call::Write(Write::Update(target))),
        "DELETE" => Ok(Call::Write(Write::Delete(target))),
        "PATCH" => Ok(Call::Write(Write::Patch(target))),
        _ => Err(Fault::method(method, "GET, HEAD, PUT, PATCH, DELETE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, path: &str) -> u16 {
        call(method, path).unwrap_err().status.as_u16()
    }

    #[test]
    fn every_interaction_has_its_place() {
        let target = Target {
            kind: "Patient",
            id: "a-1.B".into(),
        };
        assert_eq!(call("GET", "/metadata").unwrap(), Call::Capability);
        assert_eq!(call("POST", "/").unwrap(), Call::Bundle);
        assert_eq!(call("GET", "/").unwrap(), Call::SearchTypes);
        assert_eq!(call("POST", "/_search").unwrap(), Call::SearchTypes);
        assert_eq!(
            call("GET", "/Patient/a-1.B").unwrap(),
            Call::Read(target.clone())
        );
        assert_eq!(
            call("GET", "Patient/a-1.B/_history/7").unwrap(),
            Call::Version(target.clone(), 7)
        );
        assert_eq!(
            call("PUT", "Patient/a-1.B").unwrap(),
            Call::Write(Write::Update(target.clone()))
        );
        assert_eq!(
            call("PATCH", "Patient/a-1.B").unwrap(),
            Call::Write(Write::Patch(target))
        );
        assert_eq!(
            call("PATCH", "Patient").unwrap(),
            Call::Write(Write::PatchWhere("Patient"))
        );
        assert_eq!(
            call("GET", "Patient/_history").unwrap(),
            Call::History(Past::Type("Patient"))
        );
        assert_eq!(
            call("POST", "Patient/_search").unwrap(),
            Call::Search("Patient")
        );
    }

    /// The methods of a path of the OpenAPI document, `HEAD` where there is `GET`.
    fn listed(item: &serde_json::Value) -> Vec<String> {
        let methods = item.as_object().unwrap().keys();
        let methods = methods.filter(|name| *name != "parameters");
        let mut methods: Vec<String> = methods.map(|name| name.to_uppercase()).collect();
        if methods.contains(&"GET".to_owned()) {
            methods.push("HEAD".to_owned());
        }
        methods
    }

    #[test]
    fn the_openapi_document_names_the_methods_of_each_path_and_no_other() {
        let document = wire::fhir::openapi("https://localhost/fhir", "0.1.0");
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.len() > 146 * 8, "{}", paths.len());
        for (path, item) in paths {
            let listed = listed(item);
            let real = [
                ("{id}", "a-1"),
                ("{version}", "7"),
                ("{job}", "x"),
                ("{file}", "0"),
            ];
            let real = real.iter().fold(path.clone(), |path, (name, value)| {
                path.replace(name, value)
            });
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
                let taken = call(method, &real);
                match listed.iter().any(|one| one == method) {
                    true => assert!(taken.is_ok(), "{method} {real}: {taken:?}"),
                    false => assert_eq!(status(method, &real), 405, "{method} {real}"),
                }
            }
        }
    }

    #[test]
    fn paths_that_lead_nowhere_say_so() {
        assert_eq!(status("GET", "/Nonsense"), 404);
        assert_eq!(status("GET", "/patient/1"), 404);
        assert_eq!(status("GET", "/Patient/1/_history/2/3"), 404);
        assert_eq!(status("GET", "/Patient/1/$nothing"), 404);
        assert_eq!(status("GET", "/Observation/1/$everything"), 404);
        assert_eq!(status("PUT", "/Patient/1/$everything"), 405);
        assert_eq!(status("DELETE", "/metadata"), 405);
        assert_eq!(status("BREW", "/Patient/1"), 405);
    }

    #[test]
    fn an_id_is_never_a_path() {
        for path in [
            "/Patient/..",
            "/Patient/%2e%2e",
            "/Patient/..%2F..%2Fetc%2Fpasswd",
            "/Patient/a%00b",
            "/Patient/a%20b",
            "/Patient/%ff",
            "/Patient/%zz",
        ] {
            assert_eq!(status("GET", path), 400, "{path}");
        }
        let long = "x".repeat(65);
        assert_eq!(status("GET", &format!("/Patient/{long}")), 400);
    }
}
