//! Where the walk is, and what it has found so far.

use std::collections::HashMap;

use serde_json::Value;

use super::super::issue::{Code, Issue};
use super::super::tables::Tables;

/// A place in the resource, as a chain up to the root: nothing is written until an issue needs it.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Root(&'a str),
    Key(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn write(&self, out: &mut String) {
        match self {
            Self::Root(name) => out.push_str(name),
            Self::Key(up, key) => {
                up.write(out);
                out.push('.');
                out.push_str(key);
            }
            Self::Index(up, at) => {
                up.write(out);
                out.push_str(&format!("[{at}]"));
            }
        }
    }

    /// `Patient.name[0].use`
    pub(super) fn path(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

/// More than this many issues help nobody, and a hostile body must not make a huge answer.
const ISSUES_MAX: usize = 100;

/// What the walk carries along.
pub(super) struct Walk<'a> {
    pub(super) tables: &'static Tables,
    /// The resource the walk is in.
    pub(super) resource: &'a Value,
    /// The resource that holds `contained`: the same, or the one around it.
    pub(super) root: &'a Value,
    /// In a Bundle: which type each `fullUrl` is of.
    pub(super) full_urls: HashMap<&'a str, &'a str>,
    pub(super) issues: Vec<Issue>,
}

impl Walk<'_> {
    /// Notes an issue that refuses the resource.
    pub(super) fn error(&mut self, code: Code, place: &Place<'_>, words: impl Into<String>) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue::error(code, place.path(), words));
        }
    }

    /// Notes an issue that does not.
    pub(super) fn warning(&mut self, code: Code, place: &Place<'_>, words: impl Into<String>) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue::warning(code, place.path(), words));
        }
    }
}

/// User input for a message: short, in backticks.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        format!("`{short}…`")
    } else {
        format!("`{short}`")
    }
}
