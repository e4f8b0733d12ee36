//! A caller's place in the queue for a connection, and what it is handed there.
//!
//! A small request travels in its ticket: whoever frees a connection puts all waiting requests on it at once, and the first of
//! their callers drives it for the others. So under load many requests share one write and one read, and no thread but the
//! callers' is needed.

use std::cell::RefCell;
use std::mem;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::machine::{Company, Machine, Slot};
use super::{Connection, COPIED_VALUE};
use crate::error::{Error, ErrorKind};
use crate::proto::{Reply, Request, Value};
use crate::sync::{current, thread_local, Mutex, MutexGuard, Thread};

/// What has become of a ticket.
#[derive(Debug, Default)]
enum State {
    /// It waits for a connection.
    Waiting,
    /// Its request is on a connection that another caller drives.
    Boarded,
    /// Its caller drives this connection now.
    Lead(Box<Connection>),
    /// Its caller may open a connection.
    Open,
    /// The reply, or why there is none.
    Served(Result<Reply<'static>, Error>),
    /// Its caller has left.
    #[default]
    Abandoned,
}

/// What a caller finds on its ticket.
#[derive(Debug)]
pub(crate) enum Call {
    Wait,
    /// As `Wait`; the request is on a connection that another caller drives.
    Boarded,
    Lead(Box<Connection>),
    Open,
    Served(Result<Reply<'static>, Error>),
}

#[derive(Debug, Default)]
struct Body {
    state: State,
    request: Option<Request<'static>>,
    /// Key and value of `request`.
    bytes: Vec<u8>,
    key_length: usize,
    /// The caller waits for nothing else, so that it goes on as soon as it is woken.
    is_prompt: bool,
    /// Whom the caller wakes once it has its reply.
    next: Option<Thread>,
}

/// One caller's place in a queue.
#[derive(Debug)]
pub(crate) struct Ticket {
    thread: Thread,
    body: Mutex<Body>,
}

thread_local! {
    /// A ticket is used again by its thread, once nobody else holds it any more.
    static SPARE: RefCell<Option<Arc<Ticket>>> = const { RefCell::new(None) };
}

impl Ticket {
    /// A ticket of the present thread. `request`: the request that may share a connection with others.
    pub(crate) fn take(request: Option<&Request<'_>>) -> Arc<Self> {
        // A thread that is ending has lost its spare one already.
        let ticket = SPARE
            .try_with(|spare| spare.borrow_mut().take())
            .ok()
            .flatten()
            .unwrap_or_else(|| Arc::new(Self { thread: current(), body: Mutex::default() }));
        ticket.body().load(request);
        ticket
    }

    /// Its caller waits for nothing else meanwhile.
    pub(crate) fn set_prompt(&self) {
        self.body().is_prompt = true;
    }

    /// Keeps the ticket for this thread's next call, unless somebody still holds it.
    pub(crate) fn put_back(mut self: Arc<Self>) {
        if Arc::get_mut(&mut self).is_some() {
            let _ = SPARE.try_with(|spare| *spare.borrow_mut() = Some(self));
        }
    }

    /// Whether this request may travel in a ticket.
    pub(crate) fn can_carry(request: &Request<'_>) -> bool {
        match request {
            Request::Get { .. } | Request::Delete { .. } | Request::Arith { .. } | Request::Touch { .. } => true,
            Request::Store { value, .. } => value.len() <= COPIED_VALUE,
            _ => false,
        }
    }

    fn body(&self) -> MutexGuard<'_, Body> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the caller has to do. Taking a connection or a reply ends the ticket.
    pub(crate) fn look(&self) -> Call {
        let mut body = self.body();
        match mem::replace(&mut body.state, State::Abandoned) {
            State::Lead(connection) => Call::Lead(connection),
            State::Open => Call::Open,
            State::Served(outcome) => {
                body.wake_next();
                Call::Served(outcome)
            }
            other => {
                let call = if matches!(other, State::Boarded) { Call::Boarded } else { Call::Wait };
                body.state = other;
                call
            }
        }
    }

