//! The MLLP inlet with a real record behind it, over real sockets.

#[cfg(test)]
mod authority;
#[cfg(test)]
mod house;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod senders;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod wire_level;
