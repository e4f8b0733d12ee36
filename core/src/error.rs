//! Errors by blame: who has to act, the caller, the network, the server, or the operator.
//!
//! A miss, a value that was not stored and a cas conflict are values, never errors.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The result of every fallible call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Who has to act on an error. The number of each kind is part of the packed layout and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum ErrorKind {
    /// The key, prefix included, is longer than the wire allows. Nothing was sent.
    KeyTooLong = 64,
    /// The key is empty or holds a byte that the protocol cannot carry. Nothing was sent.
    KeyCharacter = 65,
    /// Another argument is out of its range; the message names it and the limit. Nothing was sent.
    InvalidArgument = 66,
    /// The value is larger than the client's maximum (nothing was sent) or than the server's.
    ValueTooLarge = 67,
    /// The client has no servers.
    NoServers = 68,
    /// The client was shut down, or the handle is none of a living client.
    Closed = 69,
    /// The server refuses connections, or failed too often to be asked again yet.
    ServerDown = 70,
    /// The call's deadline passed.
    Timeout = 71,
    /// The server closed or reset the connection during the call.
    Disconnected = 72,
    /// What came is not memcached's protocol, or not the reply to what was asked. The connection was closed.
    Protocol = 73,
    /// The server answered with an error of its own; the message holds its words.
    ServerError = 74,
    /// The server wants credentials, or refused them.
    Auth = 75,
    /// The server's protocol has no such operation.
    Unsupported = 76,
    /// incr or decr on a value that is not a decimal number.
    NotNumeric = 77,
    /// No secure connection: a certificate was refused, on this side or by the server, or the server speaks no TLS.
    Tls = 78,
}

impl ErrorKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::KeyTooLong,
        Self::KeyCharacter,
        Self::InvalidArgument,
        Self::ValueTooLarge,
        Self::NoServers,
        Self::Closed,
        Self::ServerDown,
        Self::Timeout,
        Self::Disconnected,
        Self::Protocol,
        Self::ServerError,
        Self::Auth,
        Self::Unsupported,
        Self::NotNumeric,
        Self::Tls,
    ];

    /// The kind's number in packed replies.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// What a call was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Phase {
    /// Looking the server's name up.
    Resolve = 1,
    /// Opening the connection.
    Connect = 2,
    /// Finding out which protocol the server speaks.
    Handshake = 3,
    /// Waiting for a connection that another call holds.
    Queue = 4,
    /// Sending the request.
    Write = 5,
    /// Waiting for the reply.
    Read = 6,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving",
            Self::Connect => "connecting to",
            Self::Handshake => "greeting",
            Self::Queue => "waiting for a connection to",
            Self::Write => "writing to",
            Self::Read => "reading from",
        })
    }
}

/// Why a key is not legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// There is no byte in it.
    #[error("key is empty")]
    Empty,
    /// It is longer than the wire allows.
    #[error("key of {length} bytes is over the limit of {limit}")]
    TooLong {
        /// Its length in bytes, prefix included.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// It holds a byte that the protocol cannot carry.
    #[error("key holds byte {byte:#04x} at offset {at}; bytes 0x00-0x20 and 0x7f are not allowed")]
    Character {
        /// The byte.
        byte: u8,
        /// Its offset, prefix included.
        at: usize,
    },
}

/// An error of a call: its kind, and where it is known the server and the phase.
///
/// Cheap to clone: a failed server's error is handed to each of its keys in a batch.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    phase: Option<Phase>,
    server: Option<Arc<str>>,
    message: String,
    outcome_unknown: bool,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, phase: None, server: None, message: message.into(), outcome_unknown: false }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }

    pub(crate) fn timeout(server: &Arc<str>, phase: Phase, after: Duration) -> Self {
        let message = format!("timed out {phase} {server} after {} ms", after.as_millis());
        Self::new(ErrorKind::Timeout, message).at(server, phase)
    }

    /// The same error, at a server and in a phase.
    pub(crate) fn at(self, server: &Arc<str>, phase: Phase) -> Self {
        self.change(|inner| {
            inner.server = Some(server.clone());
            inner.phase = Some(phase);
        })
    }

    /// The same error of a request that the server may have carried out.
    pub(crate) fn after_sending(self) -> Self {
        self.change(|inner| inner.outcome_unknown = true)
    }

    fn change(self, apply: impl FnOnce(&mut Inner)) -> Self {
        let Inner { kind, phase, ref server, ref message, outcome_unknown } = *self.0;
        let mut inner = Inner { kind, phase, server: server.clone(), message: message.clone(), outcome_unknown };
        apply(&mut inner);
        Self(Arc::new(inner))
    }

    /// Who has to act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the call was doing, where that is known.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }

    /// The server, as `host:port` or `unix:/path`, where one is to blame.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.0.server.as_deref()
    }

    /// What happened, in one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the request had left when the call failed: the server may or may not have carried it out.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("phase", &self.0.phase)
            .field("server", &self.0.server)
            .field("message", &self.0.message)
            .field("outcome_unknown", &self.0.outcome_unknown)
            .finish()
    }
}

impl std::error::Error for Error {}

impl From<KeyFault> for Error {
    fn from(fault: KeyFault) -> Self {
        let kind = match fault {
            KeyFault::TooLong { .. } => ErrorKind::KeyTooLong,
            KeyFault::Empty | KeyFault::Character { .. } => ErrorKind::KeyCharacter,
        };
        Self::new(kind, fault.to_string())
    }
}
