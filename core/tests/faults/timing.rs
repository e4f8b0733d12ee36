//! Deadlines: the whole call ends in time, whatever keeps it busy.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cmemcache::{Client, Config, Create, ErrorKind, Exptime, Phase, Spin, WireProtocol};

use crate::support::{client, config, eventually, failure, within, Asked, Blackhole, Memcached, Peer, SLACK};
use crate::{millis, single, text};

#[test]
fn a_value_that_never_ends_keeps_no_call_beyond_its_deadline() {
    let peer = Peer::meta(|session| {
        let miss = session.ask()?.code("EN");
        session.send(&miss)?;
        let asked = session.ask()?;
        session.send(format!("VA {} f0 {}\r\n", 1 << 30, asked.opaque()).as_bytes())?;
        let zeros = vec![0; 1 << 20];
        // Whole gigabytes, as fast as they are taken.
        loop {
            session.send(&zeros)?;
        }
    });
    let patient = single(&peer);
    // Too short for a gigabyte on any machine; a busy one may not even have sent the request by then.
    let hasty = patient.with_timeout(millis(100)).unwrap();
    let ends_while_reading = || {
        assert_eq!(patient.get("k").unwrap(), None);
        let hasty = hasty.clone();
        let error = failure(within(millis(100) + SLACK, move || hasty.get("k")), ErrorKind::Timeout);
        error.phase() == Some(Phase::Read)
    };
    assert!((0..10).any(|_| ends_while_reading()));
}

#[test]
fn a_value_that_comes_drop_by_drop_keeps_no_call_beyond_its_deadline() {
    let peer = Peer::meta(|session| {
        let asked = session.ask()?;
        session.send(format!("VA 100000 f0 {}\r\n", asked.opaque()).as_bytes())?;
        loop {
            session.send(b"x")?;
            session.pause(millis(5));
        }
    });
    let client = single(&peer).with_timeout(millis(1000)).unwrap();
    failure(within(millis(1000) + SLACK, move || client.get("k")), ErrorKind::Timeout);
}

#[test]
fn a_server_that_stops_reading_keeps_no_call_beyond_its_deadline() {
    let peer = Peer::meta(|session| {
        session.limit_buffers(4096)?;
        session.pause(Duration::from_secs(10));
        Ok(())
    });
    let client = client(Config { max_value_size: 0, timeout: millis(1000), ..config(&peer.address()) });
    let value = vec![0; 32 << 20];
    let set = {
        let client = client.clone();
        move || client.set("k", value, 0, Exptime::Never)
    };
    let error = failure(within(millis(1000) + SLACK, set), ErrorKind::Timeout);
    assert_eq!(error.phase(), Some(Phase::Write));
    assert!(error.is_outcome_unknown());
    // What was written in part cannot be taken back: the connection is closed.
    assert_eq!(client.metrics()[0].connections, 0);
}

/// The classic protocol takes several requests to make a counter: one deadline holds for them together.
#[test]
fn the_requests_that_make_a_counter_share_one_deadline() {
    let peer = Peer::classic(|session| loop {
        let asked = session.ask()?;
        session.pause(millis(280));
        session.send(if asked.command() == "add" { b"NOT_STORED\r\n" } else { b"NOT_FOUND\r\n" })?;
    });
    let client = single(&peer).with_timeout(millis(600)).unwrap();
    let create = Some(Create { initial: 1, exptime: Exptime::Never });
    failure(within(millis(600) + SLACK, move || client.incr("k", 1, create)), ErrorKind::Timeout);
}

#[test]
fn callers_beyond_the_limit_of_connections_wait_no_longer_than_their_deadline() {
    let (peer, answers) = gated(1);
    let busy = single(&peer);
    let holder = std::thread::spawn({
        let busy = busy.clone();
        move || busy.get("holder")
    });
    peer.has_heard("mg holder ");
    let hasty = busy.with_timeout(millis(100)).unwrap();
    // A request that needs a connection of its own, and one that shares.
    let version = {
        let hasty = hasty.clone();
        move || hasty.version().unwrap().remove(0).reply
    };
    let error = failure(within(millis(100) + SLACK, version), ErrorKind::Timeout);
    assert_eq!(error.phase(), Some(Phase::Queue));
    assert_eq!(error.message(), format!("timed out waiting for a connection to {} after 100 ms", peer.address()));
    assert!(!error.is_outcome_unknown());
    let error = failure(within(millis(100) + SLACK, move || hasty.get("k")), ErrorKind::Timeout);
    assert_eq!(error.phase(), Some(Phase::Queue));
    answers.store(1, SeqCst);
    assert_eq!(holder.join().unwrap().unwrap().unwrap().value, "holder");
    assert_eq!(busy.metrics()[0].in_flight, 0);
}

/// A peer that answers the first requests of a connection, `limited` many, only as far as it may.
fn gated(limited: usize) -> (Peer, Arc<AtomicUsize>) {
    let answers = Arc::new(AtomicUsize::new(0));
    let own = answers.clone();
    let peer = Peer::meta(move |session| {
        for answered in 0.. {
            let asked = session.ask()?;
            session.wait_for(|| answered >= limited || own.load(SeqCst) > answered)?;
            session.send(&asked.echo())?;
        }
        Ok(())
    });
    (peer, answers)
}

