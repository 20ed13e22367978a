//! What several messages say of one resource: of each element the newest word counts, in whichever order
//! the messages come.
//!
//! So each element has a rank, when it was said. Most were said when the resource was last told: only what
//! differs from that is kept. What stands in for an element that nobody said has a rank below all that
//! somebody did.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::draft::{choice, is_keyed, key_of};
use super::{Draft, Mode, Told, settle};

/// Whether several systems tell of such resources, each of some of its elements.
pub fn is_told_by_several(kind: &str) -> bool {
    matches!(
        kind,
        "Appointment"
            | "DiagnosticReport"
            | "DocumentReference"
            | "MedicationRequest"
            | "ServiceRequest"
            | "Task"
    )
}

/// A resource, and when each of its elements was said, as milliseconds since 1970. Below 0: nobody said it, it
/// stands in; of two that do the first counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Stated {
    kind: String,
    /// As it was said: before what contradicts itself was put right.
    said: Map<String, Value>,
    ranks: BTreeMap<String, i64>,
    told: i64,
}

/// A resource as it is shown, what has to be kept beside it (empty: nothing), and when it was last told.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// The resource.
    pub json: Map<String, Value>,
    /// Kept for the next message; no part of the resource.
    pub beside: Vec<u8>,
    /// In milliseconds since 1970; 0: nobody said when.
    pub told: i64,
}

/// Which of two ranks counts: whether the second does.
type Wins<'w> = &'w dyn Fn(i64, i64) -> bool;

/// The rank of what is said under a key.
type Rank<'r> = &'r dyn Fn(&str) -> i64;

impl Stated {
    /// What a message says by itself.
    pub fn alone(draft: &Draft) -> Stated {
        let nothing = Stated {
            kind: draft.kind.to_owned(),
            said: Map::new(),
            ranks: BTreeMap::new(),
            told: 0,
        };
        nothing.laid(draft)
    }

    /// Of a resource as it is shown, with what was kept beside it.
    pub fn of(kind: &str, shown: &Shown) -> Stated {
        let mut said = shown.json.clone();
        let beside: Value = serde_json::from_slice(&shown.beside).unwrap_or_default();
        let hidden = beside.get("hidden").and_then(Value::as_object);
        said.extend(hidden.cloned().unwrap_or_default());
        let mut ranks: BTreeMap<String, i64> = keys(kind, &said)
            .into_iter()
            .map(|key| (key, shown.told))
            .collect();
        let kept = beside.get("ranks").and_then(Value::as_object);
        for (key, rank) in kept.into_iter().flatten() {
            ranks.extend(rank.as_i64().map(|rank| (key.clone(), rank)));
        }
        Stated {
            kind: kind.to_owned(),
            said,
            ranks,
            told: shown.told,
        }
    }

    /// With what one more message says.
    #[must_use]
    pub fn laid(mut self, draft: &Draft) -> Stated {
        let at = draft.told.map_or(0, |told| told.from_ms.max(1));
        let weak = -1 - at;
        let told = draft.told;
        let wins = move |there: i64, new: i64| match new {
            new if new < 0 => there < 0 && new > there,
            _ => there < 0 || !told.is_some_and(|told: Told| told.is_before(there)),
        };
        let rank = match draft.mode {
            Mode::Fill => weak,
            Mode::Merge | Mode::Replace => at,
        };
        self.meet((&draft.json, &|_| rank), &wins);
        self.meet((&draft.otherwise, &|_| weak), &wins);
        self.told = self.told.max(at);
        self
    }

    /// What was there before and is gone was told at that time.
    #[must_use]
    pub fn since(mut self, told: i64) -> Stated {
        self.told = self.told.max(told);
        self
    }

    /// With what was said of the same under another number: of each element what was said later counts. What was
    /// said of one in confidence is so of both.
    #[must_use]
    pub fn joined(self, other: &Stated) -> Stated {
        let own = self.clone();
        self.newest(other).labelled_as(&own).labelled_as(other)
    }

    fn newest(mut self, other: &Stated) -> Stated {
        let rank = |key: &str| other.ranks.get(key).copied().unwrap_or(other.told);
        self.meet((&other.said, &rank), &|there, new| new > there);
        self.told = self.told.max(other.told);
        self
    }

