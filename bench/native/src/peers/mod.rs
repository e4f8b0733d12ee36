//! The clients that are compared, each in its fastest documented mode: no delay, every reply awaited. Ours runs with its
//! defaults and is shared by all threads; of the others every thread has a client, and so a connection, of its own.

mod libmemcached;
mod ours;
mod pooled;
mod tokio_client;
mod wire;

use std::sync::Arc;

use crate::work::Pairs;
use crate::Outcome;

/// What one thread calls.
pub(crate) trait Caller: Send {
    /// Reads one value and returns its length; a miss is an error.
    fn get(&mut self, pairs: &Pairs, place: usize) -> Outcome<usize>;

    /// Stores one value.
    fn set(&mut self, pairs: &Pairs, place: usize) -> Outcome<usize>;

    /// Reads all values and returns how many were found.
    fn get_multi(&mut self, pairs: &Pairs) -> Outcome<usize>;

    /// Stores all values, one by one where the client knows no other way.
    fn set_multi(&mut self, pairs: &Pairs) -> Outcome<()> {
        for place in 0..pairs.keys.len() {
            self.set(pairs, place)?;
        }
        Ok(())
    }
}

/// Where the callers of one client come from.
pub(crate) enum Source {
    Ours(Arc<cmemcache::Client>),
    Other(String, Vec<u16>),
}

impl Source {
    pub(crate) fn open(client: &str, ports: &[u16]) -> Outcome<Self> {
        Ok(match client {
            "cmemcache" => Self::Ours(ours::open(ports, cmemcache::Spin::Auto)?),
            "cmemcache-blocking" => Self::Ours(ours::open(ports, cmemcache::Spin::Off)?),
            _ => Self::Other(client.to_string(), ports.to_vec()),
        })
    }

    pub(crate) fn caller(&self) -> Outcome<Box<dyn Caller>> {
        let (name, ports) = match self {
            Self::Ours(client) => return Ok(Box::new(ours::Ours(client.clone()))),
            Self::Other(name, ports) => (name.as_str(), ports),
        };
        Ok(match name {
            "libmemcached" => Box::new(libmemcached::Libmemcached::open(ports)?),
            "memcache" => Box::new(pooled::Pooled::open(ports)?),
            "async-memcached" => Box::new(tokio_client::TokioClient::open(ports)?),
            "wire" => Box::new(wire::Wire::open(ports, wire::Waiting::Block)?),
            "wire-spin" => Box::new(wire::Wire::open(ports, wire::Waiting::Spin)?),
            _ => return Err(format!("{name} is no client").into()),
        })
    }
}

/// A client's version; empty for what comes from this repository.
pub(crate) fn version(client: &str) -> Outcome<String> {
    match client {
        "cmemcache" | "cmemcache-blocking" | "wire" | "wire-spin" => Ok(String::new()),
        "libmemcached" => Ok(libmemcached::version()),
        crate_name => locked_version(crate_name).ok_or_else(|| format!("{crate_name} is not in Cargo.lock").into()),
    }
}

fn locked_version(crate_name: &str) -> Option<String> {
    let (_, rest) = include_str!("../../Cargo.lock").split_once(&format!("name = \"{crate_name}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0.to_string())
}
