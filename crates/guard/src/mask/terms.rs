//! Short closed lists: particles, letters behind a name, states, months.

/// How much a word says about what stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cue {
    /// It can hardly be anything else.
    Strong,
    /// It is one if it also looks like one.
    Weak,
}

/// Small words inside names.
pub(crate) fn is_particle(small: &str) -> bool {
    matches!(
        small,
        "de" | "la"
            | "del"
            | "della"
            | "di"
            | "da"
            | "das"
            | "do"
            | "dos"
            | "van"
            | "von"
            | "der"
            | "den"
            | "ter"
            | "ten"
            | "bin"
            | "ibn"
            | "al"
            | "el"
            | "le"
            | "du"
            | "st"
            | "y"
            | "e"
            | "zu"
            | "las"
            | "los"
            | "san"
            | "abu"
            | "bint"
    )
}

/// Letters after a name.
pub(crate) fn is_credential(written: &str) -> bool {
    matches!(
        written,
        "MD" | "DO"
            | "RN"
            | "NP"
            | "PA"
            | "PAC"
            | "PhD"
            | "PHD"
            | "DDS"
            | "DMD"
            | "DPM"
            | "CRNA"
            | "MBBS"
            | "MBChB"
            | "FACS"
            | "FACC"
            | "FACP"
            | "FRCS"
            | "FRCP"
            | "LPN"
            | "LVN"
            | "APRN"
            | "ARNP"
            | "FNP"
            | "DNP"
            | "PharmD"
            | "PHARMD"
            | "CNM"
            | "LCSW"
            | "MSW"
            | "DC"
            | "OD"
            | "BSN"
            | "MSN"
            | "MPH"
            | "DVM"
            | "PsyD"
            | "RPh"
            | "RRT"
            | "CNS"
            | "CNP"
            | "MSc"
            | "BSc"
            | "Esq"
    )
}

/// A postal abbreviation of a state.
pub(crate) fn is_state(written: &str) -> bool {
    matches!(
        written,
        "AL" | "AK"
            | "AZ"
            | "AR"
            | "CA"
            | "CO"
            | "CT"
            | "DE"
            | "DC"
            | "FL"
            | "GA"
            | "HI"
            | "ID"
            | "IL"
            | "IN"
            | "IA"
            | "KS"
            | "KY"
            | "LA"
            | "ME"
            | "MD"
            | "MA"
            | "MI"
            | "MN"
            | "MS"
            | "MO"
            | "MT"
            | "NE"
            | "NV"
            | "NH"
            | "NJ"
            | "NM"
            | "NY"
            | "NC"
            | "ND"
            | "OH"
            | "OK"
            | "OR"
            | "PA"
            | "RI"
            | "SC"
            | "SD"
            | "TN"
            | "TX"
            | "UT"
            | "VT"
            | "VA"
            | "WA"
            | "WV"
            | "WI"
            | "WY"
            | "PR"
            | "VI"
            | "GU"
            | "AS"
            | "MP"
            | "FM"
            | "MH"
            | "PW"
            | "AA"
            | "AE"
            | "AP"
    )
}

/// The month that a word names, 1 to 12: in English, German, French, Spanish, Italian, Portuguese
/// and Dutch; folded.
pub(crate) fn month(small: &str) -> Option<i8> {
    Some(match small {
        "january" | "jan" | "januar" | "janvier" | "janv" | "enero" | "ene" | "gennaio"
        | "janeiro" | "januari" | "jaenner" => 1,
        "february" | "feb" | "februar" | "fevrier" | "fevr" | "febrero" | "febbraio"
        | "fevereiro" | "februari" => 2,
        "march" | "mar" | "marz" | "maerz" | "mars" | "marzo" | "marco" | "maart" | "mrt" => 3,
        "april" | "apr" | "avril" | "avr" | "abril" | "abr" | "aprile" => 4,
        "may" | "mai" | "mayo" | "maggio" | "maio" | "mei" => 5,
        "june" | "jun" | "juni" | "juin" | "junio" | "giugno" | "junho" => 6,
        "july" | "jul" | "juli" | "juillet" | "juil" | "julio" | "luglio" | "julho" => 7,
        "august" | "aug" | "aout" | "agosto" | "augustus" => 8,
        "september" | "sep" | "sept" | "septembre" | "septiembre" | "settembre" | "setembro" => 9,
        "october" | "oct" | "oktober" | "okt" | "octobre" | "octubre" | "ottobre" | "outubro" => 10,
        "november" | "nov" | "novembre" | "noviembre" | "novembro" => 11,
        "december" | "dec" | "dezember" | "dez" | "decembre" | "diciembre" | "dic" | "dicembre"
        | "dezembro" => 12,
        _ => return None,
    })
}
