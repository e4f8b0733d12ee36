//! What a connection owes and is owed: bytes to send, replies to come. Names no socket, clock or thread.
//!
//! ```text
//! push(request) -> out ----- write ----> server
//!      |                                    |
//!      +--> pending (FIFO) <-- next() -- input <--- read
//! ```
//!
//! Every request that was pushed waits in `pending` until its reply has been taken by [`Machine::next`], in order. A machine
//! is idle, and its connection may be lent to another caller, only when nothing is owed in either direction.

use std::collections::VecDeque;

use crate::proto::{Decoder, Dialect, Expect, Input, Reply, Request, Unsupported, Violation};

/// Whose reply it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Of the caller that drives the connection.
    Own,
    /// Of a caller that waits until it is served.
    Follower,
    /// Of a caller that has given up: the reply is read and discarded in its turn.
    Tombstone,
}

#[derive(Debug)]
struct Pending {
    expect: Expect,
    slot: Slot,
    /// How many bytes of `keys` are this request's; 0 where the reply is told by its opaque.
    key_length: usize,
}

/// The two buffers of a connection and the queue of replies that it is owed.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) dialect: Dialect,
    pub(crate) input: Input,
    decoder: Decoder,
    out: Vec<u8>,
    pending: VecDeque<Pending>,
    /// Keys that replies will name, end to end: from `keys_read` on those of pending requests.
    keys: Vec<u8>,
    keys_read: usize,
    opaque: u32,
}

/// What a large call made the buffers grow beyond is given back when the connection falls idle.
const KEPT_BYTES: usize = 64 * 1024;
const KEPT_PENDING: usize = 1024;

impl Machine {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            input: Input::default(),
            decoder: Decoder::default(),
            out: Vec::new(),
            pending: VecDeque::new(),
            keys: Vec::new(),
            keys_read: 0,
            opaque: 0,
        }
    }

    /// Appends a request to the bytes to send, without the value of a store and the line end behind it.
    pub(crate) fn push(&mut self, request: &Request<'_>, slot: Slot) -> Result<(), Unsupported> {
        self.opaque = self.opaque.wrapping_add(1);
        let expect = request.encode(self.dialect, self.opaque, &mut self.out)?;
        let before = self.keys.len();
        request.write_echoed_key(self.dialect, &mut self.keys);
        let key_length = self.keys.len() - before;
        self.pending.push_back(Pending { expect, slot, key_length });
        Ok(())
    }

    /// Appends bytes behind what was pushed: the value of a store.
    pub(crate) fn push_body(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
        self.push_line_end();
    }

    pub(crate) fn push_line_end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }

    /// The bytes to send.
    pub(crate) fn out(&self) -> &[u8] {
        &self.out
    }

    /// Forgets the bytes to send, all of which have been sent.
    pub(crate) fn clear_out(&mut self) {
        self.out.clear();
    }

    /// The next reply that is there in full, and whose it is.
    ///
    /// # Errors
    /// A [`Violation`] when the bytes cannot be that reply, or when there are bytes and no reply is owed.
    pub(crate) fn next(&mut self) -> Result<Option<(Slot, Reply<'_>)>, Violation> {
        let Some(front) = self.pending.front() else {
            return if self.input.is_empty() { Ok(None) } else { Err(Violation("bytes without a request".into())) };
        };
        let key = &self.keys[self.keys_read..self.keys_read + front.key_length];
        let Some(reply) = self.decoder.decode(&front.expect, key, &mut self.input)? else { return Ok(None) };
        let slot = front.slot;
        self.keys_read += front.key_length;
        self.pending.pop_front();
        if self.pending.is_empty() {
            self.keys.clear();
            self.keys_read = 0;
        }
        Ok(Some((slot, reply)))
    }

    /// How many replies are owed.
    pub(crate) fn owed(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing is owed in either direction.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.out.is_empty() && self.input.is_empty()
    }

    /// The driver leaves: its replies become tombstones.
    pub(crate) fn bury_own(&mut self) {
        for pending in &mut self.pending {
            if pending.slot == Slot::Own {
                pending.slot = Slot::Tombstone;
            }
        }
    }

    /// The first waiting caller becomes the driver.
    pub(crate) fn promote_follower(&mut self) {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.slot == Slot::Follower) {
            pending.slot = Slot::Own;
        }
    }

    /// Takes back every request, of none of which a byte has been sent.
    pub(crate) fn take_back(&mut self) {
        self.out.clear();
        self.pending.clear();
        self.keys.clear();
        self.keys_read = 0;
    }

    /// Gives back what one large call made the buffers grow to. Only when idle.
    pub(crate) fn shrink(&mut self) {
        self.out.shrink_to(KEPT_BYTES);
        self.keys.shrink_to(KEPT_BYTES);
        self.pending.shrink_to(KEPT_PENDING);
    }
}
