//! The same messages in every order in which they can come.

use serde_json::Value;

use crate::house::{House, json};

/// All resources of a type that are there.
pub(crate) async fn all(house: &House, kind: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for id in house.search(kind, 10).await {
        let read = house.kind(kind).await.read(kind, &id).await.unwrap();
        found.push(json(&read.unwrap().json));
    }
    found
}

/// What these types say once the messages came: the same in whatever order they come, however they are cut
/// into batches, and after a refold.
pub(crate) async fn same_in_any_order(messages: &[String], kinds: &[&str]) -> Vec<Value> {
    each(messages, kinds, async |house: &House| {
        // Before anybody looks: that is sealed, too.
        let digest = house.chart.state_digest().await.unwrap();
        for batch in [1, 1000] {
            let other = house
                .other_chart(|config| config.hot_resources_max = batch)
                .await;
            other.refold().await.unwrap();
            house.fold_by(&other, batch).await;
            let again = other.state_digest().await.unwrap();
            assert_eq!(again, digest, "{batch} at a time");
        }
    })
    .await
}

/// As [`same_in_any_order`], told apart by what these types say alone.
pub(crate) async fn in_any_order(messages: &[String], kinds: &[&str]) -> Vec<Value> {
    each(messages, kinds, async |_: &House| {}).await
}

/// Folds the messages in each order, looks at the house, and holds what it says against what the others did.
async fn each(messages: &[String], kinds: &[&str], look: impl AsyncFn(&House)) -> Vec<Value> {
    let numbers: Vec<usize> = (0..messages.len()).collect();
    let mut expected: Option<Vec<Value>> = None;
    for (n, permutation) in permutations(&numbers).into_iter().enumerate() {
        let house = House::new().await;
        for at in &permutation {
            house.message(&messages[*at]).await;
        }
        house.fold_by(&house.chart, 1 + n % 3).await;
        look(&house).await;
        let state = state(&house, kinds).await;
        let expected = expected.get_or_insert_with(|| state.clone());
        assert_eq!(&state, expected, "{permutation:?} of {messages:#?}");
    }
    expected.unwrap_or_default()
}

/// Resources of these types, without ids, in an order of their own.
pub(crate) async fn state(house: &House, kinds: &[&str]) -> Vec<Value> {
    let mut state = Vec::new();
    for kind in kinds {
        let mut some: Vec<Value> = all(house, kind).await.into_iter().map(sorted).collect();
        some.sort_by_key(ToString::to_string);
        state.extend(some);
    }
    state
}

/// A resource without its ids, which are others in each house, and with the lists whose order says
/// nothing in an order. There is one of each type, so that a type says what is referred to.
fn sorted(mut value: Value) -> Value {
    value.as_object_mut().unwrap().shift_remove("id");
    if let Some(Value::Object(meta)) = value.get_mut("meta") {
        meta.retain(|member, _| member == "security");
        if let Some(Value::Array(labels)) = meta.get_mut("security") {
            labels.sort_by_key(ToString::to_string);
        }
    }
    if value["meta"] == serde_json::json!({}) {
        value.as_object_mut().unwrap().shift_remove("meta");
    }
    forget_ids(&mut value);
    value.sort_all_objects();
    for element in [
        "authorizingPrescription",
        "basedOn",
        "extension",
        "identifier",
        "result",
    ] {
        if let Some(Value::Array(list)) = value.get_mut(element) {
            list.sort_by_key(ToString::to_string);
        }
    }
    value
}

fn forget_ids(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(forget_ids),
        Value::Object(map) => {
            if let Some(Value::String(to)) = map.get_mut("reference") {
                let kind = to.split('/').next().unwrap_or_default().to_owned();
                *to = kind;
            }
            map.values_mut().for_each(forget_ids);
        }
        _ => {}
    }
}

pub(crate) fn permutations(of: &[usize]) -> Vec<Vec<usize>> {
    if of.len() < 2 {
        return vec![of.to_vec()];
    }
    let mut all = Vec::new();
    for (at, first) in of.iter().enumerate() {
        let mut rest = of.to_vec();
        rest.remove(at);
        for mut tail in permutations(&rest) {
            tail.insert(0, *first);
            all.push(tail);
        }
    }
    all
}
