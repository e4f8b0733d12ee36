//! Operations on servers rather than on keys, and the client's own life.

use std::time::{Duration, Instant};

use cmemcache::{Config, ErrorKind, Exptime, ServerSpec, ServerState, WireProtocol};

use crate::every_way;
use crate::support::{client, config, configs, eventually, failure, keys, state, within, Memcached, SLACK};

#[test]
fn version_stats_and_verbosity_are_answered_by_every_server() {
    every_way(|client, _| {
        let version = client.version().unwrap().remove(0);
        assert_eq!((version.server, version.weight), (client.metrics()[0].server.clone(), 1));
        assert_eq!(version.reply.unwrap().split('.').count(), 3);
        let stats = |argument| client.stats(argument).unwrap().remove(0).reply.unwrap();
        assert!(stats(None).iter().any(|(name, value)| name == "pid" && value.parse::<u32>().is_ok()));
        assert!(stats(Some("settings")).iter().any(|(name, value)| name == "item_size_max" && value == "1048576"));
        client.set("k", "x", 0, Exptime::Never).unwrap();
        assert!(stats(Some("items")).iter().any(|(name, _)| name.ends_with(":number")));
        assert!(stats(Some("slabs")).len() > 5);
        assert_eq!(stats(Some("reset")), []);
        for level in [1, 0] {
            client.verbosity(level).unwrap().remove(0).reply.unwrap();
        }
        assert_eq!(client.metrics()[0].connects, 1);
    });
}

#[test]
fn flush_all_empties_every_server_now_or_later() {
    every_way(|client, _| {
        client.set("k", "x", 0, Exptime::Never).unwrap();
        client.flush_all(100).unwrap().remove(0).reply.unwrap();
        assert!(client.get("k").unwrap().is_some(), "not yet");
        client.flush_all(0).unwrap().remove(0).reply.unwrap();
        // What was stored in the second of the flush is dropped; the server's clock has to tick before it keeps anything.
        assert_eq!(client.get("k").unwrap(), None);
    });
}

#[test]
fn a_dead_server_does_not_keep_the_others_from_answering() {
    let (alive, mut dead) = (Memcached::start(), Memcached::start());
    let client = client(configs([alive.address(), dead.address()]));
    dead.kill();
    let replies = client.version().unwrap();
    assert_eq!(replies[0].reply.as_ref().unwrap().split('.').count(), 3);
    let error = failure(replies[1].reply.clone(), ErrorKind::ServerDown);
    assert_eq!(error.server(), Some(&*dead.address()));
    assert!(client.flush_all(0).unwrap()[0].reply.is_ok());
}

#[test]
fn a_client_without_servers_says_so() {
    let client = client(Config::default());
    failure(client.get("k"), ErrorKind::NoServers);
    failure(client.set("k", "x", 0, Exptime::Never), ErrorKind::NoServers);
    failure(client.get_multi(&["k"]), ErrorKind::NoServers);
    failure(client.get_multi::<&str>(&[]), ErrorKind::NoServers);
    failure(client.version().map(|_| ()), ErrorKind::NoServers);
    assert!(client.metrics().is_empty());
    client.disconnect_all();
    client.forget_dead_hosts();
}

#[test]
fn servers_can_be_replaced_and_those_that_stay_keep_their_connections() {
    let (first, second) = (Memcached::start(), Memcached::start());
    let spec = |server: &Memcached| ServerSpec::parse(&server.address(), 1).unwrap();
    let client = client(config(&first.address()));
    client.set("k", "first", 0, Exptime::Never).unwrap();
    client.set_servers(vec![spec(&second)]).unwrap();
    assert_eq!(client.get("k").unwrap(), None);
    client.set("k", "second", 0, Exptime::Never).unwrap();
    client.set_servers(vec![spec(&second), spec(&first)]).unwrap();
    let keys = keys("k", 100);
    assert!(client.get_multi(&keys).unwrap().into_iter().all(|item| item.unwrap().is_none()));
    let metrics = client.metrics();
    assert_eq!(metrics[0].server, second.address());
    assert_eq!((metrics[0].connects, metrics[1].connects), (1, 1), "the second stayed, the first came anew");
    client.set_servers(vec![]).unwrap();
    failure(client.get("k"), ErrorKind::NoServers);
    client.set_servers(vec![spec(&second)]).unwrap();
    assert_eq!(client.get("k").unwrap().unwrap().value, "second");
}

