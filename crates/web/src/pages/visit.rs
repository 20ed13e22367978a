//! A request by somebody who is signed in, and the forms they send.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use event::{Act, Role, Subject, Time};
use guard::{Ask, Decision, Identity, Obligation};
use record::{Permit, Witnessed};

use crate::caller::Caller;
use crate::error::{Problem, WayIn, broken};
use crate::following::Contact;
use crate::pages::account::seals::misused;
use crate::pages::shell::{Fresh, Here, Lasting, Shell, Who};
use crate::pages::words::{self, Eye, Stamp};
use crate::session::{Found, Level, Session, Touch, same};
use crate::{App, taking};

/// The header of a page that fetches itself again.
pub(crate) const LIVE: &str = "salus-live";

/// Somebody who is signed in, and the moment they ask.
pub(crate) struct Visit {
    pub app: Arc<App>,
    pub identity: Identity,
    pub session: Session,
    /// Whether they proved themselves within the last minutes.
    pub fresh: bool,
    pub caller: Caller,
    pub csrf: String,
    pub eye: Eye,
    /// What a page that fetches itself again knows already.
    pub live: Option<u64>,
}

impl FromRequestParts<Arc<App>> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Visit, Problem> {
        let live = parts.headers.get(LIVE);
        let touch = live.map_or(Touch::Person, |_| Touch::Page);
        let caller = Caller::of(&parts.headers, &parts.extensions);
        let session = live_session(app, &caller, parts, touch).await?;
        let nobody = || Problem::SignIn {
            next: wanted(parts),
        };
        let mut identity = app.staff.identity(&session.account).ok_or_else(nobody)?;
        identity.from = caller.address.clone();
        identity.stepped_up = app.sessions.stepped_up(&session, app.clock.now());
        Ok(Visit {
            app: Arc::clone(app),
            identity,
            csrf: session.csrf.clone(),
            fresh: app.sessions.fresh(&session, app.clock.now()),
            session,
            caller,
            eye: eye(app),
            live: live.and_then(|version| version.to_str().ok()?.parse().ok()),
        })
    }
}

/// The session of a request if it may be used for what is asked.
async fn live_session(
    app: &App,
    caller: &Caller,
    parts: &Parts,
    touch: Touch,
) -> Result<Session, Problem> {
    let next = || wanted(parts);
    match app.sessions.find(caller, app.clock.now(), touch) {
        Found::Nobody => Err(Problem::SignIn { next: next() }),
        Found::Paused(_) => Err(Problem::Paused { next: next() }),
        Found::Misused(session) => {
            app.seal(misused(&session.account, caller)).await?;
            Err(Problem::Misused)
        }
        Found::Live(session) => match session.level {
            Level::Enrol if !for_enrolling(parts.uri.path()) => Err(Problem::Enrol),
            Level::Full if renews(app, &session, parts) => Err(Problem::Renew),
            Level::Enrol | Level::Full => Ok(session),
        },
    }
}

/// Whether somebody has to choose a password of their own first.
fn renews(app: &App, session: &Session, parts: &Parts) -> bool {
    !for_enrolling(parts.uri.path()) && app.staff.factors(&session.account).temporary
}

/// Where somebody may go who has to set up a second factor first.
fn for_enrolling(path: &str) -> bool {
    path == "/account" || path.starts_with("/account/") || path == "/sign-out"
}

impl Visit {
    /// What surrounds a page of this visit.
    pub(crate) fn shell(&self, title: &str, here: Here) -> Shell {
        Shell {
            title: title.to_owned(),
            here,
            who: Some(who(&self.identity, self.csrf.clone())),
            fresh: Some(fresh(&self.app)),
            standby: standby(&self.app),
            done: None,
            notices: self.session.notices.clone(),
            live: None,
            version: 0,
            glass: lasting(&self.app, &self.identity),
        }
    }

    /// Goes on if the person proved themselves within the last minutes; if not, they do so first
    /// and come back to `next`, a page of this console.
    pub(crate) fn needs_step_up(&self, next: &str) -> Result<(), Problem> {
        if self.fresh {
            return Ok(());
        }
        Err(Problem::StepUp {
            next: next.to_owned(),
        })
    }

    /// As [`Visit::needs_step_up`], by all that the person signs in with: before they change what
    /// that is.
    pub(crate) fn needs_whole_proof(&self, next: &str) -> Result<(), Problem> {
        if self.app.sessions.whole(&self.session, self.app.clock.now()) {
            return Ok(());
        }
        Err(Problem::ProveAll {
            next: next.to_owned(),
        })
    }

    /// How many events the chart has folded.
    pub(crate) fn folded(&self) -> u64 {
        *self.app.chart.folded().borrow()
    }

    pub(crate) fn stamp(&self, time: Time) -> Stamp {
        Stamp::new(time, &self.eye)
    }

    /// A question to the guard, for treatment; the caller changes what is different.
    pub(crate) fn ask(&self, act: Act, subject: Subject) -> Ask {
        Ask {
            identity: self.identity.clone(),
            act,
            subject,
            kinds: Vec::new(),
            purpose: "TREAT".to_owned(),
            reason: None,
            detail: String::new(),
        }
    }

