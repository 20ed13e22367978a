//! The units of the one who asks for an association (PS3.8 section 9.3): Salus, when it sends on.

use super::pdu::{
    CONTEXT_NAME, Proposed, Role, TITLE_BYTES, VERSION, item, put_item, put_role, text, unit, user,
};
use super::{Answered, SALUS_CLASS_UID};

/// What is asked for with an association.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Called AE title.
    pub called: &'a str,
    /// Calling AE title.
    pub calling: &'a str,
    /// Presentation contexts, 128 at most.
    pub contexts: &'a [Proposed],
    /// Classes in which objects are taken on this association.
    pub roles: &'a [Role],
    /// Bytes of a P-DATA-TF that are taken.
    pub length_max: u32,
}

/// What was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// What became of each presentation context.
    pub contexts: Vec<Answered>,
    /// Bytes of a P-DATA-TF that the other side takes; 0: any.
    pub length_max: u32,
    /// The roles that it agrees to.
    pub roles: Vec<Role>,
}

/// A-ASSOCIATE-RQ.
pub fn asking(asking: &Asking<'_>) -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0];
    body.extend_from_slice(&title(asking.called));
    body.extend_from_slice(&title(asking.calling));
    body.extend_from_slice(&[0; 32]);
    put_item(&mut body, 0x10, CONTEXT_NAME.as_bytes());
    for context in asking.contexts {
        let mut item = vec![context.id, 0, 0, 0];
        put_item(&mut item, 0x30, context.class.as_bytes());
        for syntax in &context.syntaxes {
            put_item(&mut item, 0x40, syntax.as_bytes());
        }
        put_item(&mut body, 0x20, &item);
    }
    let mut own = Vec::new();
    put_item(&mut own, 0x51, &asking.length_max.to_be_bytes());
    put_item(&mut own, 0x52, SALUS_CLASS_UID.as_bytes());
    for role in asking.roles {
        put_role(&mut own, role);
    }
    put_item(&mut own, 0x55, VERSION.as_bytes());
    put_item(&mut body, 0x50, &own);
    unit(0x01, &body)
}

/// A-RELEASE-RQ.
pub fn release() -> Vec<u8> {
    unit(0x05, &[0; 4])
}

/// Reads the body of an A-ASSOCIATE-AC.
pub(super) fn accepted(body: &[u8]) -> Option<Accepted> {
    let (_, mut items) = body.split_at_checked(4 + 2 * TITLE_BYTES + 32)?;
    let mut accepted = Accepted::default();
    while !items.is_empty() {
        let (kind, item) = item(&mut items)?;
        match kind {
            0x21 => accepted.contexts.push(answered(item)?),
            0x50 => (accepted.length_max, accepted.roles) = user(item)?,
            _ => {}
        }
    }
    Some(accepted)
}

fn answered(body: &[u8]) -> Option<Answered> {
    let (head, mut items) = body.split_at_checked(4)?;
    let &[id, _, reason, _] = head else {
        return None;
    };
    let mut syntax = String::new();
    while !items.is_empty() {
        let (kind, item) = item(&mut items)?;
        if kind == 0x40 {
            syntax = text(item)?;
        }
    }
    let taken = if reason == 0 { Ok(syntax) } else { Err(reason) };
    Some(Answered { id, taken })
}

/// An AE title, filled up with spaces.
fn title(title: &str) -> [u8; TITLE_BYTES] {
    let mut out = [b' '; TITLE_BYTES];
    for (place, byte) in out.iter_mut().zip(title.bytes()) {
        *place = byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::{PDU_HEAD_BYTES, Pdu, accept, pdu, pdu_head};

    #[test]
    fn what_is_asked_for_is_understood_and_so_is_the_answer() {
        let contexts = [Proposed {
            id: 3,
            class: "1.2.840.10008.5.1.4.1.1.2".into(),
            syntaxes: vec!["1.2.840.10008.1.2.1".into(), "1.2.840.10008.1.2".into()],
        }];
        let roles = [Role {
            class: "1.2.840.10008.5.1.4.1.1.2".into(),
            user: false,
            provider: true,
        }];
        let asked = asking(&Asking {
            called: "PACS",
            calling: "SALUS",
            contexts: &contexts,
            roles: &roles,
            length_max: 16_384,
        });
        let (head, body) = asked.split_first_chunk::<PDU_HEAD_BYTES>().unwrap();
        let Some(Pdu::Request(request)) = pdu(pdu_head(*head).0, body) else {
            unreachable!("it is a request");
        };
        assert_eq!(
            (request.called.as_str(), request.calling.as_str()),
            ("PACS", "SALUS")
        );
        assert_eq!(
            (&request.contexts[..], &request.roles[..]),
            (&contexts[..], &roles[..])
        );
        let answers = [Answered {
            id: 3,
            taken: Ok("1.2.840.10008.1.2".into()),
        }];
        let answer = accept(&request, (&answers, &roles), 7);
        let (head, body) = answer.split_first_chunk::<PDU_HEAD_BYTES>().unwrap();
        let Some(Pdu::Accepted(accepted)) = pdu(pdu_head(*head).0, body) else {
            unreachable!("it is an answer");
        };
        assert_eq!(
            (&accepted.contexts[..], &accepted.roles[..]),
            (&answers[..], &roles[..])
        );
        assert_eq!(accepted.length_max, 7);
    }
}
