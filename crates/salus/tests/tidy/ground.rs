//! What can be read from the sources themselves: nothing unsafe, nothing unescaped, nothing foreign.

use std::fs;
use std::path::PathBuf;

use toml::Table;

use super::{files_under, members, read, root};

/// What a template may show as it is: constants, and drawings made of numbers of ours.
const DRAWN: [&str; 2] = [".icon()", ".barcode"];

/// Where SQL is put together. Each was read: it is made of constants, of placeholders in a number, of
/// names of our own tables; what is asked for is bound. What is new here has to be read, too.
const BUILT_SQL: [&str; 7] = [
    "crates/readers/chart/src/search/candidates.rs",
    "crates/readers/chart/src/store/mod.rs",
    "crates/readers/lifeline/src/view.rs",
    "crates/readers/oversight/src/outside.rs",
    "crates/record/src/alike.rs",
    "crates/record/src/journal/",
    "crates/record/src/view.rs",
];

/// Files of `folder` that end so, by their path from the root of the tree.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    files_under(&root().join(folder), ending, &mut found);
    let named = found.into_iter().map(|path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        (name.to_string_lossy().into_owned(), text)
    });
    named.collect()
}

/// Every source of the program itself: no tests, no drills.
fn sources() -> impl Iterator<Item = (String, String)> {
    let program = |name: &str| name.contains("/src/") && !name.starts_with("crates/drills/");
    let all = files("crates", "rs").into_iter();
    all.filter(move |(name, _)| program(name))
}

fn templates() -> Vec<(String, String)> {
    files("crates/web/templates", "html")
}

/// What stands in the tags called `tag` of a page.
fn tags<'a>(page: &'a str, tag: &str) -> Vec<&'a str> {
    let opened = page.split(tag).skip(1);
    opened.filter_map(|rest| rest.split('>').next()).collect()
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    let workspace: Table = read("Cargo.toml").parse().unwrap();
    let lints = &workspace["workspace"]["lints"]["rust"];
    assert_eq!(lints["unsafe_code"].as_str(), Some("forbid"));
    for (name, path) in members() {
        let manifest = path.join("Cargo.toml");
        let manifest: Table = read(manifest.to_str().unwrap()).parse().unwrap();
        let heeded = manifest["lints"]["workspace"].as_bool();
        assert_eq!(heeded, Some(true), "`{name}` has lints of its own");
    }
}

#[test]
fn release_builds_trap_overflows() {
    let workspace: Table = read("Cargo.toml").parse().unwrap();
    let checks = &workspace["profile"]["release"]["overflow-checks"];
    assert_eq!(checks.as_bool(), Some(true));
}

#[test]
fn templates_escape_what_they_are_given() {
    let templates = templates();
    assert!(templates.len() > 30);
    for (name, text) in templates {
        let before: Vec<&str> = text.split("|safe").collect();
        let (_, before) = before.split_last().unwrap();
        for part in before {
            let drawn = DRAWN.iter().any(|drawing| part.ends_with(drawing));
            assert!(drawn, "{name} shows something unescaped");
        }
        assert!(!text.contains("autoescape"), "{name}");
    }
    for (name, text) in sources() {
        assert!(!text.contains("escape = \"none\""), "{name}");
    }
}

#[test]
fn the_script_keeps_nothing_and_runs_nothing() {
    let scripts = files("crates/web/static", "js");
    assert_eq!(scripts.len(), 1);
    let (_, script) = &scripts[0];
    for word in [
        "eval(",
        "new Function",
        "document.write",
        "insertAdjacentHTML",
        "outerHTML",
        "localStorage",
        "sessionStorage",
        "indexedDB",
        "document.cookie",
        "postMessage",
        "\"message\"",
        "import(",
        "__proto__",
    ] {
        assert!(!script.contains(word), "the script has `{word}`");
    }
    // Its own line comes back as it was; everything else is text, or nodes the server escaped.
    assert_eq!(script.matches(".innerHTML = ").count(), 1);
    assert!(script.contains("line.innerHTML = spoken;"));
}

