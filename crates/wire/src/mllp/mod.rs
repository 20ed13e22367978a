//! MLLP, the minimal lower layer protocol (HL7 Transport: MLLP, release 1): a message between a
//! start block and an end block, and what to make of a stream that is not quite that.

mod framer;

pub use framer::{Frame, Framer, Limits};

/// VT, before a message.
pub const START: u8 = 0x0B;
/// FS, after a message, itself followed by [`CARRIAGE_RETURN`].
pub const END: u8 = 0x1C;
/// CR, the second half of the end block.
pub const CARRIAGE_RETURN: u8 = 0x0D;

/// A message in its frame.
pub fn wrap(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 3);
    wrap_into(&mut out, message);
    out
}

/// Appends a message in its frame.
pub fn wrap_into(out: &mut Vec<u8>, message: &[u8]) {
    out.push(START);
    out.extend_from_slice(message);
    out.extend_from_slice(&[END, CARRIAGE_RETURN]);
}
