//! incr and decr.

use cmemcache::{Create, ErrorKind, Exptime};

use crate::support::failure;
use crate::{both_dialects, every_way};

#[test]
fn counters_count_and_a_missing_one_is_a_miss() {
    every_way(|client, _| {
        assert_eq!(client.incr("n", 1, None).unwrap(), None);
        assert_eq!(client.decr("n", 1, None).unwrap(), None);
        client.set("n", "10", 0, Exptime::Never).unwrap();
        assert_eq!(client.incr("n", 5, None).unwrap(), Some(15));
        assert_eq!(client.decr("n", 6, None).unwrap(), Some(9));
        assert_eq!(client.incr("n", 0, None).unwrap(), Some(9));
        let stored = client.get("n").unwrap().unwrap().value;
        // A number that became shorter is padded by the server.
        assert_eq!(String::from_utf8_lossy(&stored).trim_end(), "9");
    });
}

#[test]
fn incr_wraps_at_two_to_the_64_and_decr_stops_at_zero() {
    every_way(|client, _| {
        client.set("n", "18446744073709551615", 0, Exptime::Never).unwrap();
        assert_eq!(client.incr("n", 0, None).unwrap(), Some(u64::MAX));
        assert_eq!(client.incr("n", 2, None).unwrap(), Some(1));
        assert_eq!(client.decr("n", 5, None).unwrap(), Some(0));
        assert_eq!(client.incr("n", u64::MAX, None).unwrap(), Some(u64::MAX));
        assert_eq!(client.decr("n", u64::MAX, None).unwrap(), Some(0));
    });
}

#[test]
fn a_missing_counter_is_made_with_its_initial_value() {
    every_way(|client, _| {
        let create = Some(Create { initial: 40, exptime: Exptime::After(100) });
        assert_eq!(client.incr("up", 2, create).unwrap(), Some(40));
        assert_eq!(client.incr("up", 2, create).unwrap(), Some(42));
        assert_eq!(client.decr("down", 2, create).unwrap(), Some(40));
        assert_eq!(client.decr("down", 2, create).unwrap(), Some(38));
        let largest = Some(Create { initial: u64::MAX, exptime: Exptime::Never });
        assert_eq!(client.incr("large", 1, largest).unwrap(), Some(u64::MAX));
        assert_eq!(client.incr("large", 1, largest).unwrap(), Some(0));
    });
}

#[test]
fn many_threads_that_make_one_counter_lose_no_count() {
    both_dialects(&[], |_, config| {
        let client = cmemcache::Client::new(config).unwrap();
        let create = Some(Create { initial: 1, exptime: Exptime::Never });
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        client.incr("n", 1, create).unwrap().unwrap();
                    }
                });
            }
        });
        assert_eq!(client.incr("n", 0, None).unwrap(), Some(800));
    });
}

#[test]
fn what_is_no_number_is_said_so_and_leaves_the_connection_in_use() {
    every_way(|client, _| {
        for text in ["abc", "", "-5", "1.5", "18446744073709551616"] {
            client.set("k", text, 0, Exptime::Never).unwrap();
            let error = failure(client.incr("k", 1, None), ErrorKind::NotNumeric);
            assert!(error.server().is_some() && !error.is_outcome_unknown());
        }
        assert_eq!(client.get("k").unwrap().unwrap().value, "18446744073709551616");
        assert_eq!(client.metrics()[0].connects, 1);
    });
}
