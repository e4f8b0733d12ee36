//! The faults of networks and servers, one by one: what the client owes is an answer in time, never another key's value, and
//! that its next call is right.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod batches;
mod connecting;
mod health;
mod idle;
mod lifecycle;
mod replies;
#[path = "../support/mod.rs"]
mod support;
mod timing;

use std::time::Duration;

use cmemcache::{Client, Config, Error, ErrorKind, Exptime, Result, StoreOutcome};
use support::{client, config, failure, Peer};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn set(client: &Client, key: &str, value: &str) -> Result<StoreOutcome> {
    client.set(key, value, 0, Exptime::Never)
}

/// The text of a value that has to be there.
fn text(client: &Client, key: &str) -> String {
    let item = client.get(key).expect("a reply").expect("a hit");
    String::from_utf8(item.value.to_vec()).expect("text")
}

/// A client with one connection and short patience: the fault under test is all that can happen.
fn single(peer: &Peer) -> Client {
    client(Config { max_connections: 1, ..config(&peer.address()) })
}

/// The error of a `get` of `k` that has to fail in this way, at this peer.
fn get_fails(client: &Client, peer: &Peer, kind: ErrorKind) -> Error {
    let error = failure(client.get("k"), kind);
    assert_eq!(error.server(), Some(&*peer.address()), "{error:?}");
    error
}
