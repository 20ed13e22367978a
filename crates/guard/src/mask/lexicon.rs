//! What words usually are. Lists and their sources: docs/decisions/0016-masking.md.

use std::collections::HashMap;

/// The lists that a word can be on; the folder `words` has a file for each.
#[derive(Debug, Clone, Copy)]
pub(crate) enum List {
    /// What a person does or what happens to one: `Anna was`.
    Acts,
    /// Cities, worldwide.
    Cities,
    /// Words of the language.
    Common,
    /// Departments, and places inside a house.
    Departments,
    /// People whose name became a disease, a sign, an instrument or an operation.
    Eponyms,
    /// Given names.
    Firsts,
    /// What follows an eponym that is no person: `Foley catheter`, `Murphy sign`.
    Heads,
    /// Hospitals and universities that are named without saying what they are.
    Houses,
    /// Words of medicine.
    Medical,
    /// Words that stand before a name without being part of it.
    Openers,
    /// Words that begin with a capital and name no person: peoples, languages, weekdays, makers.
    Proper,
    /// What somebody is to the patient: `her daughter Amanda`.
    Relations,
    /// States; they may stay (45 CFR 164.514(b)(2)(i)(B)).
    States,
    /// Family names.
    Surnames,
    /// Titles before a name.
    Titles,
    /// What is done with an instrument: `Foley was placed`.
    Uses,
    /// What is done in or with a place: `seen at`.
    Visits,
}

const LISTS: [(List, &str); 17] = [
    (List::Acts, include_str!("words/acts.txt")),
    (List::Cities, include_str!("words/cities.txt")),
    (List::Common, include_str!("words/common.txt")),
    (List::Departments, include_str!("words/departments.txt")),
    (List::Eponyms, include_str!("words/eponyms.txt")),
    (List::Firsts, include_str!("words/firsts.txt")),
    (List::Heads, include_str!("words/heads.txt")),
    (List::Houses, include_str!("words/houses.txt")),
    (List::Medical, include_str!("words/medical.txt")),
    (List::Openers, include_str!("words/openers.txt")),
    (List::Proper, include_str!("words/proper.txt")),
    (List::Relations, include_str!("words/relations.txt")),
    (List::States, include_str!("words/states.txt")),
    (List::Surnames, include_str!("words/surnames.txt")),
    (List::Titles, include_str!("words/titles.txt")),
    (List::Uses, include_str!("words/uses.txt")),
    (List::Visits, include_str!("words/visits.txt")),
];

/// The word lists, read once.
#[derive(Debug)]
pub(crate) struct Lexicon {
    /// For each word a bit for each list it is on.
    lists: HashMap<&'static str, u32>,
    /// Endings of anatomy, diseases, operations and of generic drug names (WHO stems).
    endings: Vec<&'static str>,
    nicknames: HashMap<&'static str, Vec<&'static str>>,
}

impl Lexicon {
    pub(crate) fn new() -> Lexicon {
        let mut lists: HashMap<&'static str, u32> = HashMap::new();
        for (list, words) in LISTS {
            for word in words.lines() {
                *lists.entry(word).or_default() |= bit(list);
            }
        }
        Lexicon {
            lists,
            endings: include_str!("words/endings.txt").lines().collect(),
            nicknames: nicknames(include_str!("words/nicknames.txt")),
        }
    }

    /// Whether a word, in small letters, is on a list.
    pub(crate) fn on(&self, list: List, small: &str) -> bool {
        self.bits(small) & bit(list) != 0
    }

    fn bits(&self, small: &str) -> u32 {
        self.lists.get(small).copied().unwrap_or_default()
    }

    /// A word of the language or of medicine, in small letters. What is also a name must be on a
    /// list itself: `James` is no form of `jam`.
    pub(crate) fn is_word(&self, small: &str) -> bool {
        self.is_common(small) || self.is_medical(small) || self.on(List::Proper, small)
    }

    pub(crate) fn is_common(&self, small: &str) -> bool {
        self.on(List::Common, small) || (!self.is_name(small) && self.common_by_its_stem(small))
    }

