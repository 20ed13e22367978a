//! Specific Character Set (0008,0005): text of PS3.5 section 6.1, with and without code extensions
//! (ISO 2022), decoded without loss or not at all.

use encoding_rs::{EUC_JP, EUC_KR, Encoding, GB18030, GBK};

use crate::hl7::Charset;

/// The repertoires of a data set: the first, and whether others are switched to by escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repertoire {
    initial: G1,
    extended: bool,
    unknown: bool,
}

/// What bytes from 0x80 on mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum G1 {
    None,
    One(Charset),
    /// Pairs of bytes of a set that is woven from bytes above 0x7F alone.
    Pairs(&'static Encoding),
    /// JIS X 0201 katakana.
    Katakana,
}

/// What bytes below 0x80 mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum G0 {
    Ascii,
    /// JIS X 0208.
    Kanji,
    /// JIS X 0212.
    Supplement,
}

impl Repertoire {
    /// The repertoires that a value of (0008,0005) names; `otherwise` is meant if it names none.
    pub fn named(value: &str, otherwise: &Repertoire) -> Repertoire {
        let mut terms = value.split('\\').map(str::trim);
        let first = terms.next().unwrap_or_default();
        let extended = terms.next().is_some();
        if first.is_empty() && !extended {
            return otherwise.clone();
        }
        let known = initial(first);
        Repertoire {
            initial: known.unwrap_or(G1::None),
            extended: extended || first.starts_with("ISO 2022"),
            unknown: known.is_none(),
        }
    }

    /// The default repertoire: ASCII.
    pub const fn ascii() -> Repertoire {
        Repertoire {
            initial: G1::None,
            extended: false,
            unknown: false,
        }
    }

    /// Whether the first of them is none that is known: then only ASCII is read.
    pub const fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// The text that `bytes` mean; `None` if some of them mean nothing.
    pub fn decode(&self, bytes: &[u8]) -> Option<String> {
        if !self.extended {
            return by(self.initial, bytes);
        }
        let mut out = String::with_capacity(bytes.len());
        let (mut g0, mut g1) = (G0::Ascii, self.initial);
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            if byte == 0x1b {
                let (escape, behind) = rest.split_at_checked(4).unwrap_or((rest, &[]));
                let taken = switch(escape, &mut g0, &mut g1)?;
                rest = if taken == 4 {
                    behind
                } else {
                    rest.get(taken..)?
                };
                continue;
            }
            let run = rest
                .iter()
                .position(|byte| *byte == 0x1b)
                .unwrap_or(rest.len());
            let (text, behind) = rest.split_at_checked(run)?;
            out.push_str(&segment(text, g0, g1)?);
            // PS3.5 section 6.1.2.5.3: a delimiter brings the first repertoire back.
            if g0 == G0::Ascii && text.iter().any(|byte| b"\\^=\r\n\t\x0c".contains(byte)) {
                g1 = self.initial;
            }
            rest = behind;
        }
        Some(out)
    }
    /// The bytes of a text; `None`: this repertoire does not have all of its letters, or has them by
    /// escapes alone.
    pub fn encode(&self, text: &str) -> Option<Vec<u8>> {
        if text.is_ascii() {
            return Some(text.as_bytes().to_vec());
        }
        let G1::One(charset) = self.initial else {
            return None;
        };
        let bytes = charset.encode(text).into_owned();
        let same = !self.extended && self.decode(&bytes).as_deref() == Some(text);
        same.then_some(bytes)
    }
}

fn initial(term: &str) -> Option<G1> {
    let number = term
        .strip_prefix("ISO 2022 IR ")
        .or_else(|| term.strip_prefix("ISO_IR "))
        .or_else(|| term.strip_prefix("ISO IR "));
    let single = |name: &str| Charset::named(name).map(G1::One);
    match number.unwrap_or(term) {
        // PS3.3 section C.12.1.1.2: JIS X 0208 and 0212 cannot come first; ASCII does then.
        "" | "6" | "87" | "159" => Some(G1::None),
        "100" => single("8859/1"),
        "101" => single("8859/2"),
        "109" => single("8859/3"),
        "110" => single("8859/4"),
        "126" => single("8859/7"),
        "127" => single("8859/6"),
        "138" => single("8859/8"),
        "144" => single("8859/5"),
        "148" => single("8859/9"),
        "203" => single("8859/15"),
        "166" => single("8859/11"),
        "13" => Some(G1::Katakana),
        "149" => Some(G1::Pairs(EUC_KR)),
        "58" => Some(G1::Pairs(GBK)),
        "192" => Some(G1::One(Charset::Utf8)),
        "GB18030" => Some(G1::One(Charset::Woven(GB18030))),
        "GBK" => Some(G1::One(Charset::Woven(GBK))),
        _ => None,
    }
}

/// Takes up what an escape switches to; returns its length.
fn switch(escape: &[u8], g0: &mut G0, g1: &mut G1) -> Option<usize> {
    let single = |name: &str| Charset::named(name).map(G1::One);
    match escape.get(1..)? {
        b"$(D" => *g0 = G0::Supplement,
        b"$)C" => *g1 = G1::Pairs(EUC_KR),
        b"$)A" => *g1 = G1::Pairs(GBK),
        [b'$', b'B' | b'@', ..] => *g0 = G0::Kanji,
        [b'(', b'B' | b'J', ..] => *g0 = G0::Ascii,
        [b')', b'I', ..] => *g1 = G1::Katakana,
        [b'-', letter, ..] => {
            *g1 = match letter {
                b'A' => single("8859/1"),
                b'B' => single("8859/2"),
                b'C' => single("8859/3"),
                b'D' => single("8859/4"),
                b'F' => single("8859/7"),
                b'G' => single("8859/6"),
                b'H' => single("8859/8"),
                b'L' => single("8859/5"),
                b'M' => single("8859/9"),
                b'T' => single("8859/11"),
                b'b' => single("8859/15"),
                _ => None,
            }?;
        }
        _ => return None,
    }
    let four = matches!(escape.get(1..3), Some(b"$(" | b"$)"));
    Some(if four { 4 } else { 3 })
}

fn segment(bytes: &[u8], g0: G0, g1: G1) -> Option<String> {
    match g0 {
        G0::Ascii => by(g1, bytes),
        G0::Kanji => strict(EUC_JP, &raised(bytes, None)?),
        G0::Supplement => strict(EUC_JP, &raised(bytes, Some(0x8f))?),
    }
}

fn by(set: G1, bytes: &[u8]) -> Option<String> {
    match set {
        G1::None => Charset::Ascii.decode(bytes).map(Into::into),
        G1::One(charset) => charset.decode(bytes).map(Into::into),
        G1::Pairs(encoding) => strict(encoding, bytes),
        G1::Katakana => {
            let mut woven = Vec::with_capacity(bytes.len() * 2);
            for byte in bytes {
                if *byte >= 0x80 {
                    woven.push(0x8e);
                }
                woven.push(*byte);
            }
            strict(EUC_JP, &woven)
        }
    }
}

/// Seven-bit pairs as EUC-JP has them, each behind `mark` if there is one.
fn raised(bytes: &[u8], mark: Option<u8>) -> Option<Vec<u8>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let raised = pairs
        .iter()
        .flat_map(|[a, b]| mark.into_iter().chain([a | 0x80, b | 0x80]));
    rest.is_empty().then(|| raised.collect())
}

fn strict(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    text.map(Into::into)
}
