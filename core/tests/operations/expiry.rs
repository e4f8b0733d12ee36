//! When items expire. The server's clock ticks once a second.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cmemcache::{Client, Config, Create, Exptime, WireProtocol, LAST_EXPTIME};

use crate::both_dialects;
use crate::support::{client, config, eventually, Memcached, SLACK};

const DAY: u32 = 86_400;

fn now() -> u32 {
    u32::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// What is left of an item's life, asked for in the meta protocol.
fn ttl(server: &Memcached, key: &str) -> Option<i64> {
    let meta = client(Config { protocol: WireProtocol::Meta, ..config(&server.address()) });
    meta.metadata(key).unwrap().expect("the item").ttl
}

/// Whether a time that is left is this one, give or take what has passed meanwhile.
fn is_about(ttl: Option<i64>, seconds: u32) -> bool {
    ttl.is_some_and(|ttl| (i64::from(seconds) - 30..=i64::from(seconds) + 1).contains(&ttl))
}

#[test]
fn a_lifetime_is_counted_from_now_however_long_it_is() {
    both_dialects(&[], |server, config| {
        let client = client(config);
        for seconds in [100, 30 * DAY, 30 * DAY + 1, 31 * DAY, 365 * DAY] {
            client.set("k", "x", 0, Exptime::After(seconds)).unwrap();
            assert!(is_about(ttl(server, "k"), seconds), "{seconds}: {:?}", ttl(server, "k"));
        }
        client.set("k", "x", 0, Exptime::At(now() + 500)).unwrap();
        assert!(is_about(ttl(server, "k"), 500), "{:?}", ttl(server, "k"));
        client.set("k", "x", 0, Exptime::At(LAST_EXPTIME as u32)).unwrap();
        assert!(client.get("k").unwrap().is_some());
        client.set("k", "x", 0, Exptime::Never).unwrap();
        assert_eq!(ttl(server, "k"), None);
    });
}

#[test]
fn every_operation_that_takes_an_exptime_sets_it() {
    both_dialects(&[], |server, config| {
        let client = client(config);
        let set = |exptime| client.set("k", "1", 0, exptime).unwrap();
        set(Exptime::Never);
        assert!(client.touch("k", Exptime::After(200)).unwrap());
        assert!(is_about(ttl(server, "k"), 200));
        assert!(client.gat("k", Exptime::After(300)).unwrap().is_some());
        assert!(is_about(ttl(server, "k"), 300));
        let token = client.gats("k", Exptime::After(400)).unwrap().unwrap().cas.unwrap();
        assert!(is_about(ttl(server, "k"), 400));
        client.cas("k", "2", token, 0, Exptime::After(500)).unwrap();
        assert!(is_about(ttl(server, "k"), 500));
        client.replace("k", "3", 0, Exptime::After(40 * DAY)).unwrap();
        assert!(is_about(ttl(server, "k"), 40 * DAY));
        client.append("k", "4").unwrap();
        assert!(is_about(ttl(server, "k"), 40 * DAY), "append leaves it as it is");
        client.set_multi(&[("m", "1", 0)], Exptime::After(600)).unwrap();
        assert!(is_about(ttl(server, "m"), 600));
        client.add("a", "1", 0, Exptime::After(700)).unwrap();
        assert!(is_about(ttl(server, "a"), 700));
        client.incr("n", 1, Some(Create { initial: 1, exptime: Exptime::After(800) })).unwrap();
        assert!(is_about(ttl(server, "n"), 800));
        client.incr("n", 1, Some(Create { initial: 1, exptime: Exptime::After(900) })).unwrap();
        assert!(is_about(ttl(server, "n"), 800), "a counter that is there keeps its own");
        assert!(!client.touch("none", Exptime::Never).unwrap());
        assert_eq!(client.gat("none", Exptime::Never).unwrap(), None);
    });
}

#[test]
fn what_has_expired_is_gone_at_once() {
    both_dialects(&[], |_, config| {
        let client = client(config);
        let past = [Exptime::Expired, Exptime::After(0), Exptime::At(0), Exptime::At(1), Exptime::At(30 * DAY)];
        for exptime in past.into_iter().chain([Exptime::At(now() - 10)]) {
            client.set("k", "x", 0, exptime).unwrap();
            assert_eq!(client.get("k").unwrap(), None, "{exptime:?}");
            client.set("k", "x", 0, Exptime::Never).unwrap();
            assert!(client.touch("k", exptime).unwrap());
            assert_eq!(client.get("k").unwrap(), None, "{exptime:?}");
        }
    });
}

#[test]
fn an_item_lives_as_long_as_it_was_given() {
    both_dialects(&[], |_, config| {
        let client: Client = client(config);
        client.set("long", "x", 0, Exptime::After(60)).unwrap();
        // The clock may tick before the touch.
        eventually(SLACK, || {
            client.set("touched", "x", 0, Exptime::After(1)).unwrap();
            client.touch("touched", Exptime::Never).unwrap()
        });
        client.set("short", "x", 0, Exptime::After(1)).unwrap();
        eventually(Duration::from_secs(1) + SLACK, || client.get("short").unwrap().is_none());
        assert!(client.get("touched").unwrap().is_some());
        assert!(client.get("long").unwrap().is_some());
    });
}
