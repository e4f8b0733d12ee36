//! Encoded requests to a real memcached, and what it answers.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::{Argument, Dialect, Expect, Fault, FaultKind, Initial, Reply, Request, Value, Version};
use super::{own, read, Connection};
use crate::item::StoreMode;
use crate::key::{Key, KeyEncoding};
use crate::support::Port;

/// A memcached of this test's own; ended when dropped.
struct Server {
    process: Child,
    port: Port,
}

impl Server {
    fn start() -> Self {
        let port = Port::reserve();
        let mut command = Command::new("memcached");
        command.args(["-l", "127.0.0.1", "-U", "0", "-p", &port.number().to_string()]);
        // SAFETY: geteuid has no preconditions.
        if unsafe { libc::geteuid() } == 0 {
            command.args(["-u", "root"]);
        }
        let process = command.stderr(Stdio::null()).spawn().expect("memcached has to be installed");
        let mut server = Self { process, port };
        assert!(server.is_listening(), "memcached does not start");
        server
    }

    fn is_listening(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port.number())).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    fn connect(&self, dialect: Dialect) -> Client {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port.number())).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Client { socket, dialect, opaque: 0, connection: Connection::default() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Client {
    socket: TcpStream,
    dialect: Dialect,
    opaque: u32,
    connection: Connection,
}

impl Client {
    /// Sends the requests in one piece and reads their replies in order.
    fn pipeline(&mut self, requests: &[Request<'_>]) -> Vec<Reply<'static>> {
        let mut out = Vec::new();
        let mut expected = Vec::new();
        for request in requests {
            self.opaque += 1;
            let mut key = Vec::new();
            request.write_echoed_key(self.dialect, &mut key);
            expected.push((request.encode(self.dialect, self.opaque, &mut out).unwrap(), key));
            if let Some(body) = request.body() {
                out.extend_from_slice(body);
                out.extend_from_slice(b"\r\n");
            }
        }
        self.exchange(&out, &expected)
    }

    /// Reads many keys with one classic command.
    fn get_many(&mut self, names: &[String]) -> Vec<Reply<'static>> {
        let mut out = Vec::new();
        let mut expected: Vec<(Expect, Vec<u8>)> = Vec::new();
        for name in names {
            let request = Request::Get { key: key(name), cas: false, exptime: None };
            let expect = match expected.last_mut() {
                None => request.encode(Dialect::Classic, 0, &mut out).unwrap(),
                Some((last, _)) => {
                    let (before, expect) = request.join(last, &mut out).unwrap();
                    *last = before;
                    expect
                }
            };
            expected.push((expect, name.as_bytes().to_vec()));
        }
        self.exchange(&out, &expected)
    }

    fn exchange(&mut self, out: &[u8], expected: &[(Expect, Vec<u8>)]) -> Vec<Reply<'static>> {
        self.socket.write_all(out).unwrap();
        let Connection { decoder, input } = &mut self.connection;
        let mut replies = Vec::new();
        let mut chunk = vec![0; 1 << 20];
        for (expect, key) in expected {
            loop {
                if let Some(reply) = decoder.decode(expect, key, input).unwrap() {
                    replies.push(own(reply));
                    break;
                }
                let room = input.spare().len().min(chunk.len());
                let count = self.socket.read(&mut chunk[..room]).unwrap();
                assert!(count > 0, "the server has closed the connection");
                assert!(read(input, &chunk[..count]).is_empty());
            }
        }
        assert!(input.is_empty());
        replies
    }

    fn ask(&mut self, request: Request<'_>) -> Reply<'static> {
        self.pipeline(&[request]).remove(0)
    }

    fn get(&mut self, key: Key<'_>) -> Reply<'static> {
        self.ask(Request::Get { key, cas: false, exptime: None })
    }

    fn store(&mut self, key: Key<'_>, mode: StoreMode, value: &[u8]) -> Reply<'static> {
        self.ask(Request::Store { key, mode, value, flags: 9, exptime: 0 })
    }

    fn cas(&mut self, key: Key<'_>) -> u64 {
        match self.ask(Request::Get { key, cas: true, exptime: None }) {
            Reply::Value { cas, .. } => cas,
            other => panic!("{other:?}"),
        }
    }
}

fn key(name: &str) -> Key<'_> {
    Key::parse(name.as_bytes()).unwrap()
}

fn value(bytes: &[u8], flags: u32) -> Reply<'static> {
    Reply::Value { value: Value::Whole(bytes.to_vec().into()), flags, cas: 0 }
}

fn kind(reply: Reply<'_>) -> FaultKind {
    match reply {
        Reply::Fault(Fault { kind, .. }) => kind,
        other => panic!("{other:?}"),
    }
}

/// Runs a test once per dialect, each on a connection of its own to a server of its own.
fn in_both_dialects(test: impl Fn(&mut Client)) {
    for dialect in [Dialect::Meta, Dialect::Classic] {
        let server = Server::start();
        test(&mut server.connect(dialect));
    }
}

#[test]
fn values_come_back_as_they_were_stored() {
    in_both_dialects(|client| {
        let k = Key::parse_in(b"prefix:", b"k", KeyEncoding::Text).unwrap();
        assert_eq!(client.get(k), Reply::Miss);
        let binary: Vec<u8> = (0..=255).collect();
        for bytes in [&b""[..], b"hello", b"\r\nEND\r\n", &binary] {
            assert_eq!(client.store(k, StoreMode::Set, bytes), Reply::Done);
            assert_eq!(client.get(k), value(bytes, 9));
        }
        assert_eq!(client.ask(Request::Delete { key: k }), Reply::Done);
        assert_eq!(client.ask(Request::Delete { key: k }), Reply::Miss);
        let request = Request::Store { key: k, mode: StoreMode::Set, value: b"", flags: u32::MAX, exptime: 100 };
        assert_eq!(client.ask(request), Reply::Done);
        assert_eq!(client.get(k), value(b"", u32::MAX));
    });
}

#[test]
fn values_of_every_size_come_back_whole() {
    in_both_dialects(|client| {
        for length in [4000, 4096, 5000, 16_381, 16_382, 16_383, 16_384, 20_000, 65_536, 100_000, 1_000_000] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            assert_eq!(client.store(key("k"), StoreMode::Set, &bytes), Reply::Done);
            assert_eq!(client.get(key("k")), value(&bytes, 9), "{length} bytes");
        }
    });
}

#[test]
fn every_mode_of_storing_has_its_outcomes() {
    in_both_dialects(|client| {
        let k = key("k");
        assert_eq!(client.store(k, StoreMode::Replace, b"x"), Reply::NotStored);
        assert_eq!(client.store(k, StoreMode::Append, b"x"), Reply::NotStored);
        assert_eq!(client.store(k, StoreMode::Prepend, b"x"), Reply::NotStored);
        assert_eq!(client.store(k, StoreMode::Cas(1), b"x"), Reply::Miss);
        assert_eq!(client.store(k, StoreMode::Add, b"2"), Reply::Done);
        assert_eq!(client.store(k, StoreMode::Add, b"x"), Reply::NotStored);
        let request = |mode, value| Request::Store { key: k, mode, value, flags: 1234, exptime: -1 };
        assert_eq!(client.ask(request(StoreMode::Append, b"3")), Reply::Done);
        assert_eq!(client.ask(request(StoreMode::Prepend, b"1")), Reply::Done);
        assert_eq!(client.get(k), value(b"123", 9), "appending leaves flags and exptime alone");
        let token = client.cas(k);
        assert_eq!(client.store(k, StoreMode::Cas(token + 1), b"x"), Reply::Exists);
        assert_eq!(client.store(k, StoreMode::Cas(token), b"new"), Reply::Done);
        assert_eq!(client.store(k, StoreMode::Cas(token), b"x"), Reply::Exists);
        assert_eq!(client.get(k), value(b"new", 9));
        assert_eq!(client.store(k, StoreMode::Replace, b"newer"), Reply::Done);
        assert_eq!(client.get(k), value(b"newer", 9));
    });
}

#[test]
fn counters_count_and_wrap_and_stop_at_zero() {
    in_both_dialects(|client| {
        let k = key("k");
        let arith = |up, delta| Request::Arith { key: k, up, delta, initial: None };
        assert_eq!(client.ask(arith(true, 1)), Reply::Miss);
        client.store(k, StoreMode::Set, b"100");
        assert_eq!(client.ask(arith(false, 1)), Reply::Number(99));
        assert_eq!(client.get(k), value(b"99 ", 9));
        assert_eq!(client.ask(arith(true, 0)), Reply::Number(99));
        assert_eq!(client.ask(arith(false, 1000)), Reply::Number(0));
        client.store(k, StoreMode::Set, b"18446744073709551615");
        assert_eq!(client.ask(arith(true, 0)), Reply::Number(u64::MAX));
        assert_eq!(client.ask(arith(true, 2)), Reply::Number(1));
        client.store(k, StoreMode::Set, b"many");
        assert_eq!(kind(client.ask(arith(true, 1))), FaultKind::NotNumeric);
        assert_eq!(client.get(k), value(b"many", 9), "the connection is in step");
    });
}

#[test]
fn an_exptime_can_be_given_while_reading_and_without() {
    in_both_dialects(|client| {
        let k = key("k");
        assert_eq!(client.ask(Request::Touch { key: k, exptime: 10 }), Reply::Miss);
        assert_eq!(client.ask(Request::Get { key: k, cas: false, exptime: Some(10) }), Reply::Miss);
        client.store(k, StoreMode::Set, b"v");
        assert_eq!(client.ask(Request::Touch { key: k, exptime: 10 }), Reply::Done);
        assert_eq!(client.ask(Request::Get { key: k, cas: false, exptime: Some(0) }), value(b"v", 9));
        assert_eq!(client.ask(Request::Get { key: k, cas: false, exptime: Some(-1) }), value(b"v", 9));
        assert_eq!(client.get(k), Reply::Miss, "it has expired");
        client.store(k, StoreMode::Set, b"v");
        let Reply::Value { cas, .. } = client.ask(Request::Get { key: k, cas: true, exptime: Some(-1) }) else { panic!() };
        assert!(cas > 0);
        assert_eq!(client.get(k), Reply::Miss);
    });
}

#[test]
fn a_value_that_the_server_refuses_leaves_the_connection_in_step() {
    in_both_dialects(|client| {
        let too_large = vec![b'x'; 2 << 20];
        assert_eq!(kind(client.store(key("k"), StoreMode::Set, &too_large)), FaultKind::TooLarge);
        assert_eq!(client.store(key("k"), StoreMode::Set, b"small"), Reply::Done);
        assert_eq!(client.get(key("k")), value(b"small", 9));
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    in_both_dialects(|client| {
        let names: Vec<String> = (0..500).map(|at| format!("key:{at}")).collect();
        let large = vec![b'x'; 30_000];
        let body = |at: usize, name: &'_ String| if at % 50 == 0 { large.clone() } else { name.as_bytes().to_vec() };
        for (at, name) in names.iter().enumerate().filter(|(at, _)| at % 3 != 0) {
            assert_eq!(client.store(key(name), StoreMode::Set, &body(at, name)), Reply::Done);
        }
        let requests: Vec<_> = names.iter().map(|name| Request::Get { key: key(name), cas: false, exptime: None }).collect();
        let expected = |at: usize| if at % 3 == 0 { Reply::Miss } else { value(&body(at, &names[at]), 9) };
        for (at, reply) in client.pipeline(&requests).into_iter().enumerate() {
            assert_eq!(reply, expected(at), "{at}");
        }
        for end in [names.len(), names.len() - 2, 2, 1] {
            for (at, reply) in client.get_many(&names[..end]).into_iter().enumerate() {
                assert_eq!(reply, expected(at), "{at} of {end} with one command");
            }
        }
    });
}

#[test]
fn administrative_requests_are_answered() {
    in_both_dialects(|client| {
        let Reply::Version(text) = client.ask(Request::Version) else { panic!() };
        assert!(Version::parse(text).is_some(), "{text}");
        assert_eq!(client.ask(Request::Verbosity { level: 0 }), Reply::Done);
        client.store(key("k"), StoreMode::Set, b"value");
        let mut stats = |words| match client.ask(Request::Stats { argument: words }) {
            Reply::Stats(list) => list,
            other => panic!("{other:?}"),
        };
        let general = stats(None);
        assert!(general.contains(&("curr_items".to_owned(), "1".to_owned())));
        assert!(general.contains(&("version".to_owned(), text.to_owned())));
        assert!(stats(Argument::parse("settings")).iter().any(|(name, _)| name == "maxconns"));
        assert!(stats(Argument::parse("items")).contains(&("items:1:number".to_owned(), "1".to_owned())));
        assert!(stats(Argument::parse("reset")).is_empty());
        assert_eq!(kind(client.ask(Request::Stats { argument: Argument::parse("bogus") })), FaultKind::UnknownCommand);
        assert_eq!(client.ask(Request::FlushAll { delay: 100 }), Reply::Done);
        assert_eq!(client.get(key("k")), value(b"value", 9));
        assert_eq!(client.ask(Request::FlushAll { delay: 0 }), Reply::Done);
        assert_eq!(client.get(key("k")), Reply::Miss);
    });
}

#[test]
fn meta_makes_counters_and_tells_what_it_knows_of_an_item() {
    let server = Server::start();
    let client = &mut server.connect(Dialect::Meta);
    let (forever, k) = (key("forever"), key("k"));
    let arith = |key, exptime| Request::Arith { key, up: true, delta: 5, initial: Some(Initial { value: 7, exptime }) };
    assert_eq!(client.ask(Request::Metadata { key: k }), Reply::Miss);
    assert_eq!(client.ask(arith(k, 100)), Reply::Number(7));
    assert_eq!(client.ask(arith(k, 100)), Reply::Number(12));
    assert_eq!(client.ask(arith(forever, 0)), Reply::Number(7));
    let mut metadata = |key| match client.ask(Request::Metadata { key }) {
        Reply::Metadata(metadata) => metadata,
        other => panic!("{other:?}"),
    };
    let ttl = metadata(k).ttl.unwrap();
    assert!((90..=100).contains(&ttl), "{ttl}");
    let found = metadata(forever);
    assert_eq!(found.ttl, None);
    assert!(found.cas > 0 && found.size > 40 && found.slab_class > 0 && found.idle < 60 && !found.fetched);
    client.get(forever);
    let Reply::Metadata(found) = client.ask(Request::Metadata { key: forever }) else { panic!() };
    assert!(found.fetched);
}

#[test]
fn keys_of_any_bytes_travel_in_base64() {
    let server = Server::start();
    let client = &mut server.connect(Dialect::Meta);
    let longest: Vec<u8> = (0..186).map(|at| at as u8).collect();
    for raw in [&b"a b\r\nflush_all\r\n\0"[..], b"\xff", &longest] {
        let k = Key::parse_in(&raw[..1], &raw[1..], KeyEncoding::Base64).unwrap();
        assert_eq!(client.get(k), Reply::Miss);
        assert_eq!(client.store(k, StoreMode::Set, b"1"), Reply::Done);
        assert_eq!(client.get(k), value(b"1", 9));
        assert_eq!(client.ask(Request::Arith { key: k, up: true, delta: 1, initial: None }), Reply::Number(2));
        assert_eq!(client.ask(Request::Touch { key: k, exptime: 50 }), Reply::Done);
        assert!(matches!(client.ask(Request::Metadata { key: k }), Reply::Metadata(_)));
        assert_eq!(client.ask(Request::Delete { key: k }), Reply::Done);
        assert_eq!(client.get(k), Reply::Miss);
    }
}

#[test]
fn the_probe_finds_meta_when_the_version_has_it() {
    let server = Server::start();
    let client = &mut server.connect(Dialect::Meta);
    let Reply::Version(text) = client.ask(Request::Version) else { panic!() };
    let expected = Version::parse(text).unwrap().speaks_meta().then_some(Dialect::Meta);
    assert_eq!(client.ask(Request::Probe { key: key("nobody-stores-this") }), Reply::Probed(expected));
}
