//! What memcached stores: a value with its flags, and the outcome of storing one.

use bytes::Bytes;

/// A value as memcached holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// The value's bytes.
    pub value: Bytes,
    /// The client flags stored with the value; memcached keeps them and never reads them.
    pub flags: u32,
    /// The item's cas token; present only when it was asked for (`gets`, `gats`).
    pub cas: Option<u64>,
}

/// What memcached did with a value that it was asked to store. None of these is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreOutcome {
    /// The value is stored.
    Stored,
    /// The condition of `add`, `replace`, `append` or `prepend` did not hold.
    NotStored,
    /// `cas`: the item was changed since its token was read.
    Exists,
    /// `cas`: there is no such item.
    NotFound,
}

/// What memcached knows of an item, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ItemMetadata {
    /// Seconds until it expires; `None` if it never does.
    pub ttl: Option<i64>,
    /// Seconds since it was last read or written.
    pub idle: u64,
    /// Its cas token.
    pub cas: u64,
    /// Whether it was read since it was stored.
    pub fetched: bool,
    /// Slab class it lives in.
    pub slab_class: u32,
    /// Bytes it takes in the server, header and key included.
    pub size: u64,
}

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreMode {
    /// Whatever is there is replaced.
    Set,
    /// Only when there is no item yet.
    Add,
    /// Only when there is one.
    Replace,
    /// Behind the present value; flags and exptime of the item stay.
    Append,
    /// In front of the present value; flags and exptime of the item stay.
    Prepend,
    /// Only when the item still has this cas token.
    Cas(u64),
}

/// When an item expires.
///
/// memcached reads up to 30 days as seconds from now and anything above as an absolute time, so that a lifetime of 31 days
/// given as a number is long past. This type does the conversion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Exptime {
    /// Not by time; the item can still be evicted.
    #[default]
    Never,
    /// This many seconds from now, of any size up to the year 2038.
    After(u32),
    /// At this time, in seconds since 1970-01-01 UTC.
    At(u32),
    /// At once.
    Expired,
}

/// Longest exptime that memcached reads as relative: 30 days, in seconds (`REALTIME_MAXDELTA` in memcached's source).
pub const MAX_RELATIVE_EXPTIME: i64 = 60 * 60 * 24 * 30;

/// Numbers from here on are taken as absolute times: 10^9 seconds, 2001-09-09. What lies between 30 days and this is a
/// lifetime of up to 31 years.
pub const FIRST_ABSOLUTE_EXPTIME: i64 = 1_000_000_000;

/// Last absolute time that memcached can express, in seconds since 1970: beyond it an item is dead at once.
pub const LAST_EXPTIME: i64 = i32::MAX as i64;

impl Exptime {
    /// Reads a number of seconds as every binding takes it: 0 never, negative at once, up to 10^9 a lifetime from now, above
    /// that an absolute time.
    ///
    /// # Errors
    /// The number itself, when it lies past 2^31-1.
    pub fn from_seconds(seconds: i64) -> Result<Self, i64> {
        match seconds {
            0 => Ok(Self::Never),
            i64::MIN..0 => Ok(Self::Expired),
            1..FIRST_ABSOLUTE_EXPTIME => Ok(Self::After(seconds as u32)),
            FIRST_ABSOLUTE_EXPTIME..=LAST_EXPTIME => Ok(Self::At(seconds as u32)),
            _ => Err(seconds),
        }
    }

    /// The number to send, given the present time in seconds since 1970.
    ///
    /// # Errors
    /// The absolute time that would have been sent, when it lies past 2^31-1.
    pub fn to_wire(self, now: i64) -> Result<i32, i64> {
        let seconds = match self {
            Self::Never => 0,
            Self::Expired => -1,
            // memcached would take it as a lifetime; as a time it lies in January 1970.
            Self::At(time) if i64::from(time) <= MAX_RELATIVE_EXPTIME => -1,
            Self::At(time) => i64::from(time),
            // A relative 0 means never on the wire, but here it means no lifetime at all.
            Self::After(0) => -1,
            Self::After(seconds) if i64::from(seconds) <= MAX_RELATIVE_EXPTIME => i64::from(seconds),
            Self::After(seconds) => now.saturating_add(i64::from(seconds)),
        };
        i32::try_from(seconds).map_err(|_| seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn seconds_are_read_as_documented() {
        let wire = |seconds| Exptime::from_seconds(seconds).and_then(|exptime| exptime.to_wire(NOW));
        assert_eq!(wire(0), Ok(0));
        assert_eq!(wire(-5), Ok(-1));
        assert_eq!(wire(1), Ok(1));
        assert_eq!(wire(2_592_000), Ok(2_592_000));
        assert_eq!(wire(2_592_001), Ok((NOW + 2_592_001) as i32));
        assert_eq!(wire(1_900_000_000), Ok(1_900_000_000));
        assert_eq!(wire(2_147_483_647), Ok(2_147_483_647));
        assert_eq!(wire(2_147_483_648), Err(2_147_483_648));
        assert_eq!(wire(900_000_000), Err(2_700_000_000));
    }

    #[test]
    fn a_lifetime_of_nothing_is_not_forever() {
        assert_eq!(Exptime::After(0).to_wire(NOW), Ok(-1));
    }

    #[test]
    fn a_time_long_past_is_no_lifetime() {
        for time in [0, 1, 2_592_000] {
            assert_eq!(Exptime::At(time).to_wire(NOW), Ok(-1));
        }
        assert_eq!(Exptime::At(2_592_001).to_wire(NOW), Ok(2_592_001));
    }
}
