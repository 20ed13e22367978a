//! Small pictures for the pages of the console: made here, of objects that a permit showed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chart::Instance;
use event::Time;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use wire::dicom::{Limits, PIXELS_MAX, Packing, Syntax, frame, given, part10, picture, scan};

use super::out::{NotOut, OnItsWay, held_while};
use crate::App;

const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";
/// Pictures that are made at the same time: each holds an object in memory, up to three times, and what is
/// unpacked of it.
const AT_ONCE: usize = 2;
/// A picture is kept so long at most.
const KEPT_MS: i64 = 5 * 60 * 1_000;
/// How often those that were kept so long are forgotten, whether somebody asks for one or not.
const SWEEP: Duration = Duration::from_secs(30);

/// A picture, as a browser shows it.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) media: &'static str,
    pub(crate) bytes: Bytes,
}

/// How the pixels of an object become a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Its frame is a picture as it is.
    Jpeg,
    /// One is made of pixels that are packed like that.
    Made(Packing),
}

/// The pictures that were made last, and who makes them.
pub(crate) struct Pictures {
    at_once: Arc<Semaphore>,
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    index: u64,
    pixels: usize,
    at: Time,
    drawn: Drawn,
}

impl Default for Pictures {
    fn default() -> Pictures {
        Pictures {
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            kept: Mutex::default(),
        }
    }
}

/// Why no picture was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotDrawn {
    /// There was no room for it.
    Busy(String),
    /// None can be made of it, in words.
    Never(String),
}

impl From<String> for NotDrawn {
    fn from(words: String) -> NotDrawn {
        NotDrawn::Never(words)
    }
}

/// Why there is no picture of an object, as far as its head says, in words.
pub(crate) fn not_drawn(one: &Instance) -> Option<&'static str> {
    if one.header.size.is_none() {
        return Some("it is not an image");
    }
    if pixels(one).is_none() {
        return Some("it is too large for a picture");
    }
    match way(&one.syntax) {
        Some(_) => None,
        None => Some("it is compressed in a way that is not unpacked here"),
    }
}

/// Pixels of a frame, if a picture of so many is made.
pub(crate) fn pixels(one: &Instance) -> Option<usize> {
    let (rows, columns) = one.header.size?;
    let count = u64::from(rows) * u64::from(columns);
    let count = usize::try_from(count).ok()?;
    (1..=PIXELS_MAX).contains(&count).then_some(count)
}

fn way(syntax: &str) -> Option<Way> {
    match syntax {
        JPEG_BASELINE => Some(Way::Jpeg),
        other => Packing::named(other).map(Way::Made),
    }
}

impl App {
    /// The picture of an object that a permit showed, no wider nor higher than `size` pixels.
    ///
    /// # Errors
    /// [`NotDrawn`] says why there is none.
    pub(crate) async fn drawn(&self, one: &Instance, size: usize) -> Result<Drawn, NotDrawn> {
        let never = || not_drawn(one).unwrap_or_default().to_owned();
        let (way, pixels) = way(&one.syntax).zip(pixels(one)).ok_or_else(never)?;
        let max = self.settings.pictures_cached_bytes_max;
        let now = self.clock.now();
        if let Some(kept) = self.pictures.find((one.index, size), now) {
            return Ok(kept);
        }
        let broken = |why: &dyn std::fmt::Display| {
            tracing::error!(index = one.index, %why, "no picture was made");
            "it cannot be read".to_owned()
        };
        let turn = Arc::clone(&self.pictures.at_once).acquire_owned().await;
        let turn = turn.map_err(|why| broken(&why))?;
        let more = match way {
            Way::Jpeg => 0,
            Way::Made(packing) => packing.room(pixels),
        };
        let out = self.image_out(one.index, more).await;
        let OnItsWay { file, room } = out.map_err(|why| match why {
            NotOut::Busy => NotDrawn::Busy(why.to_string()),
            NotOut::Hidden | NotOut::Lost(_) => NotDrawn::Never(broken(&why)),
        })?;
        let limit = self.settings.picture_bytes_max;
        let limits = self.settings.image_limits;
        let how = (way, limits);
        let work = held_while((turn, room), move || draw(file, how, (pixels, size)));
        let (drawn, _) = work.await.map_err(|why| broken(&why))?;
        let drawn = drawn?;
        if drawn.bytes.len() > limit {
            let words = "the picture of it is too large to be shown here";
            return Err(words.to_owned().into());
        }
        self.pictures
            .keep(((one.index, size), now), drawn.clone(), max);
        Ok(drawn)
    }
}

