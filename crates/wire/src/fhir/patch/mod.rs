//! Patches: JSON Patch (RFC 6902) and FHIRPath Patch (R4 section 2.1.1.1.3, `fhirpatch.html`).
//!
//! A patch is applied to what is there; whether the outcome is a good resource is
//! [`super::check`]'s business, as for any update.

mod apply;
mod json;
mod path;
mod place;
mod same;

use serde_json::Value;

use super::issue::{Code, Issue};

/// How much one patch may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchLimits {
    /// Operations, at most.
    pub operations_max: usize,
    /// Bytes of the resource after each operation, at most.
    pub bytes_max: usize,
    /// Objects and arrays within each other after each operation, at most: deeper JSON is more than
    /// the stack of a thread can hold.
    pub depth_max: usize,
}

impl Default for PatchLimits {
    fn default() -> Self {
        Self {
            operations_max: 1_000,
            bytes_max: 16 * 1024 * 1024,
            depth_max: 64,
        }
    }
}

/// Why a patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpatched {
    /// The patch itself cannot be understood: 400.
    Malformed(Issue),
    /// It cannot be applied to this resource, or a `test` of it failed: 422.
    Unfit(Issue),
}

/// The resource with the patch applied, whole or not at all: a JSON array of operations is a JSON
/// Patch, a `Parameters` resource a FHIRPath Patch.
///
/// # Errors
/// [`Unpatched`], with the operation (`[2]` or `Parameters.parameter[2]`) as its path.
pub fn patch(resource: &Value, document: &Value, limits: &PatchLimits) -> Result<Value, Unpatched> {
    match document {
        Value::Array(operations) => json::patch(resource, operations, limits),
        Value::Object(map) if map.get("resourceType") == Some(&"Parameters".into()) => {
            apply::patch(resource, document, limits)
        }
        _ => Err(malformed(
            "",
            "a patch is a JSON array of operations (RFC 6902) or a `Parameters` resource (FHIRPath Patch)",
        )),
    }
}

fn within(count: usize, limits: &PatchLimits) -> Result<(), Unpatched> {
    if count <= limits.operations_max {
        return Ok(());
    }
    let words = format!(
        "{count} operations; at most {} are taken",
        limits.operations_max
    );
    Err(Unpatched::Malformed(Issue::error(
        Code::TooCostly,
        "",
        words,
    )))
}

/// Whether a value nests at most so deep; looks no deeper than that.
fn nests_within(value: &Value, depth_max: usize) -> bool {
    match value {
        Value::Array(list) => {
            depth_max > 0 && list.iter().all(|one| nests_within(one, depth_max - 1))
        }
        Value::Object(map) => {
            depth_max > 0 && map.values().all(|one| nests_within(one, depth_max - 1))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn too_deep(path: &str, limits: &PatchLimits) -> Unpatched {
    let words = format!(
        "the resource would nest more than {} deep",
        limits.depth_max
    );
    unfit(path, words)
}

fn malformed(path: &str, words: impl Into<String>) -> Unpatched {
    Unpatched::Malformed(Issue::error(Code::Structure, path, words))
}

fn unfit(path: &str, words: impl Into<String>) -> Unpatched {
    Unpatched::Unfit(Issue::error(Code::Processing, path, words))
}