/// When the caller that drives a connection gives up, those whose replies are owed on it drive on.
#[test]
fn a_driver_that_gives_up_hands_the_connection_over() {
    let (peer, answers) = gated(2);
    let client = single(&peer);
    let call = |key: &'static str, client: Client| std::thread::spawn(move || client.get(key));
    let first = call("first", client.clone());
    peer.has_heard("mg first ");
    let hasty = call("hasty", client.with_timeout(millis(2000)).unwrap());
    eventually(SLACK, || client.metrics()[0].in_flight == 2);
    std::thread::sleep(millis(50));
    let patient = ["a", "b", "c"].map(|key| (key, call(key, client.clone())));
    eventually(SLACK, || client.metrics()[0].in_flight == 5);
    std::thread::sleep(millis(50));
    // The requests that gathered meanwhile come together; their replies are late for the first of them.
    answers.store(1, SeqCst);
    assert_eq!(first.join().unwrap().unwrap().unwrap().value, "first");
    let error = failure(hasty.join().unwrap(), ErrorKind::Timeout);
    assert!(error.is_outcome_unknown(), "{error:?}");
    answers.store(usize::MAX, SeqCst);
    for (key, call) in patient {
        assert_eq!(call.join().unwrap().unwrap().unwrap().value, key);
    }
    assert_eq!(peer.accepted(), 1, "the connection was never in doubt");
    assert_eq!(text(&client, "next"), "next");
    assert_eq!(peer.accepted(), 1);
}

extern "C" fn interrupted(_: i32) {}

/// A host program's signals interrupt system calls at any moment; they are none of the server's failures.
#[test]
fn signals_do_not_break_calls() {
    let handler: extern "C" fn(i32) = interrupted;
    // SAFETY: the handler does nothing. Without SA_RESTART every system call is interrupted that can be.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
    }
    let server = Memcached::start();
    for protocol in [WireProtocol::Auto, WireProtocol::Classic] {
        let client = client(Config { protocol, ..config(&server.address()) });
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (client, done) = (&client, &done);
            // SAFETY: no more than a question.
            let target = unsafe { libc::pthread_self() };
            scope.spawn(move || {
                while !done.load(SeqCst) {
                    // SAFETY: the thread outlives the scope of this one.
                    unsafe { libc::pthread_kill(target, libc::SIGUSR1) };
                    std::hint::spin_loop();
                }
            });
            let begun = Instant::now();
            let outcomes: Vec<_> = (0..)
                .take_while(|rounds| *rounds < 3 || begun.elapsed() < millis(700))
                .flat_map(|_| {
                    client.disconnect_all();
                    let set = client.set("k", vec![b'x'; 100_000], 0, Exptime::Never).map(drop);
                    let get = client.get("k").map(|item| assert_eq!(item.unwrap().value.len(), 100_000));
                    [set, get]
                })
                .collect();
            let hole = Blackhole::start();
            let spin = Spin::Fixed(millis(1));
            let unreachable = crate::client(Config { spin, connect_timeout: millis(200), ..config(&hole.address()) });
            failure(unreachable.get("k"), ErrorKind::Timeout);
            done.store(true, SeqCst);
            let failed: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
            assert!(failed.is_empty(), "{} of {}: {:?}", failed.len(), outcomes.len(), failed[0]);
        });
    }
}

#[test]
fn answers_that_come_just_before_the_deadline_count() {
    let peer = Peer::meta(|session| loop {
        let asked: Asked = session.ask()?;
        session.pause(millis(100));
        session.send(&asked.echo())?;
    });
    let client = single(&peer).with_timeout(Duration::from_secs(2)).unwrap();
    for _ in 0..3 {
        assert_eq!(text(&client, "k"), "k");
    }
}

/// What a process that was stopped finds when it goes on: its deadline has passed, and its reply has long been there.
#[test]
fn a_reply_that_came_in_time_counts_although_its_caller_was_held_up() {
    const CALLER: &str = "CMEMCACHE_HELD_UP_CALLER";
    if let Ok(address) = std::env::var(CALLER) {
        let client = client(Config { timeout: millis(1500), ..config(&address) });
        return assert_eq!(text(&client, "k"), "k");
    }
    let peer = Peer::meta(|session| loop {
        let asked = session.ask()?;
        session.pause(millis(700));
        session.send(&asked.echo())?;
    });
    let name = "timing::a_reply_that_came_in_time_counts_although_its_caller_was_held_up";
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let mut caller = command.args(["--exact", name, "--nocapture"]).env(CALLER, peer.address()).spawn().unwrap();
    peer.has_heard("mg k ");
    let signal = |signal| {
        // SAFETY: a signal to a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(caller.id() as i32, signal) }, 0);
    };
    signal(libc::SIGSTOP);
    std::thread::sleep(millis(2500));
    signal(libc::SIGCONT);
    assert!(caller.wait().unwrap().success(), "it timed out");
}
