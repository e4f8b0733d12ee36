//! Every scheme against what the client that it is named after chooses, in vectors that those clients wrote themselves.

use serde_json::Value;

use super::*;
use crate::support::each_vector;

fn list(value: &Value) -> &[Value] {
    let list = value.as_array().expect("a list");
    assert!(!list.is_empty());
    list
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn index(value: &Value) -> usize {
    value.as_u64().expect("an index") as usize
}

fn indices(value: &Value) -> Vec<usize> {
    list(value).iter().map(index).collect()
}

fn weighted(servers: &Value) -> Vec<ServerSpec> {
    let spec = |server: &Value| ServerSpec::parse(text(&server["address"]), index(&server["weight"]) as u32);
    list(servers).iter().map(|server| spec(server).expect("a legal server")).collect()
}

fn equals<A: AsRef<str>>(addresses: impl IntoIterator<Item = A>) -> Vec<ServerSpec> {
    addresses.into_iter().map(|address| ServerSpec::parse(address.as_ref(), 1).expect("a legal server")).collect()
}

fn key(name: &str) -> Key<'_> {
    Key::parse(name.as_bytes()).expect("a legal key")
}

fn server_of(ring: &Ring, key: &Key<'_>) -> usize {
    ring.pick(key).expect("a server").server
}

/// All servers that are tried for a key, in order.
fn tried(ring: &Ring, key: &Key<'_>) -> Vec<usize> {
    std::iter::successors(ring.pick(key), |pick| ring.after(key, *pick)).map(|pick| pick.server).collect()
}

fn assert_places(placement: Placement, servers: &[ServerSpec], keys: &[Value], expected: &Value) {
    let ring = Ring::new(placement, servers);
    let expected = indices(expected);
    assert_eq!(keys.len(), expected.len());
    for (name, expected) in keys.iter().zip(expected) {
        assert_eq!(server_of(&ring, &key(text(name))), expected, "{placement:?} of {name} among {}", servers.len());
    }
}

fn assert_places_all(file: &str) {
    each_vector(file, |case| {
        for (scheme, expected) in case["server_index"].as_object().expect("an index per scheme") {
            assert_places(scheme_called(scheme), &weighted(&case["servers"]), list(&case["keys"]), expected);
        }
    });
}

#[test]
fn servers_are_chosen_as_by_libmemcached_and_python_memcached() {
    assert_places_all("placement.json");
}

#[test]
fn sockets_ipv6_and_rounding_are_as_in_libmemcached() {
    assert_places_all("libmemcached.json");
}

#[test]
fn servers_are_chosen_as_by_pymemcache() {
    assert_places_all("rendezvous.json");
}

fn scheme_called(name: &str) -> Placement {
    match name {
        "modulo" => Placement::Modulo,
        "modula" => Placement::Modula,
        "ketama" => Placement::Ketama,
        "ketama_weighted" => Placement::KetamaWeighted,
        "rendezvous" => Placement::Rendezvous,
        other => panic!("the vectors name a scheme {other:?}"),
    }
}

#[test]
fn servers_are_tried_in_the_order_of_python_memcached() {
    each_vector("rehash.json", |case| {
        let ring = Ring::new(Placement::Modulo, &weighted(&case["servers"]));
        let named = list(&case["keys"]).iter().map(|entry| (key(text(&entry["key"])), &entry["tried"]));
        let route = |entry: &Value| entry["route"].as_i64().expect("a number");
        let routed = list(&case["routes"]).iter().map(|entry| (key("any").with_route(route(entry)), &entry["tried"]));
        for (key, expected) in named.chain(routed) {
            // Asking the same server twice in a row tells nothing new, so that is left out here.
            let mut expected = indices(expected);
            assert_eq!(expected.len(), MAX_TRIES);
            expected.dedup();
            assert_eq!(tried(&ring, &key), expected, "{key:?}");
        }
    });
}

const NAMES: [&str; 9] = ["foo", "bar", "key:1", "key:2", "key:3", "user:42", "session:abc", "a", "hello_world"];

fn five(port: u16) -> Vec<ServerSpec> {
    equals((1..=5).map(|i| format!("10.0.1.{i}:{port}")))
}

