//! The server's time, which a test may move forward.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::item::MAX_RELATIVE_EXPTIME;

/// A moment, in milliseconds since the server was made.
pub(super) type Moment = u64;

/// Real time, and how far it was moved forward.
#[derive(Debug)]
pub(super) struct Clock {
    begun: Instant,
    /// Milliseconds between 1970 and the server's making.
    unix: u64,
    ahead: u64,
}

impl Clock {
    pub(super) fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { begun: Instant::now(), unix: millis(unix), ahead: 0 }
    }

    pub(super) fn advance(&mut self, time: Duration) {
        self.ahead = self.ahead.saturating_add(millis(time));
    }

    pub(super) fn now(&self) -> Moment {
        millis(self.begun.elapsed()).saturating_add(self.ahead)
    }

    /// Seconds since 1970.
    pub(super) fn unix(&self) -> u64 {
        self.unix.saturating_add(self.now()) / 1000
    }

    /// When an item with this exptime ends; `None` for never.
    ///
    /// Up to 30 days it is a time from now, more is a time since 1970, and a negative one has passed.
    pub(super) fn expiry(&self, exptime: i32) -> Option<Moment> {
        let seconds = match u64::try_from(exptime) {
            Ok(0) => return None,
            Ok(seconds) => seconds,
            Err(_) => return Some(0),
        };
        if i64::from(exptime) <= MAX_RELATIVE_EXPTIME {
            return Some(self.now().saturating_add(seconds * 1000));
        }
        Some((seconds * 1000).saturating_sub(self.unix))
    }

    /// The seconds until a moment, begun ones counting whole.
    pub(super) fn until(&self, moment: Moment) -> u64 {
        moment.saturating_sub(self.now()).div_ceil(1000)
    }

    /// The whole seconds since a moment.
    pub(super) fn since(&self, moment: Moment) -> u64 {
        self.now().saturating_sub(moment) / 1000
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
