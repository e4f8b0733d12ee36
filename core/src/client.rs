//! The client: operations on one key, on many, and on all servers.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, Guard};
use once_cell::race::OnceBox;

use crate::address::ServerSpec;
use crate::batch::{self, Batch, Sink};
use crate::cluster::Cluster;
use crate::config::{check_time, Config, Failover, MAX_TIMEOUT, MAX_VALUE_SIZE};
use crate::conn::wait::{Deadline, Wait};
use crate::drive::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::fork;
use crate::item::{Exptime, Item, ItemMetadata, StoreMode, StoreOutcome};
use crate::key::Key;
use crate::metrics::ServerMetrics;
use crate::placement::Pick;
use crate::proto::{Argument, Initial, Reply, Request};
use crate::reply::{refusal, to_found, to_item, to_number, to_outcome, unexpected};
use crate::server::{Ended, Lane, Server, Work};
use crate::tls::Tls;

/// A client of a set of memcached servers.
///
/// Any number of threads may share one, and a clone is the same client. No connection is opened before the first call. After a
/// fork the child opens connections of its own. Every call ends within [`Config::timeout`].
///
/// ```no_run
/// use cmemcache::{Client, Config, Exptime};
///
/// let client = Client::new(Config::new(["127.0.0.1:11211"])?)?;
/// client.set("greeting", "hello", 0, Exptime::After(60))?;
/// assert_eq!(client.get("greeting")?.map(|item| item.value), Some("hello".into()));
/// # Ok::<(), cmemcache::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    timeout: Duration,
}

#[derive(Debug)]
struct Shared {
    first: Generation,
    closed: AtomicBool,
}

/// A client's servers as one process knows them. A forked child begins a generation of its own.
#[derive(Debug)]
struct Generation {
    epoch: u64,
    cluster: ManuallyDrop<ArcSwap<Cluster>>,
    next: OnceBox<Self>,
}

impl Generation {
    fn new(cluster: Cluster) -> Self {
        Self { epoch: fork::epoch(), cluster: ManuallyDrop::new(ArcSwap::from_pointee(cluster)), next: OnceBox::new() }
    }

    /// In a forked child: closes the sockets of the parent's generation and begins a new one. The old one is never used again
    /// nor dropped: its locks may have been held at the moment of the fork.
    fn succeed(&self) -> Box<Self> {
        let inherited = self.cluster.load();
        for server in inherited.servers() {
            server.close_inherited();
        }
        let tls = inherited.tls.as_ref().map(Tls::renewed);
        Box::new(Self::new(Cluster::new(inherited.config.clone(), tls, None)))
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if self.epoch == fork::epoch() {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.cluster) };
        }
    }
}

impl Shared {
    fn generation(&self) -> &Generation {
        let mut generation = &self.first;
        while generation.epoch != fork::epoch() {
            generation = generation.next.get_or_init(|| generation.succeed());
        }
        generation
    }
}

/// One request, and what is made of its reply.
struct Solo<'r, T, F> {
    request: Request<'r>,
    take: F,
    outcome: Option<Result<T>>,
}

impl<'r, T, F: FnMut(Reply<'_>) -> Result<T>> Work<'r> for Solo<'r, T, F> {
    fn request(&self, _: usize, _: usize) -> Request<'r> {
        self.request
    }

    fn reply(&mut self, _: usize, _: usize, reply: Reply<'_>, server: &Arc<str>) {
        self.outcome = Some(match reply {
            Reply::Fault(fault) => Err(refusal(fault, server)),
            reply => (self.take)(reply),
        });
    }

    fn is_read(&self) -> bool {
        matches!(self.request, Request::Get { exptime: None, .. } | Request::Metadata { .. })
    }
}

/// The same request to every server.
struct Broadcast<'r, T> {
    request: Request<'r>,
    take: fn(Reply<'_>) -> Result<T>,
    outcomes: Vec<Option<Result<T>>>,
}

