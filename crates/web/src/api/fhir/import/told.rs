//! What an import tells: how far it is, its manifest at the end, what was refused.

use axum::http::StatusCode;
use axum::http::header::{HeaderName, RETRY_AFTER};
use bytes::Bytes;
use event::{Body, ImportEnd, ImportInput, ImportStep};
use flow::Import;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use wire::fhir::{Code, Issue};

use super::super::answer::{Answer, Streamed};
use super::super::door::Door;
use super::super::fault::{Fault, outcome};
use super::super::route;

/// The longest path that is told of a line that was refused, in characters.
const PATH_CHARACTERS_MAX: usize = 200;
/// Of so many issues of one line is told what each is; of the others how many they are.
const ISSUES_MAX: usize = 3;

/// 202 with how far it is, or 200 with what became of it.
///
/// # Errors
/// 404 when its client ended it, 502 when it was given up.
pub(super) async fn status(door: &Door, import: &Import) -> Result<Answer, Fault> {
    match import.ended {
        None => Ok(Answer {
            status: StatusCode::ACCEPTED,
            headers: vec![
                (HeaderName::from_static("x-progress"), progress(import)),
                (RETRY_AFTER, "1".to_owned()),
            ],
            ..Answer::default()
        }),
        Some(ImportEnd::Done) => {
            let (_, inputs) = begun(door, import).await?;
            Ok(Answer {
                body: Some(manifest(door, import, &inputs).to_string().into()),
                media: Some("application/json"),
                ..Answer::default()
            })
        }
        Some(ImportEnd::Cancelled) => Err(absent(&import.id)),
        Some(ImportEnd::Failed) => {
            let (accepted, refused) = import.counts();
            let words = format!(
                "the import was given up: {}; {accepted} resources are kept, {refused} lines were refused",
                import.why
            );
            Err(Fault::new(StatusCode::BAD_GATEWAY, Code::Processing, words))
        }
    }
}

/// How far it is, in less than 100 characters.
pub(crate) fn progress(import: &Import) -> String {
    let (accepted, refused) = import.counts();
    let done = import.inputs.iter().filter(|file| file.done).count();
    let all = import.inputs.len();
    format!("{done} of {all} files read, {accepted} resources kept, {refused} lines refused")
}

pub(super) fn absent(id: &str) -> Fault {
    let words = format!("there is no import `{id}` of yours; it may have been ended");
    Fault::new(StatusCode::NOT_FOUND, Code::NotFound, words)
}

/// The scopes and the files that an import was begun with.
///
/// # Errors
/// What keeps the record from being read.
pub(super) async fn begun(
    door: &Door,
    import: &Import,
) -> Result<(Vec<String>, Vec<ImportInput>), Fault> {
    let sealed = door.app.record.get(import.begun).await?;
    match &sealed.event().body {
        Body::Import(event::Import {
            step: ImportStep::Begun { scopes, inputs, .. },
            ..
        }) => Ok((scopes.clone(), inputs.clone())),
        _ => Err(Fault::broken(
            "the beginning of an import is not where it was",
        )),
    }
}

fn manifest(door: &Door, import: &Import, inputs: &[ImportInput]) -> Value {
    let base = &door.app.settings.fhir_base;
    let files = || import.inputs.iter().zip(inputs).enumerate();
    let output: Vec<Value> = files()
        .map(|(_, (file, input))| {
            json!({ "type": "OperationOutcome", "inputUrl": input.url, "count": file.accepted })
        })
        .collect();
    let error: Vec<Value> = files()
        .filter(|(_, (file, _))| file.refused > 0)
        .map(|(at, (file, input))| {
            json!({
                "type": "OperationOutcome",
                "inputUrl": input.url,
                "count": file.refused,
                "url": format!("{base}/$import-file/{}/{at}", import.id),
            })
        })
        .collect();
    json!({
        "transactionTime": import.at.to_string(),
        "request": format!("{base}/$import"),
        "requiresAccessToken": true,
        "output": output,
        "error": error,
    })
}

/// An `OperationOutcome` a line: what was refused of one file.
///
/// # Errors
/// 404 for a file that it has not.
pub(super) async fn refusals(door: &Door, import: &Import, place: u32) -> Result<Answer, Fault> {
    let file = usize::try_from(place).ok();
    if file.and_then(|place| import.inputs.get(place)).is_none() {
        let words = format!("the import `{}` has no file {place}", import.id);
        return Err(Fault::new(StatusCode::NOT_FOUND, Code::NotFound, words));
    }
    let found = door.app.flow.refusals(&import.id, place).await;
    let found = found.map_err(|why| Fault::ours(&why))?;
    let record = door.app.record.clone();
    // One commit's at a time, as fast as they are read. What breaks off does not look as if it were whole: the
    // connection ends before the body does.
    let pieces = stream::iter(found).then(move |index| {
        let record = record.clone();
        async move {
            let sealed = record.get(index).await?;
            Ok::<_, record::Error>(Bytes::copy_from_slice(&sealed.event().raw))
        }
    });
    Ok(Answer {
        stream: Streamed::of(axum::body::Body::from_stream(pieces)),
        media: Some("application/fhir+ndjson"),
        ..Answer::default()
    })
}

