//! Where a longer answer goes on. A token holds no content, only two row numbers.

use crate::ChartError;
use crate::error::Outcome;

/// The snapshot that all pages of one answer are of, and how far they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// The newest row when the first page was read: what came later is on no page.
    pub(crate) snapshot: i64,
    /// A row, or a number of matches to leave out: what the answer counts by.
    pub(crate) after: i64,
}

impl Token {
    pub(crate) fn text(self) -> String {
        format!("{:x}-{:x}", self.snapshot, self.after)
    }

    pub(crate) fn read(text: &str) -> Outcome<Token> {
        let number = |text| i64::from_str_radix(text, 16).ok().filter(|n| *n >= 0);
        let parts = text.split_once('-');
        parts
            .and_then(|(snapshot, after)| {
                Some(Token {
                    snapshot: number(snapshot)?,
                    after: number(after)?,
                })
            })
            .ok_or_else(|| ChartError::BadPage(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        let token = Token {
            snapshot: 255,
            after: 16,
        };
        assert_eq!(token.text(), "ff-10");
        assert_eq!(Token::read("ff-10").unwrap(), token);
        for bad in ["", "1", "1-", "x-1", "-1-1", "1--1", "fffffffffffffffff-1"] {
            assert!(Token::read(bad).is_err(), "{bad}");
        }
    }
}
