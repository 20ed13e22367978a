//! What the fields of a segment are called.

const NAMES: &str = include_str!("names.txt");

/// The name of a field (`PID`, 3: `Patient Identifier List`); `None`: it has none that is known here.
#[must_use]
pub fn field_name(segment: &str, field: usize) -> Option<&'static str> {
    let mut segments = NAMES.lines().filter(|line| !line.starts_with('#'));
    let names = segments.find_map(|line| {
        let (name, fields) = line.split_once(' ')?;
        (name == segment).then_some(fields)
    })?;
    let name = names.split('|').nth(field.checked_sub(1)?)?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_their_names() {
        for (segment, field, name) in [
            ("MSH", 9, "Message Type"),
            ("MSH", 10, "Message Control ID"),
            ("PID", 3, "Patient Identifier List"),
            ("PID", 5, "Patient Name"),
            ("PV1", 3, "Assigned Patient Location"),
            ("OBX", 5, "Observation Value"),
            ("OBX", 14, "Date/Time of the Observation"),
            ("ORC", 2, "Placer Order Number"),
        ] {
            assert_eq!(field_name(segment, field), Some(name));
        }
        for (segment, field) in [("PID", 0), ("PID", 99), ("ZPD", 1), ("#", 1), ("", 1)] {
            assert_eq!(field_name(segment, field), None);
        }
    }
}
