//! What a path asks for.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use wire::dicom::{Level, Query, VR, tags};

use super::Refused;

/// One interaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// QIDO-RS.
    Search(Place),
    /// WADO-RS: the objects.
    Objects(Place),
    /// WADO-RS: what they say of themselves.
    Metadata(Place),
    /// WADO-RS: frames of one, counted from 1.
    Frames(Place, Vec<usize>),
    /// WADO-RS: a picture.
    Rendered(Place, Look),
}

/// A study, a series, an instance, or all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) level: Level,
    study: Option<String>,
    series: Option<String>,
    instance: Option<String>,
}

/// How a picture is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Which frame, counted from 1.
    pub(super) frame: usize,
    /// Pixels of its longer side, at most.
    pub(super) max: Option<usize>,
}

/// Pixels of the longer side of a thumbnail.
pub(super) const THUMBNAIL_PIXELS: usize = 128;
/// Frames that are fetched with one request.
const FRAMES_MAX: usize = 1_000;

impl Place {
    /// The query for what lies there.
    pub(super) fn query(&self) -> Result<Query, Refused> {
        let mut query = Query::new(self.level);
        let all = [
            (tags::STUDY_INSTANCE_UID, &self.study),
            (tags::SERIES_INSTANCE_UID, &self.series),
            (tags::SOP_INSTANCE_UID, &self.instance),
        ];
        for (tag, uid) in all {
            if let Some(uid) = uid {
                let asked = query.ask((tag, VR::UI), uid);
                asked.map_err(|fault| Refused::bad(fault.to_string()))?;
            }
        }
        Ok(query)
    }
}

/// What `path` asks for.
pub(super) fn call(path: &str) -> Result<Call, Refused> {
    let path = path.strip_prefix("/dicomweb").unwrap_or(path);
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let picture = |frame, max| Look { frame, max };
    let thumbnail = Some(THUMBNAIL_PIXELS);
    let (call, rest): (fn(Place) -> Call, &[&str]) = match parts.as_slice() {
        [rest @ .., "studies" | "series" | "instances"] => {
            let level = match parts.last() {
                Some(&"studies") => Level::Study,
                Some(&"series") => Level::Series,
                _ => Level::Image,
            };
            return Ok(Call::Search(Place {
                level,
                ..above(rest)?
            }));
        }
        [rest @ .., "metadata"] => (Call::Metadata, rest),
        [rest @ .., "frames", frame, "rendered"] => {
            let frame = number(frame)?;
            return Ok(Call::Rendered(instance(rest)?, picture(frame, None)));
        }
        [rest @ .., "frames", frame, "thumbnail"] => {
            let frame = number(frame)?;
            return Ok(Call::Rendered(instance(rest)?, picture(frame, thumbnail)));
        }
        [rest @ .., "rendered"] => return Ok(Call::Rendered(place(rest)?, picture(1, None))),
        [rest @ .., "thumbnail"] => return Ok(Call::Rendered(place(rest)?, picture(1, thumbnail))),
        [rest @ .., "frames", list] => {
            let frames: Result<Vec<usize>, Refused> = list.split(',').map(number).collect();
            let frames = frames?;
            if frames.len() > FRAMES_MAX {
                return Err(Refused::bad(format!("{FRAMES_MAX} frames at most at once")));
            }
            // Together they are no larger than the object that holds them.
            if frames.iter().collect::<BTreeSet<_>>().len() < frames.len() {
                return Err(Refused::bad("each frame is named once"));
            }
            return Ok(Call::Frames(instance(rest)?, frames));
        }
        rest => (Call::Objects, rest),
    };
    place(rest).map(call)
}

/// Which study objects are stored to; `None`: any.
pub(super) fn stored(path: &str) -> Result<Option<String>, Refused> {
    let path = path.strip_prefix("/dicomweb").unwrap_or(path);
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["studies"] => Ok(None),
        ["studies", study] => uid_of(study).map(Some),
        _ => Err(Refused::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "objects are stored to `/dicomweb/studies` or to a study under it",
        )),
    }
}

