//! **In**: sealed decisions, writes, sessions, whom lists showed, and the audit messages of others.
//! **Out**: who looked at whom, when and why, here and, as others say, elsewhere; how much an account took; the audit trail of ATNA.
//! **Never**: what stands in a chart; a decision; a change to the record.
//! **Start here**: [`Access`], then [`Trace`].

mod access;
mod ask;
mod audited;
mod batch;
mod ceiling;
mod exports;
mod fold;
mod folding;
mod heard;
mod heard_view;
mod known;
mod leaves;
mod meter;
mod outlet;
mod page;
mod purge;
mod save;
mod trace;
mod view;

pub use access::{Access, Error, Limits};
pub use ask::{Filter, Listing, Looked, Looker, Order, Page, Sum};
pub use audited::audited;
pub use ceiling::{Ceiling, Ceilings, Need};
pub use exports::{Answer, Export, ExportLimits, Leave, NoLeave};
pub use heard::{Heard, HeardFilter, heard_as_resource};
pub use leaves::{leaves, words_of};
pub use outlet::{Outlet, OutletConfig, OutletStatus};
pub use trace::{Trace, TraceId, What};
