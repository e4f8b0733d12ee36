//! Each fault, as it looks on the wire and as the client sees it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use cmemcache::testing::{Fault, Server};
use cmemcache::{Client, Config, ErrorKind, Exptime, WireProtocol};

use crate::support::{client, config, configs, failure, SLACK};

const LIMIT: Duration = Duration::from_secs(10);

/// A server with an item, and a client that has made its connection.
fn ready(protocol: WireProtocol) -> (Server, Client) {
    let server = Server::start().unwrap();
    let client = client(Config { protocol, failure_limit: 1000, ..config(&server.address()) });
    client.set("k", "value of k", 7, Exptime::Never).unwrap();
    client.set("other", "value of other", 0, Exptime::Never).unwrap();
    (server, client)
}

const PROTOCOLS: [WireProtocol; 3] = [WireProtocol::Auto, WireProtocol::Meta, WireProtocol::Classic];

/// The client finds its values, which shows that no reply reached the wrong call.
fn is_well(client: &Client) {
    for _ in 0..3 {
        assert_eq!(client.get("k").unwrap().unwrap().value, "value of k");
        assert_eq!(client.get("other").unwrap().unwrap().value, "value of other");
    }
}

#[test]
fn a_delayed_reply_is_late_and_right() {
    let (server, client) = ready(WireProtocol::Auto);
    server.inject(Fault::Delay(Duration::from_millis(50)), 1);
    let begun = Instant::now();
    assert_eq!(client.get("k").unwrap().unwrap().value, "value of k");
    assert!(begun.elapsed() >= Duration::from_millis(50));
    is_well(&client);
}

#[test]
fn a_reply_later_than_the_deadline_reaches_nobody() {
    for protocol in PROTOCOLS {
        let (server, client) = ready(protocol);
        let hasty = client.with_timeout(Duration::from_millis(30)).unwrap();
        server.inject(Fault::Delay(Duration::from_millis(150)), 1);
        failure(hasty.get("k"), ErrorKind::Timeout);
        is_well(&client);
    }
}

#[test]
fn a_reply_in_pieces_of_every_length_is_whole() {
    for protocol in PROTOCOLS {
        let (server, client) = ready(protocol);
        for length in 0..40 {
            server.inject(Fault::Split(length), 1);
            let item = client.get("k").unwrap().unwrap();
            assert_eq!((&item.value[..], item.flags), (&b"value of k"[..], 7));
        }
        is_well(&client);
    }
}

#[test]
fn a_reply_cut_at_every_byte_is_an_error_and_no_value() {
    for protocol in PROTOCOLS {
        for length in 0..20 {
            let (server, client) = ready(protocol);
            // Once for the read and once for its repetition.
            server.inject(Fault::Truncate(length), 2);
            failure(client.get("k"), ErrorKind::Disconnected);
        }
        for length in 0..6 {
            let (server, client) = ready(protocol);
            server.inject(Fault::Truncate(length), 1);
            let error = failure(client.set("k", "x", 0, Exptime::Never), ErrorKind::Disconnected);
            assert!(error.is_outcome_unknown());
        }
    }
}

#[test]
fn doubled_dropped_and_swapped_replies_never_give_another_keys_value() {
    for protocol in PROTOCOLS {
        for fault in [Fault::Duplicate, Fault::Drop, Fault::Swap] {
            let (server, client) = ready(protocol);
            let client = client.with_timeout(Duration::from_millis(150)).unwrap();
            for _ in 0..3 {
                server.inject(fault.clone(), 1);
                for (key, value) in [("k", "value of k"), ("other", "value of other")] {
                    if let Ok(item) = client.get(key) {
                        assert_eq!(item.unwrap().value, value, "{fault:?}");
                    }
                }
            }
            is_well(&client.with_timeout(LIMIT).unwrap());
        }
    }
}

#[test]
fn a_reset_and_a_close_are_told_apart_from_a_miss() {
    for fault in [Fault::Reset, Fault::Truncate(0)] {
        let (server, client) = ready(WireProtocol::Auto);
        server.inject(fault, 2);
        let error = failure(client.set("k", "x", 0, Exptime::Never), ErrorKind::Disconnected);
        assert!(error.is_outcome_unknown());
        server.clear();
        client.set("k", "value of k", 7, Exptime::Never).unwrap();
        client.set("other", "value of other", 0, Exptime::Never).unwrap();
        is_well(&client);
    }
}

