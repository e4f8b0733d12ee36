//! The only place that sleeps: spin, then block, under one deadline.
//!
//! Sleeping and being woken costs about 30 us on an idle virtual machine, as much as a whole round trip on a fast network, and
//! the kernel spends on it what a short spin would cost. So a caller that waits alone polls its socket for up to 50 us before
//! it blocks. Where that does not pay it blocks at once: when more calls are under way in this process than there are
//! processors to spare, when the server is far away, and when the processors are busy with other work, so that nobody has to be
//! woken and a spin only takes the server's time. The last two are not guessed but measured, see [`RoundTrip`].

use std::io;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::config::Spin;
use crate::sync;

/// How long a spin lasts at most: about twice a round trip on loopback, and less than twice the price of sleeping.
const SPIN_BUDGET: Duration = Duration::from_micros(50);

/// Longer round trips count as this long: one that was held up says nothing of the next.
const LONGEST_SAMPLE: Duration = Duration::from_micros(250);

/// Replies for which sleeping callers wait this long come too late for a spin to see them.
const TOO_LATE: Duration = Duration::from_micros(200);

/// One call in so many waits in the way that seems to be the worse one, to see whether it still is.
const EXPLORE: u32 = 32;

/// The same while spinning takes less than 60 % of sleeping: there a look costs most, and tells least.
const EXPLORE_SLEEPING: u32 = 256;

/// While something other than a socket is awaited beside sockets (a connection of a full pool, a name), both are looked at
/// this often.
const SLICE: Duration = Duration::from_millis(1);

/// Calls of this process that are between their first and their last byte, or wait for their turn.
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// The end of a whole call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// How long the call may take in all; for messages.
    pub(crate) total: Duration,
}

impl Deadline {
    pub(crate) fn after(total: Duration) -> Self {
        Self { at: Instant::now() + total, total }
    }

    /// When the call began.
    pub(crate) fn begun(&self) -> Instant {
        self.at - self.total
    }
}

/// Moving averages of one server's round trips, of calls that spun and of calls that slept, in nanoseconds; 0 is unknown.
/// Calls of one request, batches that read and batches that store have averages of their own: what holds for one kind says
/// nothing of the others.
///
/// The next call spins only if that has lately been faster by a tenth. A race between two callers loses one sample.
#[derive(Debug, Default)]
pub(crate) struct RoundTrip {
    spinning: AtomicU32,
    sleeping: AtomicU32,
    calls: AtomicU32,
}

impl RoundTrip {
    /// Whether a call that has just been sent should spin for its reply.
    pub(crate) fn choose_spin(&self) -> bool {
        let (spinning, sleeping) = (self.spinning.load(Relaxed), self.sleeping.load(Relaxed));
        if CALLS.load(Relaxed) > spare_processors() || u128::from(sleeping) >= TOO_LATE.as_nanos() {
            return false;
        }
        let spin_pays = u64::from(spinning) * 10 < u64::from(sleeping) * 9;
        let spin_pays_by_far = u64::from(spinning) * 5 < u64::from(sleeping) * 3;
        let interval = if spin_pays_by_far { EXPLORE_SLEEPING } else { EXPLORE };
        let explore = self.calls.fetch_add(1, Relaxed) % interval == 0;
        spin_pays != explore
    }

    /// Takes a round trip into account, with a weight of one eighth.
    pub(crate) fn record(&self, spun: bool, took: Duration) {
        let average = if spun { &self.spinning } else { &self.sleeping };
        let new = u32::try_from(took.min(LONGEST_SAMPLE).as_nanos()).unwrap_or(u32::MAX).max(1);
        let old = average.load(Relaxed);
        average.store(if old == 0 { new } else { old - old / 8 + new / 8 }, Relaxed);
    }
}

/// What one pass over the lanes found to wait for.
#[derive(Debug, Default)]
pub(crate) struct Interests {
    first: Option<libc::pollfd>,
    more: Vec<libc::pollfd>,
    until: Option<Instant>,
    unparked: bool,
    /// At least one of the replies is to be slept for.
    sleep: bool,
}

impl Interests {
    /// A socket that has to become readable, or writable too. `spin`: the reply may be so near that a spin pays.
    pub(crate) fn socket(&mut self, fd: i32, write: bool, spin: bool) {
        let events = if write { libc::POLLIN | libc::POLLOUT } else { libc::POLLIN };
        let entry = libc::pollfd { fd, events, revents: 0 };
        match self.first {
            None => self.first = Some(entry),
            Some(_) => self.more.push(entry),
        }
        self.sleep |= !spin;
    }

    /// Something that another thread says by unparking this one.
    pub(crate) fn unpark(&mut self) {
        self.unparked = true;
    }

    /// The wait must end at this time.
    pub(crate) fn limit(&mut self, at: Instant) {
        self.until = Some(self.until.map_or(at, |until| until.min(at)));
    }

    pub(crate) fn clear(&mut self) {
        self.first = None;
        self.more.clear();
        self.until = None;
        self.unparked = false;
        self.sleep = false;
    }
}

