use clap::Parser as _;
use toml::{Table, Value};

use super::*;

const EXAMPLE: &str = include_str!("../../../../salus.example.toml");

fn leaves(prefix: &str, table: &Table, out: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            Value::Table(inner) => leaves(&path, inner, out),
            other => out.push((path, other.clone())),
        }
    }
}

/// The example with the options that are commented out because they have no default.
fn example() -> Table {
    EXAMPLE.parse().unwrap()
}

#[test]
fn the_example_shows_every_option_with_its_default() {
    let defaults = Table::try_from(Config::default()).unwrap();
    let (mut wanted, mut shown) = (Vec::new(), Vec::new());
    leaves("", &defaults, &mut wanted);
    leaves("", &example(), &mut shown);
    wanted.sort_by(|a, b| a.0.cmp(&b.0));
    shown.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(shown, wanted);
    toml::from_str::<Config>(EXAMPLE).unwrap();
}

#[test]
fn every_option_of_the_example_says_why() {
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let option = line.contains(" = ") && !line.starts_with('#');
        let before = number.checked_sub(1).map_or("", |before| lines[before]);
        assert!(
            !option || before.starts_with('#') || line.contains(" # "),
            "{line}"
        );
    }
}

#[test]
fn an_unknown_option_is_refused_with_its_line() {
    let why = toml::from_str::<Config>("log = \"info\"\n\n[https]\nlisten_on = 1\n");
    let why = why.unwrap_err().to_string();
    assert!(why.contains("line 4") && why.contains("listen_on"), "{why}");
}

#[test]
fn a_page_without_room_for_any_content_is_refused_with_its_line() {
    let why = toml::from_str::<Config>("[chart]\ninclude_max = 5\ncontents_bytes_max = 0\n");
    let why = why.unwrap_err().to_string();
    assert!(
        why.contains("line 3") && why.contains("contents_bytes_max = 0"),
        "{why}"
    );
}

#[test]
fn without_credentials_no_server_starts_and_every_other_command_works() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("salus.toml");
    let text = "[web.oidc]\nclient_secret_file = \"credential:oidc-secret\"\n";
    std::fs::write(&file, text).unwrap();
    let load = |command: &[&str], credentials| {
        let begin = ["salus", "--config", file.to_str().unwrap()];
        let cli = Cli::parse_from(begin.iter().chain(command));
        Config::with(&cli, credentials)
    };
    for command in [
        &["doctor"][..],
        &["verify"],
        &["scrub"],
        &["config", "show"],
    ] {
        load(command, None).unwrap();
    }
    for command in ["serve", "standby"] {
        let why = load(&[command], None).unwrap_err().to_string();
        assert!(why.contains("[web.oidc]"), "{why}");
        load(&[command], Some(folder.path())).unwrap();
    }
}
