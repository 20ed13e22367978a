//! What is sealed of people's sign-ins, sessions and factors.

use event::{
    Act, Actor, ActorKind, Body, Event, PersonChange, PersonStep, Role, Session, SessionStep,
    Subject, Used,
};

use super::sound_account;
use crate::App;
use crate::caller::Caller;
use crate::error::Problem;
use crate::pages::visit::Visit;

/// What a browser did, without an outcome yet.
fn session(account: &str, caller: &Caller, step: SessionStep) -> Session {
    Session {
        step,
        source: caller.source.clone(),
        device: caller.device_id(),
        agent: caller.agent.clone(),
        ..Session::of(account, &format!("from {}", caller.source))
    }
}

/// Somebody proved who they are.
pub(crate) fn proved(account: &str, caller: &Caller, (step, used): (SessionStep, Used)) -> Event {
    event(Session {
        ok: true,
        used: Some(used),
        ..session(account, caller, step)
    })
}

/// Somebody did not. What was typed as the name is kept only if it could be one: people type their
/// password there.
pub(crate) fn failed(account: &str, caller: &Caller, (step, why): (SessionStep, &str)) -> Event {
    let account = match sound_account(account) {
        Ok(()) => account,
        Err(_) => "(not a sign-in name)",
    };
    event(Session {
        note: format!("{why}; from {}", caller.source),
        ..session(account, caller, step)
    })
}

/// A session's cookie came from another device.
pub(crate) fn misused(account: &str, caller: &Caller) -> Event {
    event(session(account, caller, SessionStep::Misused))
}

/// Somebody ended sessions of theirs.
pub(crate) fn ended(visit: &Visit, note: &str) -> Event {
    let account = visit.identity.actor.id.clone();
    let body = Body::Session(Session {
        ok: true,
        note: note.to_owned(),
        ..session(&account, &visit.caller, SessionStep::Ended)
    });
    let actor = visit.identity.actor.clone();
    Event::new(actor, Act::SignOut, Subject::Account(account), body)
}

fn event(session: Session) -> Event {
    let account = session.account.clone();
    let actor = Actor {
        kind: ActorKind::Person,
        id: account.clone(),
        name: account.clone(),
        role: Role::Salus,
    };
    let subject = Subject::Account(account);
    Event::new(actor, Act::SignIn, subject, Body::Session(session))
}

/// A change of what somebody proves themselves with, made by `actor`.
pub(crate) fn person(actor: Actor, account: &str, change: PersonStep) -> Event {
    let subject = Subject::Account(account.to_owned());
    let body = Body::Person(PersonChange {
        account: account.to_owned(),
        change,
    });
    Event::new(actor, Act::Manage, subject, body)
}

impl App {
    /// Seals a change of the visitor's own factors and waits until it is in force.
    pub(crate) async fn change_own(
        &self,
        visit: &Visit,
        change: PersonStep,
    ) -> Result<(), Problem> {
        let actor = visit.identity.actor.clone();
        let account = actor.id.clone();
        let receipt = self.seal(person(actor, &account, change)).await?;
        self.account_in_force(receipt.index).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_typed_as_a_name_is_not_kept() {
        let caller = Caller::default();
        let event = failed("Hunter2 is mine!", &caller, (SessionStep::Began, "no"));
        let Body::Session(session) = event.body else {
            panic!("no session");
        };
        assert_eq!(session.account, "(not a sign-in name)");
    }
}
