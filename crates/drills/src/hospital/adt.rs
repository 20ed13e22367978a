//! Registration and movement: ADT messages, and a transcribed letter.

use event::Time;

use crate::hospital::message::{Head, Message, escape, zoned};
use crate::hospital::patient::{Patient, Visit};
use crate::hospital::people::Person;

/// Which ADT message. The variants carry nothing that the patient's state does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    Admit,
    Transfer,
    Discharge,
    Register,
    PreAdmit,
    Update,
    CancelAdmit,
    CancelTransfer,
    CancelDischarge,
    AddPerson,
    UpdatePerson,
}

impl Trigger {
    /// Event code and message structure (HL7 tables 0003 and 0354).
    const fn codes(self) -> (&'static str, &'static str) {
        match self {
            Trigger::Admit => ("A01", "ADT_A01"),
            Trigger::Transfer => ("A02", "ADT_A02"),
            Trigger::Discharge => ("A03", "ADT_A03"),
            Trigger::Register => ("A04", "ADT_A01"),
            Trigger::PreAdmit => ("A05", "ADT_A05"),
            Trigger::Update => ("A08", "ADT_A01"),
            Trigger::CancelAdmit => ("A11", "ADT_A09"),
            Trigger::CancelTransfer => ("A12", "ADT_A12"),
            Trigger::CancelDischarge => ("A13", "ADT_A01"),
            Trigger::AddPerson => ("A28", "ADT_A05"),
            Trigger::UpdatePerson => ("A31", "ADT_A05"),
        }
    }

    /// Whether the structure has room for next of kin, allergies, diagnoses and insurance.
    const fn is_long(self) -> bool {
        !matches!(
            self,
            Trigger::Transfer | Trigger::CancelAdmit | Trigger::CancelTransfer | Trigger::Discharge
        )
    }
}

/// An ADT message about `patient` as they are now.
pub(crate) fn adt(trigger: Trigger, patient: &Patient, sent: (&str, Time)) -> Vec<u8> {
    let (control, at) = sent;
    let (code, structure) = trigger.codes();
    let mut message = begin(&format!("ADT^{code}^{structure}"), control, at);
    message.segment("EVN", &[(1, code), (2, &zoned(at))]);
    pid(&mut message, patient);
    if trigger.is_long() {
        nk1(&mut message, patient);
    }
    match &patient.visit {
        Some(visit) if !matches!(trigger, Trigger::AddPerson | Trigger::UpdatePerson) => {
            pv1(&mut message, visit, patient);
        }
        // ADT_A05 requires PV1; `N` is "not applicable" (HL7 table 0004).
        _ => message.segment("PV1", &[(1, "1"), (2, "N")]),
    }
    if trigger.is_long() {
        al1(&mut message, patient);
        dg1(&mut message, patient, at);
        in1(&mut message, patient, at);
    }
    message.utf8()
}

/// ADT^A40: `retired` was `survivor` all along.
pub(crate) fn merge(survivor: &Patient, retired: &Patient, sent: (&str, Time)) -> Vec<u8> {
    let (control, at) = sent;
    let mut message = begin("ADT^A40^ADT_A39", control, at);
    message.segment("EVN", &[(1, "A40"), (2, &zoned(at))]);
    pid(&mut message, survivor);
    let name = name(&retired.person);
    message.segment("MRG", &[(1, &mrn(retired)), (7, &name)]);
    message.utf8()
}

/// MDM^T02: a letter.
pub(crate) fn letter(patient: &Patient, author: &str, sent: (&str, Time)) -> Vec<u8> {
    let (control, at) = sent;
    let stamp = zoned(at);
    let head = Head {
        application: "DOCS",
        kind: "MDM^T02^MDM_T02",
        control,
        at: &stamp,
        charset: "UNICODE UTF-8",
    };
    let mut message = Message::new(&head);
    message.segment("EVN", &[(1, "T02"), (2, &stamp)]);
    pid(&mut message, patient);
    if let Some(visit) = &patient.visit {
        pv1(&mut message, visit, patient);
    }
    let unique = format!("{control}^DOCS");
    message.segment(
        "TXA",
        &[
            (1, "1"),
            (2, "PN"),
            (4, &stamp),
            (5, author),
            (12, &unique),
            (17, "AU"),
        ],
    );
    let text = format!(
        "Progress note: {}, seen on the round.",
        escape(patient.picture.diagnosis.1)
    );
    message.segment(
        "OBX",
        &[
            (1, "1"),
            (2, "TX"),
            (3, "11506-3^Progress note^LN"),
            (5, &text),
            (11, "F"),
        ],
    );
    message.utf8()
}

