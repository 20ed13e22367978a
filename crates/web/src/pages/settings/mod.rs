//! Settings: who may sign in.

pub(crate) mod view;

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{Account, AccountChange, Act, Body, Event, PersonStep, Role, Subject};
use guard::{Decision, Standing, admit};
use serde::Deserialize;
use staff::Listed;

use crate::error::Problem;
use crate::pages::account::{hashed, seals, sound_account, sound_name};
use crate::pages::shell::Here;
use crate::pages::visit::{Fields, Posted, Visit, page};
use crate::pages::words;
use view::{Leaver, Lists, PeoplePage, PersonForm, PersonRow, roles};

/// The fewest characters of a password, as the form says it; `staff` decides.
pub(crate) const PASSWORD_LETTERS_MIN: usize = 12;
/// The longest code of a ward and the most wards of a person.
const WARD_LETTERS_MAX: usize = 64;
const WARDS_MAX: usize = 64;

/// What the page may be asked with.
#[derive(Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
}

/// `GET /settings/people`
pub(crate) async fn show(visit: Visit, Query(done): Query<Done>) -> Result<Response, Problem> {
    let ask = visit.ask(Act::Read, Subject::Account(String::new()));
    visit.leave("the list of people", ask).await?;
    let mut view = people(&visit, &Fields::default(), None).await?;
    view.shell.done = match done.done.as_str() {
        "saved" => Some("Saved. The account may sign in.".to_owned()),
        "reset" => Some(
            "Their second factors are gone and they are signed out. With their password they set up new ones."
                .to_owned(),
        ),
        "disabled" => Some("Disabled. The account is signed out everywhere.".to_owned()),
        _ => None,
    };
    page(StatusCode::OK, &view)
}

async fn people(
    visit: &Visit,
    typed: &Fields,
    wrong: Option<String>,
) -> Result<PeoplePage, Problem> {
    let listed = visit.app.staff.people();
    let active = listed.iter().filter(|one| !one.disabled).count() as u64;
    let answer = match active {
        1 => "Only you may sign in.".to_owned(),
        _ => format!("{} people may sign in.", words::thousands(active)),
    };
    let own = &visit.identity.actor.id;
    let wards = visit.app.chart.wards().await?;
    Ok(PeoplePage {
        shell: visit.shell("People", Here::Settings),
        answer,
        people: listed.into_iter().map(|one| row(visit, one, own)).collect(),
        form: PersonForm {
            account: typed.get("account").to_owned(),
            name: typed.get("name").to_owned(),
            wards: typed.get("wards").to_owned(),
            practitioner: typed.get("practitioner").to_owned(),
        },
        roles: roles(typed.get("role")),
        wards: wards.into_iter().map(|ward| ward.code).collect(),
        wrong,
        password_letters_min: PASSWORD_LETTERS_MIN,
        listed: visit.app.staff.asks_a_list(),
        lists: visit.app.leaving.last().map(|last| Lists {
            place: last.place,
            looked: visit.stamp(last.at),
            trouble: last.trouble,
        }),
    })
}

fn row(visit: &Visit, one: Listed, own: &str) -> PersonRow {
    let left = one.left.map(|left| Leaver {
        due: visit.stamp(left.due),
        lag: match left.ended.since(left.due) {
            ..1_000 => "less than a second".to_owned(),
            lag => words::span(lag),
        },
        early: left.ended < left.due,
        source: left.source,
    });
    PersonRow {
        left,
        strong: one.strong,
        signed_in: one.signed_in.map(|at| visit.stamp(at)),
        own: one.id == own,
        account: one.id,
        name: one.name,
        role: words::role(one.role),
        wards: one.wards.join(", "),
        practitioner: one.practitioner.unwrap_or_default(),
        disabled: one.disabled,
    }
}

/// `POST /settings/people`
pub(crate) async fn save(posted: Posted) -> Result<Response, Problem> {
    let (visit, fields) = (posted.visit, posted.fields);
    let account = match wanted(&visit, &fields).await? {
        Ok(account) => account,
        Err(wrong) => {
            let ask = visit.ask(Act::Read, Subject::Account(String::new()));
            visit.leave("the list of people", ask).await?;
            return page(
                StatusCode::BAD_REQUEST,
                &people(&visit, &fields, Some(wrong)).await?,
            );
        }
    };
    change(&visit, fields.get("account"), Some(account)).await?;
    Ok(Redirect::to("/settings/people?done=saved").into_response())
}

