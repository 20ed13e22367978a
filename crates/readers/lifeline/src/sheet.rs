//! Blank sheets for downtime: each has a number, printed as words and as a barcode, by which what
//! was written on it is typed in again.

use std::fmt;

use barcoders::sym::code128::Code128;

/// Which sheet: of which list of patients, which of them, which of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SheetId {
    /// Index of the event that lists the ward's patients.
    pub list: u64,
    /// Place of the patient in that list, from 1; 0: a patient who has no chart yet.
    pub patient: u16,
    /// Which of the patient's sheets, from 1.
    pub sheet: u16,
}

impl SheetId {
    /// As it is printed or scanned; `None`: it is no number of a sheet, or it is mistyped.
    pub fn parse(text: &str) -> Option<SheetId> {
        let parts: Vec<&str> = text.trim().split(['-', ' ', '.']).collect();
        let [list, patient, sheet, check] = parts.as_slice() else {
            return None;
        };
        let digits =
            |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty();
        if !parts.iter().all(|part| digits(part)) || check.len() != 2 {
            return None;
        }
        let id = SheetId {
            list: list.parse().ok()?,
            patient: patient.parse().ok()?,
            sheet: sheet.parse().ok()?,
        };
        (id.check() == check.parse::<u64>().ok()?).then_some(id)
    }

    /// ISO 7064, MOD 97-10: one wrong digit or two exchanged ones never pass.
    fn check(self) -> u64 {
        let digits = format!("{}{:05}{:05}", self.list, self.patient, self.sheet);
        let left = digits
            .bytes()
            .fold(0, |left, digit| (left * 10 + u64::from(digit - b'0')) % 97);
        98 - (left * 100 % 97)
    }

    /// The number as Code 128 (ISO/IEC 15417), an SVG drawing that scanners read from paper.
    pub fn barcode(self) -> String {
        barcode(&self.to_string())
    }
}

impl fmt::Display for SheetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SheetId {
            list,
            patient,
            sheet,
        } = self;
        write!(f, "{list}-{patient}-{sheet}-{:02}", self.check())
    }
}

/// Units of quiet to the left and the right: ten, as the standard asks.
const QUIET: usize = 10;

/// A text of ASCII letters and digits as Code 128; empty if it cannot be drawn.
fn barcode(text: &str) -> String {
    // Character set B: digits, letters and dashes.
    let Ok(code) = Code128::new(format!("\u{0181}{text}")) else {
        return String::new();
    };
    let modules = code.encode();
    let width = modules.len() + 2 * QUIET;
    let mut path = String::new();
    let mut from = QUIET;
    for run in modules.chunk_by(|a, b| a == b) {
        if run.first() == Some(&1) {
            let wide = run.len();
            path.push_str(&format!("M{from} 0h{wide}v40h-{wide}z"));
        }
        from += run.len();
    }
    format!(
        "<svg class=\"barcode\" viewBox=\"0 0 {width} 40\" role=\"img\" \
         aria-label=\"barcode {text}\"><path d=\"{path}\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SheetId = SheetId {
        list: 48_211,
        patient: 7,
        sheet: 2,
    };

    #[test]
    fn a_number_reads_as_it_was_printed_and_a_mistyped_one_is_none() {
        let printed = ONE.to_string();
        assert_eq!(SheetId::parse(&format!(" {printed} ")), Some(ONE));
        assert_eq!(SheetId::parse(&printed.replace('-', " ")), Some(ONE));
        let digits: Vec<char> = printed.chars().collect();
        for (place, digit) in digits
            .iter()
            .enumerate()
            .filter(|one| one.1.is_ascii_digit())
        {
            let mut wrong = digits.clone();
            let value = digit.to_digit(10).unwrap();
            wrong[place] = char::from_digit((value + 1) % 10, 10).unwrap();
            let wrong: String = wrong.into_iter().collect();
            assert_eq!(SheetId::parse(&wrong), None, "{wrong}");
        }
        for bad in [
            "",
            "48211",
            "48211-7-2",
            "48211-7-2-",
            "a-b-c-d",
            "48211-70000-2-00",
        ] {
            assert_eq!(SheetId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_barcode_is_a_drawing_that_begins_and_ends_as_code_128_does() {
        let drawn = ONE.barcode();
        assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>"));
        // Start B is 11010010000: bars of two, one and one, after ten units of quiet.
        assert!(
            drawn.contains("d=\"M10 0h2v40h-2zM13 0h1v40h-1zM16 0h1v40h-1z"),
            "{drawn}"
        );
        // Stop is 1100011101011.
        assert!(drawn.contains("h2v40h-2z\""), "{drawn}");
    }
}
