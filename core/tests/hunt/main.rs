//! The hunt for mixed-up replies: many threads on one client, and nobody ever gets what is another's.
//!
//! Every value tells its key, its writer and a number that its writer counts up; every counter lies in a range of its own. A reply
//! that reached the wrong caller would carry another key; one that came too late, an older number. One call in eight gives up
//! after some milliseconds, and connections are closed at any moment.
//!
//! `HUNT_OPERATIONS` is how many operations all hunts make together, each key of a batch being one. `make test` makes 100 000;
//! `make soak` makes 10 000 000, one hunt after the other, shows how far it is, and checks that none leaves anything behind.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod caller;
mod link;
#[path = "../support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use caller::{Caller, Random, Rules, Tally, OF_HASTE, OF_LIES, OF_RESTARTS};
use cmemcache::{Client, Config, WireProtocol};
use link::{Faults, Link};
use support::{client, config, eventually, Holdings, Memcached, SLACK};

const THREADS: u64 = 64;

/// How many hunts share the operations.
const HUNTS: u64 = 11;

const HEALTHY: Rules = Rules { errors: OF_HASTE, forgets: false };

/// The operations of one hunt, and whether this is the long run.
fn share() -> (u64, bool) {
    let wanted = std::env::var("HUNT_OPERATIONS").ok().map(|number| number.parse().expect("HUNT_OPERATIONS is a number"));
    (wanted.unwrap_or(100_000) / HUNTS, wanted.is_some())
}

fn server() -> Memcached {
    Memcached::with(&["-m", "128"])
}

fn options(address: &str, protocol: WireProtocol, max_connections: u32) -> Config {
    let patient = Config { timeout: Duration::from_secs(20), ..config(address) };
    Config { protocol, max_connections, failure_limit: 1000, dead_retry: Duration::ZERO, ..patient }
}

/// Lets the callers work beside `meanwhile`, which is told when they are done.
fn hunt(name: &str, options: Config, rules: Rules, meanwhile: impl FnOnce(&AtomicBool) + Send) -> Client {
    let (operations, long) = share();
    let max_connections = options.max_connections;
    let shared = client(options);
    let (tally, done, begun) = (Tally::default(), AtomicBool::new(false), Instant::now());
    let before = Holdings::now();
    thread::scope(|scope| {
        let (shared, tally, done) = (&shared, &tally, &done);
        scope.spawn(move || meanwhile(done));
        if long {
            scope.spawn(move || report(name, tally, operations, done));
        }
        let call = move |number| Caller::new(shared, number, rules, tally).run(operations);
        let callers: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || call(number))).collect();
        let failed = callers.into_iter().filter_map(|caller| caller.join().err()).next();
        done.store(true, SeqCst);
        if let Some(panic) = failed {
            std::panic::resume_unwind(panic);
        }
    });
    let count = |number: &AtomicU64| number.load(Relaxed);
    let (operations, timeouts, breaks) = (count(&tally.operations), count(&tally.timeouts), count(&tally.breaks));
    println!(
        "{name}: {operations} operations in {:?}, {timeouts} timed out, {breaks} broke, no foreign value",
        begun.elapsed()
    );
    assert!(timeouts > 0, "no caller was in a hurry");
    // How many fail is a matter of how busy the machine is; enough have to succeed for the hunt to be one.
    assert!(timeouts + breaks < operations * 9 / 10, "{timeouts} and {breaks} of {operations} failed");
    let metrics = &shared.metrics()[0];
    assert!(metrics.connections <= max_connections && metrics.in_flight == 0, "{metrics:?}");
    if long {
        // A link has two threads and two descriptors for each connection; some of them may be about to end.
        let most = 4 * max_connections as usize;
        eventually(SLACK, || {
            let now = Holdings::now();
            now.threads <= before.threads + most && now.descriptors <= before.descriptors + most
        });
    }
    shared
}

