//! Everything that can be answered instead of what was asked for, as an `OperationOutcome`.

use axum::http::header::{ALLOW, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use wire::fhir::{Code, FaultKind, Issue, JsonFault, Severity};

use crate::pace::TooFast;

/// An answer that is not what was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// What is wrong, at least one.
    pub(crate) issues: Vec<Issue>,
    /// A header that the status asks for.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
}

impl Fault {
    /// A fault with one issue that names no place.
    pub(crate) fn new(status: StatusCode, code: Code, words: impl Into<String>) -> Fault {
        Fault::of(status, vec![Issue::error(code, "", words)])
    }

    /// A fault with these issues.
    pub(crate) fn of(status: StatusCode, issues: Vec<Issue>) -> Fault {
        Fault {
            status,
            issues,
            header: None,
        }
    }

    /// 400: the request itself cannot be understood.
    pub(crate) fn bad(code: Code, words: impl Into<String>) -> Fault {
        Fault::new(StatusCode::BAD_REQUEST, code, words)
    }

    /// 401, with how to do better.
    pub(crate) fn login(words: &str) -> Fault {
        let mut fault = Fault::new(StatusCode::UNAUTHORIZED, Code::Login, words);
        let how = HeaderValue::from_static("Bearer realm=\"salus\"");
        fault.header = Some((WWW_AUTHENTICATE, how));
        fault
    }

    /// 403: refused whatever is there, so the refusal says nothing about what is there.
    pub(crate) fn forbidden(words: &[String]) -> Fault {
        let words = words.join(" ");
        Fault::new(StatusCode::FORBIDDEN, Code::Forbidden, words)
    }

    /// 403 for an app that asks for more than was granted: the same words whatever there is.
    pub(crate) fn beyond_scopes() -> Fault {
        let words = "this is more than was granted: another patient, type, part or act";
        Fault::new(StatusCode::FORBIDDEN, Code::Forbidden, words)
    }

    /// 404: not there, or not there for this asker.
    pub(crate) fn absent(kind: &str, id: &str) -> Fault {
        let words = format!("there is no `{kind}/{id}` that you may see");
        Fault::new(StatusCode::NOT_FOUND, Code::NotFound, words)
    }

    /// 405, with the methods that would do.
    pub(crate) fn method(method: &str, allow: &'static str) -> Fault {
        let words = format!("`{method}` is not possible here; use one of: {allow}");
        let mut fault = Fault::new(StatusCode::METHOD_NOT_ALLOWED, Code::NotSupported, words);
        fault.header = Some((ALLOW, HeaderValue::from_static(allow)));
        fault
    }

    /// 410.
    pub(crate) fn gone(kind: &str, id: &str) -> Fault {
        let words = format!("`{kind}/{id}` was deleted; its history is still there");
        Fault::new(StatusCode::GONE, Code::Deleted, words)
    }

    /// 412: a condition that the request came with does not hold.
    pub(crate) fn precondition(code: Code, words: impl Into<String>) -> Fault {
        Fault::new(StatusCode::PRECONDITION_FAILED, code, words)
    }

