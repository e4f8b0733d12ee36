//! The opening of a connection: from a server's name to a connection that has been greeted and can be lent.
//!
//! ```text
//! Resolving -> Connecting -> [Securing ->] Greeting -> Exchange
//! ```

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::Instant;

use super::{Lane, Moves, Stage, Step};
use crate::address::Address;
use crate::config::WireProtocol;
use crate::conn::machine::{Company, Slot};
use crate::conn::socket::Socket;
use crate::conn::wait::Interests;
use crate::conn::Connection;
use crate::error::{Error, ErrorKind, Phase};
use crate::item::StoreMode;
use crate::key::Key;
use crate::proto::{Dialect, FaultKind, Reply, Request, Version};
use crate::server::health::Failure;
use crate::server::resolve::Resolution;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// Tells also whether the server serves whoever asks: credentials go to no other, which would store them as a value.
    Version,
    Credentials,
    /// As `Version`, after the server has accepted the credentials.
    VersionAfter,
    Probe(Version),
    Flush,
}

impl Lane<'_> {
    pub(super) fn resolving(&mut self, mut resolution: Resolution, now: Instant, wait: &mut Interests) -> Step {
        let addresses = match resolution.poll() {
            None => {
                wait.unpark();
                self.stage = Stage::Resolving(resolution);
                return Step::Still;
            }
            Some(Ok(addresses)) => {
                self.server.remember_addresses(&addresses);
                addresses
            }
            Some(Err(fault)) => {
                let known = self.server.known_addresses();
                if known.is_empty() {
                    let message = format!("no address for {}: {fault}", self.server.name);
                    let error = Error::new(ErrorKind::ServerDown, message).at(&self.server.name, Phase::Resolve);
                    return self.fail_to_open(error, now);
                }
                known
            }
        };
        self.connect_next(addresses.into_iter(), now)
    }

    /// Tries the next of a name's addresses; a unix socket has none and is tried by its path.
    fn connect_next(&mut self, mut rest: std::vec::IntoIter<SocketAddr>, now: Instant) -> Step {
        let descriptors = &self.server.descriptors;
        loop {
            let attempt = match (&self.server.spec.address, rest.next()) {
                (Address::Unix { path }, _) => Socket::connect_unix(path, descriptors),
                (_, Some(address)) => Socket::connect_tcp(address, descriptors),
                (_, None) => return Step::Moved,
            };
            match attempt {
                Ok(socket) => {
                    // One address of several that does not answer leaves the others their share of the time.
                    let left = self.connect_by.saturating_duration_since(now);
                    let by = now + left / (rest.len() as u32 + 1);
                    self.stage = Stage::Connecting { socket, rest, by };
                    return Step::Moved;
                }
                Err(fault) if rest.len() == 0 => return self.refused(&fault, now),
                Err(_) => {}
            }
        }
    }

    pub(super) fn connecting(
        &mut self,
        socket: Socket,
        rest: std::vec::IntoIter<SocketAddr>,
        by: Instant,
        now: Instant,
        wait: &mut Interests,
    ) -> Step {
        match socket.is_connected() {
            Ok(false) if now >= by && rest.len() > 0 => self.connect_next(rest, now),
            Ok(false) => {
                wait.socket(socket.fd(), true, false);
                wait.limit(by);
                self.stage = Stage::Connecting { socket, rest, by };
                Step::Still
            }
            Ok(true) => self.secure(socket, now),
            Err(fault) if rest.len() == 0 => self.refused(&fault, now),
            Err(_) => self.connect_next(rest, now),
        }
    }

    fn refused(&mut self, fault: &io::Error, now: Instant) -> Step {
        let message = format!("cannot connect to {}: {fault}", self.server.name);
        let error = Error::new(ErrorKind::ServerDown, message).at(&self.server.name, Phase::Connect);
        self.fail_to_open(error, now)
    }

    /// Begins the handshake, where connections are to be secured.
    fn secure(&mut self, mut socket: Socket, now: Instant) -> Step {
        let Some(tls) = &self.server.tls else { return self.connected(socket, now) };
        match tls.begin(&self.server.spec.address) {
            Ok(session) => {
                socket.secure(session);
                self.stage = Stage::Securing(socket);
                Step::Moved
            }
            Err(error) => self.fail_to_open(error, now),
        }
    }

    pub(super) fn securing(&mut self, mut socket: Socket, now: Instant, wait: &mut Interests) -> Step {
        match socket.shake_hands() {
            Ok(true) => self.connected(socket, now),
            Ok(false) => {
                wait.socket(socket.fd(), socket.wants_write(), false);
                self.stage = Stage::Securing(socket);
                Step::Still
            }
            Err(fault) => {
                let error = self.disconnected(&fault, &socket, Phase::Handshake);
                self.fail_to_open(error, now)
            }
        }
    }

    fn connected(&mut self, socket: Socket, now: Instant) -> Step {
        self.server.counters.connects.add(1);
        // Until the server has said what it speaks, meta: only the probe depends on it.
        let dialect = if self.server.protocol == WireProtocol::Classic { Dialect::Classic } else { Dialect::Meta };
        let generation = self.server.pool.generation();
        let connection = Box::new(Connection::new(socket, dialect, generation, now));
        if self.server.protocol == WireProtocol::Auto || self.server.credentials.is_some() {
            return self.greet(connection, Greeting::Version, &Request::Version, now);
        }
        if self.owes_flush() {
            return self.greet(connection, Greeting::Flush, &Request::FlushAll { delay: 0 }, now);
        }
        self.stage = Stage::Exchange(connection);
        Step::Moved
    }

    /// Whether the server has to be emptied before it is used, because it was away.
    fn owes_flush(&self) -> bool {
        self.server.flush_on_reconnect && self.server.health().was_down()
    }

    fn greet(&mut self, mut connection: Box<Connection>, step: Greeting, request: &Request<'_>, now: Instant) -> Step {
        if let Err(unsupported) = connection.machine.push(request, Slot::Own, Company::Alone) {
            return self.greeting_failed(connection, self.unsupported(&unsupported), now);
        }
        if let Some(value) = request.body() {
            connection.machine.push_body(value);
        }
        self.stage = Stage::Greeting { connection, step };
        Step::Moved
    }

    fn authenticate(&mut self, mut connection: Box<Connection>, now: Instant) -> Step {
        let server = self.server.clone();
        let credentials = server.credentials.as_ref().map_or(&[][..], |credentials| credentials.as_bytes());
        let key = match Key::parse(b"auth") {
            Ok(key) => key,
            Err(fault) => return self.greeting_failed(connection, fault.into(), now),
        };
        let request = Request::Store { key, mode: StoreMode::Set, value: credentials, flags: 0, exptime: 0 };
        let dialect = mem::replace(&mut connection.machine.dialect, Dialect::Classic);
        let step = self.greet(connection, Greeting::Credentials, &request, now);
        if let Stage::Greeting { connection, .. } = &mut self.stage {
            connection.machine.dialect = dialect;
        }
        step
    }

    pub(super) fn greeting(
        &mut self,
        mut connection: Box<Connection>,
        step: Greeting,
        now: Instant,
        wait: &mut Interests,
    ) -> Step {
        match self.transfer(&mut connection, &mut VecDeque::new()) {
            Ok(moves) => match connection.machine.next() {
                Ok(Some((_, reply))) => {
                    let heard = hear(step, &reply, self.server.credentials.is_some());
                    self.greeted(connection, heard, now)
                }
                Ok(None) => {
                    if moves != Moves::Read {
                        wait.socket(connection.socket.fd(), !connection.machine.out().is_empty(), false);
                    }
                    self.stage = Stage::Greeting { connection, step };
                    moves.step()
                }
                Err(violation) => self.greeting_failed(connection, self.violated(&violation), now),
            },
            Err(fault) => {
                let error = self.disconnected(&fault, &connection.socket, Phase::Handshake);
                self.greeting_failed(connection, error, now)
            }
        }
    }

    fn greeted(&mut self, mut connection: Box<Connection>, heard: Heard, now: Instant) -> Step {
        if let (Err(violation), false) = (connection.machine.next(), matches!(heard, Heard::Refused(..))) {
            return self.greeting_failed(connection, self.violated(&violation), now);
        }
        match heard {
            Heard::WantsCredentials => return self.authenticate(connection, now),
            Heard::Accepted => return self.greet(connection, Greeting::VersionAfter, &Request::Version, now),
            Heard::Version(_) | Heard::Speaks(_) if self.server.protocol != WireProtocol::Auto => {
                if self.owes_flush() {
                    return self.greet(connection, Greeting::Flush, &Request::FlushAll { delay: 0 }, now);
                }
            }
            Heard::Version(version) => {
                let name = random_name(now);
                let key = match Key::parse(&name) {
                    Ok(key) => key,
                    Err(fault) => return self.greeting_failed(connection, fault.into(), now),
                };
                return self.greet(connection, Greeting::Probe(version), &Request::Probe { key }, now);
            }
            Heard::Speaks(dialect) => {
                connection.machine.dialect = dialect;
                if self.owes_flush() {
                    return self.greet(connection, Greeting::Flush, &Request::FlushAll { delay: 0 }, now);
                }
            }
            Heard::Flushed => self.server.health().emptied(),
            Heard::Refused(kind, line) => {
                let error = Error::new(kind, format!("{}: {line}", self.server.name)).at(&self.server.name, Phase::Handshake);
                return self.greeting_failed(connection, error, now);
            }
        }
        self.stage = Stage::Exchange(connection);
        Step::Moved
    }

    fn greeting_failed(&mut self, connection: Box<Connection>, error: Error, now: Instant) -> Step {
        drop(connection);
        self.fail_to_open(error, now)
    }

    fn fail_to_open(&mut self, error: Error, now: Instant) -> Step {
        match error.kind() {
            ErrorKind::Auth | ErrorKind::Tls => self.server.rejected(&error, now),
            _ if matches!(error.phase(), Some(Phase::Resolve | Phase::Connect)) => self.server.failed(Failure::Refused, now),
            _ => self.server.failed(Failure::Failed, now),
        }
        self.server.pool.lost();
        self.end(error, true)
    }
}

