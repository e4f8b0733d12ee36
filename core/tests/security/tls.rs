//! What works over TLS, and who is not trusted.

use std::thread;
use std::time::Duration;

use cmemcache::{Config, Create, ErrorKind, Exptime, Pem, Phase, ServerState, StoreMode, TlsOptions, WireProtocol};

use crate::certificates::certificate;
use crate::support::{client, config, configs, eventually, failure, keys, Memcached, Peer, SLACK};
use crate::{asking, file, over, secured, set_and_get, trusting};

#[test]
fn every_operation_works_over_tls() {
    let server = secured("server", "");
    for protocol in [WireProtocol::Auto, WireProtocol::Meta, WireProtocol::Classic] {
        let client = client(Config { protocol, tls: Some(trusting()), ..config(&server.address()) });
        set_and_get(&client, "k", b"value");
        assert!(client.get("none").unwrap().is_none());
        client.store(StoreMode::Append, "k", "+", 0, Exptime::Never).unwrap();
        assert_eq!(&client.gat("k", Exptime::After(60)).unwrap().unwrap().value[..], b"value+");
        let cas = client.gets("k").unwrap().unwrap().cas.unwrap();
        client.store(StoreMode::Cas(cas), "k", "other", 0, Exptime::Never).unwrap();
        assert!(client.touch("k", Exptime::After(60)).unwrap());
        assert!(client.delete("k").unwrap());
        client.set("n", "7", 0, Exptime::Never).unwrap();
        assert_eq!(client.incr("n", 3, None).unwrap(), Some(10));
        if protocol != WireProtocol::Classic {
            assert_eq!(client.decr("m", 1, Some(Create { initial: 5, exptime: Exptime::Never })).unwrap(), Some(5));
            client.delete("m").unwrap();
        }
        assert!(client.version().unwrap()[0].reply.is_ok());
        assert!(client.stats(None).unwrap()[0].reply.as_ref().unwrap().iter().any(|(name, _)| name == "ssl_handshake_errors"));
        assert!(client.flush_all(0).unwrap()[0].reply.is_ok());
        assert_eq!(client.metrics()[0].connects, 1);
    }
}

#[test]
fn values_of_every_size_arrive_whole() {
    let server = secured("server", "");
    let client = over(&server.address(), trusting());
    for size in [0, 1, 4095, 4097, 16_383, 16_384, 16_385, 65_536, 70_000, 500_000, 1_048_000] {
        let value: Vec<u8> = (0..size).map(|n| (n * 7 % 251) as u8).collect();
        set_and_get(&client, &format!("size:{size}"), &value);
    }
}

#[test]
fn batches_larger_than_all_buffers_work_over_tls() {
    let server = secured("server", "");
    let client = over(&server.address(), trusting());
    let keys = keys(&"batch".repeat(30), 3000);
    let value = |n: usize| format!("{n}:").repeat(1 + n % 900);
    let values: Vec<String> = (0..keys.len()).map(value).collect();
    let entries: Vec<_> = keys.iter().zip(&values).map(|(key, value)| (key, value, 0)).collect();
    assert!(client.set_multi(&entries, Exptime::Never).unwrap().iter().all(Result::is_ok));
    for _ in 0..3 {
        let items = client.get_multi(&keys).unwrap();
        for (item, value) in items.iter().zip(&values) {
            assert_eq!(&item.as_ref().unwrap().as_ref().unwrap().value[..], value.as_bytes());
        }
    }
    assert_eq!(client.metrics()[0].connects, 1);
}

#[test]
fn many_threads_share_connections_over_tls() {
    let server = secured("server", "");
    let client = client(Config { max_connections: 2, tls: Some(trusting()), ..config(&server.address()) });
    let work = |number: usize| {
        let client = client.clone();
        thread::spawn(move || {
            for round in 0..200 {
                let (key, value) = (format!("t:{number}"), format!("{number}:{round}").repeat(1 + round * 20));
                set_and_get(&client, &key, value.as_bytes());
            }
        })
    };
    let threads: Vec<_> = (0..8).map(work).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(client.metrics()[0].connects <= 2);
}

#[test]
fn an_idle_connection_is_used_again_whatever_tickets_the_server_sent() {
    let server = secured("server", "");
    for protocol in [WireProtocol::Auto, WireProtocol::Classic] {
        let client = client(Config { protocol, tls: Some(trusting()), ..config(&server.address()) });
        for _ in 0..20 {
            set_and_get(&client, "k", b"value");
            thread::sleep(Duration::from_millis(3));
        }
        assert_eq!(client.metrics()[0].connects, 1);
    }
}

#[test]
fn a_server_that_was_restarted_serves_again_without_an_error() {
    let mut server = secured("server", "");
    let client = over(&server.address(), trusting());
    set_and_get(&client, "k", b"value");
    server.restart();
    assert!(client.get("k").unwrap().is_none());
    set_and_get(&client, "k", b"value");
}

#[test]
fn a_frozen_server_costs_the_deadline_and_its_late_reply_reaches_nobody() {
    let server = secured("server", "");
    let patient = over(&server.address(), trusting());
    set_and_get(&patient, "k", b"value");
    patient.set("other", "another", 0, Exptime::Never).unwrap();
    let hasty = patient.with_timeout(Duration::from_millis(100)).unwrap();
    server.freeze();
    failure(hasty.get("other"), ErrorKind::Timeout);
    server.thaw();
    for _ in 0..20 {
        assert_eq!(&patient.get("k").unwrap().unwrap().value[..], b"value");
    }
}

