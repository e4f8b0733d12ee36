//! The queue of a server's callers under many orders of events, chosen by a checker: `make model`.
//!
//! Clients, lanes, tickets and sockets are the real ones; locks, threads and waiting are the checker's (`sync.rs`). It runs one
//! thread at a time and chooses at each lock, wake-up and wait who goes on, so that orders come up which a processor makes once
//! in a month. A caller that is woken by nobody keeps waiting, for time does not pass; that, too, is then seen.

use std::io::{ErrorKind as IoKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shuttle::rand::{thread_rng, Rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::thread::{spawn, yield_now, JoinHandle};
use shuttle::{Config as Checker, MaxSteps, Runner};

use super::{Lane, Server, Step, Work};
use crate::conn::wait::{Deadline, Interests};
use crate::key::Key;
use crate::proto::{Reply, Request, Value};
use crate::{Client, Config, ErrorKind, Spin, WireProtocol};

/// Orders that are tried of each scene, half of them at random, half with few changes of the thread that runs (PCT).
const SCHEDULES: usize = 10_000;

/// A caller waits no longer: it has been forgotten.
const STEPS: usize = 20_000;

const HOUR: Duration = Duration::from_secs(3600);

/// A server's end of every connection, in one thread of the model. Each value is its key.
struct Peer {
    listener: UnixListener,
    streams: Vec<Stream>,
    /// Whether it closes connections instead of answering, now and then.
    breaks: bool,
}

struct Stream {
    socket: UnixStream,
    heard: Vec<u8>,
    to_say: Vec<u8>,
}

impl Peer {
    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Relaxed) {
            while let Ok((socket, _)) = self.listener.accept() {
                socket.set_nonblocking(true).unwrap();
                self.streams.push(Stream { socket, heard: Vec::new(), to_say: Vec::new() });
            }
            let breaks = self.breaks;
            self.streams.retain_mut(|stream| stream.serve(breaks));
            yield_now();
        }
    }
}

impl Stream {
    /// Reads, and says a part of what it has to say; false when the connection is over.
    fn serve(&mut self, breaks: bool) -> bool {
        let mut bytes = [0; 512];
        match self.socket.read(&mut bytes) {
            Ok(0) => return false,
            Ok(count) => self.heard.extend_from_slice(&bytes[..count]),
            Err(fault) if fault.kind() == IoKind::WouldBlock => {}
            Err(_) => return false,
        }
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            self.to_say.extend(answer(std::str::from_utf8(&line).unwrap()).into_bytes());
        }
        if self.to_say.is_empty() {
            return true;
        }
        if breaks && thread_rng().gen_ratio(1, 4) {
            return false;
        }
        let part = thread_rng().gen_range(1..=self.to_say.len());
        let said: Vec<u8> = self.to_say.drain(..part).collect();
        self.socket.write_all(&said).is_ok()
    }
}

fn answer(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let opaque = words.last().unwrap();
    match words[0] {
        "mg" => format!("VA {} f0 {opaque}\r\n{}\r\n", words[1].len(), words[1]),
        "md" => format!("HD {opaque}\r\n"),
        "get" => {
            let value = |key: &&str| format!("VALUE {key} 0 {}\r\n{key}\r\n", key.len());
            words[1..].iter().map(value).chain(["END\r\n".into()]).collect()
        }
        _ => panic!("{line:?}"),
    }
}

/// What one schedule runs on: a client with one server.
struct Scene {
    client: Client,
    peer: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    callers: Vec<JoinHandle<()>>,
}

impl Scene {
    fn new(listener: &UnixListener, max_connections: u32, breaks: bool) -> Self {
        let listener = listener.try_clone().unwrap();
        let path = listener.local_addr().unwrap().as_pathname().unwrap().display().to_string();
        let config = Config {
            protocol: WireProtocol::Meta,
            timeout: HOUR,
            connect_timeout: HOUR,
            dead_retry: Duration::ZERO,
            failure_limit: 1000,
            max_connections,
            spin: Spin::Off,
            ..Config::new([format!("unix:{path}")]).unwrap()
        };
        let stop = Arc::new(AtomicBool::new(false));
        let peer = Peer { listener, streams: Vec::new(), breaks };
        let stopped = stop.clone();
        let peer = spawn(move || peer.run(&stopped));
        Self { client: Client::new(config).unwrap(), peer, stop, callers: Vec::new() }
    }

    fn server(&self) -> Arc<Server> {
        self.client.cluster().unwrap().servers()[0].clone()
    }

    /// Somebody else who calls at the same time.
    fn add(&mut self, caller: impl FnOnce(Client) + Send + 'static) {
        let client = self.client.clone();
        self.callers.push(spawn(move || caller(client)));
    }

    /// Waits for all callers; then every connection is idle, counted once, and nobody waits.
    fn end(self) {
        let server = self.server();
        self.callers.into_iter().for_each(|caller| caller.join().unwrap());
        self.stop.store(true, Relaxed);
        self.peer.join().unwrap();
        server.pool.assert_at_rest();
    }
}

/// A caller with all the time in the world. `may_fail`: others break or close what it uses.
fn patient(client: &Client, name: &str, may_fail: bool) {
    let outcome = match thread_rng().gen_range(0..4) {
        0 => client.delete(name).map(|found| assert!(found)),
        1 => {
            let keys = [format!("{name}-1"), format!("{name}-2")];
            client.get_multi(&keys).map(|found| {
                for (key, item) in keys.iter().zip(found) {
                    match item {
                        Ok(item) => assert_eq!(item.unwrap().value, key.as_bytes()),
                        Err(error) => forgive(&error, may_fail),
                    }
                }
            })
        }
        _ => client.get(name).map(|item| assert_eq!(item.unwrap().value, name.as_bytes())),
    };
    if let Err(error) = outcome {
        forgive(&error, may_fail);
    }
}

