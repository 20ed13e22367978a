//! `/oauth/launch`: from a patient's page into an app (SMART App Launch 2.2 section 2.0.1).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::Query;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Subject, Time};
use serde::Deserialize;

use super::asked::origin;
use super::view::{LaunchPage, Launchable};
use crate::api::fhir::query;
use crate::error::{Problem, broken};
use crate::pages::shell::Here;
use crate::pages::visit::{Posted, Visit, page};
use crate::router::policy;
use crate::session::{hash, secret};

/// Launches that are kept at the same time, at most; the oldest makes room.
const LAUNCHES_MAX: usize = 10_000;

/// Launches that no app has used yet. A restart forgets them: the person begins again.
#[derive(Debug, Default)]
pub(crate) struct Launches {
    open: Mutex<HashMap<[u8; 32], Launched>>,
}

/// Somebody opened an app from a patient's page.
#[derive(Debug, Clone)]
pub(crate) struct Launched {
    pub(crate) account: String,
    pub(crate) client: String,
    pub(crate) patient: String,
    until: Time,
}

impl Launches {
    /// What a launch stands for, if it is good.
    pub(crate) fn peek(&self, launch: &str, now: Time) -> Option<Launched> {
        let open = self.lock();
        open.get(&hash(launch))
            .filter(|launched| launched.until > now)
            .cloned()
    }

    /// Uses a launch up; false if somebody did before.
    pub(crate) fn take(&self, launch: &str) -> bool {
        self.lock().remove(&hash(launch)).is_some()
    }

    fn put(&self, launched: Launched, now: Time) -> Option<String> {
        let text = secret()?;
        let mut open = self.lock();
        open.retain(|_, launched| launched.until > now);
        if open.len() >= LAUNCHES_MAX {
            let oldest = open
                .iter()
                .min_by_key(|(_, one)| one.until)
                .map(|(key, _)| *key);
            oldest.and_then(|key| open.remove(&key));
        }
        open.insert(hash(&text), launched);
        Some(text)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Launched>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose page it is opened from.
#[derive(Deserialize)]
pub(crate) struct Whose {
    patient: String,
}

/// `GET /oauth/launch?patient=`
pub(crate) async fn ask(visit: Visit, Query(from): Query<Whose>) -> Result<Response, Problem> {
    may_open(&visit, &from.patient).await?;
    let apps = visit.app.tokens.apps();
    let url = |client: &str| {
        apps.iter()
            .find(|(id, _)| id == client)?
            .1
            .launch_url
            .clone()
    };
    let clients = visit
        .app
        .staff
        .clients()
        .into_iter()
        .filter(|client| !client.disabled);
    let apps: Vec<(Launchable, String)> = clients
        .filter_map(|client| {
            let url = url(&client.id)?;
            let goes_to = origin(&url);
            let app = Launchable {
                client: client.id,
                name: client.name,
                goes_to: goes_to.clone(),
            };
            Some((app, goes_to))
        })
        .collect();
    let (apps, origins): (Vec<Launchable>, Vec<String>) = apps.into_iter().unzip();
    let shown = LaunchPage {
        shell: visit.shell("Open in an app", Here::Patients),
        patient: from.patient,
        apps,
    };
    let mut response = page(StatusCode::OK, &shown)?;
    if let Ok(policy) = HeaderValue::from_str(&policy(&origins)) {
        response
            .headers_mut()
            .insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// `POST /oauth/launch`
pub(crate) async fn begin(Posted { visit, fields }: Posted) -> Result<Response, Problem> {
    let (client, patient) = (fields.get("client"), fields.get("patient"));
    may_open(&visit, patient).await?;
    let registered = visit.app.tokens.app(client);
    let standing = visit.app.staff.identity(client);
    let url = registered.filter(|_| standing.is_some());
    let url = url.and_then(|app| app.launch_url.clone());
    let url = url.ok_or_else(|| Problem::Missing("app that can be opened from here".to_owned()))?;
    let now = visit.app.clock.now();
    let launched = Launched {
        account: visit.identity.actor.id.clone(),
        client: client.to_owned(),
        patient: patient.to_owned(),
        until: now.plus_millis(visit.app.settings.launch_ms),
    };
    let launch = visit.app.launches.put(launched, now);
    let launch = launch.ok_or_else(|| broken(&"this machine gives no random numbers"))?;
    let said = [
        ("iss".to_owned(), visit.app.settings.fhir_base.clone()),
        ("launch".to_owned(), launch),
    ];
    let mark = if url.contains('?') { '&' } else { '?' };
    Ok(Redirect::to(&format!("{url}{mark}{}", query::text(&said))).into_response())
}

/// Asked and, when it is opened for good, sealed by the page on which the person agrees.
async fn may_open(visit: &Visit, patient: &str) -> Result<(), Problem> {
    let ask = visit.ask(Act::Read, Subject::Patient(patient.to_owned()));
    match visit.decide(ask.clone()).await?.allowed() {
        true => Ok(()),
        // Sealed, with the reasons on the page.
        false => visit.permit("this chart", ask).await.map(|_| ()),
    }
}
