//! What the tests run against: memcached processes of their own, and peers that misbehave on purpose.
//!
//! Everything listens on loopback, waits for a bounded time, and is gone when its guard is dropped.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "every test binary uses a part of it")]

mod holdings;
mod memcached;
mod peer;
mod port;
mod vectors;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use cmemcache::{Client, Config, Error, ErrorKind, Result, ServerState};

pub use holdings::Holdings;
pub use memcached::Memcached;
pub use peer::{Asked, Blackhole, Peer, Session};
pub use port::Port;
pub use vectors::{bytes, each_vector, vectors};

/// By how much a call may overrun its deadline on a machine that is busy with other tests.
pub const SLACK: Duration = Duration::from_secs(5);

/// Options with one server and every default but the timeouts, which leave room for a busy machine.
pub fn config(address: &str) -> Config {
    configs([address])
}

/// The same of several servers.
pub fn configs<A: AsRef<str>>(addresses: impl IntoIterator<Item = A>) -> Config {
    let defaults = Config::new(addresses).expect("addresses");
    Config { timeout: Duration::from_secs(10), connect_timeout: Duration::from_secs(5), ..defaults }
}

/// A client with these options.
pub fn client(config: Config) -> Client {
    Client::new(config).expect("options")
}

/// Runs a call that has to end within `limit`, and fails rather than waiting for one that hangs.
pub fn within<T: Send + 'static>(limit: Duration, call: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let begun = Instant::now();
    let caller = std::thread::spawn(move || {
        let outcome = call();
        let _ = sender.send((outcome, begun.elapsed()));
    });
    match receiver.recv_timeout(limit + Duration::from_secs(10)) {
        Ok((outcome, took)) => {
            assert!(took <= limit, "took {took:?}, allowed are {limit:?}");
            outcome
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("hangs: nothing after {limit:?} and 10 s more"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match caller.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("it sends before it ends"),
        },
    }
}

/// Tries until `condition` holds, for at most `limit`; returns how long that took.
pub fn eventually(limit: Duration, mut condition: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < limit, "not within {limit:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    begun.elapsed()
}

/// The error of a call that has to fail in this way.
pub fn failure<T: std::fmt::Debug>(outcome: Result<T>, kind: ErrorKind) -> Error {
    let error = outcome.expect_err("a failure");
    assert_eq!(error.kind(), kind, "{error:?}");
    error
}

/// How the client sees its only server.
pub fn state(client: &Client) -> ServerState {
    client.metrics()[0].state
}

/// `count` keys that begin with `name`.
pub fn keys(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}:{number}")).collect()
}
