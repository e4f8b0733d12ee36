//! Bad input is an error that names the argument and its limit, and not a byte of it reaches a server.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::time::Duration;

use cmemcache::{
    Address, Client, Config, Create, Error, ErrorKind, Exptime, KeyEncoding, Result, ServerSpec, Spin, StoreMode, WireProtocol,
};
use support::{client, config, failure, Memcached, Peer};

const NEVER: Exptime = Exptime::Never;

/// A client that has done one operation, through a peer that records what it sends.
fn recorded(config_of: impl FnOnce(Config) -> Config) -> (Memcached, Peer, Client) {
    let server = Memcached::start();
    let peer = Peer::proxy(&server, |session, bytes| session.send(bytes));
    let client = client(config_of(config(&peer.address())));
    client.get("warm").unwrap();
    peer.forget();
    (server, peer, client)
}

/// Every operation that takes a key, and the error of each.
fn with_key(client: &Client, key: &[u8]) -> Vec<Error> {
    let create = Some(Create { initial: 1, exptime: NEVER });
    let mut errors: Vec<Error> = [
        client.get(key).map(drop),
        client.gets(key).map(drop),
        client.gat(key, NEVER).map(drop),
        client.gats(key, NEVER).map(drop),
        client.set(key, "x", 0, NEVER).map(drop),
        client.add(key, "x", 0, NEVER).map(drop),
        client.replace(key, "x", 0, NEVER).map(drop),
        client.append(key, "x").map(drop),
        client.prepend(key, "x").map(drop),
        client.cas(key, "x", 1, 0, NEVER).map(drop),
        client.delete(key).map(drop),
        client.touch(key, NEVER).map(drop),
        client.incr(key, 1, None).map(drop),
        client.decr(key, 1, create).map(drop),
        client.metadata(key).map(drop),
    ]
    .into_iter()
    .map(Result::unwrap_err)
    .collect();
    // In a batch the legal keys beside it are not sent either.
    let keys: [&[u8]; 3] = [b"legal", key, b"legal too"];
    errors.push(client.get_multi(&keys[..2]).unwrap_err());
    errors.push(client.gets_multi(&keys[..2]).unwrap_err());
    errors.push(client.delete_multi(&keys[..2]).unwrap_err());
    errors.push(client.set_multi(&[(keys[0], "x", 0), (key, "x", 0)], NEVER).unwrap_err());
    errors
}

#[test]
fn an_illegal_key_is_named_and_not_a_byte_is_sent() {
    let (_server, peer, client) = recorded(|config| config);
    let mut cases: Vec<(Vec<u8>, ErrorKind, String)> = vec![
        (b"".to_vec(), ErrorKind::KeyCharacter, "key is empty".into()),
        (vec![b'k'; 251], ErrorKind::KeyTooLong, "key of 251 bytes is over the limit of 250".into()),
        (vec![b'k'; 100_000], ErrorKind::KeyTooLong, "key of 100000 bytes is over the limit of 250".into()),
        (b"k\r\nflush_all\r\n".to_vec(), ErrorKind::KeyCharacter, "key holds byte 0x0d at offset 1".into()),
    ];
    for byte in (0..=0x20).chain([0x7f]) {
        cases.push((vec![b'k', byte, b'k'], ErrorKind::KeyCharacter, format!("key holds byte {byte:#04x} at offset 1")));
    }
    for (key, kind, message) in cases {
        for error in with_key(&client, &key) {
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(error.message().starts_with(&message), "{error}");
            assert_eq!((error.server(), error.phase(), error.is_outcome_unknown()), (None, None, false));
        }
    }
    assert_eq!(peer.received(), b"");
    client.get("legal").unwrap();
    assert_eq!(peer.accepted(), 1, "the connection was left alone");
}

