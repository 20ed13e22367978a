use std::fmt;

use super::super::{Message, Part};
use super::Path;
use super::token::Tokens;

/// Texts in one list.
const TEXTS_MAX: usize = 1_000;

/// What a message must say: `PV1-2 = "I"`, `PV1-3.1 in ("ICU", "IMC")`, `OBX-3.1 begins with "28"`,
/// `PID-19 is empty`, and `!=`, `not in`, `is not empty`.
///
/// If a path means several places, one of them is enough, and `!=`, `not in` and `is empty` must
/// hold of all. A place that is compared is its first component and subcomponent, as text; it is empty
/// if nothing but `""` stands in any part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    written: String,
    path: Path,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Begins(String),
    Empty,
    NotEmpty,
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn parse(written: &str) -> Result<Condition, String> {
        let read = || {
            let mut tokens = Tokens::of(written)?;
            let path = Path::field(&tokens.word("a place in a message")?)?;
            let test = test(&mut tokens)?;
            tokens.end()?;
            Ok((path, test))
        };
        let (path, test) = read().map_err(|why: String| format!("`{written}`: {why}"))?;
        Ok(Condition {
            written: written.to_owned(),
            path,
            test,
        })
    }

    /// Whether it holds.
    pub fn holds(&self, message: &Message<'_>) -> bool {
        let parts = self.path.parts(message);
        let says = |texts: &[String]| {
            let said = parts.iter().filter_map(Part::string);
            said.into_iter().any(|said| texts.contains(&said))
        };
        match &self.test {
            Test::In(texts) => says(texts),
            Test::NotIn(texts) => !says(texts),
            Test::Begins(text) => {
                let mut said = parts.iter().filter_map(Part::string);
                said.any(|said| said.starts_with(text))
            }
            Test::Empty => parts.iter().all(Part::is_empty),
            Test::NotEmpty => !parts.iter().all(Part::is_empty),
        }
    }
}

fn test(tokens: &mut Tokens) -> Result<Test, String> {
    let sign = tokens.word("a comparison")?;
    match sign.as_str() {
        "=" => Ok(Test::In(vec![tokens.text()?])),
        "!=" => Ok(Test::NotIn(vec![tokens.text()?])),
        "in" => Ok(Test::In(list(tokens)?)),
        "not" => {
            tokens.expect(&["in"])?;
            Ok(Test::NotIn(list(tokens)?))
        }
        "begins" => {
            tokens.expect(&["with"])?;
            Ok(Test::Begins(tokens.text()?))
        }
        "is" => {
            let not = tokens.has("not");
            tokens.expect(&["empty"])?;
            Ok(if not { Test::NotEmpty } else { Test::Empty })
        }
        _ => Err(format!(
            "`{sign}` is no comparison; there are `=`, `!=`, `in`, `not in`, `begins with`, \
             `is empty` and `is not empty`"
        )),
    }
}

fn list(tokens: &mut Tokens) -> Result<Vec<String>, String> {
    tokens.expect(&["("])?;
    let mut texts = vec![tokens.text()?];
    while tokens.has(",") {
        texts.push(tokens.text()?);
        if texts.len() > TEXTS_MAX {
            return Err(format!("a list has at most {TEXTS_MAX} texts"));
        }
    }
    tokens.expect(&[")"])?;
    Ok(texts)
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}
