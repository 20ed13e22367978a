//! Names of hospitals, clinics, practices and universities.

use super::lexicon::List;
use super::places::Places;
use super::terms::{Cue, is_particle, is_state, month};
use super::words::Shape;

/// The most words of a facility's name.
const FACILITY_WORDS_MAX: usize = 8;

impl Places<'_> {
    /// `Waters Clinic`, `University of Chicago Hospital`, `our Boston clinic`.
    pub(crate) fn facility(&mut self, index: usize) {
        let small = self.text.small(index);
        let Some(cue) = facility_word(small) else {
            return;
        };
        let certain = cue == Cue::Strong;
        let written = self.capital(index);
        if !written && !certain {
            return;
        }
        let first = self.facility_start(index);
        if first == index {
            return;
        }
        // A society of a discipline is no place.
        let discipline = !certain && self.lexicon.is_medical(small);
        if discipline && index.checked_sub(1).is_some_and(|at| !self.capital(at)) {
            return;
        }
        let certain = written && (certain || self.is_medical_center(index, first));
        let cue = if certain { Cue::Strong } else { Cue::Weak };
        let telling = (first..index).any(|at| self.tells(at, cue));
        if telling {
            let last = self.facility_end(index);
            self.keep(first, if written { last } else { index - 1 });
        }
    }

    /// `White Plains Medical Center`: three words say enough even if all are words of the language.
    fn is_medical_center(&self, index: usize, first: usize) -> bool {
        let kind = index.checked_sub(1).map(|before| self.text.small(before));
        let center = matches!(self.text.small(index), "center" | "centre" | "ctr");
        let kinds = [
            "medical",
            "med",
            "health",
            "cancer",
            "heart",
            "surgical",
            "surgery",
            "trauma",
            "care",
            "community",
        ];
        center && kind.is_some_and(|kind| kinds.contains(&kind)) && index - first > 1
    }

    /// Whether a word before `Clinic` names one: not `Pain Clinic` in a heading's capitals.
    fn tells(&self, index: usize, cue: Cue) -> bool {
        let small = self.text.small(index);
        let joint =
            is_particle(small) || matches!(small, "of" | "and" | "the" | "at" | "for" | "s");
        let word = self.lexicon.is_word(small);
        match cue {
            Cue::Strong => {
                !joint && self.capital(index) && !self.lexicon.on(List::Departments, small)
            }
            Cue::Weak => {
                !word
                    || self.lexicon.on(List::Cities, small)
                    || self.lexicon.on(List::States, small)
            }
        }
    }

    /// The first word of a name that ends before a word like `Hospital`.
    fn facility_start(&self, index: usize) -> usize {
        let text = self.text;
        let mut first = index;
        let mut at = index;
        while at > 0 && index - at < FACILITY_WORDS_MAX {
            let before = at - 1;
            let gap = text.gap(before);
            let small = text.small(before);
            let dotted =
                gap == ". " && matches!(small, "st" | "mt" | "med" | "ft" | "gen" | "univ" | "mem");
            if !(matches!(gap, " " | "-" | "'" | " & ") || dotted)
                || month(small).is_some() && self.text.shape(before) != Some(Shape::Capital)
            {
                break;
            }
            let joint = matches!(
                small,
                "of" | "and" | "the" | "s" | "de" | "la" | "del" | "for"
            );
            let opens = text.begins(before)
                && self.lexicon.is_common(small)
                && !self.lexicon.on(List::Cities, small);
            if self.capital(before) && !opens && !self.lexicon.on(List::Openers, small) {
                first = before;
            } else if !joint || (small == "the" && first != at) {
                break;
            }
            at = before;
        }
        first
    }

    /// `Hospital of Atlanta`, `Medical Center, Boston`, `Hospital in Baltimore`.
    fn facility_end(&self, index: usize) -> usize {
        let text = self.text;
        let mut last = index;
        while facility_word(text.small(last + 1)).is_some()
            && self.capital(last + 1)
            && text.gap(last) == " "
        {
            last += 1;
        }
        let joint = matches!(text.small(last + 1), "of" | "in" | "at")
            && text.gap(last) == " "
            && text.gap(last + 1) == " ";
        let next = match joint {
            true => last + 2,
            false => last + 1,
        };
        let near = joint || matches!(text.gap(last), " " | ", ");
        let small = text.small(next);
        let place = self.capital(next)
            && (!self.lexicon.is_word(small) || self.lexicon.on(List::Cities, small));
        let known = joint
            || self.lexicon.on(List::Cities, small)
            || self.lexicon.on(List::Cities, &self.two(next));
        if near && place && known && month(small).is_none() {
            last = next;
            if self.lexicon.on(List::Cities, &self.two(next)) {
                last += 1;
            }
        }
        self.with_state(last)
    }

    pub(crate) fn two(&self, index: usize) -> String {
        format!("{} {}", self.text.small(index), self.text.small(index + 1))
    }

    pub(crate) fn with_state(&self, last: usize) -> usize {
        let state = is_state(self.text.written(last + 1))
            && matches!(self.text.gap(last), ", " | " " | ",");
        last + usize::from(state)
    }

    /// `Hospital Universitario La Paz`, `University of Chicago`, `Klinikum Nord`.
    pub(crate) fn named_first(&mut self, index: usize) {
        let text = self.text;
        let small = text.small(index);
        let head = matches!(
            small,
            "hospital"
                | "university"
                | "universitatsklinikum"
                | "klinikum"
                | "clinica"
                | "complejo"
                | "centro"
                | "hopital"
                | "ospedale"
                | "college"
                | "chu"
        );
        if !head || !self.capital(index) {
            return;
        }
        let mut last = index;
        let mut named = false;
        for next in index + 1..index + FACILITY_WORDS_MAX {
            let small = text.small(next);
            if text.gap(next - 1) != " " {
                break;
            }
            if self.capital(next) && month(small).is_none() {
                named =
                    named || !self.lexicon.is_word(small) || self.lexicon.on(List::Cities, small);
                last = next;
            } else if !matches!(
                small,
                "of" | "de" | "la" | "del" | "at" | "di" | "da" | "do" | "el" | "los" | "las"
            ) {
                break;
            }
        }
        if named && last > index {
            self.keep(index, last);
        }
    }

    /// `St. Luke's`, `Mount Sinai`.
    pub(crate) fn saint(&mut self, index: usize) {
        let text = self.text;
        let head = matches!(
            text.small(index),
            "st" | "saint" | "mount" | "mt" | "fort" | "ft"
        ) && self.capital(index);
        let next = index + 1;
        let near = matches!(text.gap(index), " " | ". " | ".");
        let device = (next + 1..next + 4).any(|at| self.is_device(at));
        if head
            && near
            && self.capital(next)
            && !device
            && text.written(next).len() > 2
            && !self.lexicon.is_medical(text.small(next))
        {
            let owned = text.small(next + 1) == "s" && text.gap(next) == "'";
            self.keep(index, next + usize::from(owned));
        }
    }

    /// Hospitals that are known by a short name.
    pub(crate) fn house(&mut self, index: usize) {
        if !self.capital(index) {
            return;
        }
        let one = self.text.small(index);
        let two = self.two(index);
        let thing = self.lexicon.is_head(self.text.small(index + 1))
            || self.lexicon.is_head(self.text.small(index + 2));
        if self.lexicon.on(List::Houses, &two)
            && self.capital(index + 1)
            && !self.lexicon.is_head(self.text.small(index + 2))
        {
            self.keep(index, index + 1);
        } else if self.lexicon.on(List::Houses, one) && !thing {
            self.keep(index, index);
        }
    }
}

/// Whether a word ends the name of a facility; a weak one: only if the words before it say so.
fn facility_word(small: &str) -> Option<Cue> {
    match small {
        "hospital" | "hospitals" | "clinic" | "clinics" | "infirmary" | "hosp" | "hospice"
        | "sanatorium" | "polyclinic" => Some(Cue::Strong),
        "center" | "centre" | "ctr" | "health" | "healthcare" | "institute" | "university"
        | "practice" | "college" | "medical" | "med" | "school" | "associates" | "pharmacy"
        | "laboratory" | "laboratories" | "physicians" | "partners" | "foundation" | "campus"
        | "office" | "branch" | "manor" | "lodge" | "rehab" | "rehabilitation" | "urology"
        | "oncology" | "neurology" | "cardiology" | "orthopedics" | "pediatrics" | "surgery"
        | "dermatology" | "radiology" => Some(Cue::Weak),
        _ => None,
    }
}
