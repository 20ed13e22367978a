//! Narrative: text with formatting and nothing that acts (rules txt-1 and txt-2).
//!
//! A narrative is shown on a ward's screen, so what could run or fetch is refused at the door.

const TAGS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
    "var",
];
/// Attributes that name an address.
const ADDRESSES: &[&str] = &["href", "src", "cite", "longdesc", "background"];
/// Elements within each other, at most.
const DEPTH_MAX: usize = 200;

/// What is wrong with the text of a `div`; `None` when nothing is.
pub(super) fn fault(text: &str) -> Option<String> {
    let mut reader = Reader {
        rest: text.trim(),
        open: Vec::new(),
        says: false,
    };
    if !reader.rest.starts_with("<div") {
        return Some("a narrative begins with `<div`".into());
    }
    while !reader.rest.is_empty() {
        if let Err(words) = reader.step() {
            return Some(words);
        }
        if reader.open.is_empty() && !reader.rest.is_empty() {
            return Some("something stands after the closing `</div>`".into());
        }
    }
    if let Some(tag) = reader.open.last() {
        return Some(format!("`<{tag}>` is not closed"));
    }
    (!reader.says).then(|| "the narrative is empty; leave it out".into())
}

struct Reader<'a> {
    rest: &'a str,
    open: Vec<&'a str>,
    /// There is text or an image.
    says: bool,
}

impl<'a> Reader<'a> {
    fn step(&mut self) -> Result<(), String> {
        if let Some(rest) = self.rest.strip_prefix("<!--") {
            let (_, rest) = rest.split_once("-->").ok_or("a comment is not closed")?;
            self.rest = rest;
            return Ok(());
        }
        if let Some(rest) = self.rest.strip_prefix("</") {
            return self.close(rest);
        }
        if let Some(rest) = self.rest.strip_prefix('<') {
            return self.open(rest);
        }
        let (text, rest) = self
            .rest
            .split_at(self.rest.find('<').unwrap_or(self.rest.len()));
        self.says |= !text.trim().is_empty();
        self.rest = rest;
        Ok(())
    }

    fn close(&mut self, rest: &'a str) -> Result<(), String> {
        let (name, rest) = rest.split_once('>').ok_or("a tag is not closed with `>`")?;
        let name = name.trim_end();
        match self.open.pop() {
            Some(open) if open == name => {
                self.rest = rest;
                Ok(())
            }
            Some(open) => Err(format!("`<{open}>` is open where `</{name}>` stands")),
            None => Err(format!("`</{name}>` closes nothing")),
        }
    }

    fn open(&mut self, rest: &'a str) -> Result<(), String> {
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let (name, mut rest) = rest.split_at(end);
        if !TAGS.contains(&name) {
            let short: String = name.chars().take(20).collect();
            return Err(format!("`<{short}` is not allowed in a narrative"));
        }
        self.says |= name == "img";
        loop {
            rest = rest.trim_start();
            if let Some(rest) = rest.strip_prefix("/>") {
                self.rest = rest;
                return Ok(());
            }
            if let Some(rest) = rest.strip_prefix('>') {
                self.rest = rest;
                self.open.push(name);
                let deep = self.open.len() > DEPTH_MAX;
                return if deep {
                    Err("the narrative is nested too deep".into())
                } else {
                    Ok(())
                };
            }
            rest = attribute(rest, name)?;
        }
    }
}

fn attribute<'a>(text: &'a str, tag: &str) -> Result<&'a str, String> {
    let broken = || format!("an attribute of `<{tag}` is not of the form name=\"value\"");
    let (name, rest) = text.split_once('=').ok_or_else(broken)?;
    let name = name.trim().to_ascii_lowercase();
    let well_named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':');
    if name.is_empty() || !name.chars().all(well_named) {
        return Err(broken());
    }
    let rest = rest.trim_start();
    let quote = rest
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\''))
        .ok_or_else(broken)?;
    let (value, rest) = rest
        .get(1..)
        .and_then(|r| r.split_once(quote))
        .ok_or_else(broken)?;
    if name.starts_with("on") || value.contains('<') {
        return Err(format!(
            "the attribute `{name}` is not allowed in a narrative"
        ));
    }
    let acts = ADDRESSES.contains(&name.as_str()) && runs(value);
    if acts || (name == "style" && style_runs(value)) {
        return Err(format!("the attribute `{name}` may not run anything"));
    }
    Ok(rest)
}

fn style_runs(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    [
        "javascript:",
        "expression(",
        "behavior:",
        "-moz-binding",
        "@import",
    ]
    .iter()
    .any(|w| value.contains(w))
}

/// True for an address that a browser would run: its scheme is hidden neither by case, nor by
/// white space, nor by character references.
fn runs(address: &str) -> bool {
    let plain: String = address
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .collect();
    let plain = plain.to_ascii_lowercase();
    let scheme = plain.split([':', '/', '?', '#']).next().unwrap_or("");
    let hidden = scheme.contains('&');
    let image = plain.starts_with("data:image/");
    hidden || (!image && matches!(scheme, "javascript" | "vbscript" | "data"))
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn plain_formatting_passes() {
        for text in [
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">Peter &amp; Co</div>",
            "<div xmlns='x'><p class=\"a\">x<br/>y</p><!-- <script> --><a href=\"#x\">z</a></div>",
            "<div><img src=\"#pic\" alt=\"\"/></div>\n",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }

    #[test]
    fn what_acts_or_is_broken_is_refused() {
        for text in [
            "",
            "hello",
            "<div/>",
            "<div> </div>",
            "<div>x",
            "<div>x</p></div>",
            "<div>x</div>y",
            "<div><script>x</script></div>",
            "<div onload=\"x\">x</div>",
            "<div>x<</div>",
            "<div><a href=\"java\nscript:x\">x</a></div>",
            "<div><a href=\"&#106;avascript:x\">x</a></div>",
            "<div><a href=javascript:x>x</a></div>",
            "<div><iframe src='x'/>x</div>",
            "<div style=\"background:URL(Javascript:x)\">x</div>",
            "<div <b>x</b></div>",
            "<div><!-- x</div>",
            "<!DOCTYPE div [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><div>&x;</div>",
            "<div><!ENTITY x \"y\">x</div>",
            "<div><![CDATA[x]]></div>",
        ] {
            assert!(fault(text).is_some(), "{text}");
        }
    }
}
