use std::collections::HashMap;
use std::sync::Arc;

/// Numbers for the few names that stand in every row: types and feeds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    numbers: HashMap<Arc<str>, i64>,
    texts: Vec<Arc<str>>,
}

impl Words {
    /// From the table's rows in the order of their numbers, which begin at 1 and leave none out.
    pub(crate) fn from_rows(texts: impl IntoIterator<Item = String>) -> Words {
        let mut words = Words::default();
        for text in texts {
            words.add(&text);
        }
        words
    }

    /// Every number with its text.
    pub(crate) fn all(&self) -> impl Iterator<Item = (i64, &str)> {
        (1..).zip(self.texts.iter().map(AsRef::as_ref))
    }

    /// The last number that was given.
    pub(crate) fn count(&self) -> i64 {
        i64::try_from(self.texts.len()).unwrap_or(i64::MAX)
    }

    pub(crate) fn number(&self, text: &str) -> Option<i64> {
        self.numbers.get(text).copied()
    }

    /// The text of a number; empty for one that was never given.
    pub(crate) fn text(&self, number: i64) -> &str {
        let place = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        place
            .and_then(|place| self.texts.get(place))
            .map(AsRef::as_ref)
            .unwrap_or_default()
    }

    /// The number of a text, and whether it is a new one.
    pub(crate) fn add(&mut self, text: &str) -> (i64, Option<i64>) {
        if let Some(number) = self.number(text) {
            return (number, None);
        }
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        let number = i64::try_from(self.texts.len()).unwrap_or(i64::MAX);
        self.numbers.insert(text, number);
        (number, Some(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_at_one_and_stay() {
        let mut words = Words::from_rows(["Patient".to_owned()]);
        assert_eq!(words.add("Patient"), (1, None));
        assert_eq!(words.add("lab"), (2, Some(2)));
        assert_eq!(words.text(2), "lab");
        assert_eq!(words.text(0), "");
        assert_eq!(words.number("x"), None);
    }
}
