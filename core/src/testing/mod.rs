//! A memcached for tests: a real one's behaviour, and its failures on demand.
//!
//! [`Server`] listens on a loopback port of its own and speaks the classic and the meta protocol, with real expiry, cas tokens,
//! limits and eviction. Time can be moved forward, so that nothing has to sleep until an item expires, and each way in which a
//! server or a network lets a client down can be asked for by name.
//!
//! ```
//! use cmemcache::testing::{Fault, Server};
//! use cmemcache::{Client, Config, ErrorKind, Exptime};
//! use std::time::Duration;
//!
//! let server = Server::start()?;
//! let client = Client::new(Config::new([server.address()])?)?;
//! client.set("key", "value", 0, Exptime::from_seconds(60).unwrap())?;
//! server.advance(Duration::from_secs(61));
//! assert!(client.get("key")?.is_none());
//!
//! server.inject(Fault::Reset, 1);
//! assert_eq!(client.set("key", "value", 0, Exptime::Never).unwrap_err().kind(), ErrorKind::Disconnected);
//! # Ok::<(), cmemcache::Error>(())
//! ```
//!
//! # What it is not
//! It answers as memcached 1.6.18 does, byte for byte, which the tests of this crate hold it to. Left out are unix sockets, UDP,
//! TLS, the binary protocol and the commands that steer a real server's inside (`slabs`, `lru`, `lru_crawler`, `watch`,
//! `cache_memlimit`, `stats cachedump`): these are answered with `ERROR`. `stats` tells less, and `stats conns` nothing. Items
//! expire to the millisecond instead of at the tick of a second, so never early. Memory is limited as a whole, not by slab class.

mod classic;
mod clock;
mod command;
mod fault;
mod flags;
mod item;
mod line;
mod listener;
mod meta;
mod session;
mod sockets;
mod stats;
mod store;
mod tally;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::{Domain, Socket as RawSocket, Type};

use crate::error::{Error, ErrorKind, Result};
use crate::proto::Version;
use listener::{Listener, Shared};
use sockets::Socket;
use store::Items;

pub use fault::Fault;

/// How a [`Server`] is set up. The defaults are those of memcached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The TCP port on 127.0.0.1; 0 has the system choose a free one.
    pub port: u16,
    /// The version that it answers as. Before 1.5.19 it knows no meta commands, before 1.6.18 a miss echoes nothing.
    pub version: String,
    /// Largest item in bytes, key and header included, 1024 to 1 GiB.
    pub item_size_max: usize,
    /// Bytes that all items may take, 1024 or more; beyond them the longest unused ones are evicted.
    pub memory_limit: usize,
    /// User and password that every connection has to begin with, as memcached's `--auth-file` demands. Both without spaces.
    pub credentials: Option<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { port: 0, version: "1.6.18".into(), item_size_max: 1 << 20, memory_limit: 64 << 20, credentials: None }
    }
}

/// What a [`Server`] has seen since it was made or last cleared. What a connection begins with, to find out which protocol is
/// spoken, is not counted among the commands, so that the numbers are the same in every protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open_connections: u32,
    /// Commands carried out.
    pub commands: u64,
    /// Keys read.
    pub reads: u64,
    /// Reads that found an item.
    pub hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Values that were sent to be stored, whatever became of them.
    pub stores: u64,
    /// Deletes, of a missing item too.
    pub deletes: u64,
}

/// What commands work on.
#[derive(Debug)]
struct State {
    items: Items,
    faults: fault::Faults,
    settings: Settings,
    connections: u64,
    rejected: u64,
    open: u32,
    port: u16,
    is_ending: bool,
}

impl State {
    fn new(settings: Settings, port: u16) -> Self {
        let items = Items::new(settings.number, settings.item_size_max, settings.memory_limit);
        let faults = fault::Faults::default();
        Self { items, faults, settings, connections: 0, rejected: 0, open: 0, port, is_ending: false }
    }
}

#[derive(Debug)]
struct Settings {
    version: String,
    number: Version,
    item_size_max: usize,
    memory_limit: usize,
    credentials: Option<(String, String)>,
}

