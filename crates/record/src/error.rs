use thiserror::Error as ThisError;

/// Why the record did not do what it was asked.
#[derive(Debug, ThisError)]
pub enum Error {
    /// Our own fault or our machine's: the sender should try again.
    #[error("the record cannot {doing}: {why}")]
    Broken {
        /// What was being done.
        doing: &'static str,
        /// What went wrong, without patient data.
        why: String,
    },
    /// What an event names in the vault is not there, or is not what was stored: to ask again does not help.
    #[error("the record cannot read an object: `vault/{path}` {what}")]
    Lost {
        /// Where it lies in the vault.
        path: String,
        /// `is missing` or `was altered`.
        what: &'static str,
    },
    /// Somebody else wrote this resource first; nothing was sealed.
    #[error("`{kind}/{id}` was changed since it was read")]
    Conflict {
        /// FHIR type.
        kind: String,
        /// Logical id.
        id: String,
    },
    /// Nothing was ever sealed for this patient, or they were erased already.
    #[error("nothing is sealed for this patient: the id is wrong, or they were erased already")]
    NoSuchPatient,
    /// There is no event with this index.
    #[error("there is no event {0} in the record")]
    NoSuchIndex(u64),
    /// The event is there but its patient's key is not: it was erased.
    #[error("event {0} was erased")]
    Erased(u64),
    /// The permit is for something else, or for less.
    #[error("the sealed decision does not allow to hand this event out whole")]
    NotPermitted,
    /// The event is larger than the record takes.
    #[error("an event of {bytes} bytes is more than `event_bytes_max` = {max}")]
    TooLarge {
        /// Size of the event.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Another machine became the primary: this one takes nothing any more.
    #[error("another machine is the primary now (number {epoch}): send to that one")]
    Fenced {
        /// The other machine's number.
        epoch: u64,
    },
    /// None of the machines that may have taken over has answered for longer than the lease.
    #[error(
        "no peer has answered for longer than `lease_ms`: another machine may be the primary, so \
         nothing is acknowledged until one answers"
    )]
    Unleased,
    /// The files that were opened are no longer those at their paths.
    #[error(
        "`{path}` was removed or replaced while the server ran, so nothing is taken any more: stop it, put the data folder \
         back, or restore a backup, and start it again"
    )]
    Uprooted {
        /// What is gone.
        path: String,
    },
    /// This is a standby.
    #[error("this is the standby: it shows what was sealed and takes nothing new")]
    Standby,
    /// What the primary showed is not its record, or not a later state of it.
    #[error("what the primary showed is refused: {why}")]
    Distrusted {
        /// What is wrong with it.
        why: String,
    },
    /// The keys that wrap the keys of what the primary showed are not here.
    #[error("the primary has made a new key-encryption key: its keys have to be fetched again")]
    KeysMissing,
    /// The record is shutting down.
    #[error("the record is stopping")]
    Stopped,
}
