//! The payload of a batch's reply, written while the replies come in.
//!
//! The columns stand at the front, and the values behind them in the order of the keys. As long as replies come in that order,
//! as they do from one server, a value is copied once: from the connection's buffer to its place in the caller's memory. A
//! value that comes before its turn is put aside until those in front of it are there.

use std::sync::Arc;

use bytes::Bytes;

use super::packed::{unexpected, EXISTS, HIT, MISS, NOT_STORED};
use crate::batch::Sink;
use crate::error::Error;
use crate::proto::{Reply, Value};
use crate::reply::refusal;

/// Where the payload has ended up.
pub(super) enum Payload {
    /// In the memory that it was begun in, so many bytes.
    InPlace(usize),
    /// In memory of its own, because that was too small.
    Moved(Vec<u8>),
}

/// The payload under way.
pub(super) struct Columns<'b> {
    /// The caller's memory.
    place: &'b mut [u8],
    /// What takes its place once it is too small.
    moved: Option<Vec<u8>>,
    length: usize,
    count: usize,
    with_cas: bool,
    /// The first entry that has no value yet.
    next: usize,
    /// Entries that came before their turn; empty until the first does.
    aside: Vec<Aside>,
    /// The bytes of those that are small.
    arena: Vec<u8>,
}

#[derive(Clone)]
enum Aside {
    Missing,
    Small { at: usize, length: usize },
    Whole(Bytes),
}

impl<'b> Columns<'b> {
    pub(super) fn new(place: &'b mut [u8], count: usize, with_cas: bool) -> Self {
        let row = 1 + 4 + 4 + if with_cas { 8 } else { 0 };
        let length = count * row;
        let moved = (length > place.len()).then(|| vec![0; length]);
        if moved.is_none() {
            place[..length].fill(0);
        }
        let mut columns = Self { place, moved, length, count, with_cas, next: 0, aside: Vec::new(), arena: Vec::new() };
        columns.bytes(0, count).fill(MISS);
        columns
    }

    fn bytes(&mut self, at: usize, count: usize) -> &mut [u8] {
        match &mut self.moved {
            Some(moved) => &mut moved[at..at + count],
            None => &mut self.place[at..at + count],
        }
    }

    fn set_status(&mut self, index: usize, status: u8) {
        self.bytes(0, self.count)[index] = status;
    }

    fn set_flags(&mut self, index: usize, flags: u32) {
        self.bytes(self.count + 4 * index, 4).copy_from_slice(&flags.to_le_bytes());
    }

    fn set_cas(&mut self, index: usize, cas: u64) {
        if self.with_cas {
            self.bytes(5 * self.count + 8 * index, 8).copy_from_slice(&cas.to_le_bytes());
        }
    }

    fn set_length(&mut self, index: usize, length: usize) {
        let at = if self.with_cas { 13 } else { 5 } * self.count + 4 * index;
        // A value is at most 1 GiB long.
        self.bytes(at, 4).copy_from_slice(&(length as u32).to_le_bytes());
    }

    /// Gives the entry its value, now or when its turn has come.
    fn put(&mut self, index: usize, value: Value<'_>) {
        if index != self.next {
            return self.put_aside(index, value);
        }
        match value {
            Value::Inline(bytes) => self.append(bytes),
            Value::Whole(bytes) => self.append(&bytes),
        }
        while let Some(aside) = self.aside.get_mut(self.next) {
            match std::mem::replace(aside, Aside::Missing) {
                Aside::Missing => return,
                Aside::Whole(bytes) => self.append(&bytes),
                Aside::Small { at, length } => {
                    let arena = std::mem::take(&mut self.arena);
                    self.append(&arena[at..at + length]);
                    self.arena = arena;
                }
            }
        }
    }

    fn put_aside(&mut self, index: usize, value: Value<'_>) {
        if self.aside.is_empty() {
            self.aside = vec![Aside::Missing; self.count];
        }
        self.aside[index] = match value {
            Value::Whole(bytes) => Aside::Whole(bytes),
            Value::Inline(bytes) => {
                let at = self.arena.len();
                self.arena.extend_from_slice(bytes);
                Aside::Small { at, length: bytes.len() }
            }
        };
    }

    /// The value of the next entry.
    fn append(&mut self, bytes: &[u8]) {
        self.set_length(self.next, bytes.len());
        self.next += 1;
        let end = self.length + bytes.len();
        if self.moved.is_none() && end > self.place.len() {
            let mut moved = Vec::with_capacity(end.max(2 * self.place.len()));
            moved.extend_from_slice(&self.place[..self.length]);
            self.moved = Some(moved);
        }
        match &mut self.moved {
            Some(moved) => moved.extend_from_slice(bytes),
            None => self.place[self.length..end].copy_from_slice(bytes),
        }
        self.length = end;
    }

    /// The whole payload. An entry that was never answered is a miss without a value.
    pub(super) fn finish(mut self) -> Payload {
        while self.next < self.count {
            self.put(self.next, Value::Inline(&[]));
        }
        match self.moved {
            Some(moved) => Payload::Moved(moved),
            None => Payload::InPlace(self.length),
        }
    }
}

impl Sink for Columns<'_> {
    fn reply(&mut self, index: usize, reply: Reply<'_>, server: &Arc<str>) {
        let mut status = |status| {
            self.set_status(index, status);
            self.put(index, Value::Inline(&[]));
        };
        match reply {
            Reply::Value { value, flags, cas } => {
                self.set_status(index, HIT);
                self.set_flags(index, flags);
                self.set_cas(index, cas);
                self.put(index, value);
            }
            Reply::Done => status(HIT),
            Reply::Miss => status(MISS),
            Reply::NotStored => status(NOT_STORED),
            Reply::Exists => status(EXISTS),
            Reply::Fault(fault) => self.fail(index, &refusal(fault, server)),
            other => self.fail(index, &unexpected(&other)),
        }
    }

    fn fail(&mut self, index: usize, error: &Error) {
        let server = error.server().unwrap_or_default();
        let phase = error.phase().map_or(0, |phase| phase as u32);
        // A server's name is a host's or a path's: far below 64 KiB.
        let name = server.len() as u32 & 0xffff;
        self.set_status(index, error.kind().code());
        self.set_flags(index, name | phase << 16 | u32::from(error.is_outcome_unknown()) << 24);
        self.put(index, Value::Inline(&[server.as_bytes(), error.message().as_bytes()].concat()));
    }
}