/// The waiting of one call. Counts the call while it lives.
pub(crate) struct Wait {
    spin: Spin,
    /// Since when nothing has moved; unset until the first pause after a move.
    still_since: Option<Instant>,
}

impl Wait {
    pub(crate) fn new(spin: Spin) -> Self {
        CALLS.fetch_add(1, Relaxed);
        Self { spin, still_since: None }
    }

    /// Something moved: the next pause may spin again.
    pub(crate) fn moved(&mut self) {
        self.still_since = None;
    }

    /// Waits until one of the interests may have moved or its limit has come, and returns the time. Returns early at will.
    pub(crate) fn pause(&mut self, interests: &mut Interests) -> Instant {
        let now = Instant::now();
        let since = *self.still_since.get_or_insert(now);
        if interests.first.is_some() && !interests.unparked && now < since + self.budget(interests.sleep) {
            std::hint::spin_loop();
            return now;
        }
        let left = interests.until.map_or(SLICE, |until| until.saturating_duration_since(now));
        if left.is_zero() {
            return now;
        }
        match interests.first {
            None => sync::park_timeout(left),
            Some(_) if interests.unparked => block(interests, left.min(SLICE)),
            Some(_) => block(interests, left),
        }
        Instant::now()
    }

    fn budget(&self, sleep: bool) -> Duration {
        match self.spin {
            Spin::Off => Duration::ZERO,
            Spin::Fixed(time) => time,
            Spin::Auto if sleep || CALLS.load(Relaxed) > spare_processors() => Duration::ZERO,
            Spin::Auto => SPIN_BUDGET,
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        CALLS.fetch_sub(1, Relaxed);
    }
}

/// In a forked child: what was under way were calls of the parent's threads, none of which lives here.
pub(crate) fn forget_calls() {
    CALLS.store(0, Relaxed);
}

/// Processors that can spin while one is left for the server or for the rest of the program; none on a machine of one.
fn spare_processors() -> usize {
    processors() - 1
}

/// Processors that this process may use, at least one.
pub(crate) fn processors() -> usize {
    const UNKNOWN: usize = 0;
    static PROCESSORS: AtomicUsize = AtomicUsize::new(UNKNOWN);
    // No `OnceLock`: a fork while it is filled would leave the child waiting for ever. To ask twice does no harm.
    match PROCESSORS.load(Relaxed) {
        UNKNOWN => {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            PROCESSORS.store(processors, Relaxed);
            processors
        }
        processors => processors,
    }
}

fn block(interests: &mut Interests, left: Duration) {
    // Rounded up: a wait that ends before its limit would turn into a spin.
    let millis = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
    if interests.more.is_empty() {
        if let Some(first) = &mut interests.first {
            poll(std::slice::from_mut(first), millis);
        }
    } else {
        let first = interests.first.take();
        interests.more.extend(first);
        poll(&mut interests.more, millis);
    }
}

/// An error is EINTR or worse; either way the sockets are looked at again, and their own errors tell.
fn poll(fds: &mut [libc::pollfd], millis: i32) {
    let millis = sync::may_block(millis);
    // SAFETY: the slice is valid for the call, and its length is passed with it.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, millis) };
}

/// Whether a socket could connect, or has failed to: it is writable.
pub(crate) fn is_writable(fd: i32) -> io::Result<bool> {
    let mut entry = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry, valid for the call.
    match unsafe { libc::poll(&mut entry, 1, 0) } {
        -1 => match io::Error::last_os_error() {
            // A signal of the host program's: looked at again after the next wait.
            fault if fault.kind() == io::ErrorKind::Interrupted => Ok(false),
            fault => Err(fault),
        },
        ready => Ok(ready > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spins chosen in 320 calls on a server whose round trips take so long.
    fn spins(spinning_us: u64, sleeping_us: u64) -> usize {
        let round_trip = RoundTrip::default();
        let call = |_: &i32| {
            let spin = round_trip.choose_spin();
            round_trip.record(spin, Duration::from_micros(if spin { spinning_us } else { sleeping_us }));
            spin
        };
        (0..320).filter(call).count()
    }

    #[test]
    fn the_faster_way_of_waiting_is_found_and_the_other_looked_at_again() {
        if spare_processors() == 0 {
            assert_eq!(spins(25, 50), 0, "one processor has nothing to spin on");
            return;
        }
        assert!(spins(25, 50) >= 315, "an idle machine");
        assert!((290..=312).contains(&spins(32, 50)), "one that is not as idle");
        assert!((5..=30).contains(&spins(26, 18)), "a busy machine");
        assert!(spins(49, 50) <= 30, "no gain to speak of");
        assert!(spins(1050, 1000) <= 1, "a server far away");
    }

    #[test]
    fn one_held_up_call_does_not_change_the_choice() {
        let round_trip = RoundTrip::default();
        for _ in 0..100 {
            round_trip.record(true, Duration::from_micros(25));
            round_trip.record(false, Duration::from_micros(60));
        }
        round_trip.record(true, Duration::from_millis(80));
        assert!(round_trip.spinning.load(Relaxed) < round_trip.sleeping.load(Relaxed));
    }
}
