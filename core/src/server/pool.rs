//! The connections of one server, and the queue of callers when all are busy.
//!
//! An idle connection is lent first, then a new one is opened up to the limit, then callers queue in the order of their
//! arrival. One queue per server, not one per connection: whichever connection falls free takes all that waits. A crowd, that
//! is more callers than there may be connections, queues earlier, because many requests in one write are cheaper than as many
//! writes on connections of their own. Who has waited too long brings the other connections in.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use crate::conn::machine::Company;
use crate::conn::ticket::{Call, Ticket};
use crate::conn::wait::processors;
use crate::conn::Connection;
use crate::error::{Error, ErrorKind};
use crate::proto::{Dialect, Request};
use crate::sync::{Mutex, MutexGuard};

/// Most requests that one freed connection takes on at once: bounds how long its driver works for others.
const BOARD_LIMIT: usize = 64;

/// For so many calls after the last crowd another is expected: threads come and go by the microsecond.
const CROWD_MEMORY: u32 = 64;

/// For so many calls after somebody has waited too long even a crowd uses every connection: some are held up.
const RELIEF: u32 = 1024;

/// What a caller gets.
#[derive(Debug)]
pub(crate) enum Admission {
    /// An idle connection.
    Idle(Box<Connection>),
    /// Leave to open one.
    Open,
    /// A place in the queue.
    Queue(Arc<Ticket>),
}

#[derive(Debug, Default)]
struct Inner {
    #[allow(clippy::vec_box, reason = "a connection is lent and given back without being moved")]
    idle: Vec<Box<Connection>>,
    /// Connections that are idle, lent, or being opened.
    open: u32,
    queue: VecDeque<Arc<Ticket>>,
    /// For how many more calls a crowd is expected.
    crowded: u32,
    /// For how many more calls it uses every connection.
    relief: u32,
    /// Connections of an earlier generation are not used again.
    generation: u64,
    closed: bool,
}

/// The connections of one server.
#[derive(Debug)]
pub(crate) struct Pool {
    limit: u32,
    /// How many connections a crowd shares: as many as there are processors to drive them, at most half of the limit.
    shared: u32,
    inner: Mutex<Inner>,
    /// `Inner::open`, to be read without the lock.
    open: AtomicU32,
    /// Callers on their way, from their first step to their last.
    callers: AtomicU32,
    /// Those of them who need a connection of their own.
    loners: AtomicU32,
}

impl Pool {
    pub(crate) fn new(limit: u32) -> Self {
        let processors = u32::try_from(processors()).unwrap_or(u32::MAX);
        Self {
            limit,
            shared: limit.div_ceil(2).min(processors),
            inner: Mutex::default(),
            open: AtomicU32::new(0),
            callers: AtomicU32::new(0),
            loners: AtomicU32::new(0),
        }
    }

    /// A caller begins. `shares`: whether its request may share a connection with others.
    pub(crate) fn arrive(&self, shares: bool) {
        self.callers.fetch_add(1, Relaxed);
        if !shares {
            self.loners.fetch_add(1, Relaxed);
        }
    }

