//! The DICOM inlet with a real record behind it, over real sockets.

#[cfg(test)]
#[path = "../mllp/authority.rs"]
mod authority;
#[cfg(test)]
mod awaited;
#[cfg(test)]
mod caller;
#[cfg(test)]
mod callers;
#[cfg(test)]
mod house;
mod objects;
