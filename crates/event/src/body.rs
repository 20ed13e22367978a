use serde::{Deserialize, Serialize};

use crate::{
    Act, Altered, AppChange, Captured, Ceiling, Considered, Content, Copy, Downtime, Drill,
    ExportAnswered, ExportAsked, Glass, Image, Import, Joined, Notified, PackCode, PackOpenings,
    PersonChange, PolicyChange, Printed, Promoted, PutBack, Rejected, Rewound, Role, RouteChange,
    RouteOrder, Routed, SentOn, Service, Session, SheetBack, Shown, Signals, Subject, Token,
    Verdict,
};

/// What is particular to one kind of event. Closed: a new duty adds a variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Body {
    /// An account of a person or a client was added or changed.
    Account(AccountChange),
    /// Something that was sealed was found altered, and put right if it could be.
    Alteration(Altered),
    /// A system's registration as an app was added, changed or taken away.
    App(AppChange),
    /// The record was backed up.
    BackedUp(BackedUp),
    /// A line that was written while systems were away was typed in.
    Captured(Captured),
    /// An account came to the most different patients it may see.
    Ceiling(Ceiling),
    /// A copy of the record was looked at.
    Copy(Copy),
    /// The guard was asked, and this is what it said.
    Decision(Decided),
    /// The system that charts come from went away, or came back.
    Downtime(Downtime),
    /// A drill was carried out and measured.
    Drill(Drill),
    /// The glass was broken for a patient, or that was ended or reviewed.
    Glass(Glass),
    /// Another person said yes or no to an export.
    ExportAnswered(ExportAnswered),
    /// Somebody asks to take out data of many patients.
    ExportAsked(ExportAsked),
    /// Patients were erased: their keys are gone, and their events stay as bytes that nothing opens.
    Erased(Erased),
    /// A DICOM object; the raw bytes are the beginning of its data set, the whole is in the vault.
    Image(Image),
    /// A bulk import began, went on or ended; the raw bytes say what was refused.
    Import(Import),
    /// A standby sealed this while the primary was gone; the raw bytes are its plaintext.
    Joined(Joined),
    /// Something was done with the keys of the whole record.
    Keys(KeysChanged),
    /// An HL7 v2 message; the raw bytes are the message as it stood between the frame's marks.
    Message(Message),
    /// A subscription has events, or its subscriber has them.
    Notified(Notified),
    /// The record was opened: always its first event, so that index 0 is never a version.
    Opened(Opened),
    /// A ward's packs open with another code from now on.
    PackCode(PackCode),
    /// Somebody typed in how often a pack was opened.
    PackOpenings(PackOpenings),
    /// What a person proves themselves with changed, or they left.
    Person(PersonChange),
    /// The policies were changed.
    PolicyChange(PolicyChange),
    /// Blank sheets were printed, and have to come back.
    Printed(Printed),
    /// Another machine became the primary.
    Promoted(Promoted),
    /// What became of a resource that was altered in another system.
    PutBack(PutBack),
    /// Attempts were turned away before anybody was believed.
    Rejected(Rejected),
    /// A FHIR resource was written; the raw bytes are the resource as received (empty: deleted).
    Resource(Resource),
    /// What a captured account or machine changed was undone.
    Rewound(Rewound),
    /// What a route passes on, and where to, from now on.
    Route(RouteChange),
    /// Something was ordered about a route.
    RouteOrder(RouteOrder),
    /// A message was passed on by a route, or was not.
    Routed(Routed),
    /// An accepted entry was sent on to the system it was written down for.
    SentOn(SentOn),
    /// Somebody signed in or out, or tried to.
    Session(Session),
    /// The server began or ended.
    Service(Service),
    /// A printed sheet came back.
    SheetBack(SheetBack),
    /// Lines that machines wrote; the raw bytes are the batch.
    Signals(Signals),
    /// An answer about several patients showed these.
    Shown(Shown),
    /// Leave for an app was given, used or ended: codes and tokens by their hashes.
    Token(Token),
    /// A merge of two patients was taken back.
    Unmerge(Unmerge),
    /// Bytes from a known sender that could not be understood. Kept all the same.
    Unread(Unread),
    /// A person decided about an entry that was typed in.
    Verdict(Verdict),
}

/// What is known of an HL7 v2 message without understanding all of it.
///
/// The resources it means are not sealed with it: they are the chart's reading of it, made by
/// `wire::v2` from the raw bytes and these fields alone, so that a better reading heals old charts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The feed it came in by.
    pub feed: String,
    /// MSH-9 as `TYPE^TRIGGER`, for instance `ORU^R01`.
    pub kind: String,
    /// MSH-10, the sender's message id.
    pub control: String,
    /// IANA name of the zone in which the sender writes times without an offset.
    pub zone: String,
    /// The character set the sender uses when MSH-18 is empty, as HL7 table 0211 names it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub charset: String,
    /// The assigning authority of identifiers that name none.
    pub authority: String,
    /// Whether Salus maps this kind of message to the chart; false: "kept, not mapped".
    pub mapped: bool,
    /// What was odd about it, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub complaints: Vec<String>,
}

