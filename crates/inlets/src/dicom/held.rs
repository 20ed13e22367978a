use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Config;

/// Bytes of the Identifier of a query.
const IDENTIFIER_BYTES_MAX: usize = 64 << 10;

/// The bytes of an object that is coming: the head of a file, and behind it the data set. All objects
/// together are counted, and what is too much is let go.
pub struct Held {
    bytes: Vec<u8>,
    data_at: usize,
    /// Why the rest is not kept.
    over: Option<&'static str>,
    max: usize,
    all_max: usize,
    all: Arc<AtomicUsize>,
    counted: usize,
}

impl Held {
    /// Nothing yet but the head of a file.
    pub(super) fn new(all: &Arc<AtomicUsize>, config: &Config, head: Vec<u8>) -> Held {
        Held {
            data_at: head.len(),
            bytes: head,
            over: None,
            max: config.object_bytes_max,
            all_max: config.unfinished_bytes_max,
            all: Arc::clone(all),
            counted: 0,
        }
    }

    /// The Identifier of a query, which is small.
    pub(super) fn short(mut self) -> Held {
        self.max = IDENTIFIER_BYTES_MAX;
        self
    }

    /// All of it, if it was not too much.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        self.over.is_none().then_some(&self.bytes)
    }

    /// Why it is not whole.
    pub(super) const fn over(&self) -> Option<&'static str> {
        self.over
    }

    /// The bytes, which stay counted, and where the data set begins in them.
    pub(super) fn take(&mut self) -> (Vec<u8>, usize) {
        (std::mem::take(&mut self.bytes), self.data_at)
    }

    /// The file's first bytes become zeros.
    pub(super) fn blank(&mut self, count: usize) {
        self.bytes.iter_mut().take(count).for_each(|byte| *byte = 0);
    }

    /// Where in the file the data set begins.
    pub(super) const fn data_begins(&mut self, at: usize) {
        self.data_at = at;
    }

    /// Takes more of the data set, unless it is too much.
    pub fn add(&mut self, more: &[u8]) {
        if self.over.is_some() {
            return;
        }
        let length = self.bytes.len().saturating_add(more.len());
        let all = self.all.fetch_add(more.len(), Ordering::Relaxed);
        self.counted += more.len();
        if length.saturating_sub(self.data_at) > self.max {
            self.over = Some("it has more bytes than are taken (`object_bytes_max`)");
        } else if all.saturating_add(more.len()) > self.all_max {
            self.over = Some("too many objects are coming (`unfinished_bytes_max`); try again");
        }
        match self.over {
            Some(_) => self.let_go(),
            None => self.bytes.extend_from_slice(more),
        }
    }

    /// Gives the memory back.
    fn let_go(&mut self) {
        (self.bytes, self.data_at) = (Vec::new(), 0);
        self.all.fetch_sub(self.counted, Ordering::Relaxed);
        self.counted = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go();
    }
}
