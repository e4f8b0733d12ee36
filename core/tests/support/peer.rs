//! A server that does what its script says, whatever that is.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use super::{eventually, Memcached};

/// Longest wait of a script for its client.
const PATIENCE: Duration = Duration::from_secs(30);

/// A listener on loopback that runs its script on every connection, each on a thread of its own.
///
/// A script ends its session by returning, also with an error: then the connection is closed. A panic of a script becomes
/// the test's when the peer is dropped.
pub struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    accepted: AtomicUsize,
    open: AtomicUsize,
    silent: AtomicUsize,
    received: Mutex<Vec<u8>>,
    /// The sockets of each session, by its number.
    streams: Mutex<Vec<(usize, TcpStream)>>,
    sessions: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
    fn received(&self) -> MutexGuard<'_, Vec<u8>> {
        self.received.lock().expect("no script panics while it receives")
    }

    fn watch(&self, session: usize, stream: &TcpStream) -> io::Result<()> {
        self.streams.lock().expect("streams").push((session, stream.try_clone()?));
        Ok(())
    }

    fn unwatch(&self, session: usize) {
        self.streams.lock().expect("streams").retain(|(other, _)| *other != session);
    }
}

impl Peer {
    /// Runs `script` on every connection, from its first byte on.
    pub fn start(script: impl Fn(&mut Session) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        Self::listen(listener, script)
    }

    /// Greets as a memcached with the meta protocol, then runs `script`.
    pub fn meta(script: impl Fn(&mut Session) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::start(move |session| {
            session.greet_meta()?;
            script(session)
        })
    }

    /// Greets as a memcached of before the meta protocol, then runs `script`.
    pub fn classic(script: impl Fn(&mut Session) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::start(move |session| {
            session.greet_classic()?;
            script(session)
        })
    }

    /// Greets with the meta protocol, then answers every request with what `answer` makes of it.
    pub fn answering(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::meta(move |session| session.serve(&answer))
    }

    /// Stands before a real server. `relay` passes on what the server sends, as it likes.
    pub fn proxy(server: &Memcached, relay: impl Fn(&mut Session, &[u8]) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let target = server.address();
        Self::start(move |session| session.relay(&target, &relay))
    }

    fn listen(listener: TcpListener, script: impl Fn(&mut Session) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let script: Arc<Script> = Arc::new(script);
        let own = shared.clone();
        let acceptor = std::thread::spawn(move || accept(&listener, &own, &script));
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// The address as the client takes it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// How many connections there were.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(SeqCst)
    }

    /// On how many connections a script runs now.
    pub fn open(&self) -> usize {
        self.shared.open.load(SeqCst)
    }

    /// On how many connections a script has come to [`Session::silence`].
    pub fn silent(&self) -> usize {
        self.shared.silent.load(SeqCst)
    }

    /// All bytes that were received, on whichever connection.
    pub fn received(&self) -> Vec<u8> {
        self.shared.received().clone()
    }

    /// Forgets what was received.
    pub fn forget(&self) {
        self.shared.received().clear();
    }

    /// Waits until these bytes were received.
    pub fn has_heard(&self, text: &str) {
        eventually(PATIENCE, || String::from_utf8_lossy(&self.shared.received()).contains(text));
    }
}

type Script = dyn Fn(&mut Session) -> io::Result<()> + Send + Sync;

