//! An item as the server keeps it, and the memory that a real one would take for it.

use super::clock::Moment;

/// One item.
#[derive(Clone, Debug, Default)]
pub(super) struct Item {
    pub(super) value: Vec<u8>,
    pub(super) flags: u32,
    pub(super) cas: u64,
    /// When it ends; `None` for never.
    pub(super) expiry: Option<Moment>,
    /// When it was stored, or read for more than the first time.
    pub(super) accessed: Moment,
    /// Whether it was read since it was stored.
    pub(super) is_fetched: bool,
    /// Whether its key is shown as base64.
    pub(super) has_binary_key: bool,
    /// Whether `md` with `I` marked it.
    pub(super) is_stale: bool,
    /// Whether a reader was told to make it anew.
    pub(super) is_promised: bool,
    /// Its place in the order of use.
    pub(super) turn: u64,
}

impl Item {
    /// The bytes that it takes.
    pub(super) fn size(&self, key: &[u8]) -> usize {
        size(key.len(), self.flags, self.value.len())
    }
}

/// What memcached puts around key and value on a 64-bit machine: the header with a cas token, the NUL behind the key, the line
/// end behind the value, and the flags unless they are 0.
pub(super) fn size(key: usize, flags: u32, value: usize) -> usize {
    let header = 48 + 8;
    header + key + 1 + if flags == 0 { 0 } else { 4 } + value + 2
}

/// The chunk sizes of the slab classes, from class 1 on.
pub(super) fn slab_sizes() -> Vec<usize> {
    let largest = 512 * 1024;
    let mut sizes = Vec::new();
    let mut next = 96.0_f64;
    while next < f64::from(largest) / 1.25 {
        let aligned = (next as usize).next_multiple_of(8);
        sizes.push(aligned);
        next = (aligned as f64 * 1.25).floor();
    }
    sizes.push(largest as usize);
    sizes
}

/// The slab class of an item of this size. Items larger than the largest chunk are in its class too.
pub(super) fn slab_class(sizes: &[usize], size: usize) -> usize {
    let fits = sizes.iter().position(|chunk| size <= *chunk);
    fits.map_or(sizes.len(), |index| index + 1)
}
