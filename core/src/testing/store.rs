//! The items: what the commands of both dialects do to them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::clock::{Clock, Moment};
use super::item::{self, Item};
use super::line;
use super::tally::Tally;
use crate::proto::Version;

/// First version that knows `E` and `x`, and that gives a cas token to every attempt to store.
pub(super) const EXPLICIT_CAS: Version = Version { major: 1, minor: 6, patch: 27 };

/// First version whose `flush_all` uses up no cas token.
const FLUSH_TAKES_NO_CAS: Version = Version { major: 1, minor: 6, patch: 25 };

/// What a store does with an item that is there, or that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Set,
    Add,
    Replace,
    /// Appends; makes the item when it is missing, with this expiry, if there is one.
    Append(Option<Option<Moment>>),
    /// The same in front.
    Prepend(Option<Option<Moment>>),
    Cas,
}

/// An item that a client sent, before anything decided on it.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) key: Vec<u8>,
    pub(super) mode: Mode,
    pub(super) item: Item,
    /// The cas token to compare; 0 for none.
    pub(super) compare: u64,
    /// The token to give instead of the next one.
    pub(super) given: Option<u64>,
    /// Whether an older token stores a stale item instead of failing.
    pub(super) allows_stale: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// Under this cas token.
    Done(u64),
    /// The mode wants an item, or none.
    Failed,
    /// The cas token is another one.
    Exists,
    NotFound,
}

/// Why there is no room for an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    TooLarge,
    OutOfMemory,
}

/// Whether finding an item counts as using it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Use,
    Peek,
}

/// What became of an incr or decr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    Is(u64),
    NotNumeric,
    NotFound,
    Exists,
}

/// All items.
#[derive(Debug)]
pub(super) struct Items {
    pub(super) clock: Clock,
    pub(super) counts: Tally,
    pub(super) evictions: u64,
    pub(super) stored: u64,
    pub(super) slab_sizes: Vec<usize>,
    items: HashMap<Vec<u8>, Item>,
    /// The keys by their last use.
    order: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
    cas: u64,
    turn: u64,
    flush_at: Option<Moment>,
    version: Version,
    largest: usize,
    limit: usize,
}

impl Items {
    /// None yet. `largest` limits one item and `limit` all of them, in bytes.
    pub(super) fn new(version: Version, largest: usize, limit: usize) -> Self {
        Self {
            clock: Clock::start(),
            counts: Tally::default(),
            evictions: 0,
            stored: 0,
            slab_sizes: item::slab_sizes(),
            items: HashMap::new(),
            order: BTreeMap::new(),
            bytes: 0,
            cas: u64::from(version >= EXPLICIT_CAS),
            turn: 0,
            flush_at: None,
            version,
            largest,
            limit,
        }
    }

