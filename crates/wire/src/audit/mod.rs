//! An auditable event in the two forms of the field: the DICOM audit message (PS3.15 A.5, what
//! IHE ATNA sends over syslog) and the FHIR R4 `AuditEvent` of IHE BALP 1.1.

mod balp;
mod dicom;
mod told;
mod xml;

pub use balp::{PROFILES, audit_event};
pub use dicom::{MESSAGE_KIND, audit_message};
pub use told::{Audited, Client, Code, Did, Object, Outcome, Site, User};