    /// A caller has arrived as told before, and is done.
    pub(crate) fn depart(&self, shares: bool) {
        self.callers.fetch_sub(1, Relaxed);
        if !shares {
            self.loners.fetch_sub(1, Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a connection. `request`: what may share one with others.
    pub(crate) fn enter(&self, request: Option<&Request<'_>>) -> Result<Admission, Error> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(closed());
        }
        if self.may_lend(&mut inner) {
            if let Some(connection) = inner.idle.pop() {
                return Ok(Admission::Idle(connection));
            }
            self.set_open(&mut inner, 1);
            return Ok(Admission::Open);
        }
        let ticket = Ticket::take(request);
        inner.queue.push_back(ticket.clone());
        Ok(Admission::Queue(ticket))
    }

    /// Whether one more connection may be in use.
    fn may_lend(&self, inner: &mut Inner) -> bool {
        let is_crowd = self.callers.load(Relaxed) > self.limit;
        inner.crowded = if is_crowd { CROWD_MEMORY } else { inner.crowded.saturating_sub(1) };
        inner.relief = inner.relief.saturating_sub(1);
        let limit = if inner.crowded == 0 || inner.relief > 0 {
            self.limit
        } else {
            self.limit.min(self.shared.saturating_add(self.loners.load(Relaxed)))
        };
        (inner.open as usize - inner.idle.len()) < limit as usize
    }

    fn set_open(&self, inner: &mut Inner, change: i32) {
        inner.open = inner.open.saturating_add_signed(change);
        self.open.store(inner.open, Relaxed);
    }

    /// A caller leaves the queue; what it was handed at the last moment goes to the next. Returns whether its request may have
    /// left.
    pub(crate) fn leave(&self, ticket: &Arc<Ticket>) -> bool {
        let may_have_left = match ticket.abandon() {
            Call::Lead(connection) => {
                let has_boarded = connection.machine.owed() > 0;
                self.pass_on(connection);
                has_boarded
            }
            Call::Open => {
                self.lost();
                false
            }
            Call::Served(Err(error)) => error.is_outcome_unknown(),
            Call::Served(Ok(_)) | Call::Boarded => true,
            Call::Wait => false,
        };
        self.lock().queue.retain(|other| !Arc::ptr_eq(other, ticket));
        may_have_left
    }

    /// Takes back a connection on which nothing is owed, and lends it to those who wait.
    pub(crate) fn release(&self, mut connection: Box<Connection>, now: Instant) {
        loop {
            let mut inner = self.lock();
            // The classic protocol has no tokens that would unmask a reply too many in front of the next caller's.
            let mut doubtful = || connection.machine.dialect == Dialect::Classic && connection.socket.is_readable();
            if inner.closed || connection.generation != inner.generation || !inner.queue.is_empty() && doubtful() {
                drop(inner);
                drop(connection);
                return self.lost();
            }
            if inner.queue.is_empty() {
                connection.last_used = now;
                connection.machine.shrink();
                inner.idle.push(connection);
                return;
            }
            let group = next_group(&mut inner.queue, connection.sends_stores_last());
            drop(inner);
            match board(connection, &group) {
                None => return,
                Some(back) => connection = back,
            }
        }
    }

    /// Somebody has waited too long for those who share connections: one more serves the queue, if there may be one, and for a
    /// while nobody has to share.
    pub(crate) fn relieve(&self, now: Instant) {
        let mut inner = self.lock();
        if inner.queue.is_empty() {
            return;
        }
        if let Some(mut connection) = inner.idle.pop() {
            inner.relief = RELIEF;
            drop(inner);
            if connection.socket.is_readable() {
                // The server has closed it, or has said something that nobody asked for.
                self.discard_idle();
                drop(connection);
                return self.lost();
            }
            return self.release(connection, now);
        }
        if inner.open < self.limit {
            inner.relief = RELIEF;
            self.set_open(&mut inner, 1);
            drop(inner);
            self.lost();
        }
    }

    /// A connection is gone, or was never opened: the next caller may open one in its place.
    pub(crate) fn lost(&self) {
        loop {
            let mut inner = self.lock();
            let Some(ticket) = inner.queue.pop_front() else {
                self.set_open(&mut inner, -1);
                return;
            };
            drop(inner);
            if ticket.open() {
                return;
            }
        }
    }

    /// The driver of a connection leaves while replies are owed: the next caller that waits for one drives on. When all have
    /// left, a connection that owes replies is closed.
    pub(crate) fn pass_on(&self, connection: Box<Connection>) {
        let Some(connection) = hand_on(connection) else { return };
        if connection.machine.is_idle() {
            let used = connection.last_used;
            self.release(connection, used);
        } else {
            drop(connection);
            self.lost();
        }
    }

    /// Closes the idle connections, and each that is lent when it returns. Called when a server was found to have closed one.
    pub(crate) fn discard_idle(&self) {
        let mut inner = self.lock();
        inner.generation += 1;
        let idle = std::mem::take(&mut inner.idle);
        let gone = i32::try_from(idle.len()).unwrap_or(i32::MAX);
        self.set_open(&mut inner, -gone);
        drop(inner);
        drop(idle);
    }

    /// Ends the pool: idle connections close now, lent ones when they return, and those who wait are told.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let queue = std::mem::take(&mut inner.queue);
        drop(inner);
        self.discard_idle();
        for ticket in queue {
            ticket.serve(Err(closed()));
        }
    }

    /// The generation of a connection that is opened now.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Connections open now.
    pub(crate) fn open_connections(&self) -> u32 {
        self.open.load(Relaxed)
    }

    /// Nobody waits, and the connections that are counted are those that lie idle.
    #[cfg(all(test, shuttle))]
    pub(crate) fn assert_at_rest(&self) {
        let inner = self.lock();
        assert!(inner.queue.is_empty(), "somebody waits: {:?}", inner.queue);
        assert_eq!(inner.open as usize, inner.idle.len(), "a connection is lost, or counted twice");
        assert_eq!(inner.open, self.open_connections());
        assert!(inner.open <= self.limit);
        assert_eq!((self.callers.load(Relaxed), self.loners.load(Relaxed)), (0, 0), "a caller is still counted");
        assert!(inner.idle.iter().all(|connection| connection.machine.is_idle() && connection.followers.is_empty()));
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the client was shut down")
}

/// The callers whom one connection serves next: the first, and if its request travels in its ticket all those behind it of
/// whom the same is true, up to the first store where that has to be the last.
fn next_group(queue: &mut VecDeque<Arc<Ticket>>, store_is_last: bool) -> Vec<Arc<Ticket>> {
    let mut count = queue.iter().take(BOARD_LIMIT).take_while(|ticket| ticket.carries_request()).count();
    if store_is_last {
        count = queue.iter().take(count).position(|ticket| ticket.carries_store()).map_or(count, |at| at + 1);
    }
    count = count.max(1).min(queue.len());
    queue.drain(..count).collect()
}

/// Puts a group's requests on a connection and hands it to the first; gives it back when all of them have left.
fn board(mut connection: Box<Connection>, group: &[Arc<Ticket>]) -> Option<Box<Connection>> {
    if let [only] = group {
        if !only.carries_request() {
            return only.lead(connection).err();
        }
    }
    let company = if group.len() == 1 { Company::Alone } else { Company::Several };
    for ticket in group {
        if ticket.board(&mut connection.machine, company) {
            connection.followers.push_back(ticket.clone());
        }
    }
    hand_on(connection)
}

/// Makes the first caller who waits for a reply on a connection its driver. When all have left it gives the connection back,
/// without those of their requests of which nothing has been sent.
fn hand_on(mut connection: Box<Connection>) -> Option<Box<Connection>> {
    loop {
        connection.machine.bury_own();
        let Some(ticket) = connection.followers.pop_front() else { break };
        connection.machine.promote_follower();
        connection = ticket.lead(connection).err()?;
    }
    if !connection.has_sent() && !connection.machine.out().is_empty() {
        connection.machine.take_back();
    }
    Some(connection)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;
    use crate::conn::socket::{Descriptors, Socket};
    use crate::item::Exptime;
    use crate::key::Key;
    use crate::proto::Reply;
    use crate::support::{client, config, eventually, Asked, Peer};
    use crate::{Config, Result, StoreOutcome};

    fn queued(pool: &Pool) -> Arc<Ticket> {
        let request = Request::Delete { key: Key::parse(b"k").unwrap() };
        match pool.enter(Some(&request)).unwrap() {
            Admission::Queue(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    /// A connection to nobody.
    fn idle() -> Box<Connection> {
        connection(Dialect::Meta, b"").0
    }

    #[test]
    fn a_crowd_shares_connections_and_its_absence_is_noticed() {
        let limit = 8;
        let pool = Pool { shared: 2, ..Pool::new(limit) };
        let is_lent = |pool: &Pool| {
            let ticket = match pool.enter(Some(&Request::Delete { key: Key::parse(b"k").unwrap() })).unwrap() {
                Admission::Queue(ticket) => ticket,
                Admission::Open => return true,
                Admission::Idle(_) => panic!("none was given back"),
            };
            assert!(!pool.leave(&ticket));
            false
        };
        for _ in 0..limit {
            pool.arrive(true);
            assert!(is_lent(&pool), "not more callers than connections");
        }
        assert!(!is_lent(&pool), "all are in use");
        for _ in 2..limit {
            pool.release(idle(), Instant::now());
        }
        pool.arrive(true);
        assert!(!is_lent(&pool), "a crowd, which shares two");
        pool.arrive(false);
        let three = pool.enter(None);
        assert!(matches!(three, Ok(Admission::Idle(_))), "one more for who needs one alone");
        assert!(!is_lent(&pool));
        pool.depart(false);
        pool.depart(true);
        for _ in 1..CROWD_MEMORY {
            assert!(!is_lent(&pool), "the crowd is remembered");
        }
        assert!(matches!(pool.enter(None), Ok(Admission::Idle(_))), "it is over");
        for _ in 0..limit {
            pool.depart(true);
        }
        assert_eq!((pool.callers.load(Relaxed), pool.loners.load(Relaxed)), (0, 0));
    }

    /// A pool of up to three connections whose crowd shares one, which is lent; and a caller who waits for it.
    fn crowded() -> (Pool, Arc<Ticket>) {
        let pool = Pool { shared: 1, ..Pool::new(3) };
        (0..4).for_each(|_| pool.arrive(true));
        assert!(matches!(pool.enter(None), Ok(Admission::Open)));
        let ticket = queued(&pool);
        (pool, ticket)
    }

    #[test]
    fn who_has_waited_too_long_brings_in_the_connections_that_nobody_shares() {
        let (pool, ticket) = crowded();
        pool.relieve(Instant::now());
        assert!(matches!(ticket.look(), Call::Open), "one more may be opened");
        assert!(matches!(pool.enter(None), Ok(Admission::Open)), "and more than one for a while");
        let ticket = queued(&pool);
        pool.relieve(Instant::now());
        assert!(matches!(ticket.look(), Call::Wait), "but not beyond the limit");
        assert_eq!(pool.open_connections(), 3);
    }

    #[test]
    fn relief_comes_from_an_idle_connection_first() {
        let (pool, ticket) = crowded();
        let (connection, _server) = connection(Dialect::Meta, b"");
        pool.lock().open += 1;
        pool.lock().idle.push(connection);
        pool.relieve(Instant::now());
        assert!(matches!(ticket.look(), Call::Lead(_)));
        pool.relieve(Instant::now());
        assert_eq!(pool.lock().open, 2, "nobody waits any more");
    }

    #[test]
    fn a_connection_that_the_server_has_closed_relieves_nobody() {
        let (pool, ticket) = crowded();
        let (mut connection, server) = connection(Dialect::Meta, b"");
        drop(server);
        eventually(Duration::from_secs(5), || connection.socket.is_readable());
        pool.lock().idle.push(connection);
        pool.lock().open += 1;
        pool.relieve(Instant::now());
        assert!(matches!(ticket.look(), Call::Open));
        assert!(pool.lock().idle.is_empty());
    }

    fn broken(sent: bool) -> Error {
        let error = Error::new(ErrorKind::Disconnected, "broken");
        if sent {
            error.after_sending()
        } else {
            error
        }
    }

    #[test]
    fn who_leaves_the_queue_knows_whether_the_request_may_have_left() {
        let pool = Pool::new(1);
        assert!(matches!(pool.enter(None), Ok(Admission::Open)));
        let ticket = queued(&pool);
        assert!(!pool.leave(&ticket), "it waited");
        let ticket = queued(&pool);
        ticket.serve(Ok(Reply::Done));
        assert!(pool.leave(&ticket), "the reply came in the last moment");
        for sent in [false, true] {
            let ticket = queued(&pool);
            ticket.serve(Err(broken(sent)));
            assert_eq!(pool.leave(&ticket), sent, "the connection broke in the last moment");
        }
        let ticket = queued(&pool);
        pool.lost();
        assert!(!pool.leave(&ticket), "it was let open a connection in the last moment");
        assert!(pool.lock().queue.is_empty());
        assert_eq!(pool.open_connections(), 0, "what it was let open was given back");
    }

    /// A set that waits in the queue, whose connection breaks before or after it was sent.
    fn set_on_a_broken_connection(sent: bool) -> Result<StoreOutcome> {
        let peer = Peer::answering(Asked::echo);
        let client = client(Config { max_connections: 1, ..config(&peer.address()) });
        let server = client.cluster().unwrap().servers()[0].clone();
        assert!(matches!(server.pool.enter(None), Ok(Admission::Open)));
        let waiting = || eventually(Duration::from_secs(5), || server.pool.lock().queue.len() == 1);
        let caller = client.clone();
        let call = std::thread::spawn(move || caller.set("k", "x", 0, Exptime::Never));
        waiting();
        let ticket = server.pool.lock().queue.pop_front().unwrap();
        ticket.serve(Err(broken(sent)));
        if !sent {
            waiting();
        }
        server.pool.lost();
        call.join().unwrap()
    }

    #[test]
    fn a_request_is_repeated_when_its_connection_broke_before_it_was_sent() {
        assert_eq!(set_on_a_broken_connection(false).unwrap(), StoreOutcome::Stored);
        assert!(set_on_a_broken_connection(true).unwrap_err().is_outcome_unknown());
    }

    /// A connection of this protocol on which the server has sent these bytes.
    fn connection(dialect: Dialect, bytes: &[u8]) -> (Box<Connection>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = Socket::connect_tcp(listener.local_addr().unwrap(), &Arc::new(Descriptors::new(1))).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(bytes).unwrap();
        eventually(Duration::from_secs(5), || socket.is_connected().unwrap() && socket.is_readable() != bytes.is_empty());
        (Box::new(Connection::new(socket, dialect, 0, Instant::now())), server)
    }

    /// A reply too many comes late: its like would answer the request of who is next.
    #[test]
    fn a_classic_connection_with_a_reply_too_many_is_not_handed_on() {
        for (dialect, bytes, is_handed_on) in [
            (Dialect::Classic, &b""[..], true),
            (Dialect::Classic, b"7\r\n", false),
            // There the opaque tells.
            (Dialect::Meta, b"HD O7\r\n", true),
        ] {
            let pool = Pool::new(1);
            assert!(matches!(pool.enter(None), Ok(Admission::Open)));
            let ticket = queued(&pool);
            let (connection, _server) = connection(dialect, bytes);
            pool.release(connection, Instant::now());
            match ticket.look() {
                Call::Lead(_) => assert!(is_handed_on, "{dialect:?}"),
                Call::Open => assert!(!is_handed_on, "{dialect:?}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
