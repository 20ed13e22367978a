//! Syslog: the message of RFC 5424 and of RFC 3164, and their framing over TCP (RFC 6587) and TLS
//! (RFC 5425).

mod frames;
mod message;
mod read;
mod stream;

pub use frames::{Frames, Unframed, framed};
pub use message::{Facility, Header, Severity, message};
pub(crate) use read::moment;
pub use read::{Entry, read};
pub use stream::{Piece, Stream};
