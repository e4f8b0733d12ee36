//! Non-blocking stream sockets: tcp, unix, and tls on tcp.
//!
//! Every descriptor is written down in its server's [`Descriptors`] while it is open, so that a forked child can close what it
//! inherited without a lock and without writing a byte.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

use crate::tls::Session;
use socket2::{Domain, SockAddr, Socket as RawSocket, TcpKeepalive, Type};

/// An idle connection is probed after this long, so that a firewall's silence is noticed before a call meets it.
const KEEPALIVE: Duration = Duration::from_secs(60);

const FREE: i32 = -1;

/// The descriptors of one server's open connections, readable in a forked child without a lock.
#[derive(Debug)]
pub(crate) struct Descriptors(Box<[Place]>);

/// A descriptor and the number by which the system knows its socket.
#[derive(Debug)]
struct Place {
    fd: AtomicI32,
    inode: AtomicU64,
}

impl Descriptors {
    pub(crate) fn new(limit: u32) -> Self {
        Self((0..limit).map(|_| Place { fd: AtomicI32::new(FREE), inode: AtomicU64::new(0) }).collect())
    }

    fn enter(&self, fd: RawFd) -> Option<usize> {
        let slot = self.0.iter().position(|place| place.fd.compare_exchange(FREE, fd, Relaxed, Relaxed).is_ok())?;
        self.0[slot].inode.store(inode(fd).unwrap_or(0), Relaxed);
        Some(slot)
    }

    fn leave(&self, slot: usize) {
        self.0[slot].fd.store(FREE, Relaxed);
    }

    /// Closes every descriptor. Only in a forked child, whose parent owns the sockets: nothing is written, and the parent's
    /// connections stay open. A daemon may have closed all descriptors and opened others since: those are not ours.
    pub(crate) fn close_inherited(&self) {
        for place in &self.0 {
            let fd = place.fd.swap(FREE, Relaxed);
            if fd != FREE && inode(fd) == Some(place.inode.load(Relaxed)) {
                // SAFETY: the descriptor was inherited from the parent; in this process its owner is never used nor dropped.
                unsafe { libc::close(fd) };
            }
        }
    }
}

/// The number by which the system knows an open socket; `None` when the descriptor is none.
fn inode(fd: RawFd) -> Option<u64> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` is writable memory of the right size, and it is read only after the call has filled it.
    let stat = unsafe {
        if libc::fstat(fd, stat.as_mut_ptr()) != 0 {
            return None;
        }
        stat.assume_init()
    };
    (stat.st_mode & libc::S_IFMT == libc::S_IFSOCK).then_some(stat.st_ino)
}

/// A non-blocking stream socket.
#[derive(Debug)]
pub(crate) struct Socket {
    raw: RawSocket,
    /// Secures it; unset on a plain connection.
    session: Option<Box<Session>>,
    descriptors: Arc<Descriptors>,
    slot: Option<usize>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.descriptors.leave(slot);
        }
    }
}

impl Socket {
    /// Begins to connect to an internet address.
    pub(crate) fn connect_tcp(address: SocketAddr, descriptors: &Arc<Descriptors>) -> io::Result<Self> {
        let raw = RawSocket::new(Domain::for_address(address), Type::STREAM, None)?;
        raw.set_tcp_nodelay(true)?;
        raw.set_keepalive(true)?;
        raw.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
        Self::connect(raw, &address.into(), descriptors)
    }

    /// Begins to connect to a unix socket.
    pub(crate) fn connect_unix(path: &Path, descriptors: &Arc<Descriptors>) -> io::Result<Self> {
        let raw = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
        Self::connect(raw, &SockAddr::unix(path)?, descriptors)
    }

    fn connect(raw: RawSocket, address: &SockAddr, descriptors: &Arc<Descriptors>) -> io::Result<Self> {
        raw.set_nonblocking(true)?;
        let slot = descriptors.enter(raw.as_raw_fd());
        let socket = Self { raw, session: None, descriptors: descriptors.clone(), slot };
        match socket.raw.connect(address) {
            Ok(()) => Ok(socket),
            Err(fault) if matches!(fault.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR)) => Ok(socket),
            Err(fault) => Err(fault),
        }
    }

    /// Whether the connection stands: `Ok(false)` while it is under way.
    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        if !super::wait::is_writable(self.fd())? {
            return Ok(false);
        }
        self.raw.take_error()?.map_or(Ok(true), Err)
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.raw.as_raw_fd()
    }

    /// Secures a connection that stands, before anything is sent on it.
    pub(crate) fn secure(&mut self, session: Session) {
        self.session = Some(Box::new(session));
    }

    pub(crate) fn is_secured(&self) -> bool {
        self.session.is_some()
    }

    /// Goes on with the handshake as far as it can without waiting; true when it is complete.
    pub(crate) fn shake_hands(&mut self) -> io::Result<bool> {
        self.session.as_mut().map_or(Ok(true), |session| session.shake_hands(&self.raw))
    }

    /// What a failure of this socket says of TLS, if it does.
    pub(crate) fn explain(&self, fault: &io::Error) -> Option<String> {
        self.session.as_ref()?.explain(fault)
    }

    /// Whether what was written is not all the kernel's yet.
    pub(crate) fn wants_write(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.wants_write())
    }

    /// Hands what was written to the kernel; true when nothing is left.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        self.session.as_mut().map_or(Ok(true), |session| session.flush(&self.raw))
    }

    /// Reads into `target`; `None` when there is nothing yet. The bytes that were read are initialised.
    pub(crate) fn read(&mut self, target: &mut [MaybeUninit<u8>]) -> io::Result<Option<usize>> {
        match &mut self.session {
            None => retry(|| self.raw.recv(target)),
            Some(session) => session.read(&self.raw, target),
        }
    }

    /// Whether there is something to read of which no wait would tell.
    pub(crate) fn has_unread(&mut self) -> bool {
        self.session.as_mut().is_some_and(|session| session.has_unread())
    }

    /// Whether bytes or an end of stream wait unread: an idle connection of which that is true is not in step.
    pub(crate) fn is_readable(&mut self) -> bool {
        if let Some(session) = &mut self.session {
            return session.is_readable(&self.raw);
        }
        let mut byte = [MaybeUninit::uninit()];
        !matches!(retry(|| self.raw.peek(&mut byte)), Ok(None))
    }

    /// Writes what the kernel takes; `None` when it takes nothing now.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        if let Some(session) = &mut self.session {
            return session.write_vectored(&self.raw, &[IoSlice::new(bytes)]);
        }
        retry(|| self.raw.send_with_flags(bytes, NO_SIGNAL))
    }

    /// Writes what the kernel takes of several pieces in one call; `None` when it takes nothing now.
    pub(crate) fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        if let Some(session) = &mut self.session {
            return session.write_vectored(&self.raw, pieces);
        }
        retry(|| self.raw.send_vectored_with_flags(pieces, NO_SIGNAL))
    }
}

/// A peer that has gone must be an error, not a SIGPIPE that ends the host process. On Apple systems it is a socket option,
/// which socket2 sets.
#[cfg(not(target_vendor = "apple"))]
pub(super) const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(super) const NO_SIGNAL: i32 = 0;

fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(n) => return Ok(Some(n)),
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault),
        }
    }
}
