//! What a client counts for one server: relaxed atomics, read by a snapshot.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::ErrorKind;

/// The counters of one server. Each is independent: a snapshot is not one moment's truth, but no count is lost.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) operations: Count,
    pub(crate) hits: Count,
    pub(crate) misses: Count,
    connect_errors: Count,
    timeouts: Count,
    disconnects: Count,
    protocol_errors: Count,
    server_errors: Count,
    pub(crate) connects: Count,
    pub(crate) bytes_read: Count,
    pub(crate) bytes_written: Count,
    in_flight: AtomicU64,
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, n: usize) {
        if n > 0 {
            self.0.fetch_add(n as u64, Relaxed);
        }
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Counters {
    /// Counts `requests` that ended in an error of this kind.
    pub(crate) fn failed(&self, kind: ErrorKind, requests: usize) {
        let count = match kind {
            ErrorKind::ServerDown => &self.connect_errors,
            ErrorKind::Timeout => &self.timeouts,
            ErrorKind::Disconnected => &self.disconnects,
            ErrorKind::Protocol => &self.protocol_errors,
            ErrorKind::ServerError | ErrorKind::Auth => &self.server_errors,
            // Refused by this client: the server has not failed.
            _ => return,
        };
        count.add(requests);
    }

    pub(crate) fn begin(&self, requests: usize) {
        self.in_flight.fetch_add(requests as u64, Relaxed);
    }

    pub(crate) fn end(&self, requests: usize) {
        self.in_flight.fetch_sub(requests as u64, Relaxed);
    }
}

/// How a client sees a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerState {
    /// It is used.
    Up,
    /// It failed lately and is used still.
    Suspect,
    /// It is left alone until its next probe.
    Down,
}

/// What a client counted for one server since it was made. Counters never fall.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerMetrics {
    /// The server, as `host:port` or `unix:/path`.
    pub server: String,
    /// Its weight.
    pub weight: u32,
    /// How the client sees it now.
    pub state: ServerState,
    /// Milliseconds until a server that is down is probed again, 0 otherwise.
    pub down_for_ms: u64,
    /// Requests answered; each key of a batch counts.
    pub operations: u64,
    /// Reads that found an item.
    pub hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Requests that failed to reach the server: refused, unreachable, no such name, left alone.
    pub connect_errors: u64,
    /// Requests whose deadline passed.
    pub timeouts: u64,
    /// Requests that lost their connection.
    pub disconnects: u64,
    /// Requests that were answered with something that is not memcached's protocol.
    pub protocol_errors: u64,
    /// Requests that the server answered with an error of its own.
    pub server_errors: u64,
    /// Connections opened, the first ones included.
    pub connects: u64,
    /// Bytes received.
    pub bytes_read: u64,
    /// Bytes sent.
    pub bytes_written: u64,
    /// Connections open now.
    pub connections: u32,
    /// Requests under way now.
    pub in_flight: u32,
}

impl Counters {
    /// The counts, beside what only the server itself knows.
    pub(crate) fn snapshot(&self, server: String, weight: u32, connections: u32, state: (ServerState, u64)) -> ServerMetrics {
        ServerMetrics {
            server,
            weight,
            state: state.0,
            down_for_ms: state.1,
            operations: self.operations.get(),
            hits: self.hits.get(),
            misses: self.misses.get(),
            connect_errors: self.connect_errors.get(),
            timeouts: self.timeouts.get(),
            disconnects: self.disconnects.get(),
            protocol_errors: self.protocol_errors.get(),
            server_errors: self.server_errors.get(),
            connects: self.connects.get(),
            bytes_read: self.bytes_read.get(),
            bytes_written: self.bytes_written.get(),
            connections,
            in_flight: u32::try_from(self.in_flight.load(Relaxed)).unwrap_or(u32::MAX),
        }
    }
}
