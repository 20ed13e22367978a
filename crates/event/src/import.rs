//! Bulk imports: what was asked for, how far it is, what became of it. No step holds patient data.

use serde::{Deserialize, Serialize};

/// A step of one bulk import (FHIR `$import`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Its id.
    pub import: String,
    /// What happened.
    pub step: ImportStep,
}

/// What happened with a bulk import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum ImportStep {
    /// A client asked for it.
    Begun {
        /// Where the client says that the resources come from.
        source: String,
        /// The scopes of the token it was asked for with: it never writes more.
        scopes: Vec<String>,
        /// The files, in the order in which they are read.
        inputs: Vec<ImportInput>,
    },
    /// A part of a file was read; its resources are sealed in the same commit. The raw bytes are an
    /// `OperationOutcome` a line, one for each line that was refused.
    Took {
        /// Which file, from 0.
        input: u32,
        /// How many of its lines were read before: after those, one part is sealed and no second one.
        after: u64,
        /// How many of its lines were read by now.
        lines: u64,
        /// SHA-256 of its bytes up to there, in hex.
        digest: String,
        /// Resources of this part that are kept.
        accepted: u64,
        /// Lines of this part that were refused.
        refused: u64,
        /// Whether the file ends there.
        ends: bool,
    },
    /// It is over.
    Ended {
        /// How.
        how: ImportEnd,
        /// Why, in words; empty: everything was read.
        why: String,
    },
}

/// One file of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportInput {
    /// The FHIR type of its resources.
    pub kind: String,
    /// Where it is.
    pub url: String,
}

/// How an import ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportEnd {
    /// Its client ended it.
    Cancelled,
    /// All files were read.
    Done,
    /// It could not go on.
    Failed,
}