#[test]
fn five_servers_share_out_known_keys_as_known() {
    let known = [
        (Placement::Modulo, 11211, [3, 4, 3, 1, 4, 2, 4, 3, 2]),
        (Placement::Modula, 11211, [1, 2, 5, 2, 4, 2, 1, 3, 1]),
        (Placement::Ketama, 11211, [3, 1, 2, 5, 2, 2, 4, 5, 1]),
        (Placement::KetamaWeighted, 11211, [3, 5, 5, 5, 4, 5, 4, 3, 4]),
        (Placement::KetamaWeighted, 11212, [5, 4, 4, 2, 3, 1, 1, 3, 1]),
        (Placement::Rendezvous, 11211, [1, 1, 1, 2, 2, 1, 2, 4, 1]),
    ];
    for (placement, port, expected) in known {
        let ring = Ring::new(placement, &five(port));
        assert_eq!(NAMES.map(|name| server_of(&ring, &key(name)) + 1), expected, "{placement:?} on {port}");
    }
}

#[test]
fn a_port_other_than_the_default_counts() {
    let servers = equals(["10.0.1.1:11211", "10.0.1.2:11211", "10.0.1.3:11212"]);
    let known = [
        (Placement::Modula, [0, 1, 2, 2, 0]),
        (Placement::Ketama, [0, 0, 1, 1, 2]),
        (Placement::KetamaWeighted, [0, 2, 2, 1, 1]),
    ];
    for (placement, expected) in known {
        let ring = Ring::new(placement, &servers);
        let names = ["foo", "bar", "user:1", "user:2", "session:abc"];
        assert_eq!(names.map(|name| server_of(&ring, &key(name))), expected, "{placement:?}");
    }
}

#[test]
fn a_prefix_is_hashed_as_part_of_the_key() {
    for placement in cost::SCHEMES {
        let ring = Ring::new(placement, &five(11211));
        for name in NAMES {
            for at in 0..name.len() {
                let (prefix, rest) = name.as_bytes().split_at(at);
                let split = Key::parse_in(prefix, rest, crate::key::KeyEncoding::Text).expect("a legal key");
                assert_eq!(tried(&ring, &split), tried(&ring, &key(name)), "{placement:?} of {name} split at {at}");
            }
        }
    }
}

#[test]
fn a_route_stands_for_the_hash_of_the_key() {
    let servers = five(11211);
    let by = |placement, route| server_of(&Ring::new(placement, &servers), &key("any").with_route(route));
    assert_eq!([-1, -5, 0, 7, i64::MAX, i64::MIN].map(|route| by(Placement::Modulo, route)), [4, 0, 0, 2, 2, 2]);
    assert_eq!([0, 7, (1 << 32) + 7].map(|route| by(Placement::Modula, route)), [0, 2, 2]);
    for (placement, hash) in
        [(Placement::Ketama, hash::one_at_a_time(&[b"foo"])), (Placement::KetamaWeighted, hash::md5(&[b"foo"])[0])]
    {
        assert_eq!(by(placement, hash.into()), server_of(&Ring::new(placement, &servers), &key("foo")));
        assert_eq!(by(placement, i64::from(hash) - (1 << 32)), by(placement, hash.into()));
    }
    assert_eq!(by(Placement::Rendezvous, -42), server_of(&Ring::new(Placement::Rendezvous, &servers), &key("-42")));
}

#[test]
fn every_server_of_a_small_cluster_is_tried_once() {
    for placement in &cost::SCHEMES[1..] {
        for count in 1..=MAX_TRIES {
            let ring = Ring::new(*placement, &equals((0..count).map(|i| format!("cache-{i}"))));
            for name in NAMES {
                let mut tried = tried(&ring, &key(name));
                tried.sort_unstable();
                assert_eq!(tried, (0..count).collect::<Vec<_>>(), "{placement:?} of {name}");
            }
        }
    }
}

#[test]
fn no_more_than_ten_servers_are_tried() {
    for placement in cost::SCHEMES {
        let ring = Ring::new(placement, &equals((0..100).map(|i| format!("cache-{i}"))));
        for name in NAMES {
            let tried = tried(&ring, &key(name));
            assert!(tried.len() > 1 && tried.len() <= MAX_TRIES, "{placement:?} of {name}: {tried:?}");
            assert!(tried.windows(2).all(|pair| pair[0] != pair[1]), "{placement:?} of {name}: {tried:?}");
        }
    }
}

