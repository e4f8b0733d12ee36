//! Batches whose servers fail in part, are slow, or whose bytes fill every buffer on the way.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::Arc;
use std::time::Duration;

use cmemcache::{Client, Config, ErrorKind, Exptime, Phase};

use crate::support::{client, config, configs, failure, keys, within, Asked, Blackhole, Memcached, Peer, Port, SLACK};
use crate::{millis, single, text};

/// How many of the outcomes are hits of their own key; the others' errors.
fn split(keys: &[String], outcomes: cmemcache::Each<Option<cmemcache::Item>>) -> (usize, Vec<cmemcache::Error>) {
    let (mut hits, mut errors) = (0, Vec::new());
    for (key, outcome) in keys.iter().zip(outcomes) {
        match outcome {
            Ok(item) => {
                assert_eq!(item.expect("a hit").value, key.as_bytes());
                hits += 1;
            }
            Err(error) => errors.push(error),
        }
    }
    (hits, errors)
}

fn store(client: &Client, keys: &[String]) {
    let entries: Vec<_> = keys.iter().map(|key| (key, key, 0)).collect();
    assert!(client.set_multi(&entries, Exptime::Never).unwrap().iter().all(Result::is_ok));
}

/// No server answers before all were asked: who waited for one before asking the next would wait in vain.
#[test]
fn a_batch_over_slow_servers_takes_as_long_as_one_of_them() {
    let asked_of_all = Arc::new(AtomicUsize::new(0));
    let slow = |_| {
        let asked_of_all = asked_of_all.clone();
        Peer::start(move |session| loop {
            let asked = session.ask()?;
            let before = asked_of_all.fetch_add(1, SeqCst);
            session.wait_for(|| asked_of_all.load(SeqCst) >= (before / 5 + 1) * 5)?;
            session.send(&asked.block(asked.key().as_bytes()))?;
        })
    };
    let peers: Vec<Peer> = (0..5).map(slow).collect();
    let classic = cmemcache::WireProtocol::Classic;
    let client = client(Config { protocol: classic, ..configs(peers.iter().map(Peer::address)) });
    let keys: Vec<String> = (0..200).map(|n| format!("k{n}")).filter(one_per_server()).collect();
    assert_eq!(keys.len(), 5);
    for batch in 1..=5 {
        assert_eq!(split(&keys, client.get_multi(&keys).unwrap()).0, 5);
        assert_eq!(asked_of_all.load(SeqCst), batch * 5);
    }
}

/// Lets one key pass for each of five servers, placed as python-memcached does.
fn one_per_server() -> impl FnMut(&String) -> bool {
    let mut seen = [false; 5];
    move |key| {
        let hash = (crc32fast::hash(key.as_bytes()) >> 16) & 0x7fff;
        let server = (if hash == 0 { 1 } else { hash } % 5) as usize;
        !std::mem::replace(&mut seen[server], true)
    }
}

/// The timeout that a broken server costs: long enough for the others to answer on a machine that is busy.
const SHORT: Duration = Duration::from_secs(2);

/// One that nobody waits for.
const LONG: Duration = Duration::from_secs(10);

/// Three servers, the second of them broken: the keys of the others are served, its own say why they are not.
fn one_of_three(broken: &str, [timeout, connect_timeout]: [Duration; 2], kind: ErrorKind, phase: Phase) {
    let limit = if kind == ErrorKind::Timeout { timeout.min(connect_timeout) } else { Duration::ZERO };
    let servers = [Memcached::start(), Memcached::start()];
    let addresses = [&*servers[0].address(), broken, &*servers[1].address()].map(str::to_owned);
    let client = client(Config { timeout, connect_timeout, ..configs(&addresses) });
    let all = keys("k", 300);
    let entries: Vec<_> = all.iter().map(|key| (key.clone(), key.clone(), 0)).collect();
    let writer = client.clone();
    let stored = within(limit + SLACK, move || writer.set_multi(&entries, Exptime::Never)).unwrap();
    let failed = stored.iter().filter(|outcome| outcome.is_err()).count();
    assert!((50..150).contains(&failed), "{failed} of 300");
    client.forget_dead_hosts();
    let (reader, wanted) = (client.clone(), all.clone());
    let outcomes = within(limit + SLACK, move || reader.get_multi(&wanted)).unwrap();
    let (hits, errors) = split(&all, outcomes);
    assert_eq!((hits, errors.len()), (300 - failed, failed));
    for error in errors {
        assert_eq!((error.kind(), error.server(), error.phase()), (kind, Some(broken), Some(phase)), "{error:?}");
    }
}

#[test]
fn a_hung_server_costs_its_own_keys_and_no_more_than_the_deadline() {
    let peer = Peer::meta(|session| session.silence());
    one_of_three(&peer.address(), [SHORT, LONG], ErrorKind::Timeout, Phase::Read);
}

#[test]
fn a_black_holed_server_costs_its_own_keys_and_the_connect_timeout() {
    let hole = Blackhole::start();
    one_of_three(&hole.address(), [LONG, SHORT], ErrorKind::Timeout, Phase::Connect);
}

#[test]
fn a_refusing_server_costs_its_own_keys_and_no_time() {
    let port = Port::reserve();
    one_of_three(&port.address(), [LONG, LONG], ErrorKind::ServerDown, Phase::Connect);
}

