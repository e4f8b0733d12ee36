//! The packed call: every hot operation as flat bytes, in one crossing.
//!
//! A typed call through generated bindings costs more in Python and on the JVM than the whole operation, because every
//! argument is a serialised object. Here the arguments are integers: addresses and lengths of memory that the caller owns.
//! The operations and their results are those of `StringClient`; there is no other difference.
//!
//! # Layout, version 2
//!
//! All numbers are little-endian, nothing is aligned or padded but as shown. A request begins with a head of 8 bytes:
//!
//! ```text
//! 0  u8   layout version, 2
//! 1  u8   operation
//! 2  u16  bits: 1 = route hashes are given   2 = an initial value is given (incr, decr)   4 = key lengths are given (batches)
//! 4  u32  timeout of this call in milliseconds, 0 = the client's
//! ```
//!
//! then the fields of the operation. `key` reaches to the end of the request; `value` is the call's second piece of memory,
//! so that a large value is never copied into a request. With bit 1 an `i64` per key stands before the key or the keys:
//! the hash that places it, instead of its own.
//!
//! ```text
//!  1 GET      2 GETS                      key
//!  3 GAT      4 GATS                      i64 exptime, key
//!  5 SET      6 ADD      7 REPLACE        u32 flags, i64 exptime, key                       value
//!  8 APPEND   9 PREPEND                   key                                               value
//! 10 CAS                                  u32 flags, i64 exptime, u64 cas, key              value
//! 11 DELETE                               key
//! 12 INCR    13 DECR                      u64 delta, u64 initial, i64 exptime, key
//! 14 TOUCH                                i64 exptime, key
//! 16 GET_MULTI  17 GETS_MULTI  19 DELETE_MULTI
//!      u32 count, keys
//! 18 SET_MULTI
//!      u32 count, i64 exptime, count x u32 value length, count x u32 flags, keys              values end to end
//! ```
//!
//! The keys of a batch are separated by newlines, a byte that no text can hold which is a key; a language joins texts faster
//! than it measures them. With bit 4, for keys of any bytes, they stand end to end, and in front of them `count x u32` their
//! lengths.
//!
//! Where route hashes are given they stand behind the fixed fields of a single-key operation, directly before the key, and
//! behind all the columns of a batch, directly before the keys and their lengths.
//!
//! A reply begins with a head of 16 bytes; what follows is the payload. The caller's memory behind the reply may have been
//! written to as well.
//!
//! ```text
//!  0  u8   status: 0 hit, stored, deleted, touched, number   1 miss, not found   2 not stored   3 exists   64.. an error kind
//!  1  u8   bits: 1 = the payload is kept   2 = outcome unknown (errors)
//!  2  u16  phase (errors; 0 = none)
//!  4  u32  flags of the item | batch: count of entries | error: length of the server's name
//!  8  u64  cas of the item (GETS, GATS) | number (INCR, DECR)
//! 16  payload: the value | nothing | error: the server's name, then the message, both UTF-8
//! ```
//!
//! The payload of a batch is in columns, in the order of the keys:
//!
//! ```text
//! count x u8 status, count x u32 flags, [GETS_MULTI: count x u64 cas,] count x u32 length, values end to end
//! ```
//!
//! An entry with an error status has the name of the server and the message as its value. Its flags column holds in bits 0 to 15
//! the length of that name, in bits 16 to 23 the phase, and in bit 24 whether the outcome is unknown. A batch whose status is an error as a whole (a malformed request, no servers) has the payload of an error.
//!
//! A payload that does not fit is kept by the library. Then the reply is 40 bytes long, and behind the head stand
//!
//! ```text
//! 16  u64  address of the payload
//! 24  u64  its length
//! 32  u64  a token: pass it to `packed_release` when the payload has been read
//! ```
//!
//! The operation is never repeated to fetch it, and a large value is copied once: into the caller's own object.

use std::time::Duration;

use bytes::Bytes;
use memchr::memchr;

use super::columns::{Columns, Payload};
use super::{handles, kept};
use crate::batch::{self, Batch, Sink as _};
use crate::client::{check_size, parse, to_wire, too_late, Client, Create};
use crate::cluster::Cluster;
use crate::error::{Error, ErrorKind, Result};
use crate::item::{Exptime, StoreMode, StoreOutcome};
use crate::key::{Key, KeyEncoding};
use crate::proto::{Reply, Request, Value};
use crate::reply::{to_found, to_outcome};

/// The version of the layout.
pub(crate) const LAYOUT: u8 = 2;

const BIT_ROUTE: u16 = 1;
const BIT_INITIAL: u16 = 2;
const BIT_LENGTHS: u16 = 4;

