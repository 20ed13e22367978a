//! The accounting of disclosures (45 CFR 164.528): a letter for one patient, ready to print.

use access::{Filter, Looker, Page, Trace, What};
use askama::Template;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use event::{Act, Subject};

use super::told::Teller;
use super::view::Row;
use super::{Typed, day, patient};
use crate::error::{Problem, broken};
use crate::pages::shell::{Here, Shell};
use crate::pages::visit::{Visit, page};
use crate::pages::words::{self, Stamp};

/// What a letter goes back at most, and goes back if nothing is said (164.528(a)(1)).
const YEARS_MS: i64 = 6 * 366 * 86_400_000;
/// Purposes that need not be accounted for (164.528(a)(1)(i)): treatment, payment, operations.
const EXEMPT: [&str; 3] = ["TREAT", "HPAYMT", "HOPERAT"];
/// Disclosures that are listed one by one.
const DISCLOSURES_MAX: usize = 1_000;
/// People and systems that are summed up.
const USERS_MAX: usize = 2_000;

/// Who received this patient's data, and who used it?
#[derive(Template)]
#[template(path = "access_letter.html")]
pub(crate) struct LetterPage {
    pub shell: Shell,
    pub patient: String,
    /// As it was typed: the number the patient knows.
    pub number: String,
    pub from: Stamp,
    pub to: Stamp,
    pub disclosures: Vec<Row>,
    /// There are more than are listed.
    pub cut: bool,
    pub users: Vec<User>,
    pub looks: String,
    pub decision: u64,
}

/// Somebody who used the data, summed up.
pub(crate) struct User {
    pub name: String,
    pub role: &'static str,
    pub looks: String,
    pub first: Stamp,
    pub last: Stamp,
    pub why: String,
}

/// `GET /access/letter`
pub(crate) async fn show(visit: Visit, Query(typed): Query<Typed>) -> Result<Response, Problem> {
    let typed = typed.recalled(&visit);
    if typed.patient.trim().is_empty() {
        return Err(Problem::Malformed(
            "a letter is about one patient: type the patient\u{2019}s number".to_owned(),
        ));
    }
    let patient = patient(&visit, &typed).await?;
    let mut ask = visit.ask(Act::Audit, Subject::Patient(patient.clone()));
    ask.purpose = "HOPERAT".to_owned();
    ask.detail = "accounting of disclosures".to_owned();
    let permit = visit.permit("who looked at this chart", ask).await?;
    let now = visit.eye.now;
    let from = day(&visit, &typed.from)?.unwrap_or(now.plus_millis(-YEARS_MS));
    let to = day(&visit, &typed.to)?.map_or(now, |to| to.plus_millis(86_400_000));
    let looks = Filter {
        from: Some(from),
        to: Some(to),
        allowed: Some(true),
        what: What::LOOKS.to_vec(),
        ..Filter::of_patient(visit.app.chart.family(&patient))
    };
    let outside = Filter {
        purposes_not: EXEMPT.to_vec(),
        ..looks.clone()
    };
    let access = &visit.app.access;
    let users = access
        .lookers(&looks, USERS_MAX)
        .await
        .map_err(|why| broken(&why))?;
    let listed = access.traces(&outside, Page::newest(DISCLOSURES_MAX)).await;
    let listed = listed.map_err(|why| broken(&why))?;
    let all: u64 = users.iter().map(|user| user.sum.allowed).sum();
    let teller = Teller::new(&visit);
    let view = LetterPage {
        shell: visit.shell("Accounting of disclosures", Here::Access),
        number: typed.patient.trim().to_owned(),
        patient,
        from: visit.stamp(from),
        to: visit.stamp(to),
        disclosures: listed
            .rows
            .iter()
            .map(|trace: &Trace| teller.row(trace))
            .collect(),
        cut: listed.next.is_some(),
        users: users.iter().map(|one| user(&visit, &teller, one)).collect(),
        looks: words::count(all, "look", "looks"),
        decision: permit.index(),
    };
    page(StatusCode::OK, &view)
}

fn user(visit: &Visit, teller: &Teller<'_>, looker: &Looker) -> User {
    let sum = &looker.sum;
    User {
        name: match looker.actor.name.trim() {
            "" => looker.actor.id.clone(),
            name => name.to_owned(),
        },
        role: words::role(looker.actor.role),
        looks: words::thousands(sum.allowed),
        first: visit.stamp(sum.first),
        last: visit.stamp(sum.last),
        why: teller.why(true, &sum.because).words,
    }
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::pages::Samples;
    use crate::pages::shell::samples::{administrator, ago};

    impl Samples for LetterPage {
        fn samples() -> Vec<LetterPage> {
            let letter = |users: Vec<User>| LetterPage {
                shell: administrator("Accounting of disclosures", Here::Access),
                patient: "p-1".into(),
                number: "77-1 <b>".into(),
                from: ago(3_000_000),
                to: ago(1),
                disclosures: Vec::new(),
                cut: !users.is_empty(),
                users,
                looks: "13 looks".into(),
                decision: 4711,
            };
            let user = User {
                name: "Anna <script>".into(),
                role: "nurse",
                looks: "13".into(),
                first: ago(5_000),
                last: ago(5),
                why: "the patient was on a ward where they work".into(),
            };
            vec![letter(vec![user]), letter(Vec::new())]
        }
    }
}
