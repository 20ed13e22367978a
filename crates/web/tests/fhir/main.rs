//! The FHIR door over a real record and a real chart, in a folder of its own.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod binaries;
#[cfg(test)]
mod bundles;
#[cfg(test)]
mod contents;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod everything;
#[cfg(test)]
mod export;
#[cfg(test)]
mod heard;
#[cfg(test)]
mod house;
#[cfg(test)]
mod ihe;
#[cfg(test)]
mod images;
#[cfg(test)]
mod importing;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod looks;
#[cfg(test)]
mod patches;
#[cfg(test)]
mod pictures;
mod published;
#[cfg(test)]
mod real_data;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod shared_looks;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod summary;
#[cfg(test)]
mod telling;
#[cfg(test)]
mod terminology;
#[cfg(test)]
mod types;
#[cfg(test)]
mod unfolded;
#[cfg(test)]
mod validate;
#[cfg(test)]
mod writes;
