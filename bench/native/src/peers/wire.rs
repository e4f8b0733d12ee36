//! The limit: one socket, requests made beforehand, replies of known length received and not looked at.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use super::Caller;
use crate::work::Pairs;
use crate::Outcome;

/// How it waits for a reply.
#[derive(PartialEq)]
pub(super) enum Waiting {
    /// In `recv`.
    Block,
    /// Polls for as long as ours does at most, then sleeps.
    Spin,
}

const SPIN: Duration = Duration::from_micros(50);

/// The operation, the first key's address and the number of keys.
type Name = (&'static str, usize, usize);

pub(super) struct Wire {
    socket: TcpStream,
    waiting: Waiting,
    buffer: Vec<u8>,
    /// What to send and how many bytes will come back.
    made: HashMap<Name, (Vec<u8>, usize)>,
}

impl Wire {
    pub(super) fn open(ports: &[u16], waiting: Waiting) -> Outcome<Self> {
        let [port] = ports else { return Err("it knows one server only".into()) };
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, *port))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, waiting, buffer: vec![0; 4 << 20], made: HashMap::new() })
    }

    fn exchange(&mut self, name: Name, make: impl FnOnce() -> (Vec<u8>, usize)) -> Outcome<()> {
        let (request, length) = self.made.entry(name).or_insert_with(make);
        self.socket.write_all(request)?;
        let mut left = *length;
        while left > 0 {
            let end = left.min(self.buffer.len());
            if self.waiting == Waiting::Spin {
                spin_then_sleep(&self.socket)?;
            }
            match self.socket.read(&mut self.buffer[..end])? {
                0 => return Err("the server closed the connection".into()),
                count => left -= count,
            }
        }
        Ok(())
    }
}

/// Returns when something can be read: looks for a while without sleeping, then sleeps in the next `recv`.
fn spin_then_sleep(socket: &TcpStream) -> Outcome<()> {
    let began = Instant::now();
    let mut byte = [0_u8; 1];
    loop {
        // SAFETY: one byte is written at most, into a buffer of one.
        let found = unsafe { libc::recv(socket.as_raw_fd(), byte.as_mut_ptr().cast(), 1, libc::MSG_DONTWAIT | libc::MSG_PEEK) };
        match found {
            0.. => return Ok(()),
            _ => match std::io::Error::last_os_error() {
                fault if fault.kind() != ErrorKind::WouldBlock => return Err(fault.into()),
                _ if began.elapsed() > SPIN => return Ok(()),
                _ => std::hint::spin_loop(),
            },
        }
    }
}

fn read_request(keys: &[String], entries: &[(String, Vec<u8>, u32)]) -> (Vec<u8>, usize) {
    let head = |key: &str, value: &[u8]| format!("VALUE {key} 0 {}\r\n", value.len()).len() + value.len() + 2;
    let length = entries.iter().map(|(key, value, _)| head(key, value)).sum::<usize>();
    (format!("get {}\r\n", keys.join(" ")).into_bytes(), length + "END\r\n".len())
}

fn write_request(entries: &[(String, Vec<u8>, u32)]) -> (Vec<u8>, usize) {
    let mut request = Vec::new();
    for (key, value, _) in entries {
        request.extend_from_slice(format!("set {key} 0 0 {}\r\n", value.len()).as_bytes());
        request.extend_from_slice(value);
        request.extend_from_slice(b"\r\n");
    }
    (request, entries.len() * "STORED\r\n".len())
}

impl Caller for Wire {
    fn get(&mut self, pairs: &Pairs, place: usize) -> Outcome<usize> {
        let one = place..place + 1;
        let name = ("get", pairs.keys[place].as_ptr() as usize, 1);
        self.exchange(name, || read_request(&pairs.keys[one.clone()], &pairs.entries[one]))?;
        Ok(pairs.entries[place].1.len())
    }

    fn set(&mut self, pairs: &Pairs, place: usize) -> Outcome<usize> {
        let name = ("set", pairs.keys[place].as_ptr() as usize, 1);
        self.exchange(name, || write_request(&pairs.entries[place..=place]))?;
        Ok(pairs.entries[place].1.len())
    }

    fn get_multi(&mut self, pairs: &Pairs) -> Outcome<usize> {
        let name = ("get_multi", pairs.keys[0].as_ptr() as usize, pairs.keys.len());
        self.exchange(name, || read_request(&pairs.keys, &pairs.entries))?;
        Ok(pairs.keys.len())
    }

    fn set_multi(&mut self, pairs: &Pairs) -> Outcome<()> {
        let name = ("set_multi", pairs.keys[0].as_ptr() as usize, pairs.keys.len());
        self.exchange(name, || write_request(&pairs.entries))
    }
}
