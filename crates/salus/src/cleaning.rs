//! What becomes of a DICOM object that leaves without whose it is.

use anyhow::{Result, anyhow};
use guard::mask::Secret;
use serde::{Deserialize, Serialize};
use wire::dicom::{Choice, Clean, Device, Done, Limits, NotClean, Pixels};

use crate::cli::ImageDates;

/// What was chosen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rules {
    pub(crate) dates: ImageDates,
    pub(crate) keep_uids: bool,
    pub(crate) keep_device: bool,
    pub(crate) pixels_looked_at: bool,
}

/// To how many elements of an object something was done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) removed: usize,
    pub(crate) private: usize,
    pub(crate) unknown: usize,
    pub(crate) blanked: usize,
    pub(crate) named: usize,
    pub(crate) uids: usize,
    pub(crate) moved: usize,
}

impl Rules {
    /// The object, without whose it is.
    ///
    /// # Errors
    /// In words: it does not leave.
    pub(crate) fn clean(
        &self,
        bytes: &[u8],
        (secret, limits): (&Secret, &Limits),
    ) -> Result<Clean> {
        let uid = |uid: &str| secret.oid(uid);
        let patient = |key: &str| secret.pseudonym("PATIENT", key);
        let days = |key: &str| secret.days(key);
        let choice = Choice {
            uid: (!self.keep_uids).then_some(&uid),
            patient: &patient,
            days: match self.dates {
                ImageDates::Shift => Some(&days),
                ImageDates::Remove => None,
            },
            device: match self.keep_device {
                true => Device::Stays,
                false => Device::Gone,
            },
            pixels: match self.pixels_looked_at {
                true => Pixels::LookedAt,
                false => Pixels::Unseen,
            },
        };
        let clean = wire::dicom::deidentify(bytes, &choice, limits);
        clean.map_err(|why| match why {
            NotClean::Pixels(_) => anyhow!("{why}; look at it, then give `--pixels-looked-at`"),
            why => why.into(),
        })
    }
}

impl Counts {
    pub(crate) fn of(done: Done) -> Counts {
        Counts {
            removed: done.removed,
            private: done.private,
            unknown: done.unknown,
            blanked: done.blanked,
            named: done.named,
            uids: done.uids,
            moved: done.moved,
        }
    }
}
