//! The answer to a patient query: RSP^K21, K22 or K23 (MSH, MSA, ERR, QAK, QPD, PID, DSC).

use serde_json::{Map, Value};

use super::{Query, Wanted};
use crate::hl7::ack::{self, Stamp, Verdict};
use crate::hl7::{Code, Complaint, Message};

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Patients that fit.
    Patients(Listed),
    /// More fit than may be named.
    TooMany(usize),
    /// It may not be asked, or cannot be: why.
    Refused(String),
    /// It could not be looked for; to be asked again.
    Broken,
}

/// Patients that fit a query, or some of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listed {
    /// The Patients of this answer.
    pub patients: Vec<Map<String, Value>>,
    /// How many earlier answers to the same query named.
    pub before: u64,
    /// How many fit in all; `None`: those before and these.
    pub total: Option<u64>,
    /// DSC-1: by what the asker goes on; `None`: there are no more.
    pub goes_on: Option<String>,
}

/// The RSP to a query, with the separators and the character set of its message.
pub fn respond(message: &Message<'_>, query: &Query, stamp: &Stamp<'_>, found: &Found) -> Vec<u8> {
    let (verdict, complaint) = verdict(found);
    // The structures are those that IHE names (PDQ, PIX).
    let (response, structure) = match query.wanted {
        Wanted::Demographics => ("K21", "RSP_K21"),
        Wanted::Candidates => ("K22", "RSP_K21"),
        Wanted::Identifiers => ("K23", "RSP_K23"),
    };
    let said = (stamp, complaint.as_ref());
    let mut out = ack::head_of(message, verdict, said, ["RSP", response, structure]);
    let write = Writer { message };
    out.extend(write.acknowledged(found));
    if let Some(qpd) = message.segment("QPD") {
        out.extend_from_slice(qpd.bytes());
        out.push(b'\r');
    }
    if let Found::Patients(listed) = found {
        for (position, patient) in listed.patients.iter().enumerate() {
            out.extend(write.pid(position + 1, patient, query.wanted));
        }
        if let Some(pointer) = &listed.goes_on {
            // `I`: the asker asks again; nothing is sent unasked (table 0398).
            let fields = [write.escaped(pointer), b"I".to_vec()];
            out.extend(write.segment("DSC", &fields));
        }
    }
    ack::in_its_charset(message, out)
}

fn verdict(found: &Found) -> (Verdict, Option<Complaint>) {
    match found {
        Found::Patients(..) => (Verdict::Accept, None),
        Found::TooMany(max) => {
            let words = format!("more than {max} patients fit; say more of whom you look for");
            (
                Verdict::Error,
                Some(Complaint::whole(Code::InternalError, words)),
            )
        }
        Found::Refused(why) => (
            Verdict::Reject,
            Some(Complaint::whole(Code::UnsupportedMessageType, why.clone())),
        ),
        Found::Broken => {
            let words = "it could not be looked for; ask again";
            (
                Verdict::Error,
                Some(Complaint::whole(Code::InternalError, words)),
            )
        }
    }
}

/// Writes segments with the separators of a message.
struct Writer<'m> {
    message: &'m Message<'m>,
}

