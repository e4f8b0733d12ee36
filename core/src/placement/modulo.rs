//! python-memcached's placement: crc32 modulo the servers, each counted by its weight.

use std::fmt::{self, Write};

use super::{hash, parts};
use crate::address::{ServerSpec, MAX_WEIGHT};
use crate::key::Key;

/// The buckets among which keys are spread: every server stands in as many as its weight, side by side.
#[derive(Debug)]
pub(super) struct Buckets(Box<[u32]>);

impl Buckets {
    pub(super) fn new(servers: &[ServerSpec]) -> Self {
        let shares = (0..).zip(servers).map(|(index, server)| (index, server.weight.clamp(1, MAX_WEIGHT)));
        Self(shares.flat_map(|(index, weight)| (0..weight).map(move |_| index)).collect())
    }

    /// The server after `rank` rehashes.
    pub(super) fn choice(&self, key: &Key<'_>, rank: usize) -> Option<usize> {
        let hash = key.route().unwrap_or_else(|| hash::crc(&parts(key)).into());
        let hash = (0..rank).fold(hash, rehash);
        let bucket = hash.checked_rem_euclid(self.0.len() as i64)?;
        Some(self.0[bucket as usize] as usize)
    }
}

/// Where python-memcached looks next: the hash of the text of the last hash and of the number of tries before.
fn rehash(hash: i64, tries: usize) -> i64 {
    let mut text = Crc(crc32fast::Hasher::new());
    // Writing to a hasher cannot fail.
    let _ = write!(text, "{hash}{tries}");
    hash::crc_bits(text.0).into()
}

/// A CRC-32 to which text can be written.
struct Crc(crc32fast::Hasher);

impl Write for Crc {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rehashing_walks_as_python_memcached() {
        for (key, expected) in [("foo", [3187, 29842, 32274, 24630]), ("bar", [30463, 7952, 17934, 13590])] {
            let mut hash = hash::crc(&[key.as_bytes()]).into();
            let mut walked = vec![hash];
            for tries in 0..3 {
                hash = rehash(hash, tries);
                walked.push(hash);
            }
            assert_eq!(walked, expected, "{key}");
        }
    }
}
