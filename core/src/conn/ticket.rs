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
#[derive(Debug)]
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

#[derive(Debug)]
struct Body {
    state: State,
    request: Option<Request<'static>>,
    /// Key and value of `request`.
    bytes: Vec<u8>,
    key_length: usize,
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
        let ticket = SPARE.try_with(|spare| spare.borrow_mut().take()).ok().flatten().unwrap_or_else(|| {
            let body = Body { state: State::Waiting, request: None, bytes: Vec::new(), key_length: 0 };
            Arc::new(Self { thread: current(), body: Mutex::new(body) })
        });
        ticket.body().load(request);
        ticket
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
            State::Served(outcome) => Call::Served(outcome),
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
        match mem::replace(&mut self.body().state, State::Abandoned) {
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
        let mut body = self.body();
        if matches!(body.state, State::Waiting | State::Boarded) {
            body.state = State::Served(outcome);
            drop(body);
            self.thread.unpark();
        }
    }
}

impl Body {
    fn load(&mut self, request: Option<&Request<'_>>) {
        self.state = State::Waiting;
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
