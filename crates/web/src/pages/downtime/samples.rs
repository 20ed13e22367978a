use lifeline::SheetId;

use super::*;
use crate::pages::Samples;
use crate::pages::shell::Here;
use crate::pages::shell::samples::{administrator, ago, shell};

const HOSTILE: &str = "<script>alert(1)</script>\"'&";

fn sum(ward: &str, own: bool) -> SumRow {
    SumRow {
        path: "ICU".into(),
        ward: ward.into(),
        own,
        tone: Tone::Warn,
        sheets: "12".into(),
        out: "1".into(),
        rows: "176".into(),
        blank: "140".into(),
        typed: "36".into(),
        accepted: "30".into(),
        refused: "2".into(),
        waiting: "4".into(),
    }
}

fn typed(row: u16, wrong: Option<&str>) -> Typed {
    Typed {
        row,
        day: "2026-11-21".into(),
        time: "14:03".into(),
        kind: "given".into(),
        what: HOSTILE.into(),
        value: "40".into(),
        unit: "mg".into(),
        by: HOSTILE.into(),
        wrong: wrong.map(str::to_owned),
    }
}

impl Samples for DowntimePage {
    fn samples() -> Vec<DowntimePage> {
        let page = |rows: Vec<SumRow>, away| DowntimePage {
            shell: administrator("Downtime", Here::Lifeline),
            tone: Tone::Warn,
            answer: "4 entries wait.".into(),
            away,
            declared: false,
            may_declare: true,
            rows,
            total: sum("", false),
            wards: vec![("ICU".into(), HOSTILE.into())],
            wrong: Some(HOSTILE.into()),
        };
        let away = AwayNote {
            since: ago(90),
            reason: HOSTILE.into(),
            name: HOSTILE.into(),
            index: Some(7),
        };
        vec![
            page(vec![sum(HOSTILE, true), sum("MED", false)], Some(away)),
            page(Vec::new(), None),
        ]
    }
}

impl Samples for SheetPage {
    fn samples() -> Vec<SheetPage> {
        let page = |sheet: &str, patient: &str| SheetPage {
            shell: shell("Type in a sheet", Here::Lifeline),
            sheet: sheet.into(),
            ward: HOSTILE.into(),
            patient: patient.into(),
            temporary: HOSTILE.into(),
            rows: vec![
                typed(1, Some(HOSTILE)),
                Typed {
                    row: 2,
                    ..Typed::default()
                },
            ],
            before: 3,
            wrong: Some(HOSTILE.into()),
        };
        vec![page("12-1-1-44", "p1"), page("", "")]
    }
}

impl Samples for QueuePage {
    fn samples() -> Vec<QueuePage> {
        let row = |waiting| Queued {
            href: "/downtime/ward/ICU/entries?patient=p1".into(),
            type_in: "/downtime/sheet?ward=ICU&patient=p1".into(),
            name: HOSTILE.into(),
            place: "room 4".into(),
            waiting,
        };
        let sheet = |back: &str| SheetRow {
            id: "12-1-1-44".into(),
            href: "/downtime/sheet?number=12-1-1-44".into(),
            printed: "14:03".into(),
            back: back.into(),
            typed: 4,
            blank: 12,
        };
        let page = |rows, sheets| QueuePage {
            shell: shell("Downtime", Here::Lifeline),
            answer: "4 entries wait.".into(),
            path: "ICU".into(),
            rows,
            sheets,
            decision: 9,
        };
        vec![
            page(vec![row(3), row(0)], vec![sheet(""), sheet("15:00")]),
            page(Vec::new(), Vec::new()),
        ]
    }
}

impl Samples for PatientQueue {
    fn samples() -> Vec<PatientQueue> {
        let row = |state: &str, against| EntryRow {
            index: 4711,
            typed: typed(0, None),
            happened: "2026-11-21 14:03".into(),
            at: ago(9),
            typist: HOSTILE.into(),
            sheet: "12-1-1-44".into(),
            row: 4,
            against,
            state: state.into(),
        };
        let against = vec![
            Against {
                words: HOSTILE.into(),
                index: Some(7),
            },
            Against {
                words: HOSTILE.into(),
                index: None,
            },
        ];
        let page = |newcomer, rows, decided| PatientQueue {
            shell: shell("Entries", Here::Lifeline),
            ward: HOSTILE.into(),
            path: "ICU".into(),
            name: HOSTILE.into(),
            newcomer,
            rows,
            decided,
            wrong: Some(HOSTILE.into()),
        };
        vec![
            page(
                false,
                vec![row("", against)],
                vec![row("accepted", Vec::new())],
            ),
            page(true, vec![row("", Vec::new())], Vec::new()),
            page(false, Vec::new(), Vec::new()),
        ]
    }
}

impl Samples for PrintPage {
    fn samples() -> Vec<PrintPage> {
        let id = SheetId {
            list: 12,
            patient: 1,
            sheet: 1,
        };
        let page = |sheets| PrintPage {
            shell: shell("Sheets", Here::Lifeline),
            answer: "1 sheet is expected back.".into(),
            ward: HOSTILE.into(),
            path: "ICU".into(),
            rows: 16,
            sheets,
        };
        let one = BlankSheet {
            sheet: PaperSheet::of(id),
            who: HOSTILE.into(),
        };
        vec![page(vec![one]), page(Vec::new())]
    }
}