impl Settings {
    fn check(options: &Options) -> Result<Self> {
        let Options { version, item_size_max, memory_limit, credentials, .. } = options;
        let number = Version::parse(version)
            .filter(|_| version.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| Error::invalid(format!("version {version:?} is not one such as 1.6.18")))?;
        if !(1024..=1 << 30).contains(item_size_max) {
            return Err(Error::invalid(format!("item_size_max is {item_size_max} and has to be 1024 to 1073741824")));
        }
        if *memory_limit < 1024 {
            return Err(Error::invalid(format!("memory_limit is {memory_limit} and has to be 1024 or more")));
        }
        let is_word = |text: &String| !text.is_empty() && text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if credentials.as_ref().is_some_and(|(user, password)| !is_word(user) || !is_word(password)) {
            return Err(Error::invalid("user and password have to be 1 to 255 visible characters of ASCII, without spaces"));
        }
        let (version, credentials) = (version.clone(), credentials.clone());
        Ok(Self { version, number, item_size_max: *item_size_max, memory_limit: *memory_limit, credentials })
    }

    fn knows_meta(&self) -> bool {
        self.number >= Version { major: 1, minor: 5, patch: 19 }
    }
}

/// A memcached on a loopback port, for tests.
///
/// It runs from [`Server::start`] until it is dropped, and leaves no thread and no socket behind. In a forked child it is not
/// there: its sockets are closed, and its methods do nothing and tell nothing.
#[derive(Debug)]
pub struct Server {
    port: u16,
    epoch: u64,
    inner: Option<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    place: Mutex<Place>,
}

/// What holds the port.
#[derive(Debug)]
enum Place {
    Running(Listener),
    /// A socket that does not listen: connections are refused, and nobody else gets the port.
    Stopped(Socket<RawSocket>),
    /// Between the two.
    Moving,
}

impl Inner {
    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Starts a server on a free port, with the defaults.
    ///
    /// # Errors
    /// [`ErrorKind::ServerDown`] if the system gives no port or thread.
    pub fn start() -> Result<Self> {
        Self::with(&Options::default())
    }

    /// Starts a server with these options.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an option out of its range; [`ErrorKind::ServerDown`] if the port is somebody else's.
    pub fn with(options: &Options) -> Result<Self> {
        let settings = Settings::check(options)?;
        sockets::watch();
        let epoch = crate::fork::epoch();
        let socket = bind(options.port).map_err(|fault| cannot_listen(options.port, &fault))?;
        let port = port(&socket).map_err(|fault| cannot_listen(options.port, &fault))?;
        let inner =
            Inner { shared: Shared::new(State::new(settings, port)), place: Mutex::new(Place::Stopped(Socket::new(socket))) };
        let server = Self { port, epoch, inner: Some(inner) };
        server.restart()?;
        Ok(server)
    }

    /// The parts, where they are this process's own.
    fn own(&self) -> Option<&Inner> {
        self.inner.as_ref().filter(|_| self.epoch == crate::fork::epoch())
    }

    /// The TCP port. It stays the same when the server is stopped and started again.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address as clients take it, such as `127.0.0.1:40123`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// Has the server do something wrong the next `times` times that it could. Faults of one kind take place one after the
    /// other, in the order in which they were asked for; [`Server::clear`] calls them off.
    pub fn inject(&self, fault: Fault, times: u32) {
        if let Some(inner) = self.own() {
            inner.shared.state().faults.add(fault, times);
        }
    }

    /// Moves the server's clock forward, so that items expire and delayed flushes happen. An exptime that is a time since 1970
    /// is compared with the clock that was moved.
    pub fn advance(&self, time: Duration) {
        if let Some(inner) = self.own() {
            inner.shared.state().items.advance(time);
        }
    }

    /// Drops all items, calls off all faults and counts from 0, as between two tests. Connections stay open.
    pub fn clear(&self) {
        if let Some(inner) = self.own() {
            let mut state = inner.shared.state();
            state.items.clear();
            state.items.counts = tally::Tally::default();
            state.faults.clear();
            state.connections = 0;
        }
    }

