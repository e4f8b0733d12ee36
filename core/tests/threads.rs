//! Many threads on one client: nobody ever gets another key's value, and nobody waits past the deadline.
//!
//! Every value tells its key, its writer and a number that its writer counts up. A reply that reached the wrong caller would
//! carry another key; one that came too late, an older number.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cmemcache::{Client, Config, ErrorKind, Exptime, Result, StoreOutcome, WireProtocol};
use support::{client, config, Memcached, Peer, SLACK};

const THREADS: usize = 64;

/// Numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What the threads of one run have come to.
#[derive(Default)]
struct Tally {
    operations: AtomicU64,
    timeouts: AtomicU64,
}

impl Tally {
    /// Counts an operation; the only failure that a healthy server leaves is that of a caller in a hurry.
    fn count<T>(&self, outcome: Result<T>) -> Option<T> {
        self.operations.fetch_add(1, Relaxed);
        match outcome {
            Ok(value) => Some(value),
            // Others share the connection that a hasty caller had to close in the middle of a request.
            Err(error) if matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Disconnected) => {
                self.timeouts.fetch_add(1, Relaxed);
                None
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// What a key may hold.
#[derive(Default)]
struct Written {
    /// What was written last for certain.
    last: u64,
    /// What may have been written too, also later: the server can still read it from a connection that the client has closed.
    unknown: Vec<u64>,
}

/// One thread: its keys are its own, so that it knows what they may hold.
struct Caller<'t> {
    patient: Client,
    hasty: Client,
    name: String,
    random: Random,
    written: Vec<Written>,
    nonce: u64,
    tally: &'t Tally,
}

impl Caller<'_> {
    const KEYS: u64 = 6;

    fn key(&self, number: u64) -> String {
        format!("{}:{number}", self.name)
    }

    fn value(&self, number: u64, nonce: u64) -> Vec<u8> {
        // Small ones travel together, the largest ones alone.
        let length = [0, 10, 3000, 30_000][(nonce % 4) as usize];
        [format!("{}={nonce};", self.key(number)).as_bytes(), &vec![b'x'; length]].concat()
    }

    fn check(&self, number: u64, value: &[u8]) {
        let text = String::from_utf8_lossy(&value[..value.len().min(60)]).into_owned();
        let (key, rest) = text.split_once('=').unwrap_or_else(|| panic!("foreign: {text}"));
        assert_eq!(key, self.key(number), "the value of another key");
        let nonce: u64 = rest.split_once(';').expect("a number").0.parse().expect("a number");
        let Written { last, unknown } = &self.written[number as usize];
        assert!(nonce == *last || unknown.contains(&nonce), "{key}: {nonce} is neither {last} nor of {unknown:?}");
        assert!(value == self.value(number, nonce), "{key}: torn");
    }

    /// Notes that a write of `nonce` was tried.
    fn wrote(&mut self, number: u64, nonce: u64, done: bool) {
        let written = &mut self.written[number as usize];
        if done {
            written.last = nonce;
        } else {
            written.unknown.push(nonce);
        }
    }

    fn client(&mut self) -> Client {
        if self.random.below(8) == 0 {
            self.hasty.clone()
        } else {
            self.patient.clone()
        }
    }

    fn run(&mut self, operations: u64) {
        for number in 0..Self::KEYS {
            let stored = self.patient.set(self.key(number), self.value(number, 0), 0, Exptime::Never);
            assert_eq!(stored.unwrap(), StoreOutcome::Stored);
        }
        let mut done = 0;
        while done < operations {
            let client = self.client();
            let number = self.random.below(Self::KEYS);
            match self.random.below(10) {
                0..5 => {
                    if let Some(item) = self.tally.count(client.get(self.key(number))) {
                        self.check(number, &item.expect("nobody deletes").value);
                    }
                }
                5..8 => {
                    self.nonce += 1;
                    let nonce = self.nonce;
                    let stored = client.set(self.key(number), self.value(number, nonce), 0, Exptime::Never);
                    let stored = self.tally.count(stored).is_some();
                    self.wrote(number, nonce, stored);
                }
                8 => self.read_all(&client),
                _ => self.write_all(&client),
            }
            done += 1;
        }
    }

    fn read_all(&self, client: &Client) {
        let keys: Vec<String> = (0..Self::KEYS).map(|number| self.key(number)).collect();
        for (number, outcome) in client.get_multi(&keys).unwrap().into_iter().enumerate() {
            if let Some(item) = self.tally.count(outcome) {
                self.check(number as u64, &item.expect("nobody deletes").value);
            }
        }
    }

    fn write_all(&mut self, client: &Client) {
        self.nonce += 1;
        let nonce = self.nonce;
        let entries: Vec<_> = (0..Self::KEYS).map(|number| (self.key(number), self.value(number, nonce), 0)).collect();
        for (number, outcome) in client.set_multi(&entries, Exptime::Never).unwrap().into_iter().enumerate() {
            let stored = self.tally.count(outcome).is_some();
            self.wrote(number as u64, nonce, stored);
        }
    }
}

/// 64 threads share a client with few connections; every eighth call gives up after a millisecond or so.
fn nobody_gets_a_foreign_value(protocol: WireProtocol, max_connections: u32, operations: u64) {
    let server = Memcached::with(&["-m", "128"]);
    let options = Config { protocol, max_connections, failure_limit: 1000, ..config(&server.address()) };
    let shared = client(Config { timeout: Duration::from_secs(20), ..options });
    let tally = Tally::default();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (shared, tally) = (&shared, &tally);
            scope.spawn(move || {
                let mut caller = Caller {
                    patient: shared.clone(),
                    hasty: shared.with_timeout(Duration::from_millis(1 + thread as u64 % 5)).unwrap(),
                    name: format!("t{thread}"),
                    random: Random(0x9e37_79b9_7f4a_7c15 ^ (thread as u64 + 1)),
                    written: (0..Caller::KEYS).map(|_| Written::default()).collect(),
                    nonce: 0,
                    tally,
                };
                caller.run(operations / THREADS as u64);
            });
        }
    });
    let (operations, timeouts) = (tally.operations.into_inner(), tally.timeouts.into_inner());
    let metrics = &shared.metrics()[0];
    println!(
        "{protocol:?}, {max_connections} connections: {operations} operations in {:?}, {timeouts} timed out",
        begun.elapsed()
    );
    assert!(timeouts > 0, "no caller was in a hurry");
    assert!(timeouts < operations / 3, "{timeouts} of {operations} timed out");
    assert!(metrics.connections <= max_connections && metrics.in_flight == 0, "{metrics:?}");
    assert_eq!(metrics.protocol_errors, 0);
}

