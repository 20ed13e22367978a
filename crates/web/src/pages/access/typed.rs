//! What the page Access is asked with, and whom that means.

use axum::response::{IntoResponse as _, Redirect, Response};
use event::{Act, Subject};
use serde::Deserialize;

use super::span;
use crate::error::{Problem, broken};
use crate::pages::visit::{Fields, Posted, Visit};
use crate::pages::words;

/// The longest thing that is typed, in characters.
pub(super) const TYPED_LETTERS_MAX: usize = 100;

/// What the page is asked with. An address names a patient by the id in our record, or by what was
/// typed into the form, under the id of that.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(default)]
pub(crate) struct Typed {
    pub(super) patient: String,
    pub(super) account: String,
    pub(super) from: String,
    pub(super) to: String,
    search: String,
    pub(super) after: String,
}

impl Typed {
    fn of(fields: &Fields) -> Typed {
        let field = |name: &str| fields.get(name).trim().to_owned();
        Typed {
            patient: field("patient"),
            account: field("account"),
            from: field("from"),
            to: field("to"),
            ..Typed::default()
        }
    }

    /// The same, with what was typed into the form and is kept under `search`, if anything is.
    pub(super) fn recalled(self, visit: &Visit) -> Typed {
        match visit.session.typed.access.find(&self.search) {
            None => Typed {
                search: String::new(),
                ..self
            },
            Some(kept) => Typed {
                search: self.search,
                after: self.after,
                ..kept
            },
        }
    }

    /// The part of an address that asks for the same again.
    pub(super) fn address(&self) -> String {
        if !self.search.is_empty() {
            return format!("search={}", words::in_query(&self.search));
        }
        let pairs = [
            ("patient", &self.patient),
            ("account", &self.account),
            ("from", &self.from),
            ("to", &self.to),
        ];
        let given = pairs.iter().filter(|(_, value)| !value.is_empty());
        let pairs: Vec<String> = given
            .map(|(name, value)| format!("{name}={}", words::in_query(value)))
            .collect();
        pairs.join("&")
    }
}

/// `POST /access`: a patient's number comes in the body and goes into no address.
pub(crate) async fn search(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let typed = Typed::of(&fields);
    span(&visit, &typed)?;
    let address = match typed.patient.as_str() {
        "" => typed.address(),
        patient => {
            find(&visit, patient).await?;
            let kept = visit.session.typed.access.keep(typed);
            let kept = kept.ok_or_else(|| broken(&"this machine gives no random numbers"))?;
            format!("search={kept}")
        }
    };
    Ok(Redirect::to(&format!("/access?{address}")).into_response())
}

/// The patient that is asked about: by the id or number that was typed, or by the id that stands in
/// the address.
pub(super) async fn patient(visit: &Visit, typed: &Typed) -> Result<String, Problem> {
    let named = typed.patient.trim();
    match typed.search.is_empty() {
        false => find(visit, named).await,
        true => find_id(visit, named).await,
    }
}

/// The patient with this id or this number. Nothing but the id is looked at.
async fn find(visit: &Visit, typed: &str) -> Result<String, Problem> {
    if let Some(patient) = with_id(visit, typed).await? {
        return Ok(patient);
    }
    let shown: String = typed.chars().take(TYPED_LETTERS_MAX).collect();
    match visit.app.chart.numbered(typed).await?.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Problem::Missing(format!(
            "patient with the id or number `{shown}`"
        ))),
        _ => Err(Problem::Malformed(format!(
            "several patients have the number `{shown}`; use the patient's id"
        ))),
    }
}

/// The patient with this id.
async fn find_id(visit: &Visit, typed: &str) -> Result<String, Problem> {
    let found = with_id(visit, typed).await?;
    found.ok_or_else(|| {
        let shown: String = typed.chars().take(TYPED_LETTERS_MAX).collect();
        Problem::Missing(format!(
            "patient with the id `{shown}`; a number is typed into the form of the page Access"
        ))
    })
}

async fn with_id(visit: &Visit, typed: &str) -> Result<Option<String>, Problem> {
    // Whether there is such a patient is for nobody to learn who may not ask.
    let ask = visit.ask(Act::Audit, Subject::Record);
    visit.leave("who looked", ask).await?;
    if typed.chars().count() > TYPED_LETTERS_MAX {
        return Err(Problem::Missing("patient with so long an id".to_owned()));
    }
    let chart = &visit.app.chart;
    if let Some(survivor) = chart.survivor(typed).await? {
        return Ok(Some(survivor));
    }
    let there = chart.locate("Patient", typed).await?.is_some();
    Ok(there.then(|| typed.to_owned()))
}
