//! Runs the same steps on the real memcached and on the embedded one, and compares every byte.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use cmemcache::testing::{Options, Server};

use crate::support::Memcached;

/// A connection on which steps are run one after the other.
pub(crate) struct Wire {
    stream: TcpStream,
    steps: usize,
}

impl Wire {
    pub(crate) fn to(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, steps: 0 }
    }

    /// Sends a step and returns all that is answered to it, up to the end of the connection if that ends.
    pub(crate) fn run(&mut self, step: &[u8]) -> Vec<u8> {
        self.steps += 1;
        // A miss that nothing else is answered with marks the end.
        let fence = format!("EN kfence O{}\r\n", self.steps);
        let asks = format!("mg fence k O{}\r\n", self.steps);
        let _ = self.stream.write_all(&[step, asks.as_bytes()].concat());
        let mut reply = Vec::new();
        let mut bytes = [0; 65536];
        while !reply.ends_with(fence.as_bytes()) {
            match self.stream.read(&mut bytes) {
                Ok(0) => return [&reply[..], b"(closed)"].concat(),
                Ok(count) => reply.extend_from_slice(&bytes[..count]),
                Err(fault) => panic!("{fault}: {} is not answered to the end, but {}", show(step), show(&reply)),
            }
        }
        reply.truncate(reply.len() - fence.len());
        reply
    }
}

/// The version whose every byte the embedded server has. Others number cas tokens and know flags in ways of their own.
const MODEL: &str = "1.6.18";

/// A real memcached without items, and an embedded one of its version; `None`, with a word about it, if that is not the model.
pub(crate) fn pair() -> Option<(Memcached, Server)> {
    // Its housekeeping holds an item now and then, and decr then forgets to keep the length.
    let real = Memcached::with(&["-o", "no_lru_maintainer,no_lru_crawler"]);
    let version = String::from_utf8(Wire::to(real.port()).run(b"version\r\n")).unwrap();
    let version = version.trim().strip_prefix("VERSION ").expect("a version");
    if version != MODEL {
        eprintln!("not compared: the installed memcached is {version}, and the embedded one is held to {MODEL}");
        return None;
    }
    Some((real, Server::with(&Options { version: version.into(), ..Options::default() }).unwrap()))
}

/// The first few steps on which both differ.
pub(crate) fn differences(steps: &[Vec<u8>]) -> Vec<String> {
    let Some((real, ours)) = pair() else { return Vec::new() };
    let (mut real, mut ours) = (Wire::to(real.port()), Wire::to(ours.port()));
    let mut found = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let (theirs, own) = (real.run(step), ours.run(step));
        if theirs != own {
            let shown = (show(step), show(&theirs), show(&own));
            found.push(format!("step {number} {}\n  memcached: {}\n  embedded:  {}", shown.0, shown.1, shown.2));
        }
        if found.len() == 5 || theirs.ends_with(b"(closed)") || own.ends_with(b"(closed)") {
            break;
        }
    }
    found
}

/// Fails unless both answer alike. The real server's clock ticks once a second: a tick between two steps can show in what is
/// left of a lifetime, so that a difference counts when it is there every time of many.
pub(crate) fn compare(name: &str, steps: &[Vec<u8>]) {
    let mut found = Vec::new();
    for _ in 0..20 {
        found = differences(steps);
        if found.is_empty() {
            return;
        }
    }
    panic!("{name}: {}", found.join("\n"));
}

fn show(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    if text.len() > 300 {
        format!("{}... ({} bytes)", &text[..300], bytes.len())
    } else {
        text
    }
}
