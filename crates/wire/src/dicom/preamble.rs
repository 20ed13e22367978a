//! The 128 bytes before `DICM` (PS3.10 section 7.1), which may be anything: also the head of a
//! program, so that one file is an image to one reader and a program to another.

/// Bytes of a preamble.
pub const PREAMBLE_BYTES: usize = 128;

/// What a preamble is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preamble {
    /// Zeros: there is none.
    Blank,
    /// The head of a TIFF file, for which PS3.10 made it.
    Tiff,
    /// The head of something that a system runs: of which kind, in words.
    Program(&'static str),
    /// Something else.
    Other,
}

const PROGRAMS: [(&[u8], &str); 9] = [
    (b"MZ", "a Windows program (PE)"),
    (b"ZM", "a DOS program"),
    (b"\x7fELF", "a Linux program (ELF)"),
    (b"\xfe\xed\xfa\xce", "a macOS program (Mach-O)"),
    (b"\xfe\xed\xfa\xcf", "a macOS program (Mach-O)"),
    (b"\xce\xfa\xed\xfe", "a macOS program (Mach-O)"),
    (b"\xcf\xfa\xed\xfe", "a macOS program (Mach-O)"),
    (b"\xca\xfe\xba\xbe", "a macOS or Java program"),
    (b"#!", "a script"),
];

/// What the first bytes of a file are taken for.
pub fn preamble(bytes: &[u8]) -> Preamble {
    let bytes = bytes.get(..PREAMBLE_BYTES).unwrap_or(bytes);
    if bytes.iter().all(|byte| *byte == 0) {
        return Preamble::Blank;
    }
    // A script may stand behind a mark of UTF-8 or behind blank lines.
    let unmarked = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let trimmed = unmarked.trim_ascii_start();
    let starts =
        |head: &[u8]| bytes.starts_with(head) || (head == b"#!" && trimmed.starts_with(head));
    if let Some((_, what)) = PROGRAMS.iter().find(|(head, _)| starts(head)) {
        return Preamble::Program(what);
    }
    let tiff: [&[u8]; 4] = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];
    if tiff.iter().any(|head| bytes.starts_with(head)) {
        return Preamble::Tiff;
    }
    Preamble::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_from_pictures() {
        let of = |head: &[u8]| {
            let mut bytes = [0; PREAMBLE_BYTES];
            bytes[..head.len()].copy_from_slice(head);
            preamble(&bytes)
        };
        assert_eq!(of(b""), Preamble::Blank);
        assert_eq!(of(b"II*\0\x08"), Preamble::Tiff);
        assert_eq!(of(b"MM\0*"), Preamble::Tiff);
        assert_eq!(of(b"acme"), Preamble::Other);
        for program in [
            &b"MZ\x90"[..],
            b"\x7fELF",
            b"\xcf\xfa\xed\xfe",
            b"#!/bin/sh",
            b"\xef\xbb\xbf\n#!",
        ] {
            assert!(matches!(of(program), Preamble::Program(_)), "{program:?}");
        }
    }
}