pub(super) const HIT: u8 = 0;
pub(super) const MISS: u8 = 1;
pub(super) const NOT_STORED: u8 = 2;
pub(super) const EXISTS: u8 = 3;

const KEPT: u8 = 1;
const OUTCOME_UNKNOWN: u8 = 2;

const HEAD: usize = 16;
/// A reply's head with the place of a kept payload.
const KEPT_REPLY: usize = HEAD + 24;

const GETS: u8 = 2;
const GAT: u8 = 3;
const GATS: u8 = 4;
const GETS_MULTI: u8 = 17;

/// Runs one packed call and returns the length of the reply; 0 when the buffer is too small for any.
pub(crate) fn call(client: u64, request: &[u8], value: &[u8], reply: &mut [u8]) -> usize {
    if reply.len() < KEPT_REPLY {
        return 0;
    }
    let mut answer = Answer { reply, length: 0 };
    if let Err(error) = run(client, request, value, &mut answer) {
        answer.error(&error);
    }
    answer.length
}

fn run(handle: u64, request: &[u8], value: &[u8], answer: &mut Answer<'_>) -> Result<()> {
    let mut fields = Fields(request);
    let layout = fields.u8()?;
    if layout != LAYOUT {
        return Err(Error::invalid(format!("packed layout {layout} is not {LAYOUT}")));
    }
    let operation = fields.u8()?;
    let bits = fields.u16()?;
    let timeout = fields.u32()?;
    let client = handles::find(handle).ok_or_else(|| Error::new(ErrorKind::Closed, "the client was shut down"))?;
    let client = if timeout == 0 { client } else { client.with_timeout(Duration::from_millis(u64::from(timeout)))? };
    let cluster = client.cluster()?;
    let packed = Packed { client: &client, cluster: &cluster, bits };
    match operation {
        1..=4 => packed.get(operation, fields, answer),
        5..=10 => packed.store(operation, fields, value, answer),
        11 => packed.delete(fields, answer),
        12 | 13 => packed.arith(operation == 12, fields, answer),
        14 => packed.touch(fields, answer),
        16 | 17 => packed.get_multi(operation == GETS_MULTI, fields, answer),
        18 => packed.set_multi(fields, value, answer),
        19 => packed.delete_multi(fields, answer),
        _ => Err(Error::invalid(format!("packed operation {operation} is unknown"))),
    }
}

/// The fields of a request, taken from its front.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else {
            return Err(Error::invalid(format!("packed request ends {} bytes early", count - self.0.len())));
        };
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn exptime(&mut self) -> Result<Exptime> {
        Exptime::from_seconds(self.array().map(i64::from_le_bytes)?).map_err(too_late)
    }

    /// A column of `count` numbers of 32 bits.
    fn column(&mut self, count: usize) -> Result<impl ExactSizeIterator<Item = u32> + Clone + 'a> {
        let bytes = self.bytes(count.saturating_mul(4))?;
        Ok(bytes.chunks_exact(4).map(|number| u32::from_le_bytes([number[0], number[1], number[2], number[3]])))
    }

    /// The pieces of one run of bytes that ends where the last of them does.
    fn pieces(mut self, lengths: impl Iterator<Item = u32>) -> Result<Vec<&'a [u8]>> {
        let pieces = lengths.map(|length| self.bytes(length as usize)).collect::<Result<_>>()?;
        self.end()?;
        Ok(pieces)
    }

    fn end(&self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Error::invalid(format!("packed request has {} bytes too many", self.0.len())))
    }

    /// The part in front of the next newline, which is taken too.
    fn line(&mut self) -> Result<&'a [u8]> {
        let Some(end) = memchr(b'\n', self.0) else {
            return Err(Error::invalid("packed request has fewer keys than its count"));
        };
        let line = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Ok(line)
    }
}

/// The operations, each from its fields to its reply.
struct Packed<'c> {
    client: &'c Client,
    cluster: &'c Cluster,
    bits: u16,
}

