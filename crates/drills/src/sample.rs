//! Messages that test a door: one of each kind, about a patient, a bed and staff whom nobody can
//! take for real ones. HL7 v2.5.1, chapters 3 to 8 and 10.

use event::Time;

/// The identifier of the patient whom the messages are about, of the authority [`AUTHORITY`].
pub const PATIENT: &str = "SALUS-TEST-1";
/// Who assigns identifiers in the messages.
pub const AUTHORITY: &str = "SALUSTEST";

/// One kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Its type, event and structure (MSH-9).
    pub kind: &'static str,
    /// What it says, in words.
    pub says: &'static str,
    /// What follows the header; `{now}` stands for the moment.
    rest: &'static [&'static str],
}

const EVN: &str = "EVN||{now}";
const PID: &str = "PID|1||SALUS-TEST-1^^^SALUSTEST^MR||Zztest^Salus^Probe||19700101|U|||\
                   1 Test Street^^Testtown^^00000^^H||^PRN^PH^^^555^5550100";
const BED: &str = "{in TEST^1^A^SALUSTEST}";
const OTHER_BED: &str = "{in TEST^2^B^SALUSTEST}";
const HOME: &str = "{home TEST^1^A^SALUSTEST}";
const CLINIC: &str = "{out TESTCLINIC^^^SALUSTEST}";
const NONE: &str = "PV1|1|N";
const ORC: &str = "ORC|NW|TESTORDER-1^SALUSTEST|||||||{now}|||9999^Zzdoctor^Tess";
const RXE: &str = "RXE||TESTDRUG^Test tablet 1 mg^L|1||TAB^tablet";
const RXA: &str = "RXA|0|1|{now}|{now}|TESTDRUG^Test tablet 1 mg^L|1|TAB^tablet|||||||||||||CP";

/// All of them, in the order in which they make sense one after the other.
pub const SAMPLES: &[Sample] = &[
    sample("ADT^A28^ADT_A05", "a person is known", &[EVN, PID, NONE]),
    sample(
        "ADT^A05^ADT_A05",
        "an admission is planned",
        &[EVN, PID, BED],
    ),
    sample("ADT^A01^ADT_A01", "a patient is admitted", &[EVN, PID, BED]),
    sample(
        "ADT^A08^ADT_A01",
        "a patient's data changed",
        &[EVN, PID, BED],
    ),
    sample(
        "ADT^A02^ADT_A02",
        "a patient moves to another bed",
        &[EVN, PID, OTHER_BED],
    ),
    sample("ADT^A12^ADT_A12", "the move is cancelled", &[EVN, PID, BED]),
    sample(
        "ORM^O01^ORM_O01",
        "something is ordered",
        &[
            PID,
            BED,
            ORC,
            "OBR|1|TESTORDER-1^SALUSTEST||24323-8^Comprehensive metabolic panel^LN",
        ],
    ),
    sample(
        "OML^O21^OML_O21",
        "laboratory work is ordered",
        &[
            PID,
            BED,
            ORC,
            "OBR|1|TESTORDER-1^SALUSTEST||2823-3^Potassium^LN",
            "SPM|1|||SER^Serum^HL70487",
        ],
    ),
    sample(
        "ORU^R01^ORU_R01",
        "a result is there",
        &[
            PID,
            BED,
            "OBR|1|TESTORDER-1^SALUSTEST|TESTFILLER-1^SALUSTEST|2823-3^Potassium^LN|||{now}|||||||||\
         9999^Zzdoctor^Tess||||||{now}||LAB|F",
            "OBX|1|NM|2823-3^Potassium^LN||4.1|mmol/L^^UCUM|3.5-5.1|N|||F|||{now}",
        ],
    ),
    sample(
        "RDE^O11^RDE_O11",
        "a medicine is ordered",
        &[
            PID,
            BED,
            "ORC|NW|TESTDRUG-1^SALUSTEST|||||||{now}|||9999^Zzdoctor^Tess",
            RXE,
        ],
    ),
    sample(
        "RAS^O17^RAS_O17",
        "a medicine was given",
        &[
            PID,
            BED,
            "ORC|RE|TESTDRUG-1^SALUSTEST|||||||{now}",
            RXE,
            "RXR|PO^Oral^HL70162",
            RXA,
        ],
    ),
    sample(
        "VXU^V04^VXU_V04",
        "a vaccination was given",
        &[
            PID,
            "ORC|RE||TESTSHOT-1^SALUSTEST",
            "RXA|0|1|{now}|{now}|141^Influenza, seasonal, injectable^CVX|0.5|mL^^UCUM||\
         00^New immunization record^NIP001||||||TESTLOT|||||CP|A",
        ],
    ),
    sample(
        "SIU^S12^SIU_S12",
        "an appointment is made",
        &[
            "SCH|TESTAPPT-1^SALUSTEST|||||ROUTINE^Routine^HL70276|||30|min^^UCUM|^^30^{now}|||||\
         9999^Zzdoctor^Tess||||9999^Zzdoctor^Tess|||||BOOKED",
            PID,
            CLINIC,
            "RGS|1|A",
            "AIL|1|A|TESTCLINIC^^^SALUSTEST",
        ],
    ),
    sample(
        "MDM^T02^MDM_T02",
        "a document was written",
        &[
            EVN,
            PID,
            BED,
            "TXA|1|CN|TX|{now}|9999^Zzdoctor^Tess|{now}||||||TESTNOTE-1^SALUSTEST|||||AU",
            "OBX|1|TX|11506-3^Progress note^LN||This note tests a door. It says nothing of anybody.||||||F",
        ],
    ),
    sample(
        "PPR^PC1^PPR_PC1",
        "a problem is known",
        &[
            PID,
            BED,
            "PRB|AD|{now}|38341003^Hypertensive disorder^SCT|TESTPROBLEM-1^SALUSTEST",
        ],
    ),
    sample(
        "BAR^P01^BAR_P01",
        "an account is opened",
        &[
            EVN,
            PID,
            BED,
            "DG1|1||I10^Essential hypertension^I10||{now}|A",
        ],
    ),
    sample(
        "DFT^P03^DFT_P03",
        "a charge is posted",
        &[
            EVN,
            PID,
            BED,
            "FT1|1|||{now}||CG|TESTCHARGE^A charge that tests^L",
        ],
    ),
    sample(
        "QBP^Q22^QBP_Q21",
        "who is it? a query of patients",
        &[
            "QPD|IHE PDQ Query^IHE PDQ Query^IHE|TESTQUERY-1|@PID.5.1^Zztest",
            "RCP|I|5^RD",
        ],
    ),
    sample(
        "MFN^M02^MFN_M02",
        "somebody joins the staff",
        &[
            "MFI|PRA^Practitioner master file^HL70175||UPD|||AL",
            "MFE|MAD|TESTSTAFF-1|{now}|9999^Zzdoctor^Tess|CE",
            "STF|9999^Zzdoctor^Tess|9999^^^SALUSTEST|Zzdoctor^Tess^^^Dr||F|19700101|A",
        ],
    ),
    sample("ADT^A03^ADT_A03", "a patient goes home", &[EVN, PID, HOME]),
    sample(
        "ADT^A13^ADT_A01",
        "the discharge is cancelled",
        &[EVN, PID, BED],
    ),
    sample(
        "ADT^A11^ADT_A09",
        "the admission is cancelled",
        &[EVN, PID, BED],
    ),
    sample(
        "ADT^A04^ADT_A01",
        "a patient comes to the clinic",
        &[EVN, PID, CLINIC],
    ),
    sample(
        "ADT^A31^ADT_A05",
        "a person's data changed",
        &[EVN, PID, NONE],
    ),
];

