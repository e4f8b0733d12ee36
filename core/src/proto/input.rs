//! The receive buffer of one connection.
//!
//! ```text
//! buffer   [ decoded | undecoded        | spare       ]   4 KiB at first, twice that whenever a read fills it, up to 64 KiB
//!            0..start  start..len         len..capacity
//! body     [ arrived                    | spare   | not yet allocated ]   only while a large value is under way
//! ```
//!
//! Small replies are decoded where they lie. A large value gets memory of its own, into which the socket reads directly
//! and which leaves as the value: it is never copied, and what follows it on the wire lands in the buffer again.

use std::mem::MaybeUninit;

use super::Violation;

/// Capacity of the buffer on a connection that exchanges small values.
const SMALL: usize = 4 << 10;

/// Capacity up to which reads make the buffer grow.
const LARGE: usize = 64 << 10;

/// The least room worth a read.
const ROOM: usize = SMALL / 4;

/// How much memory a server gets for a value on its word alone; the rest is allocated as the value arrives.
const ON_CREDIT: usize = 1 << 20;

/// Bytes received and not yet decoded.
#[derive(Debug, Default)]
pub(crate) struct Input {
    buffer: Vec<u8>,
    /// Where the undecoded bytes begin. Never past the end of `buffer`.
    start: usize,
    /// How many undecoded bytes the buffer has to have space for: the decoder knows how long the present reply is.
    wanted: usize,
    /// The last read left no room: more was waiting, so the next one gets more room.
    full: bool,
    body: Option<Body>,
}

/// A large value under way, with the line end behind it.
#[derive(Debug)]
struct Body {
    bytes: Vec<u8>,
    /// Length in bytes when complete. Never less than `bytes.len()`.
    total: usize,
    /// The system refused the memory for the rest.
    starved: bool,
}

impl Input {
    /// Where the next read goes. Never empty.
    ///
    /// Everything that can be decoded should be decoded before: the buffer keeps to its size only then.
    pub(crate) fn spare(&mut self) -> &mut [MaybeUninit<u8>] {
        if self.body_room() == 0 {
            self.make_room();
            return self.buffer.spare_capacity_mut();
        }
        match &mut self.body {
            Some(body) => body.spare(),
            None => &mut [],
        }
    }

    /// Takes note of a read of `count` bytes.
    ///
    /// # Safety
    /// The first `count` bytes of what [`Input::spare`] returned are initialized, and nothing was called in between.
    pub(crate) unsafe fn filled(&mut self, count: usize) {
        if self.body_room() > 0 {
            if let Some(body) = &mut self.body {
                debug_assert!(count <= body.room());
                // SAFETY: the caller has initialized `count` bytes behind the present end, within the capacity.
                unsafe { body.bytes.set_len(body.bytes.len() + count) };
                body.grow();
            }
            return;
        }
        let length = self.buffer.len() + count;
        debug_assert!(length <= self.buffer.capacity());
        // SAFETY: the caller has initialized `count` bytes behind the present end, within the capacity.
        unsafe { self.buffer.set_len(length) };
        self.full = length == self.buffer.capacity();
    }

    /// Whether nothing is in here. Between exchanges it must be so: anything else was not asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.buffer.len() && self.body.is_none()
    }

    /// The undecoded bytes in the buffer.
    #[inline]
    pub(super) fn pending(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Marks the next `count` undecoded bytes as decoded and returns them.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.start += count;
        self.wanted = 0;
        &self.buffer[from..self.start]
    }

    /// Says that the present reply takes `count` bytes from its beginning on, so that the next read has room for it.
    pub(super) fn want(&mut self, count: usize) {
        self.wanted = count;
    }

    /// Consumes the `head` bytes before a value and gives the value, `total` bytes with its line end, memory of its own.
    pub(super) fn begin_body(&mut self, head: usize, total: usize) -> Result<(), Violation> {
        self.consume(head);
        let arrived = self.pending().len().min(total);
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(total.min(ON_CREDIT).max(arrived)).is_err() {
            return Err(out_of_memory(total));
        }
        bytes.extend_from_slice(self.consume(arrived));
        let mut body = Body { bytes, total, starved: false };
        body.grow();
        self.body = Some(body);
        Ok(())
    }

    /// Hands the value over, its line end still behind it, once it is complete.
    pub(super) fn take_body(&mut self) -> Result<Option<Vec<u8>>, Violation> {
        match self.body.take() {
            Some(body) if body.starved => Err(out_of_memory(body.total)),
            Some(body) if body.bytes.len() == body.total => Ok(Some(body.bytes)),
            unfinished => {
                self.body = unfinished;
                Ok(None)
            }
        }
    }

    fn body_room(&self) -> usize {
        self.body.as_ref().map_or(0, Body::room)
    }

    /// Moves bytes only when as many have been decoded since the last move, or into twice the space: the work stays
    /// proportional to what is received, however it is cut.
    fn make_room(&mut self) {
        let pending = self.buffer.len() - self.start;
        if pending == 0 {
            self.buffer.clear();
            self.start = 0;
        }
        let present = self.buffer.capacity();
        let needed = self.wanted.max(pending + ROOM);
        let grows = self.full && present < LARGE;
        if present - self.start >= needed && !grows {
            return;
        }
        if self.start >= pending && present >= needed && !grows {
            self.buffer.copy_within(self.start.., 0);
            self.buffer.truncate(pending);
        } else {
            let capacity = needed.max(present + 1).next_power_of_two().max(SMALL);
            let mut larger = Vec::with_capacity(capacity);
            larger.extend_from_slice(self.pending());
            self.buffer = larger;
        }
        self.start = 0;
        self.full = false;
    }
}

