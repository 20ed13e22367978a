//! What an import is asked for with: the manifest of the SMART "Bulk Data Import" proposal, or the same
//! as FHIR `Parameters`.

use std::collections::BTreeSet;

use event::ImportInput;
use serde::Deserialize;
use serde_json::Value;
use wire::fhir::Code;

use super::super::fault::Fault;
use super::super::operation;
use super::super::route;
use super::settings::Imports;

/// The longest address that is taken, in bytes.
const URL_BYTES_MAX: usize = 4_096;
/// The longest `inputSource` that is taken, in bytes.
const SOURCE_BYTES_MAX: usize = 1_024;

/// What is to be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Where the client says that it comes from.
    pub(super) source: String,
    pub(super) inputs: Vec<ImportInput>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Manifest {
    input_format: String,
    input_source: String,
    storage_detail: Storage,
    input: Vec<Input>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Storage {
    r#type: String,
    content_encoding: Vec<String>,
}

impl Default for Storage {
    fn default() -> Storage {
        Storage {
            r#type: "https".to_owned(),
            content_encoding: Vec::new(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Input {
    r#type: String,
    url: String,
}

impl Wanted {
    /// Reads a body.
    ///
    /// # Errors
    /// 400 for what it does not know, 413 for too many files.
    pub(super) fn read(body: &Value, settings: &Imports) -> Result<Wanted, Fault> {
        let said = body.get("resourceType").and_then(Value::as_str);
        let manifest = match said {
            Some("Parameters") => of_parameters(body)?,
            Some(other) => {
                let words = format!("`$import` takes a manifest or `Parameters`, not a `{other}`");
                return Err(Fault::bad(Code::Structure, words));
            }
            None => {
                let read = serde_json::from_value(body.clone());
                read.map_err(|why| Fault::bad(Code::Structure, format!("the manifest: {why}")))?
            }
        };
        manifest.checked(settings)
    }

    /// The types, each once.
    pub(super) fn kinds(&self) -> BTreeSet<&str> {
        self.inputs
            .iter()
            .map(|input| input.kind.as_str())
            .collect()
    }
}

impl Manifest {
    fn checked(self, settings: &Imports) -> Result<Wanted, Fault> {
        const FORMATS: [&str; 2] = ["application/fhir+ndjson", "application/ndjson"];
        if !FORMATS.contains(&self.input_format.as_str()) {
            let words = format!(
                "`inputFormat` cannot be `{}`; it is `application/fhir+ndjson`",
                self.input_format
            );
            return Err(Fault::bad(Code::NotSupported, words));
        }
        if self.storage_detail.r#type != "https" || !self.storage_detail.content_encoding.is_empty()
        {
            let words = "`storageDetail` has the `type` `https` and no `contentEncoding` here";
            return Err(Fault::bad(Code::NotSupported, words));
        }
        if self.input_source.is_empty() || self.input_source.len() > SOURCE_BYTES_MAX {
            let words =
                format!("`inputSource` says in 1 to {SOURCE_BYTES_MAX} bytes where it comes from");
            return Err(Fault::bad(Code::Required, words));
        }
        let (count, max) = (self.input.len(), settings.files_max);
        if count == 0 {
            return Err(Fault::bad(Code::Required, "there is no `input`"));
        }
        if count > max {
            let words = format!("{count} files are more than `files_max` = {max}");
            return Err(Fault::too_large(words));
        }
        let inputs = self.input.into_iter().map(|input| input.checked(settings));
        Ok(Wanted {
            source: self.input_source,
            inputs: inputs.collect::<Result<_, Fault>>()?,
        })
    }
}

impl Input {
    fn checked(self, settings: &Imports) -> Result<ImportInput, Fault> {
        if self.url.len() > URL_BYTES_MAX {
            let words = format!("an address is longer than {URL_BYTES_MAX} bytes");
            return Err(Fault::bad(Code::TooLong, words));
        }
        let kind = route::kind(&self.r#type).map_err(|_| {
            let words = format!("`{}` is no resource type of FHIR R4", self.r#type);
            Fault::bad(Code::Value, words)
        })?;
        let listed = settings.listed().place(&self.url);
        listed.map_err(|words| Fault::bad(Code::BusinessRule, words))?;
        Ok(ImportInput {
            kind: kind.to_owned(),
            url: self.url,
        })
    }
}

/// The same as FHIR `Parameters`, as other servers take it.
fn of_parameters(body: &Value) -> Result<Manifest, Fault> {
    let mut manifest = Manifest::default();
    for one in list(body, "parameter") {
        match one.get("name").and_then(Value::as_str) {
            Some("inputFormat") => manifest.input_format = value(one)?,
            Some("inputSource") => manifest.input_source = value(one)?,
            Some("storageDetail") => {
                for part in list(one, "part") {
                    match part.get("name").and_then(Value::as_str) {
                        Some("type") => manifest.storage_detail.r#type = value(part)?,
                        other => return Err(unknown("storageDetail", other)),
                    }
                }
            }
            Some("input") => {
                let mut input = Input::default();
                for part in list(one, "part") {
                    match part.get("name").and_then(Value::as_str) {
                        Some("type" | "resourceType") => input.r#type = value(part)?,
                        Some("url") => input.url = value(part)?,
                        other => return Err(unknown("input", other)),
                    }
                }
                manifest.input.push(input);
            }
            other => return Err(unknown("$import", other)),
        }
    }
    Ok(manifest)
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    let all = of.get(name).and_then(Value::as_array);
    all.map_or(&[], Vec::as_slice)
}

fn value(parameter: &Value) -> Result<String, Fault> {
    match parameter
        .pointer("/valueCoding/code")
        .and_then(Value::as_str)
    {
        Some(code) => Ok(code.to_owned()),
        None => operation::pair(parameter).map(|(_, value)| value),
    }
}

fn unknown(of: &str, name: Option<&str>) -> Fault {
    let words = format!("`{of}` has no `{}` here", name.unwrap_or_default());
    Fault::bad(Code::NotSupported, words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings() -> Imports {
        Imports {
            sources: vec!["https://files.hospital/".to_owned()],
            files_max: 2,
            ..Imports::default()
        }
    }

    fn manifest(url: &str) -> Value {
        json!({
            "inputFormat": "application/fhir+ndjson",
            "inputSource": "https://old.hospital/fhir",
            "storageDetail": {"type": "https"},
            "input": [{"type": "Patient", "url": url}]
        })
    }

    #[test]
    fn a_manifest_and_parameters_say_the_same() {
        let url = "https://files.hospital/patients.ndjson?sig=a%2Fb";
        let parameters = json!({"resourceType": "Parameters", "parameter": [
            {"name": "inputFormat", "valueString": "application/fhir+ndjson"},
            {"name": "inputSource", "valueUri": "https://old.hospital/fhir"},
            {"name": "storageDetail", "part": [{"name": "type", "valueString": "https"}]},
            {"name": "input", "part": [
                {"name": "type", "valueCoding": {"code": "Patient"}}, {"name": "url", "valueUri": url}]}]});
        let one = Wanted::read(&manifest(url), &settings()).unwrap();
        let other = Wanted::read(&parameters, &settings()).unwrap();
        assert_eq!(one, other);
        assert_eq!(one.inputs[0].url, url);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let good = "https://files.hospital/p.ndjson";
        let with = |name: &str, value: Value| {
            let mut wrong = manifest(good);
            wrong[name] = value;
            Wanted::read(&wrong, &settings()).is_err()
        };
        assert!(Wanted::read(&manifest(good), &settings()).is_ok());
        assert!(with("inputFormat", "application/fhir+xml".into()));
        assert!(with("inputSource", "".into()));
        assert!(with("mode", "InitialLoad".into()));
        assert!(with("storageDetail", json!({"type": "aws-s3"})));
        assert!(with("storageDetail", json!({"contentEncoding": ["gzip"]})));
        assert!(with("input", json!([])));
        assert!(with("input", json!([{"type": "Nonsense", "url": good}])));
        let three = json!([1, 2, 3].map(|_| json!({"type": "Patient", "url": good})));
        assert!(with("input", three));
        for url in [
            "https://elsewhere.example/p.ndjson",
            "http://files.hospital/p.ndjson",
            "https://169.254.169.254/latest",
            "file:///etc/passwd",
        ] {
            assert!(Wanted::read(&manifest(url), &settings()).is_err(), "{url}");
        }
    }
}
