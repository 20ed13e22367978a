//! What a comparison found, as it is sealed.

use aws_lc_rs::digest;
use chart::{Differing, Named};
use event::{
    Act, Actor, Altered, AlteredPart, Body, Event, Outside, PutBack, PutBackStep, Subject, Time,
    Unlike,
};
use guard::{Standing, admit};
use oversight::{Alteration, Fate};
use serde_json::Value;

use super::ask::name;
use super::compare::Comparison;
use crate::App;

/// Bytes of what was found there that are kept, at most.
const EVIDENCE_BYTES_MAX: usize = 1 << 20;

/// One difference.
pub(super) struct Found {
    kind: String,
    id: String,
    patient: Option<String>,
    pub(super) unlike: Unlike,
    /// The event that wrote the version it is held against.
    version: Option<u64>,
    pub(super) sealed_at: Option<Time>,
    parts: Vec<AlteredPart>,
    tag: String,
    pub(super) mark: String,
    evidence: Vec<u8>,
}

impl Found {
    pub(super) fn changed((kind, id): (&str, &str), differs: Differing, resource: &Value) -> Found {
        let mut parts = differs.parts;
        if let Some(older) = differs.older {
            let sealed = format!("event {}", differs.version);
            let found = format!("what event {older} had sealed before");
            parts.insert(0, AlteredPart::new(format!("{kind}/{id}"), sealed, found));
        }
        Found {
            patient: differs.patient,
            version: Some(differs.version),
            sealed_at: Some(differs.at),
            parts,
            ..Found::there((kind, id), Unlike::Changed, resource)
        }
    }

    pub(super) fn unknown(
        resource: &Value,
        patient: Option<String>,
        deleted: Option<u64>,
    ) -> Found {
        let named = name(resource);
        let sealed = match deleted {
            Some(version) => format!("deleted by event {version}"),
            None => "nothing".to_owned(),
        };
        let part = format!("{}/{}", named.0, named.1);
        Found {
            patient,
            parts: vec![AlteredPart::new(part, sealed, "a resource")],
            ..Found::there(named, Unlike::Unknown, resource)
        }
    }

    /// The same without what stands there.
    pub(super) fn without_content(mut self) -> Found {
        self.evidence.clear();
        self
    }

    pub(super) fn missing(named: &Named) -> Found {
        let part = format!("{}/{}", named.kind, named.id);
        let sealed = format!("event {}", named.version);
        Found {
            kind: named.kind.clone(),
            id: named.id.clone(),
            patient: named.patient.clone(),
            unlike: Unlike::Missing,
            version: Some(named.version),
            sealed_at: Some(named.at),
            parts: vec![AlteredPart::new(part, sealed, "nothing: it is not there")],
            tag: String::new(),
            mark: String::new(),
            evidence: Vec::new(),
        }
    }

    fn there((kind, id): (&str, &str), unlike: Unlike, resource: &Value) -> Found {
        let version = resource.pointer("/meta/versionId").and_then(Value::as_str);
        Found {
            kind: kind.to_owned(),
            id: id.to_owned(),
            patient: None,
            unlike,
            version: None,
            sealed_at: None,
            parts: Vec::new(),
            tag: version.map_or(String::new(), |version| format!("W/\"{version}\"")),
            mark: mark(resource),
            evidence: resource.to_string().into_bytes(),
        }
    }

    /// Type and id.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }

    /// Whether the newest difference of this resource is the same, and is still to be decided,
    /// to be sent, or was left as it is.
    pub(super) fn was_told(&self, known: &Alteration) -> bool {
        let fate = known
            .settling
            .as_ref()
            .map_or(Fate::Waiting, |settling| settling.fate);
        let stands = matches!(fate, Fate::Waiting | Fate::Ordered | Fate::Left);
        let same =
            known.altered.outside.as_ref().is_some_and(|outside| {
                (outside.unlike, &outside.mark) == (self.unlike, &self.mark)
            });
        stands && same && known.altered.index == self.version
    }

    fn event(&self, system: &str, whole_at: Option<Time>) -> Event {
        let subject = match &self.patient {
            Some(patient) => Subject::Patient(patient.clone()),
            None => Subject::Kind(self.kind.clone()),
        };
        let body = Body::Alteration(Altered {
            index: self.version,
            parts: self.parts.clone(),
            whole_at,
            healed_from: None,
            outside: Some(Outside {
                system: system.to_owned(),
                kind: self.kind.clone(),
                id: self.id.clone(),
                unlike: self.unlike,
                tag: self.tag.clone(),
                mark: self.mark.clone(),
            }),
        });
        let mut event = Event::new(Actor::salus(), Act::Manage, subject, body);
        event.raw.clone_from(&self.evidence);
        event.raw.truncate(EVIDENCE_BYTES_MAX);
        event
    }
}

/// What tells one content of a resource from another: SHA-256 in hex.
pub(super) fn mark(resource: &Value) -> String {
    let hash = digest::digest(&digest::SHA256, resource.to_string().as_bytes());
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Seals what was found.
pub(super) async fn seal(of: &Comparison<'_>, found: &Found) -> Result<(), String> {
    tracing::error!(
        kind = found.kind,
        unlike = ?found.unlike,
        sealed = found.version,
        "a resource of the other system is not what was sealed"
    );
    let event = found.event(&of.config.fhir, of.whole_at());
    admitted(of.app, event).await.map(drop)
}

/// Seals that a former difference is gone.
pub(super) async fn settle(app: &App, known: &Alteration) -> Result<(), String> {
    step(app, known, PutBackStep::Settled).await
}

/// Seals what became of a difference, by Salus itself.
pub(super) async fn step(app: &App, of: &Alteration, step: PutBackStep) -> Result<(), String> {
    let put = PutBack {
        alteration: of.index,
        step,
    };
    let event = Event::new(Actor::salus(), Act::Send, subject(of), Body::PutBack(put));
    admitted(app, event).await.map(drop)
}

/// Whom a difference is about.
pub(crate) fn subject(of: &Alteration) -> Subject {
    match (&of.patient, &of.altered.outside) {
        (Some(patient), _) => Subject::Patient(patient.clone()),
        (None, Some(outside)) => Subject::Kind(outside.kind.clone()),
        (None, None) => Subject::Record,
    }
}

async fn admitted(app: &App, event: Event) -> Result<(), String> {
    let admitted = admit(event.into(), Standing::Salus, "").map_err(|refused| refused.words)?;
    let sealed = app.record.admit(vec![admitted]).await;
    sealed.map(drop).map_err(|why| why.to_string())
}
