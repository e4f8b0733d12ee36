//! Which server holds a key: a pure function of the key and the list of servers.
//!
//! Every process that shares a cache has to choose alike, so each scheme chooses exactly as the client that it is named
//! after. What is hashed is the whole key, prefix included; libmemcached and pymemcache can add prefixes of their own
//! that they do not hash. A key with a hash of its own ([`Key::with_route`]) is placed by that hash instead.
//!
//! A pick costs one hash of the key and a lookup that does not grow with the servers; `Rendezvous` alone is O(servers).
//! Memory per server: 4 bytes times its weight under `Modulo`; up to 1.2 kB under `Ketama`, 1.9 kB under
//! `KetamaWeighted`.

#[cfg(test)]
mod cost;
mod hash;
mod ketama;
mod modulo;
mod rendezvous;
#[cfg(test)]
mod tests;

use crate::address::ServerSpec;
use crate::config::Placement;
use crate::key::Key;

use ketama::Continuum;
use modulo::Buckets;
use rendezvous::Rendezvous;

/// How many servers are tried for a key, the first one included: python-memcached's bound, kept for every scheme, so
/// that a key whose servers are all down is given up quickly.
const MAX_TRIES: usize = 10;

/// The servers of a cluster, arranged for placing keys. Servers are named by their index in the list.
#[derive(Debug)]
pub(crate) struct Ring {
    servers: usize,
    scheme: Scheme,
}

#[derive(Debug)]
enum Scheme {
    Modulo(Buckets),
    Modula,
    Ketama(Continuum),
    KetamaWeighted(Continuum),
    Rendezvous(Rendezvous),
}

/// The server chosen for a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    /// Its index in the list of servers.
    pub(crate) server: usize,
    /// How many choices precede this one in the key's order of servers.
    rank: usize,
}

impl Ring {
    pub(crate) fn new(placement: Placement, servers: &[ServerSpec]) -> Self {
        let scheme = match placement {
            Placement::Modulo => Scheme::Modulo(Buckets::new(servers)),
            Placement::Modula => Scheme::Modula,
            Placement::Ketama => Scheme::Ketama(Continuum::of_equals(servers)),
            Placement::KetamaWeighted => Scheme::KetamaWeighted(Continuum::weighted(servers)),
            Placement::Rendezvous => Scheme::Rendezvous(Rendezvous::new(servers)),
        };
        Self { servers: servers.len(), scheme }
    }

    /// The server of a key; `None` only when there are no servers.
    #[inline]
    pub(crate) fn pick(&self, key: &Key<'_>) -> Option<Pick> {
        if self.servers == 1 {
            return Some(Pick { server: 0, rank: 0 });
        }
        Some(Pick { server: self.choice(key, 0)?, rank: 0 })
    }

    /// The server to try when `pick.server` is down, never that one again; `None` when the key has no more.
    pub(crate) fn after(&self, key: &Key<'_>, pick: Pick) -> Option<Pick> {
        (pick.rank + 1..MAX_TRIES.min(self.tries()))
            .map_while(|rank| Some(Pick { server: self.choice(key, rank)?, rank }))
            .find(|next| next.server != pick.server)
    }

    /// A bound on the ranks at which a new server can stand.
    fn tries(&self) -> usize {
        match (&self.scheme, self.servers) {
            // Rehashing may return to a server, so that even two servers can take all ten tries.
            (Scheme::Modulo(_), 2..) => MAX_TRIES,
            _ => self.servers,
        }
    }

    /// The server at a rank in the key's order of servers, from 0 to below `MAX_TRIES`.
    fn choice(&self, key: &Key<'_>, rank: usize) -> Option<usize> {
        let point = |hash: fn(&[&[u8]]) -> u32| match key.route() {
            Some(route) => route as u32,
            None => hash(&parts(key)),
        };
        match &self.scheme {
            Scheme::Modulo(buckets) => buckets.choice(key, rank),
            Scheme::Modula => {
                let first = (point(hash::one_at_a_time) as usize).checked_rem(self.servers)?;
                Some((first + rank) % self.servers)
            }
            Scheme::Ketama(continuum) => continuum.choice(point(hash::one_at_a_time), rank),
            Scheme::KetamaWeighted(continuum) => continuum.choice(point(|parts| hash::md5(parts)[0]), rank),
            Scheme::Rendezvous(rendezvous) => rendezvous.choice(key, rank),
        }
    }
}

/// What is hashed of a key, in order.
fn parts<'a>(key: &Key<'a>) -> [&'a [u8]; 2] {
    [key.prefix(), key.name()]
}
