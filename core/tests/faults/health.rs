//! When a server is left alone, when it is asked again, and who serves its keys meanwhile.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cmemcache::{Client, Config, ErrorKind, Exptime, Failover, Phase, ServerState};

use crate::support::{
    client, config, configs, eventually, failure, keys, state, within, Asked, Blackhole, Memcached, Peer, SLACK,
};
use crate::{millis, set, text};

/// A peer that answers only while it is allowed to.
fn moody() -> (Peer, Arc<AtomicBool>) {
    let answers = Arc::new(AtomicBool::new(true));
    let own = answers.clone();
    let peer = Peer::meta(move |session| loop {
        let asked = session.ask()?;
        if own.load(SeqCst) {
            session.send(&asked.echo())?;
        }
    });
    (peer, answers)
}

#[test]
fn a_timeout_makes_suspect_and_only_several_in_a_row_put_down() {
    let (peer, answers) = moody();
    let client = client(Config { timeout: millis(700), ..config(&peer.address()) });
    let patient = client.with_timeout(Duration::from_secs(10)).unwrap();
    for _ in 0..2 {
        answers.store(false, SeqCst);
        for _ in 0..2 {
            failure(client.get("k"), ErrorKind::Timeout);
            assert_eq!(state(&client), ServerState::Suspect);
        }
        answers.store(true, SeqCst);
        assert_eq!(text(&patient, "k"), "k", "it is asked still");
        assert_eq!(state(&client), ServerState::Up);
    }
    answers.store(false, SeqCst);
    for _ in 0..3 {
        failure(client.get("k"), ErrorKind::Timeout);
    }
    assert_eq!(state(&client), ServerState::Down);
    // A busy machine may come to the next call when a probe is due.
    eventually(SLACK, || client.get("k").unwrap_err().kind() == ErrorKind::ServerDown);
    answers.store(true, SeqCst);
    let before = peer.accepted();
    eventually(SLACK, || patient.get("k").is_ok());
    assert_eq!(peer.accepted(), before + 1, "it serves again with the first probe");
}

/// A caller in a hurry learns nothing about the server.
#[test]
fn a_short_deadline_while_connecting_does_not_put_a_server_down() {
    let peer = Peer::start(|session| {
        session.pause(millis(1500));
        session.greet_meta()?;
        session.serve(&Asked::echo)
    });
    let client = client(config(&peer.address()));
    let hasty = client.with_timeout(millis(500)).unwrap();
    let error = failure(hasty.get("k"), ErrorKind::Timeout);
    assert_eq!(error.phase(), Some(Phase::Handshake));
    assert_eq!(state(&client), ServerState::Suspect);
    assert_eq!(text(&client, "k"), "k");
}

#[test]
fn a_server_that_was_killed_and_restarted_serves_again_within_a_second() {
    let mut server = Memcached::start();
    let client = client(config(&server.address()));
    for gone in [0, 30, 300, 1500] {
        set(&client, "k", "x").unwrap();
        server.kill();
        failure(client.get("k"), ErrorKind::ServerDown);
        let begun = Instant::now();
        while begun.elapsed() < millis(gone) {
            failure(client.get("k"), ErrorKind::ServerDown);
            std::thread::sleep(millis(1));
        }
        server.revive();
        let wait = client.metrics()[0].down_for_ms;
        assert!(wait < 1000, "after {gone} ms it would be asked in {wait} ms");
        eventually(SLACK, || client.get("k").is_ok());
        assert_eq!(state(&client), ServerState::Up);
    }
}

#[test]
fn a_silent_server_is_probed_ever_more_rarely_by_one_caller_while_nobody_else_waits() {
    let peer = Peer::start(|session| session.silence());
    let options =
        Config { timeout: millis(2000), connect_timeout: millis(200), dead_retry: millis(600), ..config(&peer.address()) };
    let client = client(options);
    failure(client.get("k"), ErrorKind::Timeout);
    let begun = Instant::now();
    let waited = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut waited = 0;
                    while begun.elapsed() < millis(4000) {
                        let error = client.get("k").unwrap_err();
                        waited += u32::from(error.kind() == ErrorKind::Timeout);
                        std::thread::sleep(millis(2));
                    }
                    waited
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum::<u32>()
    });
    // Probes follow after 187-250, 375-500 and then 450-600 ms, each 200 ms long: five or six in four seconds, and one that
    // is just begun when they are over. They are fewer when the machine is too busy for the callers.
    assert!((2..=7).contains(&waited), "{waited} probes");
    assert!(peer.accepted() <= 1 + waited as usize, "{} connections and {waited} probes", peer.accepted());
}