fn forgive(error: &crate::Error, may_fail: bool) {
    let kinds = [ErrorKind::Disconnected, ErrorKind::Closed, ErrorKind::ServerDown];
    assert!(may_fail && kinds.contains(&error.kind()), "{error:?}");
}

/// A caller who leaves at any moment, or asks for one more connection before.
fn hasty(server: Arc<Server>, name: &str) {
    let mut work = Reading { key: Key::parse(name.as_bytes()).unwrap(), replies: 0 };
    let mut now = Instant::now();
    let deadline = Deadline { at: now + HOUR, total: HOUR };
    let mut lane = Lane::sole(server.clone(), &work, now);
    let mut interests = Interests::default();
    while !lane.is_done() {
        interests.clear();
        if lane.step(&mut work, now, &deadline, &mut interests) != Step::Moved {
            yield_now();
            if thread_rng().gen_ratio(1, 3) {
                now = deadline.at;
            } else if thread_rng().gen_ratio(1, 3) {
                server.pool.relieve(now);
            }
        }
    }
    assert_eq!(work.replies == 0, lane.ended().is_some(), "a reply, or why there is none");
}

struct Reading<'k> {
    key: Key<'k>,
    replies: usize,
}

impl<'k> Work<'k> for Reading<'k> {
    fn request(&self, _lane: usize, _index: usize) -> Request<'k> {
        Request::Get { key: self.key, cas: false, exptime: None }
    }

    fn reply(&mut self, _lane: usize, _index: usize, reply: Reply<'_>, _server: &Arc<str>) {
        let Reply::Value { value, .. } = reply else { panic!("{reply:?}") };
        let bytes: &[u8] = match &value {
            Value::Inline(bytes) => bytes,
            Value::Whole(bytes) => bytes,
        };
        assert_eq!(bytes, self.key.name(), "another caller's value");
        self.replies += 1;
    }

    fn is_read(&self) -> bool {
        true
    }
}

/// Runs a scene in many orders, the same ones each time; `MODEL_SCHEDULES` for more of them.
fn explore(name: &str, scene: impl Fn(&UnixListener) + Send + Sync + 'static) {
    let folder = std::env::temp_dir().join(format!("cmemcache-model-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let schedules = std::env::var("MODEL_SCHEDULES").map_or(SCHEDULES, |text| text.parse().unwrap());
    let (scene, listener) = (Arc::new(scene), Arc::new(listener));
    let run = |scheduler: Box<dyn Scheduler + Send>| {
        let (scene, listener) = (scene.clone(), listener.clone());
        let mut checker = Checker::new();
        checker.stack_size = 256 * 1024;
        checker.max_steps = MaxSteps::FailAfter(STEPS);
        Runner::new(scheduler, checker).run(move || scene(&listener))
    };
    let begun = Instant::now();
    let tried = run(Box::new(RandomScheduler::new_from_seed(0x5eed, schedules / 2)))
        + run(Box::new(PctScheduler::new_from_seed(0x5eed, 3, schedules / 2)));
    std::fs::remove_file(&path).unwrap();
    let _ = std::fs::remove_dir(&folder);
    println!("{name}: {tried} schedules in {:.1} s", begun.elapsed().as_secs_f64());
}

/// How many connections there may be. Of two a crowd shares one, while the other may lie idle.
fn one_or_two() -> u32 {
    thread_rng().gen_range(1..=2)
}

#[test]
fn every_caller_gets_its_own_reply() {
    explore("patience", |listener| {
        let mut scene = Scene::new(listener, one_or_two(), false);
        for caller in ["a", "b", "c", "d"] {
            scene.add(move |client| (0..2).for_each(|round| patient(&client, &format!("{caller}{round}"), false)));
        }
        scene.end();
    });
}

#[test]
fn what_is_handed_to_one_who_leaves_goes_to_the_next() {
    explore("haste", |listener| {
        let mut scene = Scene::new(listener, one_or_two(), false);
        let server = scene.server();
        for caller in ["a", "b"] {
            scene.add(move |client| (0..2).for_each(|round| patient(&client, &format!("{caller}{round}"), false)));
            let server = server.clone();
            scene.add(move |_| (0..2).for_each(|round| hasty(server.clone(), &format!("hasty-{caller}{round}"))));
        }
        scene.end();
    });
}

#[test]
fn no_caller_is_forgotten_when_connections_break_and_are_closed() {
    explore("faults", |listener| {
        let mut scene = Scene::new(listener, 2, true);
        let server = scene.server();
        for caller in ["a", "b", "c"] {
            scene.add(move |client| (0..2).for_each(|round| patient(&client, &format!("{caller}{round}"), true)));
        }
        scene.add(move |_| {
            hasty(server.clone(), "hasty");
            server.disconnect();
        });
        scene.end();
    });
}

#[test]
fn all_are_told_when_the_client_is_closed() {
    explore("close", |listener| {
        let mut scene = Scene::new(listener, 1, false);
        let server = scene.server();
        for caller in ["a", "b"] {
            scene.add(move |client| (0..2).for_each(|round| patient(&client, &format!("{caller}{round}"), true)));
        }
        let leaves = server.clone();
        scene.add(move |_| hasty(leaves, "hasty"));
        let closes = server.clone();
        scene.add(move |_| closes.close());
        scene.end();
        assert_eq!(server.pool.open_connections(), 0);
    });
}
