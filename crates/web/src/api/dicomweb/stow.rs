//! STOW-RS (PS3.18 section 10.5): objects are stored as they come, one after the other; the answer says
//! what became of each.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use guard::Identity;
use serde_json::{Map, Value, json};
use wire::dicom::Status;
use wire::multipart::{Broken, Parts, Piece};

use super::{Refused, accept};
use crate::App;
use crate::imaging::{Coming, Deposit, NoImages, Stored};

const DICOM: &str = "application/dicom";
const JSON: &str = "application/dicom+json";
/// After how many seconds it may be tried again.
const RETRY_SECONDS: &str = "10";

/// A body on its way in.
struct Storing<'a> {
    app: &'a Arc<App>,
    who: &'a Arc<Identity>,
    deposit: Arc<Deposit>,
    /// The part that is coming; `None`: it is of no type that is stored, or there is none.
    coming: Option<Box<dyn Coming>>,
    stored: Vec<Stored>,
}

/// Stores what the body holds.
pub(super) async fn store(
    app: &Arc<App>,
    who: Identity,
    (headers, study): (&HeaderMap, Option<String>),
    mut body: Body,
) -> Result<Response, Refused> {
    let (parts, deposit) = begun(app, &who, (headers, study)).await?;
    let mut storing = Storing {
        app,
        who: &Arc::new(who),
        deposit: Arc::new(deposit),
        coming: None,
        stored: Vec::new(),
    };
    storing.all(parts, &mut body).await?;
    match storing.stored.is_empty() {
        true => Err(Refused::bad("there is no part in it")),
        false => Ok(storing.answer()),
    }
}

/// What is known before anything of the body is read.
async fn begun(
    app: &Arc<App>,
    who: &Identity,
    (headers, study): (&HeaderMap, Option<String>),
) -> Result<(Parts, Deposit), Refused> {
    let json = |one: &accept::Accepted| one.takes(JSON) || one.takes("application/json");
    if !accept::all(headers).iter().any(json) {
        let words = format!("what was stored is told as `{JSON}` alone");
        return Err(Refused::unacceptable(words));
    }
    let parts = parts(headers)?;
    let most = app.settings.dicomweb_stored_bytes_max;
    if length(headers).is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    let deposit = app.may_store_any(who, study).await;
    let deposit = deposit.map_err(|why| Refused::of(why, who))?;
    Ok((parts, deposit))
}

impl Storing<'_> {
    /// Stores part after part; what is wrong with the body ends it, and is told beside what was stored.
    async fn all(&mut self, mut parts: Parts, body: &mut Body) -> Result<(), Refused> {
        let mut left = self.app.settings.dicomweb_stored_bytes_max;
        while let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            // It was cut off, or took longer than `images_body_ms`, or was slower than `images_rate_min`: what was
            // whole is stored.
            let Ok(frame) = frame else {
                return self.ended(Status::NoRoom);
            };
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            left = match left.checked_sub(bytes.len() as u64) {
                Some(left) => left,
                None => return self.ended(Status::OutOfResources),
            };
            parts.push(&bytes);
            loop {
                match parts.piece() {
                    Ok(Some(Piece::Head(_)))
                        if self.stored.len() >= self.app.settings.dicomweb_stored_max =>
                    {
                        return self.ended(Status::OutOfResources);
                    }
                    Ok(Some(piece)) => self.piece(piece).await?,
                    Ok(None) => break,
                    Err(why) => return self.broken(why),
                }
                if self.deposit.is_over() {
                    return self.ended(Status::NotAuthorized);
                }
            }
        }
        match parts.is_over() {
            true => Ok(()),
            false => self.broken(Broken::Ended),
        }
    }

    async fn piece(&mut self, piece: Piece) -> Result<(), Refused> {
        match piece {
            Piece::Head(kind) => {
                let media = kind.split(';').next().unwrap_or_default().trim();
                let takes = media.is_empty() || media.eq_ignore_ascii_case(DICOM);
                let objects = self.app.objects.as_ref();
                let objects = objects.ok_or_else(|| Refused::broken(&"nobody takes objects in"))?;
                self.coming = takes.then(|| objects.begin());
                Ok(())
            }
            Piece::Bytes(bytes) => {
                if let Some(coming) = &mut self.coming {
                    coming.add(&bytes);
                }
                Ok(())
            }
            Piece::End => match self.coming.take() {
                Some(coming) => self.object(coming).await,
                None => self.ended(Status::CannotUnderstand),
            },
        }
    }

    /// An object is there. It goes on though nobody waits for the answer any more.
    async fn object(&mut self, coming: Box<dyn Coming>) -> Result<(), Refused> {
        let (app, who) = (Arc::clone(self.app), Arc::clone(self.who));
        let deposit = Arc::clone(&self.deposit);
        let work = tokio::spawn(async move { app.store_image(&who, (coming, &deposit)).await });
        let stored = work.await.map_err(|why| Refused::broken(&why))?;
        self.stored.push(stored.or_else(|why| match why {
            NoImages::Broken(why) => {
                tracing::error!(why, "an object was not stored");
                Ok(unnamed(Status::ProcessingFailure))
            }
            why => Err(Refused::of(why, self.who)),
        })?);
        Ok(())
    }

    fn broken(&mut self, why: Broken) -> Result<(), Refused> {
        match self.stored.is_empty() {
            true => Err(Refused::bad(format!("the body cannot be read: {why}"))),
            false => self.ended(Status::CannotUnderstand),
        }
    }

    /// What cannot be named is told as one failure.
    fn ended(&mut self, status: Status) -> Result<(), Refused> {
        self.stored.push(unnamed(status));
        Ok(())
    }

    /// The response of the store transaction (PS3.18 section 10.5.3 and annex I.2).
    fn answer(&self) -> Response {
        let good = |one: &&Stored| one.status == Status::Success;
        let stored = self.stored.iter().filter(good).count();
        // What was ours, or for want of room or time, may go well the next time.
        let later = [Status::ProcessingFailure, Status::NoRoom];
        let ours = |one: &Stored| later.contains(&one.status);
        let status = match self.stored.len() - stored {
            0 => StatusCode::OK,
            _ if stored > 0 => StatusCode::ACCEPTED,
            _ if self.stored.iter().all(ours) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::CONFLICT,
        };
        let base = self.app.settings.fhir_base.as_str();
        let base = format!("{}/dicomweb", base.strip_suffix("/fhir").unwrap_or(base));
        let headers = [(CONTENT_TYPE, JSON)];
        let told = told(&self.stored, &base).to_string();
        let mut response = (status, headers, told).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let later = HeaderValue::from_static(RETRY_SECONDS);
            response.headers_mut().insert(RETRY_AFTER, later);
        }
        response
    }
}

