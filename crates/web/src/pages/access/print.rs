//! The mark on a printed sheet: the index of the sealed look that made it, with two digits that
//! catch what is mistyped; and who printed that sheet.

use access::TraceId;
use askama::Template;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use event::{Act, Subject};
use serde::Deserialize;

use super::told::Teller;
use super::view::Row;
use crate::error::{Problem, broken};
use crate::pages::shell::{Here, Shell};
use crate::pages::visit::{Visit, page};

/// The mark of a look: `4711-38`.
pub(crate) fn mark(index: u64) -> String {
    format!("{index}-{:02}", check(index))
}

/// The index in a mark; `None`: it is mistyped.
fn index_of(mark: &str) -> Option<u64> {
    let plain: String = mark
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    let (index, digits) = plain.split_once('-')?;
    let bare = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    let index: u64 = index.parse().ok().filter(|_| bare(index))?;
    (digits.len() == 2 && bare(digits) && digits.parse() == Ok(check(index))).then_some(index)
}

/// ISO 7064, MOD 97-10: one wrong digit or two exchanged ones never pass.
fn check(index: u64) -> u64 {
    98 - (index % 97 * 100 % 97)
}

/// What was typed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Typed {
    mark: String,
}

/// Who printed this sheet?
#[derive(Template)]
#[template(path = "access_print.html")]
pub(crate) struct PrintPage {
    pub shell: Shell,
    pub answer: String,
    pub typed: String,
    pub found: Option<Row>,
    pub wrong: Option<String>,
    pub decision: Option<u64>,
}

/// `GET /access/print`
pub(crate) async fn show(visit: Visit, Query(typed): Query<Typed>) -> Result<Response, Problem> {
    let typed: String = typed.mark.trim().chars().take(40).collect();
    let mut view = PrintPage {
        shell: visit.shell("Printed sheet", Here::Access),
        answer: "Type the mark that stands on the sheet.".to_owned(),
        typed: typed.clone(),
        found: None,
        wrong: None,
        decision: None,
    };
    let mut ask = visit.ask(Act::Audit, Subject::Record);
    ask.purpose = "HOPERAT".to_owned();
    ask.detail = format!("print {typed}");
    if typed.is_empty() {
        visit.leave("who printed", ask).await?;
        return page(StatusCode::OK, &view);
    }
    let permit = visit.permit("who printed this sheet", ask).await?;
    view.decision = Some(permit.index());
    let Some(index) = index_of(&typed) else {
        view.wrong = Some(format!(
            "\u{201c}{typed}\u{201d} is no mark: it is a number, a dash and two digits that must fit. Compare it with the sheet."
        ));
        return page(StatusCode::BAD_REQUEST, &view);
    };
    let trace = visit.app.access.trace(TraceId { index, part: 0 }).await;
    match trace.map_err(|why| broken(&why))? {
        Some(trace) => {
            let row = Teller::new(&visit).row(&trace);
            view.answer = format!(
                "{} made this sheet at {} {}.",
                row.name, row.at.day, row.at.exact
            );
            view.found = Some(row);
        }
        None => {
            view.wrong = Some(format!(
                "There is no look at event {index}: this sheet was not made by this Salus."
            ));
        }
    }
    page(StatusCode::OK, &view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::Samples;
    use crate::pages::shell::samples::administrator;

    impl Samples for PrintPage {
        fn samples() -> Vec<PrintPage> {
            let sheet = |typed: &str, wrong: Option<&str>| PrintPage {
                shell: administrator("Printed sheet", Here::Access),
                answer: "Type the mark.".into(),
                typed: typed.into(),
                found: None,
                wrong: wrong.map(str::to_owned),
                decision: wrong.map(|_| 7),
            };
            vec![sheet("", None), sheet("<b>\"1-00", Some("no mark <b>"))]
        }
    }

    #[test]
    fn a_mark_gives_its_index_back_and_a_mistyped_one_nothing() {
        for index in [0, 7, 4711, 123_456_789, u64::MAX >> 1] {
            let mark = mark(index);
            assert_eq!(index_of(&format!(" {mark} ")), Some(index), "{mark}");
            let mut digits: Vec<char> = mark.chars().collect();
            for place in 0..digits.len() {
                let kept = digits[place];
                if let Some(digit) = kept.to_digit(10) {
                    digits[place] = char::from_digit((digit + 1) % 10, 10).unwrap();
                    let wrong: String = digits.iter().collect();
                    assert_eq!(index_of(&wrong), None, "{wrong}");
                    digits[place] = kept;
                }
            }
        }
        assert_eq!(
            index_of("4711-38"),
            (mark(4711) == "4711-38").then_some(4711)
        );
        for bad in [
            "",
            "-",
            "4711",
            "4711-",
            "+4711-38",
            "4711-3",
            "99999999999999999999-00",
        ] {
            assert_eq!(index_of(bad), None, "{bad}");
        }
    }
}
