//! SCIM 2.0 (RFC 7643, RFC 7644): the staff directory adds and changes people here, and ends their
//! access. Users only, no groups; never an administrator, but for ending their access.

mod answer;
mod ask;
mod user;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use event::{Account, AccountChange, Act, Actor, Body, Event, PersonStep, Role, Subject};
use serde::Deserialize;
use serde_json::{Value, json};
use staff::DELETED;

use crate::App;
use crate::leave::{Ended, Leaver};
use crate::pages::account::seals::person;
use answer::{Fault, answer};
use ask::{Change, Wanted};

/// The scope of a client that may use it.
pub const SCOPE: &str = "system/scim";

/// Users on a page, at most.
const PAGE_MAX: usize = 200;

/// Every SCIM endpoint.
pub(crate) fn mounted(at: &str) -> Router<Arc<App>> {
    Router::new()
        .route(
            &format!("{at}/ServiceProviderConfig"),
            get(answer::provider),
        )
        .route(&format!("{at}/ResourceTypes"), get(answer::types))
        .route(&format!("{at}/Users"), get(list).post(create))
        .route(
            &format!("{at}/Users/{{id}}"),
            get(read).put(replace).patch(patch).delete(remove),
        )
}

/// A client with [`SCOPE`].
struct Directory {
    app: Arc<App>,
    actor: Actor,
}

impl FromRequestParts<Arc<App>> for Directory {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Directory, Fault> {
        let token = token(&parts.headers).ok_or(Fault::Unknown)?;
        let identity = app.staff.client(token).ok_or(Fault::Unknown)?;
        if !identity.scopes.iter().any(|scope| scope == SCOPE) {
            return Err(Fault::Forbidden("this client has no `system/scim` scope"));
        }
        let paced = app.paced(&identity.actor.id);
        paced.map_err(|_| Fault::TooFast)?;
        Ok(Directory {
            app: Arc::clone(app),
            actor: identity.actor,
        })
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let said = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = said.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl Directory {
    fn base(&self) -> &str {
        let base = &self.app.settings.fhir_base;
        base.strip_suffix("/fhir").unwrap_or(base)
    }

    fn shown(&self, id: &str) -> Result<Value, Fault> {
        let known = self.app.staff.account(id).filter(|_| !self.removed(id));
        let (account, disabled) = known.ok_or(Fault::Missing)?;
        Ok(user::json(id, &account, (disabled, self.base())))
    }

    /// Whether somebody was deleted: they stay in the record, but no longer in the directory.
    fn removed(&self, id: &str) -> bool {
        let people = self.app.staff.people();
        let left = people.into_iter().find(|one| one.id == id);
        left.and_then(|one| one.left)
            .is_some_and(|left| left.is_deleted())
    }

    /// Seals an account as it is from now on.
    async fn put(&self, id: &str, account: Account) -> Result<(), Fault> {
        let body = Body::Account(AccountChange {
            id: id.to_owned(),
            account: Some(account),
        });
        let subject = Subject::Account(id.to_owned());
        let event = Event::new(self.actor.clone(), Act::Manage, subject, body);
        let receipt = self.app.seal(event).await.map_err(Fault::broken)?;
        self.app.account_in_force(receipt.index).await;
        // Another role or other wards: whoever is signed in signs in anew.
        self.app.sessions.end_all_of(id);
        Ok(())
    }

    /// Somebody whose access had ended is deleted now.
    async fn forget(&self, id: &str) -> Result<(), Fault> {
        let left = PersonStep::Left {
            due: self.app.clock.now(),
            source: format!("{DELETED}:{}", self.actor.id),
        };
        let sealed = self.app.seal(person(self.actor.clone(), id, left)).await;
        let receipt = sealed.map_err(Fault::broken)?;
        self.app.account_in_force(receipt.index).await;
        Ok(())
    }

    async fn end(&self, id: &str, source: &str) -> Result<Ended, Fault> {
        let leaver = Leaver {
            account: id.to_owned(),
            due: self.app.clock.now(),
        };
        let source = format!("{source}:{}", self.actor.id);
        let ended = self.app.end_access(&leaver, &source, &self.actor).await;
        ended.map_err(Fault::Broken)
    }
}

/// How an account that is no longer active is sealed.
const INACTIVE: &str = "scim";

/// What a list is asked with (RFC 7644 section 3.4.2).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    filter: Option<String>,
    start_index: Option<i64>,
    count: Option<i64>,
}

async fn list(directory: Directory, Query(asked): Query<Listing>) -> Result<Response, Fault> {
    let wanted = asked.filter.as_deref().map(ask::user_name).transpose()?;
    let people = directory.app.staff.people();
    let ids: Vec<String> = people
        .into_iter()
        .filter(|one| {
            wanted
                .as_ref()
                .is_none_or(|name| one.id.eq_ignore_ascii_case(name))
        })
        .map(|one| one.id)
        .filter(|id| !directory.removed(id))
        .collect();
    let start = usize::try_from(asked.start_index.unwrap_or(1).max(1)).unwrap_or(1);
    let count = asked
        .count
        .map_or(PAGE_MAX, |count| usize::try_from(count).unwrap_or(0));
    let page = ids.iter().skip(start - 1).take(count.min(PAGE_MAX));
    let users: Result<Vec<Value>, Fault> = page.map(|id| directory.shown(id)).collect();
    let users = users?;
    let list = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": ids.len(),
        "startIndex": start,
        "itemsPerPage": users.len(),
        "Resources": users,
    });
    Ok(answer(StatusCode::OK, &list))
}

