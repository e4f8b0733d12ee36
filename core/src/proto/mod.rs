//! The wire, without input or output: requests become bytes, bytes become replies.
//!
//! Nothing here names a socket, a clock or a thread. [`Request::encode`] writes a request in one of the two dialects and
//! returns what to expect of its reply; a [`Decoder`] takes the bytes that came, in pieces of any size, and yields one
//! [`Reply`] per request, in order. Anything that does not fit the grammar or the expectation is a [`Violation`]: the
//! connection cannot be trusted any more and has to be closed.

mod classic;
mod decoder;
mod fault;
mod input;
mod meta;
mod number;
mod version;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

use bytes::Bytes;

use self::meta::Terms;
use crate::item::StoreMode;
use crate::key::{Key, KeyEncoding};

pub(crate) use decoder::Decoder;
pub(crate) use input::Input;
pub(crate) use version::Version;

/// Which of memcached's two text protocols a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Meta,
    Classic,
}

/// One request, borrowed from the caller. Exptimes are wire values already.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request<'a> {
    /// get, gets, and with `exptime` gat, gats.
    Get {
        key: Key<'a>,
        cas: bool,
        exptime: Option<i32>,
    },
    Store {
        key: Key<'a>,
        mode: StoreMode,
        value: &'a [u8],
        flags: u32,
        exptime: i32,
    },
    Delete {
        key: Key<'a>,
    },
    /// incr (`up`) and decr. An `initial` value needs the meta dialect.
    Arith {
        key: Key<'a>,
        up: bool,
        delta: u64,
        initial: Option<Initial>,
    },
    Touch {
        key: Key<'a>,
        exptime: i32,
    },
    /// What the server knows of an item; needs the meta dialect.
    Metadata {
        key: Key<'a>,
    },
    /// The random key with which meta support is found out: sent as `mg <key> v O<opaque>`.
    Probe {
        key: Key<'a>,
    },
    FlushAll {
        delay: u32,
    },
    Stats {
        argument: Option<Argument<'a>>,
    },
    Version,
    Verbosity {
        level: u32,
    },
}

/// What stands behind `stats`: words that the line can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Argument<'a>(&'a str);

impl<'a> Argument<'a> {
    /// Longest argument, in bytes.
    pub(crate) const LONGEST: usize = 200;

    /// `None` unless `words` are 1 to [`Argument::LONGEST`] characters of printable ASCII: a line end among them would
    /// begin another command.
    pub(crate) fn parse(words: &'a str) -> Option<Self> {
        let legal = (1..=Self::LONGEST).contains(&words.len()) && words.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        legal.then_some(Self(words))
    }

    fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }
}

impl<'a> Request<'a> {
    /// Appends the request to `out` and returns what its reply has to look like.
    ///
    /// Of a [`Request::Store`] this is the head line alone: the caller sends [`Request::body`] and a line end behind it,
    /// so that a large value is never copied. The administrative requests are the same in both dialects.
    ///
    /// # Errors
    /// [`Unsupported`] when the dialect has no such request; nothing was appended.
    pub(crate) fn encode(&self, dialect: Dialect, opaque: u32, out: &mut Vec<u8>) -> Result<Expect, Unsupported> {
        let shape = match dialect {
            Dialect::Meta => self.encode_meta(opaque, out),
            Dialect::Classic => self.encode_classic(out)?,
        };
        Ok(Expect { shape, opaque })
    }

    fn encode_meta(&self, opaque: u32, out: &mut Vec<u8>) -> Shape {
        match *self {
            Self::Get { ref key, cas, exptime } => meta::get(key, cas, exptime, opaque, out),
            Self::Store { ref key, mode, value, flags, exptime } => {
                meta::store(key, Terms { mode, length: value.len(), flags, exptime }, opaque, out)
            }
            Self::Delete { ref key } => meta::delete(key, opaque, out),
            Self::Arith { ref key, up, delta, initial } => meta::arith(key, up, delta, initial, opaque, out),
            Self::Touch { ref key, exptime } => meta::touch(key, exptime, opaque, out),
            Self::Metadata { ref key } => meta::metadata(key, out),
            Self::Probe { ref key } => meta::probe(key, opaque, out),
            Self::FlushAll { delay } => classic::flush_all(delay, out),
            Self::Stats { argument } => classic::stats(argument, out),
            Self::Version => classic::version(out),
            Self::Verbosity { level } => classic::verbosity(level, out),
        }
    }

    fn encode_classic(&self, out: &mut Vec<u8>) -> Result<Shape, Unsupported> {
        if self.key().is_some_and(|key| key.encoding() == KeyEncoding::Base64) {
            return Err(Unsupported("a key in base64"));
        }
        Ok(match *self {
            Self::Get { ref key, cas, exptime } => classic::get(key, cas, exptime, out),
            Self::Store { ref key, mode, value, flags, exptime } => {
                classic::store(key, Terms { mode, length: value.len(), flags, exptime }, out)
            }
            Self::Delete { ref key } => classic::delete(key, out),
            Self::Arith { initial: Some(_), .. } => return Err(Unsupported("an initial value")),
            Self::Arith { ref key, up, delta, initial: None } => classic::arith(key, up, delta, out),
            Self::Touch { ref key, exptime } => classic::touch(key, exptime, out),
            Self::Metadata { .. } => return Err(Unsupported("metadata")),
            Self::Probe { .. } => return Err(Unsupported("the probe")),
            Self::FlushAll { delay } => classic::flush_all(delay, out),
            Self::Stats { argument } => classic::stats(argument, out),
            Self::Version => classic::version(out),
            Self::Verbosity { level } => classic::verbosity(level, out),
        })
    }

