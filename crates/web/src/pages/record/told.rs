//! An event in words, without what is in it: no name, number or value of a patient.

use event::{
    Act, Actor, Body, Decided, Erased, Event, Glass, ImportEnd, ImportStep, NotifyStep, Outcome,
    PersonStep, PutBackStep, Role, RouteOutcome, RouteStep, Session, SessionStep, Subject, Token,
};

use crate::pages::words;

/// What happened.
pub(crate) fn what(event: &Event) -> String {
    match &event.body {
        Body::Account(change) if change.account.is_none() => "account disabled".to_owned(),
        Body::Account(_) => "account added or changed".to_owned(),
        Body::App(change) if change.app.is_none() => "app taken away".to_owned(),
        Body::Alteration(altered) if altered.outside.is_some() => {
            "alteration found in another system".to_owned()
        }
        Body::Alteration(_) => "alteration found".to_owned(),
        Body::App(_) => "app registered".to_owned(),
        Body::Ceiling(_) => "an account came to its ceiling".to_owned(),
        Body::Decision(decided) => decision(decided),
        Body::Captured(_)
        | Body::Copy(_)
        | Body::Downtime(_)
        | Body::Drill(_)
        | Body::PackCode(_)
        | Body::Printed(_)
        | Body::SentOn(_)
        | Body::PackOpenings(_)
        | Body::SheetBack(_)
        | Body::Verdict(_) => lifeline(&event.body),
        Body::Glass(Glass::Started { .. }) => "glass broken".to_owned(),
        Body::Glass(Glass::Ended { .. }) => "broken glass ended".to_owned(),
        Body::Glass(Glass::Reviewed { .. }) => "broken glass reviewed".to_owned(),
        Body::ExportAnswered(answered) if answered.approved => "export agreed to".to_owned(),
        Body::ExportAnswered(_) => "export refused".to_owned(),
        Body::ExportAsked(_) => "export asked for".to_owned(),
        Body::Erased(order) => erased(order),
        Body::Import(import) => imported(&import.step),
        Body::Joined(_) => "sealed by the standby while the primary was gone".to_owned(),
        Body::BackedUp(made) => match made.files {
            Some(files) => format!("folders and dumps backed up: {files} files"),
            None => format!("backed up: {} events", made.size),
        },
        Body::Keys(changed) => changed.what.clone(),
        Body::Message(message) => format!("message {}", message.kind),
        Body::Notified(notified) => notification(&notified.step),
        Body::Opened(_) => "the record was opened".to_owned(),
        Body::PolicyChange(_) => "policies changed".to_owned(),
        Body::Promoted(promoted) => promotion(promoted.epoch),
        Body::PutBack(put) => put_back(&put.step).to_owned(),
        Body::Rejected(rejected) => {
            let times = words::count(rejected.count, "time", "times");
            format!("turned away {times}: {}", rejected.sort.words())
        }
        Body::Resource(resource) => format!("{} {}", event.act.word(), resource.kind),
        Body::Person(change) => step(&change.change).to_owned(),
        Body::Session(session) => signed(event.act, session),
        Body::Token(token) => leave(token).to_owned(),
        Body::Route(_) | Body::RouteOrder(_) | Body::Routed(_) => route(&event.body).to_owned(),
        Body::Rewound(_) => "changes undone".to_owned(),
        Body::Service(service) => match service.state {
            event::ServiceState::Started => "Salus started".to_owned(),
            event::ServiceState::Stopped => "Salus stopped".to_owned(),
        },
        Body::Shown(shown) => {
            let patients = words::count(shown.patients.len() as u64, "patient", "patients");
            format!("a list showed {patients}")
        }
        Body::Signals(batch) => {
            let lines = words::count(batch.lines, "line", "lines");
            format!("{lines} of machines")
        }
        Body::Image(image) => format!("DICOM instance {}", image.instance),
        Body::Unmerge(_) => "merge taken back".to_owned(),
        Body::Unread(_) => "bytes that were not understood".to_owned(),
    }
}

fn promotion(epoch: u64) -> String {
    format!("another machine became the primary, number {epoch}")
}

