use aws_lc_rs::digest::{Context, SHA256};
use event::{Body, Event};

use crate::Lane;

/// In whose order a message goes: its patient's, whose stream it is in. What is about nobody is in a
/// stream of its day; its lane is that of its feed, or of all resources, on every day the same.
pub fn lane(event: &Event, stream: Lane) -> Lane {
    match (event.subject.patient(), &event.body) {
        (None, Body::Message(message)) => named(&["feed", &message.feed]),
        (None, Body::Image(image)) => named(&["feed", &image.feed]),
        (None, Body::Resource(_)) => named(&["resources"]),
        _ => stream,
    }
}

/// As long as the name of a stream, and none.
fn named(words: &[&str]) -> Lane {
    let mut context = Context::new(&SHA256);
    for word in words {
        context.update(&(word.len() as u64).to_be_bytes());
        context.update(word.as_bytes());
    }
    let mut name = Lane::default();
    let hash = context.finish();
    name.iter_mut()
        .zip(hash.as_ref())
        .for_each(|(to, from)| *to = *from);
    name
}