fn accept(listener: &TcpListener, shared: &Arc<Shared>, script: &Arc<Script>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.stopping.load(SeqCst) {
            return;
        }
        let number = shared.accepted.fetch_add(1, SeqCst);
        shared.open.fetch_add(1, SeqCst);
        let (own, script) = (shared.clone(), script.clone());
        let session = std::thread::spawn(move || {
            if let Ok(mut session) = Session::new(stream, number, own.clone()) {
                // A script that fails ends its session, no more: most of them end with the client's leaving.
                let _ = script(&mut session);
                if !session.ends_by_reset {
                    let _ = session.stream.shutdown(Shutdown::Both);
                }
            }
            own.unwatch(number);
            own.open.fetch_sub(1, SeqCst);
        });
        shared.sessions.lock().expect("sessions").push(session);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for (_, stream) in self.shared.streams.lock().expect("streams").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let sessions: Vec<_> = self.shared.sessions.lock().expect("sessions").drain(..).collect();
        for session in sessions {
            if let Err(panic) = session.join() {
                if !std::thread::panicking() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
}

/// One connection, as its script sees it.
pub struct Session {
    stream: TcpStream,
    shared: Arc<Shared>,
    unread: Vec<u8>,
    ends_by_reset: bool,
    /// Which connection of the peer's this is, from 0.
    pub number: usize,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The line, without its end.
    pub line: String,
    /// The value behind it, where one was announced.
    pub value: Vec<u8>,
}

impl Asked {
    /// The command.
    pub fn command(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// The key.
    pub fn key(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// The opaque, with its `O`.
    pub fn opaque(&self) -> &str {
        self.line.split(' ').find(|word| word.starts_with('O')).unwrap_or_default()
    }

    /// A hit of the meta protocol with this value.
    pub fn hit(&self, value: &[u8]) -> Vec<u8> {
        [format!("VA {} f0 {}\r\n", value.len(), self.opaque()).as_bytes(), value, b"\r\n"].concat()
    }

    /// A reply of the meta protocol that is a code and the opaque: `HD`, `EN`, `NF`, ...
    pub fn code(&self, code: &str) -> Vec<u8> {
        format!("{code} {}\r\n", self.opaque()).into_bytes()
    }

    /// What memcached would answer if every key held itself: hits of the keys' own bytes, or `HD`.
    pub fn echo(&self) -> Vec<u8> {
        match self.command() {
            "mg" => self.hit(self.key().as_bytes()),
            "get" => [self.blocks().concat(), b"END\r\n".to_vec()].concat(),
            _ => self.code("HD"),
        }
    }

    /// The same of a classic get, one block for each key, without the end.
    pub fn blocks(&self) -> Vec<Vec<u8>> {
        self.line.split(' ').skip(1).map(|key| format!("VALUE {key} 0 {}\r\n{key}\r\n", key.len()).into_bytes()).collect()
    }

    /// A hit of the classic protocol with this value.
    pub fn block(&self, value: &[u8]) -> Vec<u8> {
        [format!("VALUE {} 0 {}\r\n", self.key(), value.len()).as_bytes(), value, b"\r\nEND\r\n"].concat()
    }
}

impl Session {
    fn new(stream: TcpStream, number: usize, shared: Arc<Shared>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        shared.watch(number, &stream)?;
        Ok(Self { stream, shared, unread: Vec::new(), ends_by_reset: false, number })
    }

    /// Answers the client's questions as a memcached with the meta protocol.
    pub fn greet_meta(&mut self) -> io::Result<()> {
        self.ask()?;
        self.send(b"VERSION 1.6.18\r\n")?;
        let probe = self.ask()?;
        self.send(&probe.code("EN"))
    }

    /// Answers the client's questions as a memcached of before the meta protocol.
    pub fn greet_classic(&mut self) -> io::Result<()> {
        self.ask()?;
        self.send(b"VERSION 1.4.39\r\n")?;
        self.ask()?;
        self.send(b"ERROR\r\n")
    }

    /// Waits for the next request.
    pub fn ask(&mut self) -> io::Result<Asked> {
        let line = self.line()?;
        let words: Vec<&str> = line.split(' ').collect();
        let length = match words[0] {
            "ms" => words.get(2),
            "set" | "add" | "replace" | "append" | "prepend" | "cas" => words.get(4),
            _ => None,
        };
        let value = match length {
            Some(length) => self.value(length.parse().map_err(io::Error::other)?)?,
            None => Vec::new(),
        };
        Ok(Asked { line, value })
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            self.receive()?;
        }
    }

    fn value(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length + 2 {
            self.receive()?;
        }
        let mut value: Vec<u8> = self.unread.drain(..length + 2).collect();
        assert!(value.ends_with(b"\r\n"), "a value ends with a line end");
        value.truncate(length);
        Ok(value)
    }

    /// Waits for bytes.
    pub fn receive(&mut self) -> io::Result<()> {
        let mut bytes = [0; 65536];
        let count = self.stream.read(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.unread.extend_from_slice(&bytes[..count]);
        self.shared.received().extend_from_slice(&bytes[..count]);
        Ok(())
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends bytes one at a time, each in a packet of its own.
    pub fn drip(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            self.send(&[*byte])?;
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    /// Answers every request with what `answer` makes of it.
    pub fn serve(&mut self, answer: &(impl Fn(&Asked) -> Vec<u8> + ?Sized)) -> io::Result<()> {
        loop {
            let asked = self.ask()?;
            self.send(&answer(&asked))?;
        }
    }

    /// Says and reads nothing until the client closes the connection.
    pub fn silence(&mut self) -> io::Result<()> {
        self.shared.silent.fetch_add(1, SeqCst);
        loop {
            self.receive()?;
        }
    }

    /// Reads nothing for a while; ends early with the peer.
    pub fn pause(&self, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time && !self.shared.stopping.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1).min(time));
        }
    }

    /// Reads nothing until `condition` holds; an error when that takes too long, or when the peer ends first.
    pub fn wait_for(&self, condition: impl Fn() -> bool) -> io::Result<()> {
        let begun = Instant::now();
        while !condition() {
            if begun.elapsed() > PATIENCE || self.shared.stopping.load(SeqCst) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Whether the client has closed its end, or does within `limit`. What it still sends is read.
    pub fn is_closed_within(&mut self, limit: Duration) -> bool {
        let begun = Instant::now();
        let _ = self.stream.set_read_timeout(Some(Duration::from_millis(5)));
        let closed = loop {
            match self.receive() {
                Ok(()) => {}
                Err(fault) if matches!(fault.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(_) => break true,
            }
            if begun.elapsed() > limit {
                break false;
            }
        };
        let _ = self.stream.set_read_timeout(Some(PATIENCE));
        closed
    }

    /// Ends the session with a reset instead of an orderly end, by the error that it returns.
    pub fn reset(&mut self) -> io::Result<()> {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
        // The reset is sent when the last handle is closed.
        self.shared.unwatch(self.number);
        self.ends_by_reset = true;
        Err(io::ErrorKind::ConnectionReset.into())
    }

    /// Says that nothing more will come, and goes on reading.
    pub fn half_close(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Limits what the kernel buffers for this connection, each way, in bytes.
    pub fn limit_buffers(&mut self, bytes: usize) -> io::Result<()> {
        SockRef::from(&self.stream).set_recv_buffer_size(bytes)?;
        SockRef::from(&self.stream).set_send_buffer_size(bytes)
    }

    /// Passes on what the client sends, and gives `relay` what the server sends.
    fn relay(&mut self, target: &str, relay: &dyn Fn(&mut Self, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut server = TcpStream::connect(target)?;
        server.set_nodelay(true)?;
        self.shared.watch(self.number, &server)?;
        let (mut from, mut to) = (self.stream.try_clone()?, server.try_clone()?);
        from.set_read_timeout(None)?;
        let shared = self.shared.clone();
        let upwards = std::thread::spawn(move || {
            let mut bytes = [0; 16384];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                shared.received().extend_from_slice(&bytes[..count]);
                if to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
        let mut bytes = [0; 16384];
        while let Ok(count @ 1..) = server.read(&mut bytes) {
            if relay(self, &bytes[..count]).is_err() {
                break;
            }
        }
        let _ = self.stream.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
        let _ = upwards.join();
        Ok(())
    }
}

/// A listener whose queue is full: what knocks gets no answer at all.
pub struct Blackhole {
    address: SocketAddr,
    _listener: Socket,
    _waiting: Vec<Socket>,
}

impl Blackhole {
    /// Fills the queue of a listener that never accepts.
    pub fn start() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
        listener.listen(0).expect("a listener");
        let address = listener.local_addr().expect("an address").as_socket().expect("an internet address");
        let knock = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket.set_nonblocking(true).expect("non-blocking");
            let _ = socket.connect(&address.into());
            socket
        };
        let mut waiting: Vec<Socket> = (0..4).map(|_| knock()).collect();
        // Who still gets in is one more in the queue.
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            waiting.push(stream.into());
            assert!(waiting.len() < 20, "the queue is full");
        }
        Self { address, _listener: listener, _waiting: waiting }
    }

    /// The address as the client takes it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}