    /// Whether the reply is there, or why there is none.
    pub(crate) fn is_served(&self) -> bool {
        matches!(self.body().state, State::Served(_))
    }

    /// The caller leaves. What it was handed at the last moment is returned, to be passed on.
    pub(crate) fn abandon(&self) -> Call {
        let mut body = self.body();
        body.wake_next();
        match mem::replace(&mut body.state, State::Abandoned) {
            State::Lead(connection) => Call::Lead(connection),
            State::Open => Call::Open,
            State::Served(outcome) => Call::Served(outcome),
            State::Boarded => Call::Boarded,
            State::Waiting | State::Abandoned => Call::Wait,
        }
    }

    /// Whether the ticket carries its request.
    pub(crate) fn carries_request(&self) -> bool {
        self.body().request.is_some()
    }

    /// Whether that is a store.
    pub(crate) fn carries_store(&self) -> bool {
        matches!(self.body().request, Some(Request::Store { .. }))
    }

    /// Puts the request on a connection, as one of several or not; false when the caller has left or the request could not be put there.
    pub(crate) fn board(&self, machine: &mut Machine, company: Company) -> bool {
        let mut body = self.body();
        if !matches!(body.state, State::Waiting) {
            return false;
        }
        let Some(request) = body.request() else { return false };
        match machine.push(&request, Slot::Follower, company) {
            Ok(()) => {
                if let Some(value) = request.body() {
                    machine.push_body(value);
                }
                body.state = State::Boarded;
                true
            }
            Err(fault) => {
                body.state = State::Served(Err(Error::new(ErrorKind::Unsupported, fault.to_string())));
                self.thread.unpark();
                false
            }
        }
    }

    /// Hands the caller a connection to drive; gives it back when the caller has left.
    pub(crate) fn lead(&self, connection: Box<Connection>) -> Result<(), Box<Connection>> {
        let mut body = self.body();
        if !matches!(body.state, State::Waiting | State::Boarded) {
            return Err(connection);
        }
        body.state = State::Lead(connection);
        drop(body);
        self.thread.unpark();
        Ok(())
    }

    /// Lets the caller open a connection; false when it has left.
    pub(crate) fn open(&self) -> bool {
        let mut body = self.body();
        if !matches!(body.state, State::Waiting) {
            return false;
        }
        body.state = State::Open;
        drop(body);
        self.thread.unpark();
        true
    }

    /// Hands the caller its reply, or drops it when the caller has left.
    pub(crate) fn serve(&self, outcome: Result<Reply<'static>, Error>) {
        if self.fill(outcome) {
            self.thread.unpark();
        }
    }

    /// As [`Ticket::serve`], but the caller is not woken; false when it has left.
    fn fill(&self, outcome: Result<Reply<'static>, Error>) -> bool {
        let mut body = self.body();
        let waits = matches!(body.state, State::Waiting | State::Boarded);
        if waits {
            body.state = State::Served(outcome);
        }
        waits
    }

    /// Leaves it to the caller of this ticket to wake that of another; false when it has its reply already.
    fn wakes(&self, other: &Self) -> bool {
        let mut body = self.body();
        let sleeps = matches!(body.state, State::Served(_));
        if sleeps {
            body.next = Some(other.thread.clone());
        }
        sleeps
    }
}

/// The replies that came at once, handed to their callers one by one.
///
/// The driver wakes the first, and each wakes the next as soon as it has its reply: the driver gets on with its own work, and no
/// more callers than can run compete for the processors and, in Python, for the interpreter's lock.
#[derive(Debug, Default)]
pub(crate) struct Handout {
    last: Option<Arc<Ticket>>,
}

impl Handout {
    /// As [`Ticket::serve`].
    pub(crate) fn serve(&mut self, ticket: Arc<Ticket>, outcome: Result<Reply<'static>, Error>) {
        if !ticket.fill(outcome) {
            return;
        }
        let is_prompt = ticket.body().is_prompt;
        if !is_prompt || !self.last.as_ref().is_some_and(|last| last.wakes(&ticket)) {
            ticket.thread.unpark();
        }
        if is_prompt {
            self.last = Some(ticket);
        }
    }
}

impl Body {
    fn wake_next(&mut self) {
        if let Some(next) = self.next.take() {
            next.unpark();
        }
    }

