//! Payloads that were too large for their caller's buffer, until they have been read.
//!
//! Like the handles they stand in a table that is replaced and never locked, because of forks. It is as long as there are large
//! replies being read at one moment.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;

type Kept = Vec<(u64, Bytes)>;

static TABLE: ArcSwapOption<Kept> = ArcSwapOption::const_empty();
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Keeps a payload at its address until its token is released.
pub(crate) fn keep(payload: Bytes) -> u64 {
    let token = NEXT.fetch_add(1, Relaxed);
    TABLE.rcu(|table| {
        let mut kept = copy(table.as_ref());
        kept.push((token, payload.clone()));
        Some(Arc::new(kept))
    });
    token
}

/// Frees a payload; a token that is unknown is ignored.
pub(crate) fn release(token: u64) {
    TABLE.rcu(|table| {
        let mut kept = copy(table.as_ref());
        kept.retain(|(other, _)| *other != token);
        Some(Arc::new(kept))
    });
}

fn copy(table: Option<&Arc<Kept>>) -> Kept {
    table.map(|kept| kept.to_vec()).unwrap_or_default()
}
