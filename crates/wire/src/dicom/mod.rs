//! DICOM (PS3.5, PS3.10): data sets and files, looked through before anything trusts them.
//!
//! What comes is a claim about its own size. [`scan`] holds every length against the bytes that are
//! there, counts elements and nesting, and copies nothing; [`part10`] and [`unpack`] come before it
//! for files and for deflated data sets. What passes is read from where it lies: [`Header`].

mod asking;
mod charset;
mod codestream;
mod deid;
mod dimse;
mod file;
mod frames;
mod header;
mod huffman;
mod jpeg;
mod jpeg2000;
mod jpeg_dct;
mod jpeg_lossless;
mod json;
mod packing;
mod pdu;
mod picture;
mod preamble;
mod query;
mod recode;
mod rle;
mod scan;
mod set;
mod shown;
mod study;
mod syntax;
mod unpack;
mod write;

pub use asking::{Accepted, Asking, asking, release};
pub use charset::Repertoire;
pub use deid::{Choice, Clean, Device, Done, NotClean, Pixels, deidentify};
pub use dicom_core::{Tag, VR};
pub use dicom_dictionary_std::tags;
pub use dimse::{
    Answer, COMMAND_BYTES_MAX, Command, Origin, Progress, Service, Status, VERIFICATION_UID,
    cancel_request, command, move_request, query_request, store_request,
};
pub use file::{HEAD_BYTES, Part10, SALUS_CLASS_UID, file, is_part10, part10};
pub use frames::{NoFrame, frame, frame_count};
pub use header::Header;
pub use json::metadata;
pub use packing::Packing;
pub use pdu::{
    Answered, Fragment, PDU_HEAD_BYTES, Pdu, Proposed, Rejection, Request, Role, abort, accept,
    data, pdu, pdu_head, reject, released, units,
};
pub use picture::{NoPicture, PIXELS_MAX, Picture, picture};
pub use preamble::{PREAMBLE_BYTES, Preamble, preamble};
pub use query::{
    Attributes, Fault, Level, Operation, Person, Query, Root, Whole, attribute, query_class,
};
pub use recode::{Given, can_recode, given, recode};
pub use scan::{items, scan};
pub use set::{DataSet, Element, Value};
pub use shown::{lines, sealed};
pub use study::{Source, patient, patient_identifier, study, study_id, study_named};
pub use syntax::Syntax;
pub use unpack::unpack;
pub use write::Writer;

use thiserror::Error;

/// What a data set may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sequences within sequences.
    pub depth_max: usize,
    /// Elements and items in all, those in sequences counted.
    pub elements_max: usize,
    /// Bytes that a deflated data set may unpack to.
    pub inflated_bytes_max: usize,
    /// How many times its own size a deflated data set may unpack to, beyond the first MiB.
    pub inflate_ratio_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth_max: 32,
            elements_max: 500_000,
            inflated_bytes_max: 256 << 20,
            inflate_ratio_max: 200,
        }
    }
}

impl Limits {
    /// For what was let in, and is read again: it was looked through with the limits of that day.
    pub const fn sealed() -> Limits {
        Limits {
            depth_max: DEPTH_LIMIT,
            elements_max: usize::MAX,
            inflated_bytes_max: usize::MAX,
            inflate_ratio_max: usize::MAX,
        }
    }

    /// For what was let in, and is to be given: what it unpacks to is held against these limits, since
    /// memory is taken for that beforehand.
    #[must_use]
    pub const fn giving(&self) -> Limits {
        Limits {
            inflated_bytes_max: self.inflated_bytes_max,
            inflate_ratio_max: self.inflate_ratio_max,
            ..Limits::sealed()
        }
    }

    /// Bytes that a deflated data set of so many bytes may unpack to.
    pub fn unpacked(&self, bytes: usize) -> usize {
        let by_ratio = bytes.saturating_mul(self.inflate_ratio_max);
        self.inflated_bytes_max
            .min(by_ratio.max(INFLATED_FREE_BYTES))
    }
}

/// What any deflated data set may unpack to, however small it is.
const INFLATED_FREE_BYTES: usize = 1 << 20;

/// What [`Limits::depth_max`] may be at most: the walk goes down with the stack.
pub const DEPTH_LIMIT: usize = 128;

/// Why a data set is not looked at any further.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no `DICM` behind a preamble (PS3.10 section 7.1).
    #[error("it is no DICOM file: `DICM` does not stand behind a preamble of 128 bytes")]
    NotPart10,
    /// The file meta information has no transfer syntax.
    #[error("its file meta information names no transfer syntax (0002,0010)")]
    NoSyntax,
    /// The transfer syntax is none that is read.
    #[error("the transfer syntax `{0}` is not known")]
    Syntax(String),
    /// A length reaches beyond what is there, or beyond what it lies in.
    #[error("{tag} at byte {at} says it has {length} bytes, of which {left} are there")]
    Length {
        /// The element or item.
        tag: Tag,
        /// Where it begins.
        at: usize,
        /// What it says.
        length: u32,
        /// What is there.
        left: usize,
    },
    /// It ends within an element, an item or a sequence.
    #[error("it ends at byte {at}, within {within}")]
    Ended {
        /// Where.
        at: usize,
        /// Within what.
        within: &'static str,
    },
    /// Something stands where it cannot.
    #[error("at byte {at}, {why}")]
    Malformed {
        /// Where.
        at: usize,
        /// What, in words.
        why: &'static str,
    },
    /// An element stands there twice: which of them counts is not for a reader to guess.
    #[error("{0} stands in it twice")]
    Twice(Tag),
    /// Sequences within sequences, more than may be.
    #[error("sequences are nested more than {max} deep (`depth_max`)")]
    Depth {
        /// The limit.
        max: usize,
    },
    /// More elements than may be.
    #[error("it has more than {max} elements (`elements_max`)")]
    Elements {
        /// The limit.
        max: usize,
    },
    /// It unpacks to more than may be.
    #[error("it unpacks to more than {max} bytes (`inflated_bytes_max`, `inflate_ratio_max`)")]
    Inflated {
        /// The limit, in bytes.
        max: usize,
    },
    /// It is no deflated data set.
    #[error("it cannot be unpacked: the deflated bytes are damaged")]
    Deflate,
    /// An element that names it is missing.
    #[error("{0} is missing or empty")]
    Missing(Tag),
}