#[test]
fn a_name_and_an_address_are_both_verified() {
    let server = secured("server", "");
    set_and_get(&over(&format!("localhost:{}", server.port()), trusting()), "k", b"value");
    set_and_get(&over(&format!("127.0.0.1:{}", server.port()), trusting()), "k", b"value");
    let elsewhere = secured("elsewhere", "");
    let named = TlsOptions { server_name: Some("elsewhere.example".into()), ..trusting() };
    set_and_get(&over(&elsewhere.address(), named), "k", b"value");
}

#[test]
fn roots_can_be_given_as_text() {
    let server = secured("server", "");
    let text = std::fs::read(certificate("ca.pem")).unwrap();
    set_and_get(&over(&server.address(), TlsOptions { ca: Some(Pem::Text(text)), ..TlsOptions::default() }), "k", b"value");
}

/// The message of a call that has to fail for want of a secure connection, without the server's name.
fn refused(server: &Memcached, tls: TlsOptions) -> String {
    let client = client(Config { tls: Some(tls), ..config(&server.address()) });
    let error = failure(client.get("k"), ErrorKind::Tls);
    assert_eq!((error.server(), error.phase()), (Some(&*server.address()), Some(Phase::Handshake)));
    assert!(!error.is_outcome_unknown());
    assert_eq!(client.metrics()[0].state, ServerState::Down, "it is not asked at once again");
    // A machine that is busy may come to the next call when a probe is due.
    let mut again = error.clone();
    eventually(SLACK, || {
        again = client.get("k").unwrap_err();
        again.kind() == ErrorKind::ServerDown
    });
    assert!(again.message().ends_with(error.message()), "why it is down is said: {again}");
    assert_eq!(client.metrics()[0].connections, 0);
    let start = format!("no secure connection to {}: ", server.address());
    error.message().strip_prefix(&start).unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[test]
fn a_server_of_an_unknown_ca_is_refused() {
    let server = secured("server", "");
    let stranger = TlsOptions { ca: file("stranger.pem"), ..TlsOptions::default() };
    assert_eq!(refused(&server, stranger), "its certificate is of no trusted CA (see tls.ca)");
}

#[test]
fn the_systems_roots_do_not_trust_the_tests_ca() {
    let server = secured("server", "");
    let client = client(Config::default());
    drop(client);
    match cmemcache::Client::new(Config { tls: Some(TlsOptions::default()), ..config(&server.address()) }) {
        Ok(client) => assert!(failure(client.get("k"), ErrorKind::Tls).message().contains("of no trusted CA")),
        Err(error) => assert!(error.message().contains("this system has no trusted CAs; give tls.ca"), "{error}"),
    }
}

#[test]
fn an_expired_certificate_is_refused() {
    assert_eq!(refused(&secured("expired", ""), trusting()), "its certificate has expired");
}

#[test]
fn a_certificate_of_another_host_is_refused() {
    let why = refused(&secured("elsewhere", ""), trusting());
    assert_eq!(why, "its certificate is for DnsName(\"elsewhere.example\") and not for 127.0.0.1 (see tls.server_name)");
    let named = TlsOptions { server_name: Some("third.example".into()), ..trusting() };
    assert!(refused(&secured("server", ""), named).contains("not for third.example"));
}

#[test]
fn only_the_dangerous_option_accepts_any_certificate() {
    for name in ["expired", "elsewhere"] {
        let server = secured(name, "");
        let careless = TlsOptions { danger_accept_any_certificate: true, ..TlsOptions::default() };
        set_and_get(&over(&server.address(), careless), "k", b"value");
    }
}

#[test]
fn a_client_certificate_is_shown_to_a_server_that_asks() {
    let server = asking();
    let known = TlsOptions { certificate: file("client.pem"), key: file("client.key"), ..trusting() };
    set_and_get(&over(&server.address(), known), "k", b"value");
}

#[test]
fn a_missing_client_certificate_is_said_so() {
    let server = asking();
    for _ in 0..10 {
        assert_eq!(refused(&server, trusting()), "it wants a client certificate (see tls.certificate and tls.key)");
    }
    for protocol in [WireProtocol::Meta, WireProtocol::Classic] {
        let client = client(Config { protocol, tls: Some(trusting()), ..config(&server.address()) });
        let error = failure(client.set("k", vec![0; 500_000], 0, Exptime::Never), ErrorKind::Tls);
        assert!(error.message().contains("it wants a client certificate"), "{error}");
    }
}

#[test]
fn a_client_certificate_of_a_stranger_is_refused() {
    let server = asking();
    let stranger = TlsOptions { certificate: file("stranger.pem"), key: file("stranger.key"), ..trusting() };
    assert!(refused(&server, stranger).starts_with("it refused the client certificate (see tls.certificate): "));
}

#[test]
fn a_refused_server_is_not_asked_again_before_its_time() {
    let server = secured("expired", "");
    let front = Peer::proxy(&server, |session, bytes| session.send(bytes));
    let client = client(Config { tls: Some(trusting()), ..config(&front.address()) });
    let begun = std::time::Instant::now();
    for _ in 0..1000 {
        client.get("k").unwrap_err();
    }
    let allowed = 2 + begun.elapsed().as_millis() as usize / 180;
    assert!(front.accepted() <= allowed, "{} attempts", front.accepted());
}

#[test]
fn one_server_that_is_not_trusted_costs_its_keys_only() {
    let (good, bad) = (secured("server", ""), secured("expired", ""));
    let servers = configs([good.address(), bad.address()]);
    let client = client(Config { timeout: SLACK, connect_timeout: SLACK, tls: Some(trusting()), ..servers });
    let keys = keys("k", 50);
    let outcomes = client.get_multi(&keys).unwrap();
    let failed = outcomes.iter().filter(|outcome| outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Tls)).count();
    let missed = outcomes.iter().filter(|outcome| matches!(outcome, Ok(None))).count();
    assert!(failed > 0 && missed > 0 && failed + missed == 50, "{outcomes:?}");
}