    /// With the security labels of another one too.
    #[must_use]
    pub fn labelled_as(mut self, other: &Stated) -> Stated {
        let labels = |of: &Map<String, Value>| -> Vec<Value> {
            let labels = of.get("meta").and_then(|meta| meta.get("security"));
            labels
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let mut all = labels(&self.said);
        let more = labels(&other.said);
        all.extend(
            more.into_iter()
                .filter(|one| !labels(&self.said).contains(one)),
        );
        if !all.is_empty() {
            let meta = self.said.entry("meta").or_insert_with(|| json!({}));
            if let Some(meta) = meta.as_object_mut() {
                meta.insert("security".into(), all.into());
            }
        }
        self
    }

    /// It is known by another id.
    #[must_use]
    pub fn named(mut self, id: &str) -> Stated {
        self.said.insert("id".into(), id.into());
        self
    }

    /// Whatever refers to one resource refers to another one; `None`: nothing does.
    pub fn repointed(mut self, from: &str, to: &str) -> Option<Stated> {
        let both = |element: &str| (format!("{element}:{from}"), format!("{element}:{to}"));
        let keyed: Vec<String> = self
            .said
            .keys()
            .filter(|key| is_keyed(key))
            .cloned()
            .collect();
        let mut any = false;
        for element in keyed {
            let (old, new) = both(&element);
            let Some(rank) = self.ranks.remove(&old) else {
                continue;
            };
            any = true;
            let there = self.ranks.get(&new).copied();
            let drops = match there {
                Some(there) if there > rank => from,
                _ => to,
            };
            if let (Some(_), Some(Value::Array(list))) = (there, self.said.get_mut(&element)) {
                list.retain(|one| key_of(&element, one) != drops);
            }
            self.ranks.insert(new, there.unwrap_or(rank).max(rank));
        }
        let mut value = Value::Object(self.said);
        any |= super::repoint(&mut value, from, to);
        let Value::Object(said) = value else {
            return None;
        };
        self.said = said;
        any.then_some(self)
    }

    /// As it is shown.
    pub fn shown(self) -> Shown {
        let mut json = self.said.clone();
        settle::settle(&self.kind, &mut json);
        let hidden: Map<String, Value> = self
            .said
            .into_iter()
            .filter(|(element, value)| json.get(element) != Some(value))
            .collect();
        let there = keys(&self.kind, &json);
        let mut ranks = self.ranks;
        ranks.retain(|key, rank| *rank != self.told || there.binary_search(key).is_err());
        let beside = match ranks.is_empty() && hidden.is_empty() {
            true => Vec::new(),
            false => {
                serde_json::to_vec(&json!({"ranks": ranks, "hidden": hidden})).unwrap_or_default()
            }
        };
        Shown {
            json,
            beside,
            told: self.told,
        }
    }

    fn meet(&mut self, (new, rank): (&Map<String, Value>, Rank<'_>), wins: Wins<'_>) {
        for element in ["resourceType", "id"] {
            if let (false, Some(value)) = (self.said.contains_key(element), new.get(element)) {
                self.said.insert(element.into(), value.clone());
            }
        }
        let mut groups: BTreeMap<&str, Vec<(&String, &Value)>> = BTreeMap::new();
        for (element, value) in new {
            match value {
                Value::Array(list) if is_list(&self.kind, element) => {
                    self.meet_list(element, (list, rank), wins);
                }
                _ if is_name(element) => {}
                _ => groups
                    .entry(group(element))
                    .or_default()
                    .push((element, value)),
            }
        }
        for (key, members) in groups {
            let rank = rank(key);
            if self.takes(key, rank, wins) {
                self.said.retain(|element, _| group(element) != key);
                for (element, value) in members {
                    self.said.insert(element.clone(), value.clone());
                }
            }
        }
    }

    /// Whether what has that rank counts; notes it, if so.
    fn takes(&mut self, key: &str, rank: i64, wins: Wins<'_>) -> bool {
        let there = self.ranks.get(key).copied();
        let takes = there.is_none_or(|there| wins(there, rank));
        if takes {
            let rank = there.map_or(rank, |there| match rank < 0 {
                true => rank,
                false => rank.max(there),
            });
            self.ranks.insert(key.to_owned(), rank);
        }
        takes
    }

    /// Entry by entry: those with one key are one.
    fn meet_list(&mut self, element: &str, (new, rank): (&[Value], Rank<'_>), wins: Wins<'_>) {
        let mut by_key: HashMap<String, Vec<&Value>> = HashMap::new();
        let mut order = Vec::new();
        for one in new {
            let key = key_of(element, one);
            let of = by_key.entry(key.clone()).or_default();
            if of.is_empty() {
                order.push(key);
            }
            of.push(one);
        }
        let mut list = match self.said.shift_remove(element) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        let grows = only_grows(element);
        let there: HashSet<String> = match grows {
            true => list.iter().map(|one| key_of(element, one)).collect(),
            false => HashSet::new(),
        };
        order.retain(|key| match grows {
            true => !there.contains(key),
            false => {
                let whole = format!("{element}:{key}");
                let rank = rank(&whole);
                self.takes(&whole, rank, wins)
            }
        });
        let taken: HashSet<&String> = order.iter().collect();
        list.retain(|one| !taken.contains(&key_of(element, one)));
        for key in &order {
            list.extend(by_key.remove(key).into_iter().flatten().cloned());
        }
        self.said.insert(element.to_owned(), Value::Array(list));
    }
}

/// What has a rank of its own in a resource, in order.
fn keys(kind: &str, said: &Map<String, Value>) -> Vec<String> {
    let mut keys = Vec::with_capacity(said.len());
    for (element, value) in said {
        match value {
            Value::Array(list) if is_list(kind, element) => {
                if !only_grows(element) {
                    let of = list
                        .iter()
                        .map(|one| format!("{element}:{}", key_of(element, one)));
                    keys.extend(of);
                }
            }
            _ if is_name(element) => {}
            _ => keys.push(group(element).to_owned()),
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn is_name(element: &str) -> bool {
    matches!(element, "resourceType" | "id")
}

/// Whether each entry of a list is said by itself. Who takes part in an appointment is told as a whole.
fn is_list(kind: &str, element: &str) -> bool {
    is_keyed(element) && !(kind == "Appointment" && element == "participant")
}

/// Lists of references, which nobody takes back.
fn only_grows(element: &str) -> bool {
    matches!(element, "result" | "specimen")
}

/// An element with its extensions, and in whichever of its types.
fn group(element: &str) -> &str {
    choice(element).unwrap_or_else(|| element.strip_prefix('_').unwrap_or(element))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(kind: &'static str, at: i64, (said, otherwise): (Value, Value)) -> Draft {
        let mut draft = Draft::new(kind, "a".into(), Mode::Merge);
        draft.json.extend(said.as_object().unwrap().clone());
        draft.otherwise = otherwise.as_object().unwrap().clone();
        draft.told = Some(Told {
            from_ms: at,
            until_ms: at + 1,
        });
        draft
    }

    /// What comes of drafts in each order; as if each time it was written down and read again.
    fn in_any_order(drafts: &[Draft]) -> Map<String, Value> {
        let mut results: Vec<Map<String, Value>> = Vec::new();
        let mut order: Vec<usize> = (0..drafts.len()).collect();
        permute(&mut order, 0, &mut |order| {
            let mut shown: Option<Shown> = None;
            for at in order {
                let draft = &drafts[*at];
                shown = Some(match shown {
                    None => Stated::alone(draft).shown(),
                    Some(shown) => Stated::of(draft.kind, &shown).laid(draft).shown(),
                });
            }
            let mut json = shown.unwrap().json;
            for value in json.values_mut() {
                if let Value::Array(list) = value {
                    list.sort_by_key(ToString::to_string);
                }
            }
            results.push(json);
        });
        for one in &results {
            assert_eq!(one, &results[0]);
        }
        results.remove(0)
    }

    fn permute(order: &mut Vec<usize>, from: usize, each: &mut impl FnMut(&[usize])) {
        if from == order.len() {
            return each(order);
        }
        for at in from..order.len() {
            order.swap(from, at);
            permute(order, from + 1, each);
            order.swap(from, at);
        }
    }

    #[test]
    fn what_is_said_of_one_half_in_confidence_is_so_of_the_whole() {
        let half = |at: i64, label: &str| {
            let said = json!({"status": "active", "meta": {"security": [{"code": label}]}});
            Stated::alone(&draft("ServiceRequest", at, (said, json!({}))))
        };
        for (at, other) in [(1, 2), (2, 1)] {
            let whole = half(at, "V").joined(&half(other, "R")).shown().json;
            let labels = whole["meta"]["security"].to_string();
            assert!(
                labels.contains("\"V\"") && labels.contains("\"R\""),
                "{labels}"
            );
        }
    }

    #[test]
    fn the_newest_word_on_each_element_counts() {
        let none = json!({});
        let after = in_any_order(&[
            draft(
                "ServiceRequest",
                1,
                (
                    json!({"status": "active", "code": 1, "note": [1],
                "occurrenceDateTime": "2025", "_occurrenceDateTime": {}}),
                    none.clone(),
                ),
            ),
            draft(
                "ServiceRequest",
                2,
                (
                    json!({"status": "completed", "priority": "stat",
                "identifier": [{"system": "s", "value": "1"}]}),
                    json!({"code": 2, "intent": "order"}),
                ),
            ),
            draft(
                "ServiceRequest",
                3,
                (
                    json!({"note": [3], "occurrenceTiming": {}}),
                    json!({"intent": "plan", "status": "unknown"}),
                ),
            ),
        ]);
        let expected = json!({"resourceType": "ServiceRequest", "id": "a", "status": "completed",
            "code": 1, "note": [3], "priority": "stat", "occurrenceTiming": {}, "intent": "order",
            "identifier": [{"system": "s", "value": "1"}]});
        assert_eq!(Value::Object(after), expected);
    }

    #[test]
    fn what_was_put_right_is_not_lost() {
        let none = || json!({});
        let after = in_any_order(&[
            draft(
                "Appointment",
                1,
                (
                    json!({"status": "booked", "start": "1", "end": "2"}),
                    none(),
                ),
            ),
            draft(
                "Appointment",
                2,
                (
                    json!({"status": "cancelled", "cancelationReason": 1}),
                    none(),
                ),
            ),
            draft("Appointment", 3, (json!({"status": "booked"}), none())),
            draft("Appointment", 4, (json!({"status": "noshow"}), none())),
        ]);
        assert_eq!(after["status"], "noshow");
        assert_eq!(after["cancelationReason"], 1);
        assert_eq!((&after["start"], &after["end"]), (&json!("1"), &json!("2")));
    }

    #[test]
    fn results_grow_and_numbers_are_told_apart() {
        let report = |at: i64, said: Value| draft("DiagnosticReport", at, (said, json!({})));
        let of = |id: &str| json!({"reference": id});
        let after = in_any_order(&[
            report(
                1,
                json!({"status": "preliminary", "issued": "2025", "result": [of("O/1"), of("O/2")],
                "basedOn": [{"reference": "S/1", "display": "old"}]}),
            ),
            report(
                2,
                json!({"status": "final", "result": [of("O/2"), of("O/3")]}),
            ),
            report(
                3,
                json!({"basedOn": [{"reference": "S/1", "display": "new"}]}),
            ),
        ]);
        assert_eq!(after["status"], "final");
        assert_eq!(after["result"].as_array().unwrap().len(), 3);
        assert_eq!(
            after["basedOn"],
            json!([{"reference": "S/1", "display": "new"}])
        );
    }

    #[test]
    fn two_halves_are_one_whenever_they_are_found_to_be() {
        let at = |at: i64, said: Value| {
            draft("ServiceRequest", at, (said, json!({"status": "unknown"})))
        };
        let order = Stated::alone(&at(2, json!({"code": 1, "note": [1]})));
        let half = Stated::alone(&at(1, json!({"status": "active", "note": [2]})));
        let half = half.laid(&at(3, json!({"code": 3})));
        let one = order.clone().joined(&half).shown();
        let other = half.joined(&order).shown();
        assert_eq!(one, other);
        let expected = json!({"resourceType": "ServiceRequest", "id": "a", "status": "active",
            "code": 3, "note": [1]});
        assert_eq!(Value::Object(one.json), expected);
    }

    #[test]
    fn what_referred_to_both_refers_as_it_was_said_last() {
        let of = |to: &str, said: &str| json!({"basedOn": [{"reference": to, "display": said}]});
        let report = |at: i64, said: Value| draft("DiagnosticReport", at, (said, json!({})));
        for (first, second) in [("S/f", "S/p"), ("S/p", "S/f")] {
            let stated =
                Stated::alone(&report(1, of(first, "old"))).laid(&report(2, of(second, "new")));
            let shown = stated.repointed("S/f", "S/p").unwrap().shown();
            assert_eq!(
                shown.json["basedOn"],
                json!([{"reference": "S/p", "display": "new"}])
            );
        }
        assert!(
            Stated::alone(&report(1, of("S/p", "")))
                .repointed("S/f", "S/p")
                .is_none()
        );
    }
}
