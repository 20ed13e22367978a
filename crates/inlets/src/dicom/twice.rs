//! An instance that is there already: the same once more, or another object under its name.

use event::{Act, Actor, Altered, AlteredPart, Body, Event, Image};
use record::Sealed;
use wire::dicom::{Header, Repertoire, sealed};

use super::image::Looked;

/// What a second object with the UID of a first one is.
pub(crate) enum Twice {
    /// The same data set.
    Same,
    /// It cannot be told: the first event is no image.
    Untold,
    /// The same in another transfer syntax, as far as can be told without unpacking pixels: it is
    /// about the same patient, study and series.
    Rewritten,
    /// Another: what to seal.
    Other(Box<Event>),
}

/// Parts that say whose an image is.
const WHOSE: [&str; 2] = ["PatientID", "IssuerOfPatientID"];

/// Holds what came against the first.
pub(crate) fn twice(first: &Sealed, looked: &Looked, (actor, syntax): (&Actor, &str)) -> Twice {
    let Body::Image(image) = &first.event().body else {
        return Twice::Untold;
    };
    if image.data == looked.data && image.syntax == syntax {
        return Twice::Same;
    }
    let mut parts = differences(image, &first.event().raw, &looked.header);
    let anothers = parts.iter().any(|part| WHOSE.contains(&part.part.as_str()));
    if anothers {
        // What is another patient's is not sealed under the key of the first, nor shown with theirs.
        for part in parts
            .iter_mut()
            .filter(|part| part.part.starts_with("Patient"))
        {
            "another patient's".clone_into(&mut part.found);
        }
    }
    if parts.is_empty() && image.syntax != syntax {
        return Twice::Rewritten;
    }
    parts.push(AlteredPart::new(
        "data set (SHA-256)",
        &image.data,
        &looked.data,
    ));
    let body = Body::Alteration(Altered {
        index: Some(first.index()),
        parts,
        whole_at: Some(first.at()),
        // Nothing of the record was touched: the first stays.
        healed_from: Some("first".into()),
        outside: None,
    });
    let subject = first.event().subject.clone();
    let event = Event::new(actor.clone(), Act::Send, subject, body);
    let raw = if anothers {
        Vec::new()
    } else {
        looked.raw.clone()
    };
    Twice::Other(Box::new(event.with_raw(raw)))
}

/// The fields that say something else.
fn differences(image: &Image, raw: &[u8], found: &Header) -> Vec<AlteredPart> {
    let otherwise = Repertoire::named(&image.charset, &Repertoire::ascii());
    let first = sealed(raw, &image.syntax);
    let Some(first) = first.and_then(|set| Header::of(&set, &otherwise).ok()) else {
        return Vec::new();
    };
    let fields = |of: &Header| {
        [
            ("PatientID", of.patient_id.clone()),
            ("IssuerOfPatientID", of.issuer.clone()),
            ("PatientName", of.patient_name.clone()),
            ("PatientBirthDate", of.birth_date.clone()),
            ("PatientSex", of.sex.clone()),
            ("SOPClassUID", of.class.clone()),
            ("StudyInstanceUID", of.study.clone()),
            ("StudyDate", of.study_date.clone()),
            ("StudyDescription", of.study_description.clone()),
            ("AccessionNumber", of.accession.clone()),
            ("SeriesInstanceUID", of.series.clone()),
            ("Modality", of.modality.clone()),
            ("Laterality", of.laterality.clone()),
            ("InstanceNumber", of.instance_number.clone()),
            ("NumberOfFrames", of.frames.unwrap_or(1).to_string()),
            ("Rows, Columns", format!("{:?}", of.size)),
        ]
    };
    let pairs = fields(&first).into_iter().zip(fields(found));
    let unlike = pairs.filter(|((_, before), (_, now))| before != now);
    unlike
        .map(|((name, before), (_, now))| AlteredPart::new(name, before, now))
        .collect()
}
