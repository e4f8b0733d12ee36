//! Changes of a client while its calls are under way.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;

use cmemcache::{Client, Config, ErrorKind, ServerSpec};

use crate::support::{client, config, eventually, failure, keys, Memcached, Peer, SLACK};
use crate::{millis, set, single, text};

/// A peer that answers nothing before it may.
fn slow() -> (Peer, Arc<AtomicBool>) {
    let answers = Arc::new(AtomicBool::new(false));
    let own = answers.clone();
    let peer = Peer::meta(move |session| loop {
        let asked = session.ask()?;
        session.wait_for(|| own.load(SeqCst))?;
        session.send(&asked.echo())?;
    });
    (peer, answers)
}

type Call = std::thread::JoinHandle<cmemcache::Result<Option<cmemcache::Item>>>;

/// Calls of several threads, of which one is on the wire and the others wait for its connection.
fn under_way(client: &Client, peer: &Peer) -> Vec<Call> {
    let call = |number: u32| {
        let client = client.clone();
        std::thread::spawn(move || client.get(format!("k{number}")))
    };
    let mut calls = vec![call(0)];
    peer.has_heard("mg k0 ");
    calls.extend((1..4).map(call));
    eventually(SLACK, || client.metrics()[0].in_flight == 4);
    std::thread::sleep(millis(50));
    calls
}

#[test]
fn calls_under_way_end_normally_when_their_server_is_replaced() {
    let ((peer, answers), server) = (slow(), Memcached::start());
    let client = single(&peer);
    let calls = under_way(&client, &peer);
    client.set_servers(vec![ServerSpec::parse(&server.address(), 1).unwrap()]).unwrap();
    assert_eq!(set(&client, "k", "x").unwrap(), cmemcache::StoreOutcome::Stored);
    answers.store(true, SeqCst);
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(call.join().unwrap().unwrap().unwrap().value, format!("k{number}"));
    }
    eventually(SLACK, || peer.open() == 0);
}

#[test]
fn shutting_down_lets_the_call_on_the_wire_end_and_tells_those_that_wait() {
    let (peer, answers) = slow();
    let client = single(&peer);
    let calls = under_way(&client, &peer);
    client.shutdown();
    failure(client.get("k"), ErrorKind::Closed);
    answers.store(true, SeqCst);
    let outcomes: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
    let (served, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((served.len(), refused.len()), (1, 3));
    for outcome in refused {
        failure(outcome, ErrorKind::Closed);
    }
    eventually(SLACK, || peer.open() == 0);
}

#[test]
fn servers_come_and_go_under_load_without_a_wrong_answer() {
    let servers: Vec<Memcached> = (0..3).map(|_| Memcached::start()).collect();
    let specs: Vec<ServerSpec> = servers.iter().map(|server| ServerSpec::parse(&server.address(), 1).unwrap()).collect();
    let client = client(Config { max_connections: 2, ..config(&servers[0].address()) });
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (client, done) = (&client, &done);
            scope.spawn(move || {
                for key in keys(&format!("t{thread}"), 100).iter().cycle().take_while(|_| !done.load(SeqCst)) {
                    set(client, key, key).unwrap();
                    // The key may have moved to another server since.
                    let read = client.get(key).unwrap();
                    assert!(read.is_none_or(|item| item.value == key.as_bytes()));
                }
            });
        }
        for round in 0..100 {
            client.set_servers(specs[..1 + round % 3].to_vec()).unwrap();
            if round % 10 == 0 {
                client.disconnect_all();
            }
            std::thread::sleep(millis(2));
        }
        done.store(true, SeqCst);
    });
    client.set_servers(specs).unwrap();
    set(&client, "k", "x").unwrap();
    assert_eq!(text(&client, "k"), "x");
    assert!(client.metrics().iter().all(|server| server.connections <= 2 && server.in_flight == 0));
}