#[test]
fn a_frozen_memcached_costs_its_own_keys_and_no_more_than_the_deadline() {
    let server = Memcached::start();
    let warm = client(config(&server.address()));
    warm.get("k").unwrap();
    server.freeze();
    one_of_three(&server.address(), [LONG, SHORT], ErrorKind::Timeout, Phase::Handshake);
    let error = failure(warm.with_timeout(millis(500)).unwrap().get("k"), ErrorKind::Timeout);
    assert_eq!(error.phase(), Some(Phase::Read));
    server.thaw();
}

#[test]
fn what_was_answered_before_a_connection_broke_is_kept() {
    let peer = Peer::meta(|session| {
        let asked = session.ask()?;
        if asked.command() == "get" {
            return session.send(&asked.blocks()[..3].concat());
        }
        session.send(&asked.echo())?;
        for _ in 0..2 {
            let asked = session.ask()?;
            session.send(&asked.echo())?;
        }
        Ok(())
    });
    let client = single(&peer);
    let all = keys("k", 10);
    let (hits, errors) = split(&all, client.get_multi(&all).unwrap());
    assert_eq!((hits, errors.len()), (3, 7));
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Disconnected));
    let entries: Vec<_> = all.iter().map(|key| (key, "x", 0)).collect();
    let stored = client.set_multi(&entries, Exptime::Never).unwrap();
    assert_eq!(stored.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    assert!(stored[3..].iter().all(|outcome| outcome.as_ref().is_err_and(cmemcache::Error::is_outcome_unknown)));
}

#[test]
fn a_restart_within_a_batch_of_reads_is_made_good_by_another_connection() {
    let peer = Peer::meta(|session| {
        if session.number == 0 {
            let first = session.ask()?;
            session.send(&first.echo())?;
            let batch = session.ask()?;
            return session.send(&batch.blocks()[..4].concat());
        }
        session.serve(&Asked::echo)
    });
    let client = single(&peer);
    text(&client, "first");
    let all = keys("k", 10);
    assert_eq!(split(&all, client.get_multi(&all).unwrap()).0, 10);
    assert_eq!(peer.accepted(), 2);
}

/// 20 MB of requests and 20 MB of replies, through a server that reads nothing while it writes and whose buffers are tiny:
/// who wrote all before reading any would wait for ever.
#[test]
fn a_batch_that_fills_every_buffer_both_ways_gets_through() {
    let peer = Peer::start(|session| {
        session.limit_buffers(64 << 10)?;
        session.greet_meta()?;
        session.serve(&Asked::echo)
    });
    let client = client(Config { timeout: Duration::from_secs(30), ..config(&peer.address()) });
    let all: Vec<String> = (0..50_000).map(|n| format!("{n:0>240}")).collect();
    let outcomes = within(Duration::from_secs(30), {
        let all = all.clone();
        move || client.get_multi(&all)
    })
    .unwrap();
    assert_eq!(split(&all, outcomes).0, all.len());
}

#[test]
fn sixty_four_megabytes_each_way_get_through_small_buffers() {
    let server = Memcached::with(&["-m", "256"]);
    let peer = Peer::proxy(&server, |session, bytes| {
        session.limit_buffers(32 << 10)?;
        session.send(bytes)
    });
    let client = client(Config { timeout: Duration::from_secs(30), ..config(&peer.address()) });
    let value = vec![b'v'; 100_000];
    let all = keys("k", 640);
    let writer = client.clone();
    let (wanted, written) = (all.clone(), value.clone());
    let stored = within(Duration::from_secs(30), move || {
        let entries: Vec<_> = wanted.iter().map(|key| (key, &written, 0)).collect();
        writer.set_multi(&entries, Exptime::Never)
    });
    assert!(stored.unwrap().iter().all(Result::is_ok));
    let read = within(Duration::from_secs(30), move || client.get_multi(&all)).unwrap();
    assert!(read.into_iter().all(|item| item.unwrap().unwrap().value == value));
}

#[test]
fn single_keys_on_the_healthy_servers_are_as_fast_as_ever() {
    let hangs = Arc::new(AtomicBool::new(false));
    let hanging = hangs.clone();
    let hung = Peer::meta(move |session| loop {
        let asked = session.ask()?;
        session.wait_for(|| !hanging.load(SeqCst))?;
        session.send(&asked.echo())?;
    });
    let server = Memcached::start();
    let client = client(configs([server.address(), hung.address()]));
    let all = keys("k", 40);
    let healthy: Vec<_> = all.iter().filter(|key| client.get(key).unwrap().is_none()).cloned().collect();
    assert!(healthy.len() > 10 && healthy.len() < 30);
    store(&client, &healthy);
    hangs.store(true, SeqCst);
    hung.forget();
    let stuck = client.clone();
    let (wanted, count) = (all.clone(), all.len());
    let waiting = std::thread::spawn(move || split(&wanted, stuck.get_multi(&wanted).unwrap()).0);
    hung.has_heard("get ");
    for key in &healthy {
        assert_eq!(text(&client, key), *key);
    }
    assert!(!waiting.is_finished(), "the batch waits for the server that hangs, and nobody waits for the batch");
    hangs.store(false, SeqCst);
    assert_eq!(waiting.join().unwrap(), count);
}