impl<'c> Packed<'c> {
    fn key<'k>(&self, mut fields: Fields<'k>) -> Result<Key<'k>>
    where
        'c: 'k,
    {
        let route = if self.bits & BIT_ROUTE == 0 { None } else { Some(fields.u64()? as i64) };
        let key = parse(self.cluster, fields.0)?;
        Ok(route.map_or(key, |hash| key.with_route(hash)))
    }

    fn get(&self, operation: u8, mut fields: Fields<'_>, answer: &mut Answer<'_>) -> Result<()> {
        let exptime = if matches!(operation, GAT | GATS) { Some(to_wire(fields.exptime()?)?) } else { None };
        let key = self.key(fields)?;
        let request = Request::Get { key, cas: matches!(operation, GETS | GATS), exptime };
        self.client.call(self.cluster, &key, request, |reply| match reply {
            Reply::Value { value, flags, cas } => {
                answer.value(value, flags, cas);
                Ok(())
            }
            Reply::Miss => {
                answer.status(MISS, 0);
                Ok(())
            }
            other => Err(unexpected(&other)),
        })
    }

    fn store(&self, operation: u8, mut fields: Fields<'_>, value: &[u8], answer: &mut Answer<'_>) -> Result<()> {
        let (flags, exptime) = match operation {
            8 | 9 => (0, Exptime::Never),
            _ => (fields.u32()?, fields.exptime()?),
        };
        let mode = match operation {
            5 => StoreMode::Set,
            6 => StoreMode::Add,
            7 => StoreMode::Replace,
            8 => StoreMode::Append,
            9 => StoreMode::Prepend,
            _ => StoreMode::Cas(fields.u64()?),
        };
        let key = self.key(fields)?;
        check_size(self.cluster, value)?;
        let request = Request::Store { key, mode, value, flags, exptime: to_wire(exptime)? };
        let outcome = self.client.call(self.cluster, &key, request, |reply| to_outcome(&reply, mode))?;
        answer.status(store_status(outcome), 0);
        Ok(())
    }

    fn delete(&self, fields: Fields<'_>, answer: &mut Answer<'_>) -> Result<()> {
        let key = self.key(fields)?;
        let found = self.client.call(self.cluster, &key, Request::Delete { key }, |reply| to_found(&reply))?;
        answer.status(found_status(found), 0);
        Ok(())
    }

    fn touch(&self, mut fields: Fields<'_>, answer: &mut Answer<'_>) -> Result<()> {
        let exptime = to_wire(fields.exptime()?)?;
        let key = self.key(fields)?;
        let found = self.client.call(self.cluster, &key, Request::Touch { key, exptime }, |reply| to_found(&reply))?;
        answer.status(found_status(found), 0);
        Ok(())
    }

    fn arith(&self, up: bool, mut fields: Fields<'_>, answer: &mut Answer<'_>) -> Result<()> {
        let (delta, initial, exptime) = (fields.u64()?, fields.u64()?, fields.exptime()?);
        let create = (self.bits & BIT_INITIAL != 0).then_some(Create { initial, exptime });
        let key = self.key(fields)?;
        match self.client.arith_of(self.cluster, &key, up, delta, create)? {
            Some(number) => answer.status(HIT, number),
            None => answer.status(MISS, 0),
        }
        Ok(())
    }

    /// The keys of a batch, with their route hashes where they are given.
    fn keys<'k>(&self, count: usize, mut fields: Fields<'k>) -> Result<Vec<Key<'k>>>
    where
        'c: 'k,
    {
        let routed = self.bits & BIT_ROUTE != 0;
        let mut routes = Fields(if routed { fields.bytes(count.saturating_mul(8))? } else { &[] });
        let mut key = |name| {
            let key = parse(self.cluster, name)?;
            Ok(if routed { key.with_route(routes.u64()? as i64) } else { key })
        };
        if self.bits & BIT_LENGTHS != 0 {
            let lengths = fields.column(count)?;
            return fields.pieces(lengths)?.into_iter().map(key).collect();
        }
        if self.cluster.config.key_encoding != KeyEncoding::Text {
            return Err(Error::invalid("packed request has binary keys without their lengths"));
        }
        let mut keys = Vec::with_capacity(count.min(fields.0.len()));
        for behind in (0..count).rev() {
            // A newline within a key leaves one too many, which the last one, all that is left, is then found to hold.
            let name = if behind > 0 { fields.line()? } else { fields.bytes(fields.0.len())? };
            keys.push(key(name)?);
        }
        fields.end()?;
        Ok(keys)
    }

    fn get_multi(&self, with_cas: bool, mut fields: Fields<'_>, answer: &mut Answer<'_>) -> Result<()> {
        let keys = self.keys(fields.u32()? as usize, fields)?;
        let request = |place: usize| Request::Get { key: keys[place], cas: with_cas, exptime: None };
        self.batch(&Batch { keys: &keys, request: &request, is_read: true }, with_cas, |_| Ok(()), answer)
    }

    fn set_multi(&self, mut fields: Fields<'_>, value: &[u8], answer: &mut Answer<'_>) -> Result<()> {
        let count = fields.u32()? as usize;
        let exptime = to_wire(fields.exptime()?)?;
        let lengths = fields.column(count)?;
        let flags: Vec<u32> = fields.column(count)?.collect();
        let keys = self.keys(count, fields)?;
        let values = Fields(value).pieces(lengths)?;
        let mode = StoreMode::Set;
        let request =
            |place: usize| Request::Store { key: keys[place], mode, value: values[place], flags: flags[place], exptime };
        let check = |place: usize| check_size(self.cluster, values[place]);
        self.batch(&Batch { keys: &keys, request: &request, is_read: false }, false, check, answer)
    }

    fn delete_multi(&self, mut fields: Fields<'_>, answer: &mut Answer<'_>) -> Result<()> {
        let keys = self.keys(fields.u32()? as usize, fields)?;
        let request = |place: usize| Request::Delete { key: keys[place] };
        self.batch(&Batch { keys: &keys, request: &request, is_read: false }, false, |_| Ok(()), answer)
    }

    fn batch(
        &self,
        batch: &Batch<'_, '_>,
        with_cas: bool,
        check: impl Fn(usize) -> Result<()>,
        answer: &mut Answer<'_>,
    ) -> Result<()> {
        let count = batch.keys.len();
        let mut columns = Columns::new(&mut answer.reply[HEAD..], count, with_cas);
        let mut places = Vec::with_capacity(count);
        for place in 0..count {
            match check(place) {
                Ok(()) => places.push(place as u32),
                Err(error) => columns.fail(place, &error),
            }
        }
        batch::run(self.cluster, batch, places, &mut columns, &self.client.deadline())?;
        let payload = columns.finish();
        answer.head(HIT, 0, 0, count as u32, 0);
        match payload {
            Payload::InPlace(length) => answer.length += length,
            Payload::Moved(payload) => answer.keep(payload.into()),
        }
        Ok(())
    }
}

