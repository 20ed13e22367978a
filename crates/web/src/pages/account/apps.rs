//! The apps that somebody agreed to, and the end of what they agreed to.

use askama::Template;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Ended, Token};
use serde::Deserialize;
use tokens::Lasting;

use crate::api::smart::{lasting, scope_in_words};
use crate::error::{Problem, broken};
use crate::pages::shell::{Here, Shell};
use crate::pages::visit::{Posted, Visit, page};
use crate::pages::words::{self, Stamp};

/// Apps that act in one's own name.
#[derive(Template)]
#[template(path = "apps.html")]
pub(crate) struct AppsPage {
    pub shell: Shell,
    pub answer: String,
    pub apps: Vec<AppRow>,
}

/// One app, and what was agreed to.
pub(crate) struct AppRow {
    /// Names what was agreed to; no secret.
    pub family: String,
    pub name: String,
    pub client: String,
    /// What it may do, in words.
    pub may: Vec<String>,
    /// The id of the one patient it was opened for.
    pub patient: Option<String>,
    pub began: Stamp,
    /// When it last got tokens.
    pub used: Option<Stamp>,
    /// When it ends by itself if it is not used, or at the latest.
    pub until: Stamp,
    /// It goes on when its owner has signed out.
    pub lasting: bool,
}

/// What the page may be asked with.
#[derive(Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
}

/// `GET /account/apps`
pub(crate) async fn show(visit: Visit, Query(done): Query<Done>) -> Result<Response, Problem> {
    let app = &visit.app;
    let (account, now) = (&visit.identity.actor.id, app.clock.now());
    let own = app.tokens.of_account(account, now);
    let own = own.iter().filter(|one| app.leave_stands(&one.leave));
    let apps: Vec<AppRow> = own.map(|one| row(&visit, one)).collect();
    let mut shell = visit.shell("Apps you agreed to", Here::Nowhere);
    shell.done = (done.done == "ended")
        .then(|| "What that app had of you has ended; it is told so when it asks next.".to_owned());
    let shown = AppsPage {
        shell,
        answer: answer(apps.len()),
        apps,
    };
    page(StatusCode::OK, &shown)
}

fn answer(apps: usize) -> String {
    match apps {
        0 => "No app acts in your name.".to_owned(),
        1 => "One app may act in your name.".to_owned(),
        many => format!("Apps may act in your name in {many} ways."),
    }
}

fn row(visit: &Visit, one: &Lasting) -> AppRow {
    let leave = &one.leave;
    let client = visit.app.staff.identity(&leave.client);
    AppRow {
        family: leave.family.clone(),
        name: client.map_or_else(|| leave.client.clone(), |client| client.actor.name),
        client: leave.client.clone(),
        may: leave
            .scopes
            .iter()
            .map(|scope| words::capital(&scope_in_words(scope)))
            .collect(),
        patient: leave.patient.clone(),
        began: visit.stamp(one.began),
        used: one.used.map(|at| visit.stamp(at)),
        until: visit.stamp(one.until),
        lasting: lasting(&leave.scopes) && leave.session.is_none(),
    }
}

/// `POST /account/apps/end`
///
/// No fresh proof is asked for: to take access away does no harm.
pub(crate) async fn end(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let (app, actor) = (&visit.app, visit.identity.actor.clone());
    let family = fields.get("family");
    let found = app.tokens.lasting(family, app.clock.now());
    let own = found.filter(|one| one.leave.account.as_ref() == Some(&actor.id));
    let own = own.ok_or_else(|| Problem::Missing("such app of yours".to_owned()))?;
    let ended = Token::Ended(Ended {
        family: own.leave.family.clone(),
        why: "the person who had agreed took it back".to_owned(),
    });
    let sealed = app.seal_token(Act::SignOut, actor, ended).await;
    sealed.map_err(|refusal| broken(&refusal.why))?;
    Ok(Redirect::to("/account/apps?done=ended").into_response())
}

#[cfg(test)]
impl crate::pages::Samples for AppsPage {
    fn samples() -> Vec<AppsPage> {
        use crate::pages::shell::samples::{ago, shell};
        let row = |lasting: bool| AppRow {
            family: "0a1b2c".into(),
            name: "Growth <charts>".into(),
            client: "growth".into(),
            may: vec!["Read and search observations of this patient".into()],
            patient: lasting.then(|| "p1".into()),
            began: ago(60 * 24 * 30),
            used: lasting.then(|| ago(5)),
            until: ago(-60 * 24 * 60),
            lasting,
        };
        let page = |apps: Vec<AppRow>| AppsPage {
            shell: shell("Apps you agreed to", Here::Nowhere),
            answer: answer(apps.len()),
            apps,
        };
        vec![page(Vec::new()), page(vec![row(true), row(false)])]
    }
}
