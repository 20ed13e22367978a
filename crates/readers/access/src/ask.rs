//! What the pages ask for and are told.

use event::{Actor, Time};

use crate::trace::{TraceId, What};

/// Which traces are wanted. Everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of one of these patients (one person, and who was merged into them); empty: of anybody.
    pub patients: Vec<String>,
    /// By this account.
    pub account: Option<String>,
    /// Whose name contains this.
    pub name: Option<String>,
    /// Sealed at or after.
    pub from: Option<Time>,
    /// Sealed before.
    pub to: Option<Time>,
    /// One of these; empty: any.
    pub what: Vec<What>,
    /// Allowed, or refused.
    pub allowed: Option<bool>,
    /// This one alone.
    pub only: Option<TraceId>,
    /// Of exactly this.
    pub detail: Option<String>,
    /// From a network address that begins so.
    pub address: Option<String>,
    /// About a patient, whoever it is.
    pub of_somebody: bool,
    /// For a purpose that is none of these.
    pub purposes_not: Vec<&'static str>,
}

impl Filter {
    /// Everything about one patient and who was merged into them.
    pub fn of_patient(patients: Vec<String>) -> Filter {
        Filter {
            patients,
            ..Filter::default()
        }
    }

    /// Everything by one account.
    pub fn of_account(account: &str) -> Filter {
        Filter {
            account: Some(account.to_owned()),
            ..Filter::default()
        }
    }
}

/// Which part of a list. Stable while events arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only what comes after this one in the order of the list.
    pub after: Option<TraceId>,
    /// Rows wanted; `page_rows_max` at most are given.
    pub rows: usize,
    /// The order.
    pub order: Order,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

impl Page {
    /// The newest rows.
    pub fn newest(rows: usize) -> Page {
        Page {
            after: None,
            rows,
            order: Order::Newest,
        }
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// [`Page::after`] of the next part, if there may be more.
    pub next: Option<TraceId>,
}

/// Somebody who looked at a patient, summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looker {
    /// Who.
    pub actor: Actor,
    /// The sum of it.
    pub sum: Sum,
}

/// A patient somebody looked at, summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Id of the Patient resource.
    pub patient: String,
    /// The sum of it.
    pub sum: Sum,
}

/// Several traces in one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// How many were allowed.
    pub allowed: u64,
    /// How many were refused.
    pub refused: u64,
    /// The first of them.
    pub first: Time,
    /// The last of them.
    pub last: Time,
    /// Where the last is sealed.
    pub id: TraceId,
    /// Why the last was allowed or refused: ids of policies.
    pub because: Vec<String>,
    /// Its purpose.
    pub purpose: String,
}
