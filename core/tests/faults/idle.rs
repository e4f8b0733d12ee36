//! What happens to a connection between two calls.

use std::time::Duration;

use cmemcache::{Client, Config, ErrorKind, Exptime, StoreOutcome, WireProtocol};

use crate::support::{client, config, eventually, failure, Asked, Memcached, Peer, SLACK};
use crate::{millis, set, single, text};

/// A peer whose first connection answers one request and then does something.
fn after_one(then: impl Fn(&mut crate::support::Session) -> std::io::Result<()> + Send + Sync + 'static) -> Peer {
    Peer::meta(move |session| {
        if session.number == 0 {
            let asked = session.ask()?;
            session.send(&asked.echo())?;
            return then(session);
        }
        session.serve(&Asked::echo)
    })
}

/// After the first call something happened; the next one, a set, does not notice.
fn survives(peer: &Peer) {
    let client = single(peer);
    assert_eq!(text(&client, "first"), "first");
    // It has happened, and the system has had time to tell.
    eventually(SLACK, || peer.open() == 0 || peer.silent() == 1);
    std::thread::sleep(millis(50));
    assert_eq!(set(&client, "second", "x").unwrap(), StoreOutcome::Stored);
    assert_eq!(text(&client, "third"), "third");
    assert_eq!(peer.accepted(), 2);
    assert_eq!(client.metrics()[0].disconnects, 0);
}

#[test]
fn a_connection_that_was_closed_while_idle_is_seen_before_it_is_used() {
    survives(&after_one(|_| Ok(())));
}

#[test]
fn a_connection_that_was_reset_while_idle_is_seen_before_it_is_used() {
    survives(&after_one(|session| session.reset()));
}

#[test]
fn a_connection_that_was_half_closed_while_idle_is_seen_before_it_is_used() {
    survives(&after_one(|session| {
        session.half_close()?;
        session.silence()
    }));
}

#[test]
fn bytes_that_nobody_asked_for_are_seen_before_the_connection_is_used() {
    for bytes in [&b"HD O4\r\n"[..], b"EN\r\n", b"\0", b"SERVER_ERROR shutting down\r\n"] {
        survives(&after_one(move |session| {
            session.send(bytes)?;
            session.silence()
        }));
    }
}

#[test]
fn a_memcached_that_closes_idle_connections_is_never_noticed() {
    let server = Memcached::with(&["-o", "idle_timeout=1"]);
    let client = client(config(&server.address()));
    set(&client, "k", "1").unwrap();
    let before = server.stat("curr_connections");
    eventually(Duration::from_secs(60), || server.stat("idle_kicks") >= 1 && server.stat("curr_connections") < before);
    std::thread::sleep(millis(50));
    assert_eq!(set(&client, "k", "2").unwrap(), StoreOutcome::Stored);
    assert_eq!(client.metrics()[0].connects, 2);
}

#[test]
fn a_restart_between_two_calls_is_never_noticed() {
    let mut server = Memcached::start();
    for protocol in [WireProtocol::Auto, WireProtocol::Meta, WireProtocol::Classic] {
        let client = client(Config { protocol, ..config(&server.address()) });
        for _ in 0..3 {
            set(&client, "k", "before").unwrap();
            server.restart();
            assert_eq!(client.get("k").unwrap(), None);
            server.restart();
            assert_eq!(set(&client, "k", "after").unwrap(), StoreOutcome::Stored);
            server.restart();
            assert_eq!(client.get_multi(&["k"]).unwrap()[0].as_ref().unwrap(), &None);
            server.restart();
            assert!(!client.delete("k").unwrap());
        }
        assert_eq!(client.metrics()[0].disconnects, 0);
    }
}

/// Both callers find the connections that are left from before the restart; none of them uses a second one in vain.
#[test]
fn a_restart_closes_all_idle_connections_at_once() {
    let mut server = Memcached::start();
    let client = client(Config { max_connections: 8, ..config(&server.address()) });
    server.freeze();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn({
                let client = client.clone();
                move || client.get("k")
            })
        })
        .collect();
    eventually(SLACK, || client.metrics()[0].connections == 8);
    server.thaw();
    for caller in callers {
        caller.join().unwrap().unwrap();
    }
    assert_eq!(client.metrics()[0].connections, 8);
    server.restart();
    set(&client, "k", "x").unwrap();
    assert_eq!(client.metrics()[0].connections, 1);
}

/// The server closes the connection when the request is on its way: a read is repeated once, a write says that its outcome
/// is unknown.
#[test]
fn a_connection_that_is_closed_as_it_is_used_repeats_reads_and_no_writes() {
    let peer = || {
        Peer::meta(|session| {
            let asked = session.ask()?;
            session.send(&asked.echo())?;
            if session.number == 0 {
                session.ask()?;
                return Ok(());
            }
            session.serve(&Asked::echo)
        })
    };
    let reading = peer();
    let client = single(&reading);
    text(&client, "first");
    assert_eq!(text(&client, "second"), "second");
    assert_eq!(reading.accepted(), 2);
    let writes: [fn(&Client) -> cmemcache::Result<()>; 5] = [
        |client| set(client, "k", "x").map(drop),
        |client| client.delete("k").map(drop),
        |client| client.incr("k", 1, None).map(drop),
        |client| client.touch("k", Exptime::Never).map(drop),
        |client| client.gat("k", Exptime::Never).map(drop),
    ];
    for write in writes {
        let writing = peer();
        let client = single(&writing);
        text(&client, "first");
        let error = failure(write(&client), ErrorKind::Disconnected);
        assert!(error.is_outcome_unknown());
        assert_eq!(writing.accepted(), 1, "it was not repeated");
        assert_eq!(text(&client, "next"), "next");
    }
}

#[test]
fn a_read_is_repeated_only_once() {
    let peer = Peer::meta(|session| {
        let asked = session.ask()?;
        if asked.key() == "first" {
            session.send(&asked.echo())?;
            session.ask()?;
        }
        Ok(())
    });
    let client = single(&peer);
    text(&client, "first");
    failure(client.get("k"), ErrorKind::Disconnected);
    assert_eq!(peer.accepted(), 2);
}
