//! The threads and sockets of a server that runs: one thread accepts, and each connection has one of its own.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

use super::fault::Fault;
use super::session::{Reply, Session, Step};
use super::sockets::Socket;
use super::State;

/// The pieces of a split reply are sent with so much time between them, so that the system does not join them again.
const BETWEEN_PIECES: Duration = Duration::from_micros(50);

/// So many bytes of replies are sent before further commands are carried out.
const ENOUGH: usize = 64 * 1024;

const STACK: usize = 256 * 1024;

/// What the threads share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Tells threads that sleep that the server ends.
    ends: Condvar,
}

impl Shared {
    pub(super) fn new(state: State) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(state), ends: Condvar::new() })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps, or returns early when the server ends.
    fn sleep(&self, time: Duration) {
        let state = self.state();
        let _ = self.ends.wait_timeout_while(state, time, |state| !state.is_ending);
    }
}

type Connection = Arc<Socket<TcpStream>>;

/// A listener and its connections. Ends with [`Listener::end`].
#[derive(Debug)]
pub(super) struct Listener {
    shared: Arc<Shared>,
    connections: Arc<Connections>,
    /// A byte here, or its end, wakes the thread that accepts.
    wake: Socket<UnixStream>,
    acceptor: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Connections {
    open: Mutex<HashMap<u64, Connection>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Connection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Accepts connections from now on.
    pub(super) fn start(socket: TcpListener, shared: Arc<Shared>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = Socket::new(socket);
        let (wake, woken) = UnixStream::pair()?;
        let (wake, woken) = (Socket::new(wake), Socket::new(woken));
        shared.state().is_ending = false;
        let connections = Arc::new(Connections::default());
        let own = (shared.clone(), connections.clone());
        let accept = move || accept(&socket, &woken, &own.0, &own.1);
        let acceptor = builder().spawn(accept)?;
        Ok(Self { shared, connections, wake, acceptor })
    }

    /// Closes everything and waits until the last thread has ended.
    pub(super) fn end(self) {
        self.shared.state().is_ending = true;
        self.shared.ends.notify_all();
        let _ = self.wake.shutdown(Shutdown::Both);
        let _ = self.acceptor.join();
        for connection in self.connections.open().values() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        let threads: Vec<_> = self.connections.threads().drain(..).collect();
        for thread in threads {
            let _ = thread.join();
        }
        self.shared.state().open = 0;
    }
}

fn builder() -> thread::Builder {
    thread::Builder::new().name("cmemcache-testing".into()).stack_size(STACK)
}

/// Accepts until it is woken.
fn accept(socket: &Socket<TcpListener>, woken: &Socket<UnixStream>, shared: &Arc<Shared>, connections: &Arc<Connections>) {
    for number in 0.. {
        let mut polled = [poll(socket.as_raw_fd()), poll(woken.as_raw_fd())];
        // SAFETY: the array is as long as said, and its descriptors are open.
        unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, -1) };
        if polled[1].revents != 0 {
            return;
        }
        match socket.accept() {
            Ok((stream, _)) => {
                // It fails where no thread can be made; the connection is closed then.
                let _ = serve(number, stream, shared, connections);
            }
            // Out of descriptors, most likely: it is worth another try in a moment.
            Err(fault) if fault.kind() != io::ErrorKind::WouldBlock => shared.sleep(Duration::from_millis(10)),
            Err(_) => {}
        }
    }
}

fn poll(fd: i32) -> libc::pollfd {
    libc::pollfd { fd, events: libc::POLLIN, revents: 0 }
}

/// Gives a connection a thread.
fn serve(number: u64, stream: TcpStream, shared: &Arc<Shared>, connections: &Arc<Connections>) -> io::Result<()> {
    let connection = Arc::new(Socket::new(stream));
    connection.set_nonblocking(false)?;
    connection.set_nodelay(true)?;
    let is_trusted = {
        let mut state = shared.state();
        if state.faults.is_too_many() {
            state.rejected += 1;
            drop(state);
            return (&**connection).write_all(b"ERROR Too many open connections\r\n");
        }
        state.connections += 1;
        state.open += 1;
        state.settings.credentials.is_none()
    };
    connections.open().insert(number, connection.clone());
    let (shared, own) = (shared.clone(), connections.clone());
    let thread = builder().spawn(move || {
        let mut conversation = Conversation { connection, shared, output: Vec::new(), held: None, is_silent: false };
        let ends = conversation.run(is_trusted);
        own.open().remove(&number);
        conversation.close(ends);
    })?;
    let mut threads = connections.threads();
    threads.retain(|thread| !thread.is_finished());
    threads.push(thread);
    Ok(())
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Orderly,
    Reset,
}

