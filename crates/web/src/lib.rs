//! **In**: HTTP requests.
//! **Out**: pages for people, FHIR for systems.
//! **Never**: a chart without a permit; a page that hides how old it is; script that is needed.
//! **Start here**: [`router`], then [`App`].

pub mod api;
mod app;
mod assets;
mod error;
mod pages;
mod router;
mod session;
mod setup;
mod taking;

pub use app::{App, Rooms, Settings};
pub use router::router;
