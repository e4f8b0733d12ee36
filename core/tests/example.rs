//! The example does what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[allow(dead_code, reason = "its main is not called")]
#[path = "../examples/read_through.rs"]
mod read_through;
mod support;

use support::{client, config, Memcached};

#[test]
fn the_example_runs_twice() {
    let server = Memcached::start();
    let client = client(config(&server.address()));
    for (runs, words) in [("1", "seen"), ("2", "seen seen")] {
        read_through::run(&server.address()).unwrap();
        assert_eq!(client.get("example:runs").unwrap().unwrap().value, runs);
        assert_eq!(client.get("example:words").unwrap().unwrap().value, words);
        assert_eq!(client.get("example:square:12").unwrap().unwrap().value, "144");
    }
}