#[test]
fn a_prefix_and_base64_have_limits_of_their_own() {
    let (_server, peer, prefixed) = recorded(|config| Config { key_prefix: b"prefix:".to_vec(), ..config });
    for error in with_key(&prefixed, &[b'k'; 244]) {
        assert_eq!(error.message(), "key of 251 bytes is over the limit of 250");
    }
    for error in with_key(&prefixed, b"a b") {
        assert!(error.message().starts_with("key holds byte 0x20 at offset 8"), "{error}");
    }
    assert_eq!(peer.received(), b"");
    let (_server, peer, encoded) = recorded(|config| Config { key_encoding: KeyEncoding::Base64, ..config });
    for error in with_key(&encoded, &[0; 187]) {
        assert_eq!(error.message(), "key of 187 bytes is over the limit of 186");
    }
    assert_eq!(peer.received(), b"");
}

#[test]
fn a_value_over_the_maximum_names_both_and_not_a_byte_is_sent() {
    let (_server, peer, client) = recorded(|config| config);
    let value = vec![0; (1 << 20) + 1];
    let modes = [StoreMode::Set, StoreMode::Add, StoreMode::Replace, StoreMode::Append, StoreMode::Prepend, StoreMode::Cas(1)];
    for mode in modes {
        let error = failure(client.store(mode, "k", &value, 0, NEVER), ErrorKind::ValueTooLarge);
        assert_eq!(error.message(), "value of 1048577 bytes is over the limit of 1048576");
        assert_eq!(error.server(), None);
    }
    assert_eq!(peer.received(), b"");
}

#[test]
fn an_exptime_that_memcached_cannot_express_is_refused_and_not_a_byte_is_sent() {
    let (_server, peer, client) = recorded(|config| config);
    for exptime in [Exptime::At(u32::MAX), Exptime::At(1 << 31), Exptime::After(u32::MAX), Exptime::After(1 << 31)] {
        let create = Some(Create { initial: 1, exptime });
        let errors = [
            client.set("k", "x", 0, exptime).map(drop),
            client.gat("k", exptime).map(drop),
            client.gats("k", exptime).map(drop),
            client.touch("k", exptime).map(drop),
            client.incr("k", 1, create).map(drop),
            client.set_multi(&[("k", "x", 0)], exptime).map(drop),
        ];
        for error in errors {
            let error = failure(error, ErrorKind::InvalidArgument);
            assert!(error.message().contains("is past 2147483647"), "{error}");
        }
    }
    assert_eq!(peer.received(), b"");
}

#[test]
fn a_stats_argument_is_words_of_ascii_and_not_a_byte_of_another_is_sent() {
    let (_server, peer, client) = recorded(|config| config);
    for words in ["", "a\r\nflush_all", "\n", "é", "\0", "\x7f", &"x".repeat(201)] {
        let error = failure(client.stats(Some(words)).map(drop), ErrorKind::InvalidArgument);
        assert!(error.message().starts_with("stats argument"), "{error}");
    }
    assert_eq!(peer.received(), b"");
}

#[test]
fn every_option_is_held_to_its_range() {
    let refused = |change: fn(&mut Config), words: &str| {
        let mut config = Config::default();
        change(&mut config);
        let error = failure(Client::new(config), ErrorKind::InvalidArgument);
        assert!(error.message().contains(words), "{error}");
    };
    refused(|c| c.timeout = Duration::ZERO, "timeout of 0 ms is not in 1 to 3600000 ms");
    refused(|c| c.timeout = Duration::from_micros(999), "timeout of 0 ms is not in 1 to 3600000 ms");
    refused(|c| c.timeout = Duration::from_secs(3601), "timeout of 3601000 ms is not in 1 to 3600000 ms");
    refused(|c| c.timeout = Duration::MAX, "timeout of ");
    refused(|c| c.connect_timeout = Duration::ZERO, "connect_timeout of 0 ms is not in 1 to 3600000 ms");
    refused(|c| c.connect_timeout = Duration::MAX, "connect_timeout of ");
    refused(|c| c.dead_retry = Duration::from_secs(3601), "dead_retry of 3601000 ms is over 3600000 ms");
    refused(|c| c.failure_limit = 0, "failure_limit of 0 is not in 1 to 1000");
    refused(|c| c.failure_limit = 1001, "failure_limit of 1001 is not in 1 to 1000");
    refused(|c| c.max_connections = 0, "max_connections of 0 is not in 1 to 1024");
    refused(|c| c.max_connections = 1025, "max_connections of 1025 is not in 1 to 1024");
    refused(|c| c.max_value_size = (1 << 30) + 1, "max_value_size of 1073741825 is over 1073741824");
    refused(|c| c.spin = Spin::Fixed(Duration::from_micros(1001)), "spin of 1001 us is over 1000 us");
    refused(|c| c.key_prefix = vec![b'p'; 250], "key_prefix of 250 bytes leaves no room in 250 for a key");
    refused(|c| c.key_prefix = b"a b".to_vec(), "key_prefix: key holds byte 0x20 at offset 1");
    let binary = |c: &mut Config| (c.key_prefix, c.key_encoding) = (vec![0; 186], KeyEncoding::Base64);
    refused(binary, "key_prefix of 186 bytes leaves no room in 186 for a key");
}

