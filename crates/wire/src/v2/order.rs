//! An order that was known by the filler's number alone until somebody said the placer's.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::Draft;
use super::draft::filled;

/// Characters of the id of a part that its order's id ends in.
const OF_ORDER: usize = 16;
/// Characters that tell the parts of one order apart.
const OF_PART: usize = 10;

/// The id of a part of an order: the ends of the order's id and of one that tells it from the other
/// parts. As long as they are, and as hard to guess.
pub(super) fn part(order: &str, part: &str) -> String {
    format!("{}{}", end(order, OF_ORDER), end(part, OF_PART))
}

/// The id that a part of the order `from` has, if that is known as `to`; `None`: it is no part of it.
pub fn moved(id: &str, from: &str, to: &str) -> Option<String> {
    let rest = id.strip_prefix(end(from, OF_ORDER))?;
    (!rest.is_empty() && rest.len() <= OF_PART).then(|| format!("{}{rest}", end(to, OF_ORDER)))
}

fn end(id: &str, characters: usize) -> &str {
    let from = id.ceil_char_boundary(id.len().saturating_sub(characters));
    id.get(from..).unwrap_or(id)
}

/// Whatever refers to one resource refers to another one from now on; whether anything did. Of two
/// entries of a list that refer to the same one is left.
pub fn repoint(value: &mut Value, from: &str, to: &str) -> bool {
    redirect(value, &|text| (text == from).then(|| to.to_owned()))
}

fn redirect(value: &mut Value, to: &impl Fn(&str) -> Option<String>) -> bool {
    match value {
        Value::Object(map) => {
            let mut any = false;
            for (member, value) in map.iter_mut() {
                match value {
                    Value::String(text) if member == "reference" => {
                        if let Some(other) = to(text) {
                            *text = other;
                            any = true;
                        }
                    }
                    Value::Object(_) | Value::Array(_) => any |= redirect(value, to),
                    _ => {}
                }
            }
            any
        }
        Value::Array(list) => {
            let mut any = false;
            for one in list.iter_mut() {
                any |= redirect(one, to);
            }
            if any {
                let mut seen = HashSet::new();
                list.retain(|one| reference(one).is_none_or(|to| seen.insert(to.to_owned())));
            }
            any
        }
        _ => false,
    }
}

fn reference(value: &Value) -> Option<&str> {
    value.get("reference").and_then(Value::as_str)
}

impl Draft {
    /// Orders are known by other ids: what is said of them, of their parts, and what refers to them.
    pub fn know(&mut self, known: &HashMap<String, String>) {
        let id = match (known.get(&self.id), self.part_of.as_ref()) {
            (Some(to), _) => Some(to.clone()),
            (None, Some(order)) => known.get(order).and_then(|to| moved(&self.id, order, to)),
            (None, None) => None,
        };
        if let Some(to) = self.part_of.as_ref().and_then(|order| known.get(order)) {
            self.part_of = Some(to.clone());
        }
        if let Some(id) = id {
            self.json.insert("id".into(), id.as_str().into());
            self.id = id;
        }
        let to = |text: &str| {
            let (kind, id) = text.split_once('/')?;
            Some(format!("{kind}/{}", known.get(id)?))
        };
        for value in self.json.values_mut().chain(self.otherwise.values_mut()) {
            redirect(value, &to);
        }
    }

    /// What the same message says of the same resource a second time fills in what it had left open.
    pub fn also(&mut self, again: Draft) {
        let said = std::mem::take(&mut self.json);
        self.json = filled(said, &again.json);
        for one in again.fillers {
            if !self.fillers.contains(&one) {
                self.fillers.push(one);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_referred_to_both_refers_once() {
        let mut report = json!({"id": "r/f", "basedOn": [{"reference": "S/f"}, {"reference": "S/p"}],
            "focus": {"reference": "S/f"}, "text": "S/f"});
        assert!(repoint(&mut report, "S/f", "S/p"));
        assert_eq!(report["basedOn"], json!([{"reference": "S/p"}]));
        assert_eq!(report["focus"]["reference"], "S/p");
        assert_eq!(report["text"], "S/f");
        assert!(!repoint(&mut report, "S/f", "S/p"));
    }

    #[test]
    fn a_part_is_found_by_each_id_of_its_order() {
        let (one, other) = ("abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihgfedcba");
        let id = part(one, "0123456789012345");
        assert_eq!(id, "klmnopqrstuvwxyz6789012345");
        assert_eq!(
            moved(&id, one, other),
            Some(part(other, "0123456789012345"))
        );
        assert_eq!(moved(&id, other, one), None);
        assert_eq!(moved(one, one, other), None);
    }
}
