//! HL7 v2.1 to v2.8, the `|^~\&` syntax (HL7 v2.9 chapter 2): an index over the bytes as they came.
//!
//! [`parse`] finds segments and fields; repetitions, components and subcomponents are found when
//! they are asked for. Text is decoded and unescaped when it is asked for, too, so a 10 MB value
//! costs nothing until somebody reads it.

pub mod ack;
pub mod batch;
mod charset;
mod complaint;
mod escape;
mod message;
mod names;
mod part;
mod print;
pub mod rule;
mod scan;
mod separators;
mod text;

pub use charset::Charset;
pub use complaint::{Code, Complaint, Place};
pub use message::{Message, Segment};
pub use names::field_name;
pub use part::{Part, Value};
pub use scan::{Limits, Parsed, parse, parse_with};
pub use separators::Separators;
