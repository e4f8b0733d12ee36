//! The packed call with any request: an error or a reply, whole and within the caller's memory.

use std::sync::OnceLock;
use std::time::Duration;

use crate::ffi::{handles, packed_call, packed_release};
use crate::testing::{Options, Server};
use crate::{Client, Config, KeyEncoding, WireProtocol};

/// What a caller may bring as memory for the reply.
const ROOMS: [usize; 4] = [4096, 40, 100, 39];

/// The clients of all calls. They are made once, like those of a program.
struct World {
    /// The second is stopped: it keeps its port to itself, and refuses whoever comes.
    _servers: [Server; 2],
    clients: [(Client, u64); 4],
}

fn world() -> Option<&'static World> {
    static WORLD: OnceLock<Option<World>> = OnceLock::new();
    WORLD.get_or_init(|| make().ok()).as_ref()
}

fn make() -> crate::Result<World> {
    let server = Server::with(&Options { memory_limit: 4 << 20, ..Options::default() })?;
    let gone = Server::start()?;
    gone.stop();
    let config = |address: &str| Config::new([address]).map(|config| Config { timeout: Duration::from_secs(10), ..config });
    let text = config(&server.address())?;
    let binary = Config { key_encoding: KeyEncoding::Base64, ..text.clone() };
    let classic = Config { protocol: WireProtocol::Classic, ..text.clone() };
    let closed = config(&gone.address())?;
    let client = |config| Client::new(config).map(|client| (client.clone(), handles::enter(&client)));
    let clients = [client(text)?, client(binary)?, client(classic)?, client(closed)?];
    Ok(World { _servers: [server, gone], clients })
}

/// What a packed call answers. The first byte chooses the client and the room for the reply, the next two say how long the
/// request is; the value follows it.
///
/// # Panics
/// When the reply is not one as its layout describes it, or the connection is out of step behind it.
pub fn packed(data: &[u8]) {
    let Some(([choice, length @ ..], rest)) = data.split_first_chunk::<3>() else { return };
    let (request, value) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes(*length))));
    let Some(world) = world() else { return };
    let (client, handle) = &world.clients[usize::from(choice & 3)];
    let room = ROOMS[usize::from(choice >> 2 & 3)];
    let mut reply = vec![0; room];
    let address = |bytes: &[u8]| (bytes.as_ptr() as u64, bytes.len() as u64);
    let ((request_at, request_length), (value_at, value_length)) = (address(request), address(value));
    let reply_at = reply.as_mut_ptr() as u64;
    let length = packed_call(*handle, request_at, request_length, value_at, value_length, reply_at, room as u64) as usize;
    if room < 40 {
        assert_eq!(length, 0, "a reply without room for one");
        return;
    }
    Whole::read(&reply[..length]).check(request);
    let faults: u64 = client.metrics().iter().map(|server| server.protocol_errors).sum();
    assert_eq!(faults, 0, "the connection is out of step");
}

/// A reply, read as the layout says.
struct Whole {
    status: u8,
    flags: usize,
    payload: Vec<u8>,
}

impl Whole {
    fn read(reply: &[u8]) -> Self {
        assert!(reply.len() >= 16, "no head");
        assert_eq!(reply[1] & !3, 0, "unknown bits");
        let payload = if reply[1] & 1 == 0 {
            reply[16..].to_vec()
        } else {
            assert_eq!(reply.len(), 40);
            let [address, length, token] = [16, 24, 32].map(|at| number(&reply[at..at + 8]));
            // SAFETY: the layout's promise: so many bytes at this address until the token is released.
            let payload = unsafe { std::slice::from_raw_parts(address as *const u8, length) }.to_vec();
            packed_release(token as u64);
            payload
        };
        Self { status: reply[0], flags: number(&reply[4..8]), payload }
    }

    /// Whether its parts fit each other and the request.
    fn check(&self, request: &[u8]) {
        let operation = request.get(1).copied().unwrap_or_default();
        match self.status {
            64..=78 => check_error(&self.payload, self.flags),
            0..=3 if (16..=19).contains(&operation) => self.check_batch(operation == 17),
            0 if (1..=4).contains(&operation) => {}
            0..=3 => assert!(self.payload.is_empty(), "nobody asked for a value"),
            other => panic!("status {other}"),
        }
    }

    fn check_batch(&self, with_cas: bool) {
        let count = self.flags;
        let (statuses, rest) = self.payload.split_at(count);
        let (flags, rest) = rest.split_at(count * 4);
        let (_, rest) = rest.split_at(if with_cas { count * 8 } else { 0 });
        let (lengths, mut values) = rest.split_at(count * 4);
        for (place, status) in statuses.iter().enumerate() {
            let [flags, length] = [flags, lengths].map(|column| number(&column[place * 4..place * 4 + 4]));
            let (value, rest) = values.split_at(length);
            values = rest;
            match status {
                0 => {}
                1..=3 => assert!(value.is_empty()),
                64..=78 => check_error(value, flags & 0xffff),
                other => panic!("status {other}"),
            }
        }
        assert!(values.is_empty(), "more than its columns say");
    }
}

fn check_error(payload: &[u8], name_length: usize) {
    let (name, message) = payload.split_at(name_length);
    assert!(std::str::from_utf8(name).is_ok());
    assert!(std::str::from_utf8(message).is_ok_and(|message| !message.is_empty()), "an error without words");
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}