async fn read(directory: Directory, Path(id): Path<String>) -> Result<Response, Fault> {
    Ok(answer(StatusCode::OK, &directory.shown(&id)?))
}

async fn create(directory: Directory, body: Bytes) -> Result<Response, Fault> {
    let wanted = Wanted::read(&body)?;
    let id = wanted.id()?.to_owned();
    // Nor is the name of somebody who was deleted given to anybody else: what they did stays
    // sealed under it.
    let clients = directory.app.staff.clients();
    if clients.iter().any(|client| client.id == id) || directory.app.staff.account(&id).is_some() {
        return Err(Fault::Taken);
    }
    let account = wanted.account(None)?;
    directory.put(&id, account).await?;
    if wanted.active == Some(false) {
        directory.end(&id, INACTIVE).await?;
    }
    Ok(answer(StatusCode::CREATED, &directory.shown(&id)?))
}

/// The account as it is, which must not be an administrator's.
fn changeable(directory: &Directory, id: &str) -> Result<(Account, bool), Fault> {
    directory.shown(id)?;
    let (account, disabled) = directory.app.staff.account(id).ok_or(Fault::Missing)?;
    if account.role == Role::Administrator {
        return Err(Fault::Forbidden(
            "administrators are changed in Settings, People; their access can be ended here",
        ));
    }
    Ok((account, disabled))
}

async fn replace(
    directory: Directory,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Fault> {
    let wanted = Wanted::read(&body)?;
    if wanted.id()? != id {
        return Err(Fault::Value(
            "`userName` cannot change: it is the account's name".to_owned(),
        ));
    }
    if wanted.active == Some(false) {
        directory.shown(&id)?;
        directory.end(&id, INACTIVE).await?;
        return Ok(answer(StatusCode::OK, &directory.shown(&id)?));
    }
    let (old, disabled) = changeable(&directory, &id)?;
    let new = wanted.account(Some(&old))?;
    if disabled || new != old {
        directory.put(&id, new).await?;
    }
    Ok(answer(StatusCode::OK, &directory.shown(&id)?))
}

async fn patch(
    directory: Directory,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Fault> {
    directory.shown(&id)?;
    let changes = ask::changes(&body)?;
    if changes.contains(&Change::Active(false)) {
        directory.end(&id, INACTIVE).await?;
        return Ok(answer(StatusCode::OK, &directory.shown(&id)?));
    }
    let (old, disabled) = changeable(&directory, &id)?;
    let mut new = old.clone();
    let mut revive = false;
    for change in changes {
        match change {
            Change::Active(active) => revive |= active,
            Change::Name(name) => new.name = name,
            Change::Role(role) => new.role = role,
        }
    }
    if disabled && !revive {
        return Err(Fault::Value(
            "the account is not active; set `active` first".to_owned(),
        ));
    }
    if disabled || new != old {
        directory.put(&id, new).await?;
    }
    Ok(answer(StatusCode::OK, &directory.shown(&id)?))
}

async fn remove(directory: Directory, Path(id): Path<String>) -> Result<Response, Fault> {
    directory.shown(&id)?;
    match directory.end(&id, DELETED).await? {
        Ended::Nobody => return Err(Fault::Missing),
        Ended::Now { .. } => {}
        Ended::Before => directory.forget(&id).await?,
    }
    Ok(answer::nothing())
}
