//! Values of every size, up to the server's limit and beyond.

use cmemcache::{Config, ErrorKind, Exptime, StoreMode, StoreOutcome, WireProtocol};

use crate::support::{client, failure, Memcached};
use crate::{both_dialects, every_way};

/// Bytes that tell their place, so that no piece of a value can be mistaken for another.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

const SIZES: [usize; 14] = [0, 1, 2, 4095, 4096, 4097, 16_381, 16_383, 16_384, 16_385, 65_536, 300_000, 1_000_000, 1_048_400];

#[test]
fn values_of_every_size_come_back_as_they_were() {
    every_way(|client, _| {
        for size in SIZES {
            let value = pattern(size);
            assert_eq!(client.set("k", &value, size as u32, Exptime::Never).unwrap(), StoreOutcome::Stored);
            let item = client.gets("k").unwrap().unwrap();
            assert!(item.value == value && item.flags == size as u32 && item.cas.is_some(), "{size}");
            let both = client.get_multi(&["k", "k"]).unwrap();
            assert!(both.iter().all(|item| item.as_ref().unwrap().as_ref().unwrap().value == value), "{size}");
        }
        assert_eq!(client.metrics()[0].connects, 1);
    });
}

#[test]
fn a_batch_mixes_small_and_large_values() {
    both_dialects(&[], |_, config| {
        let client = client(config);
        let entries: Vec<_> = (0..60).map(|n| (format!("k{n}"), pattern(SIZES[n % SIZES.len()] / 4), n as u32)).collect();
        let outcomes = client.set_multi(&entries, Exptime::Never).unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome.as_ref().unwrap() == StoreOutcome::Stored));
        let keys: Vec<&str> = entries.iter().map(|(key, ..)| key.as_str()).collect();
        for (item, (key, value, flags)) in client.get_multi(&keys).unwrap().into_iter().zip(&entries) {
            let item = item.unwrap().unwrap();
            assert!(item.value == *value && item.flags == *flags, "{key}");
        }
        assert_eq!(client.metrics()[0].connects, 1);
    });
}

#[test]
fn values_that_look_like_replies_are_values() {
    both_dialects(&[], |_, config| {
        let client = client(config);
        for value in ["END\r\n", "\r\n", "\r\nEND\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n", "EN O1\r\n", "\0", "VA 1 f0 O1\r\n"] {
            client.set("k", value, 0, Exptime::Never).unwrap();
            assert_eq!(client.get("k").unwrap().unwrap().value, value);
            client.set("k", value.repeat(5000), 0, Exptime::Never).unwrap();
            assert_eq!(client.get("k").unwrap().unwrap().value, value.repeat(5000));
        }
        assert_eq!(client.metrics()[0].connects, 1);
    });
}

#[test]
fn a_value_over_the_servers_limit_is_said_so_and_the_connection_stays_in_use() {
    both_dialects(&["-I", "512k"], |server, config| {
        let client = client(config);
        client.set("k", "old", 0, Exptime::Never).unwrap();
        let large = pattern(600_000);
        let error = failure(client.set("k", &large, 0, Exptime::Never), ErrorKind::ValueTooLarge);
        assert_eq!(error.server(), Some(&*server.address()));
        assert!(!error.is_outcome_unknown());
        assert_eq!(client.get("k").unwrap(), None, "the server drops what was there");
        for mode in [StoreMode::Add, StoreMode::Replace, StoreMode::Cas(1)] {
            failure(client.store(mode, "k", &large, 0, Exptime::Never), ErrorKind::ValueTooLarge);
        }
        let entries = [("a", &large[..9]), ("b", &large[..]), ("c", &large[..400_000])].map(|(key, value)| (key, value, 0));
        let outcomes = client.set_multi(&entries, Exptime::Never).unwrap();
        assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
        failure(outcomes[1].clone(), ErrorKind::ValueTooLarge);
        assert_eq!(client.get("c").unwrap().unwrap().value, large[..400_000]);
        let metrics = &client.metrics()[0];
        assert_eq!((metrics.connects, metrics.server_errors), (1, 5));
    });
}

#[test]
fn a_server_without_memory_is_said_so_and_the_connection_stays_in_use() {
    both_dialects(&["-m", "8", "-M"], |_, config| {
        let client = client(config);
        let value = pattern(500_000);
        let mut full = None;
        for number in 0..40 {
            if let Err(error) = client.set(format!("k{number}"), &value, 0, Exptime::Never) {
                full = Some((number, error));
                break;
            }
        }
        let (stored, error) = full.expect("8 MB are less than 20");
        assert_eq!(error.kind(), ErrorKind::ServerError, "{error:?}");
        assert!(error.message().contains("out of memory"), "{error}");
        assert!(stored > 0);
        assert_eq!(client.get("k0").unwrap().unwrap().value, value);
        assert_eq!(client.metrics()[0].connects, 1);
    });
}

#[test]
fn with_no_maximum_of_the_clients_the_server_decides() {
    let server = Memcached::with(&["-I", "8m"]);
    for protocol in [WireProtocol::Meta, WireProtocol::Classic] {
        let client = client(Config { protocol, max_value_size: 0, ..crate::support::config(&server.address()) });
        let value = pattern(5_000_000);
        client.set("k", &value, 0, Exptime::Never).unwrap();
        assert_eq!(client.get("k").unwrap().unwrap().value, value);
        failure(client.set("k", vec![0; 9_000_000], 0, Exptime::Never), ErrorKind::ValueTooLarge);
        assert_eq!(client.metrics()[0].connects, 1);
    }
}
