//! Which process this is, for the price of reading a number.
//!
//! A forked child shares its parent's sockets; one byte of it on such a socket gives the parent another key's value. So
//! everything that holds a socket is made in an epoch, and a fork begins a new one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Once;

static EPOCH: AtomicU64 = AtomicU64::new(0);
static REGISTER: Once = Once::new();

/// The number of forks between the process that loaded this library and this one.
#[inline]
pub(crate) fn epoch() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

/// Arranges that every later fork begins a new epoch in the child. Called by each constructor of a client.
pub(crate) fn watch() {
    REGISTER.call_once(|| {
        // SAFETY: the handler only adds to an atomic, which is safe at any moment of any thread.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

extern "C" fn in_child() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
}
