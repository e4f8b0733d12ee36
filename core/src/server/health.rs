//! Whether a server is asked: Up -> Suspect -> Down(until) -> one probe -> Up. Takes the time, never asks for it.
//!
//! A server that refuses connections costs a probe nothing, so it is left alone for 25 to 500 ms and serves again within a
//! second of its return. One that does not answer costs every probe a whole timeout, so it is left alone for longer each time,
//! from 250 ms to `dead_retry`. All waits are jittered, so that a fleet of clients does not probe in step.

use std::time::{Duration, Instant};

use crate::metrics::ServerState;

const FIRST_REFUSED: Duration = Duration::from_millis(25);
const LAST_REFUSED: Duration = Duration::from_millis(500);
const FIRST_SILENT: Duration = Duration::from_millis(250);

/// How a server failed a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection: refused, unreachable, no such name. A second probe is cheap.
    Refused,
    /// No connection or no greeting within the connect timeout. A second probe is dear.
    Unreachable,
    /// The server was reached, and one side refuses the other's certificate or credentials. A second probe is dear, and
    /// changes nothing before somebody has acted.
    Rejected,
    /// An open connection failed: no reply in time, closed, or talking nonsense.
    Failed,
}

/// What one client knows of one server.
#[derive(Debug)]
pub(crate) struct Health {
    dead_retry: Duration,
    failure_limit: u32,
    failures: u32,
    backoff: Duration,
    until: Option<Instant>,
    was_down: bool,
}

impl Health {
    pub(crate) fn new(dead_retry: Duration, failure_limit: u32) -> Self {
        Self { dead_retry, failure_limit, failures: 0, backoff: Duration::ZERO, until: None, was_down: false }
    }

    /// Whether a call may go to the server now. While it is down, one call per interval may: the probe.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        match self.until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                // Nobody else until this probe has told its outcome, or has been given time enough to.
                self.until = Some(now + self.backoff.max(LAST_REFUSED));
                true
            }
        }
    }

    /// A real request was answered.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.backoff = Duration::ZERO;
        self.until = None;
    }

    /// A call failed. `jitter` is a random number of 0 to 255.
    pub(crate) fn failed(&mut self, failure: Failure, now: Instant, jitter: u8) {
        self.failures = self.failures.saturating_add(1);
        let (first, last) = match failure {
            Failure::Refused => (FIRST_REFUSED, LAST_REFUSED.min(self.dead_retry)),
            Failure::Unreachable | Failure::Rejected => (FIRST_SILENT, self.dead_retry),
            Failure::Failed if self.failures < self.failure_limit => return,
            Failure::Failed => (FIRST_SILENT, self.dead_retry),
        };
        if self.dead_retry.is_zero() {
            return;
        }
        self.backoff = (self.backoff * 2).clamp(first.min(last), last);
        // Between three quarters and the whole.
        let wait = self.backoff - self.backoff / 4 * u32::from(jitter) / 255;
        self.until = Some(now + wait);
        self.was_down = true;
    }

    /// The user says that the server is down.
    pub(crate) fn mark_down(&mut self, now: Instant, wait: Duration) {
        self.failures = self.failures.max(1);
        self.until = Some(now + wait);
        self.was_down = true;
    }

    /// The user says that the server is to be tried again.
    pub(crate) fn forgive(&mut self) {
        self.succeeded();
    }

    /// Whether the server was down since it was emptied.
    pub(crate) fn was_down(&self) -> bool {
        self.was_down
    }

    /// The server was emptied after it was down.
    pub(crate) fn emptied(&mut self) {
        self.was_down = false;
    }

    /// Whether the server is left alone, or was until now.
    pub(crate) fn is_down(&self) -> bool {
        self.until.is_some()
    }

    /// Whether nothing is held against the server.
    pub(crate) fn is_clean(&self) -> bool {
        self.failures == 0 && self.until.is_none()
    }

    /// How the server stands, and how long until its next probe.
    pub(crate) fn state(&self, now: Instant) -> (ServerState, Duration) {
        match self.until {
            Some(until) => (ServerState::Down, until.saturating_duration_since(now)),
            None if self.failures > 0 => (ServerState::Suspect, Duration::ZERO),
            None => (ServerState::Up, Duration::ZERO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> (Health, Instant) {
        (Health::new(Duration::from_secs(30), 3), Instant::now())
    }

    #[test]
    fn a_single_timeout_only_makes_suspect() {
        let (mut health, now) = health();
        health.failed(Failure::Failed, now, 0);
        assert_eq!(health.state(now).0, ServerState::Suspect);
        assert!(health.admit(now));
        health.failed(Failure::Failed, now, 0);
        health.failed(Failure::Failed, now, 0);
        assert_eq!(health.state(now).0, ServerState::Down);
        assert!(!health.admit(now));
    }

    #[test]
    fn a_refusing_server_is_probed_within_half_a_second_however_long_it_is_gone() {
        let (mut health, mut now) = health();
        for _ in 0..100 {
            health.failed(Failure::Refused, now, 0);
            assert!(health.state(now).1 <= LAST_REFUSED);
            now += LAST_REFUSED;
            assert!(health.admit(now));
        }
    }

    #[test]
    fn a_silent_server_is_left_alone_longer_each_time_up_to_dead_retry() {
        let (mut health, now) = health();
        let mut last = Duration::ZERO;
        for _ in 0..20 {
            health.failed(Failure::Unreachable, now, 0);
            let wait = health.state(now).1;
            assert!(wait > last || wait == Duration::from_secs(30), "{wait:?}");
            last = wait;
        }
        assert_eq!(last, Duration::from_secs(30));
    }

    #[test]
    fn one_probe_at_a_time_and_its_success_brings_the_server_back() {
        let (mut health, now) = health();
        health.failed(Failure::Refused, now, 0);
        let later = now + LAST_REFUSED;
        assert!(health.admit(later));
        assert!(!health.admit(later), "a second caller is no probe");
        health.succeeded();
        assert!(health.admit(later));
        assert!(health.is_clean());
        assert!(health.was_down());
        health.emptied();
        assert!(!health.was_down());
    }

    #[test]
    fn jitter_shortens_by_at_most_a_quarter() {
        for jitter in [0, 1, 127, 255] {
            let (mut health, now) = health();
            health.failed(Failure::Unreachable, now, jitter);
            let wait = health.state(now).1;
            assert!(wait <= FIRST_SILENT && wait >= FIRST_SILENT * 3 / 4, "{wait:?}");
        }
    }

    #[test]
    fn dead_retry_of_zero_never_puts_a_server_down() {
        let now = Instant::now();
        let mut health = Health::new(Duration::ZERO, 1);
        health.failed(Failure::Refused, now, 0);
        health.failed(Failure::Failed, now, 0);
        assert!(health.admit(now));
    }
}