#[test]
fn the_ends_of_every_range_are_legal() {
    let server = Memcached::start();
    for protocol in [WireProtocol::Auto, WireProtocol::Classic] {
        for (timeout, limit) in [(Duration::from_secs(3600), 1), (Duration::from_secs(20), 1000)] {
            let extreme = Config {
                protocol,
                timeout,
                connect_timeout: timeout,
                dead_retry: if limit == 1 { Duration::ZERO } else { Duration::from_secs(3600) },
                failure_limit: limit,
                max_connections: if limit == 1 { 1 } else { 1024 },
                max_value_size: 1 << 30,
                key_prefix: vec![b'p'; 249],
                spin: Spin::Fixed(Duration::from_millis(1)),
                ..config(&server.address())
            };
            let client = client(extreme);
            client.set("k", "x", 0, NEVER).unwrap();
            assert_eq!(client.get("k").unwrap().unwrap().value, "x");
            failure(client.get("kk"), ErrorKind::KeyTooLong);
        }
    }
    client(Config { timeout: Duration::from_millis(1), ..config(&server.address()) });
}

#[test]
fn deadlines_of_single_calls_are_held_to_the_same_range() {
    let client = client(Config::default());
    for timeout in [Duration::ZERO, Duration::from_micros(1), Duration::from_secs(3601), Duration::MAX] {
        let error = failure(client.with_timeout(timeout), ErrorKind::InvalidArgument);
        assert!(error.message().starts_with("timeout of"), "{error}");
    }
    for time in [Duration::from_secs(3601), Duration::MAX] {
        let error = failure(client.mark_down("a:1", time), ErrorKind::InvalidArgument);
        assert!(error.message().starts_with("down_for of"), "{error}");
    }
}

#[test]
fn a_malformed_server_is_an_error_at_construction_that_names_it() {
    for text in ["11211", "", "/run/memcached.sock", "host:port", "host:0", "host:65536", "::1", "unix:run", "tcp://h:1", "a b"]
    {
        let error = failure(Config::new(["127.0.0.1:11211", text]), ErrorKind::InvalidArgument);
        assert!(error.message().starts_with(&format!("server {text:?}: ")), "{error}");
        assert!(Address::parse(text).is_err());
    }
    for weight in [0, 10_001] {
        let error = failure(ServerSpec::parse("host", weight), ErrorKind::InvalidArgument);
        assert!(error.message().contains(&format!("weight {weight} of server \"host\" is not in 1 to 10000")), "{error}");
    }
}

#[test]
fn something_that_is_not_memcached_is_a_protocol_error_and_no_hang() {
    let web = Peer::start(|session| {
        session.ask()?;
        session.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
        session.silence()
    });
    let ssh = Peer::start(|session| {
        session.send(b"SSH-2.0-OpenSSH_9.2\r\n")?;
        session.silence()
    });
    let noise = Peer::start(|session| {
        session.send(&[0xff; 100_000])?;
        session.silence()
    });
    for peer in [web, ssh, noise] {
        for protocol in [WireProtocol::Auto, WireProtocol::Meta, WireProtocol::Classic] {
            let client = client(Config { protocol, ..config(&peer.address()) });
            let error = failure(client.get("k"), ErrorKind::Protocol);
            assert_eq!(error.server(), Some(&*peer.address()));
            assert!(error.message().contains("does not speak memcached's protocol"), "{error}");
            support::eventually(Duration::from_secs(5), || peer.open() == 0);
        }
    }
}
