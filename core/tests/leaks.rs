//! Clients, connections and operations leave nothing behind: no memory, descriptor or thread. One test, because it looks at the
//! whole process.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::net::TcpListener;
use std::time::Duration;

use cmemcache::{Client, Config, Exptime};
use support::{client, config, configs, eventually, Holdings, Memcached, Port, SLACK};

fn exercise(client: &Client, value: &[u8]) {
    for key in ["a", "b", "c"] {
        client.set(key, value, 0, Exptime::Never).unwrap();
        assert_eq!(client.get(key).unwrap().unwrap().value, value);
    }
    assert_eq!(client.get_multi(&["a", "b", "none"]).unwrap().len(), 3);
}

/// Everything that makes and ends connections, `rounds` times.
fn churn(server: &Memcached, silent: &str, dead: &str, rounds: usize) {
    let small = [b'v'; 1000];
    let large = vec![b'v'; 300_000];
    let lasting = client(config(&server.address()));
    for round in 0..rounds {
        exercise(&client(config(&server.address())), &small);
        exercise(&lasting, if round % 10 == 0 { &large } else { &small });
        if round % 5 == 0 {
            lasting.disconnect_all();
        }
        if round % 20 == 0 {
            let hasty = client(Config { timeout: Duration::from_millis(2), ..configs([silent]) });
            assert!(hasty.get("k").is_err());
            assert!(client(configs([dead])).get("k").is_err());
            // A name is looked up on a thread of its own.
            exercise(&client(config(&format!("localhost:{}", server.port()))), &small);
        }
    }
}

#[test]
fn clients_and_operations_leave_nothing_behind() {
    let server = Memcached::start();
    // The kernel makes the connections, and nobody ever accepts them.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap().to_string();
    let port = Port::reserve();
    let dead = port.address();
    churn(&server, &silent, &dead, 200);
    let connections = server.stat("curr_connections");
    // Each round makes a client and drops it. `make soak` makes 10 000.
    let rounds = std::env::var("CHURN_ROUNDS").map_or(1000, |number| number.parse().expect("CHURN_ROUNDS is a number"));
    // How much the allocator keeps for threads that have ended depends on how many there were at a time, so that it may take
    // more once or twice; what is forgotten is forgotten every time.
    let grows = |_: &u32| {
        let before = Holdings::now();
        churn(&server, &silent, &dead, rounds);
        let mut after = Holdings::now();
        eventually(SLACK, || {
            after = Holdings::now();
            after.descriptors <= before.descriptors && after.threads <= before.threads
        });
        println!("before: {before}; after {rounds} rounds: {after}");
        // A single kilobyte that each client forgot would show.
        after.memory > before.memory + 1500
    };
    assert!((0..4).take_while(grows).count() < 4, "it grows every time");
    eventually(SLACK, || server.stat("curr_connections") <= connections);
}
