//! How many HTTPS connections there may be, in all and of one source, and how long one may be still.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::config::Https;

/// Counts connections. Cheap to clone: every clone counts the same.
#[derive(Clone)]
pub(crate) struct Doors(Arc<Inner>);

struct Inner {
    open: Mutex<Open>,
    in_all: usize,
    of_one: usize,
    idle: Duration,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// The right to one connection; given back when it is dropped.
pub(crate) struct Place {
    doors: Doors,
    source: IpAddr,
}

impl Doors {
    pub(crate) fn new(config: &Https) -> Doors {
        Doors(Arc::new(Inner {
            open: Mutex::default(),
            in_all: config.connections_max,
            of_one: config.connections_per_source_max,
            idle: Duration::from_millis(config.idle_ms.max(1)),
        }))
    }

    /// A place for one more connection.
    ///
    /// # Errors
    /// In words, if there are too many.
    pub(crate) fn enter(&self, source: IpAddr) -> Result<Place, &'static str> {
        let source = counted_as(source);
        let mut open = self.lock();
        if open.all >= self.0.in_all {
            return Err("more connections in all than are taken (`connections_max`)");
        }
        let of_one = open.by_source.entry(source).or_insert(0);
        if *of_one >= self.0.of_one {
            return Err("more of one address than are taken (`connections_per_source_max`)");
        }
        *of_one += 1;
        open.all += 1;
        drop(open);
        let doors = self.clone();
        Ok(Place { doors, source })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One machine has more IPv6 addresses than can be counted: all of a /64 count as one.
fn counted_as(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(network.into())
        }
        other => other,
    }
}

impl Place {
    /// A stream that holds this place, and ends when it was still for too long.
    pub(crate) fn hold<S>(self, inner: S) -> Held<S> {
        let idle = self.doors.0.idle;
        Held {
            inner,
            still: Box::pin(tokio::time::sleep(idle)),
            idle,
            _place: self,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.doors.lock();
        open.all = open.all.saturating_sub(1);
        if let Some(of_one) = open.by_source.get_mut(&self.source) {
            *of_one = of_one.saturating_sub(1);
            if *of_one == 0 {
                open.by_source.remove(&self.source);
            }
        }
    }
}

/// A connection that has its place.
pub(crate) struct Held<S> {
    inner: S,
    /// Until when it may be still.
    still: Pin<Box<Sleep>>,
    idle: Duration,
    _place: Place,
}

impl<S> Held<S> {
    /// Something came or went, or the time is over.
    fn watch<T>(
        &mut self,
        did: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if did.is_ready() {
            self.still.as_mut().reset(Instant::now() + self.idle);
            return did;
        }
        ready!(self.still.as_mut().poll(context));
        let why = "nothing came or went for too long (`idle_ms`)";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Held<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let did = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.watch(did, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Held<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let did = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(did, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let did = Pin::new(&mut self.inner).poll_write_vectored(context, bytes);
        self.watch(did, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors(in_all: usize, of_one: usize) -> Doors {
        Doors::new(&Https {
            connections_max: in_all,
            connections_per_source_max: of_one,
            ..Https::default()
        })
    }

    fn enter(doors: &Doors, source: &str) -> Result<Place, &'static str> {
        doors.enter(source.parse().unwrap())
    }

    #[test]
    fn one_source_cannot_take_every_place_and_a_place_comes_back() {
        let doors = doors(3, 2);
        let first = enter(&doors, "10.0.0.7").unwrap();
        let _second = enter(&doors, "10.0.0.7").unwrap();
        assert!(enter(&doors, "10.0.0.7").is_err_and(|why| why.contains("per_source")));
        let _other = enter(&doors, "10.0.0.8").unwrap();
        assert!(enter(&doors, "10.0.0.9").is_err_and(|why| why.contains("in all")));
        drop(first);
        assert!(enter(&doors, "10.0.0.7").is_ok());
    }

    #[test]
    fn all_addresses_of_one_machine_count_as_one() {
        let doors = doors(10, 1);
        let _one = enter(&doors, "2001:db8::1").unwrap();
        assert!(enter(&doors, "2001:db8::2").is_err());
        let _mapped = enter(&doors, "::ffff:10.0.0.7").unwrap();
        assert!(enter(&doors, "10.0.0.7").is_err());
    }
}
