//! What one event wrote, as one compressed page: the number of items and their lengths (u32,
//! little endian), then their bytes one after the other.

use std::cell::RefCell;
use std::ops::Range;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

use crate::ChartError;
use crate::error::Outcome;

/// zstd's level: level 3 takes about twice the time, and makes pages of one or two kilobytes less than a
/// hundredth smaller (3,000 resources of Synthea: 1,738,114 bytes for 1,748,737).
const LEVEL: i32 = 1;
/// What a page says it needs is believed up to this many bytes.
const PAGE_BYTES_MAX: usize = 256 * 1024 * 1024;

thread_local! {
    /// zstd's workspace is made once a thread and not for every page.
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    /// The same, 160 KB.
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A page of some items.
pub(crate) fn pack(items: &[Vec<u8>]) -> Outcome<Vec<u8>> {
    let bytes: usize = items.iter().map(Vec::len).sum();
    let mut plain = Vec::with_capacity(4 + 4 * items.len() + bytes);
    plain.extend_from_slice(&length(items.len()));
    for item in items {
        plain.extend_from_slice(&length(item.len()));
    }
    for item in items {
        plain.extend_from_slice(item);
    }
    PACKER.with_borrow_mut(|kept| {
        if kept.is_none() {
            *kept = Some(Compressor::new(LEVEL).map_err(broken)?);
        }
        match kept {
            Some(packer) => packer.compress(&plain).map_err(broken),
            None => Err(torn()),
        }
    })
}

/// A page, unpacked once and cut where its items are asked for: of what a large transaction wrote, often only
/// what is of one type is wanted.
#[derive(Debug, Default)]
pub(crate) struct Items {
    plain: Vec<u8>,
    /// Where each item lies.
    places: Vec<Range<usize>>,
}

impl Items {
    /// One item.
    pub(crate) fn get(&self, at: usize) -> Option<&[u8]> {
        self.plain.get(self.places.get(at)?.clone())
    }

    /// How many bytes it takes.
    pub(crate) fn len(&self) -> usize {
        self.plain.len()
    }
}

/// The items of a page, each by itself.
pub(crate) fn unpack(body: &[u8]) -> Outcome<Vec<Vec<u8>>> {
    let items = open(body)?;
    let all = 0..items.places.len();
    Ok(all
        .filter_map(|at| items.get(at).map(<[u8]>::to_vec))
        .collect())
}

/// The items of a page.
pub(crate) fn open(body: &[u8]) -> Outcome<Items> {
    // The frame says how long its content is; room for the largest page that there may be would be given, and
    // kept, for every small one.
    let said = zstd_safe::get_frame_content_size(body).ok().flatten();
    let bound = said.and_then(|bytes| usize::try_from(bytes).ok());
    let bound = bound.unwrap_or(PAGE_BYTES_MAX).min(PAGE_BYTES_MAX);
    let plain = UNPACKER.with_borrow_mut(|kept| {
        if kept.is_none() {
            *kept = Some(Decompressor::new().map_err(broken)?);
        }
        match kept {
            Some(unpacker) => unpacker.decompress(body, bound).map_err(broken),
            None => Err(torn()),
        }
    })?;
    let mut left = plain.as_slice();
    let items = take_length(&mut left)?;
    let mut lengths = Vec::with_capacity(items.min(plain.len() / 4));
    for _ in 0..items {
        lengths.push(take_length(&mut left)?);
    }
    let mut begins = plain.len() - left.len();
    let mut places = Vec::with_capacity(lengths.len());
    for length in lengths {
        let ends = begins
            .checked_add(length)
            .filter(|ends| *ends <= plain.len());
        let ends = ends.ok_or_else(torn)?;
        places.push(begins..ends);
        begins = ends;
    }
    Ok(Items { plain, places })
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn take_length(left: &mut &[u8]) -> Outcome<usize> {
    let (first, rest) = left.split_first_chunk::<4>().ok_or_else(torn)?;
    *left = rest;
    usize::try_from(u32::from_le_bytes(*first)).map_err(|_| torn())
}

fn torn() -> ChartError {
    ChartError::Broken {
        doing: "read a page",
        why: "it is torn; run `salus refold chart`".into(),
    }
}

fn broken(error: std::io::Error) -> ChartError {
    ChartError::Broken {
        doing: "pack or unpack a page",
        why: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back() {
        let items = vec![b"one".to_vec(), Vec::new(), b"three".repeat(1000)];
        assert_eq!(unpack(&pack(&items).unwrap()).unwrap(), items);
        assert_eq!(unpack(&pack(&[]).unwrap()).unwrap(), Vec::<Vec<u8>>::new());
        assert!(unpack(b"not a page").is_err());
    }

    #[test]
    fn a_page_takes_the_room_of_what_is_in_it() {
        let page = pack(&[vec![b'x'; 2_000], b"two".to_vec()]).unwrap();
        let items = open(&page).unwrap();
        assert!(items.plain.capacity() < 4_000, "{}", items.plain.capacity());
    }
}
