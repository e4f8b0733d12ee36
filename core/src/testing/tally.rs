//! What the commands did, counted alike for both dialects.

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) commands: u64,
    /// Keys that were asked for.
    pub(super) reads: u64,
    pub(super) hits: u64,
    /// Those of the reads and hits that also gave a new exptime.
    pub(super) touching_reads: u64,
    pub(super) touching_hits: u64,
    pub(super) stores: u64,
    pub(super) deletes: u64,
    pub(super) arithmetic: u64,
    pub(super) touches: u64,
}

impl Tally {
    pub(super) fn read(&mut self, touches: bool) {
        self.reads += 1;
        self.touching_reads += u64::from(touches);
    }

    pub(super) fn hit(&mut self, touches: bool) {
        self.hits += 1;
        self.touching_hits += u64::from(touches);
    }
}
