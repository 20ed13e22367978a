//! The house's own rules: the arrows of ARCHITECTURE.md, the headers of the rooms, sizes, links.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what cannot be read is a failed test"
)]

#[path = "tidy/asvs.rs"]
mod asvs;
#[path = "tidy/ground.rs"]
mod ground;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

/// A file longer than this is not one room.
const LINES_MAX: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|why| unreadable(path, &why))
}

#[expect(clippy::panic, reason = "a test helper")]
fn unreadable(path: &str, why: &std::io::Error) -> String {
    panic!("{path}: {why}")
}

fn members() -> BTreeMap<String, PathBuf> {
    let workspace: Table = read("Cargo.toml").parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let named = members.iter().map(|member| {
        let path = PathBuf::from(member.as_str().unwrap());
        (
            path.file_name().unwrap().to_string_lossy().into_owned(),
            path,
        )
    });
    named.collect()
}

fn files_under(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if path.is_dir() {
            files_under(&path, ending, found);
        } else if path.extension().is_some_and(|other| other == ending) {
            found.push(path);
        }
    }
}

#[test]
fn the_manifests_have_the_arrows_of_the_architecture() {
    let members = members();
    let text = read("ARCHITECTURE.md");
    let table = text
        .lines()
        .skip_while(|line| !line.starts_with("| crate |"))
        .skip(2);
    let allowed: BTreeMap<String, BTreeSet<String>> = table
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (
                cells[1].to_owned(),
                cells[2].split_whitespace().map(str::to_owned).collect(),
            )
        })
        .collect();
    assert_eq!(
        allowed.keys().collect::<Vec<_>>(),
        members.keys().collect::<Vec<_>>()
    );
    for (name, path) in &members {
        let manifest: Table = read(path.join("Cargo.toml").to_str().unwrap())
            .parse()
            .unwrap();
        let empty = Table::new();
        let table = manifest
            .get("dependencies")
            .and_then(|table| table.as_table());
        let imports = table
            .unwrap_or(&empty)
            .keys()
            .filter(|key| members.contains_key(*key));
        for import in imports {
            assert!(
                allowed[name].contains(import),
                "`{name}` must not import `{import}`"
            );
        }
    }
}

#[test]
fn every_room_says_what_goes_in_and_out() {
    for path in members().values() {
        let folder = root().join(path).join("src");
        let file = ["lib.rs", "main.rs"].map(|name| folder.join(name));
        let file = file.iter().find(|file| file.exists()).unwrap();
        let text = fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("//! **"))
            .collect();
        let heads: Vec<&str> = lines
            .iter()
            .map(|line| line.split("**").nth(1).unwrap())
            .collect();
        assert_eq!(
            heads,
            ["In", "Out", "Never", "Start here"],
            "{}",
            file.display()
        );
        assert!(text.starts_with("//! **In**"), "{}", file.display());
    }
}

#[test]
fn files_are_rooms_and_not_halls() {
    let mut files = Vec::new();
    files_under(&root().join("crates"), "rs", &mut files);
    let tests = |file: &PathBuf| file.components().any(|part| part.as_os_str() == "tests");
    for file in files.into_iter().filter(|file| !tests(file)) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
    }
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let mut files = Vec::new();
    files_under(&root().join("docs"), "md", &mut files);
    for name in [
        "README",
        "ARCHITECTURE",
        "CONTRIBUTING",
        "SECURITY",
        "CHANGELOG",
    ] {
        files.push(root().join(format!("{name}.md")));
    }
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let target = file.parent().unwrap().join(path);
            assert!(
                target.exists(),
                "{}: `{link}` leads nowhere",
                file.display()
            );
        }
    }
}

#[test]
fn every_dependency_is_weighed_in_a_decision() {
    let workspace: Table = read("Cargo.toml").parse().unwrap();
    let mut decisions = String::new();
    let mut files = Vec::new();
    files_under(&root().join("docs/decisions"), "md", &mut files);
    for file in files {
        decisions.push_str(&fs::read_to_string(file).unwrap());
    }
    let members = members();
    for name in workspace["workspace"]["dependencies"]
        .as_table()
        .unwrap()
        .keys()
    {
        let said = decisions.contains(&format!("`{name}`"));
        assert!(
            members.contains_key(name) || said,
            "`{name}` stands in no decision"
        );
    }
}

#[test]
fn pure_rooms_stay_pure() {
    for room in ["event", "seal", "wire", "guard"] {
        let manifest: Table = read(&format!("crates/{room}/Cargo.toml")).parse().unwrap();
        let table = manifest["dependencies"].as_table().unwrap();
        for name in ["tokio", "async-trait", "sqlx", "object_store", "axum"] {
            assert!(
                !table.contains_key(name),
                "`{room}` must not import `{name}`"
            );
        }
        let mut files = Vec::new();
        files_under(
            &root().join("crates").join(room).join("src"),
            "rs",
            &mut files,
        );
        for file in files.into_iter().filter(|file| !file.ends_with("tests.rs")) {
            let text = fs::read_to_string(&file).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for word in [
                "async fn",
                "SystemTime",
                "Instant::now",
                "std::fs",
                "std::net",
            ] {
                assert!(!text.contains(word), "{} has `{word}`", file.display());
            }
        }
    }
}
