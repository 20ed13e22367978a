//! Attribute matching (PS3.4 section C.2.2.2).

use std::collections::BTreeSet;

use dicom_core::VR;

/// What one attribute must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One of these UIDs, each once.
    Uids(Vec<String>),
    /// This value; of a name in lower case, of a number without leading zeros.
    Single(String),
    /// A value with `*` for any letters and `?` for one.
    Wild(String),
    /// Not before the first nor after the second; empty: no bound.
    Range(String, String),
    /// A name: each of its component groups may be it. In lower case, perhaps with wild cards.
    Name(String),
    /// A whole number.
    Number(i64),
}

impl Wanted {
    /// Reads what is wanted of an attribute of that value representation; `None`: it makes no sense.
    pub(super) fn of(vr: VR, text: &str) -> Option<Wanted> {
        Some(match vr {
            VR::UI => {
                let uids: BTreeSet<&str> = text.split('\\').map(str::trim).collect();
                Wanted::Uids(uids.into_iter().map(str::to_owned).collect())
            }
            VR::DA | VR::TM => range(vr, text)?,
            VR::PN => Wanted::Name(name(text)),
            VR::IS => Wanted::Number(text.trim().parse().ok()?),
            _ if text.contains(['*', '?']) => Wanted::Wild(text.to_owned()),
            _ => Wanted::Single(text.to_owned()),
        })
    }

    /// Whether a value is wanted; of several values (`\`) any.
    pub(super) fn fits(&self, value: &str) -> bool {
        match self {
            Wanted::Name(wanted) => value
                .split('=')
                .any(|group| glob(wanted, &name(group)) && !group.is_empty()),
            Wanted::Number(wanted) => value.trim().parse() == Ok(*wanted),
            Wanted::Uids(uids) => uids.iter().any(|uid| uid == value),
            Wanted::Single(wanted) => value.split('\\').any(|one| one.trim() == wanted),
            Wanted::Wild(wanted) => value.split('\\').any(|one| glob(wanted, one.trim())),
            Wanted::Range(from, to) => {
                let value = plain(value);
                let bound = from.len().max(to.len());
                let value = padded(&value, bound, '0');
                !value.is_empty()
                    && (from.is_empty() || value.as_str() >= from.as_str())
                    && (to.is_empty() || value.as_str() <= to.as_str())
            }
        }
    }
}

/// `HHMMSS.FFFFFF`.
const TIME_LETTERS: usize = 13;
/// `YYYYMMDD`.
const DATE_LETTERS: usize = 8;

/// A date or a time, or a range of them: `from-to`, `from-`, `-to`.
fn range(vr: VR, text: &str) -> Option<Wanted> {
    let letters = if vr == VR::DA {
        DATE_LETTERS
    } else {
        TIME_LETTERS
    };
    let fits = |part: &str| {
        let right = part
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        let whole = vr == VR::TM || part.is_empty() || part.len() == DATE_LETTERS;
        right && whole && part.len() <= letters
    };
    let text = match vr {
        VR::DA => text.replace('.', ""),
        _ => text.replace(':', ""),
    };
    let (from, to) = match text.split_once('-') {
        Some((from, to)) => (from.trim(), to.trim()),
        None => (text.trim(), text.trim()),
    };
    if !fits(from) || !fits(to) || (from.is_empty() && to.is_empty()) {
        return None;
    }
    let begins = match from.is_empty() {
        true => String::new(),
        false => padded(from, letters, '0'),
    };
    let ends = match to.is_empty() {
        true => String::new(),
        false => padded(to, letters, '9'),
    };
    Some(Wanted::Range(begins, ends))
}

/// Without the separators of older versions of the standard.
fn plain(value: &str) -> String {
    match value.len() {
        10 if value.as_bytes().get(4) == Some(&b'.') => value.replace('.', ""),
        _ => value.replace(':', ""),
    }
}

/// A time as far as it is known, filled up: `08` is `080000.000000`.
fn padded(value: &str, letters: usize, with: char) -> String {
    let mut out = value.to_owned();
    if value.is_empty() {
        return out;
    }
    while out.len() < letters {
        let at = out.len();
        out.push(if letters == TIME_LETTERS && at == 6 {
            '.'
        } else {
            with
        });
    }
    out
}

/// A name as it is compared: in lower case, without empty components at its end.
fn name(text: &str) -> String {
    text.trim_end_matches(['^', ' ', '=']).to_lowercase()
}

/// Whether a text is of a pattern with `*` and `?`. Its time is bounded by the product of both lengths.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut back) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(letter) if *letter == '?' || text.get(t) == Some(letter) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, at)) = back else { return false };
                back = Some((star, at + 1));
                (p, t) = (star + 1, at + 1);
            }
        }
    }
    pattern
        .get(p..)
        .unwrap_or_default()
        .iter()
        .all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(vr: VR, wanted: &str, value: &str) -> bool {
        Wanted::of(vr, wanted).unwrap().fits(value)
    }

    #[test]
    fn values_match_as_the_standard_says() {
        for (vr, wanted, value, does) in [
            (VR::UI, "1.2.3\\1.2.4", "1.2.4", true),
            (VR::UI, "1.2.*", "1.2.4", false),
            (VR::DA, "20230306", "20230306", true),
            (VR::DA, "20230301-20230331", "20230306", true),
            (VR::DA, "20230301-", "20230306", true),
            (VR::DA, "-20230301", "20230306", false),
            (VR::DA, "20230306", "2023.03.06", true),
            (VR::DA, "20230301-", "", false),
            (VR::TM, "08-0930", "093059.5", true),
            (VR::TM, "08-0930", "0931", false),
            (VR::TM, "0815", "081559", true),
            (VR::PN, "mül*", "Müller^Jörg", true),
            (VR::PN, "MÜLLER^JÖRG", "Müller^Jörg^^", true),
            (VR::PN, "Müller", "Müller^Jörg", false),
            (VR::PN, "山田*", "Yamada^Tarou=山田^太郎", true),
            (VR::PN, "*", "", false),
            (VR::CS, "CT", "PR\\CT", true),
            (VR::CS, "C?", "PR\\CT", true),
            (VR::LO, "Head", "head", false),
            (VR::LO, "*ead*", "Head CT", true),
            (VR::IS, "2", "0002 ", true),
            (VR::IS, "2", "3", false),
        ] {
            assert_eq!(fits(vr, wanted, value), does, "{vr} {wanted} {value}");
        }
        for (vr, nonsense) in [
            (VR::DA, "yesterday"),
            (VR::DA, "2023"),
            (VR::DA, "-"),
            (VR::IS, "x"),
        ] {
            assert_eq!(Wanted::of(vr, nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_of_the_pattern_that_it_was_made_by(
            parts in proptest::collection::vec("[a-c]{0,4}", 1..5), between in "[a-c]{0,4}",
        ) {
            prop_assert!(glob(&parts.join("*"), &parts.join(&between)));
            let other = format!("{}d", parts.join("*"));
            prop_assert!(!glob(&other, &parts.join(&between)));
        }
    }
}