impl Body {
    fn room(&self) -> usize {
        (self.bytes.capacity() - self.bytes.len()).min(self.total - self.bytes.len())
    }

    fn spare(&mut self) -> &mut [MaybeUninit<u8>] {
        let room = self.room();
        &mut self.bytes.spare_capacity_mut()[..room]
    }

    /// Doubles the memory when it is full and the value is not complete.
    fn grow(&mut self) {
        let arrived = self.bytes.len();
        if arrived < self.total && arrived == self.bytes.capacity() {
            let more = arrived.min(self.total - arrived);
            self.starved = self.bytes.try_reserve_exact(more).is_err();
        }
    }
}

#[cold]
fn out_of_memory(total: usize) -> Violation {
    Violation(format!("no memory for a value of {} bytes", total.saturating_sub(2)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// One read of at most `bytes`; returns how much it took.
    fn receive(input: &mut Input, bytes: &[u8]) -> usize {
        let spare = input.spare();
        assert!(!spare.is_empty());
        let count = spare.len().min(bytes.len());
        for (to, from) in spare.iter_mut().zip(bytes) {
            to.write(*from);
        }
        // SAFETY: the loop above has written `count` bytes.
        unsafe { input.filled(count) };
        count
    }

    #[test]
    fn nothing_is_allocated_before_the_first_read() {
        let mut input = Input::default();
        assert_eq!(input.buffer.capacity(), 0);
        assert!(input.is_empty());
        assert_eq!(input.spare().len(), SMALL);
    }

    #[test]
    fn the_buffer_grows_only_when_reads_fill_it() {
        let mut input = Input::default();
        let flood = vec![b'x'; 1 << 20];
        let mut sizes = Vec::new();
        for _ in 0..6 {
            let count = receive(&mut input, &flood);
            sizes.push(count);
            assert!(!input.is_empty());
            input.consume(count);
        }
        assert_eq!(sizes, [SMALL, 2 * SMALL, 4 * SMALL, 8 * SMALL, LARGE, LARGE]);
        let mut input = Input::default();
        for _ in 0..100_000 {
            receive(&mut input, b"HD O1\r\n");
            input.consume(7);
        }
        assert_eq!(input.buffer.capacity(), SMALL, "small replies need no more");
    }

    #[test]
    fn what_is_undecoded_survives_every_move() {
        let mut input = Input::default();
        let (mut next_in, mut next_out) = (0u8, 0u8);
        // Miri takes a second for each.
        let steps = if cfg!(miri) { 20 } else { 50_000 };
        for step in 0usize..steps {
            let bytes: Vec<u8> = (0..step * 7919 % 4001).map(|at| next_in.wrapping_add(at as u8)).collect();
            next_in = next_in.wrapping_add(receive(&mut input, &bytes) as u8);
            let keep = step * 31 % 3000;
            for byte in input.consume(input.pending().len().saturating_sub(keep)) {
                assert_eq!(*byte, next_out);
                next_out = next_out.wrapping_add(1);
            }
        }
        assert!(input.buffer.capacity() <= LARGE);
    }

    #[test]
    fn bytes_that_are_not_decoded_in_time_are_kept_all_the_same() {
        let mut input = Input::default();
        let flood: Vec<u8> = (0..300_000usize).map(|at| (at % 251) as u8).collect();
        let mut rest = &flood[..];
        while !rest.is_empty() {
            rest = &rest[receive(&mut input, rest)..];
        }
        assert_eq!(input.pending(), flood);
    }

    #[test]
    fn a_length_is_believed_only_as_the_bytes_arrive() {
        let mut input = Input::default();
        receive(&mut input, b"head;body");
        input.begin_body(5, 1 << 30).unwrap();
        let capacity = |input: &Input| input.body.as_ref().unwrap().bytes.capacity();
        assert_eq!(capacity(&input), ON_CREDIT);
        assert!(!input.is_empty());
        let flood = vec![b'x'; ON_CREDIT];
        let taken = receive(&mut input, &flood);
        assert_eq!(taken, ON_CREDIT - 4);
        assert_eq!(capacity(&input), 2 * ON_CREDIT);
        assert_eq!(input.take_body(), Ok(None));
    }

    #[test]
    fn a_body_is_received_where_it_stays_and_takes_no_byte_behind_it() {
        let mut input = Input::default();
        receive(&mut input, b"head;bo");
        input.begin_body(5, 6).unwrap();
        let place = input.spare().as_ptr().cast::<u8>();
        assert_eq!(receive(&mut input, b"dy\r\nmore"), 4);
        assert_eq!(receive(&mut input, b"more"), 4);
        let body = input.take_body().unwrap().unwrap();
        assert_eq!(body, b"body\r\n");
        assert_eq!(body[2..].as_ptr(), place);
        assert_eq!(input.pending(), b"more");
    }

    #[test]
    fn a_body_that_has_arrived_already_leaves_what_is_behind_it() {
        let mut input = Input::default();
        receive(&mut input, b"head;body\r\nmore");
        input.begin_body(5, 6).unwrap();
        assert_eq!(input.take_body(), Ok(Some(b"body\r\n".to_vec())));
        assert_eq!(input.consume(4), b"more");
        assert!(input.is_empty());
    }

    #[test]
    fn a_reply_of_known_length_fits_into_one_read() {
        let mut input = Input::default();
        receive(&mut input, b"VA 10000 f0 O1\r\n");
        input.want(10_018);
        assert!(input.spare().len() >= 10_002);
    }
}
