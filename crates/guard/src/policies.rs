use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use event::Facts;

use crate::load::PolicyError;
use crate::rules::{Heeds, Near, Rules};
use crate::{Ask, Decision};

macro_rules! built_in {
    ($($file:literal),*) => {
        [$(($file, include_str!(concat!("../../../policies/", $file)))),*]
    };
}

/// The policies that come with Salus, by file name.
const BUILT_IN: [(&str, &str); 7] = built_in!(
    "bedside.cedar",
    "ceilings.cedar",
    "duties.cedar",
    "emergency.cedar",
    "limits.cedar",
    "machines.cedar",
    "office.cedar"
);

/// The policies that decide every read and write, parsed and validated once. They can be replaced
/// while others decide by them: a decision is made by the old ones or the new ones, never by both.
pub struct Policies {
    now: RwLock<Arc<Held>>,
}

/// One set, and what is known of it.
struct Held {
    rules: Rules,
    heeds_of_systems: Heeds,
}

impl Policies {
    /// The schema that every policy is validated against (`policies/salus.cedarschema`).
    pub const SCHEMA: &'static str = include_str!("../../../policies/salus.cedarschema");

    /// Parses Cedar policies, given as file name and text, and validates them strictly.
    ///
    /// Each policy carries `@id("...")` and `@words("...")`, one plain sentence that people who
    /// ask why are shown; `{ward}`, `{part}` and `{types}` in it are filled in. One that carries
    /// `@obligation("...")` neither permits nor forbids: it says what goes with a permit.
    ///
    /// # Errors
    /// [`PolicyError`] names the file, the line and what to do.
    pub fn load(sources: &[(String, String)], schema: &str) -> Result<Policies, PolicyError> {
        let rules = Rules::load(sources, schema)?;
        let held = Held {
            heeds_of_systems: rules.heeds_of_systems(),
            rules,
        };
        Ok(Policies {
            now: RwLock::new(Arc::new(held)),
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

    /// From now on `others` decide.
    pub fn replace(&self, others: &Policies) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = others.held();
    }

    /// Every file by name and text, and the schema.
    pub fn texts(&self) -> (Vec<(String, String)>, String) {
        let held = self.held();
        (held.rules.files.clone(), held.rules.schema.clone())
    }

    /// Every policy's id and words, in the order of the ids.
    pub fn list(&self) -> Vec<(String, String)> {
        self.held().rules.list()
    }

    /// Decides. Anything but a policy that permits, and none that forbids, is a refusal; so is
    /// any error on the way, and a permit that asks for a second factor which was not shown.
    pub fn decide(&self, ask: Ask, facts: &Facts) -> Decision {
        self.held().rules.decide(ask, facts)
    }

    /// Every policy about such an act on such a thing, those that applied first.
    pub fn near(&self, ask: &Ask, facts: &Facts) -> Vec<Near> {
        self.held().rules.near(ask, facts)
    }

    /// What of a chart can change an answer to a system; what cannot need not be looked up for one.
    pub fn heeds_of_systems(&self) -> Heeds {
        self.held().heeds_of_systems
    }

    fn held(&self) -> Arc<Held> {
        let now = self.now.read();
        Arc::clone(&now.unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.list()).finish()
    }
}