/// The record begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The log's origin line (C2SP tlog-checkpoint).
    pub origin: String,
}

/// An order to erase, carried out. It holds no patient data: the actor and the reason of the event
/// say who ordered it and why, the rest says what cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Why, as it was typed.
    pub reason: String,
    /// The random names of the streams whose keys were shredded, in hex.
    pub streams: Vec<String>,
    /// Blind marks of the patients, by which views find what they hold of them.
    pub patients: Vec<String>,
    /// The events that cannot be read any more: first and last index of each run.
    pub events: Vec<(u64, u64)>,
}

impl Erased {
    /// Whether this event cannot be read any more because of this order.
    pub fn covers(&self, index: u64) -> bool {
        let runs = self.events.partition_point(|(first, _)| *first <= index);
        let run = runs.checked_sub(1).and_then(|place| self.events.get(place));
        run.is_some_and(|(_, last)| index <= *last)
    }
}

/// A backup was made: its manifest is pinned here, so that who has the log can tell it from every
/// other that somebody may have added to its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Where it is: a folder, or a bucket with its prefix.
    pub place: String,
    /// Events in it; of folders and dumps, events that the log had.
    pub size: u64,
    /// SHA-256 of its manifest, in hex.
    pub manifest: String,
    /// Files in it, if it is one of folders and dumps; `None`: it is the record's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// It was made of some of the names that go there, and says nothing of the others.
    #[serde(default, skip_serializing_if = "is_whole")]
    pub in_part: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
const fn is_whole(in_part: &bool) -> bool {
    !*in_part
}

/// Something was done with the keys of the whole record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysChanged {
    /// What, in words.
    pub what: String,
}

/// A FHIR R4 resource that was created, replaced or deleted through the FHIR door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// The FHIR type, for instance `Observation`.
    pub kind: String,
    /// The logical id.
    pub id: String,
    /// The version this write replaces, which is the index of the event that wrote it; 0: none.
    pub replaces: u64,
    /// The number of events the writer knew of when it read what it replaces.
    pub as_of: u64,
    /// References that the transaction resolved: (as received, as stored).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved: Vec<(String, String)>,
    /// What of it was too large for a row, and lies in the vault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<Content>,
}

/// Bytes that were not understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The feed they came in by.
    pub feed: String,
    /// Why they could not be read, in words.
    pub reason: String,
}

/// A decision, as the record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// What was asked for.
    pub act: Act,
    /// Of whom or what.
    pub subject: Subject,
    /// What for (HL7 v3 PurposeOfUse, for instance `TREAT`).
    pub purpose: String,
    /// The reason the asker typed, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was looked at within the subject, for instance a search's query.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The app through which a person asked, by its client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// Whether it was allowed.
    pub allowed: bool,
    /// What had to be done for it to hold: `mask HIV PSY`, `step-up`, `notify ...`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<String>,
    /// What it was made of; `None` on decisions from before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub considered: Option<Box<Considered>>,
}

/// An account was added, changed or disabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChange {
    /// The account's id: a sign-in name or a client id.
    pub id: String,
    /// What it is from now on; `None`: disabled.
    pub account: Option<Account>,
}

/// A person or a system that may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// How a person would say it.
    pub name: String,
    /// What it is here for.
    pub role: Role,
    /// The wards a person works on, by code.
    #[serde(default)]
    pub wards: Vec<String>,
    /// A person: the identifier under which messages name them (the id of PV1-7, ORC-12 ...).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub practitioner: Option<String>,
    /// What proves it: an argon2id PHC string of a password (people), or the hex SHA-256 of a
    /// 256-bit random token (clients).
    pub secret: String,
    /// A client: what it may do, as SMART v2 `system/Type.cruds` scopes.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// A merge taken back: the two are separate patients again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmerge {
    /// Id of the Patient that had been retired.
    pub retired: String,
    /// Id of the Patient that had survived.
    pub survivor: String,
    /// The reason that was typed.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_to_erase_covers_its_runs_and_nothing_else() {
        let order = Erased {
            reason: "expired".into(),
            streams: Vec::new(),
            patients: Vec::new(),
            events: vec![(3, 5), (9, 9)],
        };
        let covered: Vec<u64> = (0..12).filter(|index| order.covers(*index)).collect();
        assert_eq!(covered, [3, 4, 5, 9]);
    }
}