#[test]
fn dead_retry_of_zero_asks_every_time() {
    let peer = Peer::start(|_| Ok(()));
    let client = client(Config { dead_retry: Duration::ZERO, failure_limit: 1, ..config(&peer.address()) });
    for calls in 1..=10 {
        failure(client.get("k"), ErrorKind::Disconnected);
        assert_eq!(peer.accepted(), calls);
    }
}

#[test]
fn fail_fast_serves_no_key_from_another_server() {
    let servers = [Memcached::start(), Memcached::start()];
    let client = client(configs(servers.iter().map(Memcached::address)));
    client.mark_down(&servers[0].address(), Duration::from_secs(60)).unwrap();
    let (mut down, mut served) = (0, 0);
    for (key, outcome) in keys("k", 100).iter().zip(client.get_multi(&keys("k", 100)).unwrap()) {
        assert_eq!(outcome.is_ok(), client.get(key).is_ok());
        match outcome {
            Ok(_) => served += 1,
            Err(error) => {
                assert_eq!((error.kind(), error.server()), (ErrorKind::ServerDown, Some(&*servers[0].address())));
                down += 1;
            }
        }
    }
    assert!(down > 30 && served > 30, "{down} {served}");
}

/// The order in which python-memcached tries servers, from its own code.
#[test]
fn rehash_goes_where_python_memcached_goes() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../../../conformance/rehash.json")).unwrap();
    let equal = |case: &&serde_json::Value| {
        let servers = case["servers"].as_array().unwrap();
        servers.len() == 5 && servers.iter().all(|server| server["weight"] == 1)
    };
    let case = vectors["cases"].as_array().unwrap().iter().find(equal).expect("five servers of one weight");
    let servers: Vec<Memcached> = (0..5).map(|_| Memcached::start()).collect();
    let options = Config { failover: Failover::Rehash, ..configs(servers.iter().map(Memcached::address)) };
    let client = client(Config { timeout: Duration::from_secs(10), ..options });
    let direct: Vec<Client> = servers.iter().map(|server| crate::client(config(&server.address()))).collect();
    let mut moved = 0;
    for vector in case["keys"].as_array().unwrap().iter().filter(|vector| vector["key"].is_string()) {
        let key = vector["key"].as_str().unwrap();
        let tried: Vec<usize> = vector["tried"].as_array().unwrap().iter().map(|at| at.as_u64().unwrap() as usize).collect();
        let mut dead = Vec::new();
        while let Some(next) = tried.iter().find(|server| !dead.contains(*server)) {
            assert_eq!(set(&client, key, "x").unwrap(), cmemcache::StoreOutcome::Stored);
            let holders: Vec<usize> = (0..5).filter(|at| direct[*at].delete(key).unwrap()).collect();
            assert_eq!(holders, [*next], "{key} after {dead:?}");
            client.mark_down(&servers[*next].address(), Duration::from_secs(60)).unwrap();
            dead.push(*next);
            moved += dead.len();
        }
        failure(client.get(key), ErrorKind::ServerDown);
        client.forget_dead_hosts();
    }
    assert!(moved > 50, "{moved}");
}

/// Keys that belong to the first of two servers and that `Rehash` takes to the second.
fn of_first(options: &Config) -> Vec<String> {
    let down = |failover, server: usize| {
        let client = client(Config { failover, ..options.clone() });
        client.mark_down(&options.servers[server].address.to_string(), Duration::from_secs(60)).unwrap();
        client
    };
    let (first, both) = (down(Failover::FailFast, 0), down(Failover::Rehash, 0));
    keys("k", 100).into_iter().filter(|key| first.get(key).is_err() && both.get(key).is_ok()).collect()
}

#[test]
fn rehash_takes_batches_along() {
    let mut servers: Vec<Memcached> = (0..3).map(|_| Memcached::start()).collect();
    let options = configs(servers.iter().map(Memcached::address));
    let client = client(Config { failover: Failover::Rehash, timeout: Duration::from_secs(10), ..options });
    servers[1].kill();
    let all = keys("k", 300);
    let entries: Vec<_> = all.iter().map(|key| (key, key, 0)).collect();
    assert!(client.set_multi(&entries, Exptime::Never).unwrap().iter().all(Result::is_ok));
    for (key, item) in all.iter().zip(client.get_multi(&all).unwrap()) {
        assert_eq!(item.unwrap().unwrap().value, key.as_bytes());
        assert_eq!(text(&client, key), *key, "single keys and batches agree");
    }
}