    /// A word, or a form of one, even if it is also a name: `Banks`.
    pub(crate) fn may_be_word(&self, small: &str) -> bool {
        self.is_word(small) || self.common_by_its_stem(small)
    }

    /// A given name or a family name.
    pub(crate) fn is_name(&self, small: &str) -> bool {
        self.bits(small) & (bit(List::Firsts) | bit(List::Surnames)) != 0
    }

    pub(crate) fn is_medical(&self, small: &str) -> bool {
        let plural = small.strip_suffix('s').unwrap_or(small);
        let ends = || self.endings.iter().any(|ending| plural.ends_with(ending));
        self.on(List::Medical, small)
            || self.on(List::Medical, plural)
            || (small.len() > 5 && !self.is_name(small) && ends())
    }

    /// One of the heads, or several of it.
    pub(crate) fn is_head(&self, small: &str) -> bool {
        self.on(List::Heads, small)
            || small
                .strip_suffix('s')
                .is_some_and(|one| self.on(List::Heads, one))
    }

    /// What somebody of that name is called too.
    pub(crate) fn nicknames(&self, given: &str) -> &[&'static str] {
        self.nicknames.get(given).map_or(&[], Vec::as_slice)
    }

    fn common_by_its_stem(&self, small: &str) -> bool {
        STEMS.iter().any(|&(tail, put)| {
            let Some(stem) = small.strip_suffix(tail).filter(|stem| stem.len() > 2) else {
                return false;
            };
            match put {
                "" => self.on(List::Common, stem) || self.doubled(stem, tail),
                put => self.on(List::Common, &format!("{stem}{put}")),
            }
        })
    }

    /// `stopped`, `planning`: the list has `stop` and `plan`.
    fn doubled(&self, stem: &str, tail: &str) -> bool {
        let mut letters = stem.chars().rev();
        let twice = letters
            .next()
            .is_some_and(|last| letters.next() == Some(last));
        let single = stem.get(..stem.len().saturating_sub(1)).unwrap_or_default();
        matches!(tail, "ed" | "ing" | "er") && twice && self.on(List::Common, single)
    }
}

const fn bit(list: List) -> u32 {
    1 << list as u32
}

/// Both ways: a Mike may be a Michael on another page.
fn nicknames(text: &'static str) -> HashMap<&'static str, Vec<&'static str>> {
    let mut table: HashMap<&'static str, Vec<&'static str>> = HashMap::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let Some(full) = words.next() else { continue };
        for short in words {
            table.entry(full).or_default().push(short);
            table.entry(short).or_default().push(full);
        }
    }
    table
}

/// (ending, what the list has in its place)
const STEMS: [(&str, &str); 18] = [
    ("s", ""),
    ("es", ""),
    ("ed", ""),
    ("ed", "e"),
    ("d", ""),
    ("ing", ""),
    ("ing", "e"),
    ("ly", ""),
    ("ly", "e"),
    ("ies", "y"),
    ("ied", "y"),
    ("ier", "y"),
    ("ily", "y"),
    ("er", ""),
    ("er", "e"),
    ("ers", ""),
    ("ers", "e"),
    ("ness", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_small() {
        for (list, words) in LISTS {
            assert!(words.lines().is_sorted(), "{list:?}");
        }
        let sizes = LISTS.iter().map(|(_, words)| words.len());
        assert!(sizes.sum::<usize>() < 600_000);
    }

    #[test]
    fn words_are_known_by_their_stems_and_endings() {
        let lexicon = Lexicon::new();
        for word in [
            "guidelines",
            "stopped",
            "managing",
            "pancreatectomy",
            "apixaban",
            "denies",
        ] {
            assert!(lexicon.is_word(word), "{word}");
        }
        for name in ["hampton", "nguyen", "setty", "korpal", "james", "thomas"] {
            assert!(!lexicon.is_word(name), "{name}");
        }
        assert!(lexicon.may_be_word("banks") && lexicon.is_head("catheters"));
    }
}
