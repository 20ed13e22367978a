//! Words, and texts in quotes.

use std::fmt;

/// Characters in one rule.
const RULE_CHARACTERS_MAX: usize = 2_000;

/// A piece of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, a path or a sign, as it stands there.
    Word(String),
    /// What stands between quotes; a quote within is written twice.
    Text(String),
}

/// The pieces of a rule.
pub(super) struct Tokens(std::vec::IntoIter<Token>);

impl Tokens {
    pub(super) fn of(rule: &str) -> Result<Tokens, String> {
        if rule.chars().count() > RULE_CHARACTERS_MAX {
            return Err(format!(
                "a rule has at most {RULE_CHARACTERS_MAX} characters"
            ));
        }
        if rule.chars().any(char::is_control) {
            return Err(format!(
                "`{}` holds a control character",
                rule.escape_debug()
            ));
        }
        let (mut found, mut rest) = (Vec::new(), rest_of(rule));
        while let Some(first) = rest.chars().next() {
            let (token, after) = match first {
                '"' => text(rest)?,
                '(' | ')' | ',' => (Token::Word(first.to_string()), rest.split_at(1).1),
                _ => word(rest),
            };
            found.push(token);
            rest = rest_of(after);
        }
        Ok(Tokens(found.into_iter()))
    }

    pub(super) fn word(&mut self, what: &str) -> Result<String, String> {
        match self.0.next() {
            Some(Token::Word(word)) => Ok(word),
            Some(Token::Text(text)) => Err(format!("{what} is missing before `{}`", quoted(&text))),
            None => Err(format!("{what} is missing at the end")),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, String> {
        match self.0.next() {
            Some(Token::Text(text)) => Ok(text),
            Some(Token::Word(word)) => Err(format!("`{word}`: a text stands in double quotes")),
            None => Err("a text in double quotes is missing at the end".to_owned()),
        }
    }

    /// Takes these words, one after the other.
    pub(super) fn expect(&mut self, words: &[&str]) -> Result<(), String> {
        for wanted in words {
            let found = self.word(&format!("`{wanted}`"))?;
            if found != *wanted {
                return Err(format!("`{found}`: here `{wanted}` is meant to stand"));
            }
        }
        Ok(())
    }

    /// Takes this word if it comes next.
    pub(super) fn has(&mut self, wanted: &str) -> bool {
        let next = self.0.as_slice().first();
        let there = matches!(next, Some(Token::Word(word)) if word == wanted);
        if there {
            self.0.next();
        }
        there
    }

    pub(super) fn end(mut self) -> Result<(), String> {
        match self.0.next() {
            None => Ok(()),
            Some(Token::Word(word)) => Err(format!("`{word}` is too much")),
            Some(Token::Text(text)) => Err(format!("`{}` is too much", quoted(&text))),
        }
    }
}

fn rest_of(rule: &str) -> &str {
    rule.trim_start_matches(' ')
}

fn word(rest: &str) -> (Token, &str) {
    let ends = |letter: char| matches!(letter, ' ' | '"' | '(' | ')' | ',');
    let end = rest.find(ends).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    (Token::Word(word.to_owned()), after)
}

fn text(rest: &str) -> Result<(Token, &str), String> {
    let (mut found, mut rest) = (String::new(), rest.strip_prefix('"').unwrap_or(rest));
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err(format!("the quotes of `\"{rest}` are not closed"));
        };
        found.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                found.push('"');
                rest = after;
            }
            None => return Ok((Token::Text(found), after)),
        }
    }
}

/// A text as it is written in a rule.
pub(super) fn quoted(text: &str) -> impl fmt::Display {
    format!("\"{}\"", text.replace('"', "\"\""))
}
