//! Character sets as MSH-18 names them (HL7 table 0211), decoded without loss or not at all.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// How the bytes of a message stand for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// 7 bits; a byte above 0x7F has no meaning.
    Ascii,
    /// ISO 8859-1, all 256 bytes: not windows-1252, which the web takes for it.
    Latin1,
    /// A set in which no separator can be a part of another character.
    Plain(&'static Encoding),
    /// Like `Plain`, but 0x80 to 0x9F are the C1 controls whatever the web says.
    PlainWithC1(&'static Encoding),
    /// A set whose characters may contain bytes that look like separators.
    Woven(&'static Encoding),
    /// UTF-16, big end first.
    Utf16Be,
    /// UTF-16, little end first.
    Utf16Le,
    /// UTF-8.
    Utf8,
    /// Nothing Salus knows: only ASCII bytes have a meaning.
    Unknown,
}

impl Charset {
    /// The set that a name in MSH-18 or in a configuration means.
    ///
    /// Besides table 0211 the usual misspellings (`UTF-8`, `ISO-8859-1`, `CP1252`) are taken.
    pub fn named(name: &str) -> Option<Charset> {
        let word: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_uppercase())
            .collect();
        by_word(&word).or_else(|| by_label(name))
    }

    /// The text that `bytes` mean; `None` if some of them mean nothing.
    pub fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Charset::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Charset::Utf16Be => utf16(bytes, u16::from_be_bytes).map(Cow::Owned),
            Charset::Utf16Le => utf16(bytes, u16::from_le_bytes).map(Cow::Owned),
            Charset::Woven(encoding) => {
                encoding.decode_without_bom_handling_and_without_replacement(bytes)
            }
            _ if bytes.is_ascii() => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Charset::Ascii | Charset::Unknown => None,
            Charset::Latin1 => Some(encoding_rs::mem::decode_latin1(bytes)),
            Charset::Plain(encoding) => {
                encoding.decode_without_bom_handling_and_without_replacement(bytes)
            }
            Charset::PlainWithC1(encoding) => with_c1(encoding, bytes).map(Cow::Owned),
        }
    }

    /// `text` in this set; what it has no character for becomes `?`.
    pub fn encode(self, text: &str) -> Cow<'_, [u8]> {
        match self {
            Charset::Utf8 => Cow::Borrowed(text.as_bytes()),
            Charset::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Charset::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            _ if text.is_ascii() => Cow::Borrowed(text.as_bytes()),
            Charset::Ascii | Charset::Unknown => each(text, |_| None),
            Charset::Latin1 => each(text, |letter| {
                u8::try_from(letter).ok().map(|byte| vec![byte])
            }),
            Charset::Plain(encoding)
            | Charset::PlainWithC1(encoding)
            | Charset::Woven(encoding) => each(text, |letter| by_encoding(encoding, letter)),
        }
    }

    /// Whether a message must be decoded before it can be divided.
    pub(crate) const fn before_dividing(self) -> bool {
        matches!(
            self,
            Charset::Woven(_) | Charset::Utf16Be | Charset::Utf16Le
        )
    }
}

fn by_word(word: &str) -> Option<Charset> {
    Some(match word {
        "ASCII" | "USASCII" | "ISOIR6" => Charset::Ascii,
        "UNICODEUTF8" | "UNICODE" | "UTF8" => Charset::Utf8,
        "UNICODEUTF16" | "UTF16" | "UTF16BE" => Charset::Utf16Be,
        "UTF16LE" => Charset::Utf16Le,
        "LATIN1" | "L1" | "ISOIR100" => Charset::Latin1,
        "BIG5" => Charset::Woven(encoding_rs::BIG5),
        "GB180302000" | "GB18030" => Charset::Woven(encoding_rs::GB18030),
        "ISOIR87" | "ISOIR159" | "ISO2022JP" => Charset::Woven(encoding_rs::ISO_2022_JP),
        "ISOIR14" | "SHIFTJIS" | "SJIS" => Charset::Woven(encoding_rs::SHIFT_JIS),
        "KSX1001" => Charset::Plain(encoding_rs::EUC_KR),
        "CP1252" => Charset::Plain(encoding_rs::WINDOWS_1252),
        _ => iso_8859(
            word.strip_prefix("ISO")
                .unwrap_or(word)
                .strip_prefix("8859")?,
        )?,
    })
}