impl Writer<'_> {
    /// QAK: the tag of the query, what became of it (table 0208), its name, and how many there are.
    fn acknowledged(&self, found: &Found) -> Vec<u8> {
        let status = match found {
            Found::Patients(listed) if listed.patients.is_empty() => "NF",
            Found::Patients(..) => "OK",
            Found::TooMany(_) | Found::Broken => "AE",
            Found::Refused(_) => "AR",
        };
        let mut fields: Vec<Vec<u8>> = vec![
            self.message.get("QPD", 2).bytes().to_vec(),
            status.into(),
            self.message.get("QPD", 1).bytes().to_vec(),
        ];
        if let Found::Patients(listed) = found {
            let here = listed.patients.len() as u64;
            let named = listed.before.saturating_add(here);
            let total = listed.total.unwrap_or(named).max(named);
            for number in [total, here, total - named] {
                fields.push(number.to_string().into_bytes());
            }
        }
        self.segment("QAK", &fields)
    }

    fn segment(&self, name: &str, fields: &[Vec<u8>]) -> Vec<u8> {
        let separator = self.message.separators().field;
        let mut out = name.as_bytes().to_vec();
        for field in fields {
            out.push(separator);
            out.extend_from_slice(field);
        }
        out.push(b'\r');
        out
    }

    /// PID as far as it is known; of a query for numbers the numbers alone (PID-5 must be there).
    fn pid(&self, position: usize, patient: &Map<String, Value>, wanted: Wanted) -> Vec<u8> {
        let mut fields = vec![Vec::new(); 13];
        let mut set = |number: usize, bytes: Vec<u8>| {
            if let Some(field) = fields.get_mut(number - 1) {
                *field = bytes;
            }
        };
        set(1, position.to_string().into_bytes());
        set(
            3,
            self.list(patient, "identifier", |one| self.identifier(one)),
        );
        if wanted == Wanted::Identifiers {
            set(5, b" ".to_vec());
        } else {
            set(5, self.list(patient, "name", |one| self.name(one)));
            let born = text(patient, "birthDate").replace('-', "");
            set(7, self.escaped(&born));
            set(8, self.escaped(sex(&text(patient, "gender"))));
            set(11, self.list(patient, "address", |one| self.address(one)));
            set(13, self.list(patient, "telecom", |one| self.telecom(one)));
        }
        while fields.last().is_some_and(Vec::is_empty) {
            fields.pop();
        }
        self.segment("PID", &fields)
    }

    fn list(
        &self,
        patient: &Map<String, Value>,
        element: &str,
        write: impl Fn(&Value) -> Option<Vec<u8>>,
    ) -> Vec<u8> {
        let list = patient.get(element).and_then(Value::as_array);
        let written: Vec<Vec<u8>> = list.into_iter().flatten().filter_map(write).collect();
        written.join(&[self.message.separators().repetition][..])
    }

    /// CX: a number, who gave it and its type.
    fn identifier(&self, one: &Value) -> Option<Vec<u8>> {
        let value = one.get("value")?.as_str()?;
        let system = at(one, "/system");
        let (namespace, universal, kind) = match system {
            s if s.starts_with("urn:salus:authority:") => {
                (unquoted(s.get(20..).unwrap_or_default()), "", "")
            }
            s if s.starts_with("urn:oid:") => {
                (String::new(), s.get(8..).unwrap_or_default(), "ISO")
            }
            s if s.starts_with("urn:uuid:") => {
                (String::new(), s.get(9..).unwrap_or_default(), "UUID")
            }
            "" => (String::new(), "", ""),
            s => (String::new(), s, "URI"),
        };
        let separator = self.message.separators().subcomponent.unwrap_or(b' ');
        let parts = [
            self.escaped(&namespace),
            self.escaped(universal),
            self.escaped(kind),
        ];
        let mut authority = parts.join(&[separator][..]);
        while authority.last() == Some(&separator) {
            authority.pop();
        }
        let kind = self.escaped(at(one, "/type/coding/0/code"));
        Some(self.components(&[self.escaped(value), Vec::new(), Vec::new(), authority, kind]))
    }

    /// XPN: family, given, further given, suffix, prefix.
    fn name(&self, one: &Value) -> Option<Vec<u8>> {
        let member = |path: &str| self.escaped(at(one, path));
        let parts = [
            member("/family"),
            member("/given/0"),
            member("/given/1"),
            member("/suffix/0"),
            member("/prefix/0"),
        ];
        parts
            .iter()
            .any(|part| !part.is_empty())
            .then(|| self.components(&parts))
    }

    fn address(&self, one: &Value) -> Option<Vec<u8>> {
        let paths = [
            "/line/0",
            "/line/1",
            "/city",
            "/state",
            "/postalCode",
            "/country",
        ];
        let parts = paths.map(|path| self.escaped(at(one, path)));
        parts
            .iter()
            .any(|part| !part.is_empty())
            .then(|| self.components(&parts))
    }

    fn telecom(&self, one: &Value) -> Option<Vec<u8>> {
        let value = one.get("value")?.as_str()?;
        Some(match at(one, "/system") {
            "email" => self.components(&[
                Vec::new(),
                b"NET".to_vec(),
                b"Internet".to_vec(),
                self.escaped(value),
            ]),
            _ => self.escaped(value),
        })
    }

    /// Components, without empty ones at the end.
    fn components(&self, parts: &[Vec<u8>]) -> Vec<u8> {
        let separator = self.message.separators().component;
        let mut out = parts.join(&[separator][..]);
        while out.last() == Some(&separator) {
            out.pop();
        }
        out
    }

    fn escaped(&self, words: &str) -> Vec<u8> {
        ack::words_of(self.message, words)
    }
}

