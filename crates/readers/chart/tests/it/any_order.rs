//! Small sets of messages about the same thing, each of which says some elements: whatever they are, the chart
//! is the same in every order in which they can come.

use crate::house::{House, merge};
use crate::permuted::{all, in_any_order};

/// Numbers that look like chance, and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn of<'t>(&mut self, some: &[&'t str]) -> &'t str {
        some[self.below(some.len())]
    }

    /// Now and then nothing.
    fn maybe(&mut self, some: &[&'static str]) -> &'static str {
        match self.below(2) {
            0 => "",
            _ => self.of(some),
        }
    }
}

fn told(hour: usize) -> String {
    format!("20230306{hour:02}0000")
}

fn head(kind: &str, hour: usize) -> String {
    let told = told(hour);
    format!("MSH|^~\\&|X|S|||{told}||{kind}|{kind}{told}|P|2.5\rPID|||77^^^MRN^MR\r")
}

/// Both numbers of an order, or one of them.
fn numbers(chance: &mut Chance) -> (&'static str, &'static str) {
    [("P9^HIS", "F9^LIS"), ("P9^HIS", ""), ("", "F9^LIS")][chance.below(3)]
}

const CODES: [&str; 3] = ["CHEM^Chemistry^L", "CHEM2^Chemistry too^L", ""];

fn order(hour: usize, chance: &mut Chance) -> String {
    let (placer, filler) = numbers(chance);
    let (control, status) = (
        chance.of(&["NW", "XO", "OK", "CA", "CR", "SC"]),
        chance.maybe(&["IP", "CM", "HD"]),
    );
    let (who, why, label) = (
        chance.maybe(&["7001^House^Greg", "7002^Wilson^James"]),
        chance.maybe(&["R1^One^L", "R2^Two^L"]),
        chance.maybe(&["V", "R"]),
    );
    let (code, urgent, reason, note) = (
        chance.of(&CODES),
        chance.maybe(&["S", "R"]),
        chance.maybe(&["R07^Pain^L", "R08^Ache^L"]),
        chance.maybe(&["NTE|1||first\r", "NTE|1||second\r"]),
    );
    format!(
        "{}ORC|{control}|{placer}|{filler}||{status}||||{}|||{who}||||{why}||||||||||||{label}\r\
         OBR|1|{placer}|{filler}|{code}|{urgent}||||||||||||||||||||||||||{reason}\r{note}",
        head("ORM^O01", hour),
        told(hour)
    )
}

fn result(hour: usize, chance: &mut Chance) -> String {
    let (placer, filler) = numbers(chance);
    let (status, who, section) = (
        chance.of(&["P", "F", "C", "X"]),
        chance.maybe(&["7003&Chase&Robert", "7004&Foreman&Eric"]),
        chance.maybe(&["CH", "HM"]),
    );
    let (code, test, value) = (
        chance.of(&CODES[..2]),
        chance.of(&["NA", "K"]),
        chance.of(&["139", "141"]),
    );
    format!(
        "{}OBR|1|{placer}|{filler}|{code}|||20230306080000|||||||||||||||{}||{section}|{status}|||||||{who}\r\
         OBX|1|NM|{test}^{test}^L||{value}|mmol/L|||||{status}\r",
        head("ORU^R01", hour),
        told(hour)
    )
}

fn medicine(hour: usize, chance: &mut Chance) -> String {
    let (placer, filler) = numbers(chance);
    let (control, status) = (
        chance.of(&["NW", "XO", "RE", "CA", "CR", "DC"]),
        chance.maybe(&["IP", "CM", "DC"]),
    );
    let (who, code, amount, words) = (
        chance.maybe(&["7001^House^Greg", "7002^Wilson^James"]),
        chance.of(&["1^Warfarin^L", "2^Heparin^L"]),
        chance.of(&["5", "2.5"]),
        chance.maybe(&["^with water", "^at night"]),
    );
    let segment = match chance.below(4) {
        0 => format!("RXA|1|1|20230306080000||{code}|{amount}|mg|||||||||||||CP\r"),
        1 => format!("RXD|1|{code}|20230306093000|{amount}|mg||R1\r"),
        _ => format!("RXE|^BID|{code}|{amount}||mg||{words}\rRXR|PO^Oral\r"),
    };
    let kind = match &segment[..3] {
        "RXA" => "RAS^O17",
        "RXD" => "RDS^O13",
        _ => "RDE^O11",
    };
    let at = told(hour);
    format!(
        "{}ORC|{control}|{placer}|{filler}||{status}||||{at}|||{who}\r{segment}",
        head(kind, hour)
    )
}

fn appointment(hour: usize, chance: &mut Chance) -> String {
    let trigger = chance.of(&["S12", "S13", "S14", "S15", "S17", "S26"]);
    let (why, kind, start, person, note) = (
        chance.maybe(&["C1^Ill^L", "C2^Well^L"]),
        chance.maybe(&["ROUTINE", "WALKIN"]),
        chance.maybe(&[
            "^^^20230401080000^20230401083000",
            "^^^20230402080000^20230402083000",
        ]),
        chance.maybe(&[
            "AIP|1|A|7001^House^Greg|D^Doctor\r",
            "AIP|1|A|7002^Wilson^James|D^Doctor\r",
        ]),
        chance.maybe(&["NTE|1||bring papers\r", "NTE|1||come early\r"]),
    );
    let status = chance.maybe(&["Booked", "Pending"]);
    format!(
        "{}SCH|A1^HIS|A2^HIS||||{why}||{kind}|||{start}||||||||||||||{status}\r{note}RGS|1\r{person}",
        head(&format!("SIU^{trigger}"), hour)
    )
}

fn document(hour: usize, chance: &mut Chance) -> String {
    let trigger = chance.of(&["T01", "T02", "T03", "T04", "T08", "T11"]);
    let (author, done, label, available) = (
        chance.maybe(&["7001^House^Greg", "7002^Wilson^James"]),
        chance.maybe(&["DI", "AU", "LA"]),
        chance.maybe(&["V", "R"]),
        chance.maybe(&["AV", "OB", "UN"]),
    );
    let text = chance.maybe(&[
        "OBX|1|TX|T^Text^L||One line.\r",
        "OBX|1|TX|T^Text^L||Another line.\r",
    ]);
    format!(
        "{}TXA|1|DS^Summary^L|TX||||||{author}|||D1^HIS|||||{done}|{label}|{available}\r{text}",
        head(&format!("MDM^{trigger}"), hour)
    )
}

type Make = fn(usize, &mut Chance) -> String;

async fn holds(makes: &[Make], kinds: &[&str], seed: u64) {
    let mut chance = Chance(seed);
    for _ in 0..SETS {
        let many = 2 + chance.below(3);
        let messages: Vec<String> = (0..many)
            .map(|at| makes[chance.below(makes.len())](7 + at, &mut chance))
            .collect();
        in_any_order(&messages, kinds).await;
    }
}

/// Sets of each kind.
const SETS: usize = 6;

#[tokio::test]
async fn orders_and_results_are_the_same_in_any_order() {
    let kinds = ["ServiceRequest", "DiagnosticReport", "Task"];
    holds(&[order, result], &kinds, 1).await;
}

#[tokio::test]
async fn medicines_and_doses_are_the_same_in_any_order() {
    let kinds = [
        "MedicationRequest",
        "MedicationAdministration",
        "MedicationDispense",
        "Task",
    ];
    holds(&[medicine], &kinds, 2).await;
}

#[tokio::test]
async fn appointments_are_the_same_in_any_order() {
    holds(&[appointment], &["Appointment"], 3).await;
}

#[tokio::test]
async fn documents_are_the_same_in_any_order() {
    holds(&[document], &["DocumentReference"], 4).await;
}

#[tokio::test]
async fn a_document_that_was_withdrawn_stays_so_whatever_is_told_of_where_it_lies() {
    let told = |trigger: &str, hour: usize, available: &str| {
        format!(
            "{}TXA|1|DS^Summary^L|TX|||||||||D1^HIS||||||R|{available}\r",
            head(&format!("MDM^{trigger}"), hour)
        )
    };
    let kinds = ["DocumentReference"];
    let both = [told("T11", 8, ""), told("T08", 9, "UN")];
    let documents = in_any_order(&both, &kinds).await;
    assert_eq!(documents[0]["status"], "entered-in-error", "{documents:?}");
    let alone = in_any_order(&both[1..], &kinds).await;
    assert_eq!(alone[0]["status"], "current", "{alone:?}");
}

/// Of two patients who were merged each resource is whose it names, so that each has their own when the merge is
/// taken back.
#[tokio::test]
async fn whose_it_is_and_whom_it_names_are_one_after_a_merge() {
    let makes: [Make; 5] = [order, result, medicine, appointment, document];
    let mut chance = Chance(5);
    for make in makes {
        for _ in 0..SETS {
            let mut message = |at: usize| {
                let message = make(7 + at, &mut chance);
                message.replace("|||77^", chance.of(&["|||77^", "|||78^"]))
            };
            let messages = [message(0), message(1), message(2)];
            for (n, order) in [[0, 1, 2], [2, 1, 0]].into_iter().enumerate() {
                let house = House::new().await;
                house.message(&merge("m", "77", "78")).await;
                for at in &order {
                    house.message(&messages[*at]).await;
                }
                house.fold_by(&house.chart, 1 + n * 99).await;
                let [survivor, retired] = ["77", "78"].map(|number| house.patient(number));
                house.unmerge(&retired, &survivor).await;
                house.fold(&house.chart).await;
                each_is_whose_it_names(&house, &format!("{order:?} of {messages:#?}")).await;
            }
        }
    }
}

async fn each_is_whose_it_names(house: &House, what: &str) {
    for kind in [
        "Appointment",
        "DiagnosticReport",
        "DocumentReference",
        "MedicationRequest",
        "ServiceRequest",
        "Task",
    ] {
        for one in all(house, kind).await {
            let id = one["id"].as_str().unwrap();
            let located = house.chart.locate(kind, id).await.unwrap().unwrap();
            if let Some(named) = wire::fhir::patient_of(&one) {
                assert_eq!(located.patient, Some(named), "{one:#} of {what}");
            }
        }
    }
}
