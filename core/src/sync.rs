//! Locks and waiting: the system's own, or in tests under `--cfg shuttle` those of a checker, which runs the threads of a test
//! one at a time in orders that it chooses. The only place that knows of it; what is checked stands in `server/model.rs`.

#[cfg(all(test, shuttle))]
pub(crate) use checked::{current, may_block, park_timeout, Thread};
#[cfg(all(test, shuttle))]
pub(crate) use shuttle::{
    sync::{Mutex, MutexGuard},
    thread_local,
};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::{
    sync::{Mutex, MutexGuard},
    thread::{current, park_timeout, Thread},
    thread_local,
};

/// Whether a wait ends by itself, and takes time that can be measured.
pub(crate) const TIME_PASSES: bool = cfg!(not(all(test, shuttle)));

/// For how many of these milliseconds a system call may block.
#[cfg(not(all(test, shuttle)))]
#[inline]
pub(crate) fn may_block(millis: i32) -> i32 {
    millis
}

#[cfg(all(test, shuttle))]
mod checked {
    use std::sync::{Arc, PoisonError};
    use std::time::Duration;

    use shuttle::sync::{Condvar, Mutex};

    shuttle::thread_local! {
        static CURRENT: Thread = Thread::default();
    }

    /// A thread that can be woken. The checker's own may wake by itself, which would hide that nobody has woken it.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Thread(Arc<(Mutex<bool>, Condvar)>);

    impl Thread {
        pub(crate) fn unpark(&self) {
            *self.0 .0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.0 .1.notify_one();
        }
    }

    pub(crate) fn current() -> Thread {
        CURRENT.with(Thread::clone)
    }

    /// Waits without a limit: time does not pass.
    pub(crate) fn park_timeout(_limit: Duration) {
        let Thread(place) = current();
        let mut is_woken = place.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_woken {
            is_woken = place.1.wait(is_woken).unwrap_or_else(PoisonError::into_inner);
        }
        *is_woken = false;
    }

    /// For no time: the other threads of the test could not run meanwhile. They get their turn before it.
    pub(crate) fn may_block(_millis: i32) -> i32 {
        shuttle::thread::yield_now();
        0
    }
}
