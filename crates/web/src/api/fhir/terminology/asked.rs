//! What a question about terminology says.

use guard::Identity;
use serde_json::Value;
use wire::fhir::Code;

use super::super::conditions::Conditions;
use super::super::door::Door;
use super::super::fault::Fault;
use super::super::look::Look;
use super::super::operation;
use super::super::query::{self, Pairs};
use super::super::read;
use super::super::route::Target;

/// What is asked.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) pairs: Pairs,
    /// A definition that came along.
    pub(super) definition: Option<Value>,
    pub(super) codings: Vec<Coding>,
}

#[derive(Clone, Default)]
pub(super) struct Coding {
    pub(super) system: Option<String>,
    pub(super) code: String,
    pub(super) display: Option<String>,
}

impl Asked {
    pub(super) async fn read(door: &Door, look: &Look) -> Result<Asked, Fault> {
        let mut asked = Asked::default();
        asked.pairs.extend(look.pairs.iter().cloned());
        if !look.body.is_empty() {
            let (bytes, limits) = (look.body.clone(), door.limits());
            let read = move || wire::fhir::parse(&bytes, &limits);
            let body = operation::resource(door.work(look.body.len(), read).await??)?;
            match body.get("resourceType").and_then(Value::as_str) {
                Some("Parameters") => asked.parameters(&body)?,
                _ => asked.definition = Some(body),
            }
        }
        if let Some(code) = asked.text("code") {
            let coding = Coding {
                system: asked.text("system").map(str::to_owned),
                code: code.to_owned(),
                display: asked.text("display").map(str::to_owned),
            };
            asked.codings.push(coding);
        }
        Ok(asked)
    }

    fn parameters(&mut self, body: &Value) -> Result<(), Fault> {
        let all = body.get("parameter").and_then(Value::as_array);
        for part in all.into_iter().flatten() {
            if let Some(resource) = part.get("resource") {
                self.definition = Some(resource.clone());
            } else if let Some(value) = part.get("valueCoding") {
                self.codings.extend(coding(value));
            } else if let Some(concept) = part.get("valueCodeableConcept") {
                let list = concept.get("coding").and_then(Value::as_array);
                self.codings
                    .extend(list.into_iter().flatten().filter_map(coding));
            } else {
                self.pairs.push(operation::pair(part)?);
            }
        }
        Ok(())
    }

    pub(super) fn only(&self, name: &str, known: &[&str]) -> Result<(), Fault> {
        let mut pairs = self.pairs.iter();
        match pairs.find(|(pair, _)| !known.contains(&pair.as_str())) {
            None => Ok(()),
            Some((pair, _)) => {
                let words = format!(
                    "`{name}` has no parameter `{pair}` here; it has {}",
                    known.join(", ")
                );
                Err(Fault::bad(Code::NotSupported, words))
            }
        }
    }

    /// The definition that came along, or that stands under the target.
    pub(super) async fn set(
        &mut self,
        door: &Door,
        who: &Identity,
        target: Option<&Target>,
    ) -> Result<Option<Value>, Fault> {
        let Some(target) = target else {
            return Ok(self.definition.take());
        };
        let kept = read::current(door, who, (target, &Conditions::default())).await?;
        Ok(serde_json::from_slice(&kept.body.unwrap_or_default()).ok())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        query::value(&self.pairs, name)
    }

    /// `url`, with the version that a parameter of its own may name.
    pub(super) fn url(&self, version: &str) -> Option<String> {
        let url = self.text("url")?;
        Some(match self.text(version) {
            Some(version) if !url.contains('|') => format!("{url}|{version}"),
            _ => url.to_owned(),
        })
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<usize>, Fault> {
        let bad = |_| Fault::bad(Code::Value, format!("`{name}` is a whole number from 0 on"));
        self.text(name)
            .map(|text| text.parse().map_err(bad))
            .transpose()
    }
}

fn coding(value: &Value) -> Option<Coding> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Coding {
        system: text("system"),
        code: text("code")?,
        display: text("display"),
    })
}

/// 400 for a parameter that is missing.
pub(super) fn needs(name: &str) -> Fault {
    Fault::bad(Code::Required, format!("the parameter `{name}` is missing"))
}
