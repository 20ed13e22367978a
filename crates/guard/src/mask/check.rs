//! Numbers that carry a proof of what they are.

/// Luhn's check digit (ISO/IEC 7812-1): payment cards, US provider numbers.
pub(crate) fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            match place % 2 {
                0 => digit,
                _ if digit > 4 => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum();
    digits.bytes().all(|byte| byte.is_ascii_digit()) && sum.is_multiple_of(10)
}

/// ISO 13616: an IBAN leaves 1 modulo 97.
pub(crate) fn iban(code: &str) -> bool {
    let (Some(head), Some(tail)) = (code.get(..4), code.get(4..)) else {
        return false;
    };
    let mut rest: u32 = 0;
    for letter in tail.chars().chain(head.chars()) {
        let Some(value) = letter.to_digit(36) else {
            return false;
        };
        let shift = if value > 9 { 100 } else { 10 };
        rest = (rest * shift + value) % 97;
    }
    (15..=34).contains(&code.len()) && rest == 1
}

/// The check digit of a vehicle identification number (49 CFR 565.15).
pub(crate) fn vin(code: &str) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let mut sum = 0;
    for (letter, weight) in code.chars().zip(WEIGHTS) {
        let Some(value) = vin_value(letter.to_ascii_uppercase()) else {
            return false;
        };
        sum += value * weight;
    }
    let check = match sum % 11 {
        10 => 'X',
        rest => char::from_digit(rest, 10).unwrap_or(' '),
    };
    code.len() == 17 && code.to_ascii_uppercase().chars().nth(8) == Some(check)
}

fn vin_value(letter: char) -> Option<u32> {
    Some(match letter {
        '0'..='9' => letter.to_digit(10)?,
        'A'..='H' => u32::from(letter) - 64,
        'J'..='N' => u32::from(letter) - 73,
        'P' => 7,
        'R' => 9,
        'S'..='Z' => u32::from(letter) - 81,
        _ => return None,
    })
}

/// Internet addresses, version 4 and 6.
pub(crate) fn ip(text: &str) -> bool {
    text.parse::<core::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_check_digit_is_checked() {
        assert!(luhn("4111111111111111") && !luhn("4111111111111112"));
        assert!(iban("GB82WEST12345698765432") && !iban("GB82WEST12345698765433"));
        assert!(vin("1M8GDM9AXKP042788") && !vin("1M8GDM9A1KP042788"));
        assert!(ip("165.165.185.178") && ip("2001:db8::1") && !ip("300.1.1.1"));
    }
}
