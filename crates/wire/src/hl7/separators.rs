/// The characters that divide a message, from MSH-1 and MSH-2. All are single ASCII bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separators {
    /// MSH-1, between fields.
    pub field: u8,
    /// Between components.
    pub component: u8,
    /// Between repetitions.
    pub repetition: u8,
    /// Around escape sequences; MSH-2 may leave it out.
    pub escape: Option<u8>,
    /// Between subcomponents; MSH-2 may leave it out.
    pub subcomponent: Option<u8>,
    /// Marks a value cut short (v2.7), if there is one.
    pub truncation: Option<u8>,
}

impl Default for Separators {
    fn default() -> Separators {
        Separators {
            field: b'|',
            component: b'^',
            repetition: b'~',
            escape: Some(b'\\'),
            subcomponent: Some(b'&'),
            truncation: None,
        }
    }
}

/// What was odd about MSH-1 and MSH-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// The escape character stands there twice, as a badly quoted `\\` does.
    EscapeTwice,
    /// Two separators are the same character.
    Same,
}

/// Reads what follows `MSH`, `BHS` or `FHS`.
///
/// `None`: these cannot be separators, so nothing behind them can be read.
pub(crate) fn read(after_name: &[u8]) -> Option<(Separators, Option<Oddity>)> {
    let (&field, rest) = after_name.split_first()?;
    if !can_separate(field) {
        return None;
    }
    let end = memchr::memchr3(field, b'\r', b'\n', rest).unwrap_or(rest.len());
    let chars = rest.get(..end)?;
    if !(1..=5).contains(&chars.len()) || !chars.iter().all(|&byte| can_separate(byte)) {
        return None;
    }
    Some(assign(field, chars))
}

fn assign(field: u8, chars: &[u8]) -> (Separators, Option<Oddity>) {
    let at = |index: usize| chars.get(index).copied();
    let mut found = Separators {
        field,
        component: at(0).unwrap_or(b'^'),
        repetition: at(1).unwrap_or(b'~'),
        escape: at(2),
        subcomponent: at(3),
        truncation: at(4),
    };
    let mut oddity = None;
    if at(2).is_some() && at(2) == at(3) {
        (found.subcomponent, found.truncation) = (at(4), None);
        oddity = Some(Oddity::EscapeTwice);
    } else if has_same(field, chars) {
        oddity = Some(Oddity::Same);
    }
    (found, oddity)
}

fn has_same(field: u8, chars: &[u8]) -> bool {
    chars
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == field || chars.iter().skip(at + 1).any(|other| other == byte))
}

/// Letters, digits, quotes, blanks and line ends are content wherever they stand.
fn can_separate(byte: u8) -> bool {
    byte.is_ascii_punctuation() && byte != b'"' || (0x1D..=0x1F).contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_four_and_five_characters() {
        let (three, _) = read(b"|^~\\|x").unwrap();
        assert_eq!((three.escape, three.subcomponent), (Some(b'\\'), None));
        assert_eq!(read(b"|^~\\&|x").unwrap(), (Separators::default(), None));
        assert_eq!(read(b"|^~\\&#|").unwrap().0.truncation, Some(b'#'));
        assert_eq!(read(b"#@!%*#x").unwrap().0.component, b'@');
    }

    #[test]
    fn a_doubled_escape_is_one() {
        let (found, oddity) = read(b"|^~\\\\&|x").unwrap();
        assert_eq!(found, Separators::default());
        assert_eq!(oddity, Some(Oddity::EscapeTwice));
        assert_eq!(read(b"|^^\\&|").unwrap().1, Some(Oddity::Same));
    }

    #[test]
    fn what_cannot_separate_is_refused() {
        for bad in [
            &b""[..],
            b"|",
            b"||x",
            b"xabcd|",
            b"|ab~\\|",
            b"|^~\\&#!|",
            b"\xff^~\\&\xff",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