/// What is named above what is looked for; nothing: everything.
fn above(parts: &[&str]) -> Result<Place, Refused> {
    match parts {
        [] => Ok(Place {
            level: Level::Study,
            study: None,
            series: None,
            instance: None,
        }),
        parts => place(parts),
    }
}

fn place(parts: &[&str]) -> Result<Place, Refused> {
    let (level, uids) = match parts {
        ["studies", study] => (Level::Study, [Some(study), None, None]),
        ["studies", study, "series", series] => (Level::Series, [Some(study), Some(series), None]),
        ["studies", study, "series", series, "instances", instance] => {
            (Level::Image, [Some(study), Some(series), Some(instance)])
        }
        _ => return Err(Refused::absent()),
    };
    let [study, series, instance] = uids.map(|one| one.map(|uid| uid_of(uid)).transpose());
    Ok(Place {
        level,
        study: study?,
        series: series?,
        instance: instance?,
    })
}

fn instance(parts: &[&str]) -> Result<Place, Refused> {
    let place = place(parts)?;
    match place.level {
        Level::Image => Ok(place),
        _ => Err(Refused::bad("frames are of an instance")),
    }
}

fn uid_of(uid: &str) -> Result<String, Refused> {
    let written = uid
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    match written && (1..=64).contains(&uid.len()) {
        true => Ok(uid.to_owned()),
        false => Err(Refused::bad("a UID is 1 to 64 digits and dots")),
    }
}

fn number(text: &str) -> Result<usize, Refused> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Refused::bad("frames are counted from 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_meaning() {
        let text = |path: &str| match call(path).unwrap() {
            Call::Search(place) => format!("search {}", place.query().unwrap().text()),
            Call::Objects(place) => format!("objects {}", place.query().unwrap().text()),
            Call::Metadata(place) => format!("metadata {}", place.query().unwrap().text()),
            Call::Frames(place, frames) => {
                format!("frames {frames:?} {}", place.query().unwrap().text())
            }
            Call::Rendered(place, look) => {
                format!(
                    "picture {} {:?} {}",
                    look.frame,
                    look.max,
                    place.query().unwrap().text()
                )
            }
        };
        for (path, meaning) in [
            ("/dicomweb/studies", "search STUDY"),
            ("/dicomweb/instances", "search IMAGE"),
            (
                "/dicomweb/studies/1.2/series",
                "search SERIES StudyInstanceUID=1.2",
            ),
            (
                "/dicomweb/studies/1.2",
                "objects STUDY StudyInstanceUID=1.2",
            ),
            (
                "/dicomweb/studies/1.2/metadata",
                "metadata STUDY StudyInstanceUID=1.2",
            ),
            (
                "/dicomweb/studies/1.2/series/1.3/instances/1.4/frames/1,3",
                "frames [1, 3] IMAGE StudyInstanceUID=1.2 SeriesInstanceUID=1.3 SOPInstanceUID=1.4",
            ),
            (
                "/dicomweb/studies/1.2/thumbnail",
                "picture 1 Some(128) STUDY StudyInstanceUID=1.2",
            ),
        ] {
            assert_eq!(text(path), meaning);
        }
        for (path, status) in [
            ("/dicomweb/studies/x", 400),
            ("/dicomweb/studies/1.2/frames/1", 400),
            (
                "/dicomweb/studies/1.2/series/1.3/instances/1.4/frames/0",
                400,
            ),
            (
                "/dicomweb/studies/1.2/series/1.3/instances/1.4/frames/2,1,2",
                400,
            ),
            ("/dicomweb/patients", 404),
            ("/dicomweb/studies/1.2/nothing", 404),
        ] {
            assert_eq!(call(path).unwrap_err().status.as_u16(), status, "{path}");
        }
    }
}