/// What a reply to a greeting says.
enum Heard {
    /// It serves only those who have authenticated, and this client has what that takes.
    WantsCredentials,
    Accepted,
    Version(Version),
    Speaks(Dialect),
    Flushed,
    Refused(ErrorKind, String),
}

fn hear(step: Greeting, reply: &Reply<'_>, has_credentials: bool) -> Heard {
    match (step, reply) {
        (Greeting::Credentials, Reply::Done) => Heard::Accepted,
        (Greeting::Version | Greeting::VersionAfter, Reply::Version(text)) => {
            Version::parse(text).map_or(Heard::Speaks(Dialect::Classic), Heard::Version)
        }
        (Greeting::Probe(_), Reply::Probed(Some(dialect))) => Heard::Speaks(*dialect),
        (Greeting::Probe(version), Reply::Probed(None)) => {
            Heard::Speaks(if version.speaks_meta() { Dialect::Meta } else { Dialect::Classic })
        }
        (Greeting::Flush, _) => Heard::Flushed,
        (_, Reply::Fault(fault)) => match fault.kind {
            FaultKind::TooManyConnections => Heard::Refused(ErrorKind::ServerDown, fault.line.clone()),
            FaultKind::Unauthenticated => match (step, has_credentials) {
                (Greeting::Version, true) => Heard::WantsCredentials,
                (_, true) => rejected(&fault.line),
                (_, false) => Heard::Refused(ErrorKind::Auth, format!("user and password are wanted: {}", fault.line)),
            },
            _ if step == Greeting::Credentials => rejected(&fault.line),
            // A proxy that knows no `version`.
            _ => Heard::Speaks(Dialect::Classic),
        },
        _ => Heard::Refused(ErrorKind::Protocol, "unexpected reply to a greeting".into()),
    }
}

fn rejected(line: &str) -> Heard {
    Heard::Refused(ErrorKind::Auth, format!("user and password were rejected: {line}"))
}

/// A key that nobody uses, to ask a server whether it knows the meta protocol.
fn random_name(now: Instant) -> [u8; 24] {
    use std::hash::{BuildHasher, RandomState};
    let mut name = *b"cmemcache-probe-........";
    let mut bits = RandomState::new().hash_one(now);
    for byte in &mut name[16..] {
        *byte = b"abcdefghijklmnop"[(bits & 15) as usize];
        bits >>= 4;
    }
    name
}
