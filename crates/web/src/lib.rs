//! **In**: HTTP requests.
//! **Out**: pages for people, FHIR for systems.
//! **Never**: a chart without a permit; a page that hides how old it is; script that is needed.
//! **Start here**: [`router`], then [`App`].

pub mod api;
mod app;
mod assets;
mod caller;
mod challenge;
mod doors;
mod errands;
mod error;
mod facts;
mod fetch;
mod finding;
mod following;
mod imaging;
mod leave;
mod manners;
mod numbered;
mod oidc;
mod outside;
mod pace;
mod paced;
mod packs;
mod pages;
mod people;
mod pulls;
mod rate;
mod rejected;
mod rewind;
mod router;
mod routing;
mod searches;
mod secrets;
mod session;
mod setup;
mod standbys;
mod taking;
mod trust;
mod unread;
mod upstream;
mod witnesses;

pub use api::fhir::{Imports, Subscriptions, imports, notify, ready_summaries};
pub use api::smart::{ClientCertificate, Signer};
pub use app::{App, Rooms, Settings};
pub use doors::{Door, Doors, Expected};
pub use errands::{Board, DrillOrder, Errand, Errands, Run};
pub use finding::Sought;
pub use following::{Contact, Following};
pub use imaging::sweep_pictures;
pub use imaging::{
    Bearer, Claimed, Coming, Failed, FoundImages, Giver, ImageQuery, NoImages, NotOut, Objects,
    OnItsWay, Peer, Receives, Retrieval, Room, Scu, Stored, Wanted,
};
pub use leave::{Ended, Leaver, Leaving};
pub use manners::turned_away;
pub use numbered::told_under;
pub use oidc::{Accounts, Oidc, RoleRule, Vouched};
pub use outside::{Compared, compare_progress, compare_upstream, keep_comparing};
pub use packs::{PackError, SCOPE as PACK_SCOPE, keep_packing, refresh as refresh_pack};
pub use pages::record::disclosure_sheet;
pub use people::{Binding, IdleMs, SecondFactor};
pub use pulls::{Next, Pull, PullOrder, PullSource, PullSum, PullWhat, PulledSeries, Pulls, Stage};
pub use rate::{Credit, Rate};
pub use rejected::keep_counting;
pub use rewind::{Changed, Order, Suspect, Undo, Undone, Way, operator};
pub use router::router;
pub use routing::{RouteOrdered, RouteWanted, Step as RouteStep, Which as RouteWhich, pass_on};
pub use secrets::secret_in;
pub use standbys::note_standbys;
pub use trust::{presenting, trusting};
pub use upstream::{look as look_upstream, round as send_round, send_on};
pub use witnesses::{Trouble, WitnessState, Witnesses};
