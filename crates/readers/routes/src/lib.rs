//! **In**: sealed messages and resources, the rules of routes, what was ordered and what came of it;
//! subscriptions and their steps.
//! **Out**: what waits to be passed on where, and how each route and subscription does.
//! **Never**: a body of a message; sending (that is `web`'s); a decision about what comes back.
//! **Start here**: [`Routes`], then [`RouteConfig`] and `fold.rs`.

mod ask;
mod config;
mod error;
mod fold;
mod known;
mod lane;
mod mark;
mod page;
mod routes;
mod rules;
mod subscribers;
mod view;

pub use ask::{Aside, Lane, RouteState, Status, Waiting};
pub use config::{Config, RouteConfig, Target};
pub use error::Error;
pub use lane::lane;
pub use mark::mark;
pub use routes::{Routes, Stir};
pub use rules::{Changed, Must};
pub use subscribers::{Happened, Subscriber};
