//! Places of connections: few for TLS handshakes, by which nobody is known yet, and for whoever is known no more than
//! a share of all.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How many there are of each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(Arc<Mutex<HashMap<String, usize>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    all: Tally,
    who: String,
}

impl Tally {
    /// One more of `who`; `None`: there are `max` already.
    pub(crate) fn take(&self, who: &str, max: usize) -> Option<Counted> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.get(who).copied().unwrap_or_default();
        if count >= max {
            return None;
        }
        all.insert(who.to_owned(), count + 1);
        Some(Counted {
            all: self.clone(),
            who: who.to_owned(),
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&self.who) {
            Some(count) if *count > 1 => *count -= 1,
            // INVARIANT: whoever is gone is not remembered: addresses are many.
            _ => drop(all.remove(&self.who)),
        }
    }
}

/// TLS handshakes that are being made.
pub(crate) struct Handshakes {
    places: Semaphore,
    by_address: Tally,
    per_address_max: usize,
    limit: Duration,
}

impl Handshakes {
    /// So many at a time, so many of one address, and how many milliseconds one may take.
    pub(crate) fn new(max: usize, per_address_max: usize, limit_ms: u64) -> Handshakes {
        Handshakes {
            places: Semaphore::new(max),
            by_address: Tally::default(),
            per_address_max,
            limit: Duration::from_millis(limit_ms),
        }
    }

    /// Makes one.
    ///
    /// # Errors
    /// There are too many, it fails, or it takes too long.
    pub(crate) async fn make<S>(
        &self,
        (stream, address): (S, SocketAddr),
        tls: &TlsAcceptor,
    ) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let full = |option: &str| {
            let words = format!("closed: there are `{option}` TLS handshakes already");
            tracing::warn!(%address, "{words}");
            io::Error::new(io::ErrorKind::ConnectionRefused, words)
        };
        let of = place_of(address.ip());
        let own = self.by_address.take(&of, self.per_address_max);
        let _own = own.ok_or_else(|| full("handshakes_per_address_max"))?;
        let place = self.places.try_acquire().ok();
        let _place = place.ok_or_else(|| full("handshakes_max"))?;
        timeout(self.limit, tls.accept(stream)).await?
    }
}

/// An address; of IPv6 its /64, which is one customer's.
fn place_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_more_than_a_share_and_who_is_gone_is_forgotten() {
        let tally = Tally::default();
        let first = tally.take("ct", 2).unwrap();
        let second = tally.take("ct", 2).unwrap();
        assert!(tally.take("ct", 2).is_none());
        assert!(tally.take("mr", 2).is_some(), "and is gone at once");
        drop(first);
        let third = tally.take("ct", 2).unwrap();
        assert!(tally.take("ct", 2).is_none());
        drop((second, third));
        assert!(tally.0.lock().unwrap().is_empty());
        assert!(tally.take("ct", 0).is_none());
    }

    #[test]
    fn one_customer_is_one_address() {
        let of = |text: &str| place_of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.7"), of("10.0.0.7"));
    }
}
