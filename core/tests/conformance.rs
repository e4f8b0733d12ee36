//! The vectors of `conformance/` that the public interface can be held against; those of the wire, of placement, of addresses
//! and of the packed layout stand with the modules that know them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "support/mod.rs"]
mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use cmemcache::{flags, Config, ErrorKind, Exptime, KeyEncoding, Result, Signer, StoreOutcome, WireProtocol};
use serde_json::Value;
use support::{bytes, client, config, each_vector, failure, Memcached};

fn kind(name: &str) -> ErrorKind {
    *ErrorKind::ALL.iter().find(|kind| format!("{kind:?}") == name).expect(name)
}

fn meta(server: &Memcached) -> Config {
    Config { protocol: WireProtocol::Meta, ..config(&server.address()) }
}

#[test]
fn legal_keys_hold_values_and_every_operation_refuses_the_others() {
    let server = Memcached::start();
    each_vector("keys.json", |case| {
        let binary = case["binary"].as_bool().unwrap_or(false);
        let key_encoding = if binary { KeyEncoding::Base64 } else { KeyEncoding::Text };
        let key_prefix = case["prefix"].as_str().unwrap_or_default().into();
        let client = client(Config { key_encoding, key_prefix, ..meta(&server) });
        let key = bytes(&case["key"]);
        if let Some(error) = case["error"].as_str().map(kind) {
            failure(client.get(&key), error);
            failure(client.set(&key, "x", 0, Exptime::Never), error);
            failure(client.delete(&key), error);
            failure(client.incr(&key, 1, None), error);
            let outcomes = client.get_multi(&[&key]);
            assert!(outcomes.map_or_else(|whole| whole.kind() == error, |each| failure_of(each) == error));
        } else {
            assert_eq!(client.set(&key, "held", 0, Exptime::Never).unwrap(), StoreOutcome::Stored);
            assert_eq!(client.get(&key).unwrap().unwrap().value, "held");
            assert!(client.delete(&key).unwrap());
        }
    });
}

fn failure_of<T: std::fmt::Debug>(mut outcomes: Vec<Result<T>>) -> ErrorKind {
    outcomes.remove(0).expect_err("the error of its key").kind()
}

fn exptime(case: &Value, now: i64) -> std::result::Result<Exptime, i64> {
    if let Some(number) = case["number"].as_i64() {
        return Exptime::from_seconds(number);
    }
    if let Some(moment) = case["moment"].as_i64() {
        return Ok(Exptime::At(u32::try_from(now + moment).unwrap()));
    }
    Ok(case["lifetime"].as_i64().map_or(Exptime::Never, |seconds| Exptime::After(u32::try_from(seconds).unwrap())))
}

#[test]
fn times_become_what_the_server_is_told() {
    let server = Memcached::start();
    let client = client(meta(&server));
    each_vector("exptime.json", |case| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap();
        let exptime = match exptime(case, now) {
            Ok(exptime) => exptime,
            // The number is refused before there is a time at all.
            Err(_) => return assert_eq!(case["error"], "InvalidArgument"),
        };
        if let Some(error) = case["error"].as_str() {
            failure(client.set("k", "x", 0, exptime), kind(error));
            return;
        }
        client.set("set", "x", 0, exptime).unwrap();
        client.set("touched", "x", 0, Exptime::Never).unwrap();
        client.touch("touched", exptime).unwrap();
        for key in ["set", "touched"] {
            let found = client.metadata(key).unwrap();
            match case["ttl"].as_i64() {
                Some(ttl) => {
                    let told = found.unwrap().ttl.expect("a ttl");
                    assert!((ttl - 10..=ttl + 10).contains(&told), "{key}: {told}");
                }
                None if case["ttl"] == "gone" => assert_eq!(found, None, "{key}"),
                None => assert_eq!(found.unwrap().ttl, None, "{key}"),
            }
        }
    });
}

#[test]
fn flags_are_those_of_the_registry() {
    each_vector("flags.json", |case| {
        let ours = match case["name"].as_str().unwrap() {
            "FLAG_BYTES" => flags::BYTES,
            "FLAG_PICKLE" => flags::PICKLE,
            "FLAG_INTEGER" => flags::INTEGER,
            "FLAG_LONG" => flags::LONG,
            "FLAG_ZLIB" => flags::ZLIB,
            "FLAG_TEXT" => flags::TEXT,
            "FLAG_PORTABLE" => flags::PORTABLE,
            "FLAG_JAVA" => flags::JAVA,
            "FLAG_LEASE" => flags::LEASE,
            "FLAG_SIGNED" => flags::SIGNED,
            other => panic!("there is no constant for {other}"),
        };
        assert_eq!(case["flags"], ours);
    });
}

