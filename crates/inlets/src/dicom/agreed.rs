//! What an association is agreed on.

use std::sync::Arc;

use wire::dicom::{Answered, Proposed, Request, Syntax, VERIFICATION_UID};

use super::Feed;

/// What was agreed.
pub(crate) struct Agreed {
    pub(crate) feed: Arc<Feed>,
    pub(crate) calling: String,
    pub(crate) address: String,
    pub(crate) contexts: Vec<Context>,
    /// Bytes of a unit that the other side takes.
    pub(crate) length_max: u32,
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
}

/// What is taken of what is proposed: classes that the feed may store, in the first transfer syntax
/// that is read.
pub(crate) fn answers(request: &Request, feed: &Feed) -> Vec<Answered> {
    const CLASS: u8 = 3;
    const SYNTAXES: u8 = 4;
    let answer = |context: &Proposed| {
        let verifies = context.class == VERIFICATION_UID;
        let known = |uid: &&String| {
            Syntax::named(uid).is_some_and(|syntax| {
                !verifies || syntax == Syntax::IMPLICIT || syntax == Syntax::EXPLICIT
            })
        };
        let taken = if verifies || feed.may_store(&context.class) {
            context.syntaxes.iter().find(known).cloned().ok_or(SYNTAXES)
        } else {
            Err(CLASS)
        };
        Answered {
            id: context.id,
            taken,
        }
    };
    request.contexts.iter().map(answer).collect()
}
