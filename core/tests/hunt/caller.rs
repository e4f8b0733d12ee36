//! One thread of the hunt: it writes and reads keys of its own, and knows all that they may hold.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cmemcache::{Client, Create, ErrorKind, Exptime, Item, Result, StoreOutcome};

/// Numbers that look random, the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What the callers of one run have come to.
#[derive(Default)]
pub(crate) struct Tally {
    /// Operations, each key of a batch being one.
    pub(crate) operations: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) breaks: AtomicU64,
}

/// What may happen to the servers of a run.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// Which errors are to be expected.
    pub(crate) errors: &'static [ErrorKind],
    /// Whether a server may lose what it holds.
    pub(crate) forgets: bool,
}

impl Tally {
    fn count<T>(&self, outcome: Result<T>, rules: Rules) -> Option<T> {
        self.operations.fetch_add(1, Relaxed);
        let error = match outcome {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        assert!(rules.errors.contains(&error.kind()), "{error:?}");
        if error.kind() == ErrorKind::ServerDown {
            // It fails at once: without a rest most operations of a restart would be such.
            std::thread::sleep(Duration::from_millis(20));
        }
        let count = if error.kind() == ErrorKind::Timeout { &self.timeouts } else { &self.breaks };
        count.fetch_add(1, Relaxed);
        None
    }
}

/// What a key may hold: the number of a write, or nothing.
#[derive(Default)]
struct Written {
    /// What was written last for certain.
    last: Option<u64>,
    /// What may have been written too, also later: the server can still read it from a connection that the client has closed.
    unknown: VecDeque<Option<u64>>,
}

impl Written {
    /// Bounds the memory of a long hunt; a request that was given up this many writes ago has been read or is lost.
    const REMEMBERED: usize = 200;

    fn may_hold(&self, nonce: Option<u64>) -> bool {
        self.last == nonce || self.unknown.contains(&nonce)
    }

    fn may_hold_something(&self) -> bool {
        self.last.is_some() || self.unknown.iter().any(Option::is_some)
    }

    /// Notes that a write was tried.
    fn wrote(&mut self, nonce: Option<u64>, done: bool) {
        if done {
            self.last = nonce;
            return;
        }
        self.unknown.push_back(nonce);
        if self.unknown.len() > Self::REMEMBERED {
            self.unknown.pop_front();
        }
    }
}

/// A counter: each increase that was answered is in it, each that was not may be.
#[derive(Default)]
struct Counted {
    last: Option<u64>,
    unknown: u64,
}

pub(crate) struct Caller<'t> {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) random: Random,
    pub(crate) rules: Rules,
    pub(crate) tally: &'t Tally,
    written: Vec<Written>,
    counted: Counted,
    nonce: u64,
}

impl<'t> Caller<'t> {
    const KEYS: u64 = 6;

    pub(crate) fn new(client: &Client, number: u64, rules: Rules, tally: &'t Tally) -> Self {
        Self {
            client: client.clone(),
            name: format!("t{number}"),
            random: Random(0x9e37_79b9_7f4a_7c15 ^ (number + 1)),
            rules,
            tally,
            written: (0..Self::KEYS).map(|_| Written::default()).collect(),
            counted: Counted::default(),
            nonce: 0,
        }
    }

    /// Works until all callers together have made this many operations.
    pub(crate) fn run(&mut self, operations: u64) {
        while self.tally.operations.load(Relaxed) < operations {
            let client = self.patience();
            let number = self.random.below(Self::KEYS);
            match self.random.below(20) {
                0..9 => self.read(&client, number),
                9..14 => self.write(&client, number),
                14 => self.delete(&client, number),
                15 | 16 => self.count(&client),
                17 | 18 => self.read_all(&client),
                _ => self.write_all(&client),
            }
            if self.random.below(1000) == 0 {
                self.client.disconnect_all();
            }
        }
    }

    /// One call in eight gives up soon, most of them in the middle of something.
    fn patience(&mut self) -> Client {
        if self.random.below(8) > 0 {
            return self.client.clone();
        }
        let limit = Duration::from_micros(1000 + self.random.below(5000));
        self.client.with_timeout(limit).expect("a timeout")
    }

    fn key(&self, number: u64) -> String {
        format!("{}:{number}", self.name)
    }

    fn value(&self, number: u64, nonce: u64) -> Vec<u8> {
        // Small ones travel together, the largest ones alone.
        let length = [0, 10, 3000, 30_000][(nonce % 4) as usize];
        [format!("{}={nonce};", self.key(number)).as_bytes(), &vec![b'x'; length]].concat()
    }

