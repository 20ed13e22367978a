//! Places smaller than a state: cities, and what is visited.

use super::addresses::Addresses;
use super::lexicon::{Lexicon, List};
use super::span::{Kind, Span};
use super::terms::month;
use super::words::{Shape, Text};

/// Looks for places in one text.
pub(crate) struct Places<'a> {
    pub(crate) text: &'a Text,
    pub(crate) lexicon: &'a Lexicon,
    pub(crate) spans: &'a mut Vec<Span>,
}

impl Places<'_> {
    pub(crate) fn find(&mut self, addresses: &Addresses) {
        addresses.find(self.text.source(), self.spans);
        for index in 0..self.text.words.len() {
            self.facility(index);
            self.named_first(index);
            self.saint(index);
            self.house(index);
            self.city(index);
            self.visited(index);
        }
    }

    pub(crate) fn keep(&mut self, first: usize, last: usize) {
        self.spans
            .push(Span::new(self.text.span(first, last), Kind::Place));
    }

    pub(crate) fn capital(&self, index: usize) -> bool {
        matches!(self.text.shape(index), Some(Shape::Capital | Shape::Upper))
    }

    /// What firms named after saints and cities make.
    pub(crate) fn is_device(&self, index: usize) -> bool {
        let small = self.text.small(index);
        matches!(
            small,
            "valve"
                | "valves"
                | "prosthesis"
                | "pacemaker"
                | "lead"
                | "leads"
                | "device"
                | "bioprosthesis"
                | "generator"
                | "defibrillator"
        ) || self.lexicon.is_head(small)
    }

    /// `Chicago`, `Los Angeles, CA`, `Boston, MA`.
    fn city(&mut self, index: usize) {
        let text = self.text;
        if text.shape(index) != Some(Shape::Capital) || text.written(index).len() < 3 {
            return;
        }
        let (one, two) = (text.small(index), self.two(index));
        let pair = self.lexicon.on(List::Cities, &two)
            && text.shape(index + 1) == Some(Shape::Capital)
            && text.gap(index) == " ";
        let last = index + usize::from(pair);
        let stated = self.with_state(last) > last && text.gap(last).contains(',');
        let known = self.lexicon.on(List::Cities, one) || pair;
        if !known && !stated {
            return;
        }
        let cued = index
            .checked_sub(1)
            .is_some_and(|before| is_place_cue(text.small(before)) && text.gap(before) == " ");
        let people = self.lexicon.on(List::Eponyms, one)
            || self.lexicon.on(List::Surnames, one)
            || self.lexicon.on(List::Firsts, one);
        let word = self.lexicon.is_word(one) && !pair;
        let thing = (last + 1..last + 3).any(|at| self.is_device(at)) || text.gap(last) == "-";
        let coded = index.checked_sub(1).is_some_and(|before| {
            text.shape(before) == Some(Shape::Digits) && matches!(text.written(before).len(), 4 | 5)
        });
        let listed =
            text.gap_before(index).ends_with([',', '(']) || text.gap_before(index).ends_with(", ");
        let sure = known && (cued || pair || coded || (listed && !people)) && !word && !thing;
        if sure || (stated && (known || !self.lexicon.is_word(one)) && month(one).is_none()) {
            self.keep(index, self.with_state(last));
        }
    }

    /// `seen at Cedar Crest`, `admitted to UCSF`, `lives in Dunntown`, `from Raleigh`.
    fn visited(&mut self, index: usize) {
        let text = self.text;
        let small = text.small(index);
        if !matches!(
            small,
            "at" | "to" | "in" | "from" | "visited" | "near" | "by" | "via"
        ) || text.gap(index) != " "
        {
            return;
        }
        let mut first = index + 1;
        while matches!(text.small(first), "our" | "the" | "a") {
            first += 1;
        }
        let last = self.proper(first);
        let Some(last) = last else { return };
        let moved = (1..=4).any(|back| {
            index
                .checked_sub(back)
                .is_some_and(|at| self.lexicon.on(List::Visits, text.small(at)))
        });
        let unknown = (first..=last).any(|at| !self.lexicon.is_word(text.small(at)));
        let acronym = text.shape(first) == Some(Shape::Upper) && text.written(first).len() < 4;
        let site = matches!(
            text.small(last + 1),
            "clinic"
                | "hospital"
                | "office"
                | "campus"
                | "branch"
                | "center"
                | "location"
                | "facility"
                | "site"
        ) && text.gap(last) == " ";
        let general = last > first
            && matches!(
                text.small(last),
                "general"
                    | "memorial"
                    | "regional"
                    | "methodist"
                    | "baptist"
                    | "presbyterian"
                    | "mercy"
                    | "county"
                    | "sinai"
                    | "lutheran"
                    | "adventist"
            );
        let fits = match small {
            _ if general && !text.begins(first) => true,
            "at" => moved && (unknown || last > first) && !acronym,
            "visited" => unknown,
            "to" | "by" | "via" => {
                moved
                    && unknown
                    && !acronym
                    && (site || text.shape(first) == Some(Shape::Upper) || last > first)
            }
            _ => (moved && unknown && !acronym) || (site && unknown),
        };
        let thing = self.lexicon.on(List::Eponyms, text.small(last))
            && self.lexicon.is_head(text.small(last + 1));
        let people = self.lexicon.on(List::Firsts, text.small(first)) && small != "at";
        if fits && !thing && !people && !self.lexicon.on(List::States, text.small(first)) {
            self.keep(first, self.with_state(last));
        }
    }

    /// The last of the words in capitals that begin here, none of them a department or a drug.
    fn proper(&self, first: usize) -> Option<usize> {
        let text = self.text;
        let fits = |at: usize| {
            let small = text.small(at);
            self.capital(at)
                && text.written(at).len() > 1
                && month(small).is_none()
                && !self.lexicon.is_medical(small)
                && !self.lexicon.on(List::Departments, small)
                && !self.lexicon.on(List::Openers, small)
        };
        if !fits(first)
            || self.lexicon.on(List::Eponyms, text.small(first))
                && self.lexicon.is_head(text.small(first + 1))
        {
            return None;
        }
        let mut last = first;
        while last - first < 4
            && matches!(text.gap(last), " " | "-" | "'")
            && (fits(last + 1) || text.written(last + 1) == "s")
        {
            last += 1;
        }
        Some(last)
    }
}

fn is_place_cue(small: &str) -> bool {
    matches!(
        small,
        "in" | "from"
            | "at"
            | "near"
            | "to"
            | "of"
            | "our"
            | "outside"
            | "around"
            | "via"
            | "visiting"
            | "visited"
    )
}
