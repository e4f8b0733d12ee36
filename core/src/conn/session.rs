//! TLS on a non-blocking socket.
//!
//! ```text
//! write: plaintext -> rustls (up to 64 KiB of records) -> kernel
//! read:  kernel -> rustls -> plaintext -> the caller's buffer
//! ```
//!
//! Both buffers of rustls hold what the kernel does not know of, so a wait may begin only when neither does: all records have
//! been handed over ([`Session::flush`]), and no plaintext is left ([`Session::has_unread`]).
//!
//! No close_notify is ever sent: replies carry their length, so a cut one is told from a whole one, and a forked child must not
//! write to what it inherited.

use std::io::{self, BufRead, IoSlice, Read, Write};
use std::mem::MaybeUninit;

use rustls::ClientConnection;
use socket2::Socket as RawSocket;

use super::socket::NO_SIGNAL;

/// One connection's TLS.
#[derive(Debug)]
pub(crate) struct Session {
    tls: ClientConnection,
    has_certificate: bool,
}

impl Session {
    pub(crate) fn new(tls: ClientConnection, has_certificate: bool) -> Self {
        Self { tls, has_certificate }
    }

    /// What a failure of this session says of TLS, if it does.
    pub(crate) fn explain(&self, fault: &io::Error) -> Option<String> {
        crate::tls::explain(fault, self.has_certificate)
    }

    /// Goes on with the handshake as far as it can without waiting; true when it is complete.
    pub(crate) fn shake_hands(&mut self, raw: &RawSocket) -> io::Result<bool> {
        loop {
            let is_sent = self.flush(raw)?;
            if !self.tls.is_handshaking() {
                return Ok(is_sent);
            }
            if !self.receive(raw)? {
                return Ok(false);
            }
        }
    }

    /// Whether records wait to be sent.
    pub(crate) fn wants_write(&self) -> bool {
        self.tls.wants_write()
    }

    /// Hands records to the kernel; true when none is left.
    pub(crate) fn flush(&mut self, raw: &RawSocket) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Pipe(raw)) {
                Ok(_) => {}
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(fault) => return Err(self.last_words(raw, fault)),
            }
        }
        Ok(true)
    }

    /// A server that refuses says why and closes: its reason may lie unread behind a write that failed.
    fn last_words(&mut self, raw: &RawSocket, fault: io::Error) -> io::Error {
        loop {
            match self.take_records(raw) {
                Ok(true) => {}
                Err(words) if words.get_ref().is_some() => return words,
                Ok(false) | Err(_) => return fault,
            }
        }
    }

    /// Reads into `target`; `None` when there is nothing yet, 0 at the end of the stream. The bytes that were read are
    /// initialised.
    pub(crate) fn read(&mut self, raw: &RawSocket, target: &mut [MaybeUninit<u8>]) -> io::Result<Option<usize>> {
        loop {
            let mut reader = self.tls.reader();
            match reader.fill_buf() {
                Ok(bytes) => {
                    let count = bytes.len().min(target.len());
                    for (to, from) in target.iter_mut().zip(&bytes[..count]) {
                        to.write(*from);
                    }
                    reader.consume(count);
                    return Ok(Some(count));
                }
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
                Err(fault) => return Err(fault),
            }
            if !self.receive(raw)? {
                return Ok(None);
            }
        }
    }

    /// Whether plaintext, or the end of the stream, is here already, where no wait for the socket would see it.
    pub(crate) fn has_unread(&mut self) -> bool {
        !matches!(self.tls.reader().fill_buf(), Err(fault) if fault.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether the other side has said anything. What it says for the sake of TLS alone, such as a ticket for a later session,
    /// is taken in and does not count.
    pub(crate) fn is_readable(&mut self, raw: &RawSocket) -> bool {
        loop {
            if self.has_unread() {
                return true;
            }
            match self.receive(raw) {
                Ok(true) => {}
                Ok(false) => return false,
                Err(_) => return true,
            }
        }
    }

    /// Takes bytes in and hands them to the kernel as far as it goes; `None` when it takes nothing now.
    pub(crate) fn write_vectored(&mut self, raw: &RawSocket, pieces: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        if !self.flush(raw)? {
            return Ok(None);
        }
        let count = self.tls.writer().write_vectored(pieces)?;
        self.flush(raw)?;
        Ok((count > 0).then_some(count))
    }

    /// Takes in what the kernel has; false when it has nothing.
    fn receive(&mut self, raw: &RawSocket) -> io::Result<bool> {
        let outcome = self.take_records(raw);
        if self.tls.wants_write() && !matches!(outcome, Ok(false)) {
            // The answer to a record, or the alert that says what is wrong with one.
            let sent = self.flush(raw);
            if outcome.is_ok() {
                sent?;
            }
        }
        outcome
    }

    fn take_records(&mut self, raw: &RawSocket) -> io::Result<bool> {
        match self.tls.read_tls(&mut Pipe(raw)) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => match self.tls.process_new_packets() {
                Ok(_) => Ok(true),
                Err(fault) => Err(io::Error::new(io::ErrorKind::InvalidData, fault)),
            },
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}

/// The socket as rustls takes it.
struct Pipe<'s>(&'s RawSocket);

impl Read for Pipe<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        unless_interrupted(|| self.0.read(target))
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_interrupted(|| self.0.send_with_flags(bytes, NO_SIGNAL))
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        unless_interrupted(|| self.0.send_vectored_with_flags(pieces, NO_SIGNAL))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unless_interrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}