impl<'r, T> Work<'r> for Broadcast<'r, T> {
    fn request(&self, _: usize, _: usize) -> Request<'r> {
        self.request
    }

    fn reply(&mut self, lane: usize, _: usize, reply: Reply<'_>, server: &Arc<str>) {
        self.outcomes[lane] = Some(match reply {
            Reply::Fault(fault) => Err(refusal(fault, server)),
            reply => (self.take)(reply),
        });
    }

    fn is_read(&self) -> bool {
        matches!(self.request, Request::Stats { .. } | Request::Version)
    }
}

/// Where a key may go whose server failed before the request left; `None` when the failure is the key's answer.
pub(crate) fn outlook(cluster: &Cluster, ended: &Ended, key: &Key<'_>, pick: Pick) -> Option<Pick> {
    let another_may_serve = match ended.error.kind() {
        ErrorKind::ServerDown | ErrorKind::Disconnected | ErrorKind::Protocol => true,
        // A timeout of the connection leaves time for another server.
        ErrorKind::Timeout => true,
        _ => false,
    };
    if ended.unsent && another_may_serve {
        cluster.after(key, pick)
    } else {
        None
    }
}

fn no_servers() -> Error {
    Error::new(ErrorKind::NoServers, "the client has no servers")
}

fn bad_argument(words: &str) -> Error {
    Error::invalid(format!("stats argument {words:?} is not 1 to {} characters of printable ASCII", Argument::LONGEST))
}

/// One key's or one server's outcome for each part of a call.
pub type Each<T> = Vec<Result<T>>;

/// What one server answered to a call that goes to all of them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerReply<T> {
    /// The server, as `host:port` or `unix:/path`.
    pub server: String,
    /// Its weight.
    pub weight: u32,
    /// Its answer, or why there is none.
    pub reply: Result<T>,
}

/// How a missing counter is made by `incr` and `decr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Create {
    /// The value it is made with, and which is returned.
    pub initial: u64,
    /// When it expires.
    pub exptime: Exptime,
}

impl Client {
    /// Makes a client. Opens no connection; reads the files that its TLS options name.
    ///
    /// # Errors
    /// `InvalidArgument` naming the option that is out of its range, or what is wrong with a certificate or key.
    pub fn new(config: Config) -> Result<Self> {
        config.check()?;
        let tls = Tls::of(&config)?;
        fork::watch();
        let timeout = config.timeout;
        let first = Generation::new(Cluster::new(config, tls, None));
        Ok(Self { shared: Arc::new(Shared { first, closed: AtomicBool::new(false) }), timeout })
    }

    /// The same client with another deadline for its calls: servers, connections and metrics are shared.
    ///
    /// # Errors
    /// `InvalidArgument` when it is not between 1 ms and 1 h.
    pub fn with_timeout(&self, timeout: Duration) -> Result<Self> {
        check_time("timeout", timeout)?;
        Ok(Self { shared: self.shared.clone(), timeout })
    }