    fn load(&mut self, request: Option<&Request<'_>>) {
        self.state = State::Waiting;
        self.is_prompt = false;
        self.bytes.clear();
        self.request = request.and_then(|request| {
            let key = request.key()?;
            self.bytes.extend_from_slice(key.prefix());
            self.bytes.extend_from_slice(key.name());
            self.key_length = self.bytes.len();
            self.bytes.extend_from_slice(request.body().unwrap_or_default());
            request.rebind(key.rebind(b""), b"")
        });
    }

    fn request(&self) -> Option<Request<'_>> {
        let request = self.request?;
        let (key, value) = self.bytes.split_at(self.key_length);
        request.rebind(request.key()?.rebind(key), value)
    }
}

/// A reply that no longer borrows the connection. Of those that a ticket can wait for, only values borrow.
pub(crate) fn into_owned(reply: Reply<'_>) -> Reply<'static> {
    match reply {
        Reply::Value { value: Value::Inline(value), flags, cas } => {
            Reply::Value { value: Value::Whole(Bytes::copy_from_slice(value)), flags, cas }
        }
        Reply::Value { value: Value::Whole(value), flags, cas } => Reply::Value { value: Value::Whole(value), flags, cas },
        Reply::Done => Reply::Done,
        Reply::Miss => Reply::Miss,
        Reply::NotStored => Reply::NotStored,
        Reply::Exists => Reply::Exists,
        Reply::Number(number) => Reply::Number(number),
        Reply::Stats(stats) => Reply::Stats(stats),
        Reply::Metadata(metadata) => Reply::Metadata(metadata),
        Reply::Probed(dialect) => Reply::Probed(dialect),
        Reply::Fault(fault) => Reply::Fault(fault),
        // Asked for only on a connection of one's own.
        Reply::Version(_) => Reply::Done,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    const FOR_EVER: Duration = Duration::from_secs(60);

    /// Looks at its ticket when it is woken, and only then.
    fn sleeps_until_served(ticket: &Ticket) {
        while matches!(ticket.look(), Call::Wait) {
            thread::park_timeout(FOR_EVER);
        }
    }

    #[test]
    fn all_who_are_served_at_once_are_woken_whoever_of_them_leaves() {
        for who_leaves in 0..=4 {
            let begun = Instant::now();
            let (to_main, from_callers) = mpsc::channel();
            let callers: Vec<_> = (0..4)
                .map(|number| {
                    let to_main = to_main.clone();
                    let (leave, may_leave) = mpsc::channel();
                    let caller = thread::spawn(move || {
                        let ticket = Ticket::take(None);
                        if number != 2 {
                            ticket.set_prompt();
                        }
                        to_main.send((number, ticket.clone())).unwrap();
                        if number == who_leaves {
                            may_leave.recv().unwrap();
                            assert!(matches!(ticket.abandon(), Call::Served(_)));
                        } else {
                            sleeps_until_served(&ticket);
                        }
                    });
                    (caller, leave)
                })
                .collect();
            let mut tickets: Vec<_> = callers.iter().map(|_| from_callers.recv().unwrap()).collect();
            tickets.sort_by_key(|(number, _)| *number);
            let mut handout = Handout::default();
            for (_, ticket) in tickets {
                handout.serve(ticket, Ok(Reply::Done));
            }
            for (caller, leave) in callers {
                let _ = leave.send(());
                caller.join().unwrap();
            }
            assert!(begun.elapsed() < FOR_EVER / 2, "somebody was forgotten when {who_leaves} left");
        }
    }
}