    /// How many items there are, expired ones included until they are met.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &Item)> {
        self.items.iter().map(|(key, item)| (key.as_slice(), item))
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.order.clear();
        self.bytes = 0;
        self.flush_at = None;
    }

    /// Drops everything, at once or after a delay.
    ///
    /// A real server counts whole seconds and is one early.
    pub(super) fn flush(&mut self, delay: i32) {
        self.flush_at = None;
        self.cas += u64::from(delay <= 1 && self.version < FLUSH_TAKES_NO_CAS);
        match self.clock.expiry(delay) {
            Some(at) if delay > 1 => self.flush_at = Some(at.saturating_sub(1000)),
            _ => self.clear(),
        }
    }

    /// Has a delayed flush happen when its time has come. Called before every command.
    pub(super) fn settle(&mut self) {
        if self.flush_at.is_some_and(|at| at <= self.clock.now()) {
            self.clear();
        }
    }

    pub(super) fn advance(&mut self, time: Duration) {
        self.clock.advance(time);
    }

    /// An item that has not expired.
    pub(super) fn find(&mut self, key: &[u8], look: Look) -> Option<&mut Item> {
        let expiry = self.items.get(key)?.expiry;
        let now = self.clock.now();
        if expiry.is_some_and(|at| at <= now) {
            self.remove(key);
            return None;
        }
        if look == Look::Use {
            self.used(key);
        }
        self.items.get_mut(key)
    }

    /// Notes that an item was read.
    pub(super) fn used(&mut self, key: &[u8]) {
        let now = self.clock.now();
        let Some(item) = self.items.get_mut(key) else { return };
        if item.is_fetched {
            item.accessed = now;
        }
        item.is_fetched = true;
        self.turn += 1;
        self.order.remove(&item.turn);
        item.turn = self.turn;
        self.order.insert(self.turn, key.to_vec());
    }

    /// Removes an item; whether there was one.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let Some(item) = self.items.remove(key) else { return false };
        self.order.remove(&item.turn);
        self.bytes -= item.size(key);
        true
    }

    /// The next cas token.
    pub(super) fn next_cas(&mut self) -> u64 {
        self.cas += 1;
        self.cas
    }

    /// The cas token that an attempt to store takes before it is known to succeed; none in early versions.
    pub(super) fn cas_of_attempt(&mut self, given: Option<u64>) -> Option<u64> {
        if given.is_none() && self.version >= EXPLICIT_CAS {
            return Some(self.next_cas());
        }
        given
    }

    /// Whether an item of this size may be stored.
    pub(super) fn check_room(&self, key: usize, flags: u32, value: usize) -> Result<(), NoRoom> {
        let size = item::size(key, flags, value);
        if size > self.largest {
            return Err(NoRoom::TooLarge);
        }
        if size > self.limit {
            return Err(NoRoom::OutOfMemory);
        }
        Ok(())
    }

    /// Puts an item in the place of whatever is there, and removes the longest unused ones while there is no room.
    pub(super) fn link(&mut self, key: &[u8], mut item: Item, cas: Option<u64>) -> u64 {
        self.remove(key);
        let size = item.size(key);
        while self.bytes + size > self.limit {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.remove(&oldest);
            self.evictions += 1;
        }
        item.cas = cas.unwrap_or_else(|| self.next_cas());
        item.accessed = self.clock.now();
        self.turn += 1;
        item.turn = self.turn;
        let cas = item.cas;
        self.stored += 1;
        self.bytes += size;
        self.order.insert(self.turn, key.to_vec());
        self.items.insert(key.to_vec(), item);
        cas
    }

    /// Stores what a client sent, if its mode and its cas token allow it.
    pub(super) fn store(&mut self, store: Store) -> Stored {
        let Store { key, mode, item, compare, given, allows_stale } = store;
        let Some(old) = self.find(&key, Look::Peek) else {
            return self.store_new(&key, mode, item, given);
        };
        match mode {
            Mode::Add => Stored::Failed,
            Mode::Set | Mode::Replace => Stored::Done(self.link(&key, item, given)),
            Mode::Cas if compare == old.cas && compare != 0 => Stored::Done(self.link(&key, item, given)),
            Mode::Cas if allows_stale && compare != 0 && compare < old.cas => {
                let (expiry, is_promised) = (old.expiry, old.is_promised);
                Stored::Done(self.link(&key, Item { expiry, is_promised, is_stale: true, ..item }, given))
            }
            Mode::Cas => Stored::Exists,
            Mode::Append(_) | Mode::Prepend(_) if compare != 0 && compare != old.cas => Stored::Exists,
            Mode::Append(_) | Mode::Prepend(_) => {
                let mut joined = Item { flags: old.flags, expiry: old.expiry, ..Item::default() };
                let (front, back) =
                    if matches!(mode, Mode::Append(_)) { (&old.value, &item.value) } else { (&item.value, &old.value) };
                joined.value = [&front[..], back].concat();
                if self.check_room(key.len(), joined.flags, joined.value.len()).is_err() {
                    return Stored::Failed;
                }
                Stored::Done(self.link(&key, joined, given))
            }
        }
    }

    fn store_new(&mut self, key: &[u8], mode: Mode, item: Item, given: Option<u64>) -> Stored {
        match mode {
            Mode::Set | Mode::Add => Stored::Done(self.link(key, item, given)),
            Mode::Append(Some(expiry)) | Mode::Prepend(Some(expiry)) => {
                Stored::Done(self.link(key, Item { expiry, ..item }, given))
            }
            Mode::Cas => Stored::NotFound,
            Mode::Replace | Mode::Append(None) | Mode::Prepend(None) => Stored::Failed,
        }
    }

    /// Adds to a number, wrapping, or subtracts from it, stopping at 0. `compare` is a cas token, 0 for none.
    pub(super) fn add(&mut self, key: &[u8], up: bool, delta: u64, compare: u64) -> Sum {
        let Some(item) = self.find(key, Look::Peek) else { return Sum::NotFound };
        // Values that a real server splits over chunks are too long to be numbers.
        if item.value.is_empty() || item.size(key) > 512 * 1024 {
            return Sum::NotNumeric;
        }
        if compare != 0 && compare != item.cas {
            return Sum::Exists;
        }
        let Some(value) = line::unsigned(&item.value) else { return Sum::NotNumeric };
        let sum = if up { value.wrapping_add(delta) } else { value.saturating_sub(delta) };
        let digits = sum.to_string().into_bytes();
        if digits.len() <= item.value.len() {
            // A shorter number keeps the length: spaces take the place of what it lost.
            item.value.fill(b' ');
            item.value[..digits.len()].copy_from_slice(&digits);
            let cas = self.next_cas();
            if let Some(item) = self.items.get_mut(key) {
                item.cas = cas;
            }
        } else {
            let grown = Item { value: digits, flags: item.flags, expiry: item.expiry, ..Item::default() };
            self.link(key, grown, None);
        }
        Sum::Is(sum)
    }
}
