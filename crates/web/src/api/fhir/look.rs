//! Everything that only looks; the same for a request and for an entry of a bundle.

use bytes::Bytes;
use guard::Identity;
use wire::fhir::Code;
use wire::fhir::search::Subset;

use super::about;
use super::answer::Answer;
use super::audit;
use super::conditions::Conditions;
use super::door::Door;
use super::everything::everything;
use super::fault::Fault;
use super::history::history;
use super::ihe;
use super::operation::Operation;
use super::query::Pairs;
use super::read;
use super::route::Call;
use super::search::search;
use super::subscription;
use super::summary::summary;
use super::terminology;
use super::types;
use super::validate::validate;

/// A question.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// What kind.
    pub(crate) call: Call,
    /// The parameters, but for those about the answer's form.
    pub(crate) pairs: Pairs,
    /// Under which conditions.
    pub(crate) conditions: Conditions,
    /// The body, of the operations that ask about one.
    pub(crate) body: Bytes,
}

/// Answers a question.
///
/// # Errors
/// Each interaction's own.
pub(crate) async fn look(door: &Door, who: &Identity, look: &Look) -> Result<Answer, Fault> {
    match &look.call {
        Call::Capability => about::capability(door).await,
        Call::History(past) => history(door, who, (past, &look.pairs)).await,
        Call::Read(target) => {
            if let Some(id) = audit::own(target) {
                no_parameters(&look.pairs)?;
                return audit::read(door, who, (target, id)).await;
            }
            let subset = subset(door, (target.kind, &look.pairs))?;
            let answer = read::current(door, who, (target, &look.conditions)).await?;
            Ok(answer.cut(&subset))
        }
        Call::Search(kind) if *kind == audit::KIND => audit::search(door, who, &look.pairs).await,
        Call::Search(kind) => search(door, who, (kind, &look.pairs)).await,
        Call::Operation(operation) => operate(door, who, (operation, look)).await,
        Call::SearchTypes => types::search(door, who, &look.pairs).await,
        Call::Version(target, version) => {
            let subset = subset(door, (target.kind, &look.pairs))?;
            let answer = read::version(door, who, (target, *version)).await?;
            Ok(answer.cut(&subset))
        }
        Call::Bundle | Call::Export(_) | Call::Import(_) | Call::OpenApi | Call::Write(_) => {
            Err(Fault::broken("a write was taken for a question"))
        }
    }
}

async fn operate(
    door: &Door,
    who: &Identity,
    (operation, look): (&Operation, &Look),
) -> Result<Answer, Fault> {
    match operation {
        Operation::Everything(target) => {
            everything(door, who, (target.as_ref(), &look.pairs)).await
        }
        Operation::Expand(target) => terminology::expand(door, who, (target.as_ref(), look)).await,
        Operation::Match => ihe::pairing(door, who, look).await,
        Operation::Pix => ihe::pix(door, who, &look.pairs).await,
        Operation::Lookup => terminology::lookup(door, who, look).await,
        Operation::Subscription(asked, target) => {
            subscription::answer(door, who, (*asked, target.as_ref(), &look.pairs)).await
        }
        Operation::Summary(target) => summary(door, who, (target.as_ref(), &look.pairs)).await,
        Operation::Validate(kind, target) => {
            validate(door, who, (kind, target.as_ref(), look)).await
        }
        Operation::ValidateCode(kind, target) => {
            terminology::validate_code(door, who, (kind, target.as_ref(), look)).await
        }
    }
}

/// The part that a read asks for: `_elements` and `_summary` are all it may say.
fn subset(door: &Door, (kind, pairs): (&str, &Pairs)) -> Result<Subset, Fault> {
    let is_part = |name: &str| matches!(name, "_elements" | "_summary");
    let others: Pairs = pairs
        .iter()
        .filter(|(name, _)| !is_part(name))
        .cloned()
        .collect();
    no_parameters(&others)?;
    let subset = door.query_of(kind, pairs)?.subset;
    if subset == Subset::Count {
        let words = "a read shows one resource; `_summary=count` is for searches";
        return Err(Fault::bad(Code::Value, words));
    }
    Ok(subset)
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
