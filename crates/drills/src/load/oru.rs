//! ORU^R01 messages by the thousand: made once for each patient, then patched in place.

use event::Time;

use crate::hospital::load_message;

/// A message whose ids and first value change from one sending to the next.
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    control: Vec<usize>,
    order: Vec<usize>,
    value: Option<usize>,
}

/// As long as every id that is patched in.
const CONTROL: &str = "CONTROLCONTROLCONTRO";
const ORDER: &str = "ORDERORDERORDERORDER";

impl Template {
    /// One message for each of `patients` patients of the hospital of `seed`: a metabolic panel
    /// of 14 results, 2 KB, already between MLLP's marks.
    pub fn panels(seed: u64, patients: usize, at: Time) -> Vec<Template> {
        let messages = load_message::panels(seed, patients, (at, CONTROL, ORDER));
        messages
            .iter()
            .map(|message| Template::new(message))
            .collect()
    }

    fn new(message: &[u8]) -> Template {
        let mut bytes = Vec::with_capacity(message.len() + 3);
        bytes.push(0x0B);
        bytes.extend_from_slice(message);
        bytes.extend_from_slice(&[0x1C, 0x0D]);
        let value =
            memchr::memmem::find(&bytes, b"|NM|").and_then(|start| last_digit(&bytes, start));
        Template {
            control: memchr::memmem::find_iter(&bytes, CONTROL).collect(),
            order: memchr::memmem::find_iter(&bytes, ORDER).collect(),
            value,
            bytes,
        }
    }

    /// The frame with these ids (20 ASCII characters, as [`id`] makes them) and another value.
    pub fn patched(&mut self, id: &[u8; 20], value: u8) -> &[u8] {
        for place in self.control.iter().chain(&self.order) {
            if let Some(hole) = self.bytes.get_mut(*place..*place + id.len()) {
                hole.copy_from_slice(id);
            }
        }
        if let Some(digit) = self.value.and_then(|place| self.bytes.get_mut(place)) {
            *digit = b'0' + value % 10;
        }
        &self.bytes
    }
}

/// The last digit of OBX-5 of the segment in which `|NM|` stands at `start`.
fn last_digit(bytes: &[u8], start: usize) -> Option<usize> {
    let fields = bytes.get(start..)?;
    let value = memchr::memchr_iter(b'|', fields).nth(3)?;
    let end = memchr::memchr_iter(b'|', fields).nth(4)?;
    (end > value + 1).then_some(start + end - 1)
}

/// An id of 20 characters that is never used twice: run, connection and number in hexadecimal.
pub(crate) fn id(run: u32, connection: u16, number: u32) -> [u8; 20] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let whole = (u128::from(run) << 48) | (u128::from(connection) << 32) | u128::from(number);
    std::array::from_fn(|place| {
        let nibble = (whole >> ((19 - place) * 4)) & 0xF;
        usize::try_from(nibble)
            .ok()
            .and_then(|nibble| DIGITS.get(nibble))
            .copied()
            .unwrap_or(b'0')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_twenty_long() {
        assert_eq!(&id(0xABCD_1234, 0x00FF, 7), b"ABCD123400FF00000007");
        assert_ne!(id(1, 2, 3), id(1, 3, 2));
    }

    #[test]
    fn a_patched_message_differs_where_it_should() {
        let at = Time::from_millis(1_772_409_600_000);
        let mut templates = Template::panels(1, 10, at);
        assert_eq!(templates.len(), 10);
        let template = &mut templates[3];
        let one = template.patched(&id(1, 1, 1), 1).to_vec();
        let two = template.patched(&id(1, 1, 2), 2).to_vec();
        assert_eq!(one.len(), two.len());
        let text = String::from_utf8_lossy(&two).into_owned();
        assert!(text.starts_with("\u{b}MSH|") && text.ends_with("\r\u{1c}\r"));
        assert_eq!(text.split('|').nth(9), Some("00000001000100000002"));
        assert_eq!(text.matches("\rOBX|").count(), 14);
        let differing = one.iter().zip(&two).filter(|(a, b)| a != b).count();
        // The last digit of control id, placer and filler number, and of the first value.
        assert_eq!(differing, 4);
    }
}
