//! What is wrong with a resource or a request, in FHIR's own words.

use std::fmt;

use serde_json::{Value, json};

/// How bad an [`Issue`] is (FHIR value set `issue-severity`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing of the request was done and the server itself is at fault.
    Fatal,
    /// The request is refused for this.
    Error,
    /// Accepted, but somebody should look at it.
    Warning,
    /// For the reader only.
    Information,
}

impl Severity {
    /// The code as it stands in `OperationOutcome.issue.severity`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "information",
        }
    }
}

/// The kind of trouble (FHIR value set `issue-type`, the codes this program uses).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// Content that does not follow the specification in a way no other code names.
    Invalid,
    /// The structure is wrong: unknown element, wrong JSON type, duplicate key.
    Structure,
    /// A required element is missing.
    Required,
    /// A value does not have the form its type asks for.
    Value,
    /// A rule between elements is broken.
    Invariant,
    /// A code is not in the value set that is required here.
    CodeInvalid,
    /// Nobody signed in, or the token is not good.
    Login,
    /// The token has expired.
    Expired,
    /// Signed in, but not allowed.
    Forbidden,
    /// Something was left out of the answer because of a rule.
    Suppressed,
    /// The request could not be processed.
    Processing,
    /// Not offered by this server.
    NotSupported,
    /// The same thing is already there.
    Duplicate,
    /// More than one resource matches where one is asked for.
    MultipleMatches,
    /// There is no such resource.
    NotFound,
    /// It was there and has been deleted.
    Deleted,
    /// Content or nesting beyond a limit.
    TooLong,
    /// The operation would take too much.
    TooCostly,
    /// A rule of the hospital forbids it.
    BusinessRule,
    /// Somebody else changed it in the meantime.
    Conflict,
    /// Try again: a passing trouble of the server.
    Transient,
    /// Too many requests.
    Throttled,
    /// A fault of the server.
    Exception,
    /// Only information.
    Informational,
}

impl Code {
    /// The code as it stands in `OperationOutcome.issue.code`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::Invariant => "invariant",
            Self::CodeInvalid => "code-invalid",
            Self::Login => "login",
            Self::Expired => "expired",
            Self::Forbidden => "forbidden",
            Self::Suppressed => "suppressed",
            Self::Processing => "processing",
            Self::NotSupported => "not-supported",
            Self::Duplicate => "duplicate",
            Self::MultipleMatches => "multiple-matches",
            Self::NotFound => "not-found",
            Self::Deleted => "deleted",
            Self::TooLong => "too-long",
            Self::TooCostly => "too-costly",
            Self::BusinessRule => "business-rule",
            Self::Conflict => "conflict",
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Exception => "exception",
            Self::Informational => "informational",
        }
    }
}

/// One complaint: how bad, what kind, where, and in words what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// What kind it is.
    pub code: Code,
    /// Where: `Patient.name[0].use`, a search parameter's name, or empty.
    pub path: String,
    /// What is wrong and what to do, lower case, user input in backticks.
    pub words: String,
}

impl Issue {
    /// An issue that refuses the request.
    #[must_use]
    pub fn error(code: Code, path: impl Into<String>, words: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            path: path.into(),
            words: words.into(),
        }
    }

    /// An issue that is only pointed out.
    #[must_use]
    pub fn warning(code: Code, path: impl Into<String>, words: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            code,
            path: path.into(),
            words: words.into(),
        }
    }

    /// True when the request must be refused for it.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.severity <= Severity::Error
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.words);
        }
        write!(f, "{}: {}", self.path, self.words)
    }
}

/// An `OperationOutcome` of these issues (R4 section 2.36). With no issue it says that all is well.
#[must_use]
pub fn outcome(issues: &[Issue]) -> Value {
    let all_well = [Issue {
        severity: Severity::Information,
        code: Code::Informational,
        path: String::new(),
        words: "all is well".into(),
    }];
    let issues = if issues.is_empty() {
        &all_well[..]
    } else {
        issues
    };
    let list: Vec<Value> = issues.iter().map(issue_json).collect();
    json!({ "resourceType": "OperationOutcome", "issue": list })
}

fn issue_json(issue: &Issue) -> Value {
    let mut out = json!({
        "severity": issue.severity.as_str(),
        "code": issue.code.as_str(),
        "diagnostics": if issue.words.is_empty() { "no details" } else { &issue.words },
    });
    if let (Some(map), false) = (out.as_object_mut(), issue.path.is_empty()) {
        map.insert("expression".into(), json!([issue.path]));
    }
    out
}
