//! Patient queries: QBP^Q21, Q22 and Q23 (HL7 v2.5 chapter 3; IHE PDQ and PIX) read as a FHIR
//! search, and the RSP that answers them.

mod respond;

use super::data::{self, Named};
use super::{code, identity, time};
use crate::fhir::search::escaped;
use crate::hl7::{Message, Part};

pub use respond::{Found, Listed, respond};

/// What a query wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Q21: who somebody is, by a number of theirs; answered with K21.
    Demographics,
    /// Q22: whoever fits; answered with K22.
    Candidates,
    /// Q23: the other numbers of somebody; answered with K23.
    Identifiers,
}

/// A patient query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What it wants to know.
    pub wanted: Wanted,
    /// The parameters of a FHIR search for Patients, in pairs.
    pub search: Vec<(String, String)>,
    /// RCP-2: how many patients the asker takes; `None`: it does not say.
    pub takes: Option<usize>,
    /// DSC-1: where an earlier answer ended, as that answer said.
    pub goes_on: Option<String>,
    /// Why it cannot be asked, if so.
    pub fault: Option<String>,
}

/// Characters of one value that is searched for.
const VALUE_CHARS_MAX: usize = 200;

/// Reads a patient query; `None`: the message is none.
pub fn query(message: &Message<'_>, authority: &str) -> Option<Query> {
    let wanted = match message.kind().as_str() {
        "QBP^Q21" => Wanted::Demographics,
        "QBP^Q22" => Wanted::Candidates,
        "QBP^Q23" => Wanted::Identifiers,
        _ => return None,
    };
    let takes = message.get("RCP", 2).comp(1).string();
    let mut query = Query {
        wanted,
        search: Vec::new(),
        takes: takes.and_then(|text| text.trim().parse().ok()),
        goes_on: message
            .get("DSC", 1)
            .string()
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty()),
        fault: None,
    };
    let asked = message.get("QPD", 3);
    if wanted == Wanted::Candidates {
        query.fields(asked, authority);
    } else if let Some(named) = identity::preferred(asked, authority) {
        query.number(&named);
    }
    if query.search.is_empty() && query.fault.is_none() {
        query.fault = Some("QPD-3 names nobody and nothing to look for".into());
    }
    Some(query)
}

impl Query {
    /// QIP: `@PID.5.1^MUELLER`. What cannot be searched by is refused: leaving it out would find
    /// others than were asked for.
    fn fields(&mut self, asked: Part<'_>, authority: &str) {
        let (mut number, mut issuer) = (None, None);
        for part in asked.reps().take(50) {
            let name = part.comp(1).string().unwrap_or_default();
            let value = part.comp(2).string().unwrap_or_default();
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            match name.trim().trim_start_matches('@') {
                "PID.3" | "PID.3.1" => number = Some(value.to_owned()),
                "PID.3.4" | "PID.3.4.1" => issuer = issuer.or(Some(data::named_system(value))),
                "PID.3.4.2" => issuer = Some(data::named_system(value)),
                "PID.3.4.3" | "PID.3.5" => {}
                name => self.field(name, value),
            }
        }
        if let Some(value) = number {
            let system = issuer.unwrap_or_else(|| data::named_system(authority));
            self.number(&Named { system, value });
        }
    }

    fn field(&mut self, name: &str, value: &str) {
        // A search finds what begins so already.
        let plain = value.trim_end_matches('*');
        let (parameter, value) = match name {
            "PID.5" | "PID.5.1" | "PID.5.1.1" => ("family", plain.to_owned()),
            "PID.5.2" | "PID.5.3" => ("given", plain.to_owned()),
            "PID.7" | "PID.7.1" => match time::moment(value, None) {
                Some(moment) => ("birthdate", moment.day().to_owned()),
                None => return self.refuse("the date of birth is no date"),
            },
            "PID.8" => match code::look(code::SEX, value) {
                Some(sex) => ("gender", sex.to_owned()),
                None => return self.refuse("the sex is none of table 0001"),
            },
            "PID.11" | "PID.11.1" | "PID.11.1.1" => ("address", plain.to_owned()),
            "PID.11.3" => ("address-city", plain.to_owned()),
            "PID.11.4" => ("address-state", plain.to_owned()),
            "PID.11.5" => ("address-postalcode", plain.to_owned()),
            "PID.11.6" => ("address-country", plain.to_owned()),
            _ => return self.refuse(&format!("patients cannot be searched by `{}`", short(name))),
        };
        if value.is_empty() || value.chars().count() > VALUE_CHARS_MAX {
            return self.refuse("a value is empty or too long to be searched for");
        }
        self.search.push((parameter.to_owned(), escaped(&value)));
    }

    fn number(&mut self, named: &Named) {
        let value = format!("{}|{}", escaped(&named.system), escaped(&named.value));
        self.search.push(("identifier".to_owned(), value));
    }

    fn refuse(&mut self, why: &str) {
        self.fault.get_or_insert_with(|| why.to_owned());
    }
}

fn short(name: &str) -> String {
    name.chars()
        .filter(|letter| !letter.is_control())
        .take(20)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::parse;

    fn read(qpd: &str) -> Query {
        let raw = format!(
            "MSH|^~\\&|A|B|C|D|20250101||QBP^Q22^QBP_Q21|1|P|2.5\rQPD|Q22^Find^HL7|T1|{qpd}\rRCP|I|5^RD\r"
        );
        query(&parse(raw.as_bytes(), "").message, "HOSP").unwrap()
    }

    fn pairs(query: &Query) -> Vec<(&str, &str)> {
        query
            .search
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    #[test]
    fn fields_become_a_search() {
        let query = read("@PID.5.1^Mül*~@PID.7^19610428~@PID.8^F~@PID.3.1^4,1~@PID.3.4.2^1.2.3");
        assert_eq!(
            pairs(&query),
            [
                ("family", "Mül"),
                ("birthdate", "1961-04-28"),
                ("gender", "female"),
                ("identifier", "urn:oid:1.2.3|4\\,1"),
            ]
        );
        assert_eq!((query.takes, query.fault), (Some(5), None));
        assert_eq!(query.goes_on, None);
    }

    #[test]
    fn a_query_says_where_the_answer_before_ended() {
        let raw = b"MSH|^~\\&|A|B|C|D|20250101||QBP^Q22^QBP_Q21|2|P|2.5\rQPD|Q22^Find^HL7|T1|@PID.8^F\rRCP|I|5^RD\rDSC|ff-5.5|I\r";
        let query = query(&parse(raw, "").message, "HOSP").unwrap();
        assert_eq!(query.goes_on.as_deref(), Some("ff-5.5"));
        assert_eq!(pairs(&query), [("gender", "female")]);
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        assert!(read("@PID.16^M").fault.unwrap().contains("PID.16"));
        assert!(read("").fault.unwrap().contains("QPD-3"));
        assert!(read("@PID.5.1^*").fault.is_some());
        assert!(read("@PID.7^yesterday").fault.is_some());
    }

    #[test]
    fn a_number_is_looked_for_under_who_gave_it() {
        let raw =
            b"MSH|^~\\&|A|B|C|D|20250101||QBP^Q23^QBP_Q21|1|P|2.5\rQPD|Q23^Get^HL7|T1|7^^^LAB\r";
        let query = query(&parse(raw, "").message, "HOSP").unwrap();
        assert_eq!(pairs(&query), [("identifier", "urn:salus:authority:LAB|7")]);
    }
}
