//! Policy files in, a validated policy set out, or what is wrong with which line.

use std::collections::HashMap;

use cedar_policy::{
    Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, ValidationWarning, Validator,
};
use miette::Diagnostic;
use thiserror::Error;

use crate::Obligation;
use crate::words::unknown_blank;

/// Why the policies cannot be used. Salus does not start on policies it cannot use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{file}` line {line}: {why}; {help}")]
pub struct PolicyError {
    file: String,
    line: usize,
    why: String,
    help: String,
}

impl PolicyError {
    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1.
    pub const fn line(&self) -> usize {
        self.line
    }

    /// What to do about it.
    pub fn help(&self) -> &str {
        &self.help
    }
}

/// Parses the schema.
pub(crate) fn schema(text: &str) -> Result<Schema, PolicyError> {
    Schema::from_cedarschema_str(text)
        .map(|(schema, _warnings)| schema)
        .map_err(|error| Source("salus.cedarschema", text).error(&error, &error))
}

/// The schema parses, but does not name what the guard speaks of.
pub(crate) fn bad_schema(why: String) -> PolicyError {
    Source("salus.cedarschema", "").at(1, why)
}

/// What the files hold.
pub(crate) struct Loaded {
    pub(crate) set: PolicySet,
    /// Of the policies that say what goes with a permit.
    pub(crate) obligations: HashMap<PolicyId, Obligation>,
}

/// Parses every file, names each policy by its `@id` and validates all of them strictly.
pub(crate) fn policies(
    sources: &[(String, String)],
    schema: &Schema,
) -> Result<Loaded, PolicyError> {
    let (mut all, mut obligations) = (PolicySet::new(), HashMap::new());
    let mut homes: HashMap<PolicyId, usize> = HashMap::new();
    for (place, (file, text)) in sources.iter().enumerate() {
        for policy in Source(file, text).parse()? {
            homes.insert(policy.id().clone(), place);
            let at = Source(file, text).line_of(&policy);
            let id = policy.id().clone();
            if let Some(obligation) = Source(file, text).obligation(&policy)? {
                obligations.insert(id.clone(), obligation);
            }
            all.add(policy)
                .map_err(|_| Source(file, text).twice(&id, at))?;
        }
    }
    if all.is_empty() {
        return Err(no_policies(sources));
    }
    validate(&all, schema, |id| {
        let (file, text) = homes.get(id).and_then(|&place| sources.get(place))?;
        Some(Source(file, text))
    })?;
    Ok(Loaded {
        set: all,
        obligations,
    })
}

/// A file's name and text.
#[derive(Debug, Clone, Copy)]
struct Source<'a>(&'a str, &'a str);

