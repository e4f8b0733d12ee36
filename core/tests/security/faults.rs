//! Faults on the way of a secured connection: an error in time, never a wrong value, never a word in plain.

use std::thread;
use std::time::Duration;

use cmemcache::{Config, ErrorKind, Exptime, Phase};

use crate::support::{client, config, failure, within, Peer, SLACK};
use crate::{over, secured, set_and_get, trusting};

/// Long enough for a handshake on a machine that is busy.
const TIMEOUT: Duration = Duration::from_secs(2);

const GREETING: &[u8] = b"version\r\n";

/// Fails at this peer, which has heard nothing in plain.
fn fails(peer: &Peer, kind: ErrorKind) -> cmemcache::Error {
    let client = client(Config { connect_timeout: TIMEOUT, tls: Some(trusting()), ..config(&peer.address()) });
    let error = failure(within(TIMEOUT + SLACK, move || client.get("a-key-in-plain")), kind);
    assert_eq!((error.server(), error.phase()), (Some(&*peer.address()), Some(Phase::Handshake)), "{error:?}");
    let heard = peer.received();
    for plain in [GREETING, b"a-key-in-plain"] {
        assert!(!heard.windows(plain.len()).any(|window| window == plain), "in plain");
    }
    assert!(heard.is_empty() || heard[0] == 0x16, "the first byte of a handshake");
    error
}

#[test]
fn a_server_that_closes_in_the_handshake_is_an_error() {
    fails(&Peer::start(|_| Ok(())), ErrorKind::Disconnected);
    let after_hello =
        Peer::start(|session| session.receive().and_then(|()| session.half_close()).and_then(|()| session.silence()));
    fails(&after_hello, ErrorKind::Disconnected);
    let reset = Peer::start(|session| session.receive().and_then(|()| session.reset()));
    fails(&reset, ErrorKind::Disconnected);
}

#[test]
fn a_server_that_says_nothing_costs_the_connect_timeout() {
    let error = fails(&Peer::start(|session| session.silence()), ErrorKind::Timeout);
    assert!(error.message().ends_with("after 2000 ms"), "{error}");
}

#[test]
fn a_server_that_speaks_no_tls_is_said_so_and_hears_nothing_in_plain() {
    for words in [&b"ERROR\r\n"[..], b"VERSION 1.6.18\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0; 100], &[0xff; 100]] {
        let peer = Peer::start(move |session| {
            session.receive()?;
            session.send(words)?;
            session.silence()
        });
        let error = fails(&peer, ErrorKind::Tls);
        assert!(error.message().ends_with(": it does not speak TLS"), "{error}");
    }
}

#[test]
fn a_plain_memcached_behind_tls_options_is_an_error_and_stores_nothing() {
    let server = crate::support::Memcached::start();
    let client =
        client(Config { connect_timeout: Duration::from_millis(300), tls: Some(trusting()), ..config(&server.address()) });
    let caller = client.clone();
    let error = within(SLACK, move || caller.set("k", "value", 0, Exptime::Never)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Tls | ErrorKind::Timeout | ErrorKind::Disconnected), "{error:?}");
    assert_eq!(server.stat("cmd_set"), 0);
}

#[test]
fn a_client_without_tls_gets_an_error_from_a_tls_server() {
    let server = secured("server", "");
    let client = client(Config { connect_timeout: Duration::from_millis(300), ..config(&server.address()) });
    let error = within(SLACK, move || client.get("k")).unwrap_err();
    let kinds = [ErrorKind::Protocol, ErrorKind::Disconnected, ErrorKind::Timeout];
    assert!(kinds.contains(&error.kind()) && error.phase().is_some(), "{error:?}");
}

#[test]
fn records_that_come_byte_by_byte_are_put_together() {
    let server = secured("server", "");
    let front = Peer::proxy(&server, |session, bytes| session.drip(bytes));
    // A machine that is busy takes milliseconds for each of thousands.
    let minute = Duration::from_secs(60);
    let client = Config { timeout: minute, connect_timeout: minute, tls: Some(trusting()), ..config(&front.address()) };
    let client = crate::client(client);
    set_and_get(&client, "k", &b"value".repeat(100));
    let keys = ["k", "none", "k"];
    let found: Vec<_> = client.get_multi(&keys).unwrap().into_iter().map(|item| item.unwrap().is_some()).collect();
    assert_eq!(found, [true, false, true]);
}

/// A proxy that cuts what the server says after so many bytes.
fn cutting(server: &crate::support::Memcached, after: usize) -> Peer {
    let sent = std::sync::atomic::AtomicUsize::new(0);
    Peer::proxy(server, move |session, bytes| {
        let before = sent.fetch_add(bytes.len(), std::sync::atomic::Ordering::SeqCst);
        let rest = after.saturating_sub(before).min(bytes.len());
        session.send(&bytes[..rest])?;
        if before + bytes.len() > after {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    })
}

#[test]
fn a_stream_cut_anywhere_is_an_error_and_no_miss_and_no_part_of_a_value() {
    let server = secured("server", "");
    let value = b"value".repeat(1000);
    let direct = over(&server.address(), trusting());
    set_and_get(&direct, "k", &value);
    let (mut failed, mut whole) = (0, 0);
    for after in (0..12_000).step_by(397) {
        let front = cutting(&server, after);
        let client = over(&front.address(), trusting());
        match within(SLACK, move || client.get("k")) {
            Ok(item) => {
                assert_eq!(&item.expect("no miss").value[..], &value[..]);
                whole += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Disconnected, "{error:?}");
                failed += 1;
            }
        }
    }
    assert!(failed > 10 && whole > 5, "{failed} {whole}");
}

#[test]
fn a_changed_byte_is_found_out() {
    let server = secured("server", "");
    let value = b"value".repeat(1000);
    set_and_get(&over(&server.address(), trusting()), "k", &value);
    let front = Peer::proxy(&server, |session, bytes| {
        let mut bytes = bytes.to_vec();
        if bytes.len() > 4000 {
            bytes[3000] ^= 1;
        }
        session.send(&bytes)
    });
    let client = over(&front.address(), trusting());
    let error = client.get("k").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
}

#[test]
fn a_server_that_closes_idle_connections_costs_no_call() {
    let server = secured("server", "");
    let front = Peer::proxy(&server, |session, bytes| {
        session.send(bytes)?;
        if bytes.len() > 4000 {
            session.half_close()?;
        }
        Ok(())
    });
    set_and_get(&over(&server.address(), trusting()), "large", &[7; 5000]);
    let client = over(&front.address(), trusting());
    for _ in 0..3 {
        assert_eq!(client.get("large").unwrap().unwrap().value.len(), 5000);
        thread::sleep(Duration::from_millis(20));
        assert!(client.get("none").unwrap().is_none());
    }
}
