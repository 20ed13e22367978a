//! What one event leaves in the view. Pure; no content of a chart is looked at.

use event::{Act, Actor, Body, Decided, Event, Glass, ServiceState, Session, Shown, Subject, Time};

use crate::trace::{PARTS_MAX, Trace, TraceId, What};

/// Characters kept of what was asked or typed: enough for any honest one.
const TEXT_CHARACTERS_MAX: usize = 2_000;

/// The traces of an event; none if it bears on nobody's looking.
pub(crate) fn traces(index: u64, at: Time, event: &Event) -> Vec<Trace> {
    let Body::Joined(joined) = &event.body else {
        return of_event(index, at, event);
    };
    // A look on the standby, while the primary was gone: as if it had been sealed here then.
    match event::decode(&event.raw) {
        Ok(inner) => of_event(index, joined.at, &inner),
        Err(_) => Vec::new(),
    }
}

fn of_event(index: u64, at: Time, event: &Event) -> Vec<Trace> {
    let base = |what: What| Trace {
        id: TraceId { index, part: 0 },
        at,
        actor: event.actor.clone(),
        what,
        patient: event.subject.patient().map(str::to_owned),
        allowed: true,
        because: event.because.clone(),
        purpose: String::new(),
        reason: String::new(),
        from: short(event.from.as_deref().unwrap_or_default()),
        detail: about(&event.subject),
    };
    match &event.body {
        Body::Decision(decided) => decision(base(what_of(decided)), decided),
        Body::Shown(shown) => shown_traces(&base(what_shown(shown)), shown),
        Body::Resource(written) => vec![Trace {
            detail: format!("{}/{}", written.kind, written.id),
            ..base(match event.act {
                Act::Create => What::Create,
                Act::Delete => What::Delete,
                _ => What::Update,
            })
        }],
        Body::Session(session) => vec![session_trace(event, session, base)],
        Body::Account(change) => vec![Trace {
            detail: format!("account/{}", change.id),
            ..base(What::Manage)
        }],
        Body::Person(change) => vec![Trace {
            detail: format!("account/{}", change.account),
            ..base(What::Manage)
        }],
        Body::Unmerge(unmerge) => vec![Trace {
            reason: short(&unmerge.reason),
            ..base(What::Unmerge)
        }],
        Body::Ceiling(ceiling) => vec![Trace {
            actor: named(&event.actor, &ceiling.account),
            allowed: false,
            because: vec![ceiling.policy.clone()],
            detail: format!("account/{}", ceiling.account),
            ..base(What::Ceiling)
        }],
        Body::Glass(glass) => vec![broken(base, glass)],
        Body::Service(service) => vec![base(match service.state {
            ServiceState::Started => What::Started,
            ServiceState::Stopped => What::Stopped,
        })],
        Body::ExportAsked(asked) => vec![Trace {
            reason: short(&asked.reason),
            detail: format!("export/{index}"),
            ..base(What::Export)
        }],
        Body::ExportAnswered(answered) => vec![Trace {
            allowed: answered.approved,
            reason: short(&answered.reason),
            detail: format!("export/{}", answered.request),
            ..base(What::Export)
        }],
        // Messages of feeds and bytes that were not understood are no looks: the Flow page has them.
        _ => Vec::new(),
    }
}

fn session_trace(event: &Event, session: &Session, base: impl Fn(What) -> Trace) -> Trace {
    Trace {
        actor: named(&event.actor, &session.account),
        allowed: session.ok,
        from: address(&session.source),
        detail: short(&session.note),
        ..base(match event.act {
            Act::SignOut => What::SignOut,
            _ => What::SignIn,
        })
    }
}

/// Emergency access: begun, ended early, or judged.
fn broken(base: impl Fn(What) -> Trace, glass: &Glass) -> Trace {
    match glass {
        Glass::Started {
            purpose, reason, ..
        } => Trace {
            purpose: purpose.clone(),
            reason: short(reason),
            ..base(What::BreakGlass)
        },
        Glass::Ended { glass } => Trace {
            detail: format!("glass/{glass}"),
            ..base(What::EndGlass)
        },
        Glass::Reviewed {
            glass,
            verdict,
            words,
        } => Trace {
            reason: short(words),
            detail: format!("glass/{glass} {}", verdict.word()),
            ..base(What::Review)
        },
    }
}

fn decision(base: Trace, decided: &Decided) -> Vec<Trace> {
    let detail = match decided.detail.as_str() {
        "" => base.detail,
        detail => short(detail),
    };
    vec![Trace {
        allowed: decided.allowed,
        purpose: decided.purpose.clone(),
        reason: short(decided.reason.as_deref().unwrap_or_default()),
        detail,
        ..base
    }]
}

fn what_of(decided: &Decided) -> What {
    match decided.act {
        Act::Read if decided.detail.contains("/_history/") => What::Vread,
        act => What::of(act.word()).unwrap_or(What::Read),
    }
}

const fn what_shown(shown: &Shown) -> What {
    match shown.identity_only {
        true => What::Listed,
        false => What::Shown,
    }
}

fn shown_traces(base: &Trace, shown: &Shown) -> Vec<Trace> {
    let parts = (1..).zip(shown.patients.iter().take(PARTS_MAX));
    let one = |(part, patient): (u32, &String)| Trace {
        id: TraceId {
            index: base.id.index,
            part,
        },
        patient: Some(patient.clone()),
        because: shown.because.clone(),
        purpose: shown.purpose.clone(),
        detail: short(&shown.asked),
        ..base.clone()
    };
    parts.map(one).collect()
}

/// An address, if it is one: of some sessions only words are known.
fn address(text: &str) -> String {
    let address = text.parse::<std::net::IpAddr>();
    address.map_or_else(|_| String::new(), |address| address.to_string())
}

/// Whoever tries to sign in is nobody yet: the name they gave stands for them.
fn named(actor: &Actor, account: &str) -> Actor {
    Actor {
        id: short(account),
        name: match actor.id == account {
            true => actor.name.clone(),
            false => short(account),
        },
        ..actor.clone()
    }
}

/// What it is about, if it is no patient: `ward/ICU`.
fn about(subject: &Subject) -> String {
    match subject {
        Subject::Account(id) => format!("account/{id}"),
        Subject::Feed(name) => format!("feed/{name}"),
        Subject::Kind(kind) => kind.clone(),
        Subject::Patient(_) => String::new(),
        Subject::Record => "record".to_owned(),
        Subject::Ward(code) => format!("ward/{code}"),
    }
}

fn short(text: &str) -> String {
    let end = text.char_indices().nth(TEXT_CHARACTERS_MAX);
    let cut = end.and_then(|(end, _)| text.get(..end)).unwrap_or(text);
    cut.to_owned()
}
