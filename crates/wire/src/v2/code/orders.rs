//! Code tables of orders, medicines, documents and appointments.

use super::Table;

/// Table 0485 to request-priority, and the words that senders write for it. What says how soon,
/// but not how urgent (`T`, `TM15`, `PRN` ...), has no priority.
pub(in crate::v2) const PRIORITY: Table = &[
    ("S", "stat"),
    ("A", "asap"),
    ("R", "routine"),
    ("STAT", "stat"),
    ("ASAP", "asap"),
    ("ROUTINE", "routine"),
    ("URGENT", "urgent"),
];

/// Units of time in repeat patterns and durations, to UCUM.
pub(in crate::v2) const TIME_UNIT: Table = &[
    ("S", "s"),
    ("M", "min"),
    ("MIN", "min"),
    ("H", "h"),
    ("HR", "h"),
    ("D", "d"),
    ("W", "wk"),
    ("WK", "wk"),
    ("L", "mo"),
    ("MO", "mo"),
    ("A", "a"),
];

/// Table 0038 to request-status. `A` has no row in the guide.
pub(in crate::v2) const ORDER_STATUS: Table = &[
    ("A", "active"),
    ("CA", "revoked"),
    ("CM", "completed"),
    ("DC", "revoked"),
    ("ER", "entered-in-error"),
    ("HD", "on-hold"),
    ("IP", "active"),
    ("RP", "revoked"),
    ("SC", "active"),
];

/// Table 0119 to request-status: the order controls that say how the order stands.
pub(in crate::v2) const ORDER_CONTROL: Table = &[
    ("AF", "active"),
    ("CA", "active"),
    ("CR", "revoked"),
    ("DC", "revoked"),
    ("DF", "revoked"),
    ("DR", "revoked"),
    ("FU", "completed"),
    ("HD", "active"),
    ("HR", "on-hold"),
    ("NW", "active"),
    ("OC", "revoked"),
    ("OD", "revoked"),
    ("OH", "on-hold"),
    ("OK", "active"),
    ("PR", "active"),
    ("PY", "active"),
    ("RL", "active"),
    ("RO", "active"),
    ("RQ", "active"),
];

/// Table 0038 to medicationrequest-status, which tells cancelled from stopped.
pub(in crate::v2) const MEDICATION_ORDER_STATUS: Table = &[
    ("A", "active"),
    ("CA", "cancelled"),
    ("CM", "completed"),
    ("DC", "stopped"),
    ("ER", "entered-in-error"),
    ("HD", "on-hold"),
    ("IP", "active"),
    ("RP", "stopped"),
    ("SC", "active"),
];

/// Table 0119 to medicationrequest-status.
pub(in crate::v2) const MEDICATION_ORDER_CONTROL: Table = &[
    ("AF", "active"),
    ("CA", "active"),
    ("CR", "cancelled"),
    ("DC", "stopped"),
    ("DF", "stopped"),
    ("DR", "stopped"),
    ("FU", "completed"),
    ("HD", "active"),
    ("HR", "on-hold"),
    ("NW", "active"),
    ("OC", "cancelled"),
    ("OD", "stopped"),
    ("OH", "on-hold"),
    ("OK", "active"),
    ("PR", "active"),
    ("PY", "active"),
    ("RL", "active"),
    ("RO", "active"),
    ("RQ", "active"),
];

/// Table 0322 to medication-admin-status.
pub(in crate::v2) const ADMINISTERED: Table = &[
    ("CP", "completed"),
    ("NA", "not-done"),
    ("PA", "stopped"),
    ("RE", "not-done"),
];

/// Table 0322 to immunization-status, after the guide: partly given counts as given.
pub(in crate::v2) const IMMUNIZED: Table = &[
    ("CP", "completed"),
    ("NA", "not-done"),
    ("PA", "completed"),
    ("RE", "not-done"),
];

/// Table 0271 to composition-status. The guide names no rows: only what was authenticated is final.
pub(in crate::v2) const DOCUMENT_STATUS: Table = &[
    ("AU", "final"),
    ("DI", "preliminary"),
    ("DO", "preliminary"),
    ("IN", "preliminary"),
    ("IP", "preliminary"),
    ("LA", "final"),
    ("PA", "preliminary"),
];

/// Table 0278 to appointmentstatus; `Discontinued`, `Blocked` and `Overbook` have no row in the
/// guide: what is discontinued is cancelled, what is overbooked is booked.
pub(in crate::v2) const APPOINTMENT_STATUS: Table = &[
    ("Booked", "booked"),
    ("Cancelled", "cancelled"),
    ("Complete", "fulfilled"),
    ("Deleted", "entered-in-error"),
    ("Discontinued", "cancelled"),
    ("Noshow", "noshow"),
    ("Overbook", "booked"),
    ("Pending", "pending"),
    ("Started", "checked-in"),
    ("Waitlist", "waitlist"),
];

/// Table 0116, bed status, with what its codes mean.
pub(in crate::v2) const BED_STATUS: Table = &[
    ("C", "Closed"),
    ("H", "Housekeeping"),
    ("I", "Isolated"),
    ("K", "Contaminated"),
    ("O", "Occupied"),
    ("U", "Unoccupied"),
];
