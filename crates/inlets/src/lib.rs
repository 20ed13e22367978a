//! **In**: bytes from hospital systems.
//! **Out**: arrivals that the guard let in, sealed; then the answer the sender waits for.
//! **Never**: an acknowledgement before the commit; bytes that arrived and are dropped.
//! **Start here**: [`Inlet`], then [`mllp`], [`dicom`] and [`signals`].

pub mod dicom;
pub mod mllp;
mod places;
pub mod signals;
mod tls;

pub use tls::Reload;

/// What a sender is told once the record's files are gone; which they are is nothing for it.
pub(crate) const UPROOTED: &str = "nothing is taken: the receiver's data folder is gone, and somebody has to put it back; keep it, and send it again";

use async_trait::async_trait;
use record::Record;
use tokio_util::sync::CancellationToken;

/// A way in. It is bound already; running it is all that is left to do.
#[async_trait]
pub trait Inlet: Send + 'static {
    /// Its one word: module, section of the configuration, page.
    fn name(&self) -> &'static str;

    /// Takes what comes until `stop`, then answers what it took and returns.
    async fn run(self: Box<Self>, door: Record, stop: CancellationToken);
}
