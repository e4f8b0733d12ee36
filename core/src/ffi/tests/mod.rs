//! Both doors: the packed layout byte for byte, hostile requests, and the typed client.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod hostile;
mod packed;
mod testing;
mod typed;
mod vectors;

use std::sync::Arc;

use super::{packed_call, packed_release, ClientOptions, ServerSpec, StringClient};
use crate::config::{Failover, Placement, WireProtocol};

/// Options with every default, but a timeout that leaves room for a busy machine.
fn options() -> ClientOptions {
    ClientOptions {
        protocol: WireProtocol::Auto,
        placement: Placement::Modulo,
        failover: Failover::FailFast,
        timeout_ms: 10_000,
        connect_timeout_ms: 5000,
        dead_retry_ms: 30_000,
        failure_limit: 3,
        max_connections: 8,
        max_value_size: 1 << 20,
        key_prefix: Vec::new(),
        binary_keys: false,
        flush_on_reconnect: false,
        spin: None,
        tls: None,
        user: None,
        password: None,
    }
}

fn string_client<A: AsRef<str>>(addresses: &[A]) -> Arc<StringClient> {
    let spec = |address: &A| ServerSpec { address: address.as_ref().to_owned(), weight: 1 };
    Arc::new(StringClient::new(addresses.iter().map(spec).collect(), options()).expect("options"))
}

/// A reply as a wrapper reads it.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u8,
    outcome_unknown: bool,
    phase: u16,
    flags: u32,
    number: u64,
    payload: Vec<u8>,
    was_kept: bool,
}

impl Answer {
    /// Reads a reply; one that was kept is read from its place and released.
    fn read(reply: &[u8]) -> Self {
        let bits = reply[1];
        assert_eq!(bits & !3, 0, "unknown bits");
        let payload = if bits & 1 == 0 {
            reply[16..].to_vec()
        } else {
            assert_eq!(reply.len(), 40);
            let [address, length, token] = [16, 24, 32].map(|at| u64::from_le_bytes(reply[at..at + 8].try_into().unwrap()));
            // SAFETY: the layout's promise: so many bytes at this address until the token is released.
            let payload = unsafe { std::slice::from_raw_parts(address as usize as *const u8, length as usize) }.to_vec();
            packed_release(token);
            payload
        };
        Self {
            status: reply[0],
            outcome_unknown: bits & 2 != 0,
            phase: u16::from_le_bytes([reply[2], reply[3]]),
            flags: u32::from_le_bytes(reply[4..8].try_into().unwrap()),
            number: u64::from_le_bytes(reply[8..16].try_into().unwrap()),
            payload,
            was_kept: bits & 1 != 0,
        }
    }

    /// The server's name and the message of an error.
    fn error(&self) -> (&str, &str) {
        assert!(self.status >= 64, "{self:?}");
        let text = std::str::from_utf8(&self.payload).expect("UTF-8");
        text.split_at(self.flags as usize)
    }

    /// The entries of a batch: status, flags, cas and value of each.
    fn entries(&self, with_cas: bool) -> Vec<(u8, u32, u64, Vec<u8>)> {
        assert_eq!(self.status, 0, "{:?}", self.error());
        let count = self.flags as usize;
        let mut rest = &self.payload[..];
        let mut take = |length: usize| {
            let (taken, more) = rest.split_at(length);
            rest = more;
            taken.to_vec()
        };
        let four = |bytes: Vec<u8>| -> Vec<u32> {
            bytes.chunks_exact(4).map(|number| u32::from_le_bytes(number.try_into().unwrap())).collect()
        };
        let statuses = take(count);
        let flags = four(take(4 * count));
        let cas = take(if with_cas { 8 * count } else { 0 });
        let lengths = four(take(4 * count));
        let values: Vec<Vec<u8>> = lengths.iter().map(|length| take(*length as usize)).collect();
        assert!(rest.is_empty(), "{} bytes too many", rest.len());
        let entry = |(at, value)| {
            let cas = cas.chunks_exact(8).nth(at).map_or(0, |number| u64::from_le_bytes(number.try_into().unwrap()));
            (statuses[at], flags[at], cas, value)
        };
        values.into_iter().enumerate().map(entry).collect()
    }
}

/// The bytes of a reply, as they stand in a buffer of this capacity.
fn reply_to(handle: u64, request: &[u8], value: &[u8], capacity: usize) -> Vec<u8> {
    const GUARD: usize = 64;
    let mut buffer = vec![0xaa; capacity + GUARD];
    let address = |bytes: &[u8]| bytes.as_ptr() as u64;
    let length = packed_call(
        handle,
        address(request),
        request.len() as u64,
        address(value),
        value.len() as u64,
        buffer.as_mut_ptr() as u64,
        capacity as u64,
    );
    assert!(buffer[capacity..].iter().all(|byte| *byte == 0xaa), "written beyond the caller's memory");
    buffer.truncate(length as usize);
    buffer
}

/// Runs a request with a buffer that holds any reply of these tests.
fn call(handle: u64, request: &[u8], value: &[u8]) -> Answer {
    Answer::read(&reply_to(handle, request, value, 64 << 10))
}

/// A request: its head, and the fields behind it.
fn request(operation: u8, bits: u16, timeout: u32, fields: &[&[u8]]) -> Vec<u8> {
    let head = [&[2, operation][..], &bits.to_le_bytes(), &timeout.to_le_bytes()].concat();
    [&head[..], &fields.concat()].concat()
}

/// The request of a batch of keys.
fn batch(operation: u8, keys: &[&[u8]]) -> Vec<u8> {
    request(operation, 0, 0, &[&(keys.len() as u32).to_le_bytes(), &keys.join(&b'\n')])
}