fn at<'v>(value: &'v Value, path: &str) -> &'v str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn text(map: &Map<String, Value>, element: &str) -> String {
    map.get(element)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn sex(gender: &str) -> &'static str {
    match gender {
        "female" => "F",
        "male" => "M",
        "other" => "O",
        "unknown" => "U",
        _ => "",
    }
}

/// A name as it was before it became part of a URI.
fn unquoted(part: &str) -> String {
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        if let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) {
            out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::query;
    use super::*;
    use crate::hl7::parse;

    const STAMP: Stamp<'static> = Stamp {
        control: "7",
        millis: 0,
    };

    fn answer(found: &Found) -> String {
        let raw = b"MSH|^~\\&|A|B|C|D|20250101||QBP^Q22^QBP_Q21|1|P|2.5\rQPD|Q22^Find^HL7|T1|@PID.5.1^M\r";
        let parsed = parse(raw, "");
        let query = query(&parsed.message, "HOSP").unwrap();
        let bytes = respond(&parsed.message, &query, &STAMP, found);
        assert!(parse(&bytes, "").message.fault().is_none());
        String::from_utf8(bytes).unwrap().replace('\r', "\n")
    }

    #[test]
    fn who_fits_is_named() {
        let patient = json!({
            "identifier": [{"system": "urn:oid:1.2", "value": "4|1", "type": {"coding": [{"code": "MR"}]}},
                {"system": "urn:salus:authority:A%20B", "value": "9"}],
            "name": [{"family": "M^x", "given": ["Ada", "Z"]}], "birthDate": "1961-04-28",
            "gender": "female", "telecom": [{"system": "email", "value": "a@b"}],
            "address": [{"city": "Rosenau"}],
        });
        let listed = Listed {
            patients: vec![patient.as_object().unwrap().clone()],
            before: 1,
            total: Some(3),
            goes_on: Some("ff-2.2".into()),
        };
        let said = answer(&Found::Patients(listed));
        assert!(
            said.starts_with(
                "MSH|^~\\&|C|D|A|B|19700101000000.000+0000||RSP^K22^RSP_K21|7|P|2.5\nMSA|AA|1\n"
            ),
            "{said}"
        );
        assert!(
            said.contains("QAK|T1|OK|Q22^Find^HL7|3|1|1\nQPD|Q22^Find^HL7|T1|@PID.5.1^M\n"),
            "{said}"
        );
        let pid = "PID|1||4\\F\\1^^^&1.2&ISO^MR~9^^^A B||M\\S\\x^Ada^Z||19610428|F|||^^Rosenau||^NET^Internet^a@b\n";
        assert!(said.ends_with(&format!("{pid}DSC|ff-2.2|I\n")), "{said}");
    }

    #[test]
    fn what_became_of_it_is_said() {
        let nobody = answer(&Found::Patients(Listed::default()));
        assert!(nobody.contains("QAK|T1|NF|Q22^Find^HL7|0|0|0\n") && !nobody.contains("DSC"));
        let many = answer(&Found::TooMany(50));
        assert!(
            many.contains("MSA|AE|1\n")
                && many.contains("more than 50 patients")
                && many.contains("QAK|T1|AE|")
        );
        let refused = answer(&Found::Refused("no".into()));
        assert!(refused.contains("MSA|AR|1\n") && refused.contains("QAK|T1|AR|"));
        assert!(answer(&Found::Broken).contains("MSA|AE|1\n"));
    }
}
