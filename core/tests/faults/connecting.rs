//! Faults before the first request: no connection, or no greeting.

use std::time::Instant;

use cmemcache::{Client, Config, ErrorKind, Phase, ServerState, WireProtocol};

use crate::support::{client, config, eventually, failure, state, within, Blackhole, Memcached, Peer, Port, SLACK};
use crate::{get_fails, millis, set, single, text};

/// The server is left alone, until it is due for a probe: which a machine that is busy comes to sooner than to the next call.
fn is_left_alone(client: &Client) {
    eventually(SLACK, || {
        let error = client.get("k").unwrap_err();
        error.kind() == ErrorKind::ServerDown && error.message().contains("is down, to be probed again in")
    });
}

#[test]
fn a_refused_connection_fails_fast_names_the_server_and_puts_it_down() {
    let port = Port::reserve();
    let address = port.address();
    let client = client(config(&address));
    let begun = Instant::now();
    let error = failure(client.get("k"), ErrorKind::ServerDown);
    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
    assert_eq!((error.server(), error.phase()), (Some(&*address), Some(Phase::Connect)));
    assert!(error.message().starts_with(&format!("cannot connect to {address}: ")), "{error}");
    assert!(!error.is_outcome_unknown());
    assert_eq!(state(&client), ServerState::Down);
    is_left_alone(&client);
}

#[test]
fn a_unix_socket_that_is_not_there_is_a_server_that_is_down() {
    let client = client(config("unix:/nonexistent/memcached.sock"));
    let error = failure(client.get("k"), ErrorKind::ServerDown);
    assert_eq!(error.server(), Some("unix:/nonexistent/memcached.sock"));
}

#[test]
fn a_blackhole_costs_the_connect_timeout() {
    let hole = Blackhole::start();
    let address = hole.address();
    let client = client(Config { connect_timeout: millis(150), ..config(&address) });
    let begun = Instant::now();
    let caller = client.clone();
    let error = failure(within(millis(150) + SLACK, move || caller.get("k")), ErrorKind::Timeout);
    assert!(begun.elapsed() >= millis(149));
    assert_eq!((error.server(), error.phase()), (Some(&*address), Some(Phase::Connect)));
    assert_eq!(error.message(), format!("timed out connecting to {address} after 150 ms"));
    assert!(!error.is_outcome_unknown());
    assert_eq!(state(&client), ServerState::Down);
    is_left_alone(&client);
}

#[test]
fn connecting_never_takes_longer_than_the_call_may() {
    let hole = Blackhole::start();
    let client = client(Config { timeout: millis(100), ..config(&hole.address()) });
    let error = failure(within(millis(100) + SLACK, move || client.get("k")), ErrorKind::Timeout);
    assert!(error.message().ends_with("after 100 ms"), "{error}");
}

#[test]
fn a_server_that_accepts_and_never_greets_costs_the_connect_timeout() {
    let peer = Peer::start(|session| session.silence());
    let client = client(Config { connect_timeout: millis(1000), ..config(&peer.address()) });
    let caller = client.clone();
    let error = failure(within(millis(1000) + SLACK, move || caller.get("k")), ErrorKind::Timeout);
    assert_eq!(error.phase(), Some(Phase::Handshake));
    assert!(!error.is_outcome_unknown(), "only the greeting had left");
    crate::support::eventually(millis(5000), || peer.open() == 0);
    assert_eq!(client.metrics()[0].connections, 0);
}

#[test]
fn a_greeting_that_stops_half_way_costs_the_connect_timeout() {
    for (version, probe) in [("VERSION 1.6", ""), ("VERSION 1.6.18\r\n", ""), ("VERSION 1.6.18\r\n", "EN")] {
        let peer = Peer::start(move |session| {
            session.ask()?;
            session.send(version.as_bytes())?;
            session.ask()?;
            session.send(probe.as_bytes())?;
            session.silence()
        });
        let client = client(Config { connect_timeout: millis(1000), ..config(&peer.address()) });
        let error = failure(within(millis(1000) + SLACK, move || client.get("k")), ErrorKind::Timeout);
        assert_eq!(error.phase(), Some(Phase::Handshake));
    }
}