#[test]
fn pages_load_nothing_from_elsewhere() {
    for (name, text) in templates() {
        for place in ["src=\"", "href=\"", "action=\""] {
            for value in text.split(place).skip(1) {
                let value = value.split('"').next().unwrap_or_default();
                let own = !value.starts_with("//") && !value.contains("://");
                assert!(own, "{name}: `{value}` is elsewhere");
            }
        }
    }
    let styles = read("crates/web/static/salus.css");
    for word in ["://", "@import"] {
        assert!(!styles.contains(word), "the stylesheet has `{word}`");
    }
}

#[test]
fn every_page_has_the_bar_with_sign_out() {
    let base = read("crates/web/templates/base.html");
    assert!(base.contains("action=\"/sign-out\""));
    for (name, text) in templates() {
        if name.contains("/parts/") || name.ends_with("/base.html") {
            continue;
        }
        // What leaves the console as a file has no session, and so no form and no script of it.
        let page = text.starts_with("{% extends \"base.html\" %}");
        let file = !text.contains("<form") && !text.contains("<script");
        assert!(page || file, "{name} is a page without the bar");
        assert!(!text.contains("{% block bar"), "{name}");
    }
}

#[test]
fn passwords_are_typed_hidden_and_may_be_pasted() {
    let mut seen = 0;
    for (name, text) in templates() {
        assert!(!text.contains("onpaste"), "{name}");
        for input in tags(&text, "<input ") {
            let secret = ["password", "again", "current", "secret"]
                .iter()
                .any(|field| input.contains(&format!("name=\"{field}\"")));
            if !secret || input.contains("type=\"hidden\"") {
                continue;
            }
            seen += 1;
            assert!(input.contains("type=\"password\""), "{name}: `{input}`");
            let helped = ["current-password", "new-password"]
                .iter()
                .any(|kind| input.contains(&format!("autocomplete=\"{kind}\"")));
            assert!(
                helped,
                "{name}: password managers are not helped: `{input}`"
            );
        }
    }
    assert!(seen >= 6, "{seen} fields");
}

#[test]
fn every_cookie_is_bound_to_host_and_tls() {
    let (mut names, mut set) = (0, 0);
    for (name, text) in sources() {
        for line in text.lines() {
            if let Some((_, value)) = line.split_once("_COOKIE: &str = \"") {
                names += 1;
                assert!(value.starts_with("__Host-"), "{name}: `{line}`");
            }
            if line.contains("; Path=/") {
                set += 1;
                for part in ["_COOKIE}=", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
                    assert!(line.contains(part), "{name}: `{line}` lacks `{part}`");
                }
            }
        }
    }
    assert!(names >= 3 && set >= 4, "{names} names, {set} set");
}

#[test]
fn no_other_program_is_started() {
    for (name, text) in sources() {
        // A drill starts this program itself, in a folder of its own.
        if name.ends_with("salus/src/drill/scene.rs") {
            assert!(text.contains("std::env::current_exe()"));
            continue;
        }
        assert!(
            !text.contains("process::Command"),
            "{name} starts a program"
        );
    }
}

#[test]
fn built_sql_stands_only_where_it_holds_no_input() {
    let built = sources().filter(|(_, text)| text.contains("AssertSqlSafe("));
    let built: Vec<String> = built.map(|(name, _)| name).collect();
    assert!(!built.is_empty());
    for name in built {
        let read_before = BUILT_SQL.iter().any(|known| name.starts_with(known));
        assert!(read_before, "{name} builds SQL: read it, then add it here");
    }
}

#[test]
fn every_package_comes_from_one_registry() {
    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
    let members = members();
    let lock: Table = read("Cargo.lock").parse().unwrap();
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let source = package.get("source").and_then(|source| source.as_str());
        if members.contains_key(name) {
            assert_eq!(source, None, "`{name}` is ours and somebody else's");
        } else {
            assert_eq!(source, Some(REGISTRY), "`{name}`");
            assert!(package.get("checksum").is_some(), "`{name}`");
        }
    }
}
