use anyhow::Result;
use inlets::dicom::Retrieve;
use serde::Serialize;

use crate::cli::{Format, Pull, PullBy};
use crate::config::Config;
use crate::local::Operator;
use crate::output;
use crate::pulling::{Order, Pulled, What};

/// What came of all of it.
#[derive(Serialize)]
struct Sum {
    series: usize,
    #[serde(flatten)]
    pulled: Pulled,
}

pub(crate) async fn run(config: Config, args: Pull, format: Format) -> Result<u8> {
    let what = match (args.study, args.patient, args.accession) {
        (Some(uid), ..) => What::Study(uid),
        (_, Some(id), _) => What::Patient(id),
        (.., number) => What::Accession(number.unwrap_or_default()),
    };
    let order = Order {
        from: args.from,
        reason: args.reason,
        what,
        by: args.by.into(),
    };
    let operator = Operator::reach(config).await?;
    let sum = all(&operator, &order).await;
    operator.done().await;
    let sum = sum?;
    output::result(format, &sum, words);
    Ok(match sum.pulled.lacking.is_empty() && sum.series > 0 {
        true => output::WELL,
        false => output::FOUND,
    })
}

/// One series after the other: what came is here, whatever becomes of the next.
async fn all(operator: &Operator, order: &Order) -> Result<Sum> {
    let found = operator.pull_find(order).await?;
    let mut sum = Sum {
        series: found.len(),
        pulled: Pulled::default(),
    };
    for (number, series) in (1_usize..).zip(&found) {
        let pulled = operator.pull_series(order, series).await?;
        let (came, there) = (pulled.came, pulled.there);
        output::note(&format!(
            "series {number} of {}: {came} came, {there} were here",
            found.len()
        ));
        sum.pulled.came += pulled.came;
        sum.pulled.there += pulled.there;
        sum.pulled.lacking.extend(pulled.lacking);
    }
    Ok(sum)
}

impl From<PullBy> for Retrieve {
    fn from(by: PullBy) -> Retrieve {
        match by {
            PullBy::Auto => Retrieve::Auto,
            PullBy::Get => Retrieve::Get,
            PullBy::Move => Retrieve::Move,
        }
    }
}

fn words(sum: &Sum) -> String {
    if sum.series == 0 {
        return "nothing was found there".to_owned();
    }
    let Pulled {
        there,
        came,
        lacking,
    } = &sum.pulled;
    let mut out = format!(
        "{} series: {came} object(s) came, {there} were here, {} lack",
        sum.series,
        lacking.len()
    );
    for (uid, why) in lacking.iter().take(20) {
        out.push_str(&format!("\n  {uid}: {why}"));
    }
    out
}
