//! What machines say: a batch of lines with when and from where each came, and what a line says of
//! itself, by the format of its feed.

mod batch;
mod format;
mod json;
mod tally;
mod text;

pub use batch::{Line, Lines, lines, push};
pub use format::{Format, Said, read};
pub use tally::{Cut, KINDS_MAX, Tally};
