//! A multipart body gives the same parts however it is cut, and no more is held than a head or a boundary.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::multipart::{Broken, HEAD_BYTES_MAX, Parts, Piece};

/// Kinds and contents of the parts, and whether it is over.
type Read = Result<(Vec<(String, Vec<u8>)>, bool), Broken>;

fuzz_target!(|input: (u8, &[u8])| {
    let (size, body) = input;
    let size = usize::from(size) + 1;
    for body in [body, &[b"--b\r\n", body].concat()] {
        let cut = read(body.chunks(size));
        assert_eq!(cut, read(body.chunks(1)));
        if let Ok((parts, _)) = cut {
            let sum: usize = parts.iter().map(|(kind, bytes)| kind.len() + bytes.len()).sum();
            assert!(sum <= body.len());
        }
    }
});

fn read<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> Read {
    let mut parts = Parts::new("b").expect("it is a boundary");
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    for piece in pieces {
        parts.push(piece);
        while let Some(piece) = parts.piece()? {
            match (piece, found.last_mut()) {
                (Piece::Head(kind), _) => {
                    assert!(kind.len() <= HEAD_BYTES_MAX);
                    found.push((kind, Vec::new()));
                }
                (Piece::Bytes(bytes), Some((_, content))) => content.extend(bytes),
                (Piece::Bytes(_), None) => unreachable!("bytes of no part"),
                (Piece::End, _) => {}
            }
        }
    }
    Ok((found, parts.is_over()))
}