#[test]
fn signed_values_are_opened_and_all_others_refused() {
    each_vector("signing.json", |case| {
        let keys: Vec<_> = case["signing_keys"].as_array().unwrap().iter().map(bytes).collect();
        let signer = Signer::new(&keys).unwrap();
        let (key, stored) = (bytes(&case["key"]), bytes(&case["stored"]));
        let flags = u32::try_from(case["flags"].as_u64().unwrap()).unwrap();
        let opened = signer.open(&key, &stored, flags);
        if case["error"].is_string() {
            return assert_eq!(opened, None);
        }
        let (value, value_flags) = opened.expect("a value");
        assert_eq!(value, bytes(&case["value"]));
        assert_eq!(case["value_flags"], value_flags);
        if case["writes"] == true {
            assert_eq!(signer.seal(&key, value, value_flags).unwrap(), stored);
        }
    });
}

#[test]
fn a_signer_wants_keys_that_cannot_be_guessed_and_tells_them_to_nobody() {
    failure(Signer::new::<&str>([]), ErrorKind::InvalidArgument);
    failure(Signer::new(["long enough to be one", "15 bytes of key"]), ErrorKind::InvalidArgument);
    let signer = Signer::new(["16 bytes of a key"]).unwrap();
    assert!(!format!("{signer:?}").contains("16 bytes"));
    failure(signer.seal(&[b'k'; 251], b"value", 0), ErrorKind::InvalidArgument);
    assert_eq!(signer.open(&[b'k'; 251], &[0; 64], flags::SIGNED), None);
}

#[test]
fn kinds_of_errors_have_their_names_and_numbers() {
    let named = std::cell::Cell::new(0);
    each_vector("errors.json", |case| {
        let kind = kind(case["name"].as_str().unwrap());
        assert_eq!(case["number"], kind.code());
        named.set(named.get() + 1);
    });
    assert_eq!(named.get(), ErrorKind::ALL.len(), "conformance/errors.json lacks a kind");
}

#[test]
fn options_have_their_defaults() {
    let (defaults, tls) = (Config::default(), cmemcache::TlsOptions::default());
    let if_none = |is_none: bool| Value::from(if is_none { "none" } else { "some" });
    let millis = |time: std::time::Duration| Value::from(u64::try_from(time.as_millis()).unwrap());
    each_vector("options.json", |case| {
        let ours = match case["name"].as_str().unwrap() {
            "protocol" => format!("{:?}", defaults.protocol).into(),
            "placement" => format!("{:?}", defaults.placement).into(),
            "failover" => format!("{:?}", defaults.failover).into(),
            "timeout_ms" => millis(defaults.timeout),
            "connect_timeout_ms" => millis(defaults.connect_timeout),
            "dead_retry_ms" => millis(defaults.dead_retry),
            "failure_limit" => defaults.failure_limit.into(),
            "max_connections" => defaults.max_connections.into(),
            "max_value_size" => defaults.max_value_size.into(),
            "key_prefix" => String::from_utf8(defaults.key_prefix.clone()).unwrap().into(),
            "binary_keys" => (defaults.key_encoding == KeyEncoding::Base64).into(),
            "flush_on_reconnect" => defaults.flush_on_reconnect.into(),
            "spin" => format!("{:?}", defaults.spin).into(),
            "tls" => if_none(defaults.tls.is_none()),
            "user" => if_none(defaults.user.is_none()),
            "password" => if_none(defaults.password.is_none()),
            "ca" => if_none(tls.ca.is_none()),
            "certificate" => if_none(tls.certificate.is_none()),
            "key" => if_none(tls.key.is_none()),
            "server_name" => if_none(tls.server_name.is_none()),
            "danger_accept_any_certificate" => tls.danger_accept_any_certificate.into(),
            "weight" => Config::new(["127.0.0.1"]).unwrap().servers[0].weight.into(),
            other => panic!("no default of {other} is looked at here: add it"),
        };
        assert_eq!(case["default"], ours);
    });
}
