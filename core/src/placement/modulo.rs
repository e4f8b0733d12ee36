//! python-memcached's placement: crc32 modulo the servers, each counted by its weight.

use std::fmt::{self, Write};

use super::{hash, parts};
use crate::address::ServerSpec;
use crate::key::Key;

/// The buckets among which keys are spread: every server has as many as its weight, side by side.
///
/// Kept as the bucket at which each server ends: a lookup takes a binary search, and the memory does not depend on weights.
#[derive(Debug)]
pub(super) struct Buckets {
    ends: Vec<u64>,
}

impl Buckets {
    pub(super) fn new(servers: &[ServerSpec]) -> Self {
        let end = |total: &mut u64, server: &ServerSpec| {
            *total = total.saturating_add(u64::from(server.weight.max(1)));
            Some(*total)
        };
        Self { ends: servers.iter().scan(0, end).collect() }
    }

    /// The server after `rank` rehashes.
    pub(super) fn choice(&self, key: &Key<'_>, rank: usize) -> Option<usize> {
        let hash = key.route().unwrap_or_else(|| hash::crc(&parts(key)).into());
        self.server((0..rank).fold(hash, rehash))
    }

    fn server(&self, hash: i64) -> Option<usize> {
        let buckets = *self.ends.last()?;
        let bucket = i128::from(hash).checked_rem_euclid(buckets.into())?;
        Some(self.ends.partition_point(|end| i128::from(*end) <= bucket))
    }
}

/// Where python-memcached looks next: the hash of the text of the last hash and of the number of tries so far.
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
