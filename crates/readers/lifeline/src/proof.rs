//! What is known of copies and drills: only what was sealed.

use event::{Copy, Drill, Time};

/// A copy, as it was last looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySeen {
    /// Index of the event.
    pub index: u64,
    /// When.
    pub at: Time,
    /// How it stood.
    pub copy: Copy,
    /// When it was last opened and found right; `None`: never.
    pub verified: Option<Time>,
}

/// A drill that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillSeen {
    /// Index of the event.
    pub index: u64,
    /// When.
    pub at: Time,
    /// What was measured.
    pub drill: Drill,
}

/// Whether the systems that charts come from are away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// Index of the event that says so.
    pub index: u64,
    /// Since when.
    pub at: Time,
    /// Who said so.
    pub name: String,
    /// Which system, and why.
    pub reason: String,
}