#[test]
fn nobody_gets_a_foreign_value_on_one_connection() {
    nobody_gets_a_foreign_value(WireProtocol::Meta, 1, 25_000);
    nobody_gets_a_foreign_value(WireProtocol::Classic, 1, 25_000);
}

#[test]
fn nobody_gets_a_foreign_value_on_two_connections() {
    nobody_gets_a_foreign_value(WireProtocol::Meta, 2, 25_000);
    nobody_gets_a_foreign_value(WireProtocol::Classic, 2, 25_000);
}

#[test]
fn nobody_gets_a_foreign_value_on_four_connections() {
    nobody_gets_a_foreign_value(WireProtocol::Auto, 4, 25_000);
}

/// Each batch holds a connection of one server while it waits for one of the other; none waits for ever.
#[test]
fn batches_over_two_servers_never_wait_for_each_other() {
    let servers = [Memcached::start(), Memcached::start()];
    let options = Config { max_connections: 1, ..support::configs(servers.iter().map(Memcached::address)) };
    let shared = client(Config { timeout: Duration::from_secs(20), ..options });
    let all = support::keys("k", 40);
    let entries: Vec<_> = all.iter().map(|key| (key, key, 0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (shared, all, entries) = (&shared, &all, &entries);
            scope.spawn(move || {
                for _ in 0..100 {
                    assert!(shared.set_multi(entries, Exptime::Never).unwrap().iter().all(Result::is_ok));
                    for (key, item) in all.iter().zip(shared.get_multi(all).unwrap()) {
                        assert_eq!(item.unwrap().unwrap().value, key.as_bytes());
                    }
                }
            });
        }
    });
}

#[test]
fn a_slow_reply_holds_up_its_own_connection_only() {
    let peer = Peer::meta(|session| loop {
        let asked = session.ask()?;
        if asked.key() == "slow" {
            session.pause(Duration::from_millis(700));
        }
        session.send(&asked.echo())?;
    });
    let shared = client(Config { max_connections: 2, ..config(&peer.address()) });
    let slow = std::thread::spawn({
        let shared = shared.clone();
        move || shared.get("slow")
    });
    support::eventually(SLACK, || shared.metrics()[0].in_flight == 1);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let shared = &shared;
            scope.spawn(move || {
                for number in 0..20 {
                    let key = format!("quick{thread}:{number}");
                    assert_eq!(shared.get(&key).unwrap().unwrap().value, key);
                }
            });
        }
    });
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(500), "{took:?} for 160 quick replies beside a slow one");
    assert_eq!(slow.join().unwrap().unwrap().unwrap().value, "slow");
    assert_eq!(peer.accepted(), 2);
}
