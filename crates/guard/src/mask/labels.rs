//! Labelled fields: what follows `MRN:`, `Account #`, `Insurance ID` is what the label says.

use regex::Regex;

use super::MaskError;
use super::span::{Kind, Span};

/// The labels, compiled once.
#[derive(Debug)]
pub(crate) struct Labels {
    fields: Vec<(Regex, Kind)>,
}

/// Words between a label and its value.
const LINK: &str = r"(?:[ .]*(?:numbers?{B}|no{B}|nos{B}|num{B}|nr{B}|#|id{B}|ids{B}|code{B}|card{B}|plan{B}|policy{B}|member{B}|record{B}|identifier{B}))*";
/// A sign or word that says: the value comes now.
const SIGN: &str = r"[ .]*(?:[:=]|{B}is{B}|{B}was{B}|{B}of{B}|{B}under{B}|-)?[ \t]*[#(]?[ \t]*";
/// The value: groups of letters and digits; further groups after a space are digits.
const VALUE: &str = r"(#?[A-Z0-9]+(?:[-./_\\][A-Z0-9]+)*(?: [0-9]{2,}(?:[-./][0-9]+)*){0,5})";

/// Labels that mean a number even without a sign behind them.
const SURE: [(&str, Kind); 9] = [
    (
        r"(?:mrn|mr ?#|med(?:ical)?\.? ?rec(?:ord)?s?\.?|hospital (?:number|no)|patient (?:id|number|no|identifier)|pt ?id|chart (?:number|no|#)|nhc|nhs (?:number|no)|unit number|empi|urn|uhid|cr no)",
        Kind::Mrn,
    ),
    (
        r"(?:ssn|social security|soc\.? sec\.?|s\.s\.n\.?|sin number|nass|nuss|tax id|tin{B})",
        Kind::Ssn,
    ),
    (
        r"(?:(?:health |medical |dental )?(?:insurance|insurer|ins|plan|policy|medicare|medicaid|mbi|hicn|beneficiary|subscriber|member(?:ship)?|group|payer|payor|certificate)[ .]{1,2}(?:id|number|no|num|#|policy|plan|card|code|member|is{B}))",
        Kind::Account,
    ),
    (
        r"(?:insurance|policy|hicn|mbi|beneficiary|subscriber)[ .]*[#:]",
        Kind::Account,
    ),
    (
        r"(?:(?:account|acct|invoice|bill(?:ing)?|guarantor|iban|card|bank)[ .]{0,2}(?:number|no{B}|num|nr|#|id{B}|:))",
        Kind::Account,
    ),
    (
        r"(?:dea|npi|(?:driver'?s?|medical|state|nursing)? ?licen[cs]e|dl{B}|passport|n\.?o\.? ?col(?:egiado)?|colegiado|certificat(?:e|ion)|dni|nie|nif)[ .]{0,2}(?:number|no{B}|num|nr|#|id{B}|:)",
        Kind::License,
    ),
    (
        r"(?:serial|s/n|device|implant|udi|imei|lot|batch|lead|generator|pump|pacemaker)[ .]{0,2}(?:serial )?(?:number|no{B}|num|nr|#|id{B}|identifier|sn{B}|:)|(?:serial number|s/n)",
        Kind::Device,
    ),
    (
        r"(?:vin{B}|license plate|plate|vehicle|registration)[ .]{0,2}(?:number|no{B}|num|nr|#|id{B}|:)",
        Kind::Device,
    ),
    (
        r"(?:accession|specimen|encounter|visit|order|requisition|case|study|subject|site|trial|claim|confirmation|ref(?:erence)?|authorization|auth|referral|prescription|rx|employee|badge|user|login|student|episodio|file|document|job|report|tracking|id|ticket)[ .]{0,2}(?:number|no{B}|num|nr|#|id{B}|identifier|:)",
        Kind::Other,
    ),
];

impl Labels {
    pub(crate) fn new() -> Result<Labels, MaskError> {
        let fields = SURE.iter().map(|&(label, kind)| {
            let pattern =
                format!("(?i){{B}}(?:{label}){LINK}{SIGN}{VALUE}").replace("{B}", r"(?-u:\b)");
            Ok((Regex::new(&pattern).map_err(MaskError::pattern)?, kind))
        });
        Ok(Labels {
            fields: fields.collect::<Result<_, _>>()?,
        })
    }

    /// Every labelled value in a folded text.
    pub(crate) fn find(&self, text: &str, spans: &mut Vec<Span>) {
        for (pattern, kind) in &self.fields {
            for found in pattern.captures_iter(text) {
                let Some(value) = found.get(1) else { continue };
                if identifies(value.as_str()) {
                    spans.push(Span::new(value.range(), *kind));
                }
            }
        }
    }
}

/// A number behind a label may also be a count: one or two digits are none of anybody's.
fn identifies(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let date = value.matches('/').count() > 0 && value.len() < 9;
    digits > 2 && !date
}
