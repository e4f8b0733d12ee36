//! libmemcached's two ketama placements: servers stand at many points of a circle of 2^32, a key belongs to the first
//! point at or after its hash.
//!
//! What is not reproduced: under `KETAMA`, libmemcached takes the points of `KETAMA_WEIGHTED` as soon as a server is
//! added with a weight above 1, and goes on hashing keys one-at-a-time.

use super::{hash, MAX_TRIES};
use crate::address::{Address, ServerSpec, DEFAULT_PORT};

/// Points of a server on the unweighted circle.
const POINTS: u32 = 100;

/// Points of a server of average weight on the weighted one, before rounding.
const WEIGHTED_POINTS: f32 = 160.0;

/// Points that one MD5 digest yields.
const POINTS_PER_DIGEST: f32 = 4.0;

/// The circle, in ascending order of (value, server).
#[derive(Debug)]
pub(super) struct Continuum {
    points: Box<[Point]>,
    /// For each equal arc of the circle, the index of the first point that is not before the arc. Hashes spread evenly,
    /// so that a search which starts there looks at one or two points, however many there are.
    arcs: Box<[u32]>,
    /// `hash >> arc_shift` is the arc of a hash.
    arc_shift: u32,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    value: u32,
    server: u32,
}

impl Continuum {
    /// `MEMCACHED_BEHAVIOR_KETAMA`: 100 points per server, whatever its weight.
    pub(super) fn of_equals(servers: &[ServerSpec]) -> Self {
        Self::new(servers, |_, name| (0..POINTS).map(|i| hash::one_at_a_time(&[format!("{name}-{i}").as_bytes()])).collect())
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
        // Value and server in one number: these sort faster than pairs.
        let mut circle: Vec<u64> = Vec::new();
        for (index, server) in (0u32..).zip(servers) {
            let values = points(server, &point_name(&server.address));
            circle.extend(values.into_iter().map(|value| u64::from(value) << 32 | u64::from(index)));
        }
        circle.sort_unstable();
        let points: Box<[Point]> =
            circle.into_iter().map(|point| Point { value: (point >> 32) as u32, server: point as u32 }).collect();

        let bits = points.len().max(2).ilog2();
        let arc_shift = 32 - bits;
        let mut first = 0;
        let arcs = (0..1 << bits).map(|arc: u32| {
            first += points[first..].iter().take_while(|point| point.value < arc << arc_shift).count();
            first as u32
        });
        Self { arcs: arcs.collect(), arc_shift, points }
    }

    /// The server at a rank, below `MAX_TRIES`, of those met clockwise from a hash, each counted once.
    ///
    /// Rank 0 is one search. A later one walks past all points of the servers before it: few, unless weights are far
    /// apart.
    pub(super) fn choice(&self, hash: u32, rank: usize) -> Option<usize> {
        let start = self.arcs[(hash >> self.arc_shift) as usize] as usize;
        let start = start + self.points[start..].iter().take_while(|point| point.value < hash).count();
        let (before, from) = self.points.split_at(start);
        let mut clockwise = from.iter().chain(before).map(|point| point.server as usize);
        let mut met = [0; MAX_TRIES];
        for count in 0..rank {
            met[count] = clockwise.find(|server| !met[..count].contains(server))?;
        }
        clockwise.find(|server| !met[..rank].contains(server))
    }
}

/// How many digests place a server on the weighted circle. libmemcached computes in single precision, and so 25 equal
/// servers get 39 digests each, not 40.
fn digests(weight: u32, total: u64, servers: usize) -> u32 {
    let share = weight as f32 / total as f32;
    let exact = share * WEIGHTED_POINTS / POINTS_PER_DIGEST * servers as f32;
    (f64::from(exact) + 1e-10) as f32 as u32
}

/// The server's part of the name of a point. libmemcached leaves the default port out, and knows a unix socket as a
/// host with port 0.
fn point_name(address: &Address) -> String {
    match address {
        Address::Tcp { host, port: DEFAULT_PORT } => host.clone(),
        Address::Tcp { host, port } => format!("{host}:{port}"),
        Address::Unix { path } => format!("{}:0", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn continuum(points: &[&[u32]]) -> Continuum {
        let servers: Vec<_> =
            (0..points.len()).map(|i| ServerSpec::parse(&format!("{i}.example"), 1).expect("a legal server")).collect();
        Continuum::new(&servers, |server, _| {
            points[servers.iter().position(|other| other == server).expect("a known server")].to_vec()
        })
    }

    #[test]
    fn a_hash_belongs_to_the_first_point_that_is_not_before_it() {
        // Points on and around the borders of arcs; the search is held against a walk over all points.
        let borders: Vec<u32> = (0..64).map(|i| i << 26).collect();
        let clusters: [&[&[u32]]; 5] = [
            &[&[5], &[u32::MAX]],
            &[&[0, 1, u32::MAX], &[0, 7, u32::MAX - 1]],
            &[&borders, &[1 << 26, (1 << 26) + 1, (3 << 26) - 1], &[40]],
            &[&[9, 10, 11, 12, 13, 14, 15, 16], &[1 << 31]],
            &[&[77]],
        ];
        for cluster in clusters {
            let continuum = continuum(cluster);
            let mut points: Vec<(u32, usize)> =
                cluster.iter().enumerate().flat_map(|(server, values)| values.iter().map(move |v| (*v, server))).collect();
            points.sort_unstable();
            let around = |value: &u32| [value.wrapping_sub(1), *value, value.wrapping_add(1)];
            for hash in cluster.iter().copied().flatten().chain(&borders).flat_map(around) {
                let expected = points.iter().find(|(value, _)| *value >= hash).unwrap_or(&points[0]).1;
                assert_eq!(continuum.choice(hash, 0), Some(expected), "{hash} among {cluster:?}");
            }
        }
    }
}
