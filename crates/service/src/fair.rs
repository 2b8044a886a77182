//! Sharing the server among its clients: how many calls run, how often an address calls, how many connections
//! it holds. Every structure here has a fixed bound on its memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bounds the calls that run at the same time; a bounded number waits, first come first served.
#[derive(Debug)]
pub(crate) struct Gate {
    places: Semaphore,
    waiting: AtomicU32,
    most_waiting: u32,
}

/// So many calls wait already that another one would wait too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl Gate {
    pub(crate) fn new(places: u32, most_waiting: u32) -> Self {
        Self { places: Semaphore::new(places.max(1) as usize), waiting: AtomicU32::new(0), most_waiting }
    }

    /// Waits for a place, which is free again when the permit is dropped.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>, Busy> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        let _waiting = self.wait()?;
        self.places.acquire().await.map_err(|_| Busy)
    }

    fn wait(&self) -> Result<Waiting<'_>, Busy> {
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.most_waiting { Ok(waiting) } else { Err(Busy) }
    }
}

struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Token buckets of addresses. Addresses are hashed with a secret into [`BUCKETS`] buckets: two that meet in
/// one share it, and however many addresses come, memory stays below 16 MiB.
#[derive(Debug)]
pub(crate) struct Rate {
    limiter: Option<DefaultKeyedRateLimiter<u64>>,
    secret: RandomState,
}

const BUCKETS: u64 = 1 << 18;

impl Rate {
    /// `per_second` calls, and `burst` at once after a pause; any number if `per_second` is 0.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let limiter = NonZeroU32::new(per_second).map(|rate| {
            let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
        });
        Self { limiter, secret: RandomState::new() }
    }

    /// Whether `address` may make one more call now, which this counts.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        let Some(limiter) = &self.limiter else { return true };
        limiter.check_key(&(self.secret.hash_one(network(address)) % BUCKETS)).is_ok()
    }
}

/// Places of connections: so many together, and so many per address.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    taken: Arc<Mutex<Taken>>,
    most: u32,
    most_per_address: u32,
}

#[derive(Debug, Default)]
struct Taken {
    all: u32,
    by_address: HashMap<IpAddr, u32>, // never 0: not longer than `all`
}

impl Places {
    pub(crate) fn new(most: u32, most_per_address: u32) -> Self {
        Self { taken: Arc::default(), most, most_per_address }
    }

    /// A place until it is dropped; `None` if there is none. Without an address only the sum is bounded.
    pub(crate) fn take(&self, address: Option<IpAddr>) -> Option<Place> {
        let address = address.map(network);
        let mut taken = self.lock();
        let own = address.map_or(0, |address| taken.by_address.get(&address).copied().unwrap_or(0));
        if taken.all >= self.most || own >= self.most_per_address {
            return None;
        }
        taken.all += 1;
        if let Some(address) = address {
            taken.by_address.insert(address, own + 1);
        }
        Some(Place { places: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Each critical section only counts: a panic cannot leave it half done.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    address: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        let Some(address) = self.address else { return };
        match taken.by_address.get_mut(&address) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.by_address.remove(&address)),
        }
    }
}

/// Who counts as one client: an IPv4 address, or an IPv6 network of 64 bits, which one site has to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The client behind trusted proxies: the last address of `X-Forwarded-For` that is none of them. A header that
/// cannot be read is not believed.
pub(crate) fn forwarded<'a>(
    peer: IpAddr,
    trusted: &[IpAddr],
    headers: impl DoubleEndedIterator<Item = &'a str>,
) -> IpAddr {
    let mut client = peer;
    for text in headers.rev().flat_map(|header| header.rsplit(',')) {
        if !trusted.contains(&client.to_canonical()) {
            break;
        }
        match address(text.trim()) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// An address, perhaps with a port, as some proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

/// Whether `address` is this machine.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use futures::FutureExt;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn call_beyond_the_queue_is_refused_at_once() {
        let gate = Gate::new(1, 1);
        let first = gate.enter().now_or_never().unwrap().unwrap();
        let mut second = Box::pin(gate.enter());
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(gate.enter().now_or_never().unwrap().unwrap_err(), Busy);
        drop(first);
        assert!(second.now_or_never().unwrap().is_ok());
    }

    #[test]
    fn call_that_gives_up_leaves_the_queue() {
        let gate = Gate::new(1, 1);
        let first = gate.enter().now_or_never().unwrap().unwrap();
        for _ in 0..3 {
            assert!(gate.enter().now_or_never().is_none());
        }
        drop(first);
        assert!(gate.enter().now_or_never().unwrap().is_ok());
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn address_that_spent_its_burst_does_not_touch_others() {
        let rate = Rate::new(1, 3);
        let allowed = |address: &str| (0..10).filter(|_| rate.allows(ip(address))).count();
        assert_eq!(allowed("192.0.2.1"), 3);
        assert_eq!(allowed("192.0.2.2"), 3);
        assert_eq!(allowed("2001:db8::1"), 3);
        assert_eq!(allowed("2001:db8::ffff:2"), 0, "the same network of 64 bits");
        assert!((0..100).all(|_| Rate::new(0, 1).allows(ip("192.0.2.1"))));
    }

    #[test]
    fn rates_of_any_number_of_addresses_fit_into_the_buckets() {
        let rate = Rate::new(1, 1);
        for address in 0..400_000_u32 {
            rate.allows(Ipv4Addr::from_bits(address).into());
        }
        assert!(rate.limiter.unwrap().len() <= usize::try_from(BUCKETS).unwrap());
    }

    #[test]
    fn places_are_bounded_together_and_per_address_and_come_back() {
        let places = Places::new(3, 2);
        let mut held: Vec<_> = (0..2).map(|_| places.take(Some(ip("192.0.2.1"))).unwrap()).collect();
        assert!(places.take(Some(ip("192.0.2.1"))).is_none());
        let other = places.take(Some(ip("192.0.2.2"))).unwrap();
        assert!(places.take(None).is_none());
        drop(other);
        held.pop();
        assert!(places.take(Some(ip("192.0.2.1"))).is_some());
        held.clear();
        assert!(places.lock().by_address.is_empty());
    }

    #[test]
    fn only_trusted_proxies_name_the_client() {
        let trusted = [ip("10.0.0.1"), ip("10.0.0.2")];
        let client = |peer: &str, headers: &[&str]| forwarded(ip(peer), &trusted, headers.iter().copied());
        assert_eq!(client("192.0.2.9", &["203.0.113.7"]), ip("192.0.2.9"));
        assert_eq!(client("10.0.0.1", &["203.0.113.7"]), ip("203.0.113.7"));
        assert_eq!(client("10.0.0.1", &["6.6.6.6, 203.0.113.7, 10.0.0.2"]), ip("203.0.113.7"));
        assert_eq!(client("10.0.0.1", &["6.6.6.6", "203.0.113.7"]), ip("203.0.113.7"));
        assert_eq!(client("10.0.0.1", &["203.0.113.7:4000"]), ip("203.0.113.7"));
        assert_eq!(client("10.0.0.1", &["[2001:db8::7]:4000"]), ip("2001:db8::7"));
        assert_eq!(client("10.0.0.1", &["nonsense"]), ip("10.0.0.1"));
        assert_eq!(client("10.0.0.1", &[]), ip("10.0.0.1"));
    }
}
