//! Places smaller than a state: facilities, street addresses, cities.

use regex::Regex;

use super::MaskError;
use super::lexicon::{Lexicon, is_eponym_head, is_particle, is_state, is_state_name, month};
use super::span::{Kind, Span};
use super::words::{Shape, Text};

/// The most words of a facility's name.
const FACILITY_WORDS_MAX: usize = 8;

/// The forms of addresses, compiled once.
#[derive(Debug)]
pub(crate) struct Addresses {
    forms: Vec<Regex>,
}

impl Addresses {
    pub(crate) fn new() -> Result<Addresses, MaskError> {
        let forms = ADDRESSES.iter().map(|pattern| {
            let pattern = pattern
                .replace("SUFFIX", SUFFIX)
                .replace("UNIT", UNIT)
                .replace("CITY", CITY)
                .replace("{B}", r"(?-u:\b)");
            Regex::new(&pattern).map_err(MaskError::pattern)
        });
        Ok(Addresses {
            forms: forms.collect::<Result<_, _>>()?,
        })
    }
}

/// After USPS Publication 28, appendix C1, with the commonest abroad.
const SUFFIX: &str = "(?:Alley|Aly|Anex|Arcade|Avenue|Ave?|Bayou|Beach|Bend|Bluffs?|Blvd|Boulevard|Bottom|Branch|Bridge|Brooks?|Burgs?|Bypass|Camp|Canyon|Cape|Causeway|Centers?|Centre|Circles?|Cir|Cliffs?|Close|Club|Common|Corners?|Courts?|Ct|Coves?|Creek|Crescent|Cres|Crest|Crossing|Crossroad|Curve|Dale|Dam|Divide|Drives?|Dr|Estates?|Expressway|Expy|Extensions?|Falls?|Ferry|Fields?|Flats?|Fords?|Forest|Forges?|Forks?|Fort|Freeway|Gardens?|Gateway|Glens?|Greens?|Groves?|Harbors?|Haven|Heights|Highway|Hwy|Hills?|Hollow|Inlet|Islands?|Isle|Junctions?|Keys?|Knolls?|Lakes?|Land|Landing|Lane|Ln|Lights?|Loaf|Locks?|Lodge|Loop|Mall|Manors?|Meadows?|Mews|Mills?|Mission|Motorway|Mountains?|Mount|Neck|Orchard|Oval|Overpass|Parks?|Parkways?|Pkwy|Pass|Passage|Path|Pike|Pines?|Places?|Pl|Plains?|Plaza|Points?|Ports?|Prairie|Radial|Ramp|Ranch|Rapids?|Rest|Ridges?|River|Roads?|Rd|Route|Row|Rue|Run|Shoals?|Shores?|Skyway|Springs?|Spurs?|Squares?|Sq|Station|Stravenue|Stream|Streets?|Str?|Summit|Terrace|Ter|Throughway|Trace|Track|Trafficway|Trail|Trailer|Tunnel|Turnpike|Underpass|Unions?|Valleys?|Viaduct|Views?|Villages?|Ville|Vista|Walks?|Wall|Way|Ways|Wells?)";
const UNIT: &str = r"(?:,? ?(?:Apt|Apartment|Suite|Ste|Unit|Room|Rm|Floor|Fl|Building|Bldg|#)\.? ?#?[A-Za-z]?[0-9]*[A-Za-z]?{B})";
const CITY: &str = r"(?:[A-Z][\w'.-]*(?: [A-Z][\w'.-]*){0,3})";

