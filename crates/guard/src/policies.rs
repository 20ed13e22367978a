use std::fmt;

use cedar_policy::{Authorizer, Decision as Verdict, PolicyId, PolicySet, Response};

use crate::load::{self, PolicyError};
use crate::slice::{Slicer, Unfit};
use crate::words::{fill, needed};
use crate::{Ask, Decision, Facts};

/// The policies that come with Salus, by file name.
const BUILT_IN: [(&str, &str); 4] = [
    (
        "bedside.cedar",
        include_str!("../../../policies/bedside.cedar"),
    ),
    (
        "limits.cedar",
        include_str!("../../../policies/limits.cedar"),
    ),
    (
        "machines.cedar",
        include_str!("../../../policies/machines.cedar"),
    ),
    (
        "office.cedar",
        include_str!("../../../policies/office.cedar"),
    ),
];

/// The policies that decide every read and write, parsed and validated once.
pub struct Policies {
    set: PolicySet,
    slicer: Slicer,
    authorizer: Authorizer,
}

impl Policies {
    /// The schema that every policy is validated against (`policies/salus.cedarschema`).
    pub const SCHEMA: &'static str = include_str!("../../../policies/salus.cedarschema");

    /// Parses Cedar policies, given as file name and text, and validates them strictly.
    ///
    /// Each policy carries `@id("...")` and `@words("...")`, one plain sentence that people who
    /// ask why are shown; `{ward}`, `{part}` and `{types}` in it are filled in.
    ///
    /// # Errors
    /// [`PolicyError`] names the file, the line and what to do.
    pub fn load(sources: &[(String, String)], schema: &str) -> Result<Policies, PolicyError> {
        let schema = load::schema(schema)?;
        let set = load::policies(sources, &schema)?;
        Ok(Policies {
            set,
            slicer: Slicer::new(schema).map_err(load::bad_schema)?,
            authorizer: Authorizer::new(),
        })
    }

    /// The policies that come with Salus.
    ///
    /// # Errors
    /// None in a build whose tests pass.
    pub fn built_in() -> Result<Policies, PolicyError> {
        let sources: Vec<(String, String)> = BUILT_IN
            .iter()
            .map(|&(file, text)| (file.to_owned(), text.to_owned()))
            .collect();
        Policies::load(&sources, Policies::SCHEMA)
    }

    /// Every policy's id and words, in the order of the ids.
    pub fn list(&self) -> Vec<(String, String)> {
        let mut list: Vec<(String, String)> = self
            .set
            .policies()
            .map(|policy| (policy.id().to_string(), self.words(policy.id()).to_owned()))
            .collect();
        list.sort();
        list
    }

    /// Decides. Anything but a policy that permits, and none that forbids, is a refusal; so is
    /// any error on the way.
    pub fn decide(&self, ask: Ask, facts: &Facts) -> Decision {
        let outcome = match self.slicer.slice(&ask, facts) {
            Ok((request, entities)) => {
                let response = self
                    .authorizer
                    .is_authorized(&request, &self.set, &entities);
                self.outcome(&response, &ask, facts)
            }
            Err(Unfit::Meaningless) => Outcome::no_policy(&ask, facts),
            Err(Unfit::Broken(why)) => Outcome::error(&why),
        };
        Decision {
            ask,
            allowed: outcome.allowed,
            because: outcome.because,
            words: outcome.words,
            obligations: Vec::new(),
        }
    }

    fn outcome(&self, response: &Response, ask: &Ask, facts: &Facts) -> Outcome {
        // INVARIANT: an error refuses. Cedar skips a policy that errors, so a `forbid` that
        // errors would not forbid; that is why errors are looked at before the verdict.
        if let Some(error) = response.diagnostics().errors().next() {
            return Outcome::error(&error.to_string());
        }
        let mut ids: Vec<&PolicyId> = response.diagnostics().reason().collect();
        ids.sort();
        if ids.is_empty() {
            return Outcome::no_policy(ask, facts);
        }
        Outcome {
            allowed: response.decision() == Verdict::Allow,
            because: ids.iter().map(ToString::to_string).collect(),
            words: ids
                .iter()
                .map(|id| fill(self.words(id), ask, facts))
                .collect(),
        }
    }

    fn words(&self, id: &PolicyId) -> &str {
        self.set.annotation(id, "words").unwrap_or_default()
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.list()).finish()
    }
}

struct Outcome {
    allowed: bool,
    because: Vec<String>,
    words: Vec<String>,
}

impl Outcome {
    fn no_policy(ask: &Ask, facts: &Facts) -> Outcome {
        Outcome {
            allowed: false,
            because: vec!["no-policy-allows".to_owned()],
            words: vec![needed(ask, facts)],
        }
    }

    fn error(why: &str) -> Outcome {
        Outcome {
            allowed: false,
            because: vec!["policy-error".to_owned()],
            words: vec![format!(
                "the policies could not be evaluated, so the answer is no; tell whoever runs \
                 Salus: {why}"
            )],
        }
    }
}