    pub(crate) fn cluster(&self) -> Result<Guard<Arc<Cluster>>> {
        if self.shared.closed.load(Relaxed) {
            return Err(Error::new(ErrorKind::Closed, "the client was shut down"));
        }
        Ok(self.shared.generation().cluster.load())
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.timeout)
    }

    /// Runs one request on the server of its key, or under `Rehash` on the next that is up.
    pub(crate) fn call<'r, T>(
        &self,
        cluster: &Cluster,
        key: &Key<'r>,
        request: Request<'r>,
        take: impl FnMut(Reply<'_>) -> Result<T>,
    ) -> Result<T> {
        let deadline = self.deadline();
        call_by(&deadline, deadline.begun(), cluster, key, request, take)
    }

    /// Runs one request on every server, all at the same time.
    fn broadcast<T>(&self, request: Request<'_>, take: fn(Reply<'_>) -> Result<T>) -> Result<Vec<ServerReply<T>>> {
        let cluster = self.cluster()?;
        if cluster.servers().is_empty() {
            return Err(no_servers());
        }
        let deadline = self.deadline();
        let now = deadline.begun();
        let outcomes = cluster.servers().iter().map(|_| None).collect();
        let mut work = Broadcast { request, take, outcomes };
        let lane = |(number, server): (usize, &Arc<Server>)| Lane::new(server.clone(), number, 1, &work, now);
        let mut lanes: Vec<Lane<'_>> = cluster.servers().iter().enumerate().map(lane).collect();
        drive(&mut lanes, &mut work, &deadline, &mut Wait::new(cluster.config.spin), now);
        let answer = |(lane, outcome): (&Lane<'_>, Option<Result<T>>)| {
            outcome.unwrap_or_else(|| Err(lane.ended().map_or_else(unexpected, |ended| ended.error.clone())))
        };
        let replies = lanes.iter().zip(work.outcomes).map(answer);
        let named = cluster.config.servers.iter().zip(replies);
        Ok(named.map(|(spec, reply)| ServerReply { server: spec.address.to_string(), weight: spec.weight, reply }).collect())
    }

    fn read(&self, key: &[u8], cas: bool, exptime: Option<Exptime>) -> Result<Option<Item>> {
        let cluster = self.cluster()?;
        let key = parse(&cluster, key)?;
        let exptime = exptime.map(to_wire).transpose()?;
        self.call(&cluster, &key, Request::Get { key, cas, exptime }, |reply| to_item(reply, cas))
    }

    /// Reads a value; `None` on a miss.
    ///
    /// # Errors
    /// As every operation: `KeyTooLong` and `KeyCharacter` before a byte is sent, `NoServers`, `Closed`, and what may befall a
    /// call on its way: `ServerDown`, `Timeout`, `Disconnected`, `Protocol`, `ServerError`, `Auth`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Item>> {
        self.read(key.as_ref(), false, None)
    }

    /// Reads a value and its cas token; `None` on a miss.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn gets(&self, key: impl AsRef<[u8]>) -> Result<Option<Item>> {
        self.read(key.as_ref(), true, None)
    }

    /// Reads a value and gives it a new exptime (get and touch); `None` on a miss.
    ///
    /// # Errors
    /// As [`Client::get`], and `InvalidArgument` for an exptime past 2^31-1.
    pub fn gat(&self, key: impl AsRef<[u8]>, exptime: Exptime) -> Result<Option<Item>> {
        self.read(key.as_ref(), false, Some(exptime))
    }

    /// Reads a value and its cas token and gives it a new exptime; `None` on a miss.
    ///
    /// # Errors
    /// As [`Client::gat`].
    pub fn gats(&self, key: impl AsRef<[u8]>, exptime: Exptime) -> Result<Option<Item>> {
        self.read(key.as_ref(), true, Some(exptime))
    }

    /// Stores a value as `mode` says. `append` and `prepend` leave the item's flags and exptime as they are.
    ///
    /// A value that the server refuses as too large also removes the item that was there, in all modes of the meta protocol.
    ///
    /// # Errors
    /// As [`Client::get`]; `ValueTooLarge` when the value is over [`Config::max_value_size`] (nothing was sent) or over the
    /// server's own limit; `InvalidArgument` for an exptime past 2^31-1.
    pub fn store(
        &self,
        mode: StoreMode,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        flags: u32,
        exptime: Exptime,
    ) -> Result<StoreOutcome> {
        let cluster = self.cluster()?;
        let key = parse(&cluster, key.as_ref())?;
        let value = value.as_ref();
        check_size(&cluster, value)?;
        let request = Request::Store { key, mode, value, flags, exptime: to_wire(exptime)? };
        self.call(&cluster, &key, request, |reply| to_outcome(&reply, mode))
    }

    /// Stores a value, whatever is there.
    ///
    /// # Errors
    /// As [`Client::store`].
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, flags: u32, exptime: Exptime) -> Result<StoreOutcome> {
        self.store(StoreMode::Set, key, value, flags, exptime)
    }

    /// Stores a value if there is no item yet; `NotStored` otherwise.
    ///
    /// # Errors
    /// As [`Client::store`].
    pub fn add(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, flags: u32, exptime: Exptime) -> Result<StoreOutcome> {
        self.store(StoreMode::Add, key, value, flags, exptime)
    }

    /// Stores a value if there is an item; `NotStored` otherwise.
    ///
    /// # Errors
    /// As [`Client::store`].
    pub fn replace(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        flags: u32,
        exptime: Exptime,
    ) -> Result<StoreOutcome> {
        self.store(StoreMode::Replace, key, value, flags, exptime)
    }

    /// Puts bytes behind the present value; `NotStored` if there is none.
    ///
    /// # Errors
    /// As [`Client::store`].
    pub fn append(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<StoreOutcome> {
        self.store(StoreMode::Append, key, value, 0, Exptime::Never)
    }

    /// Puts bytes in front of the present value; `NotStored` if there is none.
    ///
    /// # Errors
    /// As [`Client::store`].
    pub fn prepend(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<StoreOutcome> {
        self.store(StoreMode::Prepend, key, value, 0, Exptime::Never)
    }

    /// Stores a value if the item still has this cas token: `Stored`, `Exists` (it was changed) or `NotFound`.
    ///
    /// # Errors
    /// As [`Client::store`].
    pub fn cas(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        cas: u64,
        flags: u32,
        exptime: Exptime,
    ) -> Result<StoreOutcome> {
        self.store(StoreMode::Cas(cas), key, value, flags, exptime)
    }

    /// Deletes an item; false if there was none.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let cluster = self.cluster()?;
        let key = parse(&cluster, key.as_ref())?;
        self.call(&cluster, &key, Request::Delete { key }, |reply| to_found(&reply))
    }

    /// Gives an item a new exptime; false on a miss.
    ///
    /// # Errors
    /// As [`Client::gat`].
    pub fn touch(&self, key: impl AsRef<[u8]>, exptime: Exptime) -> Result<bool> {
        let cluster = self.cluster()?;
        let key = parse(&cluster, key.as_ref())?;
        let request = Request::Touch { key, exptime: to_wire(exptime)? };
        self.call(&cluster, &key, request, |reply| to_found(&reply))
    }

    /// Adds to a decimal number of 64 bits, wrapping at 2^64, and returns the sum; `None` on a miss. With `create` a missing
    /// item is made and its initial value returned.
    ///
    /// # Errors
    /// As [`Client::get`]; `NotNumeric` when the value is not a decimal number.
    pub fn incr(&self, key: impl AsRef<[u8]>, delta: u64, create: Option<Create>) -> Result<Option<u64>> {
        self.arith(key.as_ref(), true, delta, create)
    }

    /// Subtracts from a decimal number of 64 bits, stopping at 0, and returns the rest; otherwise as [`Client::incr`].
    ///
    /// # Errors
    /// As [`Client::incr`].
    pub fn decr(&self, key: impl AsRef<[u8]>, delta: u64, create: Option<Create>) -> Result<Option<u64>> {
        self.arith(key.as_ref(), false, delta, create)
    }

    fn arith(&self, key: &[u8], up: bool, delta: u64, create: Option<Create>) -> Result<Option<u64>> {
        let cluster = self.cluster()?;
        let key = parse(&cluster, key)?;
        self.arith_of(&cluster, &key, up, delta, create)
    }

    /// incr and decr of a parsed key. The classic protocol cannot make a missing counter: there it is added, and when another
    /// caller was faster counted after all.
    pub(crate) fn arith_of(
        &self,
        cluster: &Cluster,
        key: &Key<'_>,
        up: bool,
        delta: u64,
        create: Option<Create>,
    ) -> Result<Option<u64>> {
        let initial = match create {
            None => None,
            Some(create) => Some(Initial { value: create.initial, exptime: to_wire(create.exptime)? }),
        };
        let deadline = self.deadline();
        let count = |initial, now| {
            let request = Request::Arith { key: *key, up, delta, initial };
            call_by(&deadline, now, cluster, key, request, |reply| to_number(&reply))
        };
        let Some(made) = initial else { return count(None, deadline.begun()) };
        match count(initial, deadline.begun()) {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            outcome => return outcome,
        }
        let digits = made.value.to_string();
        let mode = StoreMode::Add;
        let add = Request::Store { key: *key, mode, value: digits.as_bytes(), flags: 0, exptime: made.exptime };
        // An item that is deleted as often as it is added has to end somewhere; then it counts as missing.
        for _ in 0..8 {
            if let Some(number) = count(None, Instant::now())? {
                return Ok(Some(number));
            }
            let outcome = call_by(&deadline, Instant::now(), cluster, key, add, |reply| to_outcome(&reply, mode))?;
            if outcome == StoreOutcome::Stored {
                return Ok(Some(made.value));
            }
        }
        Ok(None)
    }

    /// What the server knows of an item, without reading its value; `None` on a miss.
    ///
    /// # Errors
    /// As [`Client::get`]; `Unsupported` where the server speaks only the classic protocol.
    pub fn metadata(&self, key: impl AsRef<[u8]>) -> Result<Option<ItemMetadata>> {
        let cluster = self.cluster()?;
        let key = parse(&cluster, key.as_ref())?;
        self.call(&cluster, &key, Request::Metadata { key }, |reply| match reply {
            Reply::Metadata(metadata) => Ok(Some(metadata)),
            Reply::Miss => Ok(None),
            _ => Err(unexpected()),
        })
    }

    fn read_multi<K: AsRef<[u8]>>(&self, keys: &[K], cas: bool) -> Result<Each<Option<Item>>> {
        let cluster = self.cluster()?;
        let keys = parse_all(&cluster, keys.iter().map(AsRef::as_ref))?;
        let request = |place: usize| Request::Get { key: keys[place], cas, exptime: None };
        self.each(&cluster, &keys, &request, true, &mut |_, reply| to_item(reply, cas), |_| Ok(()))
    }

    /// Reads many values at once, all servers at the same time. One outcome per key, in the order of the keys.
    ///
    /// # Errors
    /// For the whole call only `NoServers`, `Closed`, and a key that is not legal, before a byte is sent. A server that fails
    /// costs its own keys only, each of which says so.
    pub fn get_multi<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Each<Option<Item>>> {
        self.read_multi(keys, false)
    }

    /// Reads many values and their cas tokens at once; otherwise as [`Client::get_multi`].
    ///
    /// # Errors
    /// As [`Client::get_multi`].
    pub fn gets_multi<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Each<Option<Item>>> {
        self.read_multi(keys, true)
    }

    /// Stores many values at once, all servers at the same time: key, value and flags of each. One outcome per entry, in their
    /// order. A value that is too large fails alone.
    ///
    /// # Errors
    /// As [`Client::get_multi`], and `InvalidArgument` for an exptime past 2^31-1.
    pub fn set_multi<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        entries: &[(K, V, u32)],
        exptime: Exptime,
    ) -> Result<Each<StoreOutcome>> {
        let cluster = self.cluster()?;
        let exptime = to_wire(exptime)?;
        let keys = parse_all(&cluster, entries.iter().map(|entry| entry.0.as_ref()))?;
        let mode = StoreMode::Set;
        let request = |place: usize| {
            let (_, value, flags) = &entries[place];
            Request::Store { key: keys[place], mode, value: value.as_ref(), flags: *flags, exptime }
        };
        let check = |place: usize| check_size(&cluster, entries[place].1.as_ref());
        self.each(&cluster, &keys, &request, false, &mut |_, reply| to_outcome(&reply, mode), check)
    }

    /// Deletes many items at once, all servers at the same time. One outcome per key, in their order: false if there was none.
    ///
    /// # Errors
    /// As [`Client::get_multi`].
    pub fn delete_multi<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Each<bool>> {
        let cluster = self.cluster()?;
        let keys = parse_all(&cluster, keys.iter().map(AsRef::as_ref))?;
        let request = |place: usize| Request::Delete { key: keys[place] };
        self.each(&cluster, &keys, &request, false, &mut |_, reply| to_found(&reply), |_| Ok(()))
    }

    fn each<'r, T>(
        &self,
        cluster: &Cluster,
        keys: &[Key<'r>],
        request: &dyn Fn(usize) -> Request<'r>,
        is_read: bool,
        take: &mut dyn FnMut(usize, Reply<'_>) -> Result<T>,
        check: impl Fn(usize) -> Result<()>,
    ) -> Result<Each<T>> {
        let mut sink = Slots { outcomes: keys.iter().map(|_| None).collect(), take };
        let mut places = Vec::with_capacity(keys.len());
        for place in 0..keys.len() {
            match check(place) {
                Ok(()) => places.push(place as u32),
                Err(error) => sink.fail(place, &error),
            }
        }
        let batch = Batch { keys, request, is_read };
        batch::run(cluster, &batch, places, &mut sink, &self.deadline())?;
        Ok(sink.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(unexpected()))).collect())
    }

    /// Drops all items of all servers, after `delay` seconds.
    ///
    /// # Errors
    /// For the whole call only `NoServers` and `Closed`; each server's own failure stands in its reply.
    pub fn flush_all(&self, delay: u32) -> Result<Vec<ServerReply<()>>> {
        self.broadcast(Request::FlushAll { delay }, |reply| to_found(&reply).map(|_| ()))
    }

    /// Statistics of every server as names and values, general or of one kind (`items`, `slabs`, `settings`, ...).
    ///
    /// # Errors
    /// As [`Client::flush_all`]; `InvalidArgument` for an argument that is empty, over 200 bytes or holds control characters.
    pub fn stats(&self, argument: Option<&str>) -> Result<Vec<ServerReply<Vec<(String, String)>>>> {
        let argument = argument.map(|words| Argument::parse(words).ok_or_else(|| bad_argument(words))).transpose()?;
        self.broadcast(Request::Stats { argument }, |reply| match reply {
            Reply::Stats(stats) => Ok(stats),
            Reply::Done => Ok(Vec::new()),
            _ => Err(unexpected()),
        })
    }

    /// The version of every server, such as `1.6.18`.
    ///
    /// # Errors
    /// As [`Client::flush_all`].
    pub fn version(&self) -> Result<Vec<ServerReply<String>>> {
        self.broadcast(Request::Version, |reply| match reply {
            Reply::Version(version) => Ok(version.to_owned()),
            _ => Err(unexpected()),
        })
    }

    /// Sets how much every server writes to its log.
    ///
    /// # Errors
    /// As [`Client::flush_all`].
    pub fn verbosity(&self, level: u32) -> Result<Vec<ServerReply<()>>> {
        self.broadcast(Request::Verbosity { level }, |reply| to_found(&reply).map(|_| ()))
    }

    /// What this client counted, one entry per server, in the order of the servers. Asks no server.
    #[must_use]
    pub fn metrics(&self) -> Vec<ServerMetrics> {
        self.cluster().map(|cluster| cluster.metrics()).unwrap_or_default()
    }

    /// Replaces the servers. One that stays keeps its connections; calls under way on one that goes end normally.
    ///
    /// # Errors
    /// `Closed`.
    pub fn set_servers(&self, servers: Vec<ServerSpec>) -> Result<()> {
        let former = Arc::clone(&*self.cluster()?);
        if let Some(tls) = &former.tls {
            tls.check(&servers)?;
        }
        let config = Config { servers, ..former.config.clone() };
        let successor = Arc::new(Cluster::new(config, former.tls.clone(), Some(&former)));
        self.shared.generation().cluster.store(successor.clone());
        former.retire(&successor);
        if self.shared.closed.load(Relaxed) {
            self.shutdown();
        }
        Ok(())
    }

    /// Leaves a server alone for so long, up to 1 h, as if it had failed; a time of zero uses it again at once. `server` is its
    /// name in errors and metrics.
    ///
    /// # Errors
    /// `InvalidArgument` if it is none of this client's, or the time is over one hour; `Closed`.
    pub fn mark_down(&self, server: &str, wait: Duration) -> Result<()> {
        if wait > MAX_TIMEOUT {
            return Err(Error::invalid(format!("down_for of {} ms is over 3600000 ms", wait.as_millis())));
        }
        match self.cluster()?.named(server) {
            Some(server) if wait.is_zero() => server.forgive(),
            Some(server) => server.mark_down(wait),
            None => return Err(Error::invalid(format!("{server:?} is none of this client's servers"))),
        }
        Ok(())
    }

    /// Uses servers that are down again at once.
    pub fn forget_dead_hosts(&self) {
        self.for_each_server(Server::forgive);
    }

    /// Closes the idle connections. The next call opens new ones.
    pub fn disconnect_all(&self) {
        self.for_each_server(Server::disconnect);
    }

    fn for_each_server(&self, act: fn(&Server)) {
        if let Ok(cluster) = self.cluster() {
            cluster.servers().iter().for_each(|server| act(server));
        }
    }

    /// Ends the client and all its clones: idle connections close, later calls fail with `Closed`, calls under way end normally.
    pub fn shutdown(&self) {
        self.shared.closed.store(true, Relaxed);
        let cluster = self.shared.generation().cluster.load();
        cluster.servers().iter().for_each(|server| server.close());
    }
}