const fn sample(kind: &'static str, says: &'static str, rest: &'static [&'static str]) -> Sample {
    Sample { kind, says, rest }
}

impl Sample {
    /// The one of this type and event, such as `ADT^A01`.
    pub fn of(kind: &str) -> Option<&'static Sample> {
        SAMPLES.iter().find(|one| one.name() == kind)
    }

    /// Its type and event.
    pub fn name(&self) -> &'static str {
        self.kind
            .rsplit_once('^')
            .map_or(self.kind, |(name, _)| name)
    }

    /// The message, sent by `application` at `facility`; its segments end with carriage returns.
    pub fn message(
        &self,
        (application, facility): (&str, &str),
        control: &str,
        now: Time,
    ) -> String {
        let now: String = now
            .to_string()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        let now = now.get(..14).unwrap_or(&now);
        let kind = self.kind;
        let mut message = format!(
            "MSH|^~\\&|{application}|{facility}|SALUS|SALUS|{now}||{kind}|{control}|P|2.5.1||||||UNICODE UTF-8\r"
        );
        for segment in self.rest {
            message.push_str(&written(segment).replace("{now}", now));
            message.push('\r');
        }
        message
    }
}

/// A segment, or the visit (PV1) that a word stands for.
fn written(segment: &str) -> String {
    let visit = segment
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    let Some((class, place)) = visit.and_then(|visit| visit.split_once(' ')) else {
        return segment.to_owned();
    };
    // PV1-2 class, 3 place, 7 attending doctor, 19 visit number, 36 and 45 the discharge, 44 admitted.
    let (class, visit) = match class {
        "out" => ("O", "TESTVISIT-2^^^SALUSTEST^VN"),
        _ => ("I", "TESTVISIT-1^^^SALUSTEST^VN"),
    };
    let home = segment.starts_with("{home");
    let mut fields = vec![""; 46];
    let known = [
        (1, "1"),
        (2, class),
        (3, place),
        (7, "9999^Zzdoctor^Tess^^^Dr^^^SALUSTEST"),
        (19, visit),
        (36, if home { "01" } else { "" }),
        (44, "{now}"),
        (45, if home { "{now}" } else { "" }),
    ];
    for (number, value) in known {
        if let Some(field) = fields.get_mut(number) {
            *field = value;
        }
    }
    let text = format!("PV1{}", fields.join("|"));
    text.trim_end_matches('|').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_message_of_its_kind_about_nobody_real() {
        let now = Time::from_millis(1_700_000_000_000);
        for one in SAMPLES {
            let text = one.message(("SENDER", "PLACE"), "C1", now);
            let parsed = wire::hl7::parse(text.as_bytes(), "");
            assert!(parsed.complaints.is_empty(), "{:?}", parsed.complaints);
            let message = parsed.message;
            assert_eq!(message.kind(), one.name());
            assert_eq!(message.control(), "C1");
            assert!(!text.contains('{'), "{text}");
            assert_eq!(Sample::of(one.name()), Some(one));
        }
    }

    #[test]
    fn a_visit_has_its_fields_where_they_belong() {
        let bed = written(BED);
        let fields: Vec<&str> = bed.split('|').collect();
        assert_eq!(
            (fields[3], fields[19], fields[44]),
            ("TEST^1^A^SALUSTEST", "TESTVISIT-1^^^SALUSTEST^VN", "{now}")
        );
        assert_eq!(written(HOME).split('|').nth(45), Some("{now}"));
    }
}
