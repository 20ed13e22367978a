//! The MLLP inlet with a real record behind it, over real sockets.

mod house;
mod limits;
mod senders;
mod tls;
mod wire_level;