impl Source<'_> {
    fn parse(self) -> Result<Vec<Policy>, PolicyError> {
        let set: PolicySet = self
            .1
            .parse()
            .map_err(
                |errors: cedar_policy::ParseErrors| match errors.iter().next() {
                    Some(first) => self.error(first, first),
                    None => self.at(1, errors.to_string()),
                },
            )?;
        if let Some(template) = set.templates().next() {
            let line = self.line(self.1.find(&template.to_cedar()));
            let why = "a template stands here, but nothing fills its slots".to_owned();
            return Err(self.at(line, why));
        }
        let mut policies = set
            .policies()
            .map(|policy| self.labelled(policy))
            .collect::<Result<Vec<_>, _>>()?;
        policies.sort_by_key(|policy| self.line_of(policy));
        Ok(policies)
    }

    /// The policy under the name its author gave it.
    fn labelled(self, policy: &Policy) -> Result<Policy, PolicyError> {
        let line = self.line_of(policy);
        let label = |name: &str| {
            policy
                .annotation(name)
                .filter(|text| !text.trim().is_empty())
                .ok_or_else(|| self.unlabelled(name, line))
        };
        let id = label("id")?;
        if let Some(blank) = unknown_blank(label("words")?) {
            let why = format!("`@words` of policy `{id}` has a blank `{blank}`");
            let help = "the blanks that can be filled are `{ward}`, `{part}` and `{types}`";
            return Err(self.with_help(line, why, help));
        }
        Ok(policy.new_id(PolicyId::new(id)))
    }

    /// What the policy says must go with a permit, if that is what it is for.
    fn obligation(self, policy: &Policy) -> Result<Option<Obligation>, PolicyError> {
        let Some(text) = policy.annotation("obligation") else {
            return Ok(None);
        };
        let line = self.line_of(policy);
        let Some(obligation) = Obligation::parse(text) else {
            let why = format!("`@obligation` of policy `{}` is `{text}`", policy.id());
            let help = "write `hide` with elements (`Patient.telecom`), `mask` with labels, `step-up`, or \
                        `notify` with a few words";
            return Err(self.with_help(line, why, help));
        };
        if policy.effect() == Effect::Forbid {
            let why = format!("policy `{}` forbids, and has an `@obligation`", policy.id());
            let help = "what is forbidden has no obligations: write `permit` for when it applies";
            return Err(self.with_help(line, why, help));
        }
        Ok(Some(obligation))
    }

    fn unlabelled(self, name: &str, line: usize) -> PolicyError {
        let why = format!("the policy has no `@{name}(\"...\")`");
        let help = match name {
            "id" => "give it a short name that tells what it is for",
            _ => "add one plain sentence: people who ask why are shown it",
        };
        self.with_help(line, why, help)
    }

    fn twice(self, id: &PolicyId, line: usize) -> PolicyError {
        let why = format!("there is a second policy with the id `{id}`");
        self.with_help(line, why, "give one of the two another `@id`")
    }

    fn line_of(self, policy: &Policy) -> usize {
        self.line(policy.to_cedar().and_then(|text| self.1.find(&text)))
    }

    fn line(self, offset: Option<usize>) -> usize {
        let before = self.1.as_bytes().get(..offset.unwrap_or(0));
        let ends = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count();
        1 + before.map_or(0, ends)
    }

    fn error(self, error: &dyn std::error::Error, diagnostic: &dyn Diagnostic) -> PolicyError {
        let offset = diagnostic
            .labels()
            .and_then(|mut labels| labels.next())
            .map(|label| label.offset());
        let line = self.line(offset);
        match diagnostic.help() {
            Some(help) => self.with_help(line, one_line(error), &one_line(help)),
            None => self.at(line, one_line(error)),
        }
    }

    fn at(self, line: usize, why: String) -> PolicyError {
        let help = "correct the policy, or take it out, and start again";
        self.with_help(line, why, help)
    }

    fn with_help(self, line: usize, why: String, help: &str) -> PolicyError {
        PolicyError {
            file: self.0.to_owned(),
            line,
            why,
            help: help.to_owned(),
        }
    }
}

fn validate<'a>(
    all: &PolicySet,
    schema: &Schema,
    home: impl Fn(&PolicyId) -> Option<Source<'a>>,
) -> Result<(), PolicyError> {
    let validator = Validator::new(schema.clone());
    let result = validator.validate(all, ValidationMode::Strict);
    if let Some(error) = result.validation_errors().next() {
        let source = home(error.policy_id()).unwrap_or(Source("policies", ""));
        return Err(source.error(error, error));
    }
    // A policy that can never apply protects nothing, so it is not let pass as a mere warning.
    let impossible = result
        .validation_warnings()
        .find_map(|warning| match warning {
            ValidationWarning::ImpossiblePolicy(warning) => Some(warning),
            _ => None,
        });
    match impossible {
        Some(warning) => {
            let source = home(warning.policy_id()).unwrap_or(Source("policies", ""));
            Err(source.error(warning, warning))
        }
        None => Ok(()),
    }
}

fn no_policies(sources: &[(String, String)]) -> PolicyError {
    let file = sources.first().map_or("policies", |(file, _)| file);
    Source(file, "").with_help(
        1,
        "there is not one policy, so nobody could do anything".to_owned(),
        "name the folder with the `.cedar` files, or leave it out to use those that come with Salus",
    )
}

fn one_line(text: impl std::fmt::Display) -> String {
    let text = text.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
