//! Names and contents of the static files: tiles and entry bundles as in C2SP tlog-tiles, and
//! packs, which are ours: the ciphertexts of a bundle.

use crate::tree::Hash;

/// Hashes in a full tile, entries in a full bundle, ciphertexts in a full pack.
pub const TILE_WIDTH: usize = 256;

/// `tile/<level>/<number>[.p/<width>]`.
pub fn tile_path(level: u8, number: u64, width: usize) -> String {
    format!("tile/{level}/{}", numbered(number, width))
}

/// `tile/entries/<number>[.p/<width>]`.
pub fn bundle_path(number: u64, width: usize) -> String {
    format!("tile/entries/{}", numbered(number, width))
}

/// `pack/<number>[.p/<width>]`.
pub fn pack_path(number: u64, width: usize) -> String {
    format!("pack/{}", numbered(number, width))
}

fn numbered(number: u64, width: usize) -> String {
    let mut path = format!("{:03}", number % 1_000);
    let mut rest = number / 1_000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1_000);
        rest /= 1_000;
    }
    if width < TILE_WIDTH {
        path.push_str(&format!(".p/{width}"));
    }
    path
}

/// An entry bundle: each entry behind its length (2 bytes, big-endian).
pub fn bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        // INVARIANT: entries are 93 bytes, far below 65,535.
        let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(entry);
    }
    out
}

/// The entries of a bundle; `None` if the lengths do not add up.
pub fn read_bundle(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    read(bytes, |bytes| {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        Some((usize::from(u16::from_be_bytes(*length)), rest))
    })
}

/// A pack: each ciphertext behind its length (4 bytes, big-endian).
pub fn pack<'a>(ciphertexts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for ciphertext in ciphertexts {
        // INVARIANT: the record refuses events of 4 GiB and more.
        let length = u32::try_from(ciphertext.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(ciphertext);
    }
    out
}

/// The ciphertexts of a pack; `None` if the lengths do not add up.
pub fn read_pack(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    read(bytes, |bytes| {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        Some((usize::try_from(u32::from_be_bytes(*length)).ok()?, rest))
    })
}

fn read(mut bytes: &[u8], length: impl Fn(&[u8]) -> Option<(usize, &[u8])>) -> Option<Vec<&[u8]>> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = length(bytes)?;
        let (item, rest) = rest.split_at_checked(length)?;
        out.push(item);
        bytes = rest;
    }
    Some(out)
}

/// The hashes of a tile; `None` if it is not a whole number of hashes.
pub fn read_tile(bytes: &[u8]) -> Option<&[Hash]> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then_some(hashes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_those_of_c2sp() {
        assert_eq!(tile_path(0, 0, 256), "tile/0/000");
        assert_eq!(tile_path(3, 1_234_067, 8), "tile/3/x001/x234/067.p/8");
        assert_eq!(bundle_path(1_234_067, 256), "tile/entries/x001/x234/067");
        assert_eq!(pack_path(5, 1), "pack/005.p/1");
    }

    proptest! {
        #[test]
        fn bundles_and_packs_come_back(
            items in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..99), 0..20)
        ) {
            let bundled = bundle(items.iter().map(Vec::as_slice));
            prop_assert_eq!(read_bundle(&bundled).unwrap(), items.clone());
            let packed = pack(items.iter().map(Vec::as_slice));
            prop_assert_eq!(read_pack(&packed).unwrap(), items);
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (read_bundle(&bytes), read_pack(&bytes), read_tile(&bytes));
        }
    }
}