/// [`Client::call`] by a deadline that is shared with others. `now`: the time.
fn call_by<'r, T>(
    deadline: &Deadline,
    mut now: Instant,
    cluster: &Cluster,
    key: &Key<'r>,
    request: Request<'r>,
    take: impl FnMut(Reply<'_>) -> Result<T>,
) -> Result<T> {
    let mut pick = cluster.pick(key).ok_or_else(no_servers)?;
    let mut wait = Wait::new(cluster.config.spin);
    let mut work = Solo { request, take, outcome: None };
    loop {
        let mut lane = [Lane::sole(cluster.server(pick).clone(), &work, now)];
        drive(&mut lane, &mut work, deadline, &mut wait, now);
        if let Some(outcome) = work.outcome {
            return outcome;
        }
        let Some(ended) = lane[0].ended() else { return Err(unexpected()) };
        now = Instant::now();
        match outlook(cluster, ended, key, pick) {
            Some(next) if cluster.config.failover == Failover::Rehash && now < deadline.at => pick = next,
            _ => return Err(ended.error.clone()),
        }
    }
}

/// The outcomes of a batch, by the places of its keys.
struct Slots<'t, T> {
    outcomes: Vec<Option<Result<T>>>,
    take: &'t mut dyn FnMut(usize, Reply<'_>) -> Result<T>,
}

