//! QR codes as SVG paths.

use qrcodegen::{QrCode, QrCodeEcc};

/// The quiet zone around a code, in squares.
const QUIET: i32 = 4;

/// A code with its quiet zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Qr {
    /// Width and height, in squares.
    pub size: i32,
    /// The dark squares as an SVG path.
    pub squares: String,
}

impl Qr {
    /// The code of a text; `None` if it is too long for one (about 2,300 bytes).
    pub(crate) fn of(text: &str) -> Option<Qr> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
        let places = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
        let squares = places
            .filter(|&(x, y)| code.get_module(x, y))
            .map(|(x, y)| format!("M{} {}h1v1h-1z", x + QUIET, y + QUIET))
            .collect();
        Some(Qr {
            size: code.size() + 2 * QUIET,
            squares,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_fits_is_a_code_and_one_that_does_not_is_none() {
        let code = Qr::of("salus.example/record\n7\n").unwrap();
        assert!(code.size > 21 && code.squares.starts_with("M4 4h1v1h-1z"));
        assert_eq!(Qr::of(&"x".repeat(3_000)), None);
    }
}
