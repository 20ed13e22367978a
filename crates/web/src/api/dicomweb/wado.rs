//! WADO-RS (PS3.18 section 10.4): objects, what they say of themselves, frames, pictures.

use std::io;
use std::sync::Arc;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use chart::Instance;
use event::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wire::dicom::{
    Limits, NoFrame, Packing, Repertoire, Syntax, can_recode, file, frame, given, part10, picture,
    scan, sealed,
};

use super::accept::Accepted;
use super::parts::{Boundary, answer, whole};
use super::route::{Look, Place};
use super::{Asker, Refused};
use crate::App;
use crate::imaging::{NotOut, OnItsWay, Retrieval, Room, Wanted, held_while, pixels};

const DICOM: &str = "application/dicom";
const JSON: &str = "application/dicom+json";
/// More than an answer has pieces: whoever gets all of these places knows that none is on its way.
const PIECES_MAX: u32 = 1 << 30;
const OCTETS: &str = "application/octet-stream";
const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";

/// The objects of a study or a series, or one.
pub(super) async fn objects(
    app: &Arc<App>,
    asker: &Asker,
    (place, accepted): (&Place, &[Accepted]),
) -> Result<Response, Refused> {
    let taken = accepted.iter().find(|one| one.takes_parts(DICOM));
    let taken = taken.ok_or_else(|| {
        Refused::unacceptable(format!(
            "objects are given as parts of type `{DICOM}` alone"
        ))
    })?;
    let mut found = named(app, asker, (place, "objects")).await?;
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
    let targets: Option<Vec<String>> = found.objects().iter().map(target).collect();
    let targets = targets.ok_or_else(|| {
        Refused::unacceptable("an object cannot be given in that transfer syntax; ask for `*`")
    })?;
    let boundary = Boundary::new()?;
    // Whether there is room is known before anything is answered.
    let first = targets.first().map_or("", String::as_str);
    let object = found.out(app, 0).await.map_err(not_out)?;
    let first = in_syntax(app, (&found, 0), (object, first)).await?;
    let (pieces, response) = answer(&boundary.media(DICOM), app.settings.images_rate())?;
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let mut ready = Some(first);
        let going = Arc::new(Semaphore::new(PIECES_MAX as usize));
        for (place, target) in targets.iter().enumerate() {
            let file = match ready.take() {
                Some(file) => Ok(file),
                None => following(&app, (&mut found, place), (target, &going)).await,
            };
            let piece = match file {
                Ok((file, room)) => {
                    let media = format!("{DICOM}; transfer-syntax={target}");
                    let part = boundary.part(&media, &file);
                    let going = Arc::clone(&going).acquire_owned().await;
                    Ok(held(part, (room, going.ok())))
                }
                Err(why) => {
                    tracing::error!(place, why = why.words, "an object was not given");
                    Err(io::Error::other("an object is missing"))
                }
            };
            let ends = piece.is_err();
            if pieces.send(piece).await.is_err() || ends {
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
    asker: &Asker,
    (place, accepted): (&Place, &[Accepted]),
) -> Result<Response, Refused> {
    let json = |one: &Accepted| one.takes(JSON) || one.takes("application/json");
    if !accepted.iter().any(json) {
        let words = format!("metadata is given as `{JSON}` alone");
        return Err(Refused::unacceptable(words));
    }
    let mut found = named(app, asker, (place, "metadata")).await?;
    let (pieces, response) = answer(JSON, app.settings.images_rate())?;
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let mut before = "[";
        for place in 0..found.objects().len() {
            let said = match found.may(&app, place).await {
                Ok(index) => said(&app, index).await,
                Err(why) => Err(why.to_string()),
            };
            let piece = match said {
                Ok(said) => Ok(Bytes::from(format!("{before}{said}"))),
                Err(why) => {
                    tracing::error!(place, why, "metadata was not given");
                    Err(io::Error::other("an object is missing"))
                }
            };
            before = ",";
            let ends = piece.is_err();
            if pieces.send(piece).await.is_err() || ends {
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
    asker: &Asker,
    (place, numbers): (&Place, &[usize]),
    accepted: &[Accepted],
) -> Result<Response, Refused> {
    let mut found = named(app, asker, (place, "frames")).await?;
    let one = found.objects().first().ok_or_else(Refused::absent)?;
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
    let object = found.out(app, 0).await.map_err(not_out)?;
    let (file, room) = in_syntax(app, (&found, 0), (object, &target)).await?;
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
    let body = held(body.into(), (room, None));
    whole(&boundary.media(media), body, app.settings.images_rate())
}

/// A picture of a frame; of a study or a series, of its first object.
pub(super) async fn rendered(
    app: &Arc<App>,
    asker: &Asker,
    (place, look): (&Place, Look),
    accepted: &[Accepted],
) -> Result<Response, Refused> {
    let mut found = named(app, asker, (place, "a picture")).await?;
    let one = found.objects().first().ok_or_else(Refused::absent)?;
    let takes = |media: &str| accepted.iter().any(|one| one.takes(media));
    let packing = Packing::named(&one.syntax);
    let (media, target) = match packing {
        _ if one.syntax == JPEG_BASELINE => ("image/jpeg", JPEG_BASELINE.to_owned()),
        Some(Packing::Plain) => ("image/png", Syntax::EXPLICIT_UID.to_owned()),
        Some(_) => ("image/png", one.syntax.clone()),
        None => {
            let words = "no picture is made of pixels that are compressed like these";
            return Err(Refused::unacceptable(words));
        }
    };
    if !takes(media) {
        return Err(Refused::unacceptable(format!(
            "this picture is given as `{media}` alone"
        )));
    }
    let pixels = match packing {
        None => 0,
        Some(_) => pixels(one).ok_or_else(|| {
            Refused::unacceptable("no picture is made of it: it is no image, or too large")
        })?,
    };
    let (place, more) = (0, packing.map_or(0, |packing| packing.room(pixels)));
    let out = found.out_with(app, place, more).await.map_err(not_out)?;
    let (file, room) = in_syntax(app, (&found, place), (out, &target)).await?;
    let work = held_while(room, move || {
        with(&file, |set| -> Result<Vec<u8>, Refused> {
            let Some(packing) = packing else {
                return Ok(frame(set, look.frame).map_err(no_frame)?.into_owned());
            };
            let made = picture(set, look.frame, (packing, pixels));
            let made = made.map_err(|why| Refused::unacceptable(why.to_string()))?;
            Ok(made.shrunk(look.max.unwrap_or(usize::MAX)).png())
        })
    });
    let (picture, room) = work.await.map_err(|why| Refused::broken(&why))?;
    let picture = held(picture??.into(), (room, None));
    whole(media, picture, app.settings.images_rate())
}

/// What lies at a place, by the word of the guard.
async fn named(
    app: &App,
    asker: &Asker,
    (place, what): (&Place, &str),
) -> Result<Retrieval, Refused> {
    let query = place.query()?;
    let found = app
        .retrieval(Wanted {
            who: asker.who.clone(),
            said: format!("WADO-RS {what} {}", query.text()),
            query,
            authority: app.settings.image_authority.clone(),
            max: app.settings.dicomweb_objects_max,
            bearer: asker.bearer.clone(),
        })
        .await
        .map_err(|why| Refused::of(why, &asker.who))?;
    match found.objects().is_empty() {
        true => Err(Refused::absent()),
        false => Ok(found),
    }
}

/// The next object of an answer. If there is no room, what went before is let go first, however slowly it is
/// read: an answer does not wait in vain for room that it holds itself.
async fn following(
    app: &App,
    (found, place): (&mut Retrieval, usize),
    (target, going): (&str, &Semaphore),
) -> Result<(Vec<u8>, Room), Refused> {
    let object = match found.out_at_once(app, place).await {
        Err(NotOut::Busy) => {
            drop(going.acquire_many(PIECES_MAX).await);
            found.out(app, place).await
        }
        other => other,
    };
    in_syntax(app, (found, place), (object.map_err(not_out)?, target)).await
}

/// An object as a file, in a transfer syntax, and the room that it has.
async fn in_syntax(
    app: &App,
    (found, place): (&Retrieval, usize),
    (OnItsWay { file: kept, room }, target): (OnItsWay, &str),
) -> Result<(Vec<u8>, Room), Refused> {
    let one = found.objects().get(place).ok_or_else(Refused::absent)?;
    if one.syntax == target {
        return Ok((kept, room));
    }
    let head = file(&one.header.class, &one.header.instance, target, "SALUS");
    let (to, limits) = (target.to_owned(), app.settings.image_limits);
    let work = held_while(room, move || {
        let set = given(kept, &to, &limits).map_err(|why| why.to_string())?;
        Ok([head.as_slice(), set.set()].concat())
    });
    let (made, room) = work.await.map_err(|why| Refused::broken(&why))?;
    let file = made.map_err(|why: String| Refused::broken(&why))?;
    Ok((file, room))
}

fn not_out(why: NotOut) -> Refused {
    match why {
        NotOut::Hidden => Refused::absent(),
        NotOut::Lost(why) => Refused::broken(&why),
        NotOut::Busy => Refused {
            header: Some((RETRY_AFTER, HeaderValue::from_static("10"))),
            ..Refused::new(StatusCode::SERVICE_UNAVAILABLE, why.to_string())
        },
    }
}

/// Bytes that hold their room until they are sent.
struct Held {
    bytes: Bytes,
    // The room goes first: whoever waits for the piece finds it free.
    _room: Room,
    _piece: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn held(bytes: Bytes, (room, piece): (Room, Option<OwnedSemaphorePermit>)) -> Bytes {
    Bytes::from_owner(Held {
        bytes,
        _room: room,
        _piece: piece,
    })
}

/// What an object says of itself, as JSON.
async fn said(app: &App, index: u64) -> Result<String, String> {
    let event = app.record.get(index).await;
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
