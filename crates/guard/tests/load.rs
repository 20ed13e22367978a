//! Policies that cannot be used are named with file, line and what to do.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use guard::{Policies, PolicyError};

const GOOD: &str = "@id(\"a\") @words(\"because\")\npermit (principal, action, resource);\n";

fn load(text: &str) -> Result<Policies, PolicyError> {
    let sources = [
        ("good.cedar".to_owned(), GOOD.to_owned()),
        ("house.cedar".to_owned(), text.to_owned()),
    ];
    Policies::load(&sources, Policies::SCHEMA)
}

#[track_caller]
fn check(text: &str, line: usize, part: &str) {
    let error = load(text).unwrap_err();
    assert_eq!(
        (error.file(), error.line()),
        ("house.cedar", line),
        "{error}"
    );
    assert!(error.to_string().contains(part), "{error}");
    assert!(!error.help().is_empty());
    assert!(!error.to_string().contains('\n'), "{error}");
}

const HEAD: &str = "// a comment\n\n@id(\"b\")\n@words(\"because\")\n";

#[test]
fn a_good_file_is_taken() {
    let policies = load(&format!("{HEAD}forbid (principal, action, resource);")).unwrap();
    assert_eq!(policies.list().len(), 2);
}

#[test]
fn text_that_is_no_cedar() {
    check(
        &format!("{HEAD}permit (principal, action resource);"),
        5,
        "`resource`",
    );
    check("ward-reads-its-patients", 1, "unexpected");
    check(
        &format!("{HEAD}permit (principal, action, resource)"),
        5,
        "",
    );
}

#[test]
fn words_the_schema_does_not_know() {
    let with =
        |rest: &str| format!("{HEAD}permit (principal, action, resource)\nwhen {{ {rest} }};");
    check(&with("context.purpos == \"TREAT\""), 6, "purpos");
    check(
        &with("principal in Role::\"nurse\" && context.reason > 3"),
        6,
        "expected",
    );
    check(
        &format!("{HEAD}permit (principal, action == Action::\"look\", resource);"),
        5,
        "look",
    );
    check(
        &format!("{HEAD}permit (principal is Person, action, resource);"),
        5,
        "Person",
    );
}

#[test]
fn a_policy_that_can_never_apply() {
    let text = format!("{HEAD}permit (principal, action, resource)\nwhen {{ false }};");
    check(&text, 3, "");
}

#[test]
fn a_policy_without_its_labels() {
    let rest = "permit (principal, action, resource);";
    check(&format!("\n@words(\"w\")\n{rest}"), 2, "no `@id(\"...\")`");
    check(
        &format!("\n\n@id(\"b\")\n{rest}"),
        3,
        "no `@words(\"...\")`",
    );
    check(
        &format!("@id(\"b\") @words(\" \")\n{rest}"),
        1,
        "no `@words(\"...\")`",
    );
    check(
        &format!("@id(\"b\") @words(\"on {{bed}}\")\n{rest}"),
        1,
        "`{bed}`",
    );
}

#[test]
fn two_policies_of_one_name() {
    check(GOOD, 1, "second policy with the id `a`");
    let twice = format!(
        "{HEAD}permit (principal, action, resource);\n{HEAD}forbid (principal, action, resource);"
    );
    check(&twice, 8, "second policy with the id `b`");
}

#[test]
fn a_template_is_refused() {
    check(
        &format!("{HEAD}permit (principal == ?principal, action, resource);"),
        3,
        "template",
    );
}

#[test]
fn no_policy_at_all() {
    let none = [("house.cedar".to_owned(), "// nothing yet\n".to_owned())];
    let error = Policies::load(&none, Policies::SCHEMA).unwrap_err();
    assert!(error.to_string().contains("not one policy"), "{error}");
}

#[test]
fn a_broken_schema() {
    let sources = [("good.cedar".to_owned(), GOOD.to_owned())];
    let error = Policies::load(&sources, "entity Role;\nentity {").unwrap_err();
    assert_eq!(
        (error.file(), error.line()),
        ("salus.cedarschema", 2),
        "{error}"
    );
}

#[test]
fn an_obligation_that_cannot_be_read() {
    let with = |obligation: &str, effect: &str| {
        format!("{HEAD}@obligation(\"{obligation}\")\n{effect} (principal, action, resource);")
    };
    check(&with("hide HIV", "permit"), 3, "`hide HIV`");
    check(&with("mask", "permit"), 3, "`mask`");
    check(&with("step-up", "forbid"), 3, "forbids");
    assert!(load(&with("mask HIV", "permit")).is_ok());
}
