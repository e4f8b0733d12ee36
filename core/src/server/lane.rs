//! The way of one call's requests to one server: a connection is had, greeted, written to and read from, step by step.
//!
//! ```text
//! Start -> Queued ----------------------------------------------+
//!    |        |                                                 v
//!    |        +-> Resolving -> Connecting -> Securing -> Greeting -> Exchange -> Done
//!    +-> (an idle connection) ----------------------------------^
//! ```
//!
//! No step blocks; the driver waits for all lanes of a call together. So a batch takes as long as its slowest server, and a
//! server that hangs costs its own keys only.

mod opening;

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opening::Greeting;

use super::health::Failure;
use super::pool::Admission;
use super::resolve::{resolve, Resolution};
use super::Server;
use crate::address::Address;
use crate::conn::machine::{Company, Slot};
use crate::conn::socket::Socket;
use crate::conn::ticket::{into_owned, Call, Handout, Ticket};
use crate::conn::wait::{Deadline, Interests, RoundTrip};
use crate::conn::{Connection, Large, COPIED_VALUE};
use crate::error::{Error, ErrorKind, Phase};
use crate::proto::{Dialect, FaultKind, Reply, Request, Unsupported, Violation};
use crate::sync::TIME_PASSES;

/// An idle connection is looked at before it is used again, unless it was used so shortly ago that the server can hardly have
/// closed it since, and a read, which can be repeated, is all that is at stake. The classic protocol has no tokens that would
/// unmask a reply too many, so there it is always looked at.
const TRUSTED_IDLE: Duration = Duration::from_millis(1);

/// After so long in the queue a caller looks after itself: connections that a crowd does not share are used as well, as those that
/// it shares are held up; and a reply is taken that nobody came to tell of.
const PATIENCE: Duration = Duration::from_millis(20);

/// Requests are encoded in portions of this many bytes, so that the memory of a batch does not grow with its size.
const PORTION: usize = 64 * 1024;

/// The requests of a call and where their replies go. A lane names itself by its number.
pub(crate) trait Work<'r> {
    /// A lane's request.
    fn request(&self, lane: usize, index: usize) -> Request<'r>;
    /// Takes a server's reply to a lane's request. Called in the order of the requests.
    fn reply(&mut self, lane: usize, index: usize, reply: Reply<'_>, server: &Arc<str>);
    /// Whether the requests read only: they may be repeated when a connection fails.
    fn is_read(&self) -> bool;
}

#[derive(Debug)]
enum Stage {
    Start,
    Queued {
        ticket: Arc<Ticket>,
        /// Until when it leaves it to those who share a connection to serve it.
        patience: Instant,
    },
    Resolving(Resolution),
    Connecting {
        socket: Socket,
        rest: std::vec::IntoIter<SocketAddr>,
        by: Instant,
    },
    /// The handshake of TLS.
    Securing(Socket),
    Greeting {
        connection: Box<Connection>,
        step: Greeting,
    },
    Exchange(Box<Connection>),
    Done,
}

/// Why a lane ended before its last reply.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) error: Error,
    /// Whether none of the unanswered requests had left: they can go to another server.
    pub(crate) unsent: bool,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something moved, and more may at once.
    Moved,
    /// A request has just left: its reply cannot be there yet. What to wait for is among the interests.
    Sent,
    /// Nothing moved. What to wait for is among the interests.
    Still,
}

/// One call's requests to one server.
#[derive(Debug)]
pub(crate) struct Lane<'r> {
    server: Arc<Server>,
    number: usize,
    stage: Stage,
    len: usize,
    /// Whether its request may share a connection with others.
    shares: bool,
    /// Whether its call has no other.
    is_sole: bool,
    /// Requests that were encoded.
    next: usize,
    /// Requests that were sent in full.
    sent: usize,
    /// Requests that were answered.
    done: usize,
    /// Of those that read, how many found an item and how many found none.
    hits: usize,
    misses: usize,
    larges: VecDeque<Large<'r>>,
    retried: bool,
    /// When the present attempt to connect is over.
    connect_by: Instant,
    sent_at: Option<Instant>,
    /// Whether the present wait may spin.
    spin: bool,
    /// Whether it was looked for the reply after the deadline.
    looked_late: bool,
    ended: Option<Ended>,
}

