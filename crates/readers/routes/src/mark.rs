use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256};
use wire::hl7::Message;

/// By what a message is known when it comes back: a hash of its sender (MSH-3, MSH-4), its id
/// (MSH-10) and everything behind MSH, in hex. Where it goes and when it was sent may have been
/// rewritten on its way; a message without an id has no mark, and neither has one of one segment.
pub fn mark(message: &Message<'_>) -> Option<String> {
    if message.fault().is_some() || message.control().is_empty() {
        return None;
    }
    let mut context = Context::new(&SHA256);
    for field in [3, 4, 10] {
        put(&mut context, message.get("MSH", field).bytes());
    }
    let mut said = 0;
    for segment in message.all().filter(|one| one.name() != "MSH") {
        put(&mut context, segment.bytes());
        said += 1;
    }
    if said == 0 {
        return None;
    }
    let mut hex = String::with_capacity(64);
    for byte in context.finish().as_ref() {
        let _ = write!(hex, "{byte:02x}");
    }
    Some(hex)
}

/// With its length, so that two pieces are not taken for other two.
fn put(context: &mut Context, piece: &[u8]) {
    context.update(&(piece.len() as u64).to_be_bytes());
    context.update(piece);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> Option<String> {
        mark(&wire::hl7::parse(message.as_bytes(), "").message)
    }

    #[test]
    fn what_comes_back_is_known_by_its_sender_id_and_content() {
        let sent = of("MSH|^~\\&|LAB|GH|A|B|20260101||ORU^R01|7|P|2.5\rPID|1||4711\r");
        let back = of("MSH|^~\\&|LAB|GH|X|Y|20260102||ORU^R01|7|P|2.5\rPID|1||4711\r");
        assert!(sent.is_some());
        assert_eq!(sent, back);
        for other in [
            "MSH|^~\\&|LAB|GH|A|B|20260101||ORU^R01|8|P|2.5\rPID|1||4711\r",
            "MSH|^~\\&|LAB|XX|A|B|20260101||ORU^R01|7|P|2.5\rPID|1||4711\r",
            "MSH|^~\\&|LAB|GH|A|B|20260101||ORU^R01|7|P|2.5\rPID|1||4712\r",
            "MSH|^~\\&|LAB|GH|A|B|20260101||ORU^R01|7|P|2.5\rPID|1||471\r2\r",
        ] {
            assert_ne!(sent, of(other), "{other}");
        }
        assert_eq!(
            of("MSH|^~\\&|LAB|GH|A|B|20260101||ORU^R01||P|2.5\rPID|1||4711\r"),
            None
        );
    }
}
