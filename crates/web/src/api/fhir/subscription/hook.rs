//! Posting to a `rest-hook`. Where to is a client's word, so only addresses go that an operator listed,
//! and only machines that such an address may mean.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HOST};
use bytes::Bytes;
use http_body_util::Full;
use wire::fhir::subscription::Channel;

use super::super::address::{Listed, Place};
use super::settings::Subscriptions;
use crate::App;

/// The place that an address means, if it is one that notifications may go to.
///
/// # Errors
/// In words.
pub(super) fn place(settings: &Subscriptions, endpoint: &str) -> Result<Place, String> {
    settings.listed().place(endpoint)
}

impl Subscriptions {
    fn listed(&self) -> Listed<'_> {
        Listed {
            all: &self.endpoints,
            option: "endpoints",
            section: "web.subscriptions",
        }
    }

    /// Whether each of `endpoints` is an address.
    ///
    /// # Errors
    /// In words: which is none, and why.
    pub fn check(&self) -> Result<(), String> {
        self.listed().check()
    }
}

/// Posts a notification; a 2xx means that it was taken.
///
/// # Errors
/// In words: why it was not.
pub(super) async fn post(
    app: &App,
    (place, channel): (&Place, &Channel),
    body: String,
) -> Result<(), String> {
    let own = app.settings.subscriptions.wait_ms;
    let said = channel.timeout_seconds.map(|seconds| seconds * 1_000);
    let wait = said.unwrap_or(own).min(own);
    let posted = tokio::time::timeout(
        Duration::from_millis(wait),
        post_now(app, (place, channel), body),
    );
    match posted.await {
        Ok(Ok(200..=299)) => Ok(()),
        Ok(Ok(status)) => Err(format!("`{}` answered {status}", place.host)),
        Ok(Err(why)) => Err(format!("`{}`: {why}", place.host)),
        Err(_) => Err(format!("`{}`: no answer within {wait} ms", place.host)),
    }
}

async fn post_now(
    app: &App,
    (place, channel): (&Place, &Channel),
    body: String,
) -> Result<u16, String> {
    let authorities = &app.settings.subscriptions.authorities;
    let mut sender = place.open(app, authorities).await?;
    let mut request = hyper::Request::builder()
        .method("POST")
        .uri(&place.path)
        .header(HOST, place.authority())
        .header(CONTENT_TYPE, "application/fhir+json");
    for (name, value) in &channel.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::from(Bytes::from(body)));
    let request = request.map_err(|why| why.to_string())?;
    // Nothing in the body matters: it is not waited for.
    let response = sender.send_request(request).await;
    let response = response.map_err(|why| why.to_string())?;
    Ok(response.status().as_u16())
}
