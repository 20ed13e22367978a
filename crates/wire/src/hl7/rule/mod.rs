//! Rules about messages that somebody writes down: what a message must say, and what is changed in
//! it. A small language without names, loops or calls; whatever it says ends, and touches nothing
//! but the message.
//!
//! A path is written as the standard does: `PID-3`, `PID-3.1`, `PID-3[2].4.1` (the second
//! repetition), `OBX[3]-5` (the third OBX). Without a number in brackets all are meant.

mod change;
mod condition;
mod draft;
mod path;
mod token;

pub use change::{Change, Tables, change};
pub use condition::Condition;
pub use path::Path;
