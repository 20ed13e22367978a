//! The table of OWASP ASVS 5.0: each requirement once, and each test that it names is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::{files_under, read, root};

const PAGE: &str = "docs/protect/asvs.md";

/// Sections of ASVS 5.0.0 with how many requirements are of level 1, and of levels 1 and 2. Within a
/// section those of a lower level come first, so that the numbers up to level 2 have no gaps.
const SECTIONS: [(&str, u32, u32); 75] = [
    ("1.1", 0, 2),
    ("1.2", 5, 9),
    ("1.3", 2, 11),
    ("1.4", 0, 3),
    ("1.5", 1, 2),
    ("2.1", 1, 3),
    ("2.2", 2, 3),
    ("2.3", 1, 4),
    ("2.4", 0, 1),
    ("3.2", 2, 2),
    ("3.3", 1, 4),
    ("3.4", 2, 6),
    ("3.5", 3, 5),
    ("3.7", 0, 2),
    ("4.1", 1, 3),
    ("4.2", 0, 1),
    ("4.3", 0, 2),
    ("4.4", 1, 4),
    ("5.1", 0, 1),
    ("5.2", 2, 3),
    ("5.3", 2, 2),
    ("5.4", 0, 3),
    ("6.1", 1, 3),
    ("6.2", 8, 12),
    ("6.3", 2, 4),
    ("6.4", 2, 4),
    ("6.5", 0, 5),
    ("6.6", 0, 3),
    ("6.8", 0, 4),
    ("7.1", 0, 3),
    ("7.2", 4, 4),
    ("7.3", 0, 2),
    ("7.4", 2, 5),
    ("7.5", 0, 2),
    ("7.6", 0, 2),
    ("8.1", 1, 2),
    ("8.2", 2, 3),
    ("8.3", 1, 1),
    ("8.4", 0, 1),
    ("9.1", 3, 3),
    ("9.2", 1, 4),
    ("10.1", 0, 2),
    ("10.2", 0, 2),
    ("10.3", 0, 4),
    ("10.4", 5, 11),
    ("10.5", 0, 5),
    ("10.6", 0, 2),
    ("10.7", 0, 3),
    ("11.1", 0, 2),
    ("11.2", 0, 3),
    ("11.3", 2, 3),
    ("11.4", 1, 4),
    ("11.5", 0, 1),
    ("11.6", 0, 1),
    ("12.1", 1, 3),
    ("12.2", 2, 2),
    ("12.3", 0, 4),
    ("13.1", 0, 1),
    ("13.2", 0, 5),
    ("13.3", 0, 2),
    ("13.4", 1, 5),
    ("14.1", 0, 2),
    ("14.2", 1, 4),
    ("14.3", 1, 3),
    ("15.1", 1, 3),
    ("15.2", 1, 3),
    ("15.3", 1, 7),
    ("16.1", 0, 1),
    ("16.2", 0, 5),
    ("16.3", 0, 4),
    ("16.4", 0, 3),
    ("16.5", 0, 3),
    ("17.1", 0, 1),
    ("17.2", 0, 4),
    ("17.3", 0, 2),
];

/// One line of the table.
struct Row {
    id: String,
    level: u32,
    status: String,
    /// What shows it, or why not.
    shown: String,
}

impl Row {
    fn tests(&self) -> impl Iterator<Item = (&str, &str)> {
        let code = self.shown.split('`').skip(1).step_by(2);
        code.filter_map(|code| code.split_once("::"))
    }
}

fn rows() -> Vec<Row> {
    let text = read(PAGE);
    let lines = text.lines().filter(|line| line.starts_with("| V"));
    let rows = lines.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 7, "{line}");
        Row {
            id: cells[1].to_owned(),
            level: cells[2].parse().unwrap(),
            status: cells[4].to_owned(),
            shown: cells[5].to_owned(),
        }
    });
    rows.collect()
}

#[test]
fn the_table_has_every_requirement_once() {
    let mut wanted = Vec::new();
    for (section, first, all) in &SECTIONS {
        for number in 1..=*all {
            let level = if number <= *first { 1 } else { 2 };
            wanted.push((format!("V{section}.{number}"), level));
        }
    }
    let levels = wanted.iter().filter(|(_, level)| *level == 1);
    assert_eq!((levels.count(), wanted.len()), (70, 253));
    let found: Vec<(String, u32)> = rows().into_iter().map(|row| (row.id, row.level)).collect();
    assert_eq!(found, wanted);
}

#[test]
fn every_status_is_one_of_three_and_says_why() {
    for row in rows() {
        let (id, shown) = (&row.id, &row.shown);
        let status = row.status.as_str();
        let known = ["met", "not applicable", "open"].contains(&status);
        assert!(known, "{id}: there is no status `{status}`");
        let shows = row.tests().next().is_some() || shown.contains("](");
        let said = match status {
            "met" => shows || shown.starts_with("no test: "),
            _ => !shown.is_empty(),
        };
        assert!(said, "{id}: `{status}`, and nothing shows it");
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let mut files = Vec::new();
    files_under(&root().join("crates"), "rs", &mut files);
    let mut texts: BTreeMap<PathBuf, String> = BTreeMap::new();
    for row in rows() {
        for (file, name) in row.tests() {
            let ending = format!("/{file}");
            let fit = |path: &&PathBuf| path.to_string_lossy().ends_with(&ending);
            let found: Vec<&PathBuf> = files.iter().filter(fit).collect();
            assert_eq!(found.len(), 1, "{}: `{file}` is {found:?}", row.id);
            let path = found[0].clone();
            let text = texts
                .entry(path)
                .or_insert_with_key(|path| fs::read_to_string(path).unwrap());
            let there = text.contains(&format!("fn {name}("));
            assert!(there, "{}: there is no `{name}` in `{file}`", row.id);
        }
    }
}

#[test]
fn the_summary_counts_what_the_table_says() {
    let rows = rows();
    let summary = read("docs/protect/theft.md");
    for (words, level) in [("level 1", 1), ("levels 1 and 2", 2)] {
        let of = |status: &str| {
            let all = rows.iter().filter(|row| row.level <= level);
            all.filter(|row| row.status == status).count()
        };
        let bare = rows
            .iter()
            .filter(|row| row.level <= level && row.status == "met" && row.tests().next().is_none())
            .count();
        let (met, not, open) = (of("met"), of("not applicable"), of("open"));
        let line = format!("| {words} | {met} | {bare} | {not} | {open} |");
        assert!(summary.contains(&line), "theft.md must say `{line}`");
    }
}
