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

use crate::proto::{Decoder, Dialect, Expect, Input, Reply, Request, Shape, Unsupported, Violation};

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

/// Whether a request goes alone.
///
/// Reads in company are sent as one classic `get` of many keys, on connections that speak meta too: the server answers it in
/// half the time of as many commands, and every value in the reply names its key, which is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    Alone,
    Several,
}

#[derive(Clone, Copy, Debug)]
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
    /// Where the last command in `out` begins.
    line: usize,
    queue: Queue,
    opaque: u32,
}

/// The replies that are owed, in their order.
#[derive(Debug, Default)]
struct Queue {
    pending: VecDeque<Pending>,
    /// Keys that replies will name, end to end: from `keys_read` on those of pending requests.
    keys: Vec<u8>,
    keys_read: usize,
    /// How many replies, from the next one on, are known to be those of the requests at the front of `pending`.
    in_order: usize,
}

impl Queue {
    /// The key that the reply to the first request will name.
    fn first_key(&self, length: usize) -> &[u8] {
        &self.keys[self.keys_read..self.keys_read + length]
    }

    /// The first request has been answered.
    fn pop(&mut self) {
        self.in_order = self.in_order.saturating_sub(1);
        if let Some(answered) = self.pending.pop_front() {
            self.keys_read += answered.key_length;
        }
        if self.pending.is_empty() {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.pending.clear();
        self.keys.clear();
        self.keys_read = 0;
    }
}

/// What a large call made the buffers grow beyond is given back when the connection falls idle.
const KEPT_BYTES: usize = 64 * 1024;
const KEPT_PENDING: usize = 1024;

/// A command that is this long takes no more keys: well below the 16 KiB at which servers begin to refuse.
const LONGEST_LINE: usize = 8 * 1024;

impl Machine {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            input: Input::default(),
            decoder: Decoder::default(),
            out: Vec::new(),
            line: 0,
            queue: Queue::default(),
            opaque: 0,
        }
    }

    /// Appends a request to the bytes to send, without the value of a store and the line end behind it. None of the bytes to
    /// send may have been sent yet.
    pub(crate) fn push(&mut self, request: &Request<'_>, slot: Slot, company: Company) -> Result<(), Unsupported> {
        let dialect = match company {
            Company::Several if request.can_join() => Dialect::Classic,
            _ => self.dialect,
        };
        let expect = match self.join(request) {
            Some(expect) => expect,
            None => {
                self.line = self.out.len();
                self.opaque = self.opaque.wrapping_add(1);
                request.encode(dialect, self.opaque, &mut self.out)?
            }
        };
        let before = self.queue.keys.len();
        request.write_echoed_key(dialect, &mut self.queue.keys);
        let key_length = self.queue.keys.len() - before;
        self.queue.pending.push_back(Pending { expect, slot, key_length });
        Ok(())
    }

    /// Makes one command of consecutive classic reads.
    fn join(&mut self, request: &Request<'_>) -> Option<Expect> {
        if self.out.is_empty() || self.out.len() - self.line > LONGEST_LINE {
            return None;
        }
        let last = self.queue.pending.back_mut()?;
        let (before, expect) = request.join(&last.expect, &mut self.out)?;
        last.expect = before;
        Some(expect)
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
        let Some(front) = self.queue.pending.front() else {
            return if self.input.is_empty() { Ok(None) } else { Err(Violation("bytes without a request".into())) };
        };
        let Pending { expect, slot, key_length } = *front;
        if let Some(whole) = self.decoder.whole_value(expect.shape, self.queue.first_key(key_length), &self.input) {
            self.queue.pop();
            return Ok(Some((slot, whole.take(&mut self.input))));
        }
        if self.queue.in_order == 0 && matches!(expect.shape, Shape::ClassicGetMore { .. }) && !self.check_order()? {
            return Ok(None);
        }
        let key = self.queue.first_key(key_length);
        let Some(reply) = self.decoder.decode(&expect, key, &mut self.input)? else { return Ok(None) };
        self.queue.pop();
        Ok(Some((slot, reply)))
    }

    /// Checks that the next value of a read of many keys is one that was asked for: only then have the keys in front of it
    /// missed. Returns false when the value's first line has not all arrived.
    fn check_order(&mut self) -> Result<bool, Violation> {
        let Some(next) = self.decoder.next_key(&self.input)? else { return Ok(false) };
        let is_more = |pending: &Pending| matches!(pending.expect.shape, Shape::ClassicGetMore { .. });
        let Some(next) = next else {
            self.queue.in_order = self.queue.pending.iter().take_while(|pending| is_more(pending)).count();
            return Ok(true);
        };
        let mut at = self.queue.keys_read;
        for (index, pending) in self.queue.pending.iter().enumerate() {
            if self.queue.keys[at..at + pending.key_length] == *next {
                self.queue.in_order = index + 1;
                return Ok(true);
            }
            if !is_more(pending) {
                break;
            }
            at += pending.key_length;
        }
        Err(Violation(format!("a value of the key \"{}\", which is not expected", next.escape_ascii())))
    }

    /// How many replies are owed.
    pub(crate) fn owed(&self) -> usize {
        self.queue.pending.len()
    }

    /// Whether nothing is owed in either direction.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.pending.is_empty() && self.out.is_empty() && self.input.is_empty()
    }

    /// The driver leaves: its replies become tombstones.
    pub(crate) fn bury_own(&mut self) {
        for pending in &mut self.queue.pending {
            if pending.slot == Slot::Own {
                pending.slot = Slot::Tombstone;
            }
        }
    }

    /// The first waiting caller becomes the driver.
    pub(crate) fn promote_follower(&mut self) {
        if let Some(pending) = self.queue.pending.iter_mut().find(|pending| pending.slot == Slot::Follower) {
            pending.slot = Slot::Own;
        }
    }

    /// Takes back every request, of none of which a byte has been sent.
    pub(crate) fn take_back(&mut self) {
        self.out.clear();
        self.queue.clear();
    }

    /// Gives back what one large call made the buffers grow to. Only when idle.
    pub(crate) fn shrink(&mut self) {
        self.out.shrink_to(KEPT_BYTES);
        self.queue.keys.shrink_to(KEPT_BYTES);
        self.queue.pending.shrink_to(KEPT_PENDING);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::Key;

    fn machine(dialect: Dialect, keys: &[&str]) -> Machine {
        let mut machine = Machine::new(dialect);
        for key in keys {
            let key = Key::parse(key.as_bytes()).unwrap();
            machine.push(&Request::Get { key, cas: false, exptime: None }, Slot::Own, Company::Several).unwrap();
        }
        machine
    }

    fn receive(machine: &mut Machine, mut bytes: &[u8], piece: usize) -> Result<Vec<Option<Vec<u8>>>, Violation> {
        let mut replies = Vec::new();
        machine.clear_out();
        while !bytes.is_empty() {
            let target = machine.input.spare();
            let count = piece.min(bytes.len()).min(target.len());
            for (to, from) in target.iter_mut().zip(&bytes[..count]) {
                to.write(*from);
            }
            // SAFETY: the first `count` bytes have just been written.
            unsafe { machine.input.filled(count) };
            bytes = &bytes[count..];
            while let Some((_, reply)) = machine.next()? {
                replies.push(match reply {
                    Reply::Value { value: crate::proto::Value::Inline(value), .. } => Some(value.to_vec()),
                    Reply::Miss => None,
                    other => panic!("{other:?}"),
                });
            }
        }
        Ok(replies)
    }

    #[test]
    fn classic_reads_share_a_command_and_find_their_own_values() {
        let some = |text: &str| Some(text.as_bytes().to_vec());
        for piece in [1, 2, 3, 7, 1000] {
            let mut machine = machine(Dialect::Classic, &["a", "b", "c", "d"]);
            assert_eq!(machine.out(), b"get a b c d\r\n");
            let wire = b"VALUE b 0 1\r\nB\r\nVALUE d 0 1\r\nD\r\nEND\r\n";
            assert_eq!(receive(&mut machine, wire, piece).unwrap(), [None, some("B"), None, some("D")]);
            assert!(machine.is_idle());
        }
        let wire = b"VALUE b 0 1\r\nB\r\nVALUE d 0 1\r\nD\r\nEND\r\n";
        for cut in 0..=wire.len() {
            let mut machine = machine(Dialect::Classic, &["a", "b", "c", "d"]);
            let mut replies = receive(&mut machine, &wire[..cut], 1000).unwrap();
            replies.extend(receive(&mut machine, &wire[cut..], 1000).unwrap());
            assert_eq!(replies, [None, some("B"), None, some("D")], "{cut}");
        }
        let mut none = machine(Dialect::Classic, &["a", "b"]);
        assert_eq!(receive(&mut none, b"END\r\n", 1).unwrap(), [None, None]);
    }

    #[test]
    fn a_value_that_nobody_asked_for_is_a_violation() {
        for wire in [&b"VALUE x 0 1\r\nX\r\nEND\r\n"[..], b"VALUE b 0 1\r\nB\r\nVALUE a 0 1\r\nA\r\nEND\r\n"] {
            let mut machine = machine(Dialect::Classic, &["a", "b"]);
            assert!(receive(&mut machine, wire, 1000).is_err());
        }
        // The keys in front of it have not missed for that: none of them gets an answer.
        let mut machine = machine(Dialect::Classic, &["a", "b", "c"]);
        assert!(receive(&mut machine, b"VALUE x 0 1\r\nX\r\nEND\r\n", 1000).is_err());
        assert_eq!(machine.owed(), 3);
    }

    #[test]
    fn a_command_grows_no_longer_than_servers_take() {
        let keys: Vec<String> = (0..200).map(|n| format!("{n:0>200}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let machine = machine(Dialect::Classic, &keys);
        let longest = machine.out().split(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap();
        assert!(longest < 9 * 1024, "{longest}");
    }

    #[test]
    fn reads_in_company_share_a_command_in_meta_too_and_lone_ones_keep_their_opaque() {
        assert_eq!(machine(Dialect::Meta, &["a", "b"]).out(), b"get a b\r\n");
        let mut alone = Machine::new(Dialect::Meta);
        let key = Key::parse(b"a").unwrap();
        alone.push(&Request::Get { key, cas: false, exptime: None }, Slot::Own, Company::Alone).unwrap();
        assert_eq!(alone.out(), b"mg a v f O1\r\n");
    }

    #[test]
    fn a_read_after_another_request_begins_a_command() {
        let key = Key::parse(b"a").unwrap();
        let mut machine = machine(Dialect::Classic, &["a"]);
        machine.push(&Request::Delete { key }, Slot::Own, Company::Several).unwrap();
        machine.push(&Request::Get { key, cas: false, exptime: None }, Slot::Own, Company::Several).unwrap();
        machine.push(&Request::Get { key, cas: true, exptime: None }, Slot::Own, Company::Several).unwrap();
        assert_eq!(machine.out(), b"get a\r\ndelete a\r\nget a\r\ngets a\r\n");
    }
}
