//! Answers about codes, as `Parameters`.

use serde_json::{Value, json};
use wire::fhir::terminology::{Concept, Looked, member};

use super::asked::Coding;

/// What became of a code.
pub(super) struct Verdict {
    pub(super) result: bool,
    pub(super) message: Option<String>,
    pub(super) display: Option<String>,
}

impl Verdict {
    pub(super) fn no(words: impl Into<String>) -> Verdict {
        Verdict {
            result: false,
            message: Some(words.into()),
            display: None,
        }
    }

    /// The code is there; what people read of it has to agree if it was said.
    pub(super) fn of(coding: &Coding, display: Option<&str>) -> Verdict {
        let agrees = match (&coding.display, display) {
            (Some(said), Some(known)) => said.eq_ignore_ascii_case(known),
            (None, _) | (_, None) => true,
        };
        Verdict {
            result: agrees,
            message: (!agrees).then(|| {
                format!(
                    "the code is there, but it does not read `{}`",
                    coding.display.clone().unwrap_or_default()
                )
            }),
            display: display.map(str::to_owned),
        }
    }

    pub(super) fn parameters(self) -> Value {
        let mut parts = vec![json!({ "name": "result", "valueBoolean": self.result })];
        for (name, words) in [("message", self.message), ("display", self.display)] {
            parts.extend(words.map(|words| json!({ "name": name, "valueString": words })));
        }
        json!({ "resourceType": "Parameters", "parameter": parts })
    }
}

/// Whether one of the codes is in an expansion.
pub(super) fn in_set(codings: &[Coding], concepts: &[Concept]) -> Verdict {
    let found = codings.iter().find_map(|coding| {
        let found = member(concepts, (coding.system.as_deref(), &coding.code))?;
        Some(Verdict::of(coding, found.display.as_deref()))
    });
    found.unwrap_or_else(|| {
        let codes: Vec<&str> = codings.iter().map(|coding| coding.code.as_str()).collect();
        Verdict::no(format!("`{}` is not in the value set", codes.join("`, `")))
    })
}

/// What is known of a code, as `Parameters`.
pub(super) fn known(found: &Looked, code: &str) -> Value {
    let text = |name: &str, words: &str| json!({ "name": name, "valueString": words });
    let mut parts = vec![text("name", &found.name)];
    parts.extend(
        found
            .version
            .as_deref()
            .map(|version| text("version", version)),
    );
    // The standard wants words; where there are none, the code stands for them.
    parts.push(text("display", found.display.as_deref().unwrap_or(code)));
    parts.extend(
        found
            .definition
            .as_deref()
            .map(|words| text("definition", words)),
    );
    let near = [("parent", &found.parents), ("child", &found.children)];
    for (code, value) in near
        .into_iter()
        .flat_map(|(of, all)| all.iter().map(move |one| (of, one)))
    {
        parts.push(json!({ "name": "property", "part": [
            { "name": "code", "valueCode": code }, { "name": "value", "valueCode": value },
        ] }));
    }
    json!({ "resourceType": "Parameters", "parameter": parts })
}