impl<'r> Lane<'r> {
    pub(crate) fn new(server: Arc<Server>, number: usize, len: usize, work: &dyn Work<'r>, now: Instant) -> Self {
        let shares = len == 1 && Ticket::can_carry(&work.request(number, 0));
        server.counters.begin(len);
        server.pool.arrive(shares);
        Self {
            server,
            number,
            stage: Stage::Start,
            len,
            shares,
            is_sole: false,
            next: 0,
            sent: 0,
            done: 0,
            hits: 0,
            misses: 0,
            larges: VecDeque::new(),
            retried: false,
            connect_by: now,
            sent_at: None,
            spin: false,
            looked_late: false,
            ended: None,
        }
    }

    /// The lane of a call of one request.
    pub(crate) fn sole(server: Arc<Server>, work: &dyn Work<'r>, now: Instant) -> Self {
        Self { is_sole: true, ..Self::new(server, 0, 1, work, now) }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// The first request without an answer.
    pub(crate) fn answered(&self) -> usize {
        self.done
    }

    /// Why the lane ended early, if it did.
    pub(crate) fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Goes as far as it can without waiting.
    pub(crate) fn step(&mut self, work: &mut dyn Work<'r>, now: Instant, deadline: &Deadline, wait: &mut Interests) -> Step {
        if now >= self.limit(deadline) && !self.may_have_its_reply() {
            self.time_out(now, deadline);
            return Step::Moved;
        }
        let stage = mem::replace(&mut self.stage, Stage::Done);
        let step = match stage {
            Stage::Start => self.start(work, now),
            Stage::Queued { ticket, patience } => self.queued(ticket, patience, work, now, wait),
            Stage::Resolving(resolution) => self.resolving(resolution, now, wait),
            Stage::Connecting { socket, rest, by } => self.connecting(socket, rest, by, now, wait),
            Stage::Securing(socket) => self.securing(socket, now, wait),
            Stage::Greeting { connection, step } => self.greeting(connection, step, now, wait),
            Stage::Exchange(connection) => self.exchange(connection, work, now, wait),
            Stage::Done => return Step::Moved,
        };
        if step != Step::Moved {
            wait.limit(self.limit(deadline));
        }
        step
    }

    /// A caller that was not scheduled until past its deadline looks once more, for a reply that came in time.
    fn may_have_its_reply(&mut self) -> bool {
        match &self.stage {
            Stage::Queued { ticket, .. } => ticket.is_served(),
            Stage::Exchange(connection) => {
                let waits = self.next == self.len && connection.machine.out().is_empty();
                waits && !mem::replace(&mut self.looked_late, true)
            }
            _ => false,
        }
    }

    fn limit(&self, deadline: &Deadline) -> Instant {
        match self.stage {
            Stage::Resolving(_) | Stage::Connecting { .. } | Stage::Securing(_) | Stage::Greeting { .. } => {
                self.connect_by.min(deadline.at)
            }
            _ => deadline.at,
        }
    }

    fn start(&mut self, work: &mut dyn Work<'r>, now: Instant) -> Step {
        if let Err(wait) = self.server.admit(now) {
            return self.end(self.server.is_down_for(wait), true);
        }
        let request = self.shares.then(|| work.request(self.number, 0));
        self.stage = match self.server.pool.enter(request.as_ref()) {
            Ok(Admission::Idle(connection)) => return self.board(connection, work.is_read(), now),
            Ok(Admission::Open) => self.open(now),
            Ok(Admission::Queue(ticket)) => {
                if self.is_sole {
                    ticket.set_prompt();
                }
                Stage::Queued { ticket, patience: now + PATIENCE }
            }
            Err(error) => return self.end(error, true),
        };
        Step::Moved
    }

    /// Takes an idle connection if it is still in step with the server.
    fn board(&mut self, mut connection: Box<Connection>, is_read: bool, now: Instant) -> Step {
        let idle = now.saturating_duration_since(connection.last_used);
        let trusted = is_read && connection.machine.dialect == Dialect::Meta && idle < TRUSTED_IDLE;
        if !trusted && connection.socket.is_readable() {
            self.server.pool.discard_idle();
            self.lose(connection);
            self.stage = Stage::Start;
        } else {
            self.stage = Stage::Exchange(connection);
        }
        Step::Moved
    }

    fn open(&mut self, now: Instant) -> Stage {
        self.connect_by = now + self.server.connect_timeout;
        match &self.server.spec.address {
            Address::Tcp { host, port } => Stage::Resolving(resolve(host, *port)),
            Address::Unix { .. } => Stage::Resolving(Resolution::Ready(Vec::new())),
        }
    }

    fn queued(
        &mut self,
        ticket: Arc<Ticket>,
        mut patience: Instant,
        work: &mut dyn Work<'r>,
        now: Instant,
        wait: &mut Interests,
    ) -> Step {
        match ticket.look() {
            call @ (Call::Wait | Call::Boarded) => {
                if now >= patience && TIME_PASSES {
                    if matches!(call, Call::Wait) {
                        self.server.pool.relieve(now);
                    }
                    patience = now + PATIENCE;
                }
                wait.limit(patience);
                wait.unpark();
                self.stage = Stage::Queued { ticket, patience };
                return Step::Still;
            }
            Call::Lead(connection) if connection.machine.owed() > 0 => {
                self.next = self.len;
                self.stage = Stage::Exchange(connection);
            }
            Call::Lead(connection) => {
                self.board(connection, work.is_read(), now);
            }
            Call::Open => match self.server.admit(now) {
                Ok(()) => self.stage = self.open(now),
                // It went down while this call waited: what everybody else is told, and no attempt for each of the queue.
                Err(wait) => {
                    self.server.pool.lost();
                    self.end(self.server.is_down_for(wait), true);
                }
            },
            Call::Served(Ok(reply)) => {
                self.answer(work, reply);
                self.count();
            }
            Call::Served(Err(error)) => {
                let unsent = !error.is_outcome_unknown();
                let harmless = unsent || work.is_read();
                if !harmless || self.retried || error.kind() != ErrorKind::Disconnected {
                    return self.end(error, unsent);
                }
                self.retried = true;
                self.stage = Stage::Start;
            }
        }
        ticket.put_back();
        Step::Moved
    }

    fn exchange(
        &mut self,
        mut connection: Box<Connection>,
        work: &mut dyn Work<'r>,
        now: Instant,
        wait: &mut Interests,
    ) -> Step {
        let mut larges = mem::take(&mut self.larges);
        let outcome = self.pass(&mut connection, &mut larges, work, now);
        self.larges = larges;
        match outcome {
            Ok(Pass::Complete) => {
                self.server.succeeded();
                connection.reused = true;
                self.server.pool.release(connection, now);
                self.count();
            }
            Ok(Pass::OwnComplete) => {
                connection.reused = true;
                self.server.succeeded();
                self.server.pool.pass_on(connection);
                self.count();
            }
            Ok(Pass::Part(step)) => {
                if step != Step::Moved {
                    let write = !connection.machine.out().is_empty();
                    wait.socket(connection.socket.fd(), write, self.spin);
                }
                self.stage = Stage::Exchange(connection);
                return step;
            }
            Err(fault) => return self.break_off(connection, fault, work.is_read(), now),
        }
        Step::Moved
    }

    /// One pass of writing and reading.
    fn pass(
        &mut self,
        connection: &mut Connection,
        larges: &mut VecDeque<Large<'r>>,
        work: &mut dyn Work<'r>,
        now: Instant,
    ) -> Result<Pass, Fault> {
        if connection.machine.out().is_empty() && self.next < self.len {
            self.encode(connection, larges, work)?;
        }
        let moves = self.transfer(connection, larges).map_err(Fault::Io)?;
        if connection.machine.out().is_empty() {
            self.sent = self.next;
        }
        if moves == Moves::Written && self.sent_at.is_none() {
            self.sent_at = Some(now);
            self.spin = self.round_trip(work.is_read()).choose_spin();
        }
        let mut answered = false;
        let mut handout = Handout::default();
        while let Some((slot, reply)) = connection.machine.next().map_err(Fault::Violation)? {
            answered = true;
            let fault = fatal(&reply);
            match slot {
                Slot::Own => self.answer(work, reply),
                Slot::Follower => {
                    if let Some(ticket) = connection.followers.pop_front() {
                        handout.serve(ticket, Ok(into_owned(reply)));
                    }
                }
                Slot::Tombstone => {}
            }
            if let Some(line) = fault {
                return Err(Fault::Answered(line));
            }
        }
        if answered && self.done == self.len {
            self.record_round_trip(work.is_read());
        }
        Ok(if connection.machine.is_idle() && self.next == self.len {
            Pass::Complete
        } else if self.done == self.len && moves == Moves::Nothing {
            Pass::OwnComplete
        } else if answered || moves == Moves::Written && self.next < self.len {
            Pass::Part(Step::Moved)
        } else {
            Pass::Part(moves.step())
        })
    }

    fn record_round_trip(&mut self, is_read: bool) {
        if let Some(sent_at) = self.sent_at.take() {
            self.round_trip(is_read).record(self.spin, sent_at.elapsed());
        }
    }

    fn round_trip(&self, is_read: bool) -> &RoundTrip {
        match (self.len, is_read) {
            (1, _) => &self.server.round_trip,
            (_, true) => &self.server.read_batch_round_trip,
            (_, false) => &self.server.batch_round_trip,
        }
    }

    /// Encodes the next portion of requests.
    fn encode(
        &mut self,
        connection: &mut Connection,
        larges: &mut VecDeque<Large<'r>>,
        work: &dyn Work<'r>,
    ) -> Result<(), Fault> {
        let company = if self.len == 1 { Company::Alone } else { Company::Several };
        while self.next < self.len && connection.machine.out().len() < PORTION {
            let request = work.request(self.number, self.next);
            connection.machine.push(&request, Slot::Own, company).map_err(Fault::Unsupported)?;
            match request.body() {
                None => {}
                Some(value) if value.len() <= COPIED_VALUE => connection.machine.push_body(value),
                Some(value) => {
                    larges.push_back(Large { at: connection.machine.out().len(), value });
                    connection.machine.push_line_end();
                }
            }
            self.next += 1;
            if request.body().is_some() && connection.sends_stores_last() {
                break;
            }
        }
        Ok(())
    }

    /// Writes what goes without waiting, and reads unless all has only now been written.
    fn transfer(&self, connection: &mut Connection, larges: &mut VecDeque<Large<'_>>) -> io::Result<Moves> {
        let counters = &self.server.counters;
        let mut moves = Moves::Nothing;
        if !connection.machine.out().is_empty() {
            let (written, complete) = connection.flush(larges)?;
            counters.bytes_written.add(written);
            // A wait for the socket would not see what has been read of it already.
            if complete && !connection.socket.has_unread() {
                return Ok(Moves::Written);
            }
            if written > 0 {
                moves = Moves::Partly;
            }
        }
        match connection.socket.read(connection.machine.input.spare())? {
            None => Ok(moves),
            Some(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(n) => {
                // SAFETY: recv has just initialised n bytes of the spare room.
                unsafe { connection.machine.input.filled(n) };
                counters.bytes_read.add(n);
                Ok(Moves::Read)
            }
        }
    }

    fn answer(&mut self, work: &mut dyn Work<'r>, reply: Reply<'_>) {
        match &reply {
            Reply::Value { .. } => self.hits += 1,
            Reply::Miss if matches!(work.request(self.number, self.done), Request::Get { .. }) => self.misses += 1,
            Reply::Fault(_) => self.server.counters.failed(ErrorKind::ServerError, 1),
            _ => {}
        }
        let index = self.done;
        self.done += 1;
        work.reply(self.number, index, reply, &self.server.name);
    }

    /// Counts what the lane came to, at its end.
    fn count(&self) {
        let counters = &self.server.counters;
        counters.operations.add(self.done);
        counters.hits.add(self.hits);
        counters.misses.add(self.misses);
        counters.end(self.len);
        self.server.pool.depart(self.shares);
    }

    /// The connection cannot be used any more: all who wait on it are told.
    fn break_off(&mut self, mut connection: Box<Connection>, fault: Fault, read_only: bool, now: Instant) -> Step {
        if let (Fault::Unsupported(unsupported), true) = (&fault, connection.machine.is_idle()) {
            let error = self.unsupported(unsupported);
            self.server.pool.release(connection, now);
            return self.end(error, true);
        }
        let sent = self.has_sent(&connection);
        let error = self.blame(fault, &connection);
        let error = if sent { error.after_sending() } else { error };
        let stale = connection.reused && error.kind() == ErrorKind::Disconnected;
        for ticket in connection.followers.drain(..) {
            ticket.serve(Err(error.clone()));
        }
        if stale {
            self.server.pool.discard_idle();
        }
        self.lose(connection);
        self.larges.clear();
        if self.done == self.len {
            self.count();
            return Step::Moved;
        }
        if stale && !self.retried && (read_only || !sent) {
            self.retried = true;
            (self.next, self.sent) = (self.done, self.done);
            self.sent_at = None;
            self.stage = Stage::Start;
            return Step::Moved;
        }
        if !matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::ServerError | ErrorKind::Auth) {
            self.server.failed(Failure::Failed, now);
        }
        self.end(error, !sent)
    }

    /// Whether a byte of an unanswered request may have left.
    fn has_sent(&self, connection: &Connection) -> bool {
        self.sent > self.done || connection.has_sent() || connection.machine.out().is_empty()
    }

    fn lose(&self, connection: Box<Connection>) {
        drop(connection);
        self.server.pool.lost();
    }

    fn blame(&self, fault: Fault, connection: &Connection) -> Error {
        let name = &self.server.name;
        let phase = if connection.machine.out().is_empty() { Phase::Read } else { Phase::Write };
        match fault {
            Fault::Io(fault) => self.disconnected(&fault, &connection.socket, phase),
            Fault::Violation(violation) => self.violated(&violation),
            Fault::Unsupported(unsupported) => self.unsupported(&unsupported),
            Fault::Answered(line) => {
                let message = format!("connection to {name} was closed after it answered {line:?}");
                Error::new(ErrorKind::ServerError, message).at(name, phase)
            }
        }
    }

    fn unsupported(&self, unsupported: &Unsupported) -> Error {
        let name = &self.server.name;
        Error::new(ErrorKind::Unsupported, format!("{name}: {unsupported}")).at(name, Phase::Write)
    }

    fn disconnected(&self, fault: &io::Error, socket: &Socket, phase: Phase) -> Error {
        let name = &self.server.name;
        if let Some(why) = socket.explain(fault) {
            return Error::new(ErrorKind::Tls, format!("no secure connection to {name}: {why}")).at(name, phase);
        }
        let what = match fault.kind() {
            io::ErrorKind::UnexpectedEof => format!("{name} closed the connection"),
            _ => format!("lost the connection to {name}: {fault}"),
        };
        Error::new(ErrorKind::Disconnected, what).at(name, phase)
    }

    fn violated(&self, violation: &Violation) -> Error {
        let name = &self.server.name;
        Error::protocol(format!("{name} does not speak memcached's protocol: {violation}")).at(name, Phase::Read)
    }

    fn time_out(&mut self, now: Instant, deadline: &Deadline) {
        let total = deadline.total;
        let connect = self.server.connect_timeout.min(deadline.total);
        match mem::replace(&mut self.stage, Stage::Done) {
            Stage::Start => self.expire(Phase::Queue, total, true),
            Stage::Queued { ticket, .. } => {
                let sent = self.server.pool.leave(&ticket);
                self.expire(if sent { Phase::Read } else { Phase::Queue }, total, !sent);
            }
            Stage::Resolving(_) => self.fail_connecting(Phase::Resolve, connect, now),
            Stage::Connecting { .. } => self.fail_connecting(Phase::Connect, connect, now),
            Stage::Securing(socket) => {
                drop(socket);
                self.fail_connecting(Phase::Handshake, connect, now);
            }
            Stage::Greeting { connection, .. } => {
                drop(connection);
                self.fail_connecting(Phase::Handshake, connect, now);
            }
            Stage::Exchange(connection) => {
                let sent = self.has_sent(&connection);
                let phase = if connection.machine.out().is_empty() { Phase::Read } else { Phase::Write };
                self.leave(connection);
                if self.done == self.len {
                    // Only others still wait here.
                    return self.count();
                }
                self.server.failed(Failure::Failed, now);
                self.expire(phase, total, !sent);
            }
            Stage::Done => {}
        }
    }

    /// Leaves a connection on which replies are owed: to those who still wait for theirs, if a later reply can be told from
    /// this caller's, else to nobody.
    fn leave(&mut self, connection: Box<Connection>) {
        if self.larges.is_empty() && self.next == self.len && !connection.followers.is_empty() {
            self.server.pool.pass_on(connection);
        } else {
            self.lose(connection);
        }
    }

    fn fail_connecting(&mut self, phase: Phase, after: Duration, now: Instant) {
        // A caller in a hurry, who gave up before the connect timeout, learned less of the server.
        let failure = if now < self.connect_by { Failure::Failed } else { Failure::Unreachable };
        self.server.failed(failure, now);
        self.server.pool.lost();
        self.expire(phase, after, true);
    }

    fn expire(&mut self, phase: Phase, after: Duration, unsent: bool) {
        let error = Error::timeout(&self.server.name, phase, after);
        let error = if unsent { error } else { error.after_sending() };
        self.end(error, unsent);
    }

    fn end(&mut self, error: Error, unsent: bool) -> Step {
        let open = self.len - self.done;
        self.server.counters.failed(error.kind(), open);
        self.count();
        self.ended = Some(Ended { error, unsent });
        self.stage = Stage::Done;
        Step::Moved
    }
}

/// What one pass of an exchange came to.
enum Pass {
    /// Nothing is owed any more.
    Complete,
    /// Only others are owed replies, and none of them is there yet.
    OwnComplete,
    /// More is to come.
    Part(Step),
}

/// What one transfer moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moves {
    Nothing,
    /// Some of the output was written, and the kernel takes no more now.
    Partly,
    /// The rest of the output was written.
    Written,
    Read,
}

impl Moves {
    fn step(self) -> Step {
        match self {
            Self::Read => Step::Moved,
            Self::Written => Step::Sent,
            Self::Nothing | Self::Partly => Step::Still,
        }
    }
}

/// Why a connection has to be closed.
enum Fault {
    Io(io::Error),
    Violation(Violation),
    Unsupported(Unsupported),
    /// The server answered a request with an error after which its state is not certain.
    Answered(String),
}

/// The error line after which a connection is closed: any but those that memcached is known to send with the stream in step.
fn fatal(reply: &Reply<'_>) -> Option<String> {
    match reply {
        Reply::Fault(fault) => match fault.kind {
            FaultKind::TooLarge | FaultKind::OutOfMemory | FaultKind::NotNumeric => None,
            _ => Some(fault.line.clone()),
        },
        _ => None,
    }
}