const ADDRESSES: [&str; 12] = [
    // 622 Smith Point Apt. 4, Dunntown, WI 80066
    r"{B}[0-9]{1,6}[A-Za-z]?(?:-[0-9]{1,4})? (?:[NSEW]\.? |North |South |East |West )?(?:[0-9]{1,3}(?:st|nd|rd|th) |[A-Z][\w'.-]* ){1,4}SUFFIX{B}\.?UNIT?(?:(?:,|\n|, in|,? in)? ?CITY)?(?:,? ?[A-Z]{2}{B})?(?:,? [0-9]{5}(?:-[0-9]{4})?{B})?",
    r"{B}[A-Z][\w'-]+(?: [A-Z][\w'-]*){0,2} (?:Street|Avenue|Ave|Boulevard|Blvd|Road|Lane|Highway){B}",
    r"(?i){B}p\.? ?o\.? ?box [0-9]{1,6}{B}(?:, (?-i:CITY, [A-Z]{2}(?: [0-9]{5})?))?",
    r"{B}CITY, ?[A-Z]{2} [0-9]{5}(?:-[0-9]{4})?{B}",
    r"(?i){B}(?:zip|postal|post)(?: ?code)?[ :#]+([0-9]{5}(?:-[0-9]{4})?|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]|[A-Z]{1,2}[0-9][A-Z0-9]? [0-9][A-Z]{2}){B}",
    r"{B}(?:c|C)(?:/|alle |/ )[^\n.;:]{3,50}",
    r"{B}(?:Calle|Avda|Avenida|Av|Plaza|Pza|Paseo|Ctra|Carretera|Via|Rua|Rue|Corso|Piazza|Ronda|Camino|Travesia|Pasaje|Urbanizacion|Glorieta)\.? [^\n.;:]{3,50}",
    r"(?i){B}(?:localidad(?:/ ?provincia)?|provincia|municipio|poblacion|ciudad|city|town|county|village|district|place of birth|birthplace|lugar de nacimiento|wohnort|ort|ville|citta)[ ]*:[ ]*([^\n.;:]{2,60})",
    r"(?i){B}(?:(?:home|mailing|street|current|permanent|residential|postal)? ?address|domicilio|direccion|anschrift|adresse|indirizzo|residence)[ ]*:[ ]*([^\n;:]{3,80})",
    r"(?i){B}(?:c\.?p\.?|plz|cap|zip|codigo postal)[ ]*:[ ]*([0-9]{4,6}(?:-[0-9]{3,4})?){B}|{B}(?:apt|apartment|suite)\.? #?([0-9]{1,5}[a-z]?){B}",
    r"{B}(?:[0-9]{3,6} )?[A-Z]\w+(?:strasse|gade|gatan|vagen|veien|gaten|katu|utca|laan|straat|ring|dreef|stigen|gasse) [0-9]{1,4}{B}",
    r"{B}[A-Z][a-z]+(?:strasse|str\.|weg|platz|gasse|allee|straat|laan|gatan|vagen|gata|katu|vej|utca)(?: [0-9]{1,4}[a-z]?)?{B}",
];

/// Looks for places in one text.
pub(crate) struct Places<'a> {
    pub(crate) text: &'a Text,
    pub(crate) lexicon: &'a Lexicon,
    pub(crate) spans: &'a mut Vec<Span>,
}