/// Why a line was refused, as it is sealed: which line, where in it and what rule, without what stands
/// there. What may be of a patient is not sealed where no erasure would reach it.
pub(super) fn refusal(line: u64, fault: &Fault) -> Vec<u8> {
    let mut issues: Vec<Issue> = fault
        .issues
        .iter()
        .take(ISSUES_MAX)
        .map(|issue| Issue {
            severity: issue.severity,
            code: issue.code,
            path: bare(issue),
            words: format!("line {line}: {}", unquoted(&issue.words)),
        })
        .collect();
    let more = fault.issues.len().saturating_sub(ISSUES_MAX);
    if let (true, Some(last)) = (more > 0, issues.last_mut()) {
        last.words.push_str(&format!(" (and {more} more)"));
    }
    let mut text = outcome(&issues);
    text.push(b'\n');
    text
}

/// The words without what they quote, from the first backtick to the last: a value may hold backticks of
/// its own. What follows an odd one may be of a value, too.
fn unquoted(words: &str) -> String {
    let (Some(first), Some(last)) = (words.find('`'), words.rfind('`')) else {
        return words.to_owned();
    };
    let rest = match words.matches('`').count() % 2 {
        0 => words.get(last + 1..).unwrap_or_default(),
        _ => "",
    };
    let before = words.get(..first).unwrap_or_default();
    format!("{before}`\u{2026}`{rest}")
}

/// The path, if it is one of elements, as far as they are known.
fn bare(issue: &Issue) -> String {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "._[]-$".contains(letter);
    // What stands twice, or too deep, was not held against any type.
    let kind = issue.path.split(['.', '[']).next().unwrap_or_default();
    if route::kind(kind).is_err() || issue.words.contains("stands twice") {
        return String::new();
    }
    let path = match issue.words.contains("has no element") {
        true => issue.path.rsplit_once('.').map_or(kind, |(known, _)| known),
        false => &issue.path,
    };
    match path.len() <= PATH_CHARACTERS_MAX && path.chars().all(good) {
        true => path.to_owned(),
        false => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_where_and_why_and_nothing_of_a_patient() {
        let words = "`Meier` is no code of `AdministrativeGender`; an `Weiss";
        let fault = Fault::of(
            StatusCode::UNPROCESSABLE_ENTITY,
            vec![Issue::error(Code::CodeInvalid, "Patient.gender", words)],
        );
        let text = String::from_utf8(refusal(7, &fault)).unwrap();
        assert!(
            text.ends_with('\n') && text.contains("Patient.gender"),
            "{text}"
        );
        assert!(text.contains("line 7: `\u{2026}`"), "{text}");
        assert!(!text.contains("Meier") && !text.contains("Weiss"), "{text}");
    }

    #[test]
    fn a_value_with_a_backtick_and_a_key_that_is_unknown_are_not_told() {
        let told = |path: &str, words: &str| {
            let issue = Issue::error(Code::Structure, path, words);
            let fault = Fault::of(StatusCode::BAD_REQUEST, vec![issue]);
            String::from_utf8(refusal(1, &fault)).unwrap()
        };
        for (path, words) in [
            ("Patient.gender", "`Mei`Meier`er` is no code of `x`"),
            ("Patient.gender", "`a` Meier `b"),
            ("Patient.Meier", "`Patient` has no element `Meier`"),
            ("Patient.name[0].Meier", "`HumanName` has no element `a`"),
            ("Patient.Meier.x", "the key `Patient.Meier.x` stands twice"),
            ("Meier.x", "what"),
            ("Patient.An na.Meier", "what"),
        ] {
            let text = told(path, words);
            assert!(!text.contains("Meier"), "{text}");
        }
        assert!(told("Patient.name[0].x", "`a` has no element `x`").contains("Patient.name[0]"));
        assert!(told("Patient.name[0].use", "bad").contains("Patient.name[0].use"));
    }

    #[test]
    fn of_many_issues_of_a_line_a_few_are_told_and_how_many_more_there_are() {
        let issue = Issue::error(Code::Structure, "Patient.name", "bad");
        let fault = Fault::of(StatusCode::BAD_REQUEST, vec![issue; 100]);
        let text = String::from_utf8(refusal(1, &fault)).unwrap();
        assert_eq!(
            text.matches("line 1").count(),
            text.matches("Patient.name").count()
        );
        assert!(
            text.contains("(and 97 more)") && text.len() < 2_000,
            "{text}"
        );
    }
}