    /// 413.
    pub(crate) fn too_large(words: impl Into<String>) -> Fault {
        Fault::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLong, words)
    }

    /// 500 for what our machine or the record does not do. What it is goes to the program's log
    /// alone: paths and queries are no business of whoever asks.
    pub(crate) fn ours(error: &dyn std::fmt::Display) -> Fault {
        tracing::error!(%error, "a request was not answered");
        Fault::broken("Salus or its machine has a fault; what it is stands in the program's log")
    }

    /// 500. The words carry no patient data.
    pub(crate) fn broken(words: impl Into<String>) -> Fault {
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Exception, words)
    }

    /// 429: more requests in a minute than are taken of one client.
    pub(crate) fn too_fast(fast: TooFast) -> Fault {
        let words = "this client sends more requests in a minute than are taken; slow down";
        let mut fault = Fault::new(StatusCode::TOO_MANY_REQUESTS, Code::Throttled, words);
        fault.header = Some((RETRY_AFTER, fast.header()));
        fault
    }

    /// 429: the client has read as many patients as it may for now.
    pub(crate) fn over_ceiling() -> Fault {
        let words = "this client has come to its ceiling of patients; what is left waits until some of \
                     them are longer ago";
        let mut fault = Fault::new(StatusCode::TOO_MANY_REQUESTS, Code::Throttled, words);
        fault.header = Some((RETRY_AFTER, HeaderValue::from_static("60")));
        fault
    }

    /// 503: the same request will do in a moment.
    pub(crate) fn later(words: impl Into<String>) -> Fault {
        let mut fault = Fault::new(StatusCode::SERVICE_UNAVAILABLE, Code::Transient, words);
        fault.header = Some((RETRY_AFTER, HeaderValue::from_static("1")));
        fault
    }

    /// The same fault, with every issue placed under `path` (an entry of a bundle).
    ///
    /// `Patient.gender` under `Bundle.entry[2].resource` is `Bundle.entry[2].resource.gender`.
    pub(crate) fn under(mut self, path: &str) -> Fault {
        if !path.is_empty() {
            for issue in &mut self.issues {
                issue.path = match issue.path.split_once('.') {
                    Some((_, rest)) => format!("{path}.{rest}"),
                    None => path.to_owned(),
                };
            }
        }
        self
    }

    /// All the issues in one line of words, for a report on a terminal.
    pub(crate) fn words(&self) -> String {
        let issues: Vec<String> = self.issues.iter().map(ToString::to_string).collect();
        issues.join("; ")
    }

    /// The `OperationOutcome`, as JSON bytes.
    pub(crate) fn outcome(&self) -> Vec<u8> {
        outcome(&self.issues)
    }
}

/// An `OperationOutcome` of these issues, as JSON bytes.
pub(crate) fn outcome(issues: &[Issue]) -> Vec<u8> {
    wire::fhir::outcome(issues).to_string().into_bytes()
}

/// An `OperationOutcome` that says what was done.
pub(crate) fn done(words: impl Into<String>) -> Vec<u8> {
    outcome(&[Issue {
        severity: Severity::Information,
        code: Code::Informational,
        path: String::new(),
        words: words.into(),
    }])
}

impl From<JsonFault> for Fault {
    fn from(fault: JsonFault) -> Fault {
        let status = match fault.kind {
            FaultKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            FaultKind::TooDeep
            | FaultKind::NotUtf8
            | FaultKind::NotJson
            | FaultKind::DuplicateKey => StatusCode::BAD_REQUEST,
        };
        Fault::of(status, vec![fault.into()])
    }
}

impl From<record::Error> for Fault {
    fn from(error: record::Error) -> Fault {
        match error {
            record::Error::Conflict { .. } => {
                Fault::new(StatusCode::CONFLICT, Code::Conflict, error.to_string())
            }
            record::Error::TooLarge { .. } => Fault::too_large(error.to_string()),
            record::Error::Stopped
            | record::Error::Fenced { .. }
            | record::Error::Standby
            | record::Error::Unleased => Fault::later(error.to_string()),
            // Which folder is nothing for a client.
            record::Error::Uprooted { .. } => Fault::later(
                "nothing is taken: the data folder of this server is gone, and somebody has to put it back; keep it, and \
                 send it again",
            ),
            record::Error::NoSuchIndex(_) | record::Error::NoSuchPatient => {
                Fault::new(StatusCode::NOT_FOUND, Code::NotFound, error.to_string())
            }
            record::Error::Erased(_) => {
                Fault::new(StatusCode::GONE, Code::Deleted, error.to_string())
            }
            record::Error::Broken { .. }
            | record::Error::Lost { .. }
            | record::Error::Distrusted { .. }
            | record::Error::KeysMissing
            | record::Error::NotPermitted => Fault::ours(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_ours_tells_nothing_of_the_inside() {
        let why = "INSERT INTO event: /var/lib/salus/journal.db: disk I/O error".to_owned();
        let fault = Fault::from(record::Error::Broken {
            doing: "commit",
            why,
        });
        assert_eq!(fault.status, StatusCode::INTERNAL_SERVER_ERROR);
        let told = fault.words();
        assert!(
            !told.contains("INSERT") && !told.contains("/var/lib"),
            "{told}"
        );
        assert!(told.contains("log"), "{told}");
    }
}