#[test]
fn garbage_is_an_error_of_the_protocol() {
    for garbage in ["\0\u{1}nonsense\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "VALUE wrong 0 5\r\nwrong\r\nEND\r\n"] {
        for protocol in PROTOCOLS {
            let (server, client) = ready(protocol);
            server.inject(Fault::Garbage(garbage.into()), 1);
            failure(client.get("k"), ErrorKind::Protocol);
            is_well(&client);
        }
    }
}

#[test]
fn silence_lasts_as_long_as_its_connection() {
    let (server, client) = ready(WireProtocol::Auto);
    server.inject(Fault::Silence, 1);
    let hasty = client.with_timeout(Duration::from_millis(1000)).unwrap();
    let begun = Instant::now();
    failure(hasty.set("k", "x", 0, Exptime::Never), ErrorKind::Timeout);
    assert!(begun.elapsed() < Duration::from_millis(1000) + SLACK);
    // The value was stored: the server did its work and told nobody.
    client.disconnect_all();
    assert_eq!(client.get("k").unwrap().unwrap().value, "x");
}

#[test]
fn a_half_closed_connection_is_replaced() {
    let (server, client) = ready(WireProtocol::Auto);
    let before = server.counts().connections;
    server.inject(Fault::HalfClose, 1);
    is_well(&client);
    assert_eq!(server.counts().connections, before + 1);
}

#[test]
fn out_of_memory_is_typed_and_the_connection_is_used_on() {
    for protocol in PROTOCOLS {
        let (server, client) = ready(protocol);
        server.inject(Fault::OutOfMemory, 1);
        failure(client.set("k", "x", 0, Exptime::Never), ErrorKind::ServerError);
        assert!(client.get("k").unwrap().is_none(), "the old item is gone");
        client.set("k", "value of k", 7, Exptime::Never).unwrap();
        is_well(&client);
    }
}

#[test]
fn one_connection_too_many_is_refused_in_words() {
    let server = Server::start().unwrap();
    server.inject(Fault::TooManyConnections, 1);
    let mut words = String::new();
    TcpStream::connect(server.address()).unwrap().read_to_string(&mut words).unwrap();
    assert_eq!(words, "ERROR Too many open connections\r\n");
    let client = client(config(&server.address()));
    assert!(client.get("k").unwrap().is_none());
    assert_eq!((server.counts().connections, server.counts().open_connections), (1, 1));
}

#[test]
fn faults_take_place_in_order_and_as_often_as_asked() {
    let server = Server::start().unwrap();
    server.inject(Fault::Garbage(b"one\r\n".to_vec()), 2);
    server.inject(Fault::Garbage(b"two\r\n".to_vec()), 1);
    server.inject(Fault::Garbage(b"none\r\n".to_vec()), 0);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream
        .write_all(
            b"version\r\nmg probe\r\nget a\r\nset a 0 0 1 noreply\r\nx\r\nget a b\r\nmg c q\r\nget d\r\nget e\r\nquit\r\n",
        )
        .unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    assert_eq!(replies, "VERSION 1.6.18\r\nEN\r\none\r\none\r\ntwo\r\nEND\r\n");
}

#[test]
fn clearing_calls_faults_off() {
    let (server, client) = ready(WireProtocol::Auto);
    server.inject(Fault::Reset, 100);
    server.clear();
    assert!(client.get("k").unwrap().is_none());
    assert_eq!(server.counts().reads, 1);
}

#[test]
fn a_stopped_server_refuses_connections_and_keeps_its_port() {
    let (server, client) = ready(WireProtocol::Auto);
    server.stop();
    // The first call may find the connection as it breaks.
    assert!(client.set("k", "x", 0, Exptime::Never).is_err());
    failure(client.set("k", "x", 0, Exptime::Never), ErrorKind::ServerDown);
    server.stop();
    let refused = TcpStream::connect(server.address()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    // It goes to nobody else either.
    assert!(std::net::TcpListener::bind(server.address()).is_err());
    server.restart().unwrap();
    let fresh = crate::support::client(configs([server.address()]));
    assert!(fresh.get("k").unwrap().is_none(), "items are lost");
}

#[test]
fn a_restart_loses_the_items_and_a_client_goes_on() {
    let (server, client) = ready(WireProtocol::Auto);
    server.restart().unwrap();
    assert!(client.get("k").unwrap().is_none());
    client.set("k", "value of k", 7, Exptime::Never).unwrap();
    client.set("other", "value of other", 0, Exptime::Never).unwrap();
    is_well(&client);
}
