//! Values: what they may be, ones that mean nothing, dates that moved, other UIDs.

use dicom_core::VR;
use jiff::ToSpan as _;
use jiff::civil::Date;

/// UIDs under this root are the standard's own: classes, syntaxes, code systems.
pub(super) const STANDARD: &str = "1.2.840.10008.";
/// Instances and frames of reference that the standard itself names, and that are nobody's.
pub(super) const WELL_KNOWN: &str = "1.2.840.10008.1.";
/// The longest of those.
const WELL_KNOWN_MAX: usize = 24;

/// Whether that is a text, in which somebody's name can stand.
pub(super) const fn is_text(vr: VR) -> bool {
    matches!(
        vr,
        VR::AE | VR::CS | VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UR | VR::UT
    )
}

/// Whether that is a date or a time.
pub(super) const fn is_time(vr: VR) -> bool {
    matches!(vr, VR::DA | VR::DT | VR::TM)
}

/// Whether an element is of the kind that the dictionary has: a text where a number should be is
/// none, and what no dictionary has is never.
pub(super) fn is_kind(written: VR, known: VR) -> bool {
    const fn kind(vr: VR) -> u8 {
        match vr {
            VR::UN => 0,
            VR::SQ => 1,
            VR::DS | VR::IS => 2,
            VR::UI => 3,
            VR::AS => 4,
            VR::DA | VR::DT | VR::TM => 5,
            VR::AT => 6,
            vr if is_text(vr) => 7,
            _ => 8,
        }
    }
    written != VR::UN && kind(written) == kind(known)
}

/// Whether a value is one of its representation (PS3.5 section 6.2), where that has an alphabet of its own.
pub(super) fn is_of(vr: VR, value: &[u8]) -> bool {
    let letters: &[u8] = match vr {
        VR::DS | VR::IS => b"0123456789+-.eE \\\0",
        VR::UI => b"0123456789. \\\0",
        VR::AS => b"0123456789DWMY \\\0",
        VR::TM => b"0123456789.: \\\0",
        _ => return true,
    };
    value.iter().all(|byte| letters.contains(byte))
}

/// A value of a representation that means nothing.
pub(super) fn dummy(vr: VR, length: usize) -> Vec<u8> {
    let text = match vr {
        vr if is_text(vr) && vr != VR::UR => "REMOVED",
        VR::UR => "urn:removed",
        VR::AS => "000Y",
        VR::DA => "19000101",
        VR::DT => "19000101000000",
        VR::TM => "000000",
        VR::DS | VR::IS => "0",
        _ => return vec![0; length],
    };
    even(text.as_bytes().to_vec(), b' ')
}

/// Each date of a value moved by so many days, times as they are; what cannot be read is left out.
pub(super) fn moved(vr: VR, value: &[u8], days: i32) -> Vec<u8> {
    if vr == VR::TM {
        return match is_of(vr, value) {
            true => value.to_vec(),
            false => Vec::new(),
        };
    }
    let text = std::str::from_utf8(value).unwrap_or_default();
    let text = text.trim_end_matches([' ', '\0']);
    let all: Vec<String> = text
        .split('\\')
        .map(|one| moved_one(one.trim(), days).unwrap_or_default())
        .collect();
    even(all.join("\\").into_bytes(), b' ')
}

/// `YYYYMMDD`, with or without a time behind it.
fn moved_one(text: &str, days: i32) -> Option<String> {
    let (day, time) = text.split_at_checked(8)?;
    let rest = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-');
    if !day.bytes().all(|byte| byte.is_ascii_digit()) || !time.bytes().all(rest) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| day.get(range)?.parse::<i16>().ok();
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let date = Date::new(year, month, day).ok()?;
    let date = date.checked_add(days.days()).ok()?;
    Some(format!("{}{time}", date.strftime("%Y%m%d")))
}

/// Each UID of a value through `other`, but for those under the root that stays.
pub(super) fn uids(value: &[u8], (stay, other): (&str, &dyn Fn(&str) -> String)) -> Vec<u8> {
    let text = String::from_utf8_lossy(value);
    let text = text.trim_end_matches([' ', '\0']);
    let stays = |uid: &str| {
        let short = stay != WELL_KNOWN || uid.len() <= WELL_KNOWN_MAX;
        uid.starts_with(stay) && short && is_of(VR::UI, uid.as_bytes())
    };
    let one = |uid: &str| match uid.trim() {
        "" => String::new(),
        uid if stays(uid) => uid.to_owned(),
        uid => other(uid),
    };
    let all: Vec<String> = text.split('\\').map(one).collect();
    even(all.join("\\").into_bytes(), 0)
}

/// Padded to an even length.
pub(super) fn even(mut value: Vec<u8>, pad: u8) -> Vec<u8> {
    if value.len() % 2 == 1 {
        value.push(pad);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_move_and_what_is_none_goes() {
        let by = |value: &[u8], days| moved(VR::DT, value, days);
        assert_eq!(by(b"20240228", 2), b"20240301");
        assert_eq!(by(b"20240228101530.5+0100", -28), b"20240131101530.5+0100 ");
        assert_eq!(by(b"20240101\\20240102 ", 1), b"20240102\\20240103 ");
        for none in [
            &b"1 Jan 24"[..],
            b"20249999",
            b"2024\xc3\xa4101",
            b"20240101Otto",
        ] {
            assert_eq!(by(none, 1), b"");
        }
        assert_eq!(moved(VR::TM, b"101530.5", 1), b"101530.5");
        assert_eq!(moved(VR::TM, b"Otto", 1), b"");
    }

    #[test]
    fn the_standards_own_uids_stay() {
        let other = |uid: &str| format!("2.25.{}", uid.len());
        let class = b"1.2.840.10008.5.1.4.1.1.2\0";
        assert_eq!(uids(class, (STANDARD, &other)), class);
        assert_eq!(
            uids(b"1.2.3\\1.2.3.4\0", (STANDARD, &other)),
            b"2.25.5\\2.25.7\0"
        );
        assert_eq!(uids(b"", (STANDARD, &other)), b"");
        // An instance that pretends to be the standard's own is none.
        assert_eq!(uids(class, (WELL_KNOWN, &other)), b"2.25.25\0");
        let frame = b"1.2.840.10008.1.4.1.1\0";
        assert_eq!(uids(frame, (WELL_KNOWN, &other)), frame);
    }
}
