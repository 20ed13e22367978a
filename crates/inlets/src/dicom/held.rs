use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wire::dicom::Status;

use super::Config;

/// Bytes of the Identifier of a query.
const IDENTIFIER_BYTES_MAX: usize = 64 << 10;

/// The bytes of an object that is coming: the head of a file, and behind it the data set. All objects
/// together are counted, and what is too much is let go.
pub struct Held {
    bytes: Vec<u8>,
    data_at: usize,
    /// Why the rest is not kept.
    over: Option<(Status, &'static str)>,
    max: usize,
    /// What is counted together, and how much of it there may be.
    shares: Vec<Share>,
    counted: usize,
}

/// Bytes of unfinished objects together, and how many there may be at most.
pub(super) type Share = (Arc<AtomicUsize>, usize);

impl Held {
    /// Nothing yet but the head of a file; its bytes count in all these shares.
    pub(super) fn new(shares: Vec<Share>, config: &Config, head: Vec<u8>) -> Held {
        Held {
            data_at: head.len(),
            bytes: head,
            over: None,
            max: config.object_bytes_max,
            shares,
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

    /// Why it is not whole, and what the sender is told.
    pub(super) const fn over(&self) -> Option<(Status, &'static str)> {
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
        let mut fits = true;
        for (all, max) in &self.shares {
            let before = all.fetch_add(more.len(), Ordering::Relaxed);
            fits &= before.saturating_add(more.len()) <= *max;
        }
        self.counted += more.len();
        if length.saturating_sub(self.data_at) > self.max {
            let why = "it has more bytes than are taken (`object_bytes_max`)";
            self.over = Some((Status::OutOfResources, why));
        } else if !fits {
            let why = "too many objects are coming (`unfinished_bytes_max`); try again";
            self.over = Some((Status::NoRoom, why));
        }
        match self.over {
            Some(_) => self.let_go(),
            None => self.bytes.extend_from_slice(more),
        }
    }

    /// Gives the memory back.
    fn let_go(&mut self) {
        (self.bytes, self.data_at) = (Vec::new(), 0);
        for (all, _) in &self.shares {
            all.fetch_sub(self.counted, Ordering::Relaxed);
        }
        self.counted = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go();
    }
}
