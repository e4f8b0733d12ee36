//! One server: its address, its connections, its health and its counters.

mod health;
mod lane;
#[cfg(all(test, shuttle))]
#[allow(clippy::unwrap_used)]
mod model;
mod pool;
mod resolve;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use health::{Failure, Health};
use pool::Pool;

use crate::address::{Address, ServerSpec};
use crate::config::{Config, WireProtocol};
use crate::conn::socket::Descriptors;
use crate::conn::wait::RoundTrip;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Phase};
use crate::metrics::{Counters, ServerMetrics};
use crate::sync::{Mutex, MutexGuard};
use crate::tls::Tls;

pub(crate) use lane::{Ended, Lane, Step, Work};

/// One memcached server as one client knows it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) spec: ServerSpec,
    /// `host:port` or `unix:/path`, as in errors and metrics.
    pub(crate) name: Arc<str>,
    protocol: WireProtocol,
    connect_timeout: Duration,
    flush_on_reconnect: bool,
    tls: Option<Tls>,
    credentials: Option<Credentials>,
    pool: Pool,
    counters: Counters,
    round_trip: RoundTrip,
    batch_round_trip: RoundTrip,
    read_batch_round_trip: RoundTrip,
    descriptors: Arc<Descriptors>,
    health: Mutex<Health>,
    /// Whether anything is held against the server: while not, a call need not lock its health.
    blemished: AtomicBool,
    /// Why the server was last left alone, where it is not that it does not answer.
    rejection: Mutex<Option<Error>>,
    /// The addresses that its name had last, for the time when the resolver fails.
    known: Mutex<Vec<SocketAddr>>,
}

impl Server {
    pub(crate) fn new(spec: ServerSpec, config: &Config, tls: Option<Tls>) -> Self {
        Self {
            name: spec.address.to_string().into(),
            spec,
            protocol: config.protocol,
            connect_timeout: config.connect_timeout,
            flush_on_reconnect: config.flush_on_reconnect,
            tls,
            credentials: Credentials::of(config),
            pool: Pool::new(config.max_connections),
            counters: Counters::default(),
            round_trip: RoundTrip::default(),
            batch_round_trip: RoundTrip::default(),
            read_batch_round_trip: RoundTrip::default(),
            descriptors: Arc::new(Descriptors::new(config.max_connections)),
            health: Mutex::new(Health::new(config.dead_retry, config.failure_limit)),
            blemished: AtomicBool::new(false),
            rejection: Mutex::default(),
            known: Mutex::default(),
        }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call may go to this server now; otherwise how long it is left alone.
    fn admit(&self, now: Instant) -> Result<(), Duration> {
        if !self.blemished.load(Relaxed) {
            return Ok(());
        }
        let mut health = self.health();
        if health.admit(now) {
            Ok(())
        } else {
            Err(health.state(now).1)
        }
    }

    fn succeeded(&self) {
        if self.blemished.load(Relaxed) {
            let mut health = self.health();
            health.succeeded();
            self.blemished.store(!health.is_clean(), Relaxed);
        }
    }

    fn failed(&self, failure: Failure, now: Instant) {
        let mut health = self.health();
        health.failed(failure, now, jitter(now));
        self.blemished.store(!health.is_clean(), Relaxed);
        self.remember_rejection(None);
        let is_down = health.is_down();
        drop(health);
        if is_down {
            self.abandon_stale();
        }
    }

    /// One side refused the other's certificate or credentials.
    fn rejected(&self, error: &Error, now: Instant) {
        self.failed(Failure::Rejected, now);
        self.remember_rejection(Some(error.clone()));
    }

    /// The server is to be emptied when it is back: its open connections must not reach it before that.
    fn abandon_stale(&self) {
        if self.flush_on_reconnect {
            self.pool.discard_idle();
        }
    }

    /// Leaves the server alone for so long.
    pub(crate) fn mark_down(&self, wait: Duration) {
        let mut health = self.health();
        health.mark_down(Instant::now(), wait);
        self.blemished.store(true, Relaxed);
        drop(health);
        self.abandon_stale();
    }

    /// Uses the server again at once.
    pub(crate) fn forgive(&self) {
        let mut health = self.health();
        health.forgive();
        self.blemished.store(false, Relaxed);
    }

    /// Closes the idle connections.
    pub(crate) fn disconnect(&self) {
        self.pool.discard_idle();
    }

    /// Ends all: no call is admitted any more.
    pub(crate) fn close(&self) {
        self.pool.close();
    }

    /// In a forked child: closes what was inherited, without a lock and without writing a byte.
    pub(crate) fn close_inherited(&self) {
        self.descriptors.close_inherited();
    }

    /// Whether it can go on serving a client with these options.
    pub(crate) fn is_at(&self, address: &Address) -> bool {
        self.spec.address == *address
    }

    pub(crate) fn metrics(&self, weight: u32) -> ServerMetrics {
        let (state, wait) = self.health().state(Instant::now());
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.counters.snapshot(self.name.to_string(), weight, self.pool.open_connections(), (state, millis))
    }

    fn remember_rejection(&self, error: Option<Error>) {
        *self.rejection.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// The error of a call while the server is left alone, for so long still.
    fn is_down_for(&self, wait: Duration) -> Error {
        let message = format!("{} is down, to be probed again in {} ms", self.name, wait.as_millis());
        let message = match &*self.rejection.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => format!("{message}: {error}"),
            None => message,
        };
        Error::new(ErrorKind::ServerDown, message).at(&self.name, Phase::Connect)
    }

    fn known_addresses(&self) -> Vec<SocketAddr> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember_addresses(&self, addresses: &[SocketAddr]) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = addresses.to_vec();
    }
}

/// A number that differs between callers and moments; nothing secret depends on it.
fn jitter(now: Instant) -> u8 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(now) as u8
}
