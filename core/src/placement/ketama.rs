//! libmemcached's two ketama placements: servers stand at many points of a circle of 2^32, a key belongs to the first
//! point at or after its hash.

use super::{hash, MAX_TRIES};
use crate::address::{Address, ServerSpec, DEFAULT_PORT};

/// Points of a server on the unweighted continuum.
const POINTS: u32 = 100;

/// Points of a server of average weight on the weighted one, before rounding.
const WEIGHTED_POINTS: f32 = 160.0;

/// Points that one MD5 digest yields.
const POINTS_PER_DIGEST: f32 = 4.0;

/// The circle: its points in ascending order, and the server of each.
#[derive(Debug)]
pub(super) struct Continuum {
    values: Vec<u32>,
    servers: Vec<u32>,
}

impl Continuum {
    /// `MEMCACHED_BEHAVIOR_KETAMA`: 100 points per server, whatever its weight.
    pub(super) fn of_equals(servers: &[ServerSpec]) -> Self {
        Self::new(servers, |_, name| {
            (0..POINTS).map(|i| hash::one_at_a_time(&[format!("{name}-{i}").as_bytes()])).collect()
        })
    }

    /// `MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED`: about 160 points per server, by weight.
    pub(super) fn weighted(servers: &[ServerSpec]) -> Self {
        let total: u64 = servers.iter().map(|server| u64::from(server.weight.max(1))).sum();
        Self::new(servers, |server, name| {
            let digests = digests(server.weight.max(1), total, servers.len());
            (0..digests).flat_map(|i| hash::md5(&[format!("{name}-{i}").as_bytes()])).collect()
        })
    }

    fn new(servers: &[ServerSpec], points: impl Fn(&ServerSpec, &str) -> Vec<u32>) -> Self {
        let mut circle: Vec<(u32, u32)> = Vec::new();
        for (index, server) in (0..).zip(servers) {
            let points = points(server, &point_name(&server.address));
            circle.extend(points.into_iter().map(|value| (value, index)));
        }
        circle.sort_unstable();
        let (values, servers) = circle.into_iter().unzip();
        Self { values, servers }
    }

    /// The server at a rank of those met clockwise from a hash, each counted once.
    ///
    /// Rank 0 is one search. A later one walks past all points of the servers before it: few, unless weights are far apart.
    pub(super) fn choice(&self, hash: u32, rank: usize) -> Option<usize> {
        let start = self.values.partition_point(|value| *value < hash);
        let (before, from) = self.servers.split_at(start);
        let mut met = [0; MAX_TRIES];
        let mut count = 0;
        for server in from.iter().chain(before) {
            if met[..count].contains(server) {
                continue;
            }
            if count == rank {
                return Some(*server as usize);
            }
            *met.get_mut(count)? = *server;
            count += 1;
        }
        None
    }
}

/// How many digests place a server on the weighted continuum. libmemcached computes in single precision, and so 25 equal
/// servers get 39 digests each, not 40.
fn digests(weight: u32, total: u64, servers: usize) -> u32 {
    let share = weight as f32 / total as f32;
    let exact = share * WEIGHTED_POINTS / POINTS_PER_DIGEST * servers as f32;
    (f64::from(exact) + 1e-10) as f32 as u32
}

/// The server's part of the name of a point. libmemcached leaves the default port out, and knows a unix socket as a host
/// with port 0.
fn point_name(address: &Address) -> String {
    match address {
        Address::Tcp { host, port: DEFAULT_PORT } => host.clone(),
        Address::Tcp { host, port } => format!("{host}:{port}"),
        Address::Unix { path } => format!("{}:0", path.display()),
    }
}
