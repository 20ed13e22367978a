//! Syslog: the message of RFC 5424, and the octet counting of RFC 5425 (TLS) and RFC 6587 (TCP).

mod frames;
mod message;

pub use frames::{Frames, Unframed, framed};
pub use message::{Facility, Header, Severity, message};