#[test]
fn the_keys_of_a_dead_server_go_where_they_would_go_without_it() {
    for placement in [Placement::Ketama, Placement::Rendezvous] {
        let (all, without) = (five(11211), [&five(11211)[..2], &five(11211)[3..]].concat());
        let (ring, smaller) = (Ring::new(placement, &all), Ring::new(placement, &without));
        let mut of_the_dead = 0;
        for i in 0..2000 {
            let name = format!("user:{i}");
            let pick = ring.pick(&key(&name)).expect("a server");
            if pick.server == 2 {
                let next = ring.after(&key(&name), pick).expect("another server").server;
                assert_eq!(all[next].address, without[server_of(&smaller, &key(&name))].address, "{placement:?}");
                of_the_dead += 1;
            }
        }
        assert!(of_the_dead > 200, "{placement:?}: {of_the_dead}");
    }
}

#[test]
fn removing_one_of_five_servers_moves_as_many_keys_as_the_scheme_promises() {
    const KEYS: usize = 20_000;
    let share = |placement| {
        let (all, without) = (five(11211), [&five(11211)[..2], &five(11211)[3..]].concat());
        let (ring, smaller) = (Ring::new(placement, &all), Ring::new(placement, &without));
        let moved =
            |name: &String| all[server_of(&ring, &key(name))].address != without[server_of(&smaller, &key(name))].address;
        (0..KEYS).map(|i| format!("user:{i}")).filter(moved).count() as f64 / KEYS as f64
    };
    for placement in [Placement::Modulo, Placement::Modula] {
        assert!((0.75..0.85).contains(&share(placement)), "{placement:?} moves {}", share(placement));
    }
    for placement in [Placement::Ketama, Placement::KetamaWeighted, Placement::Rendezvous] {
        assert!((0.1..0.3).contains(&share(placement)), "{placement:?} moves {}", share(placement));
    }
}

#[test]
fn weights_share_out_the_keys() {
    let servers: Vec<_> =
        (0..4).map(|i| ServerSpec::parse(&format!("cache-{i}"), [1, 2, 3, 4][i]).expect("a legal server")).collect();
    for placement in [Placement::Modulo, Placement::KetamaWeighted] {
        let ring = Ring::new(placement, &servers);
        let mut keys = [0; 4];
        (0..20_000).for_each(|i| keys[server_of(&ring, &key(&format!("user:{i}")))] += 1);
        for (server, keys) in keys.into_iter().enumerate() {
            let share = f64::from(keys) / 2_000.0 / (server + 1) as f64;
            assert!((0.8..1.2).contains(&share), "{placement:?} gives server {server} {share} of its share");
        }
    }
}

#[test]
fn no_servers_is_no_pick_and_one_server_is_every_pick() {
    for placement in cost::SCHEMES {
        assert!(Ring::new(placement, &[]).pick(&key("foo")).is_none());
        assert!(Ring::new(placement, &[]).pick(&key("foo").with_route(-1)).is_none());
        let one = Ring::new(placement, &equals(["localhost"]));
        for route in [None, Some(i64::MIN), Some(-1), Some(0), Some(i64::MAX)] {
            let key = route.map_or(key("foo"), |route| key("foo").with_route(route));
            assert_eq!(tried(&one, &key), [0], "{placement:?}");
        }
    }
}

#[test]
fn weights_that_no_parser_let_in_still_place() {
    let mut servers = five(11211);
    for weights in [[0, 0, 0, 0, 0], [u32::MAX; 5], [0, u32::MAX, 1, 0, 7]] {
        servers.iter_mut().zip(weights).for_each(|(server, weight)| server.weight = weight);
        for placement in cost::SCHEMES {
            let ring = Ring::new(placement, &servers);
            assert!(NAMES.iter().all(|name| ring.pick(&key(name)).is_some()), "{placement:?} of {weights:?}");
        }
    }
}

#[test]
fn keys_of_every_length_and_byte_are_placed() {
    for placement in cost::SCHEMES {
        let ring = Ring::new(placement, &equals((0..9).map(|i| "cache".repeat(i + 1) + &"x".repeat(i))));
        for length in 1..=crate::key::MAX_KEY_LENGTH {
            for byte in [b'!', 0x80, 0xff] {
                let name = vec![byte; length];
                let key = Key::parse(&name).expect("a legal key");
                assert!(tried(&ring, &key).len() > 1, "{placement:?} of {length} times {byte:#x}");
            }
        }
    }
}
