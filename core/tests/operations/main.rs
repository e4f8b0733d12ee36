//! Every operation, against real memcached processes.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod administration;
mod batches;
mod counters;
mod expiry;
mod keys;
mod metrics;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod values;

use cmemcache::{Client, Config, WireProtocol};
use support::{client, config, Memcached};

/// Runs a test on tcp by IPv4, IPv6 and name, and on a unix socket, with each protocol. Each run has keys of its own: the
/// servers are shared, and all runs but the first have a prefix.
fn every_way(test: impl Fn(&Client, WireProtocol)) {
    let four = Memcached::start();
    let six = Memcached::on("::1", &[]);
    let unix = Memcached::unix();
    let named = format!("localhost:{}", four.port());
    for address in [four.address(), six.address(), unix.address(), named] {
        for protocol in [WireProtocol::Auto, WireProtocol::Meta, WireProtocol::Classic] {
            let first = address == four.address() && protocol == WireProtocol::Auto;
            let key_prefix = if first { String::new() } else { format!("{address}/{protocol:?}/") };
            test(&client(Config { protocol, key_prefix: key_prefix.into(), ..config(&address) }), protocol);
        }
    }
}

/// Runs a test with each protocol on a server of its own.
fn both_dialects(arguments: &[&str], test: impl Fn(&Memcached, Config)) {
    for protocol in [WireProtocol::Meta, WireProtocol::Classic] {
        let server = Memcached::with(arguments);
        test(&server, Config { protocol, ..config(&server.address()) });
    }
}