impl Places<'_> {
    pub(crate) fn find(&mut self, addresses: &Addresses) {
        for form in &addresses.forms {
            for found in form.captures_iter(self.text.source()) {
                if let Some(group) = found.get(1).or_else(|| found.get(2)).or_else(|| found.get(0)) {
                    self.spans.push(Span::new(group.range(), Kind::Place));
                }
            }
        }
        for index in 0..self.text.words.len() {
            self.facility(index);
            self.named_first(index);
            self.saint(index);
            self.house(index);
            self.city(index);
            self.visited(index);
        }
    }

    fn keep(&mut self, first: usize, last: usize) {
        self.spans.push(Span::new(self.text.span(first, last), Kind::Place));
    }

    fn capital(&self, index: usize) -> bool {
        matches!(self.text.shape(index), Some(Shape::Capital | Shape::Upper))
    }

    /// `Waters Clinic`, `University of Chicago Hospital`, `our Boston clinic`.
    fn facility(&mut self, index: usize) {
        let small = self.text.small(index);
        let Some(certain) = facility_word(small) else {
            return;
        };
        let written = self.capital(index);
        if !written && !certain {
            return;
        }
        let first = self.facility_start(index);
        if first == index {
            return;
        }
        let certain = certain || self.is_medical_center(index, first);
        let telling = (first..index).any(|at| self.tells(at, certain && written));
        if telling {
            let last = self.facility_end(index);
            self.keep(first, if written { last } else { index - 1 });
        }
    }

    /// `White Plains Medical Center`: three words say enough even if all are words of the language.
    fn is_medical_center(&self, index: usize, first: usize) -> bool {
        let kind = index.checked_sub(1).map(|before| self.text.small(before));
        let center = matches!(self.text.small(index), "center" | "centre" | "ctr");
        let kinds = ["medical", "med", "health", "cancer", "heart", "surgical", "surgery", "trauma", "care", "community"];
        center && kind.is_some_and(|kind| kinds.contains(&kind)) && index - first > 1
    }

    /// Whether a word before `Clinic` names one: not `Pain Clinic` in a heading's capitals.
    fn tells(&self, index: usize, certain: bool) -> bool {
        let small = self.text.small(index);
        let joint = is_particle(small) || matches!(small, "of" | "and" | "the" | "at" | "for" | "s");
        let word = self.lexicon.is_word(small);
        match certain {
            true => !joint && self.capital(index) && !is_department(small),
            false => !word || self.lexicon.is_city(small) || is_state_name(small),
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
            let dotted = gap == ". " && matches!(small, "st" | "mt" | "med" | "ft" | "gen" | "univ" | "mem");
            if !(matches!(gap, " " | "-" | "'" | " & ") || dotted) || month(small).is_some() && self.text.shape(before) != Some(Shape::Capital) {
                break;
            }
            let joint = matches!(small, "of" | "and" | "the" | "s" | "de" | "la" | "del" | "for");
            let opens = text.begins(before) && self.lexicon.is_common(small) && !self.lexicon.is_city(small);
            if self.capital(before) && !opens && !is_opener(small) {
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
        while facility_word(text.small(last + 1)).is_some() && self.capital(last + 1) && text.gap(last) == " " {
            last += 1;
        }
        let joint = matches!(text.small(last + 1), "of" | "in" | "at") && text.gap(last) == " " && text.gap(last + 1) == " ";
        let next = match joint {
            true => last + 2,
            false => last + 1,
        };
        let near = joint || matches!(text.gap(last), " " | ", ");
        let small = text.small(next);
        let place = self.capital(next) && (!self.lexicon.is_word(small) || self.lexicon.is_city(small));
        let known = joint || self.lexicon.is_city(small) || self.lexicon.is_city(&self.two(next));
        if near && place && known && month(small).is_none() {
            last = next;
            if self.lexicon.is_city(&self.two(next)) {
                last += 1;
            }
        }
        self.with_state(last)
    }

    fn two(&self, index: usize) -> String {
        format!("{} {}", self.text.small(index), self.text.small(index + 1))
    }

    fn with_state(&self, last: usize) -> usize {
        let state = is_state(self.text.written(last + 1)) && matches!(self.text.gap(last), ", " | " " | ",");
        last + usize::from(state)
    }

    /// `Hospital Universitario La Paz`, `University of Chicago`, `Klinikum Nord`.
    fn named_first(&mut self, index: usize) {
        let text = self.text;
        let small = text.small(index);
        let head = matches!(small, "hospital" | "university" | "universitatsklinikum" | "klinikum" | "clinica" | "complejo" | "centro" | "hopital" | "ospedale" | "college" | "chu");
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
                named = named || !self.lexicon.is_word(small) || self.lexicon.is_city(small);
                last = next;
            } else if !matches!(small, "of" | "de" | "la" | "del" | "at" | "di" | "da" | "do" | "el" | "los" | "las") {
                break;
            }
        }
        if named && last > index {
            self.keep(index, last);
        }
    }

    /// `St. Luke's`, `Mount Sinai`.
    fn saint(&mut self, index: usize) {
        let text = self.text;
        let head = matches!(text.small(index), "st" | "saint" | "mount" | "mt" | "fort" | "ft") && self.capital(index);
        let next = index + 1;
        let near = matches!(text.gap(index), " " | ". " | ".");
        let device = (next + 1..next + 4).any(|at| is_device(text.small(at)));
        if head && near && self.capital(next) && !device && text.written(next).len() > 2 && !self.lexicon.is_medical(text.small(next)) {
            let owned = text.small(next + 1) == "s" && text.gap(next) == "'";
            self.keep(index, next + usize::from(owned));
        }
    }

    /// Hospitals that are known by a short name.
    fn house(&mut self, index: usize) {
        if !self.capital(index) {
            return;
        }
        let one = self.text.small(index);
        let two = self.two(index);
        let thing = is_eponym_head(self.text.small(index + 1)) || is_eponym_head(self.text.small(index + 2));
        if HOUSES.contains(&two.as_str()) && self.capital(index + 1) && !is_eponym_head(self.text.small(index + 2)) {
            self.keep(index, index + 1);
        } else if HOUSES.contains(&one) && !thing {
            self.keep(index, index);
        }
    }

    /// `Chicago`, `Los Angeles, CA`, `Boston, MA`.
    fn city(&mut self, index: usize) {
        let text = self.text;
        if text.shape(index) != Some(Shape::Capital) || text.written(index).len() < 3 {
            return;
        }
        let (one, two) = (text.small(index), self.two(index));
        let pair = self.lexicon.is_city(&two) && text.shape(index + 1) == Some(Shape::Capital) && text.gap(index) == " ";
        let last = index + usize::from(pair);
        let stated = self.with_state(last) > last && text.gap(last).contains(',');
        let cued = index.checked_sub(1).is_some_and(|before| is_place_cue(text.small(before)) && text.gap(before) == " ");
        let known = self.lexicon.is_city(one) || pair;
        let people = self.lexicon.is_eponym(one) || self.lexicon.is_surname(one) || self.lexicon.is_first(one);
        let word = self.lexicon.is_word(one) && !pair;
        let thing = (last + 1..last + 3).any(|at| is_device(text.small(at))) || text.gap(last) == "-";
        let coded = index.checked_sub(1).is_some_and(|before| text.shape(before) == Some(Shape::Digits) && matches!(text.written(before).len(), 4 | 5));
        let listed = text.gap_before(index).ends_with([',', '(']) || text.gap_before(index).ends_with(", ");
        let sure = known && (cued || pair || coded || (listed && !people)) && !word && !thing;
        if sure || (stated && (known || !self.lexicon.is_word(one)) && month(one).is_none()) {
            self.keep(index, self.with_state(last));
        }
    }

    /// `seen at Cedar Crest`, `admitted to UCSF`, `lives in Dunntown`, `from Raleigh`.
    fn visited(&mut self, index: usize) {
        let text = self.text;
        let small = text.small(index);
        if !matches!(small, "at" | "to" | "in" | "from" | "visited" | "near" | "by" | "via") || text.gap(index) != " " {
            return;
        }
        let mut first = index + 1;
        while matches!(text.small(first), "our" | "the" | "a") {
            first += 1;
        }
        let last = self.proper(first);
        let Some(last) = last else { return };
        let moved = (1..=4).any(|back| index.checked_sub(back).is_some_and(|at| is_visit(text.small(at))));
        let unknown = (first..=last).any(|at| !self.lexicon.is_word(text.small(at)));
        let acronym = text.shape(first) == Some(Shape::Upper) && text.written(first).len() < 4;
        let site = matches!(text.small(last + 1), "clinic" | "hospital" | "office" | "campus" | "branch" | "center" | "location" | "facility" | "site") && text.gap(last) == " ";
        let general = last > first && matches!(text.small(last), "general" | "memorial" | "regional" | "methodist" | "baptist" | "presbyterian" | "mercy" | "county" | "sinai" | "lutheran" | "adventist");
        let fits = match small {
            _ if general && !text.begins(first) => true,
            "at" => moved && (unknown || last > first) && !acronym,
            "visited" => unknown,
            "to" | "by" | "via" => moved && unknown && !acronym && (site || text.shape(first) == Some(Shape::Upper) || last > first),
            _ => (moved && unknown && !acronym) || (site && unknown),
        };
        let thing = self.lexicon.is_eponym(text.small(last)) && is_eponym_head(text.small(last + 1));
        let people = self.lexicon.is_first(text.small(first)) && small != "at";
        if fits && !thing && !people && !is_state_name(text.small(first)) {
            self.keep(first, self.with_state(last));
        }
    }

    /// The last of the words in capitals that begin here, none of them a department or a drug.
    fn proper(&self, first: usize) -> Option<usize> {
        let text = self.text;
        let fits = |at: usize| {
            let small = text.small(at);
            self.capital(at) && text.written(at).len() > 1 && month(small).is_none() && !self.lexicon.is_medical(small) && !is_department(small) && !is_opener(small)
        };
        if !fits(first) || self.lexicon.is_eponym(text.small(first)) && is_eponym_head(text.small(first + 1)) {
            return None;
        }
        let mut last = first;
        while last - first < 4 && matches!(text.gap(last), " " | "-" | "'") && (fits(last + 1) || text.written(last + 1) == "s") {
            last += 1;
        }
        Some(last)
    }
}