fn iso_8859(part: &str) -> Option<Charset> {
    Some(match part {
        "1" => Charset::Latin1,
        "2" => Charset::Plain(encoding_rs::ISO_8859_2),
        "3" => Charset::Plain(encoding_rs::ISO_8859_3),
        "4" => Charset::Plain(encoding_rs::ISO_8859_4),
        "5" => Charset::Plain(encoding_rs::ISO_8859_5),
        "6" => Charset::Plain(encoding_rs::ISO_8859_6),
        "7" => Charset::Plain(encoding_rs::ISO_8859_7),
        "8" => Charset::Plain(encoding_rs::ISO_8859_8),
        "9" => Charset::PlainWithC1(encoding_rs::WINDOWS_1254),
        "10" => Charset::Plain(encoding_rs::ISO_8859_10),
        "11" => Charset::PlainWithC1(encoding_rs::WINDOWS_874),
        "13" => Charset::Plain(encoding_rs::ISO_8859_13),
        "14" => Charset::Plain(encoding_rs::ISO_8859_14),
        "15" => Charset::Plain(encoding_rs::ISO_8859_15),
        "16" => Charset::Plain(encoding_rs::ISO_8859_16),
        _ => return None,
    })
}

fn by_label(name: &str) -> Option<Charset> {
    let encoding = Encoding::for_label_no_replacement(name.as_bytes())?;
    if encoding == encoding_rs::UTF_8 {
        Some(Charset::Utf8)
    } else if encoding == encoding_rs::WINDOWS_1252 && !name.contains("1252") {
        Some(Charset::Latin1)
    } else if encoding.is_single_byte() {
        Some(Charset::Plain(encoding))
    } else {
        Some(Charset::Woven(encoding))
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    rest.is_empty().then(|| String::from_utf16(&units).ok())?
}

fn with_c1(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        if (0x80..=0x9F).contains(byte) {
            out.push(char::from(*byte));
        } else {
            let one = std::slice::from_ref(byte);
            out.push_str(&encoding.decode_without_bom_handling_and_without_replacement(one)?);
        }
    }
    Some(out)
}

fn each(text: &str, encode: impl Fn(char) -> Option<Vec<u8>>) -> Cow<'_, [u8]> {
    let mut out = Vec::with_capacity(text.len());
    for letter in text.chars() {
        match u8::try_from(letter) {
            Ok(byte) if byte.is_ascii() => out.push(byte),
            _ => out.extend(encode(letter).unwrap_or_else(|| vec![b'?'])),
        }
    }
    Cow::Owned(out)
}

fn by_encoding(encoding: &'static Encoding, letter: char) -> Option<Vec<u8>> {
    let mut buffer = [0; 4];
    let (bytes, _, failed) = encoding.encode(letter.encode_utf8(&mut buffer));
    (!failed).then(|| bytes.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(name: &str, bytes: &[u8]) -> Option<String> {
        let charset = Charset::named(name).unwrap();
        charset.decode(bytes).map(Cow::into_owned)
    }

    #[test]
    fn latin_1_is_latin_1() {
        assert_eq!(decode("8859/1", b"M\xDCLLER").unwrap(), "MÜLLER");
        assert_eq!(decode("8859/1", b"\x80").unwrap(), "\u{80}");
        assert_eq!(decode("ISO-8859-1", b"\xA4").unwrap(), "¤");
        assert_eq!(decode("iso_8859-1:1987", b"\x80").unwrap(), "\u{80}");
        assert_eq!(decode("8859/15", b"\xA4").unwrap(), "€");
        assert_eq!(decode("WINDOWS-1252", b"\x80").unwrap(), "€");
        assert_eq!(decode("8859/9", b"\x80\xFD").unwrap(), "\u{80}ı");
    }

    #[test]
    fn what_means_nothing_is_not_guessed() {
        assert_eq!(decode("ASCII", b"\xC3\x9C"), None);
        assert_eq!(decode("UNICODE UTF-8", b"M\xDCLLER"), None);
        assert_eq!(decode("8859/7", b"\xAE"), None);
        assert_eq!(Charset::named("CNS 11643-1992"), None);
        assert_eq!(Charset::Unknown.decode(b"\xDC"), None);
        assert_eq!(Charset::Unknown.decode(b"A").unwrap(), "A");
    }

    #[test]
    fn eastern_sets() {
        assert_eq!(decode("ISO IR87", b"\x1b$B;3ED\x1b(B").unwrap(), "山田");
        assert_eq!(decode("GB 18030-2000", b"\xcd\xf5").unwrap(), "王");
        assert_eq!(decode("BIG-5", b"\xa4\xfd").unwrap(), "王");
        assert_eq!(decode("KS X 1001", b"\xb1\xe8").unwrap(), "김");
    }

    #[test]
    fn the_way_back() {
        assert_eq!(*Charset::Latin1.encode("Ü€"), *b"\xDC?");
        assert_eq!(*Charset::Ascii.encode("aÜ"), *b"a?");
        assert_eq!(*Charset::Utf16Le.encode("a"), *b"a\0");
        let greek = Charset::named("8859/7").unwrap();
        assert_eq!(*greek.encode("Ωü"), *b"\xD9?");
    }
}
