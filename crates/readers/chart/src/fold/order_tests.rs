//! What a number of a filler costs that is used again and again: rows that are looked at, not time.

use event::Time;
use serde_json::{Map, Value, json};
use wire::v2::{Draft, Mode, Told};

use super::super::aside::Aside;
use super::super::batch::Batch;
use super::super::memory::Memory;
use super::super::step::{Change, Origin, Step};
use crate::store::Store;
use crate::{ChartError, Config};

const MESSAGES: usize = 10_000;
const AT_ONCE: usize = 250;

fn draft(kind: &'static str, (id, patient): (&str, &str), json: Value) -> Draft {
    let mut whole = Map::new();
    whole.insert("resourceType".into(), kind.into());
    whole.insert("id".into(), id.into());
    whole.extend(json.as_object().unwrap().clone());
    Draft {
        kind,
        id: id.into(),
        patient: Some(patient.into()),
        json: whole,
        otherwise: Map::new(),
        clears: Vec::new(),
        mode: Mode::Merge,
        told: None,
        fillers: Vec::new(),
        part_of: None,
    }
}

/// An order with both numbers.
fn order(patient: &str, placer: &str) -> Vec<Change> {
    let mut draft = draft(
        "ServiceRequest",
        (placer, patient),
        json!({"status": "active"}),
    );
    draft.fillers = vec!["the-number-of-the-filler".into()];
    vec![Change::Draft(Box::new(draft))]
}

/// A result that names the filler's number alone.
fn result(patient: &str, n: usize) -> Vec<Change> {
    let filler = "the-number-of-the-filler";
    let mut order = draft(
        "ServiceRequest",
        (filler, patient),
        json!({"status": "completed"}),
    );
    order.fillers = vec![filler.into()];
    let based = json!({"issued": n.to_string(), "subject": {"reference": format!("Patient/{patient}")},
        "basedOn": [{"reference": format!("ServiceRequest/{filler}")}]});
    let report = draft(
        "DiagnosticReport",
        (&format!("report-{patient}"), patient),
        based,
    );
    let told = Some(Told {
        from_ms: 1 + n as i64,
        until_ms: 2 + n as i64,
    });
    let drafts = [order, report].into_iter();
    drafts
        .map(|draft| Change::Draft(Box::new(Draft { told, ..draft })))
        .collect()
}

/// Rows that each batch looked at because of numbers of orders, resources that it met, and look-ups for those
/// numbers.
async fn looked_at(events: Vec<Vec<Change>>) -> Vec<(usize, usize, usize)> {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::at(folder.path().join("chart.db"));
    let store = Store::open(&config).await.unwrap();
    let looked_at = store.writer.transact(move |to| {
        let mut memory = Memory::load(to, &config)?;
        let mut events = events.into_iter().enumerate().map(|(seq, changes)| Step {
            seq: seq as i64,
            at: Time::from_millis(1_700_000_000_000),
            from: Origin::Feed("lab".into()),
            changes,
        });
        let mut looked_at = Vec::new();
        loop {
            let steps: Vec<Step> = events.by_ref().take(AT_ONCE).collect();
            if steps.is_empty() {
                return Ok::<_, ChartError>(looked_at);
            }
            let mut batch = Batch::prepare(&mut memory, &steps, to)?;
            looked_at.push((
                batch.orders.looked_at,
                batch.seen.len(),
                batch.orders.looked_up,
            ));
            for step in steps {
                batch.apply(step);
            }
            batch.save(to, &Aside::Here)?;
            batch.remember();
        }
    });
    looked_at.await.unwrap()
}

/// The second batch, by which all is known, and the last.
async fn costs_the_same(events: Vec<Vec<Change>>, at_most: usize) {
    let looked_at = looked_at(events).await;
    let (second, last) = (looked_at[1], looked_at[looked_at.len() - 1]);
    assert_eq!(looked_at.len(), MESSAGES / AT_ONCE);
    assert_eq!(second, last);
    assert!(last.0 <= at_most, "{last:?}");
}

#[tokio::test]
async fn results_of_one_order_by_one_number_cost_the_same() {
    let results = (1..MESSAGES).map(|n| result("a", n));
    let events = [order("a", "placer")].into_iter().chain(results);
    costs_the_same(events.collect(), 2).await;
}

#[tokio::test]
async fn results_by_a_number_of_two_orders_cost_the_same() {
    let results = (2..MESSAGES).map(|n| result("a", n));
    let orders = [order("a", "first"), order("a", "second")];
    costs_the_same(orders.into_iter().chain(results).collect(), 2).await;
}

#[tokio::test]
async fn a_number_that_stands_for_ever_new_orders_costs_the_same() {
    let orders = (0..MESSAGES).map(|n| order("a", &format!("placer-{n}")));
    costs_the_same(orders.collect(), 2).await;
}

#[tokio::test]
async fn a_number_that_every_patient_has_costs_the_same() {
    let orders = (0..MESSAGES).map(|n| order(&format!("patient-{n}"), &format!("placer-{n}")));
    costs_the_same(orders.collect(), 0).await;
}

/// What came by the number alone is joined once; what comes after does not look at it again.
#[tokio::test]
async fn what_was_joined_costs_nothing_more() {
    let before = (1..MESSAGES / 2).map(|n| result("a", n));
    let after = (MESSAGES / 2..MESSAGES).map(|n| result("a", n));
    let events = before.chain([order("a", "placer")]).chain(after);
    let looked_at = looked_at(events.collect()).await;
    assert!(looked_at[..20].iter().any(|one| one.0 > 2), "{looked_at:?}");
    assert!(
        looked_at[20..].iter().all(|one| one.0 <= 2),
        "{looked_at:?}"
    );
}

/// What a merge of many records costs is their number once a batch, not once for each order.
#[tokio::test]
async fn orders_after_a_merge_of_many_records_are_not_looked_for_record_by_record() {
    const RECORDS: usize = 1_000;
    let merges = (1..RECORDS).map(|n| Change::Merge {
        retired: format!("patient-{n}"),
        survivor: "patient-0".into(),
    });
    let orders = (0..2_000).map(|n| {
        let patient = format!("patient-{}", n % RECORDS);
        let mut order = order(&patient, &format!("placer-{n}"));
        if let Some(Change::Draft(draft)) = order.first_mut() {
            draft.fillers = vec![format!("filler-{}", n % 500)];
        }
        order
    });
    let events = [merges.collect()].into_iter().chain(orders);
    for (_, _, looked_up) in looked_at(events.collect()).await {
        assert!(looked_up <= RECORDS + 10 * AT_ONCE, "{looked_up}");
    }
}