/// Whether a word ends the name of a facility; `Some(false)`: only if the words before it say so.
fn facility_word(small: &str) -> Option<bool> {
    match small {
        "hospital" | "hospitals" | "clinic" | "clinics" | "infirmary" | "hosp" | "hospice" | "sanatorium" | "polyclinic" => Some(true),
        "center" | "centre" | "ctr" | "health" | "healthcare" | "institute" | "university" | "practice" | "college" | "medical" | "med" | "school" | "associates" | "pharmacy" | "laboratory" | "laboratories" | "physicians" | "partners" | "foundation" | "campus" | "office" | "branch" | "manor" | "lodge" | "rehab" | "rehabilitation" | "urology" | "oncology" | "neurology" | "cardiology" | "orthopedics" | "pediatrics" | "surgery" | "dermatology" | "radiology" => Some(false),
        _ => None,
    }
}

/// A department or a place inside a house.
fn is_department(small: &str) -> bool {
    matches!(small, "icu" | "ed" | "er" | "or" | "pacu" | "nicu" | "picu" | "ccu" | "micu" | "sicu" | "ward" | "unit" | "floor" | "room" | "department" | "emergency" | "operating" | "recovery" | "intensive" | "outpatient" | "inpatient" | "pain" | "surgery" | "surgical" | "day" | "pre" | "post" | "pathology" | "radiology" | "x" | "wound" | "sleep" | "travel" | "womens" | "fertility" | "day-case")
}