    fn check(&self, number: u64, item: Option<&Item>) {
        let written = &self.written[number as usize];
        let Some(item) = item else {
            return assert!(self.rules.forgets || written.may_hold(None), "{}: foreign miss", self.key(number));
        };
        let text = String::from_utf8_lossy(&item.value[..item.value.len().min(60)]).into_owned();
        let (key, rest) = text.split_once('=').unwrap_or_else(|| panic!("foreign: {text}"));
        assert_eq!(key, self.key(number), "foreign: the value of another key");
        let nonce: u64 = rest.split_once(';').expect("a number").0.parse().expect("a number");
        assert!(
            written.may_hold(Some(nonce)),
            "{key}: foreign: {nonce} is neither {:?} nor of {:?}",
            written.last,
            written.unknown
        );
        assert!(item.value == self.value(number, nonce), "{key}: foreign: torn");
    }

    fn read(&self, client: &Client, number: u64) {
        if let Some(item) = self.tally.count(client.get(self.key(number)), self.rules) {
            self.check(number, item.as_ref());
        }
    }

    fn read_all(&self, client: &Client) {
        let keys: Vec<String> = (0..Self::KEYS).map(|number| self.key(number)).collect();
        for (number, outcome) in client.get_multi(&keys).expect("an outcome for each").into_iter().enumerate() {
            if let Some(item) = self.tally.count(outcome, self.rules) {
                self.check(number as u64, item.as_ref());
            }
        }
    }

    fn write(&mut self, client: &Client, number: u64) {
        self.nonce += 1;
        let nonce = self.nonce;
        let stored = client.set(self.key(number), self.value(number, nonce), 0, Exptime::Never);
        self.wrote(number, stored);
    }

    fn write_all(&mut self, client: &Client) {
        self.nonce += 1;
        let nonce = self.nonce;
        let entries: Vec<_> = (0..Self::KEYS).map(|number| (self.key(number), self.value(number, nonce), 0)).collect();
        let outcomes = client.set_multi(&entries, Exptime::Never).expect("an outcome for each");
        for (number, stored) in outcomes.into_iter().enumerate() {
            self.wrote(number as u64, stored);
        }
    }

    fn wrote(&mut self, number: u64, stored: Result<StoreOutcome>) {
        let stored = self.tally.count(stored, self.rules);
        assert!(matches!(stored, None | Some(StoreOutcome::Stored)), "foreign: {stored:?}");
        self.written[number as usize].wrote(Some(self.nonce), stored.is_some());
    }

    fn delete(&mut self, client: &Client, number: u64) {
        let found = self.tally.count(client.delete(self.key(number)), self.rules);
        let written = &mut self.written[number as usize];
        match found {
            Some(true) => assert!(written.may_hold_something(), "foreign: {} was deleted already", self.name),
            Some(false) => assert!(self.rules.forgets || written.may_hold(None), "foreign: {} was not found", self.name),
            None => {}
        }
        written.wrote(None, found.is_some());
    }

    fn count(&mut self, client: &Client) {
        // A number of its own for every caller, so that another's is told by its size.
        let base: u64 = self.name[1..].parse::<u64>().expect("a number") << 40;
        let create = Some(Create { initial: base, exptime: Exptime::Never });
        let Some(number) = self.tally.count(client.incr(format!("{}:count", self.name), 1, create), self.rules) else {
            self.counted.unknown += 1;
            return;
        };
        let number = number.expect("it is created").checked_sub(base).expect("foreign: the counter of another");
        let Counted { last, unknown } = self.counted;
        let next = last.map_or(0, |last| last + 1);
        let anew = self.rules.forgets && number <= unknown;
        assert!(anew || (next..=next + unknown).contains(&number), "foreign: {number} after {last:?}, {unknown} unknown");
        self.counted.last = Some(number);
    }
}

/// Errors that a healthy server leaves: those of callers in a hurry, and of those who shared a connection that one of them had to
/// close in the middle of a request.
pub(crate) const OF_HASTE: &[ErrorKind] = &[ErrorKind::Timeout, ErrorKind::Disconnected];

/// Errors besides while a server comes and goes.
pub(crate) const OF_RESTARTS: &[ErrorKind] = &[ErrorKind::Timeout, ErrorKind::Disconnected, ErrorKind::ServerDown];

/// Errors besides of a server that does not keep to the protocol.
pub(crate) const OF_LIES: &[ErrorKind] =
    &[ErrorKind::Timeout, ErrorKind::Disconnected, ErrorKind::ServerDown, ErrorKind::Protocol, ErrorKind::ServerError];