/// What happened about messages that are passed on.
fn route(body: &Body) -> &'static str {
    match body {
        Body::Route(change) if change.rules.is_none() => "a route ended",
        Body::Route(_) => "the rules of a route",
        Body::RouteOrder(order) => ordered(&order.step),
        Body::Routed(routed) => passed_on(routed.outcome),
        _ => "about a route",
    }
}

/// What happened about a subscription.
fn notification(step: &NotifyStep) -> String {
    match step {
        NotifyStep::Found { events, .. } => {
            let events = words::count(events.len() as u64, "event", "events");
            format!("{events} of a subscription")
        }
        NotifyStep::Taken { .. } => "a subscriber was notified".to_owned(),
        NotifyStep::Failing { since: Some(_) } => "a subscriber does not answer".to_owned(),
        NotifyStep::Failing { since: None } => "a subscriber answers again".to_owned(),
    }
}

fn imported(step: &ImportStep) -> String {
    match step {
        ImportStep::Begun { inputs, .. } => {
            let files = words::count(inputs.len() as u64, "file", "files");
            format!("bulk import of {files} asked for")
        }
        ImportStep::Took {
            accepted, refused, ..
        } => {
            let resources = words::count(*accepted, "resource", "resources");
            format!("bulk import: {resources} kept, {refused} refused")
        }
        ImportStep::Ended { how, .. } => match how {
            ImportEnd::Cancelled => "bulk import ended by its client".to_owned(),
            ImportEnd::Done => "bulk import done".to_owned(),
            ImportEnd::Failed => "bulk import given up".to_owned(),
        },
    }
}

fn decision(decided: &Decided) -> String {
    let outcome = if decided.allowed {
        "allowed"
    } else {
        "refused"
    };
    format!(
        "decision: {}, {outcome}",
        decided.act.word().replace('-', " ")
    )
}

fn erased(order: &Erased) -> String {
    let events: u64 = order
        .events
        .iter()
        .map(|(first, last)| last.saturating_sub(*first).saturating_add(1))
        .sum();
    format!("patient erased: {events} events cannot be read any more")
}

/// What was ordered about a route.
const fn ordered(step: &RouteStep) -> &'static str {
    match step {
        RouteStep::Pause => "a route was paused",
        RouteStep::Resume => "a route was resumed",
        RouteStep::Skip { .. } => "a message is not passed on",
        RouteStep::Replay { .. } => "messages are passed on once more",
    }
}

/// What became of a message on a route.
const fn passed_on(outcome: RouteOutcome) -> &'static str {
    match outcome {
        RouteOutcome::Taken => "a message was passed on",
        RouteOutcome::Refused => "a message was passed on and refused",
        RouteOutcome::Looped => "a message came back and was not passed on",
    }
}

/// What became of an app's leave.
const fn leave(token: &Token) -> &'static str {
    match token {
        Token::Agreed(_) => "leave given to an app",
        Token::Asserted(_) => "an app proved who it is",
        Token::Issued(_) => "tokens issued to an app",
        Token::Ended(_) => "an app's leave ended",
    }
}

/// What became of a session.
fn signed(act: Act, session: &Session) -> String {
    let word = match (act, session.step) {
        (Act::SignOut, _) => "sign-out",
        (_, SessionStep::Began) => "sign-in",
        (_, SessionStep::Ended) => "session ended",
        (_, SessionStep::Misused) => "session used from another device",
        (_, SessionStep::Resumed) => "session resumed",
        (_, SessionStep::SteppedUp) => "proof of who acts",
        (_, SessionStep::TurnedAway) => "sign-in, not looked at",
    };
    match session.ok {
        true => word.to_owned(),
        false => format!("{word}, failed"),
    }
}

