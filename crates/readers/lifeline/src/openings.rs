//! How often a pack was opened where no Salus could see it. The page that opens it counts in its
//! browser and shows a number to type in afterwards; the number proves that whoever made it had the
//! ward's code. It is no proof that nobody opened a copy of the file elsewhere: see decision 0078.

use aws_lc_rs::digest::{SHA256, digest};

use crate::code::Code;

const CONTEXT: &str = "salus/openings/v1";
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters that check a number: 20 bits.
const CHECK: usize = 4;
/// The most openings that a number can say.
const TIMES_MAX: u32 = 999_999;

/// The letters that go with so many openings of a ward's pack under a code; `pack.js` does the same.
pub(crate) fn check(ward: &str, code: &Code, times: u32) -> String {
    let code = String::from_utf8_lossy(code.bytes());
    let text = format!("{CONTEXT}\n{ward}\n{code}\n{times}");
    let hash = digest(&SHA256, text.as_bytes());
    let first = hash.as_ref().iter().take(3);
    let bits = first.fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) >> 4;
    let letter = |place: usize| {
        let at = (bits >> (5 * (CHECK - 1 - place))) & 31;
        LETTERS.get(at as usize).copied().map_or('0', char::from)
    };
    (0..CHECK).map(letter).collect()
}

/// What was typed: how often, and the letters. `None`: it is no such number.
pub(crate) fn read(typed: &str) -> Option<(u32, String)> {
    let (times, check) = typed.trim().split_once('-')?;
    let times = times
        .trim()
        .parse()
        .ok()
        .filter(|times| (1..=TIMES_MAX).contains(times))?;
    let check = Code::typed(check);
    let check = String::from_utf8_lossy(check.bytes()).into_owned();
    (check.len() == CHECK).then_some((times, check))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_of_its_ward_its_code_and_its_count() {
        let code = Code::typed("7K3M-Q2XP-7K3M-Q2XP-7K3M");
        let made = check("ICU", &code, 3);
        assert_eq!(
            read(&format!(" 3-{} ", made.to_lowercase())),
            Some((3, made.clone()))
        );
        assert_ne!(check("ICU", &code, 4), made);
        assert_ne!(check("MED", &code, 3), made);
        assert_ne!(check("ICU", &Code::typed("7K3M"), 3), made);
        for text in ["", "3", "0-ABCD", "3-ABC", "x-ABCD", "9999999-ABCD"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
