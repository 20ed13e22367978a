//! Images and other objects of DICOM, of which the record keeps what they say of themselves, and the
//! vault the rest.

use serde::{Deserialize, Serialize};

/// A DICOM object that came. The raw bytes of the event are the beginning of its data set, as it was
/// received, up to the pixel data at most; the whole is in the vault.
///
/// The resources it means are not sealed with it: they are the chart's reading of the raw bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Image {
    /// The feed it came in by.
    pub feed: String,
    /// The assigning authority of patient ids that name no issuer.
    pub authority: String,
    /// How text is read that names no character set, as (0008,0005) spells it; empty: as ASCII.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub charset: String,
    /// IANA name of the zone of times without an offset.
    pub zone: String,
    /// Who sent it: the calling AE title.
    pub calling: String,
    /// SOP Class UID.
    pub class: String,
    /// SOP Instance UID: of several objects with the same one the first counts.
    pub instance: String,
    /// Study Instance UID.
    pub study: String,
    /// Series Instance UID.
    pub series: String,
    /// Modality, for instance `CT`.
    pub modality: String,
    /// UID of the transfer syntax in which it came, and in which the whole is kept.
    pub syntax: String,
    /// SHA-256 of the data set as it came, in hex: by this a second delivery is told from another
    /// object with the same UID.
    pub data: String,
    /// The whole: a DICOM file (PS3.10).
    pub whole: Stored,
    /// What its preamble was that was taken out; `None`: nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preamble: Option<Preamble>,
    /// The patient must be there, and nothing is filled of them: who gave it may write no patients.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub patient_stays: bool,
    /// What was odd about it, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub complaints: Vec<String>,
}

/// Bytes in the vault, encrypted under the key of whom the event is about. They were durable before
/// the event that names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Where they lie in the vault: `object/<day>/<SHA-256 of what lies there, in hex>`.
    pub path: String,
    /// The random name of the key they are encrypted under, in hex.
    pub stream: String,
    /// SHA-256 of the bytes, in hex.
    pub sha256: String,
    /// How many there are.
    pub bytes: u64,
}

/// The head of a program that stood before a file, and was replaced by zeros.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preamble {
    /// Of what it was the head, in words.
    pub what: String,
    /// SHA-256 of the 128 bytes, in hex.
    pub sha256: String,
}
