//! **In**: bytes from a wire.
//! **Out**: typed values with their complaints, and bytes for the way back.
//! **Never**: I/O, async, a clock, randomness, knowledge of one hospital; parsing never fails.
//! **Start here**: [`hl7`] and [`fhir`], then [`v2`], which reads the one as the other; [`audit`]; [`dicom`];
//! [`signals`];
//! [`webauthn`].

pub mod audit;
pub mod dicom;
pub mod fhir;
pub mod hl7;
pub mod mllp;
pub mod multipart;
pub mod signals;
pub mod syslog;
pub mod v2;
pub mod webauthn;
