//! What words usually are. Lists and their sources: docs/decisions/0006-masking.md.

use std::collections::{HashMap, HashSet};

/// The word lists, read once.
#[derive(Debug)]
pub(crate) struct Lexicon {
    common: HashSet<&'static str>,
    medical: HashSet<&'static str>,
    eponyms: HashSet<&'static str>,
    firsts: HashSet<&'static str>,
    surnames: HashSet<&'static str>,
    cities: HashSet<&'static str>,
    nicknames: HashMap<&'static str, Vec<&'static str>>,
}

impl Lexicon {
    pub(crate) fn new() -> Lexicon {
        let set = |text: &'static str| text.lines().collect();
        Lexicon {
            common: set(include_str!("words/common.txt")),
            medical: set(include_str!("words/medical.txt")),
            eponyms: set(include_str!("words/eponyms.txt")),
            firsts: set(include_str!("words/firsts.txt")),
            surnames: set(include_str!("words/surnames.txt")),
            cities: set(include_str!("words/cities.txt")),
            nicknames: nicknames(include_str!("words/nicknames.txt")),
        }
    }

    /// A word of the language or of medicine, in small letters. What is also a name must be on a
    /// list itself: `James` is no form of `jam`.
    pub(crate) fn is_word(&self, small: &str) -> bool {
        self.is_common(small) || self.is_medical(small)
    }

    pub(crate) fn is_common(&self, small: &str) -> bool {
        self.common.contains(small) || (!self.is_name(small) && self.common_by_its_stem(small))
    }

    /// A word, or a form of one, even if it is also a name: `Banks`.
    pub(crate) fn may_be_word(&self, small: &str) -> bool {
        self.is_word(small) || self.common_by_its_stem(small)
    }

    fn is_name(&self, small: &str) -> bool {
        self.firsts.contains(small) || self.surnames.contains(small)
    }

    fn common_by_its_stem(&self, small: &str) -> bool {
        STEMS.iter().any(|&(tail, put)| {
            let Some(stem) = small.strip_suffix(tail).filter(|stem| stem.len() > 2) else {
                return false;
            };
            match put {
                "" => self.common.contains(stem) || doubled(stem, tail, &self.common),
                put => self.common.contains(format!("{stem}{put}").as_str()),
            }
        })
    }

    pub(crate) fn is_medical(&self, small: &str) -> bool {
        let plural = small.strip_suffix('s').unwrap_or(small);
        self.medical.contains(small)
            || self.medical.contains(plural)
            || (small.len() > 5 && !self.is_name(small) && ENDINGS.iter().any(|ending| plural.ends_with(ending)))
    }

    /// Someone whose name became a disease, sign, instrument or operation.
    pub(crate) fn is_eponym(&self, small: &str) -> bool {
        self.eponyms.contains(small)
    }

    pub(crate) fn is_first(&self, small: &str) -> bool {
        self.firsts.contains(small)
    }

    pub(crate) fn is_surname(&self, small: &str) -> bool {
        self.surnames.contains(small)
    }

    pub(crate) fn is_city(&self, small: &str) -> bool {
        self.cities.contains(small)
    }

