//! One connection: a socket, and the machine that knows what is owed on it.

pub(crate) mod machine;
#[cfg(feature = "tls")]
pub(crate) mod session;
pub(crate) mod socket;
pub(crate) mod ticket;
pub(crate) mod wait;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Instant;

use machine::Machine;
use socket::Socket;
use ticket::Ticket;

use crate::proto::Dialect;

/// Values up to this are copied behind their request, larger ones are written from where they stand: a piece of its own in a
/// vectored write costs the kernel about as much as this copy.
pub(crate) const COPIED_VALUE: usize = 4 * 1024;

/// Most pieces of one vectored write; the kernel's own limit is 1024.
const PIECES: usize = 64;

/// A large value that is sent from where it stands.
#[derive(Debug)]
pub(crate) struct Large<'r> {
    /// The offset in the machine's bytes in front of which the value goes.
    pub(crate) at: usize,
    pub(crate) value: &'r [u8],
}

/// An open connection to one server.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: Socket,
    pub(crate) machine: Machine,
    /// The callers whose replies are owed besides the driver's, in the order of the replies.
    pub(crate) followers: VecDeque<Arc<Ticket>>,
    /// Bytes of the present output that have been sent, large values included.
    sent: usize,
    /// Whether a call has been completed on it: a server may have closed it since.
    pub(crate) reused: bool,
    pub(crate) last_used: Instant,
    /// The server's generation of connections that it belongs to.
    pub(crate) generation: u64,
}

impl Connection {
    pub(crate) fn new(socket: Socket, dialect: Dialect, generation: u64, now: Instant) -> Self {
        Self {
            socket,
            machine: Machine::new(dialect),
            followers: VecDeque::new(),
            sent: 0,
            reused: false,
            last_used: now,
            generation,
        }
    }

    /// Whether nothing may stand behind a store in one flush. Records end where a flush ends, and memcached over TLS, when it
    /// has read the end of a value from the middle of a record, leaves the rest of that record unread until more arrives.
    pub(crate) fn sends_stores_last(&self) -> bool {
        self.socket.is_secured()
    }

    /// Whether a byte of the present output has been sent.
    pub(crate) fn has_sent(&self) -> bool {
        self.sent > 0
    }

    /// Writes what the kernel takes. Returns the bytes written and whether all is written.
    pub(crate) fn flush(&mut self, larges: &mut VecDeque<Large<'_>>) -> io::Result<(usize, bool)> {
        let mut written = 0;
        loop {
            let total = self.machine.out().len() + larges.iter().map(|large| large.value.len()).sum::<usize>();
            if self.sent == total {
                if !self.socket.flush()? {
                    return Ok((written, false));
                }
                self.machine.clear_out();
                larges.clear();
                self.sent = 0;
                return Ok((written, true));
            }
            let taken = if larges.is_empty() {
                self.socket.write(&self.machine.out()[self.sent..])?
            } else {
                self.write_pieces(larges)?
            };
            let Some(taken) = taken else { return Ok((written, false)) };
            self.sent += taken;
            written += taken;
        }
    }

    fn write_pieces(&mut self, larges: &VecDeque<Large<'_>>) -> io::Result<Option<usize>> {
        let out = self.machine.out();
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let (mut count, mut skip, mut from) = (0, self.sent, 0);
        let ends = larges.iter().map(|large| (large.at, large.value)).chain([(out.len(), &[][..])]);
        for (at, value) in ends {
            for bytes in [&out[from..at], value] {
                let hidden = skip.min(bytes.len());
                skip -= hidden;
                if hidden < bytes.len() && count < PIECES {
                    pieces[count] = IoSlice::new(&bytes[hidden..]);
                    count += 1;
                }
            }
            from = at;
        }
        self.socket.write_vectored(&pieces[..count])
    }
}
