//! The forms in which addresses are written.

use regex::Regex;

use super::MaskError;
use super::span::{Kind, Span};

/// The forms of addresses, compiled once.
#[derive(Debug)]
pub(crate) struct Addresses {
    forms: Vec<Regex>,
}

impl Addresses {
    /// Every address in a folded text.
    pub(crate) fn find(&self, text: &str, spans: &mut Vec<Span>) {
        for form in &self.forms {
            for found in form.captures_iter(text) {
                let groups = [found.get(1), found.get(2), found.get(0)];
                if let Some(group) = groups.into_iter().flatten().next() {
                    spans.push(Span::new(group.range(), Kind::Place));
                }
            }
        }
    }

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
    r"{B}(?:[0-9]{1,4}[a-z]?,? )?(?:Calle|Avda|Avenida|Av|Plaza|Pza|Paseo|Ctra|Carretera|Via|Rua|Rue|Corso|Piazza|Ronda|Camino|Travesia|Pasaje|Urbanizacion|Glorieta)\.? [^\n.;:]{3,50}",
    r"(?i){B}(?:localidad(?:/ ?provincia)?|provincia|municipio|poblacion|ciudad|city|town|county|village|district|place of birth|birthplace|lugar de nacimiento|wohnort|ort|ville|citta)[ ]*:[ ]*([^\n.;:]{2,60})",
    r"(?i){B}(?:(?:home|mailing|street|current|permanent|residential|postal)? ?address|domicilio|direccion|anschrift|adresse|indirizzo|residence)[ ]*:[ ]*([^\n;:]{3,80})",
    r"(?i){B}(?:c\.?p\.?|plz|cap|zip|codigo postal)[ ]*:[ ]*([0-9]{4,6}(?:-[0-9]{3,4})?){B}|{B}(?:apt|apartment|suite)\.? #?([0-9]{1,5}[a-z]?){B}",
    r"{B}(?:[0-9]{3,6} )?[A-Z]\w+(?:strasse|gade|gatan|vagen|veien|gaten|katu|utca|laan|straat|ring|dreef|stigen|gasse) [0-9]{1,4}{B}",
    r"{B}[A-Z][a-z]+(?:strasse|str\.|weg|platz|gasse|allee|straat|laan|gatan|vagen|gata|katu|vej|utca)(?: [0-9]{1,4}[a-z]?)?{B}",
];
