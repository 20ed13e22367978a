//! What an object claims, without believing it. Pure.

use aws_lc_rs::digest;
use event::{Act, Actor, Body, Event, Image, Subject, Unread};
use record::Blind;
use wire::dicom::{
    DataSet, Header, Limits, Refusal, Repertoire, Status, Syntax, Tag, patient_identifier, scan,
    sealed, tags, unpack,
};

use super::Feed;
use super::intake::Came;

/// From here on an object is pixels, waves or overlays (PS3.3 section C.7.6.3, C.10.9, C.9.2).
const BULK: Tag = Tag(0x5400, 0);

/// A data set that was looked through.
pub(crate) struct Looked {
    pub(crate) header: Header,
    /// The beginning of the data set, as far as it is sealed.
    pub(crate) raw: Vec<u8>,
    /// SHA-256 of the data set as it came, in hex.
    pub(crate) data: String,
}

/// Looks through a data set.
///
/// # Errors
/// What the sender is told, and why in words.
pub(crate) fn look(
    data: &[u8],
    (syntax, feed): (&str, &Feed),
    (limits, header_bytes_max): (&Limits, usize),
) -> Result<Looked, (Status, String)> {
    let known = Syntax::named(syntax).ok_or_else(|| Refusal::Syntax(syntax.to_owned()));
    let known = known.map_err(refused)?;
    let plain = unpack(data, known, limits).map_err(refused)?;
    let set = scan(&plain, known, limits).map_err(refused)?;
    let otherwise = Repertoire::named(&feed.charset, &Repertoire::ascii());
    let header = Header::of(&set, &otherwise).map_err(refused)?;
    let raw = plain
        .get(..beginning(&set, header_bytes_max))
        .unwrap_or_default();
    let same = sealed(raw, syntax).and_then(|set| Header::of(&set, &otherwise).ok());
    // What is odd behind the header is complained of in the whole alone.
    let same = same.map(|same| Header {
        complaints: header.complaints.clone(),
        ..same
    });
    if same.as_ref() != Some(&header) {
        let why = format!(
            "what it says of itself does not fit into {header_bytes_max} bytes (`header_bytes_max`)"
        );
        return Err((Status::OutOfResources, why));
    }
    Ok(Looked {
        header,
        raw: raw.to_vec(),
        data: sha256(data),
    })
}

/// How far a data set is sealed: whole elements, up to the first that is bulk.
fn beginning(set: &DataSet<'_>, max: usize) -> usize {
    let bulk = |tag: Tag| tag >= BULK || tag == tags::ENCAPSULATED_DOCUMENT;
    let first = set.elements().filter(|(tag, _)| bulk(**tag));
    let first = first.map(|(_, element)| element.place.start).min();
    let until = first.unwrap_or(usize::MAX);
    let ends = set.elements().map(|(_, element)| element.place.end);
    ends.filter(|end| *end <= until && *end <= max)
        .max()
        .unwrap_or_default()
}

/// What a sender is told of a data set that is not looked at any further.
fn refused(why: Refusal) -> (Status, String) {
    let status = match why {
        Refusal::Depth { .. } | Refusal::Elements { .. } | Refusal::Inflated { .. } => {
            Status::OutOfResources
        }
        _ => Status::CannotUnderstand,
    };
    (status, why.to_string())
}

/// The claim, without the whole and without its raw bytes.
pub(crate) fn claim(looked: &Looked, came: &Came, blind: &Blind) -> Event {
    let (header, feed) = (&looked.header, &came.sender.feed);
    let image = Image {
        feed: feed.name().to_owned(),
        authority: feed.authority.clone(),
        charset: feed.charset.clone(),
        zone: feed.zone.clone(),
        calling: came.sender.calling.clone(),
        class: header.class.clone(),
        instance: header.instance.clone(),
        study: header.study.clone(),
        series: header.series.clone(),
        modality: header.modality.clone(),
        syntax: came.syntax.clone(),
        data: looked.data.clone(),
        preamble: came.preamble.clone(),
        complaints: header.complaints.clone(),
        ..Image::default()
    };
    let subject = match patient_identifier(header, &feed.authority) {
        Some((system, value)) => Subject::Patient(blind.id("Patient", &system, &value)),
        None => Subject::Feed(feed.name().to_owned()),
    };
    let actor = came.sender.actor.clone();
    Event::new(actor, Act::Send, subject, Body::Image(image))
}

/// Bytes that are not taken, as what they are.
pub(crate) fn unread((feed, actor): (&str, &Actor), reason: &str, raw: Vec<u8>) -> Event {
    let body = Body::Unread(Unread {
        feed: feed.to_owned(),
        reason: reason.to_owned(),
    });
    let subject = Subject::Feed(feed.to_owned());
    Event::new(actor.clone(), Act::Send, subject, body).with_raw(raw)
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
