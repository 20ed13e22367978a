//! The record as its users see it: what goes in, what is on disk, what is found out.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what cannot be set up is a failed test"
)]

mod bad_days;
mod contents;
mod engines;
mod erasing;
mod faults;
mod healing;
mod holding;
mod house;
mod objects;
mod recovery;
mod rotating;
mod sealing;
mod shared;
mod standby;
mod succeeding;
mod tampering;
mod witnessing;
