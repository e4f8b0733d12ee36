//! Many threads on one client: nobody waits for ever, and nobody for another connection's reply. Whether each gets what is its
//! own is the subject of the hunt.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;
use std::time::Duration;

use cmemcache::{Config, Exptime};
use support::{client, config, Memcached, Peer};

/// Each batch holds a connection of one server while it waits for one of the other; none waits for ever.
#[test]
fn batches_over_two_servers_never_wait_for_each_other() {
    let servers = [Memcached::start(), Memcached::start()];
    let options = Config { max_connections: 1, ..support::configs(servers.iter().map(Memcached::address)) };
    let shared = client(Config { timeout: Duration::from_secs(20), ..options });
    let all = support::keys("k", 40);
    let entries: Vec<_> = all.iter().map(|key| (key, key, 0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (shared, all, entries) = (&shared, &all, &entries);
            scope.spawn(move || {
                for _ in 0..100 {
                    assert!(shared.set_multi(entries, Exptime::Never).unwrap().iter().all(Result::is_ok));
                    for (key, item) in all.iter().zip(shared.get_multi(all).unwrap()) {
                        assert_eq!(item.unwrap().unwrap().value, key.as_bytes());
                    }
                }
            });
        }
    });
}

#[test]
fn a_slow_reply_holds_up_its_own_connection_only() {
    let quick_are_done = Arc::new(AtomicBool::new(false));
    let may_answer = quick_are_done.clone();
    let peer = Peer::meta(move |session| loop {
        let asked = session.ask()?;
        if asked.key() == "slow" {
            session.wait_for(|| may_answer.load(SeqCst))?;
        }
        session.send(&asked.echo())?;
    });
    let shared = client(Config { max_connections: 2, ..config(&peer.address()) });
    let slow = std::thread::spawn({
        let shared = shared.clone();
        move || shared.get("slow")
    });
    peer.has_heard("mg slow ");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let shared = &shared;
            scope.spawn(move || {
                for number in 0..20 {
                    let key = format!("quick{thread}:{number}");
                    assert_eq!(shared.get(&key).unwrap().unwrap().value, key);
                }
            });
        }
    });
    assert!(!slow.is_finished());
    quick_are_done.store(true, SeqCst);
    assert_eq!(slow.join().unwrap().unwrap().unwrap().value, "slow");
    assert_eq!(peer.accepted(), 2);
}
