//! Requests that are sent again: what was sealed for a key is answered again, and not sealed again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN, digest};

type Hash = [u8; SHA256_OUTPUT_LEN];

/// The answers to requests with a key, the newest. Kept in memory: after a restart a key is new.
#[derive(Debug)]
pub struct Repeats {
    keys_max: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    answers: HashMap<Hash, Post>,
    /// The keys, the oldest first.
    order: VecDeque<Hash>,
}

/// A request with a key: a hash of its body, and what was answered; `None`: it is not sealed yet.
#[derive(Debug)]
struct Post {
    body: Hash,
    answer: Option<String>,
}

/// What is known of a key.
#[derive(Debug)]
pub(super) enum Before {
    /// Nothing: its answer goes there.
    New(Place),
    /// It was sealed, and answered so.
    Answered(String),
    /// It is being sealed.
    Going,
    /// It was another body's.
    Another,
}

/// Where the answer to a request goes. Without one the key is free again.
#[derive(Debug)]
pub(super) struct Place {
    repeats: Arc<Repeats>,
    key: Hash,
    answered: bool,
}

impl Repeats {
    /// Remembers so many keys.
    pub fn of(keys_max: usize) -> Repeats {
        Repeats {
            keys_max,
            known: Mutex::default(),
        }
    }

    /// What is known of a feed's key that comes with this body.
    pub(super) fn begin(self: &Arc<Self>, (feed, key): (&str, &[u8]), body: &[u8]) -> Before {
        let mut context = Context::new(&SHA256);
        context.update(&(feed.len() as u64).to_be_bytes());
        context.update(feed.as_bytes());
        context.update(key);
        let (key, body) = (
            hash(context.finish().as_ref()),
            hash(digest(&SHA256, body).as_ref()),
        );
        let mut known = self.lock();
        match known.answers.get(&key) {
            Some(post) if post.body != body => return Before::Another,
            Some(Post { answer: None, .. }) => return Before::Going,
            Some(Post {
                answer: Some(answer),
                ..
            }) => return Before::Answered(answer.clone()),
            None => {}
        }
        known.answers.insert(key, Post { body, answer: None });
        known.order.push_back(key);
        while known.order.len() > self.keys_max.max(1) {
            if let Some(oldest) = known.order.pop_front() {
                known.answers.remove(&oldest);
            }
        }
        Before::New(Place {
            repeats: Arc::clone(self),
            key,
            answered: false,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// It was sealed, and is answered so.
    pub(super) fn answer(mut self, answer: String) {
        self.answered = true;
        if let Some(post) = self.repeats.lock().answers.get_mut(&self.key) {
            post.answer = Some(answer);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.answered {
            let mut known = self.repeats.lock();
            known.answers.remove(&self.key);
            known.order.retain(|key| *key != self.key);
        }
    }
}

fn hash(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = *from);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_answered_again_and_what_was_not_sealed_is_new() {
        let repeats = Arc::new(Repeats::of(2));
        let begin = |feed: &str, key: &[u8], body: &[u8]| repeats.begin((feed, key), body);
        let Before::New(place) = begin("edr", b"1", b"a") else {
            panic!("it is new")
        };
        assert!(matches!(begin("edr", b"1", b"a"), Before::Going));
        drop(place);
        let Before::New(place) = begin("edr", b"1", b"a") else {
            panic!("nothing was sealed")
        };
        place.answer("told".into());
        assert!(matches!(begin("edr", b"1", b"a"), Before::Answered(told) if told == "told"));
        assert!(matches!(begin("edr", b"1", b"b"), Before::Another));
        // Another feed's is another, and the oldest is forgotten.
        for (feed, key) in [("ids", b"1"), ("ids", b"2")] {
            let Before::New(place) = begin(feed, key, b"a") else {
                panic!("{feed}")
            };
            place.answer(String::new());
        }
        assert!(matches!(begin("edr", b"1", b"b"), Before::New(_)));
    }
}