    /// What the guard says; nothing is sealed.
    pub(crate) async fn decide(&self, ask: Ask) -> Result<Decision, Problem> {
        Ok(self.app.decide(ask).await?)
    }

    /// What the guard says, sealed: a permit or the refusal.
    pub(crate) async fn witness(&self, ask: Ask) -> Result<Witnessed, Problem> {
        let decision = self.decide(ask).await?;
        let witnessed = self.app.record.witness(decision).await?;
        if let Witnessed::Allowed(permit) = &witnessed {
            taking::opened(&self.app, permit.ask());
        }
        Ok(witnessed)
    }

    /// The permit, or the refusal of `what` as the problem to show.
    pub(crate) async fn permit(&self, what: &'static str, ask: Ask) -> Result<Permit, Problem> {
        match self.witness(ask).await? {
            Witnessed::Allowed(permit) => Ok(permit),
            Witnessed::Refused(index, decision) => {
                let problem = Problem::refused(what, index, &decision);
                Err(problem.with_way_in(self.way_in(&decision).await?))
            }
        }
    }

    /// What somebody who was refused may do about it.
    async fn way_in(&self, decision: &Decision) -> Result<WayIn, Problem> {
        let Some(patient) = decision.ask().subject.patient() else {
            return Ok(WayIn::None);
        };
        let steps = decision.obligations().contains(&Obligation::StepUp);
        if steps && !decision.ask().identity.stepped_up {
            return Ok(WayIn::StepUp(format!("/patients/{patient}")));
        }
        // Asked as if the reason had been typed already.
        let mut ask = self.ask(Act::BreakGlass, decision.ask().subject.clone());
        ask.purpose = "ETREAT".to_owned();
        ask.reason = Some("a reason that will be typed".to_owned());
        Ok(match self.decide(ask).await?.allowed() {
            true => WayIn::Glass(patient.to_owned()),
            false => WayIn::None,
        })
    }

    /// An allowed decision to seal something by; a refusal is sealed and is the problem to show.
    pub(crate) async fn leave(&self, what: &'static str, ask: Ask) -> Result<Decision, Problem> {
        let decision = self.decide(ask).await?;
        if decision.allowed() {
            return Ok(decision);
        }
        match self.app.record.witness(decision).await? {
            Witnessed::Refused(index, decision) => Err(Problem::refused(what, index, &decision)),
            Witnessed::Allowed(_) => Err(Problem::Malformed("the decision changed".to_owned())),
        }
    }

    /// Whether this person oversees feeds and accounts (no seal: it only shapes the page).
    pub(crate) async fn oversees(&self) -> bool {
        let ask = self.ask(Act::Read, Subject::Feed(String::new()));
        self.decide(ask)
            .await
            .is_ok_and(|decision| decision.allowed())
    }
}

/// The person behind a request's session, with the session's form token; nothing is changed by
/// asking.
pub(crate) fn of_session(app: &App, caller: &Caller) -> Option<(Identity, String)> {
    let session = app.sessions.peek(caller, app.clock.now())?;
    let identity = app.staff.identity(&session.account)?;
    Some((identity, session.csrf))
}

pub(crate) fn who(identity: &Identity, csrf: String) -> Who {
    Who {
        name: identity.actor.name.clone(),
        role: words::role(identity.role()),
        administers: identity.role() == Role::Administrator,
        oversees: matches!(identity.role(), Role::Administrator | Role::PrivacyOfficer),
        csrf,
    }
}

/// The glass that somebody has broken, for the banner of every page.
pub(crate) fn lasting(app: &App, identity: &Identity) -> Vec<Lasting> {
    let (now, eye) = (app.clock.now(), eye(app));
    let own = app.oversight.lasting(&identity.actor.id, now).into_iter();
    own.map(|broken| Lasting {
        index: broken.index,
        until: Stamp::new(broken.until, &eye).short(),
        patient: broken.patient,
    })
    .collect()
}

/// Behind the primary by more than this a standby says so loudly, in milliseconds.
const STANDBY_LATE_MS: i64 = 3_000;

/// What to know of what a standby shows; `None`: this is none.
pub(crate) fn standby(app: &App) -> Option<String> {
    if !app.record.is_standby() {
        return None;
    }
    let contact = app.following.contact();
    let here = "This is the standby. It takes nothing new.";
    if let Some(why) = contact.refused {
        let why = words::quoted(&why);
        return Some(format!("{here} It refuses what the primary shows: {why}."));
    }
    let missing = images(&contact, app.record.size());
    let told = match contact.lag(app.clock.now()) {
        None => format!("{here} The primary has not answered since it began."),
        Some(lag) if lag <= STANDBY_LATE_MS => {
            format!(
                "{here} It shows what the primary sealed up to {} ago.",
                words::span(lag)
            )
        }
        Some(lag) => format!(
            "{here} The primary has not answered for {}: this is what was sealed before.",
            words::span(lag)
        ),
    };
    Some(told + &missing)
}

