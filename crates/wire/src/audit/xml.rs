//! As much of XML 1.0 as an audit message is made of: elements and attributes, no text.

/// An element as it is written: attributes first, then what is inside.
pub(super) struct Element {
    name: &'static str,
    attributes: String,
    inside: String,
}

impl Element {
    pub(super) fn new(name: &'static str) -> Element {
        Element {
            name,
            attributes: String::new(),
            inside: String::new(),
        }
    }

    /// With an attribute.
    pub(super) fn with(mut self, name: &str, value: &str) -> Element {
        self.attributes.push(' ');
        self.attributes.push_str(name);
        self.attributes.push_str("=\"");
        escape(value, &mut self.attributes);
        self.attributes.push('"');
        self
    }

    /// With an attribute, unless it would be empty.
    pub(super) fn with_some(self, name: &str, value: &str) -> Element {
        match value.is_empty() {
            true => self,
            false => self.with(name, value),
        }
    }

    /// With another element inside.
    pub(super) fn holding(mut self, inner: Element) -> Element {
        inner.write(&mut self.inside);
        self
    }

    /// With text inside.
    pub(super) fn saying(mut self, text: &str) -> Element {
        escape(text, &mut self.inside);
        self
    }

    pub(super) fn write(self, out: &mut String) {
        out.push('<');
        out.push_str(self.name);
        out.push_str(&self.attributes);
        if self.inside.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        out.push_str(&self.inside);
        out.push_str("</");
        out.push_str(self.name);
        out.push('>');
    }
}

/// Nothing in `text` can end an attribute or an element, and every letter is one that XML has.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            letter if is_xml(letter) => out.push(letter),
            _ => out.push('\u{fffd}'),
        }
    }
}

/// `Char` of XML 1.0 section 2.2, but for the white space that is handled apart.
const fn is_xml(letter: char) -> bool {
    matches!(letter, '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}
