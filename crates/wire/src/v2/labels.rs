//! How confidential something is: tables 0177 (orders) and 0272 (documents) as security labels.

use serde_json::Value;

use super::code::{Codings, look_coding};
use super::json::coding;

const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const OWN: &str = "http://terminology.hl7.org/CodeSystem/v2-0177";

/// Table 0177. The guide gives `HIV` and `PSY` the system of confidentiality, which does not have
/// them; they are sensitivities. Usual control is normal confidentiality.
pub(super) const LABELS: Codings = &[
    ("V", "V", "very restricted", CONFIDENTIALITY),
    ("R", "R", "restricted", CONFIDENTIALITY),
    ("U", "N", "normal", CONFIDENTIALITY),
    ("EMP", "EMP", "employee information sensitivity", ACT),
    ("UWM", "UWM", "Unwed mother", OWN),
    ("VIP", "VIP", "Very important person or celebrity", OWN),
    (
        "PSY",
        "PSY",
        "psychiatry disorder information sensitivity",
        ACT,
    ),
    ("AID", "HIV", "HIV/AIDS information sensitivity", ACT),
    ("HIV", "HIV", "HIV/AIDS information sensitivity", ACT),
    (
        "ETH",
        "ETHUD",
        "alcohol use disorder information sensitivity",
        ACT,
    ),
];

/// The label that a code of either table means.
pub(super) fn confidentiality(said: &str) -> Option<Value> {
    let (code, display, system) = look_coding(LABELS, said)?;
    Some(coding(system, code, Some(display)))
}
