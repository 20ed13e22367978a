//! Everything that only looks; the same for a request and for an entry of a bundle.

use guard::Identity;
use wire::fhir::Code;

use super::answer::Answer;
use super::audit;
use super::conditions::Conditions;
use super::door::Door;
use super::fault::Fault;
use super::history::history;
use super::query::Pairs;
use super::read;
use super::route::Call;
use super::search::search;

/// A question.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// What kind.
    pub(crate) call: Call,
    /// The parameters, but for those about the answer's form.
    pub(crate) pairs: Pairs,
    /// Under which conditions.
    pub(crate) conditions: Conditions,
}

/// Answers a question.
///
/// # Errors
/// Each interaction's own.
pub(crate) async fn look(door: &Door, who: &Identity, look: &Look) -> Result<Answer, Fault> {
    match &look.call {
        Call::Capability => Ok(capability(door)),
        Call::History(past) => history(door, who, (past, &look.pairs)).await,
        Call::Read(target) => {
            no_parameters(&look.pairs)?;
            if let Some(id) = audit::own(target) {
                return audit::read(door, who, (target, id)).await;
            }
            read::current(door, who, (target, &look.conditions)).await
        }
        Call::Search(kind) if *kind == audit::KIND => audit::search(door, who, &look.pairs).await,
        Call::Search(kind) => search(door, who, (kind, &look.pairs)).await,
        Call::Version(target, version) => {
            no_parameters(&look.pairs)?;
            read::version(door, who, (target, *version)).await
        }
        Call::Bundle | Call::Write(_) => Err(Fault::broken("a write was taken for a question")),
    }
}

/// What this server can do.
pub(crate) fn capability(door: &Door) -> Answer {
    let date = door.app.clock.now().to_string();
    let base = &door.app.settings.fhir_base;
    let statement = wire::fhir::capability(base, env!("CARGO_PKG_VERSION"), &date);
    Answer::body(statement.to_string().into_bytes())
}

fn no_parameters(pairs: &Pairs) -> Result<(), Fault> {
    match pairs.first() {
        None => Ok(()),
        Some((name, _)) => {
            let words = format!("a read has no parameter `{name}` here");
            Err(Fault::bad(Code::NotSupported, words))
        }
    }
}
