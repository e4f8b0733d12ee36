//! Which process this is, for the price of reading a number.
//!
//! A forked child shares its parent's sockets; one byte of it on such a socket gives the parent another key's value. So
//! everything that holds a socket is made in an epoch, and a fork begins a new one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::conn::wait;

static EPOCH: AtomicU64 = AtomicU64::new(0);
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

/// A number that every fork between the process that loaded this library and this one has raised.
#[inline]
pub(crate) fn epoch() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

/// Arranges that every later fork begins a new epoch in the child. Called by each constructor of a client.
pub(crate) fn watch() {
    // No `Once`: a fork while it runs would leave the child waiting for ever. Two handlers are as good as one.
    // Miri knows no forks.
    if !cfg!(miri) && !IS_WATCHED.load(Ordering::Acquire) {
        // SAFETY: the handler only changes atomics, which is safe at any moment of any thread.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        IS_WATCHED.store(true, Ordering::Release);
    }
}

extern "C" fn in_child() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
    wait::forget_calls();
}