/// A connection and what is on its way to the client.
struct Conversation {
    connection: Connection,
    shared: Arc<Shared>,
    output: Vec<u8>,
    /// A reply that changes places with the next one.
    held: Option<Vec<u8>>,
    is_silent: bool,
}

impl Conversation {
    /// Answers until the connection ends.
    fn run(&mut self, is_trusted: bool) -> Ends {
        let mut session = Session::new(is_trusted);
        let mut bytes = [0; 16384];
        while let Ok(count @ 1..) = (&**self.connection).read(&mut bytes) {
            if self.is_silent {
                continue;
            }
            session.receive(&bytes[..count]);
            match self.answer(&mut session) {
                Ok(None) => {}
                Ok(Some(ends)) => return ends,
                Err(_) => return Ends::Orderly,
            }
        }
        Ends::Orderly
    }

    /// Carries out all commands that have come whole.
    fn answer(&mut self, session: &mut Session) -> io::Result<Option<Ends>> {
        loop {
            let (step, fault) = {
                let mut state = self.shared.state();
                let step = session.step(&mut state);
                let fault = match &step {
                    Step::Reply(reply) if !reply.is_greeting && !reply.bytes.is_empty() => state.faults.of_reply(),
                    _ => None,
                };
                (step, fault)
            };
            match step {
                Step::Wait => {
                    self.flush()?;
                    return Ok(None);
                }
                Step::Close => {
                    self.flush()?;
                    return Ok(Some(Ends::Orderly));
                }
                Step::Reply(reply) => {
                    if let Some(ends) = self.reply(reply, fault)? {
                        return Ok(Some(ends));
                    }
                }
            }
            if self.is_silent {
                return Ok(None);
            }
        }
    }

    fn reply(&mut self, reply: Reply, fault: Option<Fault>) -> io::Result<Option<Ends>> {
        let bytes = reply.bytes;
        if bytes.is_empty() {
            return Ok(None);
        }
        match fault {
            None => self.output.extend_from_slice(&bytes),
            Some(Fault::Swap) if self.held.is_none() => {
                self.held = Some(bytes);
                return Ok(None);
            }
            Some(Fault::Reset) => {
                self.flush()?;
                return Ok(Some(Ends::Reset));
            }
            Some(fault) => self.spoil(bytes, fault)?,
        }
        if let Some(held) = self.held.take() {
            self.output.extend_from_slice(&held);
        }
        if self.output.len() > ENOUGH {
            self.flush()?;
        }
        Ok(None)
    }

    /// Sends a reply as a fault will have it.
    fn spoil(&mut self, mut bytes: Vec<u8>, fault: Fault) -> io::Result<()> {
        self.flush()?;
        let closes = matches!(fault, Fault::Truncate(_) | Fault::HalfClose);
        match fault {
            Fault::Delay(time) => self.shared.sleep(time),
            Fault::Split(length) => return self.pieces(&bytes, length.max(1)),
            Fault::Duplicate => bytes.extend_from_within(..),
            Fault::Garbage(garbage) => bytes = garbage,
            Fault::Truncate(length) => bytes.truncate(length),
            Fault::Drop => bytes.clear(),
            Fault::Silence => {
                self.is_silent = true;
                bytes.clear();
            }
            _ => {}
        }
        self.output.extend_from_slice(&bytes);
        if closes {
            self.flush()?;
            // Only this side closes: to close both at once would reset the connection when more has come, and what was sent
            // could be lost.
            self.connection.shutdown(Shutdown::Write)?;
            self.is_silent = true;
        }
        Ok(())
    }

    fn pieces(&mut self, bytes: &[u8], length: usize) -> io::Result<()> {
        for piece in bytes.chunks(length) {
            (&**self.connection).write_all(piece)?;
            thread::sleep(BETWEEN_PIECES);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = (&**self.connection).write_all(&self.output);
        self.output.clear();
        sent
    }

    fn close(self, ends: Ends) {
        {
            let mut state = self.shared.state();
            state.open = state.open.saturating_sub(1);
        }
        if ends == Ends::Reset {
            // What is closed without time to linger is reset. The last handle is this one.
            let _ = SockRef::from(&**self.connection).set_linger(Some(Duration::ZERO));
        } else {
            let _ = self.connection.shutdown(Shutdown::Both);
        }
    }
}