    /// The value of a [`Request::Store`].
    pub(crate) fn body(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Store { value, .. } => Some(value),
            _ => None,
        }
    }

    /// The key, where the request has one.
    pub(crate) fn key(&self) -> Option<Key<'a>> {
        match *self {
            Self::Get { key, .. }
            | Self::Store { key, .. }
            | Self::Delete { key }
            | Self::Arith { key, .. }
            | Self::Touch { key, .. }
            | Self::Metadata { key }
            | Self::Probe { key } => Some(key),
            Self::FlushAll { .. } | Self::Stats { .. } | Self::Version | Self::Verbosity { .. } => None,
        }
    }

    /// Whether many requests of this kind can be one command of the classic dialect.
    pub(crate) fn can_join(&self) -> bool {
        matches!(self, Self::Get { key, exptime: None, .. } if key.encoding() == KeyEncoding::Text)
    }

    /// Appends the key of a classic get to the one that ends `out`, so that one command reads both keys. `None`, with nothing
    /// appended, when the two cannot be one command. `before` is what the reply to the former had to look like; the new
    /// expectations of both are returned.
    pub(crate) fn join(&self, before: &Expect, out: &mut Vec<u8>) -> Option<(Expect, Expect)> {
        let Self::Get { key, cas, .. } = self else { return None };
        if before.shape != (Shape::ClassicGet { cas: *cas }) || !self.can_join() {
            return None;
        }
        classic::join(key, out);
        let more = Expect { shape: Shape::ClassicGetMore { cas: *cas }, ..*before };
        Some((more, *before))
    }

    /// The same request of another key and value: those of the original may be gone by the time it is sent.
    pub(crate) fn rebind<'b>(&self, key: Key<'b>, value: &'b [u8]) -> Option<Request<'b>> {
        Some(match *self {
            Self::Get { cas, exptime, .. } => Request::Get { key, cas, exptime },
            Self::Store { mode, flags, exptime, .. } => Request::Store { key, mode, value, flags, exptime },
            Self::Delete { .. } => Request::Delete { key },
            Self::Arith { up, delta, initial, .. } => Request::Arith { key, up, delta, initial },
            Self::Touch { exptime, .. } => Request::Touch { key, exptime },
            _ => return None,
        })
    }

    /// Appends the key as the reply echoes it, where the reply is told by its key and not by its opaque: classic reads
    /// and `me`. Appends nothing elsewhere.
    pub(crate) fn write_echoed_key(&self, dialect: Dialect, out: &mut Vec<u8>) {
        match (self, dialect) {
            (Self::Get { key, .. }, Dialect::Classic) | (Self::Metadata { key }, _) => meta::write_key(key, out),
            _ => {}
        }
    }
}

/// What a missing counter is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Initial {
    pub(crate) value: u64,
    pub(crate) exptime: i32,
}

/// The dialect has no such request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} needs the meta protocol, which this server does not speak")]
pub(crate) struct Unsupported(pub(crate) &'static str);

/// Bytes that cannot be the reply that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Violation(pub(crate) String);

/// What the reply to a request has to look like. Small and `Copy`: one waits in the queue per request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expect {
    pub(crate) shape: Shape,
    /// Meta: the token that the reply has to echo. Classic: unused.
    pub(crate) opaque: u32,
}

/// The grammar of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    MetaGet {
        cas: bool,
    },
    MetaStore,
    MetaDelete,
    MetaArith,
    /// The reply to `me`. It carries no opaque: the key is compared.
    MetaMetadata,
    MetaTouch,
    Probe,
    /// The only or the last key of a read: VALUE block or nothing, then END. The key is compared.
    ClassicGet {
        cas: bool,
    },
    /// A key of a read behind which more keys stand: VALUE block or nothing. The key is compared.
    ClassicGetMore {
        cas: bool,
    },
    ClassicStore,
    ClassicDelete,
    ClassicArith,
    ClassicTouch,
    /// `OK` (flush_all, verbosity).
    Ok,
    Stats,
    Version,
}

/// One decoded reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply<'b> {
    Value {
        value: Value<'b>,
        flags: u32,
        cas: u64,
    },
    /// Stored, deleted, touched, flushed.
    Done,
    /// No such item.
    Miss,
    NotStored,
    Exists,
    Number(u64),
    Version(&'b str),
    Stats(Vec<(String, String)>),
    Metadata(crate::item::ItemMetadata),
    /// To a [`Request::Probe`]: what the server speaks, told from the form of its answer. `None`: the version decides.
    Probed(Option<Dialect>),
    Fault(Fault),
}

/// The bytes of a value: in the input buffer while they are few, in memory of their own otherwise.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Value<'b> {
    Inline(&'b [u8]),
    Whole(Bytes),
}

/// An error line of the server, in place of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// The whole line, without its line end, lossily decoded and cut at 256 bytes.
    pub(crate) line: String,
}

/// What an error line means for the caller and for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// `SERVER_ERROR object too large for cache`: the body was swallowed, the connection is in step.
    TooLarge,
    /// `SERVER_ERROR out of memory ...`: likewise in step.
    OutOfMemory,
    /// `CLIENT_ERROR cannot increment or decrement non-numeric value`: in step.
    NotNumeric,
    /// `ERROR Too many open connections` or `SERVER_ERROR too many connections`: the server will close.
    TooManyConnections,
    /// `CLIENT_ERROR unauthenticated` and its kin.
    Unauthenticated,
    /// Any other `CLIENT_ERROR`.
    Client,
    /// Any other `SERVER_ERROR`.
    Server,
    /// `ERROR`: the command is unknown here.
    UnknownCommand,
}