#[test]
fn disconnect_all_closes_and_the_next_call_opens() {
    let server = Memcached::start();
    let client = client(config(&server.address()));
    client.get("k").unwrap();
    let before = server.stat("curr_connections");
    client.disconnect_all();
    assert_eq!(client.metrics()[0].connections, 0);
    eventually(SLACK, || server.stat("curr_connections") < before);
    client.get("k").unwrap();
    assert_eq!(client.metrics()[0].connects, 2);
}

#[test]
fn a_client_that_was_shut_down_is_closed_for_all_its_clones() {
    let server = Memcached::start();
    let client = client(config(&server.address()));
    let (clone, other) = (client.clone(), client.with_timeout(Duration::from_secs(1)).unwrap());
    client.set("k", "x", 0, Exptime::Never).unwrap();
    let before = server.stat("curr_connections");
    client.shutdown();
    for client in [client, clone, other] {
        failure(client.get("k"), ErrorKind::Closed);
        failure(client.get_multi(&["k"]), ErrorKind::Closed);
        failure(client.stats(None).map(|_| ()), ErrorKind::Closed);
        failure(client.set_servers(vec![]), ErrorKind::Closed);
        failure(client.mark_down("x", Duration::from_secs(1)), ErrorKind::Closed);
        assert!(client.metrics().is_empty());
        client.shutdown();
    }
    eventually(SLACK, || server.stat("curr_connections") < before);
}

#[test]
fn dropping_the_last_clone_closes_the_connections() {
    let server = Memcached::start();
    let client = client(config(&server.address()));
    let clone = client.clone();
    client.get("k").unwrap();
    let before = server.stat("curr_connections");
    drop(client);
    clone.get("k").unwrap();
    drop(clone);
    eventually(SLACK, || server.stat("curr_connections") < before);
}

#[test]
fn marking_down_and_forgetting_are_heeded_at_once() {
    let server = Memcached::start();
    let client = client(config(&server.address()));
    client.get("k").unwrap();
    client.mark_down(&server.address(), Duration::from_secs(60)).unwrap();
    assert_eq!(state(&client), ServerState::Down);
    assert!((30_000..=60_000).contains(&client.metrics()[0].down_for_ms));
    let error = failure(client.get("k"), ErrorKind::ServerDown);
    assert!(error.message().contains("is down, to be probed again in"), "{error}");
    client.forget_dead_hosts();
    assert_eq!(state(&client), ServerState::Up);
    client.get("k").unwrap();
    let (begun, short) = (Instant::now(), Duration::from_millis(50));
    client.mark_down(&server.address(), short).unwrap();
    eventually(SLACK, || client.get("k").is_ok());
    assert!(begun.elapsed() >= short, "{:?}", begun.elapsed());
    assert_eq!(state(&client), ServerState::Up);
    failure(client.mark_down("elsewhere:1", Duration::from_secs(1)), ErrorKind::InvalidArgument);
}

/// A server that was away may hold what others have changed meanwhile.
#[test]
fn flush_on_reconnect_empties_a_server_that_was_down_before_anything_is_read() {
    for protocol in [WireProtocol::Auto, WireProtocol::Meta, WireProtocol::Classic] {
        let server = Memcached::start();
        let patient = client(Config { protocol, flush_on_reconnect: true, failure_limit: 1, ..config(&server.address()) });
        let hasty = patient.with_timeout(Duration::from_millis(100)).unwrap();
        patient.set("k", "stale", 0, Exptime::Never).unwrap();
        assert!(patient.get("k").unwrap().is_some(), "the first connection is none after a failure");
        // Two connections, so that one is left when the other has failed.
        server.freeze();
        let both = [patient.clone(), patient.clone()].map(|client| std::thread::spawn(move || client.get("k")));
        eventually(SLACK, || patient.metrics()[0].connections == 2);
        server.thaw();
        for reader in both {
            assert!(reader.join().unwrap().unwrap().is_some());
        }
        assert_eq!(patient.metrics()[0].connections, 2);
        server.freeze();
        failure(hasty.get("k"), ErrorKind::Timeout);
        assert_eq!(state(&patient), ServerState::Down);
        server.thaw();
        let (reader, kept) = (patient.clone(), server.address());
        let read = within(Duration::from_secs(10), move || loop {
            match reader.get("k") {
                Err(error) if error.kind() == ErrorKind::ServerDown => std::thread::sleep(Duration::from_millis(5)),
                outcome => break outcome,
            }
        });
        assert_eq!(read.unwrap(), None, "{protocol:?}: {kept} was emptied");
        assert_eq!(server.stat("cmd_flush"), 1);
    }
}
