//! Every socket of this process's servers, so that a forked child can close its copies at once.
//!
//! A copy in a child would keep a connection open that the server has closed, and a port that it has given up. The child closes
//! them before it runs anything else, in a handler that may do little: so they stand in a table of atomics, without a lock.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

const NONE: RawFd = -1;

/// Sockets beyond so many are not closed in a child.
static TABLE: [AtomicI32; 4096] = [const { AtomicI32::new(NONE) }; 4096];

static IS_WATCHED: AtomicBool = AtomicBool::new(false);

/// Arranges that forked children close their copies.
pub(super) fn watch() {
    crate::fork::watch();
    if !IS_WATCHED.swap(true, Ordering::AcqRel) {
        // SAFETY: the handler changes atomics and closes descriptors, which is safe at any moment of any thread.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
}

extern "C" fn in_child() {
    for place in &TABLE {
        let socket = place.swap(NONE, Ordering::Relaxed);
        if socket != NONE {
            // SAFETY: it was open in the parent at the moment of the fork, and its owner never runs in the child.
            unsafe { libc::close(socket) };
        }
    }
}

/// A socket that forked children close.
#[derive(Debug)]
pub(super) struct Socket<S> {
    // Before the socket, so that a number which is free for others no longer stands in the table.
    _place: Place,
    socket: S,
}

impl<S: AsRawFd> Socket<S> {
    pub(super) fn new(socket: S) -> Self {
        let fd = socket.as_raw_fd();
        let enter = |place: &&AtomicI32| place.compare_exchange(NONE, fd, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        Self { _place: Place(TABLE.iter().find(enter)), socket }
    }

    /// The socket, which forked children no longer close.
    pub(super) fn into_inner(self) -> S {
        self.socket
    }
}

impl<S> std::ops::Deref for Socket<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.socket
    }
}

#[derive(Debug)]
struct Place(Option<&'static AtomicI32>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.store(NONE, Ordering::Release);
        }
    }
}
