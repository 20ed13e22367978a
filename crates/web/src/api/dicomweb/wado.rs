//! WADO-RS (PS3.18 section 10.4): objects, what they say of themselves, frames, pictures.

use std::io;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use chart::Instance;
use event::Body;
use guard::Identity;
use wire::dicom::{
    Limits, NoFrame, RLE_UID, Repertoire, Syntax, can_recode, file, frame, given, part10, picture,
    picture_of_runs, scan, sealed,
};

use super::Refused;
use super::accept::Accepted;
use super::parts::{Boundary, answer};
use super::route::{Look, Place};
use crate::App;
use crate::imaging::ImageQuery;

const DICOM: &str = "application/dicom";
const JSON: &str = "application/dicom+json";
const OCTETS: &str = "application/octet-stream";
const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";

/// The objects of a study or a series, or one.
pub(super) async fn objects(
    app: &Arc<App>,
    who: &Identity,
    (place, accepted): (&Place, &[Accepted]),
) -> Result<Response, Refused> {
    let taken = accepted.iter().find(|one| one.takes_parts(DICOM));
    let taken = taken.ok_or_else(|| {
        Refused::unacceptable(format!(
            "objects are given as parts of type `{DICOM}` alone"
        ))
    })?;
    let found = named(app, who, (place, "objects")).await?;
    // Without a word about it what is not compressed is in explicit little endian (PS3.18 table 8.7.3-2).
    let wanted = taken.syntax.clone();
    let target = move |one: &Instance| match wanted.as_deref() {
        Some("*") => Some(one.syntax.clone()),
        Some(uid) => can_recode(&one.syntax, uid).then(|| uid.to_owned()),
        None if can_recode(&one.syntax, Syntax::EXPLICIT_UID) => {
            Some(Syntax::EXPLICIT_UID.to_owned())
        }
        None => Some(one.syntax.clone()),
    };
    let targets: Option<Vec<String>> = found.iter().map(target).collect();
    let targets = targets.ok_or_else(|| {
        Refused::unacceptable("an object cannot be given in that transfer syntax; ask for `*`")
    })?;
    let boundary = Boundary::new()?;
    let (pieces, response) = answer(&boundary.media(DICOM))?;
    let app = Arc::clone(app);
    tokio::spawn(async move {
        for (one, target) in found.iter().zip(targets) {
            let file = match in_syntax(&app, one, &target).await {
                Ok(file) => file,
                Err(why) => {
                    tracing::error!(index = one.index, why, "an object was not given");
                    let _ = pieces
                        .send(Err(io::Error::other("an object is missing")))
                        .await;
                    return;
                }
            };
            let media = format!("{DICOM}; transfer-syntax={target}");
            if pieces.send(Ok(boundary.part(&media, &file))).await.is_err() {
                return;
            }
        }
        let _ = pieces.send(Ok(boundary.end())).await;
    });
    Ok(response)
}

/// What objects say of themselves, without their pixels.
pub(super) async fn metadata(
    app: &Arc<App>,
    who: &Identity,
    (place, accepted): (&Place, &[Accepted]),
) -> Result<Response, Refused> {
    let json = |one: &Accepted| one.takes(JSON) || one.takes("application/json");
    if !accepted.iter().any(json) {
        let words = format!("metadata is given as `{JSON}` alone");
        return Err(Refused::unacceptable(words));
    }
    let found = named(app, who, (place, "metadata")).await?;
    let (pieces, response) = answer(JSON)?;
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let mut before = "[";
        for one in &found {
            let piece = match said(&app, one).await {
                Ok(said) => Ok(Bytes::from(format!("{before}{said}"))),
                Err(why) => {
                    tracing::error!(index = one.index, why, "metadata was not given");
                    Err(io::Error::other("an object is missing"))
                }
            };
            before = ",";
            if pieces.send(piece).await.is_err() {
                return;
            }
        }
        let _ = pieces.send(Ok(Bytes::from_static(b"]"))).await;
    });
    Ok(response)
}

/// Frames of one object, as they are kept.
pub(super) async fn frames(
    app: &Arc<App>,
    who: &Identity,
    (place, numbers): (&Place, &[usize]),
    accepted: &[Accepted],
) -> Result<Response, Refused> {
    let one = only(app, who, (place, "frames")).await?;
    let media = frame_media(&one.syntax);
    let takes = |one: &Accepted| one.takes_parts(media) || one.takes_parts(OCTETS);
    if !accepted.iter().any(takes) {
        return Err(Refused::unacceptable(format!(
            "these frames are given as `{media}` alone"
        )));
    }
    let native = can_recode(&one.syntax, Syntax::EXPLICIT_UID);
    let target = match native {
        true => Syntax::EXPLICIT_UID.to_owned(),
        false => one.syntax.clone(),
    };
    let file = in_syntax(app, &one, &target).await;
    let file = file.map_err(|why| Refused::broken(&why))?;
    let boundary = Boundary::new()?;
    let kind = format!("{media}; transfer-syntax={target}");
    let mut body = Vec::new();
    with(&file, |set| -> Result<(), Refused> {
        for number in numbers {
            let found = frame(set, *number).map_err(no_frame)?;
            body.extend_from_slice(&boundary.part(&kind, &found));
        }
        Ok(())
    })??;
    body.extend_from_slice(&boundary.end());
    let headers = [(CONTENT_TYPE, boundary.media(media))];
    Ok((StatusCode::OK, headers, body).into_response())
}

