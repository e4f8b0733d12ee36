//! pymemcache's placement, highest random weight: of all servers the one whose name hashes highest together with the key.

use super::parts;
use crate::address::{Address, ServerSpec};
use crate::key::Key;

#[derive(Debug)]
pub(super) struct Rendezvous {
    names: Vec<String>,
}

impl Rendezvous {
    pub(super) fn new(servers: &[ServerSpec]) -> Self {
        Self { names: servers.iter().map(|server| node_name(&server.address)).collect() }
    }

    pub(super) fn choice(&self, key: &Key<'_>, rank: usize) -> Option<usize> {
        let key = match key.route() {
            Some(route) => route.to_string().into_bytes(),
            None => parts(key).concat(),
        };
        let mut scores: Vec<_> = (0..self.names.len())
            .map(|i| (murmur3(&[format!("{}-", self.names[i]).as_bytes(), &key].concat()), &self.names[i], i))
            .collect();
        scores.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(b.1.cmp(a.1)).then(a.2.cmp(&b.2)));
        scores.get(rank).map(|score| score.2)
    }
}

fn murmur3(text: &[u8]) -> u32 {
    let mix = |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
    let mut hash = 0u32;
    let blocks = text.chunks_exact(4);
    let tail = word(blocks.remainder());
    for block in blocks {
        hash = (hash ^ mix(word(block))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    hash ^= mix(tail) ^ text.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

fn node_name(address: &Address) -> String {
    match address {
        Address::Tcp { host, port } => format!("{host}:{port}"),
        Address::Unix { path } => path.display().to_string(),
    }
}
