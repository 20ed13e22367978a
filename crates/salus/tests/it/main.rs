//! The binary as its users run it: real processes, real sockets, port 0.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what cannot be set up is a failed test"
)]

mod asking;
mod capture;
mod check;
mod commands;
mod compare;
mod deidentifying;
mod doors;
mod drills;
mod erase;
mod export;
mod folders;
mod healing;
mod images;
mod imports;
mod keys;
mod kill;
mod lifeline;
mod passing;
mod people;
mod policy;
mod process;
mod pulling;
#[path = "../../../../tests/real/engines.rs"]
mod real;
mod retrieving;
mod routes;
mod send;
mod sending;
mod serving;
mod sessions;
mod signals;
mod smart;
mod standby;
mod storage;
mod subscriptions;
mod tls;
mod witness;