/// Shows how far a long hunt is and what the process holds; the memory may not grow after the first fifth.
fn report(name: &str, tally: &Tally, operations: u64, done: &AtomicBool) {
    const EVERY: Duration = Duration::from_secs(5);
    let (mut first, mut now, mut shown) = (None, Holdings::now(), Instant::now());
    while !done.load(SeqCst) {
        let made = tally.operations.load(Relaxed);
        if made < operations {
            now = Holdings::now();
        }
        if made >= operations / 5 {
            first.get_or_insert(now);
        }
        if shown.elapsed() > EVERY {
            shown = Instant::now();
            println!("{name}: {made} of {operations}, {now}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    let first = first.unwrap_or(now);
    println!("{name}: after a fifth {first}; at the end {now}");
    assert!(now.memory <= first.memory + first.memory / 10 + 4096, "{first}; {now}");
}

/// On a healthy server no hurry and no end of a connection ever makes a reply look wrong.
fn on_a_healthy_server(name: &str, protocol: WireProtocol, max_connections: u32) {
    let server = server();
    let client = hunt(name, options(&server.address(), protocol, max_connections), HEALTHY, |_| {});
    assert_eq!(client.metrics()[0].protocol_errors, 0);
}

#[test]
fn nobody_gets_a_foreign_value_on_one_connection_of_the_meta_protocol() {
    on_a_healthy_server("meta, 1 connection", WireProtocol::Meta, 1);
}

#[test]
fn nobody_gets_a_foreign_value_on_one_connection_of_the_classic_protocol() {
    on_a_healthy_server("classic, 1 connection", WireProtocol::Classic, 1);
}

#[test]
fn nobody_gets_a_foreign_value_on_two_connections_of_the_meta_protocol() {
    on_a_healthy_server("meta, 2 connections", WireProtocol::Meta, 2);
}

#[test]
fn nobody_gets_a_foreign_value_on_two_connections_of_the_classic_protocol() {
    on_a_healthy_server("classic, 2 connections", WireProtocol::Classic, 2);
}

#[test]
fn nobody_gets_a_foreign_value_on_four_connections() {
    on_a_healthy_server("auto, 4 connections", WireProtocol::Auto, 4);
}

/// Replies that come late, in pieces or not at all leave nothing that looks wrong to the next caller.
fn over_a_slow_link(name: &str, protocol: WireProtocol, max_connections: u32) {
    let server = server();
    let link = Link::to(server.address(), Faults::OfTime);
    let rules = Rules { errors: OF_RESTARTS, forgets: false };
    let client = hunt(name, options(&link.address(), protocol, max_connections), rules, |_| {});
    assert_eq!(client.metrics()[0].protocol_errors, 0);
    assert!(link.faults() > 50, "{}", link.faults());
}

#[test]
fn nobody_gets_a_foreign_value_over_a_slow_link_in_the_meta_protocol() {
    over_a_slow_link("meta, slow link", WireProtocol::Meta, 2);
}

#[test]
fn nobody_gets_a_foreign_value_over_a_slow_link_in_the_classic_protocol() {
    over_a_slow_link("classic, slow link", WireProtocol::Classic, 2);
}

/// Where every caller has a connection of its own, one who leaves leaves nobody behind who would read the late reply.
#[test]
fn nobody_gets_a_foreign_value_over_a_slow_link_with_a_connection_for_each() {
    over_a_slow_link("auto, slow link, 64 connections", WireProtocol::Auto, THREADS as u32);
}

#[test]
fn nobody_gets_a_foreign_value_when_replies_are_lost_repeated_and_swapped() {
    let server = server();
    let link = Link::to(server.address(), Faults::OfOrder);
    let rules = Rules { errors: OF_LIES, forgets: false };
    // A reply that is lost costs its caller the whole time.
    let options = Config { timeout: Duration::from_millis(300), ..options(&link.address(), WireProtocol::Meta, 2) };
    let client = hunt("meta, replies out of order", options, rules, |_| {});
    assert!(client.metrics()[0].protocol_errors > 10, "the link's faults were felt");
}

#[test]
fn nobody_gets_a_foreign_value_while_the_server_is_killed_and_restarted() {
    let mut server = server();
    let options = options(&server.address(), WireProtocol::Auto, 2);
    let rules = Rules { errors: OF_RESTARTS, forgets: true };
    let restarts = AtomicU64::new(0);
    hunt("auto, restarts", options, rules, |done| {
        while !done.load(SeqCst) {
            server.restart();
            restarts.fetch_add(1, Relaxed);
            thread::sleep(Duration::from_millis(200));
        }
    });
    assert!(restarts.into_inner() > 0);
}

extern "C" fn interrupted(_: i32) {}

#[test]
fn nobody_gets_a_foreign_value_while_signals_interrupt_calls() {
    let handler: extern "C" fn(i32) = interrupted;
    // SAFETY: the handler does nothing. Without SA_RESTART every system call is interrupted that can be.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
    }
    let server = server();
    let client = hunt("auto, signals", options(&server.address(), WireProtocol::Auto, 2), HEALTHY, |done| {
        let mut random = Random(7);
        while !done.load(SeqCst) {
            // SAFETY: a signal to this very process, whose handler does nothing.
            unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) };
            thread::sleep(Duration::from_micros(random.below(300)));
        }
    });
    assert_eq!(client.metrics()[0].protocol_errors, 0);
}