/// What keeps wards going, and what came of it.
fn lifeline(body: &Body) -> String {
    match body {
        Body::Captured(captured) => format!("typed in from paper: {}", captured.line.kind.word()),
        Body::Copy(copy) => format!("a copy was looked at: {}", copy.kind),
        Body::Downtime(downtime) if downtime.away => "systems are away".to_owned(),
        Body::Downtime(_) => "systems are back".to_owned(),
        Body::Drill(drill) => format!("drill {}", drill.name),
        Body::PackCode(_) => "a new code for a ward's packs".to_owned(),
        Body::Printed(printed) => {
            let sheets = words::count(printed.sheets.len() as u64, "sheet", "sheets");
            format!("{sheets} printed")
        }
        Body::SentOn(sent) if sent.taken => "an entry was sent on".to_owned(),
        Body::SentOn(_) => "an entry was sent on and refused".to_owned(),
        Body::PackOpenings(one) => format!("the pack was opened {} times on a computer", one.times),
        Body::SheetBack(_) => "a sheet came back".to_owned(),
        Body::Verdict(verdict) => match verdict.outcome {
            Outcome::Accepted { .. } => "an entry was accepted",
            Outcome::Changed { .. } => "an entry was changed and accepted",
            Outcome::Refused => "an entry was refused",
        }
        .to_owned(),
        _ => String::new(),
    }
}

/// What became of something altered in another system.
const fn put_back(step: &PutBackStep) -> &'static str {
    match step {
        PutBackStep::Ordered { .. } => "what was sealed is to be put back",
        PutBackStep::Left { .. } => "an alteration was left as it is",
        PutBackStep::Sent { taken: true, .. } => "what was sealed was put back",
        PutBackStep::Sent { .. } => "what was sealed was sent back and refused",
        PutBackStep::Settled => "an alteration is gone",
    }
}

const fn step(change: &PersonStep) -> &'static str {
    match change {
        PersonStep::Linked { .. } => "account tied to single sign-on",
        PersonStep::Left { .. } => "somebody left",
        PersonStep::PasskeyAdded(_) => "passkey added",
        PersonStep::PasskeyRemoved { .. } => "passkey removed",
        PersonStep::Password { .. } => "password changed by its owner",
        PersonStep::Recovery { .. } => "recovery codes made",
        PersonStep::Reset => "second factors taken away",
        PersonStep::Totp { secret: Some(_) } => "authenticator app set up",
        PersonStep::Totp { secret: None } => "authenticator app removed",
    }
}

/// Who did it: the role, and for systems, or if `names`, the account too.
pub(crate) fn who(actor: &Actor, names: bool) -> String {
    let role = match actor.role {
        // Nobody knows yet who somebody is that tries to sign in.
        Role::Salus if actor.id != "salus" => "somebody",
        role => words::role(role),
    };
    let system = matches!(actor.role, Role::Feed | Role::Client);
    if system || (names && actor.id != "salus") {
        return format!("{role} {}", actor.id);
    }
    role.to_owned()
}

/// Whom or what it is about.
pub(crate) fn about(subject: &Subject, names: bool) -> String {
    match subject {
        Subject::Account(id) if names => format!("account {id}"),
        Subject::Account(_) => "an account".to_owned(),
        Subject::Feed(name) => format!("feed {name}"),
        Subject::Kind(kind) => format!("{kind} resources"),
        Subject::Patient(_) => "one patient".to_owned(),
        Subject::Record => "the record".to_owned(),
        Subject::Ward(code) => format!("ward {code}"),
    }
}

/// The policies or grants that let it in.
pub(crate) fn because(reasons: &[String]) -> String {
    if reasons.is_empty() {
        return "nothing is given".to_owned();
    }
    words::list(reasons)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_named_only_to_those_who_oversee() {
        let anna = Actor {
            kind: event::ActorKind::Person,
            id: "anna".into(),
            name: "Anna".into(),
            role: Role::Nurse,
        };
        assert_eq!(who(&anna, false), "nurse");
        assert_eq!(who(&anna, true), "nurse anna");
        assert_eq!(who(&Actor::feed("lab"), false), "feed lab");
        assert_eq!(who(&Actor::salus(), true), "Salus itself");
    }

    #[test]
    fn a_patient_is_never_named() {
        assert_eq!(about(&Subject::Patient("p1".into()), true), "one patient");
    }
}