/// A word that opens a sentence or stands before a name without being a part of it.
fn is_opener(small: &str) -> bool {
    matches!(small, "the" | "a" | "an" | "this" | "that" | "our" | "his" | "her" | "their" | "at" | "in" | "from" | "to" | "for" | "with" | "by" | "on" | "what" | "which" | "mr" | "mrs" | "ms" | "dr" | "and" | "is" | "was" | "she" | "he" | "i" | "we" | "they" | "patient" | "md" | "mrn" | "dob" | "ssn")
}

/// What firms named after saints and cities make.
fn is_device(small: &str) -> bool {
    matches!(small, "valve" | "valves" | "prosthesis" | "pacemaker" | "lead" | "leads" | "device" | "bioprosthesis" | "generator" | "defibrillator") || is_eponym_head(small)
}

fn is_place_cue(small: &str) -> bool {
    matches!(small, "in" | "from" | "at" | "near" | "to" | "of" | "our" | "outside" | "around" | "via" | "visiting" | "visited")
}

/// What is done in or with a place.
fn is_visit(small: &str) -> bool {
    matches!(small, "seen" | "treated" | "admitted" | "evaluated" | "visited" | "presented" | "presenting" | "presents" | "diagnosed" | "followed" | "follow" | "lives" | "living" | "lived" | "residing" | "resides" | "reside" | "resident" | "discharged" | "transferred" | "hospitalized" | "consulted" | "consultation" | "referred" | "monitored" | "performed" | "discussed" | "based" | "born" | "moved" | "works" | "worked" | "working" | "employed" | "examined" | "managed" | "assessed" | "visit" | "visiting" | "appointment" | "done" | "care" | "cared" | "surgery" | "procedure" | "underwent" | "received" | "receiving" | "checked" | "came" | "comes" | "coming" | "attending" | "attended" | "attends" | "practice" | "practicing" | "practices" | "clinic" | "patient" | "stay" | "hails" | "traveling" | "travelled" | "traveled" | "transported" | "originally" | "operated" | "tested" | "reviewed" | "seeing" | "check" | "located" | "home" | "retired" | "reported" | "case" | "study" | "meeting")
}

/// Houses and universities that people name without saying what they are.
const HOUSES: [&str; 78] = [
    "ucsf", "ucla", "ucsd", "ucd", "uci", "usc", "upenn", "upmc", "mgh", "bwh", "bidmc", "chla",
    "chop", "nyu", "nyp", "msk", "mskcc", "uab", "unc", "umc", "utmb", "utsw", "uams", "ohsu",
    "vcu", "uva", "uic", "rush university", "lac usc", "mass general", "md anderson", "mount sinai",
    "mt sinai", "cedars sinai", "cedar sinai", "johns hopkins", "john hopkins", "cleveland clinic",
    "mayo clinic", "nyu langone", "sloan kettering", "memorial sloan", "new york-presbyterian",
    "york presbyterian", "columbia presbyterian", "texas health", "mass eye", "beth israel",
    "stanford", "vanderbilt", "bellevue", "emory", "baylor", "cedars", "hopkins", "presbyterian",
    "kaiser", "kaiser permanente", "dana farber", "duke university", "yale", "cornell", "harvard",
    "geisinger", "scripps", "intermountain", "henry ford", "houston methodist", "banner health",
    "lurie", "fred hutch", "moffitt", "walter reed", "charite", "karolinska", "addenbrooke",
    "guy's", "barnes jewish",
];
