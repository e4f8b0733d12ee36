//! A process that forks while its threads are busy: parent and child each keep to sockets of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use cmemcache::{Client, Config, Exptime, StoreOutcome, WireProtocol};
use support::{client, config, Memcached};

const FORKS: u32 = 40;

/// Runs `child` in a forked child, which ends with the code that it returns; 101 when it panics.
fn fork(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs nothing of the test harness and ends with _exit. That it may allocate and lock although threads of
    // the parent were doing the same is what is under test, together with the system's own promises for malloc.
    match unsafe { libc::fork() } {
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(101);
            // SAFETY: ends this process and nothing else.
            unsafe { libc::_exit(code) }
        }
        pid => {
            assert!(pid > 0, "{}", std::io::Error::last_os_error());
            pid
        }
    }
}

/// Waits for a child, which has to end within 60 s.
fn wait(pid: i32) -> i32 {
    let begun = Instant::now();
    let mut status = 0;
    loop {
        // SAFETY: waits for a child of this process.
        match unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } {
            0 if begun.elapsed() < Duration::from_secs(60) => std::thread::sleep(Duration::from_millis(1)),
            0 => {
                // SAFETY: a child that has not been waited for, so that its id is still its own.
                unsafe { libc::kill(pid, libc::SIGKILL) };
                // SAFETY: as above; it ends now.
                unsafe { libc::waitpid(pid, &mut status, 0) };
                panic!("the child hangs");
            }
            ended => {
                assert_eq!(ended, pid);
                assert!(libc::WIFEXITED(status), "the child was killed: {status:#x}");
                return libc::WEXITSTATUS(status);
            }
        }
    }
}

/// Sets and reads keys of its own; whatever else is read is a foreign value.
fn exercise(client: &Client, name: &str, rounds: u64) {
    for round in 0..rounds {
        let key = format!("{name}:{}", round % 5);
        let value = format!("{key}={round}");
        assert_eq!(client.set(&key, &value, 0, Exptime::Never).unwrap(), StoreOutcome::Stored);
        assert_eq!(client.get(&key).unwrap().unwrap().value, value);
        let items = client.get_multi(&[&key, &key]).unwrap();
        assert!(items.into_iter().all(|item| item.unwrap().unwrap().value == value));
    }
}

/// The sockets that this process has open, by the numbers under which the system knows them.
fn sockets() -> Vec<String> {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:")?.to_owned())).collect()
}

/// One test, because a fork copies the whole process: threads of another test would be part of it.
#[test]
fn a_forked_child_never_touches_its_parents_connections() {
    for protocol in [WireProtocol::Auto, WireProtocol::Classic] {
        let server = Memcached::start();
        let reserved = sockets();
        let client = client(Config { protocol, max_connections: 2, ..config(&server.address()) });
        parent_and_children_are_all_served(&client);
        inherited_sockets_are_closed_and_the_parents_stay_open(&client, &reserved);
        what_a_daemon_opened_in_their_place_stays_open(&client);
        children_of_children_are_served(&client);
        dropping_and_shutting_down_in_the_child_leave_the_parent_alone(&client);
    }
}

fn parent_and_children_are_all_served(client: &Client) {
    let (done, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (done, rounds) = (&done, &rounds);
            scope.spawn(move || {
                while !done.load(SeqCst) {
                    exercise(client, &format!("parent{thread}"), 10);
                    rounds.fetch_add(10, SeqCst);
                }
            });
        }
        let mut running = Vec::new();
        for number in 0..FORKS {
            running.push(fork(|| {
                std::thread::scope(|scope| {
                    for thread in 0..3 {
                        scope.spawn(move || exercise(client, &format!("child{number}.{thread}"), 20));
                    }
                });
                7
            }));
            // Forks at all moments of the parent's calls, with up to four children beside it.
            std::thread::sleep(Duration::from_micros(u64::from(number) * 137 % 3000));
            if running.len() == 4 {
                assert_eq!(wait(running.remove(0)), 7);
            }
        }
        for pid in running {
            assert_eq!(wait(pid), 7);
        }
        done.store(true, SeqCst);
    });
    let metrics = &client.metrics()[0];
    assert!(rounds.into_inner() > 100);
    let failures = [metrics.timeouts, metrics.disconnects, metrics.protocol_errors, metrics.server_errors];
    assert_eq!((failures, metrics.connects), ([0; 4], 2), "the parent's connections were left alone");
}

/// `reserved`: what the test itself has open.
fn inherited_sockets_are_closed_and_the_parents_stay_open(client: &Client, reserved: &[String]) {
    let clients = || sockets().into_iter().filter(|socket| !reserved.contains(socket)).collect::<Vec<_>>();
    exercise(client, "before", 1);
    let parents = clients();
    assert!(!parents.is_empty());
    let pid = fork(|| {
        assert_eq!(clients(), parents);
        exercise(client, "child", 1);
        assert!(clients().iter().all(|socket| !parents.contains(socket)), "{:?} of {parents:?}", clients());
        i32::from(clients().len() != 1)
    });
    assert_eq!(wait(pid), 0);
    exercise(client, "after", 1);
    assert_eq!(clients(), parents);
}

/// A daemon closes all descriptors that it inherited, and what it opens then gets their numbers.
fn what_a_daemon_opened_in_their_place_stays_open(client: &Client) {
    let pid = fork(|| {
        for fd in 3..1000 {
            // SAFETY: nothing in this process uses them any more.
            unsafe { libc::close(fd) };
        }
        let own: Vec<_> = (0..50).map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/proc/self/stat").unwrap()).collect();
        exercise(client, "daemon", 1);
        assert!(own.iter().all(|socket| socket.local_addr().is_ok()));
        assert!(files.iter().all(|file| file.metadata().is_ok()));
        0
    });
    assert_eq!(wait(pid), 0);
    exercise(client, "after", 1);
}

fn children_of_children_are_served(client: &Client) {
    let pid = fork(|| {
        exercise(client, "child", 2);
        let pid = fork(|| {
            exercise(client, "grandchild", 2);
            3
        });
        exercise(client, "child", 2);
        wait(pid) + 1
    });
    exercise(client, "parent", 2);
    assert_eq!(wait(pid), 4);
    exercise(client, "parent", 2);
}

fn dropping_and_shutting_down_in_the_child_leave_the_parent_alone(client: &Client) {
    let other = client.clone();
    let pid = fork(move || {
        drop(other);
        client.disconnect_all();
        client.shutdown();
        i32::from(client.get("k").is_ok())
    });
    assert_eq!(wait(pid), 0);
    exercise(client, "parent", 2);
    assert_eq!(client.metrics()[0].connects, 2);
}
