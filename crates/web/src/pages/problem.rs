//! A page that cannot be shown, and what to do about it.

use askama::Template;
use axum::response::Response;
use guard::Identity;

use crate::App;
use crate::error::Problem;
use crate::pages::glass::view::GlassForm;
use crate::pages::patients::view::RefusedPage;
use crate::pages::shell::{Here, Shell};
use crate::pages::visit;

/// What happened, and what to do?
#[derive(Template)]
#[template(path = "problem.html")]
pub(crate) struct ProblemPage {
    pub shell: Shell,
    /// A plain sentence: `There is no such page.`
    pub title: String,
    pub happened: String,
    pub to_do: String,
    /// Where to go instead, as (words, path).
    pub way_out: (&'static str, &'static str),
}

/// The page of a problem, for whoever is signed in.
pub(crate) fn page(
    app: &App,
    problem: &Problem,
    known: Option<(Identity, String)>,
) -> Result<Response, Problem> {
    let signed_in = known.is_some();
    let shell = |title: &str| Shell {
        title: title.to_owned(),
        here: Here::Nowhere,
        who: known
            .as_ref()
            .map(|(identity, csrf)| visit::who(identity, csrf.clone())),
        fresh: Some(visit::fresh(app)),
        standby: visit::standby(app),
        done: None,
        notices: Vec::new(),
        live: None,
        version: 0,
        glass: known
            .as_ref()
            .map_or_else(Vec::new, |(identity, _)| visit::lasting(app, identity)),
    };
    if let Problem::Refused {
        what,
        words,
        because,
        index,
        way_in,
    } = problem
    {
        let refused = RefusedPage {
            shell: shell("Refused"),
            what: (*what).to_owned(),
            words: words.clone(),
            because: because.clone(),
            decision: *index,
            way_in: way_in.clone(),
            glass: GlassForm::empty(),
            minutes: app.settings.glass_ms / 60_000,
        };
        return visit::page(problem.status(), &refused);
    }
    let (title, happened, to_do) = problem.told();
    let page = ProblemPage {
        shell: shell(&title),
        title,
        happened,
        to_do,
        way_out: if signed_in {
            ("Go to Now", "/now")
        } else {
            ("Sign in", "/sign-in")
        },
    };
    visit::page(problem.status(), &page)
}

#[cfg(test)]
impl crate::pages::Samples for ProblemPage {
    fn samples() -> Vec<ProblemPage> {
        vec![ProblemPage {
            shell: crate::pages::shell::samples::outside("Something went wrong"),
            title: "This page cannot be shown now.".into(),
            happened: "The chart cannot be read: the disk is full.".into(),
            to_do: "Try again in a moment. If it stays, tell whoever runs Salus; nothing that was sealed is lost.".into(),
            way_out: ("Go to Now", "/now"),
        }]
    }
}