    /// What the server has seen.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Some(inner) = self.own() else { return Counts::default() };
        let state = inner.shared.state();
        let tally = state.items.counts;
        Counts {
            connections: state.connections,
            open_connections: state.open,
            commands: tally.commands,
            reads: tally.reads,
            hits: tally.hits,
            misses: tally.reads - tally.hits,
            stores: tally.stores,
            deletes: tally.deletes,
        }
    }

    /// Ends the server as a crash would: connections close, items are lost, and connecting is refused until
    /// [`Server::restart`]. The port stays this server's. Does nothing if it is stopped already.
    pub fn stop(&self) {
        let Some(inner) = self.own() else { return };
        let mut place = inner.place();
        match std::mem::replace(&mut *place, Place::Moving) {
            Place::Running(listener) => {
                listener.end();
                inner.shared.state().items.clear();
                *place = hold(self.port).map_or(Place::Moving, |socket| Place::Stopped(Socket::new(socket)));
            }
            other => *place = other,
        }
    }

    /// Stops the server if it runs, and starts it again at the same port, without items. Counts, faults and the clock stay.
    ///
    /// # Errors
    /// [`ErrorKind::ServerDown`] if the system gives no thread, or somebody else took the port; [`ErrorKind::Closed`] in a
    /// forked child.
    pub fn restart(&self) -> Result<()> {
        self.stop();
        let inner = self.own().ok_or_else(|| Error::new(ErrorKind::Closed, "the server belongs to the parent process"))?;
        let mut place = inner.place();
        let held = match std::mem::replace(&mut *place, Place::Moving) {
            Place::Stopped(socket) => Some(socket.into_inner()),
            Place::Moving => None,
            Place::Running(listener) => {
                // Another thread was faster.
                *place = Place::Running(listener);
                return Ok(());
            }
        };
        let listen = || {
            let socket = held.map_or_else(|| bind(self.port), Ok)?;
            // What it accepts inherits this, and is not in the way of the next stop.
            socket.set_reuse_address(true)?;
            socket.listen(128)?;
            Listener::start(TcpListener::from(socket), inner.shared.clone())
        };
        *place = Place::Running(listen().map_err(|fault| cannot_listen(self.port, &fault))?);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.own().is_none() {
            // Its threads are not in this process, and its sockets are closed: nothing of it may be touched.
            std::mem::forget(self.inner.take());
        } else if let Some(inner) = self.inner.take() {
            if let Place::Running(listener) = std::mem::replace(&mut *inner.place(), Place::Moving) {
                listener.end();
            }
        }
    }
}

/// A socket that holds a port on loopback and does not listen yet.
fn bind(port: u16) -> std::io::Result<RawSocket> {
    let socket = RawSocket::new(Domain::IPV4, Type::STREAM, None)?;
    // Connections of before may still be closing.
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    Ok(socket)
}

/// The same, so that nobody else can bind the port even on purpose.
fn hold(port: u16) -> std::io::Result<RawSocket> {
    let socket = bind(port)?;
    socket.set_reuse_address(false)?;
    Ok(socket)
}

fn port(socket: &RawSocket) -> std::io::Result<u16> {
    let address = socket.local_addr()?.as_socket();
    address.map(|address| address.port()).ok_or_else(|| std::io::ErrorKind::AddrNotAvailable.into())
}

fn cannot_listen(port: u16, fault: &std::io::Error) -> Error {
    Error::new(ErrorKind::ServerDown, format!("cannot listen on {}:{port}: {fault}", Ipv4Addr::LOCALHOST))
}

/// The replies of a server to the commands of one connection, which come in pieces of `most` bytes; whether it closes behind.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn converse(commands: &[u8], most: usize) -> (Vec<u8>, bool) {
    let mut replies = Vec::new();
    let Ok(settings) = Settings::check(&Options { memory_limit: 1 << 20, ..Options::default() }) else {
        return (replies, true);
    };
    let (mut state, mut session) = (State::new(settings, 0), session::Session::new(true));
    for piece in commands.chunks(most) {
        session.receive(piece);
        loop {
            match session.step(&mut state) {
                session::Step::Wait => break,
                session::Step::Close => return (replies, true),
                session::Step::Reply(reply) => replies.extend(reply.bytes),
            }
        }
    }
    (replies, false)
}
