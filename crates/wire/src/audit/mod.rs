//! An auditable event in the two forms of the field: the DICOM audit message (PS3.15 A.5, what
//! IHE ATNA sends over syslog) and the FHIR R4 `AuditEvent` of IHE BALP 1.1; and the audit messages of
//! other systems, read ([`heard`]) and in FHIR's form ([`heard_event`]).

mod balp;
mod dicom;
mod heard;
mod heard_event;
mod heard_fhir;
mod told;
mod tree;
mod xml;

pub use balp::{PROFILES, audit_event};
pub use dicom::{MESSAGE_KIND, audit_message};
pub use heard::{
    AuditMessage, AuditObject, AuditSource, Coded, Heard, Named, Participant, Whose,
    audit_message_of, heard,
};
pub use heard_event::{From, code_system, heard_event};
pub use told::{Audited, Client, Code, Did, Object, Outcome, Site, User};