    /// What somebody of that name is called too.
    pub(crate) fn nicknames(&self, given: &str) -> &[&'static str] {
        self.nicknames.get(given).map_or(&[], Vec::as_slice)
    }
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

/// `stopped`, `planning`: the list has `stop` and `plan`.
fn doubled(stem: &str, tail: &str, words: &HashSet<&'static str>) -> bool {
    let mut letters = stem.chars().rev();
    let twice = letters.next().is_some_and(|last| letters.next() == Some(last));
    let single = stem.get(..stem.len().saturating_sub(1)).unwrap_or_default();
    matches!(tail, "ed" | "ing" | "er") && twice && words.contains(single)
}

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

/// Endings of anatomy, diseases, operations and of generic drug names (WHO stems).
const ENDINGS: [&str; 92] = [
    "itis", "osis", "ectomy", "otomy", "ostomy", "oscopy", "oscopic", "plasty", "pathy", "pathic",
    "algia", "emia", "uria", "oma", "ology", "ologic", "ological", "ologist", "graphy", "gram",
    "graphic", "scope", "pnea", "plegia", "paresis", "trophy", "trophic", "genic", "genesis",
    "lysis", "lytic", "penia", "philia", "rrhea", "rrhaphy", "rrhage", "stasis", "static", "megaly",
    "phagia", "phasia", "plasia", "plastic", "ectasis", "iasis", "cele", "centesis", "desis",
    "pexy", "tripsy", "cillin", "mycin", "micin", "cycline", "oxacin", "azole", "conazole",
    "prazole", "tidine", "statin", "sartan", "dipine", "olol", "pril", "thiazide", "semide",
    "gliptin", "gliflozin", "glutide", "gliptine", "formin", "parin", "gatran", "xaban", "grel",
    "mab", "tinib", "ciclib", "parib", "platin", "rubicin", "taxel", "setron", "triptan", "azepam",
    "azolam", "barbital", "caine", "curium", "curonium", "vir", "oxetine",
];

/// Titles before a name. Those that are words too count only when they begin with a capital.
pub(crate) fn is_title(small: &str) -> bool {
    [
        "dr", "drs", "doctor", "mr", "mrs", "ms", "miss", "mx", "prof", "professor", "sra", "srta",
        "dra", "herr", "frau", "mme", "mlle", "monsieur", "madame", "nurse", "rev", "reverend",
        "pastor", "rabbi", "messrs", "sr",
    ]
    .contains(&small)
}

/// What follows an eponym that is not a person here: `Foley catheter`, `Murphy sign`.
pub(crate) fn is_eponym_head(small: &str) -> bool {
    EPONYM_HEADS.contains(&small) || small.strip_suffix('s').is_some_and(|one| EPONYM_HEADS.contains(&one))
}

const EPONYM_HEADS: [&str; 111] = [
    "aneurysm", "angle", "approach", "area", "artery", "balloon", "band", "bandage", "biopsy",
    "block", "blade", "body", "bougie", "bowel", "canal", "catheter", "cell", "chair", "chart",
    "clamp", "classification", "clip", "closure", "coil", "contracture", "criteria", "curette",
    "cyst", "dilator", "disease", "disorder", "drain", "dressing", "duct", "elevator", "equation",
    "esophagus", "exercise", "fascia", "fibroid", "filter", "flap", "forceps", "formula", "frame",
    "fracture", "ganglion", "gland", "grade", "graft", "grasper", "hernia", "holder", "hook",
    "incision", "incontinence", "index", "knot", "laryngoscope", "ligament", "line", "loop",
    "lymphoma", "maneuver", "mesh", "method", "muscle", "needle", "nerve", "node", "nodule",
    "nomogram", "operation", "palsy", "phenomenon", "plate", "plexus", "point", "position",
    "pouch", "procedure", "prosthesis", "pump", "punch", "raspatory", "reflex", "repair",
    "resectoscope", "retractor", "ring", "rod", "rongeur", "sarcoma", "scale", "scissor", "score",
    "shunt", "sign", "space", "splint", "stain", "stand", "stent", "stitch", "suture", "syndrome",
    "technique", "test", "triangle", "tube", "tumor",
];

/// What somebody is to the patient: `her daughter Amanda`.
pub(crate) fn is_relation(small: &str) -> bool {
    [
        "wife", "husband", "spouse", "partner", "son", "daughter", "mother", "father", "mom",
        "dad", "parent", "brother", "sister", "sibling", "twin", "aunt", "uncle", "niece",
        "nephew", "cousin", "grandmother", "grandfather", "grandma", "grandpa", "grandson",
        "granddaughter", "stepmother", "stepfather", "stepson", "stepdaughter", "fiance",
        "fiancee", "boyfriend", "girlfriend", "neighbor", "neighbour", "friend", "roommate",
        "caregiver", "caretaker", "guardian", "carer", "law", "coworker", "employer", "landlord",
        "teacher", "boss", "widow", "widower", "ex",
    ]
    .contains(&small)
}

/// Small words inside names.
pub(crate) fn is_particle(small: &str) -> bool {
    [
        "de", "la", "del", "della", "di", "da", "das", "do", "dos", "van", "von", "der", "den",
        "ter", "ten", "bin", "ibn", "al", "el", "le", "du", "st", "y", "e", "zu", "las", "los",
        "san", "abu", "bint",
    ]
    .contains(&small)
}

/// Letters after a name.
pub(crate) fn is_credential(written: &str) -> bool {
    [
        "MD", "DO", "RN", "NP", "PA", "PAC", "PhD", "PHD", "DDS", "DMD", "DPM", "CRNA", "MBBS",
        "MBChB", "FACS", "FACC", "FACP", "FRCS", "FRCP", "LPN", "LVN", "APRN", "ARNP", "FNP",
        "DNP", "PharmD", "PHARMD", "CNM", "LCSW", "MSW", "DC", "OD", "BSN", "MSN", "MPH", "DVM",
        "PsyD", "RPh", "RRT", "CNS", "CNP", "MSc", "BSc", "Esq",
    ]
    .contains(&written)
}

const STATES: &str = "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS \
                      MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI \
                      WY PR VI GU AS MP FM MH PW AA AE AP";

/// A postal abbreviation of a state.
pub(crate) fn is_state(written: &str) -> bool {
    written.len() == 2 && STATES.split(' ').any(|state| state == written)
}

const STATE_NAMES: [&str; 54] = [
    "alabama", "alaska", "arizona", "arkansas", "california", "colorado", "connecticut",
    "delaware", "florida", "georgia", "hawaii", "idaho", "illinois", "indiana", "iowa", "kansas",
    "kentucky", "louisiana", "maine", "maryland", "massachusetts", "michigan", "minnesota",
    "mississippi", "missouri", "montana", "nebraska", "nevada", "new hampshire", "new jersey",
    "new mexico", "new york", "north carolina", "north dakota", "ohio", "oklahoma", "oregon",
    "pennsylvania", "rhode island", "south carolina", "south dakota", "tennessee", "texas",
    "utah", "vermont", "virginia", "washington", "west virginia", "wisconsin", "wyoming",
    "puerto rico", "guam", "ontario", "quebec",
];

/// A state's name in small letters. States may stay (45 CFR 164.514(b)(2)(i)(B)).
pub(crate) fn is_state_name(small: &str) -> bool {
    STATE_NAMES.contains(&small)
}

/// The first of the month names that a word is or begins with, as 1 to 12.
pub(crate) fn month(small: &str) -> Option<i8> {
    if small.len() < 3 {
        return None;
    }
    MONTHS
        .iter()
        .find(|(names, _)| names.split(' ').any(|name| name == small))
        .map(|&(_, number)| number)
}

/// In English, German, French, Spanish, Italian, Portuguese and Dutch; folded.
const MONTHS: [(&str, i8); 12] = [
    ("january jan januar janvier janv enero ene gennaio janeiro januari jaenner", 1),
    ("february feb februar fevrier fevr febrero febbraio fevereiro februari", 2),
    ("march mar marz maerz mars marzo marco maart mrt", 3),
    ("april apr avril avr abril abr aprile", 4),
    ("may mai mayo maggio maio mei", 5),
    ("june jun juni juin junio giugno junho", 6),
    ("july jul juli juillet juil julio luglio julho", 7),
    ("august aug aout agosto augustus", 8),
    ("september sep sept septembre septiembre settembre setembro", 9),
    ("october oct oktober okt octobre octubre ottobre outubro", 10),
    ("november nov novembre noviembre novembro", 11),
    ("december dec dezember dez decembre diciembre dic dicembre dezembro", 12),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_small() {
        let lists = [
            include_str!("words/common.txt"),
            include_str!("words/medical.txt"),
            include_str!("words/eponyms.txt"),
            include_str!("words/firsts.txt"),
            include_str!("words/surnames.txt"),
            include_str!("words/cities.txt"),
        ];
        for list in lists {
            assert!(list.lines().is_sorted());
        }
        assert!(lists.iter().map(|list| list.len()).sum::<usize>() < 600_000);
    }

    #[test]
    fn words_are_known_by_their_stems_and_endings() {
        let lexicon = Lexicon::new();
        for word in ["guidelines", "stopped", "managing", "pancreatectomy", "apixaban", "denies"] {
            assert!(lexicon.is_word(word), "{word}");
        }
        for name in ["hampton", "nguyen", "setty", "korpal"] {
            assert!(!lexicon.is_word(name), "{name}");
        }
    }
}
