//! What a client counts.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;
use std::time::Duration;

use cmemcache::{Config, Create, ErrorKind, Exptime, ServerState, WireProtocol};

use crate::both_dialects;
use crate::support::{client, config, eventually, failure, keys, Memcached, Peer, Port, SLACK};

#[test]
fn operations_hits_and_misses_are_counted_one_by_one() {
    both_dialects(&[], |server, config| {
        let meta = config.protocol == WireProtocol::Meta;
        let client = client(config);
        let before = client.metrics().remove(0);
        assert_eq!((before.server, before.weight, before.state), (server.address(), 1, ServerState::Up));
        assert_eq!((before.operations, before.connects, before.connections, before.bytes_read), (0, 0, 0, 0));
        client.set("k", "x", 0, Exptime::Never).unwrap();
        client.get("k").unwrap();
        client.gets("k").unwrap();
        client.gat("k", Exptime::Never).unwrap();
        client.get("none").unwrap();
        client.gat("none", Exptime::Never).unwrap();
        client.gats("none", Exptime::Never).unwrap();
        client.delete("none").unwrap();
        client.touch("none", Exptime::Never).unwrap();
        client.incr("none", 1, None).unwrap();
        client.get_multi(&["k", "none", "k"]).unwrap();
        client.version().unwrap();
        let after = client.metrics().remove(0);
        assert_eq!((after.hits, after.misses), (5, 4), "reads only");
        assert_eq!(after.operations, 14);
        assert_eq!((after.connects, after.connections, after.in_flight), (1, 1, 0));
        let failures = [after.connect_errors, after.timeouts, after.disconnects, after.protocol_errors, after.server_errors];
        assert_eq!(failures, [0; 5]);
        if meta {
            client.metadata("k").unwrap();
            client.metadata("none").unwrap();
            let after = client.metrics().remove(0);
            assert_eq!((after.hits, after.misses), (5, 4), "metadata reads no value");
        }
    });
}

#[test]
fn bytes_are_those_on_the_wire() {
    let server = Memcached::start();
    for protocol in [WireProtocol::Auto, WireProtocol::Classic] {
        let peer = Peer::proxy(&server, |session, bytes| session.send(bytes));
        let client = client(Config { protocol, ..config(&peer.address()) });
        let entries: Vec<_> = keys("k", 300).into_iter().map(|key| (key, vec![b'x'; 5000], 0)).collect();
        client.set_multi(&entries, Exptime::Never).unwrap();
        client.get_multi(&keys("k", 400)).unwrap();
        let written = client.metrics()[0].bytes_written;
        assert_eq!(written, peer.received().len() as u64);
        assert!(client.metrics()[0].bytes_read > 300 * 5000);
    }
}

#[test]
fn failures_are_counted_by_kind() {
    let server = Memcached::start();
    let client_of = |address: &str, protocol| client(Config { protocol, failure_limit: 1000, ..config(address) });
    let classic = client_of(&server.address(), WireProtocol::Classic);
    classic.set("k", "text", 0, Exptime::Never).unwrap();
    failure(classic.incr("k", 1, None), ErrorKind::NotNumeric);
    failure(classic.metadata("k"), ErrorKind::Unsupported);
    let create = Some(Create { initial: 1, exptime: Exptime::Never });
    classic.incr("n", 1, create).unwrap();
    assert_eq!(classic.metrics()[0].server_errors, 1, "what the client itself refuses is none of the server's errors");

    let silent = Peer::meta(|session| session.silence());
    let client = client_of(&silent.address(), WireProtocol::Auto).with_timeout(Duration::from_millis(1500)).unwrap();
    failure(client.get("k"), ErrorKind::Timeout);
    assert!(client.get_multi(&["a", "b", "c"]).unwrap().iter().all(Result::is_err));
    assert_eq!(client.metrics()[0].timeouts, 4);
    assert_eq!((client.metrics()[0].connects, client.metrics()[0].connections), (2, 0));

    let closing = Peer::meta(|session| session.ask().map(|_| ()));
    let client = client_of(&closing.address(), WireProtocol::Auto);
    failure(client.get("k"), ErrorKind::Disconnected);
    assert_eq!(client.metrics()[0].disconnects, 1);

    let babbling = Peer::meta(|session| {
        session.ask()?;
        session.send(b"what?\r\n")
    });
    let client = client_of(&babbling.address(), WireProtocol::Auto);
    failure(client.get("k"), ErrorKind::Protocol);
    assert_eq!(client.metrics()[0].protocol_errors, 1);

    let client = client_of(&Port::reserve().address(), WireProtocol::Auto);
    for calls in 1..=3 {
        failure(client.get("k"), ErrorKind::ServerDown);
        assert_eq!(client.metrics()[0].connect_errors, calls, "those that were not even tried count too");
    }
    assert_eq!(client.metrics()[0].operations, 0);
    assert_eq!(client.metrics()[0].in_flight, 0);
}

#[test]
fn requests_under_way_are_counted_while_they_are() {
    let counted = Arc::new(AtomicBool::new(false));
    let goes_on = counted.clone();
    let peer = Peer::meta(move |session| {
        let asked = session.ask()?;
        session.wait_for(|| goes_on.load(SeqCst))?;
        session.send(&asked.hit(b"x"))?;
        session.silence()
    });
    let client = client(config(&peer.address()));
    let caller = client.clone();
    let call = std::thread::spawn(move || caller.get("k"));
    eventually(SLACK, || client.metrics()[0].in_flight == 1);
    counted.store(true, SeqCst);
    call.join().unwrap().unwrap().unwrap();
    assert_eq!(client.metrics()[0].in_flight, 0);
}
