//! One message, written (RFC 5424 section 6).

/// The byte order mark that says that what follows is UTF-8 (RFC 5424 section 6.4).
const BOM: &str = "\u{feff}";

/// What kind of system speaks (RFC 5424 table 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facility {
    /// Security and authorization, private: where audit messages belong.
    AuthPriv = 10,
}

/// How grave it is (RFC 5424 table 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something has to be looked at.
    Warning = 4,
    /// Normal, but worth a note.
    Notice = 5,
}

/// What stands before the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// Where it belongs.
    pub facility: Facility,
    /// How grave it is.
    pub severity: Severity,
    /// RFC 3339, for instance `2026-11-26T12:00:00.000Z`.
    pub at: &'a str,
    /// The sender's name.
    pub host: &'a str,
    /// The program.
    pub app: &'a str,
    /// The process, or `-`.
    pub process: &'a str,
    /// The kind of message, for instance `DICOM+RFC3881`.
    pub kind: &'a str,
}

/// The message: header, no structured data, the text as UTF-8.
#[must_use]
pub fn message(header: &Header<'_>, text: &str) -> Vec<u8> {
    let priority = header.facility as u8 * 8 + header.severity as u8;
    let mut out = format!("<{priority}>1");
    let fields = [
        (header.at, 64),
        (header.host, 255),
        (header.app, 48),
        (header.process, 128),
        (header.kind, 32),
    ];
    for (field, most) in fields {
        out.push(' ');
        out.push_str(&printable(field, most));
    }
    out.push_str(" - ");
    out.push_str(BOM);
    out.push_str(text);
    out.into_bytes()
}

/// The field with printable US-ASCII alone and at most `most` of it; `-` for nothing.
fn printable(field: &str, most: usize) -> String {
    let plain = |letter: char| match letter.is_ascii_graphic() {
        true => letter,
        false => '_',
    };
    let kept: String = field.chars().take(most).map(plain).collect();
    match kept.is_empty() {
        true => "-".to_owned(),
        false => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(host: &'a str, app: &'a str) -> Header<'a> {
        Header {
            facility: Facility::AuthPriv,
            severity: Severity::Notice,
            at: "2026-11-26T12:00:00.000Z",
            host,
            app,
            process: "",
            kind: "DICOM+RFC3881",
        }
    }

    #[test]
    fn a_message_has_the_fields_in_their_order() {
        let text = String::from_utf8(message(&header("ward.example", "salus"), "<A/>")).unwrap();
        assert_eq!(
            text,
            "<85>1 2026-11-26T12:00:00.000Z ward.example salus - DICOM+RFC3881 - \u{feff}<A/>"
        );
    }

    #[test]
    fn a_field_cannot_break_out_of_its_place() {
        let text = message(&header("a b\n<1>1", &"x".repeat(60)), "t");
        let text = String::from_utf8(text).unwrap();
        let fields: Vec<&str> = text.split(' ').collect();
        assert_eq!((fields[2], fields[3].len()), ("a_b_<1>1", 48));
        assert_eq!(fields.len(), 8);
    }
}