/// What is told of all objects.
fn told(all: &[Stored], base: &str) -> Value {
    let mut out = Map::new();
    let (mut good, mut failed, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for one in all {
        let (study, series) = &one.within;
        if one.status == Status::Success {
            let at = format!("{base}/studies/{study}");
            let mut item = named(one);
            let url = format!("{at}/series/{series}/instances/{}", one.named.1);
            item.insert("00081190".into(), json!({"vr": "UR", "Value": [url]}));
            good.push(Value::Object(item));
            out.entry("00081190")
                .or_insert_with(|| json!({"vr": "UR", "Value": [at]}));
            continue;
        }
        let is_named = !one.named.1.is_empty();
        let mut item = if is_named { named(one) } else { Map::new() };
        let reason = json!({"vr": "US", "Value": [one.status.code()]});
        item.insert("00081197".into(), reason);
        let list = if is_named { &mut failed } else { &mut others };
        list.push(Value::Object(item));
    }
    for (tag, list) in [
        ("00081198", failed),
        ("00081199", good),
        ("0008119A", others),
    ] {
        if !list.is_empty() {
            out.insert(tag.into(), json!({"vr": "SQ", "Value": list}));
        }
    }
    Value::Object(out)
}

fn named(one: &Stored) -> Map<String, Value> {
    let (class, instance) = &one.named;
    let uid = |uid: &String| json!({"vr": "UI", "Value": [uid]});
    Map::from_iter([
        ("00081150".to_owned(), uid(class)),
        ("00081155".to_owned(), uid(instance)),
    ])
}

const fn unnamed(status: Status) -> Stored {
    Stored {
        named: (String::new(), String::new()),
        within: (String::new(), String::new()),
        status,
    }
}

/// The parts that the `Content-Type` tells of.
fn parts(headers: &HeaderMap) -> Result<Parts, Refused> {
    let said = headers
        .get(CONTENT_TYPE)
        .and_then(|said| said.to_str().ok());
    let said = said.unwrap_or_default();
    let mut pieces = said.split(';').map(str::trim);
    let media = pieces.next().unwrap_or_default();
    let parameter = |wanted: &str| {
        let mut all = said.split(';').filter_map(|one| one.split_once('='));
        let found = all.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim().trim_matches('"').to_owned())
    };
    let kind = parameter("type").unwrap_or_else(|| DICOM.to_owned());
    if !media.eq_ignore_ascii_case("multipart/related") || !kind.eq_ignore_ascii_case(DICOM) {
        return Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("objects are stored as `multipart/related; type=\"{DICOM}\"` alone"),
        ));
    }
    let boundary = parameter("boundary").unwrap_or_default();
    Parts::new(&boundary).ok_or_else(|| Refused::bad("its `boundary` is none"))
}

fn length(headers: &HeaderMap) -> Option<u64> {
    let name: HeaderName = CONTENT_LENGTH;
    headers.get(name)?.to_str().ok()?.parse().ok()
}

fn too_large(most: u64) -> Refused {
    Refused::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!(
            "the body is larger than {most} bytes (`dicomweb_stored_bytes_max`); send fewer objects at once"
        ),
    )
}