fn store_status(outcome: StoreOutcome) -> u8 {
    match outcome {
        StoreOutcome::Stored => HIT,
        StoreOutcome::NotFound => MISS,
        StoreOutcome::NotStored => NOT_STORED,
        StoreOutcome::Exists => EXISTS,
    }
}

fn found_status(found: bool) -> u8 {
    if found {
        HIT
    } else {
        MISS
    }
}

pub(super) fn unexpected(reply: &Reply<'_>) -> Error {
    Error::protocol(format!("a reply does not belong to its request: {reply:?}"))
}

/// The caller's reply buffer. It has room for a head and the place of a kept payload.
struct Answer<'b> {
    reply: &'b mut [u8],
    length: usize,
}

impl Answer<'_> {
    fn head(&mut self, status: u8, bits: u8, phase: u16, flags: u32, number: u64) {
        self.reply[0] = status;
        self.reply[1] = bits;
        self.reply[2..4].copy_from_slice(&phase.to_le_bytes());
        self.reply[4..8].copy_from_slice(&flags.to_le_bytes());
        self.reply[8..16].copy_from_slice(&number.to_le_bytes());
        self.length = HEAD;
    }

    fn status(&mut self, status: u8, number: u64) {
        self.head(status, 0, 0, 0, number);
    }

    fn value(&mut self, value: Value<'_>, flags: u32, cas: u64) {
        self.head(HIT, 0, 0, flags, cas);
        match value {
            Value::Inline(bytes) if self.fits(bytes.len()) => self.payload(bytes),
            Value::Whole(bytes) if self.fits(bytes.len()) => self.payload(&bytes),
            Value::Inline(bytes) => self.keep(Bytes::copy_from_slice(bytes)),
            Value::Whole(bytes) => self.keep(bytes),
        }
    }

    fn error(&mut self, error: &Error) {
        let server = error.server().unwrap_or_default();
        let bits = if error.is_outcome_unknown() { OUTCOME_UNKNOWN } else { 0 };
        let phase = error.phase().map_or(0, |phase| phase as u16);
        self.head(error.kind().code(), bits, phase, server.len() as u32, 0);
        let payload = [server.as_bytes(), error.message().as_bytes()].concat();
        if self.fits(payload.len()) {
            self.payload(&payload);
        } else {
            self.keep(payload.into());
        }
    }

    fn fits(&self, length: usize) -> bool {
        length <= self.reply.len() - HEAD
    }

    fn payload(&mut self, bytes: &[u8]) {
        self.reply[HEAD..HEAD + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn keep(&mut self, payload: Bytes) {
        self.reply[1] |= KEPT;
        let (address, length) = (payload.as_ptr() as u64, payload.len() as u64);
        let place = [address, length, kept::keep(payload)];
        for (target, number) in self.reply[HEAD..KEPT_REPLY].chunks_exact_mut(8).zip(place) {
            target.copy_from_slice(&number.to_le_bytes());
        }
        self.length = KEPT_REPLY;
    }
}
