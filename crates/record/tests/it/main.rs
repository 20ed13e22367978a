//! The record as its users see it: what goes in, what is on disk, what is found out.

mod faults;
mod house;
mod recovery;
mod sealing;
mod tampering;