/// The account that a form asks for, or what is wrong with the form.
async fn wanted(visit: &Visit, fields: &Fields) -> Result<Result<Account, String>, Problem> {
    let sound = sound(visit, fields);
    let (role, wards) = match sound {
        Ok(sound) => sound,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let secret = match hashed(&visit.app, fields.exact("password")).await? {
        Ok(secret) => secret,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let practitioner = fields.get("practitioner");
    Ok(Ok(Account {
        name: fields.get("name").to_owned(),
        role,
        wards,
        practitioner: (!practitioner.is_empty()).then(|| practitioner.to_owned()),
        secret,
        scopes: Vec::new(),
    }))
}

fn sound(visit: &Visit, fields: &Fields) -> Result<(Role, Vec<String>), String> {
    sound_name(fields.get("name"))?;
    let account = fields.get("account");
    sound_account(account)?;
    if visit
        .app
        .staff
        .clients()
        .iter()
        .any(|client| client.id == account)
    {
        return Err("A system client has this name already. Choose another.".to_owned());
    }
    let known = visit.app.staff.people();
    let known = known.into_iter().find(|one| one.id == account);
    if known
        .and_then(|one| one.left)
        .is_some_and(|left| left.is_deleted())
    {
        return Err("Somebody who was deleted had this name, and what they did stays under it. Choose another.".to_owned());
    }
    let role = Role::person(fields.get("role")).ok_or("Choose a role.")?;
    if account == visit.identity.actor.id && role != Role::Administrator {
        return Err(
            "You would lock yourself out: your own account stays an administrator.".to_owned(),
        );
    }
    if fields.get("practitioner").chars().count() > WARD_LETTERS_MAX {
        return Err(format!(
            "A practitioner id has at most {WARD_LETTERS_MAX} characters."
        ));
    }
    Ok((role, wards(fields.get("wards"))?))
}

fn wards(typed: &str) -> Result<Vec<String>, String> {
    let mut wards: Vec<String> = Vec::new();
    for code in typed
        .split(',')
        .map(str::trim)
        .filter(|code| !code.is_empty())
    {
        if code.chars().count() > WARD_LETTERS_MAX || code.chars().any(char::is_control) {
            return Err(format!(
                "A ward's code has at most {WARD_LETTERS_MAX} characters."
            ));
        }
        if !wards.iter().any(|known| known == code) {
            wards.push(code.to_owned());
        }
    }
    if wards.len() > WARDS_MAX {
        return Err(format!("A person works on at most {WARDS_MAX} wards."));
    }
    Ok(wards)
}

/// `POST /settings/people/disable`
pub(crate) async fn disable(posted: Posted) -> Result<Response, Problem> {
    let (visit, account) = (posted.visit, posted.fields.get("account").to_owned());
    if account == visit.identity.actor.id {
        return Err(Problem::Malformed(
            "you cannot disable your own account; another administrator can".to_owned(),
        ));
    }
    if !visit.app.staff.people().iter().any(|one| one.id == account) {
        return Err(Problem::Missing(format!("account `{account}`")));
    }
    change(&visit, &account, None).await?;
    Ok(Redirect::to("/settings/people?done=disabled").into_response())
}

/// `POST /settings/people/reset`
pub(crate) async fn reset(posted: Posted) -> Result<Response, Problem> {
    let (visit, account) = (posted.visit, posted.fields.get("account").to_owned());
    if account == visit.identity.actor.id {
        return Err(Problem::Malformed(
            "you cannot reset your own second factors; another administrator can".to_owned(),
        ));
    }
    if visit.app.staff.account(&account).is_none() {
        return Err(Problem::Missing(format!("account `{account}`")));
    }
    let decision = may_manage(&visit, &account).await?;
    let actor = visit.identity.actor.clone();
    let event = seals::person(actor, &account, PersonStep::Reset);
    seal(&visit, event, &decision).await?;
    visit.app.sessions.end_all_of(&account);
    Ok(Redirect::to("/settings/people?done=reset").into_response())
}

/// Seals a change of an account and waits until it is in force.
async fn change(visit: &Visit, id: &str, account: Option<Account>) -> Result<(), Problem> {
    let decision = may_manage(visit, id).await?;
    let body = Body::Account(AccountChange {
        id: id.to_owned(),
        account,
    });
    let subject = Subject::Account(id.to_owned());
    let event = Event::new(visit.identity.actor.clone(), Act::Manage, subject, body);
    seal(visit, event, &decision).await?;
    // Whoever changes their own password stays signed in; everybody else signs in anew.
    if id != visit.identity.actor.id {
        visit.app.sessions.end_all_of(id);
    }
    Ok(())
}

/// Whether the visitor may manage an account, and has proved themselves just now.
async fn may_manage(visit: &Visit, id: &str) -> Result<Decision, Problem> {
    let mut ask = visit.ask(Act::Manage, Subject::Account(id.to_owned()));
    ask.purpose = "HSYSADMIN".to_owned();
    let decision = visit.leave("this account", ask).await?;
    visit.needs_step_up("/settings/people")?;
    Ok(decision)
}

async fn seal(visit: &Visit, event: Event, decision: &Decision) -> Result<(), Problem> {
    let admitted = admit(event.into(), Standing::Decided(decision), "")?;
    let receipts = visit.app.record.admit(vec![admitted]).await?;
    if let Some(receipt) = receipts.first() {
        visit.app.account_in_force(receipt.index).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wards_are_codes_between_commas() {
        assert_eq!(wards(" ICU, MED1,,ICU ").unwrap(), ["ICU", "MED1"]);
        assert!(wards("").unwrap().is_empty());
        assert!(wards(&"x".repeat(65)).is_err());
    }
}
