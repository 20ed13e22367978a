//! Whether the bytes of an attachment are what its content type says (OWASP ASVS 5.2.2).
//!
//! Types that begin in a way of their own are held to it. Text must not be one of them, nor hold
//! zeros. What is neither cannot be told from its first bytes, and is let pass.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Letters of base64 that are looked at: 1,026 bytes, within which a PDF has to begin.
const LETTERS_MAX: usize = 1_368;

/// What begins in a way of its own: the types it may be called, how it begins, and from which byte on.
const KINDS: [(&[&str], &[u8], usize); 13] = [
    (&["image/png"], b"\x89PNG\r\n\x1a\n", 0),
    (
        &["image/jpeg", "image/jpg", "image/pjpeg"],
        b"\xff\xd8\xff",
        0,
    ),
    (&["image/gif"], b"GIF8", 0),
    (&["image/tiff"], b"II*\0", 0),
    (&["image/tiff"], b"MM\0*", 0),
    (&["image/webp"], b"WEBP", 8),
    (&["application/rtf", "text/rtf"], b"{\\rtf", 0),
    (&["application/dicom"], b"DICM", 128),
    (&["application/gzip", "application/x-gzip"], b"\x1f\x8b", 0),
    (
        &["application/zip", "application/x-zip-compressed"],
        b"PK\x03\x04",
        0,
    ),
    (
        &["application/msword", "application/vnd.ms-excel"],
        b"\xd0\xcf\x11\xe0",
        0,
    ),
    (&["application/x-msdownload"], b"MZ\x90\0", 0),
    (&["application/x-executable"], b"\x7fELF", 0),
];

/// What is wrong with bytes in base64 that are said to be of a type, in words; `None`: nothing that
/// can be seen.
#[must_use]
pub fn misnamed(content_type: &str, base64: &str) -> Option<String> {
    let said = content_type.split(';').next().unwrap_or_default();
    let said = said.trim().to_ascii_lowercase();
    let begin = begin(base64);
    if begin.is_empty() {
        return None;
    }
    // A text may speak of a PDF; it is one only if it begins so.
    let speaks = is_text(&said) && !begin.starts_with(SIGN_OF_PDF);
    let found = found(&begin).filter(|names| !speaks || names.first() != Some(&PDF));
    let known = said == PDF
        || KINDS
            .iter()
            .any(|(names, ..)| names.contains(&said.as_str()));
    let fits = match found {
        Some(names) => names.contains(&said.as_str()) || !(known || is_text(&said)),
        None if known => false,
        None => !is_text(&said) || reads_as_text(&begin),
    };
    let is = found.and_then(|names| names.first()).copied();
    (!fits).then(|| match is {
        Some(is) => format!("the data is `{is}`, not the `{said}` that `contentType` says"),
        None => format!("the data is not the `{said}` that `contentType` says"),
    })
}

const PDF: &str = "application/pdf";
const SIGN_OF_PDF: &[u8] = b"%PDF-";

fn found(begin: &[u8]) -> Option<&'static [&'static str]> {
    let mut windows = begin.windows(SIGN_OF_PDF.len());
    if windows.any(|window| window == SIGN_OF_PDF) {
        return Some(&[PDF]);
    }
    let begins =
        |sign: &[u8], at: usize| begin.get(at..).is_some_and(|from| from.starts_with(sign));
    let kind = KINDS.iter().find(|(_, sign, at)| begins(sign, *at));
    kind.map(|(names, ..)| *names)
}

fn is_text(said: &str) -> bool {
    (said.starts_with("text/") && said != "text/rtf")
        || matches!(said, "application/json" | "application/xml")
        || said.ends_with("+json")
        || said.ends_with("+xml")
}

/// No zeros, unless a mark says that it is UTF-16.
fn reads_as_text(begin: &[u8]) -> bool {
    let wide = begin.starts_with(b"\xff\xfe") || begin.starts_with(b"\xfe\xff");
    wide || !begin.contains(&0)
}

/// The first bytes; none if it is no base64, which others complain about.
fn begin(base64: &str) -> Vec<u8> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let letters = base64.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let letters: Vec<u8> = letters.take(LETTERS_MAX).collect();
    let engine = GeneralPurpose::new(&STANDARD, lenient);
    engine.decode(letters).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose;

    use super::*;

    fn told(kind: &str, bytes: &[u8]) -> Option<String> {
        misnamed(kind, &general_purpose::STANDARD.encode(bytes))
    }

    #[test]
    fn what_is_what_it_says_passes() {
        let dicom = [vec![0; 128], b"DICM".to_vec()].concat();
        for (kind, bytes) in [
            ("application/pdf", &b"%PDF-1.7\n..."[..]),
            ("application/pdf", b"\xef\xbb\xbf\n%PDF-1.4"),
            ("image/png", b"\x89PNG\r\n\x1a\nrest"),
            ("image/jpeg; name=x", b"\xff\xd8\xff\xe0"),
            ("IMAGE/JPEG", b"\xff\xd8\xff\xe0"),
            ("image/webp", b"RIFF....WEBPVP8 "),
            ("application/dicom", &dicom),
            ("text/plain", "Übelkeit".as_bytes()),
            ("text/plain;charset=utf-16", b"\xff\xfeH\0i\0"),
            ("text/html", b"<p>x</p>"),
            ("text/plain", b"see the file that begins with %PDF-"),
            ("text/plain", b"MZ was seen at noon"),
            ("application/fhir+json", b"{}"),
            ("application/rtf", b"{\\rtf1"),
            ("application/octet-stream", b"%PDF-1.7"),
            (
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                b"PK\x03\x04",
            ),
            ("video/mp4", b"....ftyp"),
            ("application/pdf", b""),
        ] {
            assert_eq!(told(kind, bytes), None, "{kind}");
        }
    }

    #[test]
    fn what_is_something_else_is_named() {
        for (kind, bytes, part) in [
            (
                "application/pdf",
                &b"MZ\x90\0"[..],
                "application/x-msdownload",
            ),
            ("application/pdf", b"<script>", "not the `application/pdf`"),
            ("image/png", b"\xff\xd8\xff\xe0", "`image/jpeg`"),
            ("image/png", b"<svg onload=alert(1)>", "not the `image/png`"),
            ("text/plain", b"%PDF-1.7", "`application/pdf`"),
            ("text/plain", b"a\0b", "not the `text/plain`"),
            ("application/json", b"\x7fELF", "application/x-executable"),
        ] {
            let why = told(kind, bytes).unwrap_or_default();
            assert!(why.contains(part), "{kind}: {why}");
        }
    }

    #[test]
    fn what_is_no_base64_is_somebody_elses_complaint() {
        assert_eq!(misnamed("application/pdf", "!!!"), None);
        assert_eq!(misnamed("application/pdf", "JVBE\nRi0xLjc="), None);
    }
}
