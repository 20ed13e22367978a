//! What an association is agreed on.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use wire::dicom::{
    Answered, Proposed, Request, Role, Syntax, VERIFICATION_UID, can_recode, query_class,
};

use super::Feed;

/// What was agreed.
pub(crate) struct Agreed {
    pub(crate) feed: Arc<Feed>,
    pub(crate) calling: String,
    /// The title by which Salus was called.
    pub(crate) called: String,
    pub(crate) address: String,
    pub(crate) contexts: Vec<Context>,
    /// Bytes of a unit that the other side takes.
    pub(crate) length_max: u32,
    /// Classes of which the other side takes objects.
    pub(crate) takes: Vec<String>,
    /// Salus stops.
    pub(crate) stop: CancellationToken,
}

pub(crate) struct Context {
    pub(crate) id: u8,
    pub(crate) class: String,
    pub(crate) syntax: String,
}

impl Agreed {
    pub(crate) fn context(&self, id: u8) -> Option<&Context> {
        self.contexts.iter().find(|context| context.id == id)
    }

    /// The context in which an object can be given to the other side: in its own transfer syntax, or
    /// in one that it can be written in.
    pub(crate) fn giving(&self, class: &str, syntax: &str) -> Option<&Context> {
        if !self.takes.iter().any(|taken| taken == class) {
            return None;
        }
        let of = || {
            self.contexts
                .iter()
                .filter(|context| context.class == class)
        };
        let same = of().find(|context| context.syntax == syntax);
        same.or_else(|| of().find(|context| can_recode(syntax, &context.syntax)))
    }
}

/// Whether objects of a class are stored: all such classes are below one UID (PS3.4 annex B.5).
fn is_storage(class: &str) -> bool {
    class.starts_with("1.2.840.10008.5.1.4.1.1.")
}

/// What is taken of what is proposed: classes that the feed may store, queries if it may ask, classes of
/// which it takes objects itself; in the first transfer syntax that is read.
pub(crate) fn answers(request: &Request, feed: &Feed) -> (Vec<Answered>, Vec<Role>) {
    const CLASS: u8 = 3;
    const SYNTAXES: u8 = 4;
    let asks = !feed.queries.is_empty();
    let takes = |class: &String| {
        let mut roles = request.roles.iter();
        asks && is_storage(class) && roles.any(|role| role.provider && role.class == *class)
    };
    let answer = |context: &Proposed| {
        let inquires = query_class(&context.class).is_some();
        let plain = inquires || context.class == VERIFICATION_UID;
        let known = |uid: &&String| {
            Syntax::named(uid).is_some_and(|syntax| {
                !plain || syntax == Syntax::IMPLICIT || syntax == Syntax::EXPLICIT
            })
        };
        let class = &context.class;
        let served = match inquires {
            true => asks,
            false => plain || feed.may_store(class) || takes(class),
        };
        let taken = if served {
            context.syntaxes.iter().find(known).cloned().ok_or(SYNTAXES)
        } else {
            Err(CLASS)
        };
        Answered {
            id: context.id,
            taken,
        }
    };
    let gives = |role: &&Role| role.provider && asks && is_storage(&role.class);
    let roles = request.roles.iter().filter(gives);
    let roles = roles.map(|role| Role {
        user: role.user && feed.may_store(&role.class),
        ..role.clone()
    });
    (
        request.contexts.iter().map(answer).collect(),
        roles.collect(),
    )
}
