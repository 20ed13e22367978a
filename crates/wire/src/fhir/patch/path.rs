//! The part of FHIRPath that points at elements: members, indexes, `where` with equalities,
//! `first()`, `last()`, `ofType()`. A patch comes from outside, so it is read by itself and not by
//! the evaluator of the definitions' own expressions.

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// `.name`
    Member(String),
    /// `[2]`
    Index(usize),
    /// `.first()`
    First,
    /// `.last()`
    Last,
    /// `.ofType(Quantity)` or `.as(Quantity)`
    OfType(String),
    /// `.where(a.b = 'x' and c = 1)`
    Where(Vec<Equal>),
}

/// `a.b = 'x'`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Equal {
    /// The members from the element on; empty: `$this`.
    pub(super) path: Vec<String>,
    /// What one of the values must be, as JSON: text, a number, or a truth value.
    pub(super) value: Literal,
}

/// What something is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    /// `'text'`
    Text(String),
    /// `1.5`
    Number(String),
    /// `true`
    Bool(bool),
}

/// The longest path that is read, in bytes.
const PATH_BYTES_MAX: usize = 1_000;

/// Reads a path.
///
/// # Errors
/// What of it is not offered or not well formed.
pub(super) fn parse(text: &str) -> Result<Vec<Step>, String> {
    if text.len() > PATH_BYTES_MAX {
        return Err(format!("a path has at most {PATH_BYTES_MAX} bytes"));
    }
    let mut reader = Reader { rest: text };
    let mut steps = vec![Step::Member(reader.name()?)];
    loop {
        reader.space();
        if reader.rest.is_empty() {
            return Ok(steps);
        }
        steps.push(reader.step()?);
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn need(&mut self, token: &str) -> Result<(), String> {
        if self.eat(token) {
            return Ok(());
        }
        Err(format!("`{token}` is missing before `{}`", self.rest))
    }

    fn step(&mut self) -> Result<Step, String> {
        if self.eat("[") {
            let digits = self.take(|c| c.is_ascii_digit());
            let at = digits
                .parse()
                .map_err(|_| "an index is a number".to_owned())?;
            self.need("]")?;
            return Ok(Step::Index(at));
        }
        self.need(".")?;
        let name = self.name()?;
        if !self.eat("(") {
            return Ok(Step::Member(name));
        }
        let step = match name.as_str() {
            "first" => Step::First,
            "last" => Step::Last,
            "ofType" | "as" => Step::OfType(self.kind()?),
            "where" => Step::Where(self.equals()?),
            other => return Err(format!("the function `{other}` is not offered in a path")),
        };
        self.need(")")?;
        Ok(step)
    }

    /// A type, with or without `FHIR.` before it.
    fn kind(&mut self) -> Result<String, String> {
        let first = self.name()?;
        match first == "FHIR" && self.eat(".") {
            true => self.name(),
            false => Ok(first),
        }
    }

    fn equals(&mut self) -> Result<Vec<Equal>, String> {
        let mut all = vec![self.equal()?];
        while self.word("and") {
            all.push(self.equal()?);
        }
        Ok(all)
    }

    fn equal(&mut self) -> Result<Equal, String> {
        let mut path = vec![self.member()?];
        while self.eat(".") {
            path.push(self.member()?);
        }
        path.retain(|name| name != "$this");
        if self.eat("=") && !self.rest.starts_with(['=', '~']) {
            let value = self.literal()?;
            return Ok(Equal { path, value });
        }
        Err("`where` compares with `=` here, several joined by `and`".to_owned())
    }

    fn member(&mut self) -> Result<String, String> {
        match self.eat("$this") {
            true => Ok("$this".to_owned()),
            false => self.name(),
        }
    }

    fn literal(&mut self) -> Result<Literal, String> {
        self.space();
        if self.eat("'") {
            return self.text().map(Literal::Text);
        }
        for (word, value) in [("true", true), ("false", false)] {
            if self.word(word) {
                return Ok(Literal::Bool(value));
            }
        }
        let digits = self.take(|c| c.is_ascii_digit() || c == '.' || c == '-');
        match digits.parse::<f64>() {
            Ok(_) => Ok(Literal::Number(digits)),
            Err(_) => Err("`where` compares with text in `'`, a number, true or false".to_owned()),
        }
    }

    /// The rest of a text literal, with its escapes.
    fn text(&mut self) -> Result<String, String> {
        let mut out = String::new();
        let mut letters = self.rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\'' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(out);
                }
                '\\' => match letters.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, 'r')) => out.push('\r'),
                    Some((_, 'u')) | None => {
                        return Err("`\\u` is not offered in a path".to_owned());
                    }
                    Some((_, other)) => out.push(other),
                },
                other => out.push(other),
            }
        }
        Err("a text in the path does not end".to_owned())
    }

    fn word(&mut self, word: &str) -> bool {
        self.space();
        let Some(rest) = self.rest.strip_prefix(word) else {
            return false;
        };
        if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return false;
        }
        self.rest = rest;
        true
    }

    fn name(&mut self) -> Result<String, String> {
        self.space();
        let quoted = self.eat("`");
        let name = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.is_empty() || (quoted && !self.eat("`")) {
            return Err(format!("a name is missing before `{}`", self.rest));
        }
        Ok(name)
    }

    fn take(&mut self, fits: fn(char) -> bool) -> String {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        let taken = taken.to_owned();
        self.rest = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let steps = parse("Patient.name.where(use = 'official' and period.start='2020').given[0]");
        let name = |text: &str| Step::Member(text.to_owned());
        let equal = |path: &[&str], text: &str| Equal {
            path: path.iter().map(|&one| one.to_owned()).collect(),
            value: Literal::Text(text.to_owned()),
        };
        assert_eq!(
            steps.unwrap(),
            [
                name("Patient"),
                name("name"),
                Step::Where(vec![
                    equal(&["use"], "official"),
                    equal(&["period", "start"], "2020")
                ]),
                name("given"),
                Step::Index(0),
            ]
        );
        assert_eq!(
            parse("Observation.value.ofType(FHIR.Quantity).value").unwrap()[2],
            Step::OfType("Quantity".into())
        );
    }

    #[test]
    fn what_is_not_offered_is_said() {
        for (path, words) in [
            ("", "a name is missing"),
            ("Patient.name.select(given)", "`select` is not offered"),
            ("Patient.name[x]", "an index is a number"),
            ("Patient.name.where(use ~ 'x')", "compares with `=`"),
            ("Patient.name.where(use = 'x)", "does not end"),
            ("Patient.name.where(use = x)", "compares with text"),
            ("Patient name", "`.` is missing"),
            (
                "Patient.name.where(use = 'a' or use = 'b')",
                "`)` is missing",
            ),
        ] {
            let refused = parse(path).unwrap_err();
            assert!(refused.contains(words), "{path}: {refused}");
        }
        assert!(parse(&"a.".repeat(600)).is_err());
    }
}
