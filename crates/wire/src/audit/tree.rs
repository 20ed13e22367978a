//! An XML document as a tree of elements. What XML is feared for is not in it: a document type or an
//! entity that XML 1.0 does not define refuses the document, and nothing is ever fetched.

use encoding_rs::{Encoding, UTF_8};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Elements within elements.
const DEPTH_MAX: usize = 16;
/// Elements in one document.
const ELEMENTS_MAX: usize = 20_000;
/// Bytes in which a declaration is looked for.
const DECLARATION_BYTES: usize = 200;

/// An element, by its name without a prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    /// What stands in it between its elements.
    pub(super) text: String,
    pub(super) children: Vec<Node>,
}

impl Node {
    /// An attribute, without the white space around it; empty: it is not there.
    pub(super) fn attribute(&self, name: &str) -> &str {
        let mut all = self.attributes.iter();
        let found = all.find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// The elements of this name.
    pub(super) fn all<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Node> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element of this name.
    pub(super) fn first(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }
}

/// The bytes as text: in the encoding that the declaration names, else UTF-8. The second says what
/// was odd about that.
pub(super) fn decoded(bytes: &[u8]) -> (String, Option<String>) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let named = declared(bytes);
    let encoding = named.as_deref().map(str::as_bytes).map(Encoding::for_label);
    let (encoding, unknown) = match encoding {
        None => (UTF_8, None),
        Some(Some(known)) if known.is_ascii_compatible() => (known, None),
        Some(_) => (UTF_8, named),
    };
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    let remark = match (unknown, broken) {
        (Some(name), _) => Some(format!("it is read as UTF-8, not as `{name}`")),
        (None, true) => Some(format!("some of its bytes are not {}", encoding.name())),
        (None, false) => None,
    };
    (text.into_owned(), remark)
}

/// The encoding that `<?xml ... encoding="..."?>` names.
fn declared(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..DECLARATION_BYTES).unwrap_or(bytes);
    let head = String::from_utf8_lossy(head);
    let head = head.trim_start().strip_prefix("<?xml")?;
    let (head, _) = head.split_once("?>")?;
    let (_, named) = head.split_once("encoding")?;
    let named = named.trim_start().strip_prefix('=')?.trim_start();
    let quote = named
        .chars()
        .next()
        .filter(|one| matches!(one, '"' | '\''))?;
    let (name, _) = named.get(1..)?.split_once(quote)?;
    Some(name.trim().to_owned())
}

/// The one element that the document is, and whether something follows it.
///
/// # Errors
/// In words, why it cannot be read.
pub(super) fn parse(text: &str) -> Result<(Node, bool), String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Node> = Vec::new();
    let mut elements = 0;
    loop {
        let Ok(event) = reader.read_event() else {
            // What the document says is not repeated: it may name a patient.
            let place = reader.error_position();
            return Err(format!("it is no XML: there is a fault at byte {place}"));
        };
        match event {
            Event::Start(start) | Event::Empty(start) => {
                elements += 1;
                if open.len() >= DEPTH_MAX || elements > ELEMENTS_MAX {
                    return Err(format!(
                        "it has more than {ELEMENTS_MAX} elements, or more than {DEPTH_MAX} within each other"
                    ));
                }
                open.push(begun(&start)?);
            }
            Event::End(_) => {
                let Some(done) = open.pop() else {
                    return Err("an element ends that did not begin".to_owned());
                };
                match open.last_mut() {
                    Some(outer) => outer.children.push(done),
                    None => return Ok((done, follows(text, reader.buffer_position()))),
                }
            }
            Event::Text(words) => add(&mut open, &words.decode().map_err(unreadable)?),
            Event::CData(words) => add(&mut open, &words.decode().map_err(unreadable)?),
            Event::GeneralRef(entity) => {
                add(&mut open, resolved(&entity)?.encode_utf8(&mut [0; 4]))
            }
            Event::DocType(_) => return Err("a document type (DTD) is not taken".to_owned()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof if elements == 0 => return Err("there is no XML in it".to_owned()),
            Event::Eof => return Err("it ends before its last element does".to_owned()),
        }
    }
}

fn unreadable(why: impl std::error::Error) -> String {
    format!("its text cannot be read: {why}")
}

/// Text before the first element belongs to nothing.
fn add(open: &mut [Node], text: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(text);
    }
}

fn begun(start: &BytesStart<'_>) -> Result<Node, String> {
    let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut node = Node {
        name: name(start.local_name().as_ref()),
        ..Node::default()
    };
    for attribute in start.attributes() {
        let faulty = || "an attribute cannot be read".to_owned();
        let attribute = attribute.map_err(|_| faulty())?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0);
        let value = value.map_err(|_| faulty())?;
        let key = name(attribute.key.local_name().as_ref());
        node.attributes.push((key, value.into_owned()));
    }
    Ok(node)
}

/// What an entity stands for: a letter by its number, or one of the five that XML 1.0 defines.
fn resolved(entity: &BytesRef<'_>) -> Result<char, String> {
    if let Ok(Some(letter)) = entity.resolve_char_ref() {
        return Ok(letter);
    }
    let name = entity.decode().map_err(unreadable)?;
    Ok(match name.as_ref() {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return Err("an entity that XML does not define is not taken".to_owned()),
    })
}

fn follows(text: &str, place: u64) -> bool {
    let rest = usize::try_from(place).ok().and_then(|at| text.get(at..));
    rest.is_some_and(|rest| !rest.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_is_feared_for_is_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"&c;&c;\"><!ENTITY c \"x\">]><a>&b;</a>";
        for (bad, why) in [
            (bomb, "document type"),
            (
                "<!DOCTYPE a SYSTEM \"http://x.example/a.dtd\"><a/>",
                "document type",
            ),
            ("<a>&b;</a>", "entity"),
            ("<a b=\"&c;\"/>", "attribute"),
            ("<a b=\"1\" b=\"2\"/>", "attribute"),
            ("<a><b></a>", "XML"),
            ("<a>", "ends before"),
            ("", "no XML"),
            (&"<a>".repeat(17), "within each other"),
            (&format!("<a>{}</a>", "<b/>".repeat(20_000)), "elements"),
        ] {
            let told = parse(bad).unwrap_err();
            assert!(told.contains(why), "{bad:.60}: {told}");
        }
    }

    #[test]
    fn text_comes_whole_and_names_lose_their_prefix() {
        let text = "<?xml version='1.0'?><!-- x --><d:a xmlns:d=\"u\" d:b=\" &lt;1&#x41; \">x&amp;<![CDATA[<y>]]><c/>z</d:a>\\";
        let (node, follows) = parse(text).unwrap();
        assert_eq!((node.name.as_str(), node.attribute("b")), ("a", "<1A"));
        assert_eq!((node.text.as_str(), node.children.len()), ("x&<y>z", 1));
        assert!(follows);
    }

    #[test]
    fn what_the_declaration_names_is_how_it_is_read() {
        let latin = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a b=\"M\xfcller\"/>";
        let (text, odd) = decoded(latin);
        assert!(text.contains("M\u{fc}ller") && odd.is_none());
        let (text, odd) = decoded(b"\xef\xbb\xbf<a b=\"\xff\"/>");
        assert!(text.starts_with("<a") && odd.is_some());
        let (_, odd) = decoded(b"<?xml version='1.0' encoding='utf-16'?><a/>");
        assert!(odd.unwrap().contains("utf-16"));
    }
}
