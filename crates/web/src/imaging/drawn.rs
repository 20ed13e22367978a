//! Small pictures for the pages of the console: made here, of objects that a permit showed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use chart::Instance;
use event::Time;
use tokio::sync::Semaphore;
use wire::dicom::{
    Limits, RLE_UID, Syntax, can_recode, frame, given, part10, picture, picture_of_runs, scan,
};

use super::out::{NotOut, OnItsWay};
use crate::App;

const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";
/// Pictures that are made at the same time: each holds an object in memory, up to three times.
const AT_ONCE: usize = 2;
/// A picture is kept so long at most: whoever is erased is gone from memory, too.
const KEPT_MS: i64 = 5 * 60 * 1_000;

/// A picture, as a browser shows it.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) media: &'static str,
    pub(crate) bytes: Bytes,
}

/// How the pixels of an object become a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Runs,
    Jpeg,
}

/// The pictures that were made last, and who makes them.
pub(crate) struct Pictures {
    at_once: Semaphore,
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
            at_once: Semaphore::new(AT_ONCE),
            kept: Mutex::default(),
        }
    }
}

/// Why there is no picture of an object, as far as its head says, in words.
pub(crate) fn not_drawn(one: &Instance) -> Option<&'static str> {
    if one.header.size.is_none() {
        return Some("it is not an image");
    }
    match way(&one.syntax) {
        Some(_) => None,
        None => Some("it is compressed in a way that is not unpacked here"),
    }
}

fn way(syntax: &str) -> Option<Way> {
    match syntax {
        JPEG_BASELINE => Some(Way::Jpeg),
        RLE_UID => Some(Way::Runs),
        other => can_recode(other, Syntax::EXPLICIT_UID).then_some(Way::Plain),
    }
}

impl App {
    /// The picture of an object that a permit showed, no wider nor higher than `pixels`.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(crate) async fn drawn(&self, one: &Instance, pixels: usize) -> Result<Drawn, String> {
        let way = way(&one.syntax).filter(|_| one.header.size.is_some());
        let way = way.ok_or_else(|| not_drawn(one).unwrap_or_default())?;
        let max = self.settings.pictures_cached_bytes_max;
        let now = self.clock.now();
        if let Some(kept) = self.pictures.find((one.index, pixels), now) {
            return Ok(kept);
        }
        let broken = |why: &dyn std::fmt::Display| {
            tracing::error!(index = one.index, %why, "no picture was made");
            "it cannot be read".to_owned()
        };
        let turn = self.pictures.at_once.acquire().await;
        let _turn = turn.map_err(|why| broken(&why))?;
        let out = self.image_out(one.index).await;
        let OnItsWay { file, room: _room } = out.map_err(|why| match why {
            NotOut::Busy => why.to_string(),
            NotOut::Hidden | NotOut::Lost(_) => broken(&why),
        })?;
        let limit = self.settings.picture_bytes_max;
        let limits = self.settings.image_limits;
        let work = tokio::task::spawn_blocking(move || draw(file, (way, &limits), pixels));
        let drawn = work.await.map_err(|why| broken(&why))??;
        if drawn.bytes.len() > limit {
            return Err("the picture of it is too large to be shown here".to_owned());
        }
        self.pictures
            .keep(((one.index, pixels), now), drawn.clone(), max);
        Ok(drawn)
    }
}

fn draw(file: Vec<u8>, (way, limits): (Way, &Limits), pixels: usize) -> Result<Drawn, String> {
    let words = |why: &dyn std::fmt::Display| why.to_string();
    let (set, syntax) = match way {
        Way::Plain => {
            let set = given(file, Syntax::EXPLICIT_UID, limits).map_err(|why| words(&why))?;
            (set.set().to_vec(), Syntax::EXPLICIT)
        }
        Way::Runs | Way::Jpeg => {
            let part = part10(&file).map_err(|why| words(&why))?;
            let (from, syntax) = (part.data_at, part.syntax);
            (file.get(from..).unwrap_or_default().to_vec(), syntax)
        }
    };
    let set = scan(&set, syntax, &Limits::sealed()).map_err(|why| words(&why))?;
    let made = match way {
        Way::Plain => picture(&set, 1),
        Way::Runs => picture_of_runs(&set, 1),
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
        bytes: made.shrunk(pixels).png().into(),
    })
}

impl Pictures {
    fn find(&self, of: (u64, usize), now: Time) -> Option<Drawn> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|one| now.since(one.at) < KEPT_MS);
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
}