impl<T> Sink for Slots<'_, T> {
    fn reply(&mut self, index: usize, reply: Reply<'_>, server: &Arc<str>) {
        self.outcomes[index] = Some(match reply {
            Reply::Fault(fault) => Err(refusal(fault, server)),
            reply => (self.take)(index, reply),
        });
    }

    fn fail(&mut self, index: usize, error: &Error) {
        self.outcomes[index] = Some(Err(error.clone()));
    }
}

/// Parses a key under the client's prefix and encoding.
pub(crate) fn parse<'k>(cluster: &'k Cluster, key: &'k [u8]) -> Result<Key<'k>> {
    Ok(Key::parse_in(&cluster.config.key_prefix, key, cluster.config.key_encoding)?)
}

fn parse_all<'k>(cluster: &'k Cluster, keys: impl Iterator<Item = &'k [u8]>) -> Result<Vec<Key<'k>>> {
    keys.map(|key| parse(cluster, key)).collect()
}

/// Refuses a value that is larger than the client sends.
pub(crate) fn check_size(cluster: &Cluster, value: &[u8]) -> Result<()> {
    let limit = match cluster.config.max_value_size {
        0 => MAX_VALUE_SIZE,
        limit => limit,
    };
    if value.len() as u64 > limit {
        let message = format!("value of {} bytes is over the limit of {limit}", value.len());
        return Err(Error::new(ErrorKind::ValueTooLarge, message));
    }
    Ok(())
}

/// The exptime as it is sent now.
pub(crate) fn to_wire(exptime: Exptime) -> Result<i32> {
    let now = match exptime {
        // Only long lifetimes become absolute.
        Exptime::After(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64),
        _ => 0,
    };
    exptime.to_wire(now).map_err(too_late)
}

pub(crate) fn too_late(time: i64) -> Error {
    Error::invalid(format!("exptime {time} is past 2147483647, the last time that memcached can express; 0 never expires"))
}
