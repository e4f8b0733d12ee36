//! A link between the client and a real memcached that delays, cuts, loses, repeats and swaps replies.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::caller::Random;

/// What goes wrong on a link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Faults {
    /// What any network does: replies come late, in pieces, or not at all because the connection ends.
    OfTime,
    /// Besides, replies that carry an opaque are lost, repeated and swapped.
    OfOrder,
}

/// How long a thread waits for bytes before it looks whether the link is at its end.
const PATIENCE: Duration = Duration::from_millis(100);

/// One reply in so many is not passed on as it is.
const ONE_IN: u64 = 40;

/// The replies to a client's greeting pass as they are: faults there are the subject of other tests.
const GREETING: usize = 2;

pub(crate) struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    target: String,
    faults: Faults,
    stopping: AtomicBool,
    done: AtomicU64,
}

impl Link {
    pub(crate) fn to(target: String, faults: Faults) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { target, faults, stopping: AtomicBool::new(false), done: AtomicU64::new(0) });
        let own = shared.clone();
        Self { address, shared, acceptor: Some(thread::spawn(move || own.accept(&listener))) }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// How many replies were not passed on as they came.
    pub(crate) fn faults(&self) -> u64 {
        self.shared.done.load(SeqCst)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.stopping.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().expect("the link is sound");
        }
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        let mut sessions: Vec<JoinHandle<()>> = Vec::new();
        let mut number = 0;
        while let Ok((client, _)) = listener.accept() {
            if self.stopping.load(SeqCst) {
                break;
            }
            number += 1;
            let own = self.clone();
            sessions.retain(|session| !session.is_finished());
            sessions.push(thread::spawn(move || {
                // Its end is the end of the connection, which is what it is for.
                let _ = own.pass(&client, number);
                let _ = client.shutdown(Shutdown::Both);
            }));
        }
        for session in sessions {
            session.join().expect("the link is sound");
        }
    }

    /// Passes requests on as they come, and replies as they should not.
    fn pass(&self, client: &TcpStream, number: u64) -> io::Result<()> {
        let server = TcpStream::connect(&self.target)?;
        for stream in [client, &server] {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                let _ = self.requests(client, &server);
                let _ = server.shutdown(Shutdown::Both);
            });
            let outcome = self.replies(&server, client, number);
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
            outcome
        })
    }

    fn requests(&self, mut client: &TcpStream, mut server: &TcpStream) -> io::Result<()> {
        let mut bytes = [0; 65536];
        loop {
            let count = self.read(&mut client, &mut bytes)?;
            server.write_all(&bytes[..count])?;
        }
    }

    /// Reads some bytes; an error at the end of the stream or of the link.
    fn read(&self, stream: &mut &TcpStream, bytes: &mut [u8]) -> io::Result<usize> {
        while !self.stopping.load(SeqCst) {
            match stream.read(bytes) {
                Ok(0) => break,
                Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                outcome => return outcome,
            }
        }
        Err(ErrorKind::UnexpectedEof.into())
    }

    fn replies(&self, mut server: &TcpStream, client: &TcpStream, number: u64) -> io::Result<()> {
        let mut random = Random(0x2545_f491_4f6c_dd1d ^ number);
        let (mut bytes, mut unread, mut held) = ([0; 65536], Vec::new(), None);
        let mut count = 0;
        loop {
            while let Some(length) = reply_length(&unread) {
                let reply: Vec<u8> = unread.drain(..length).collect();
                count += 1;
                if count <= GREETING || random.below(ONE_IN) > 0 {
                    send(client, &reply)?;
                } else {
                    self.done.fetch_add(1, SeqCst);
                    self.spoil(client, reply, &mut held, &mut random)?;
                    continue;
                }
                if let Some(late) = held.take() {
                    send(client, &late)?;
                }
            }
            let count = self.read(&mut server, &mut bytes)?;
            unread.extend_from_slice(&bytes[..count]);
        }
    }

    /// Does one of the faults to a reply. `held`: a reply that goes behind the next one.
    fn spoil(&self, client: &TcpStream, reply: Vec<u8>, held: &mut Option<Vec<u8>>, random: &mut Random) -> io::Result<()> {
        let pause = Duration::from_millis(1 + random.below(12));
        if self.faults == Faults::OfOrder && has_opaque(&reply) {
            // A lost reply costs its caller the whole deadline, so there are few of them.
            match random.below(16) {
                0 => return Ok(()),
                1..5 => return send(client, &reply.repeat(2)),
                5..13 => {
                    *held = Some(reply);
                    return Ok(());
                }
                _ => {}
            }
        }
        let half = random.below(reply.len() as u64) as usize;
        match random.below(8) {
            0..4 => thread::sleep(pause),
            4..7 => {
                send(client, &reply[..half])?;
                thread::sleep(pause);
                return send(client, &reply[half..]);
            }
            _ => {
                send(client, &reply[..half])?;
                return Err(ErrorKind::ConnectionAborted.into());
            }
        }
        send(client, &reply)
    }
}

fn send(mut client: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    client.write_all(bytes)
}

fn has_opaque(reply: &[u8]) -> bool {
    let line = reply.split(|byte| *byte == b'\r').next().unwrap_or_default();
    line.split(|byte| *byte == b' ').skip(1).any(|word| word.first() == Some(&b'O'))
}

/// The length of the first reply, if it is there in full. The values of a classic get and their END are one.
fn reply_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = &bytes[at..];
        let end = line.windows(2).position(|pair| pair == b"\r\n")?;
        let text = std::str::from_utf8(&line[..end]).expect("memcached answers in ASCII");
        let words: Vec<&str> = text.split(' ').collect();
        at += end + 2;
        let value = match words[..] {
            ["VA", length, ..] | ["VALUE", _, _, length, ..] => length.parse::<usize>().expect("a length") + 2,
            _ => return Some(at),
        };
        at += value;
        if at > bytes.len() {
            return None;
        }
        if words[0] == "VA" {
            return Some(at);
        }
    }
}