/// The first server takes its whole connect timeout; the second one must have time of its own, and is not to blame.
#[test]
fn rehash_after_a_connect_timeout_reaches_the_next_server() {
    let (hole, server) = (Blackhole::start(), Memcached::start());
    let options = Config {
        failover: Failover::Rehash,
        timeout: Duration::from_secs(10),
        connect_timeout: millis(1000),
        ..configs([hole.address(), server.address()])
    };
    let wanted = of_first(&options)[..10].to_vec();
    for batch in [false, true] {
        let client = client(options.clone());
        let all = wanted.clone();
        let caller = client.clone();
        let outcomes = within(millis(2000) + SLACK, move || {
            if batch {
                caller.get_multi(&all).unwrap()
            } else {
                all.iter().map(|key| caller.get(key)).collect()
            }
        });
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        let states: Vec<_> = client.metrics().into_iter().map(|server| server.state).collect();
        assert_eq!(states, [ServerState::Down, ServerState::Up]);
    }
}

#[test]
fn a_deadline_that_ends_with_the_first_server_tells_of_that_server() {
    let (hole, server) = (Blackhole::start(), Memcached::start());
    let options = Config { failover: Failover::Rehash, ..configs([hole.address(), server.address()]) };
    let key = of_first(&options).remove(0);
    let client = client(Config { timeout: millis(100), ..options });
    let mut errors = vec![client.get(&key).unwrap_err()];
    errors.extend(client.get_multi(&[&key, &key]).unwrap().into_iter().map(cmemcache::Result::unwrap_err));
    for error in errors {
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Timeout, Some(Phase::Connect)), "{error:?}");
        assert_eq!(error.server(), Some(&*hole.address()));
    }
}

/// What may have been carried out is not sent to another server, where it would be carried out again.
#[test]
fn rehash_repeats_no_request_that_had_left() {
    let (peer, other) = (Peer::meta(|session| session.silence()), Memcached::start());
    let options = configs([peer.address(), other.address()]);
    let all = of_first(&options);
    let client = client(Config { failover: Failover::Rehash, timeout: millis(1500), ..options });
    let failed: Vec<_> = all.iter().filter_map(|key| set(&client, key, "x").err()).collect();
    // Three in a row put it down, and the rest goes elsewhere; unless so much time passes that it is probed.
    assert!((3..all.len() / 2).contains(&failed.len()), "{} of {}: {failed:?}", failed.len(), all.len());
    assert!(failed.iter().all(|error| error.kind() == ErrorKind::Timeout && error.is_outcome_unknown()), "{failed:?}");
    assert_eq!(other.stat("cmd_set"), (all.len() - failed.len()) as u64);
}

/// Time for which a queue was full says nothing about what had left of a request that waited in it.
#[test]
fn rehash_repeats_no_request_that_left_with_another_callers() {
    let (peer, other) = (Peer::meta(|session| session.silence()), Memcached::start());
    let options = configs([peer.address(), other.address()]);
    let options = Config { failover: Failover::Rehash, max_connections: 1, failure_limit: 1000, ..options };
    let all = of_first(&options);
    let client = client(Config { timeout: millis(500), ..options });
    let stored: Vec<bool> = std::thread::scope(|scope| {
        let callers: Vec<_> = all.iter().map(|key| scope.spawn(|| set(&client, key, "x").is_ok())).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    let asked = peer.received();
    let sent: Vec<_> = all.iter().filter(|key| String::from_utf8_lossy(&asked).contains(&format!("ms {key} "))).collect();
    assert!(!sent.is_empty());
    let direct = crate::client(config(&other.address()));
    for (key, stored) in all.iter().zip(stored) {
        assert!(!stored || direct.get(key).unwrap().is_some(), "{key} was stored nowhere");
    }
    let twice: Vec<_> = sent.into_iter().filter(|key| direct.get(key).unwrap().is_some()).collect();
    assert!(twice.is_empty(), "sent to both: {twice:?}");
}
