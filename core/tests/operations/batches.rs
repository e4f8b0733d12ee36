//! Many keys in one call, on one server and on several.

use cmemcache::{Client, Config, ErrorKind, Exptime, Placement, ServerSpec, StoreOutcome};

use crate::support::{client, configs, failure, keys, Memcached};
use crate::{both_dialects, every_way};

fn store(client: &Client, keys: &[String]) {
    let entries: Vec<_> = keys.iter().zip(0..).map(|(key, number)| (key, format!("value of {key}"), number)).collect();
    let outcomes = client.set_multi(&entries, Exptime::Never).unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome.as_ref().unwrap() == StoreOutcome::Stored));
}

/// Stores, reads and deletes `count` keys, and as many that are not there beside them.
fn exercise(client: &Client, count: usize) {
    let (present, absent) = (keys("present", count), keys("absent", count));
    store(client, &present);
    let mixed: Vec<&String> = present.iter().zip(&absent).flat_map(|(hit, miss)| [hit, miss]).collect();
    let items = client.get_multi(&mixed).unwrap();
    assert_eq!(items.len(), mixed.len());
    for (number, (item, key)) in items.into_iter().zip(&mixed).enumerate() {
        let item = item.unwrap();
        assert_eq!(item.is_some(), number % 2 == 0, "{key}");
        if let Some(item) = item {
            assert_eq!(item.value, format!("value of {key}"));
            assert_eq!(item.flags as usize, number / 2);
            assert_eq!(item.cas, None);
        }
    }
    let tokens: Vec<u64> =
        client.gets_multi(&present).unwrap().into_iter().map(|item| item.unwrap().unwrap().cas.unwrap()).collect();
    for (key, token) in present.iter().zip(&tokens).take(3) {
        assert_eq!(client.cas(key, "new", *token, 0, Exptime::Never).unwrap(), StoreOutcome::Stored);
        assert_eq!(client.cas(key, "newer", *token, 0, Exptime::Never).unwrap(), StoreOutcome::Exists);
    }
    let deleted = client.delete_multi(&mixed).unwrap();
    for (number, deleted) in deleted.into_iter().enumerate() {
        assert_eq!(deleted.unwrap(), number % 2 == 0);
    }
    assert!(client.get_multi(&present).unwrap().into_iter().all(|item| item.unwrap().is_none()));
}

#[test]
fn batches_of_none_one_and_a_hundred_keep_their_order() {
    every_way(|client, _| {
        for count in [0, 1, 100] {
            exercise(client, count);
        }
        assert_eq!(client.metrics()[0].connects, 1);
    });
}

#[test]
fn batches_of_ten_thousand_keep_their_order() {
    both_dialects(&[], |_, config| exercise(&client(config), 10_000));
}

#[test]
fn batches_spread_over_servers_as_single_keys_do() {
    let servers = [Memcached::start(), Memcached::start(), Memcached::start()];
    for placement in [Placement::Modulo, Placement::Modula, Placement::KetamaWeighted, Placement::Rendezvous] {
        let mut config = Config { placement, ..configs(servers.iter().map(Memcached::address)) };
        config.timeout = std::time::Duration::from_secs(10);
        config.servers[1] = ServerSpec::parse(&servers[1].address(), 3).unwrap();
        let spread = client(config);
        exercise(&spread, 1000);
        let keys = keys("k", 300);
        store(&spread, &keys);
        for key in &keys {
            assert_eq!(spread.get(key).unwrap().unwrap().value, format!("value of {key}"));
        }
        // How large a share is depends on the ports, which chance chose.
        let shares = servers.each_ref().map(|server| {
            let alone = client(configs([server.address()]));
            alone.get_multi(&keys).unwrap().into_iter().filter(|item| item.as_ref().unwrap().is_some()).count()
        });
        assert_eq!(shares.iter().sum::<usize>(), keys.len(), "every key is on one server: {shares:?}");
        assert!(shares.iter().all(|share| *share > 0), "every server has its share: {shares:?}");
        spread.flush_all(0).unwrap();
    }
}

#[test]
fn a_key_that_occurs_twice_is_answered_twice() {
    both_dialects(&[], |_, config| {
        let client = client(config);
        let outcomes = client.set_multi(&[("k", "1", 0), ("other", "o", 0), ("k", "2", 0)], Exptime::Never).unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome.as_ref().unwrap() == StoreOutcome::Stored));
        let read = client.get_multi(&["k", "none", "k", "other", "k"]).unwrap();
        let values: Vec<_> = read.iter().map(|item| item.as_ref().unwrap().as_ref().map(|item| &item.value[..])).collect();
        assert_eq!(values, [Some(&b"2"[..]), None, Some(b"2"), Some(b"o"), Some(b"2")]);
        let deleted = client.delete_multi(&["k", "k"]).unwrap();
        assert!(deleted[0].as_ref().unwrap() & !deleted[1].as_ref().unwrap());
    });
}

#[test]
fn a_value_over_the_clients_maximum_fails_alone() {
    both_dialects(&[], |_, config| {
        let client = client(Config { max_value_size: 10, ..config });
        let entries = [("a", "0123456789", 0), ("b", "0123456789+", 0), ("c", "", 0)];
        let outcomes = client.set_multi(&entries, Exptime::Never).unwrap();
        assert_eq!(*outcomes[0].as_ref().unwrap(), StoreOutcome::Stored);
        assert_eq!(*outcomes[2].as_ref().unwrap(), StoreOutcome::Stored);
        let error = failure(outcomes[1].clone(), ErrorKind::ValueTooLarge);
        assert!(error.message().contains("11 bytes") && error.message().contains("limit of 10"), "{error}");
        assert_eq!(client.get("b").unwrap(), None);
        failure(client.set("b", "0123456789+", 0, Exptime::Never), ErrorKind::ValueTooLarge);
    });
}