/// How many images are not here, of what `size` events name.
fn images(contact: &Contact, size: u64) -> String {
    match contact.objects_missing {
        Some(0) => String::new(),
        Some(missing) => {
            let images = words::count(missing, "image is", "images are");
            format!(" {images} not here yet.")
        }
        None => format!(
            " How many images are missing is not known yet: {} of {} events were looked at.",
            words::thousands(contact.objects_looked.min(size)),
            words::thousands(size)
        ),
    }
}

/// How old what a page shows is.
pub(crate) fn fresh(app: &App) -> Fresh {
    let eye = eye(app);
    Fresh {
        at: Stamp::new(eye.now, &eye),
        zone: app.settings.zone.clone(),
        behind: behind(app),
    }
}

/// Sealed events that the chart has not folded yet.
pub(crate) fn behind(app: &App) -> u64 {
    app.record
        .size()
        .saturating_sub(*app.chart.folded().borrow())
}

/// Now, in the zone that pages show.
pub(crate) fn eye(app: &App) -> Eye {
    Eye {
        now: app.clock.now(),
        zone: app.zone(),
    }
}

fn wanted(parts: &Parts) -> String {
    if parts.method != Method::GET {
        return "/now".to_owned();
    }
    parts
        .uri
        .path_and_query()
        .map_or("/now", |path| path.as_str())
        .to_owned()
}

/// A form's fields; a missing field is empty, and what is around a value is trimmed.
#[derive(Debug, Default)]
pub(crate) struct Fields(HashMap<String, String>);

impl Fields {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }

    /// As it was typed: for passwords.
    pub(crate) fn exact(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl From<HashMap<String, String>> for Fields {
    fn from(fields: HashMap<String, String>) -> Fields {
        Fields(fields)
    }
}

/// The fewest characters of a reason.
const REASON_LETTERS_MIN: usize = 8;
/// The most characters of a reason.
const REASON_LETTERS_MAX: usize = 500;

/// The reason that was typed, or what is wrong with it.
pub(crate) fn reason(fields: &Fields) -> Result<String, String> {
    let typed = fields.get("reason");
    if !(REASON_LETTERS_MIN..=REASON_LETTERS_MAX).contains(&typed.chars().count()) {
        return Err(format!(
            "Type why: {REASON_LETTERS_MIN} to {REASON_LETTERS_MAX} characters."
        ));
    }
    Ok(typed.to_owned())
}

/// A form sent from a page of the sender's own session.
pub(crate) struct Posted {
    pub visit: Visit,
    pub fields: Fields,
}

impl FromRequest<Arc<App>> for Posted {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Posted, Problem> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, app).await?;
        let request = Request::from_parts(parts, body);
        let Stranger { fields, .. } = Stranger::from_request(request, app).await?;
        if !same(fields.exact("csrf"), &visit.csrf) {
            return Err(Problem::Forged);
        }
        Ok(Posted { visit, fields })
    }
}

/// A form sent by somebody who is not signed in, from one of our own pages.
pub(crate) struct Stranger {
    pub fields: Fields,
    pub caller: Caller,
}

impl FromRequest<Arc<App>> for Stranger {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Stranger, Problem> {
        if !from_here(request.headers(), request.uri()) {
            return Err(Problem::Forged);
        }
        let caller = Caller::of(request.headers(), request.extensions());
        let Form(fields) = Form::<HashMap<String, String>>::from_request(request, app)
            .await
            .map_err(|why| Problem::Malformed(why.body_text()))?;
        Ok(Stranger {
            fields: Fields(fields),
            caller,
        })
    }
}

/// Whether a browser says that this form was sent from one of our own pages. A program that says
/// nothing about it is no browser, so nobody's session can be ridden through it.
fn from_here(headers: &HeaderMap, uri: &Uri) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = headers.get(ORIGIN).map(HeaderValue::to_str) else {
        return true;
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    let from = origin.ok().and_then(|origin| origin.split_once("://"));
    from.is_some_and(|(_, from)| Some(from) == host)
}

/// A page, rendered.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Result<Response, Problem> {
    let html = template.render().map_err(|why| broken(&why))?;
    let kind = (
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    Ok((status, [kind], html).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(pairs: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: axum::http::HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        from_here(&headers, &Uri::from_static("/sign-in"))
    }

    #[test]
    fn a_form_of_another_site_is_not_from_here() {
        assert!(here(&[("sec-fetch-site", "same-origin")]));
        assert!(!here(&[("sec-fetch-site", "cross-site")]));
        assert!(!here(&[
            ("sec-fetch-site", "same-site"),
            ("origin", "https://a:1"),
            ("host", "a:1")
        ]));
        assert!(here(&[
            ("origin", "https://salus.test:8443"),
            ("host", "salus.test:8443")
        ]));
        assert!(!here(&[
            ("origin", "https://evil.test"),
            ("host", "salus.test:8443")
        ]));
        assert!(!here(&[("origin", "null"), ("host", "salus.test:8443")]));
        assert!(here(&[("host", "salus.test:8443")]));
    }
}