#[test]
fn a_server_that_closes_before_its_greeting_is_an_error_and_no_miss() {
    let peer = Peer::start(|_| Ok(()));
    let error = get_fails(&single(&peer), &peer, ErrorKind::Disconnected);
    assert_eq!(error.phase(), Some(Phase::Handshake));
    let peer = Peer::start(|session| {
        session.ask()?;
        session.reset()
    });
    get_fails(&single(&peer), &peer, ErrorKind::Disconnected);
}

#[test]
fn too_many_connections_is_said_so_and_passes() {
    for protocol in [WireProtocol::Auto, WireProtocol::Meta, WireProtocol::Classic] {
        let peer = Peer::start(|session| {
            if session.number == 0 {
                session.send(b"ERROR Too many open connections\r\n")?;
                return session.half_close().and_then(|()| session.silence());
            }
            session.serve(&|asked| match asked.command() {
                "version" => b"VERSION 1.6.18\r\n".to_vec(),
                "mg" if asked.key().starts_with("cmemcache-probe") => asked.code("EN"),
                "mg" => asked.hit(b"value"),
                _ => asked.block(b"value"),
            })
        });
        let client = client(Config { protocol, ..config(&peer.address()) });
        let error = get_fails(&client, &peer, ErrorKind::ServerDown);
        assert!(error.message().contains("Too many open connections"), "{error}");
        assert_eq!(text(&client, "k"), "value", "{protocol:?}: the next call is right");
    }
}

#[test]
fn a_full_memcached_is_said_so_and_serves_when_there_is_room() {
    let server = Memcached::with(&["-c", "20", "-t", "1", "-o", "maxconns_fast"]);
    let holders: Vec<_> = (0..40).map(|_| client(config(&server.address()))).collect();
    let outcomes: Vec<_> = holders.iter().map(|holder| holder.get("k")).collect();
    let refused: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(!refused.is_empty() && refused.len() < 40, "{outcomes:?}");
    assert!(refused.iter().all(|error| matches!(error.kind(), ErrorKind::ServerDown | ErrorKind::Disconnected)), "{refused:?}");
    let late = client(config(&server.address()));
    drop(holders);
    crate::support::eventually(millis(5000), || late.get("k").is_ok());
}

#[test]
fn a_server_that_wants_credentials_is_said_so() {
    for line in ["CLIENT_ERROR unauthenticated", "ERROR unauthenticated", "CLIENT_ERROR authentication failure"] {
        let peer = Peer::start(move |session| session.serve(&|_| format!("{line}\r\n").into_bytes()));
        let error = get_fails(&single(&peer), &peer, ErrorKind::Auth);
        assert!(error.message().contains(line), "{error}");
    }
}

#[test]
fn what_a_server_says_beyond_its_greeting_is_not_taken_for_a_reply() {
    let peer = Peer::start(|session| {
        session.ask()?;
        session.send(b"VERSION 1.4.39\r\n")?;
        session.ask()?;
        session.send(b"ERROR\r\nSTORED\r\n")?;
        session.silence()
    });
    let client = single(&peer);
    failure(set(&client, "k", "x"), ErrorKind::Protocol);
    crate::support::eventually(millis(5000), || peer.open() == 0);
}

#[test]
fn a_proxy_that_knows_no_version_is_served_in_the_classic_protocol() {
    for greeting in ["ERROR", "CLIENT_ERROR unknown command", "SERVER_ERROR unsupported", "VERSION mcrouter 1.0"] {
        let peer = Peer::start(move |session| {
            session.ask()?;
            session.send(format!("{greeting}\r\n").as_bytes())?;
            session.serve(&|asked| match asked.command() {
                "get" => asked.block(b"value"),
                _ => b"ERROR\r\n".to_vec(),
            })
        });
        assert_eq!(text(&single(&peer), "k"), "value", "{greeting}");
    }
}

#[test]
fn a_name_that_does_not_exist_is_a_server_that_is_down() {
    let client = client(Config { connect_timeout: millis(500), ..config("no-such-host.invalid:11211") });
    let error = within(millis(500) + SLACK, move || client.get("k")).unwrap_err();
    assert_eq!(error.phase(), Some(Phase::Resolve), "{error:?}");
    // A resolver that does not answer at all is a timeout.
    assert!(matches!(error.kind(), ErrorKind::ServerDown | ErrorKind::Timeout), "{error:?}");
}