/// A picture of an object that has so many pixels at most.
fn draw(
    file: Vec<u8>,
    (way, limits): (Way, Limits),
    (pixels, size): (usize, usize),
) -> Result<Drawn, String> {
    let words = |why: &dyn std::fmt::Display| why.to_string();
    let plain;
    let (set, syntax) = match way {
        Way::Made(Packing::Plain) => {
            plain = given(file, Syntax::EXPLICIT_UID, &limits).map_err(|why| words(&why))?;
            (plain.set(), Syntax::EXPLICIT)
        }
        Way::Made(_) | Way::Jpeg => {
            let part = part10(&file).map_err(|why| words(&why))?;
            (file.get(part.data_at..).unwrap_or_default(), part.syntax)
        }
    };
    let set = scan(set, syntax, &Limits::sealed()).map_err(|why| words(&why))?;
    let made = match way {
        Way::Made(packing) => picture(&set, 1, (packing, pixels)),
        Way::Jpeg => {
            let bytes = frame(&set, 1).map_err(|why| words(&why))?.into_owned();
            let media = "image/jpeg";
            return Ok(Drawn {
                media,
                bytes: bytes.into(),
            });
        }
    };
    let made = made.map_err(|why| words(&why))?;
    Ok(Drawn {
        media: "image/png",
        bytes: made.shrunk(size).png().into(),
    })
}

/// Forgets pictures that were kept long enough, until `stop`.
pub async fn sweep_pictures(app: Arc<App>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP) => app.pictures.sweep(app.clock.now()),
        }
    }
}

impl Pictures {
    /// Forgets all of them: somebody was erased.
    pub(crate) fn clear(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clear();
    }

    fn sweep(&self, now: Time) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|one| now.since(one.at) < KEPT_MS);
    }

    fn find(&self, of: (u64, usize), now: Time) -> Option<Drawn> {
        self.sweep(now);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().find(|one| (one.index, one.pixels) == of);
        found.map(|one| one.drawn.clone())
    }

    fn keep(&self, ((index, pixels), at): ((u64, usize), Time), drawn: Drawn, max: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(Kept {
            index,
            pixels,
            at,
            drawn,
        });
        let sum =
            |kept: &VecDeque<Kept>| -> usize { kept.iter().map(|one| one.drawn.bytes.len()).sum() };
        while sum(&kept) > max {
            kept.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_kept_for_a_while_and_within_their_bytes() {
        let pictures = Pictures::default();
        let drawn = |bytes: usize| Drawn {
            media: "image/png",
            bytes: vec![0; bytes].into(),
        };
        let at = Time::from_millis;
        for index in 1..=3 {
            pictures.keep(((index, 96), at(1_000)), drawn(40), 100);
        }
        let found = |index, now| pictures.find((index, 96), at(now)).is_some();
        assert_eq!(
            [1, 2, 3].map(|index| found(index, 2_000)),
            [false, true, true]
        );
        assert!(pictures.find((3, 512), at(2_000)).is_none());
        assert!(!found(3, 1_000 + KEPT_MS));
    }

    #[test]
    fn pictures_are_forgotten_without_a_request_and_at_once_when_somebody_is_erased() {
        let pictures = Pictures::default();
        let drawn = Drawn {
            media: "image/png",
            bytes: vec![0; 40].into(),
        };
        let at = Time::from_millis;
        let held = || pictures.kept.lock().unwrap().len();
        pictures.keep(((1, 96), at(1_000)), drawn.clone(), 100);
        pictures.sweep(at(1_000 + KEPT_MS - 1));
        assert_eq!(held(), 1);
        pictures.sweep(at(1_000 + KEPT_MS));
        assert_eq!(held(), 0);
        pictures.keep(((1, 96), at(1_000)), drawn, 100);
        pictures.clear();
        assert_eq!(held(), 0);
    }
}