fn begin(kind: &str, control: &str, at: Time) -> Message {
    let stamp = zoned(at);
    Message::new(&Head {
        application: "ADT",
        kind,
        control,
        at: &stamp,
        charset: "UNICODE UTF-8",
    })
}

/// PID-3 of a patient.
fn mrn(patient: &Patient) -> String {
    format!("{}^^^STSALUS^MR", patient.mrn)
}

fn name(person: &Person) -> String {
    format!(
        "{}^{}^{}^^^^L",
        escape(&person.family),
        escape(&person.given),
        escape(&person.middle)
    )
}

fn address(person: &Person) -> String {
    format!(
        "{}^^{}^^{}^^H",
        escape(&person.street),
        escape(person.city),
        person.zip
    )
}

/// PID, as every feed of St. Salus writes it.
pub(crate) fn pid(message: &mut Message, patient: &Patient) {
    let person = &patient.person;
    let birth = person.birth.strftime("%Y%m%d").to_string();
    let phone = format!("{}^PRN^PH", person.phone);
    let sex = person.sex.to_string();
    message.segment(
        "PID",
        &[
            (1, "1"),
            (3, &mrn(patient)),
            (5, &name(person)),
            (7, &birth),
            (8, &sex),
            (11, &address(person)),
            (13, &phone),
        ],
    );
}

/// PV1, as every feed of St. Salus writes it.
pub(crate) fn pv1(message: &mut Message, visit: &Visit, patient: &Patient) {
    let at = visit
        .bed
        .map_or_else(|| "CLINIC^^^STSALUS".to_owned(), |bed| bed.point());
    let before = visit.before.map(|bed| bed.point()).unwrap_or_default();
    let service = visit.bed.map_or("MED", |bed| bed.service());
    let number = format!("{}^^^STSALUS^VN", visit.number);
    let mut fields = vec![
        (1, "1".to_owned()),
        (2, visit.class.code().to_owned()),
        (3, at),
        (6, before),
        (7, visit.attending.clone()),
        (10, service.to_owned()),
        (19, number),
        (44, zoned(visit.admitted)),
    ];
    if let Some(discharged) = visit.discharged {
        fields.push((45, zoned(discharged)));
    }
    let fields: Vec<(usize, &str)> = fields
        .iter()
        .map(|(place, value)| (*place, value.as_str()))
        .collect();
    message.segment("PV1", &fields);
    if visit.discharged.is_none() {
        message.segment(
            "PV2",
            &[(3, &format!("^{}", escape(patient.picture.diagnosis.1)))],
        );
    }
}

fn nk1(message: &mut Message, patient: &Patient) {
    let (code, text) = patient.kin_is;
    let relation = format!("{code}^{text}^HL70063");
    let phone = format!("{}^PRN^PH", patient.kin.phone);
    let fields = [
        (1, "1"),
        (2, &name(&patient.kin)),
        (3, &relation),
        (4, &address(&patient.kin)),
        (5, &phone),
    ];
    message.segment("NK1", &fields);
}

fn al1(message: &mut Message, patient: &Patient) {
    for (place, allergy) in patient.allergies.iter().enumerate() {
        let set = (place + 1).to_string();
        let what = format!("{}^{}^SCT", allergy.code, escape(allergy.text));
        let fields = [
            (1, set.as_str()),
            (2, allergy.kind),
            (3, &what),
            (4, allergy.severity),
            (5, allergy.reaction),
        ];
        message.segment("AL1", &fields);
    }
}

fn dg1(message: &mut Message, patient: &Patient, at: Time) {
    let (code, text) = patient.picture.diagnosis;
    let long_standing = patient
        .problems
        .iter()
        .map(|(code, text, _)| (*code, *text, "W"));
    for (place, (code, text, kind)) in std::iter::once((code, text, "A"))
        .chain(long_standing)
        .enumerate()
    {
        let set = (place + 1).to_string();
        let what = format!("{code}^{}^I10C", escape(text));
        let when = patient.visit.as_ref().map_or(at, |visit| visit.admitted);
        message.segment(
            "DG1",
            &[(1, &set), (3, &what), (5, &zoned(when)), (6, kind)],
        );
    }
}

fn in1(message: &mut Message, patient: &Patient, at: Time) {
    let (id, company) = patient.insurer;
    let plan = format!("{id}STD^Standard plan");
    let year = bare_year(at);
    let fields = [
        (1, "1"),
        (2, plan.as_str()),
        (3, id),
        (4, &escape(company)),
        (12, &format!("{year}0101")),
        (13, &format!("{year}1231")),
        (16, &name(&patient.person)),
        (17, "SEL^Self^HL70063"),
        (36, &patient.policy),
    ];
    message.segment("IN1", &fields);
}

fn bare_year(at: Time) -> String {
    at.timestamp().strftime("%Y").to_string()
}