/// A picture of a frame; of a study or a series, of its first object.
pub(super) async fn rendered(
    app: &Arc<App>,
    who: &Identity,
    (place, look): (&Place, Look),
    accepted: &[Accepted],
) -> Result<Response, Refused> {
    let one = only(app, who, (place, "a picture")).await?;
    let takes = |media: &str| accepted.iter().any(|one| one.takes(media));
    let compressed = one.syntax == JPEG_BASELINE;
    let runs = one.syntax == RLE_UID;
    let native = can_recode(&one.syntax, Syntax::EXPLICIT_UID);
    let (media, target) = match (compressed, native) {
        (true, _) => ("image/jpeg", one.syntax.as_str()),
        (false, _) if runs => ("image/png", one.syntax.as_str()),
        (false, true) => ("image/png", Syntax::EXPLICIT_UID),
        (false, false) => {
            let words = "no picture is made of pixels that are compressed like these";
            return Err(Refused::unacceptable(words));
        }
    };
    if !takes(media) {
        return Err(Refused::unacceptable(format!(
            "this picture is given as `{media}` alone"
        )));
    }
    let file = in_syntax(app, &one, target).await;
    let file = file.map_err(|why| Refused::broken(&why))?;
    let work = tokio::task::spawn_blocking(move || {
        with(&file, |set| -> Result<Vec<u8>, Refused> {
            if compressed {
                return Ok(frame(set, look.frame).map_err(no_frame)?.into_owned());
            }
            let made = match runs {
                true => picture_of_runs(set, look.frame),
                false => picture(set, look.frame),
            };
            let made = made.map_err(|why| Refused::unacceptable(why.to_string()))?;
            Ok(made.shrunk(look.max.unwrap_or(usize::MAX)).png())
        })
    });
    let picture = work.await.map_err(|why| Refused::broken(&why))???;
    Ok((StatusCode::OK, [(CONTENT_TYPE, media)], picture).into_response())
}

/// What lies at a place, by the word of the guard.
async fn named(
    app: &App,
    who: &Identity,
    (place, what): (&Place, &str),
) -> Result<Vec<Instance>, Refused> {
    let query = place.query()?;
    let said = format!("WADO-RS {what} {}", query.text());
    let found = app
        .retrieve_images(&ImageQuery {
            who,
            query: &query,
            said: &said,
            authority: &app.settings.image_authority,
            max: app.settings.dicomweb_objects_max,
        })
        .await
        .map_err(|why| Refused::of(why, who))?;
    match found.is_empty() {
        true => Err(Refused::absent()),
        false => Ok(found),
    }
}

/// The one object at a place, or the first.
async fn only(app: &App, who: &Identity, of: (&Place, &str)) -> Result<Instance, Refused> {
    let found = named(app, who, of).await?;
    found.into_iter().next().ok_or_else(Refused::absent)
}

/// An object as a file, in a transfer syntax.
async fn in_syntax(app: &App, one: &Instance, target: &str) -> Result<Vec<u8>, String> {
    let words = |why: record::Error| why.to_string();
    let event = app.record.get(one.index).await.map_err(words)?;
    let kept = app.record.object(&event).await.map_err(words)?;
    if one.syntax == target {
        return Ok(kept);
    }
    let head = file(&one.header.class, &one.header.instance, target, "SALUS");
    let to = target.to_owned();
    let work = tokio::task::spawn_blocking(move || {
        let set = given(kept, &to).map_err(|why| why.to_string())?;
        Ok([head.as_slice(), set.set()].concat())
    });
    work.await.map_err(|why| why.to_string())?
}

/// What an object says of itself, as JSON.
async fn said(app: &App, one: &Instance) -> Result<String, String> {
    let event = app.record.get(one.index).await;
    let event = event.map_err(|why| why.to_string())?;
    let Body::Image(image) = &event.event().body else {
        return Err("the event is no image".into());
    };
    let set = sealed(&event.event().raw, &image.syntax).ok_or("it cannot be read")?;
    let syntax = Syntax::named(&image.syntax).ok_or("it cannot be read")?;
    let otherwise = Repertoire::named(&image.charset, &Repertoire::ascii());
    let told = wire::dicom::metadata(&set, syntax, &otherwise);
    Ok(serde_json::Value::Object(told).to_string())
}

/// Works on the data set of a file.
fn with<T>(file: &[u8], work: impl FnOnce(&wire::dicom::DataSet<'_>) -> T) -> Result<T, Refused> {
    let part = part10(file).map_err(|why| Refused::broken(&why))?;
    let data = file.get(part.data_at..).unwrap_or_default();
    let set = scan(data, part.syntax, &Limits::sealed());
    let set = set.map_err(|why| Refused::broken(&why))?;
    Ok(work(&set))
}

fn no_frame(why: NoFrame) -> Refused {
    let status = match why {
        NoFrame::NoPixels | NoFrame::Beyond(_) => StatusCode::NOT_FOUND,
        NoFrame::Untold(_) => StatusCode::NOT_ACCEPTABLE,
    };
    Refused::new(status, why.to_string())
}

/// What a frame in a transfer syntax is (PS3.18 tables 8.7.3-4 and 8.7.3-5).
fn frame_media(syntax: &str) -> &'static str {
    match syntax
        .strip_prefix("1.2.840.10008.1.2.")
        .unwrap_or_default()
    {
        "4.50" | "4.51" | "4.57" | "4.70" => "image/jpeg",
        "4.80" | "4.81" => "image/jls",
        "4.90" | "4.91" => "image/jp2",
        "4.201" | "4.202" | "4.203" => "image/jphc",
        "5" => "image/dicom-rle",
        _ => OCTETS,
    }
}
