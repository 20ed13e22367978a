//! What the laboratory sends: ORU^R01 with panels, cultures and corrections.

use event::Time;

use crate::dice::Dice;
use crate::hospital::adt::{pid, pv1};
use crate::hospital::labs::{Analyte, Panel};
use crate::hospital::message::{Head, Message, bare, escape, latin1_can_write};
use crate::hospital::patient::Patient;

/// A report on one specimen; the same report is sent again when it is corrected.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// Place of the patient in the hospital's list.
    pub(crate) patient: usize,
    pub(crate) placer: String,
    pub(crate) filler: String,
    pub(crate) collected: Time,
    /// The ordering physician as XCN.
    pub(crate) ordered_by: String,
    pub(crate) what: Findings,
}

/// What was found.
#[derive(Debug, Clone)]
pub(crate) enum Findings {
    Panel(&'static Panel, Vec<(&'static Analyte, f64)>),
    /// A blood culture; the organism by SNOMED CT code and name, if one grew.
    Culture(Option<(&'static str, &'static str)>),
}

/// HL7 tables 0085 and 0123.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Preliminary,
    Final,
    Corrected,
}

impl Stage {
    const fn code(self) -> &'static str {
        match self {
            Stage::Preliminary => "P",
            Stage::Final => "F",
            Stage::Corrected => "C",
        }
    }
}

/// Measures a panel in somebody as ill as `severity` says.
pub(crate) fn measure(dice: &mut Dice, panel: &'static Panel, ill: (&Patient, f64)) -> Findings {
    let (patient, severity) = ill;
    let rows = panel.analytes().map(|analyte| {
        let shift = patient
            .picture
            .labs
            .iter()
            .find(|(key, _)| *key == analyte.key);
        let value = analyte.measure(dice, shift.map_or(0.0, |(_, shift)| shift * severity));
        (analyte, value)
    });
    Findings::Panel(panel, rows.collect())
}

/// Changes the first value of a panel, as when a specimen turns out to have been hemolyzed.
pub(crate) fn correct(dice: &mut Dice, report: &mut Report) {
    if let Findings::Panel(_, rows) = &mut report.what
        && let Some((analyte, value)) = rows.first_mut()
    {
        *value = analyte.measure(dice, 0.0);
    }
}

/// The message. In ISO 8859-1 as long as the patient's names allow, in UTF-8 otherwise.
pub(crate) fn oru(report: &Report, patient: &Patient, sent: (&str, Time, Stage)) -> Vec<u8> {
    let (control, at, stage) = sent;
    let narrow = latin1(patient, report);
    let charset = if narrow { "8859/1" } else { "UNICODE UTF-8" };
    let stamp = bare(at);
    let head = Head {
        application: "LAB",
        kind: "ORU^R01^ORU_R01",
        control,
        at: &stamp,
        charset,
    };
    let mut message = Message::new(&head);
    pid(&mut message, patient);
    if let Some(visit) = &patient.visit {
        pv1(&mut message, visit, patient);
    }
    obr(&mut message, report, (at, stage));
    match &report.what {
        Findings::Panel(_, rows) => panel(&mut message, rows, (at, stage)),
        Findings::Culture(grown) => culture(&mut message, *grown, (report, at, stage)),
    }
    if narrow {
        message.latin1()
    } else {
        message.utf8()
    }
}

fn latin1(patient: &Patient, report: &Report) -> bool {
    let person = &patient.person;
    let attending = patient
        .visit
        .as_ref()
        .map_or("", |visit| visit.attending.as_str());
    [
        &person.family,
        &person.given,
        &person.middle,
        &person.street,
        person.city,
        attending,
        &report.ordered_by,
    ]
    .iter()
    .all(|text| latin1_can_write(text))
}

fn obr(message: &mut Message, report: &Report, sent: (Time, Stage)) {
    let (at, stage) = sent;
    let ((code, text), section) = match &report.what {
        Findings::Panel(panel, _) => (panel.loinc, panel.section),
        Findings::Culture(_) => (("600-7", "Bacteria identified in Blood by Culture"), "MB"),
    };
    let service = format!("{code}^{}^LN", escape(text));
    let placer = format!("{}^WARD", report.placer);
    let filler = format!("{}^LAB", report.filler);
    let fields = [
        (1, "1"),
        (2, placer.as_str()),
        (3, &filler),
        (4, &service),
        (7, &bare(report.collected)),
        (16, &report.ordered_by),
        (22, &bare(at)),
        (24, section),
        (25, stage.code()),
    ];
    message.segment("OBR", &fields);
}

fn panel(message: &mut Message, rows: &[(&'static Analyte, f64)], sent: (Time, Stage)) {
    let (at, stage) = sent;
    for (place, (analyte, value)) in rows.iter().enumerate() {
        let corrected = stage == Stage::Corrected && place == 0;
        let status = if corrected { "C" } else { "F" };
        let (text, printed) = analyte.printed(*value);
        let (code, name) = analyte.loinc;
        let what = format!("{code}^{}^LN", escape(name));
        let unit = format!("{}^^UCUM", escape(analyte.unit));
        let fields = [
            (1, (place + 1).to_string()),
            (2, "NM".to_owned()),
            (3, what),
            (5, text),
            (6, unit),
            (7, analyte.range_text()),
            (8, analyte.flag(printed).to_owned()),
            (11, status.to_owned()),
            (14, bare(at)),
        ];
        let fields: Vec<(usize, &str)> = fields
            .iter()
            .map(|(at, value)| (*at, value.as_str()))
            .collect();
        message.segment("OBX", &fields);
        if corrected {
            message.segment(
                "NTE",
                &[
                    (1, "1"),
                    (2, "L"),
                    (3, "Corrected: the first specimen was hemolyzed."),
                ],
            );
        }
    }
}

fn culture(message: &mut Message, grown: Option<(&str, &str)>, sent: (&Report, Time, Stage)) {
    let (report, at, stage) = sent;
    let (kind, value, flag) = match grown {
        Some((code, name)) if stage != Stage::Preliminary => {
            ("CWE", format!("{code}^{name}^SCT"), "A")
        }
        Some(_) => (
            "ST",
            "Growth detected, identification follows".to_owned(),
            "A",
        ),
        None if stage == Stage::Preliminary => ("ST", "No growth after 24 hours".to_owned(), "N"),
        None => ("ST", "No growth after 5 days".to_owned(), "N"),
    };
    let fields = [
        (1, "1"),
        (2, kind),
        (3, "600-7^Bacteria identified in Blood by Culture^LN"),
        (5, &value),
        (8, flag),
        (11, stage.code()),
        (14, &bare(at)),
    ];
    message.segment("OBX", &fields);
    let specimen = format!("{}&WARD^{}&LAB", report.placer, report.filler);
    let collected = bare(report.collected);
    message.segment(
        "SPM",
        &[
            (1, "1"),
            (2, &specimen),
            (4, "119297000^Blood specimen^SCT"),
            (17, &collected),
        ],
    );
}
