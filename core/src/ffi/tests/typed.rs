//! The typed client of the UDL: every operation, and the error of each kind.

use super::{options, string_client};
use crate::error::{Error, ErrorKind, Phase};
use crate::ffi::{CacheError, ServerSpec, Spin, StoreEntry, StringClient};
use crate::item::StoreOutcome;
use crate::support::{Memcached, Peer};

fn key(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[test]
fn the_whole_surface_works() {
    let server = Memcached::start();
    let client = string_client(&[server.address()]);
    assert_eq!(client.set(key("k"), key("1"), 5, 60).unwrap(), StoreOutcome::Stored);
    assert_eq!(client.add(key("k"), key("x"), 0, 0).unwrap(), StoreOutcome::NotStored);
    assert_eq!(client.replace(key("k"), key("2"), 6, 0).unwrap(), StoreOutcome::Stored);
    assert_eq!(client.append(key("k"), key("3")).unwrap(), StoreOutcome::Stored);
    assert_eq!(client.prepend(key("k"), key("1")).unwrap(), StoreOutcome::Stored);
    let item = client.gets(key("k")).unwrap().unwrap();
    assert_eq!((item.value, item.flags), (key("123"), 6));
    assert_eq!(client.cas(key("k"), key("7"), item.cas.unwrap(), 0, 0).unwrap(), StoreOutcome::Stored);
    assert_eq!(client.cas(key("k"), key("8"), item.cas.unwrap(), 0, 0).unwrap(), StoreOutcome::Exists);
    assert_eq!(client.get(key("k")).unwrap().unwrap().cas, None);
    assert_eq!(client.incr(key("k"), 5, None, 0).unwrap(), Some(12));
    assert_eq!(client.decr(key("k"), 2, None, 0).unwrap(), Some(10));
    assert_eq!(client.incr(key("n"), 5, Some(40), 9).unwrap(), Some(40));
    assert!(client.touch(key("k"), 100).unwrap());
    assert!(client.gat(key("k"), 200).unwrap().is_some());
    assert!(client.gats(key("k"), 300).unwrap().unwrap().cas.is_some());
    assert!((295..=300).contains(&client.metadata(key("k")).unwrap().unwrap().ttl.unwrap()));
    let entries = ["a", "b"].map(|name| StoreEntry { key: key(name), value: key(name), flags: 1 }).to_vec();
    let stored = client.set_multi(entries, 0).unwrap();
    assert!(stored.iter().all(|result| result.outcome == Some(StoreOutcome::Stored) && result.error.is_none()));
    let read = client.get_multi(vec![key("a"), key("none")]).unwrap();
    assert_eq!((&read[0].key, &read[0].item.as_ref().unwrap().value), (&key("a"), &key("a")));
    assert!(read[1].item.is_none() && read[1].error.is_none());
    assert!(client.gets_multi(vec![key("b")]).unwrap()[0].item.as_ref().unwrap().cas.is_some());
    let deleted = client.delete_multi(vec![key("a"), key("a")]).unwrap();
    assert_eq!((deleted[0].deleted, deleted[1].deleted), (Some(true), Some(false)));
    assert!(client.delete(key("b")).unwrap());
    assert_eq!(client.version().unwrap()[0].server, server.address());
    assert!(client.stats(None).unwrap()[0].stats.contains_key("pid"));
    assert_eq!(client.verbosity(0).unwrap()[0].reply.as_deref(), Some("OK"));
    assert_eq!(client.flush_all(0).unwrap()[0].reply.as_deref(), Some("OK"));
    assert_eq!(client.get(key("k")).unwrap().map(|item| item.value), None);
    client.mark_down(server.address(), 60_000).unwrap();
    assert!(matches!(client.get(key("k")), Err(CacheError::ServerDown { .. })));
    client.forget_dead_hosts();
    client.disconnect_all();
    assert!(client.get(key("k")).is_ok());
    assert_eq!(client.metrics()[0].connects, 2);
    client.set_servers(vec![]).unwrap();
    assert!(matches!(client.get(key("k")), Err(CacheError::NoServers { .. })));
    client.shutdown();
    assert!(matches!(client.get(key("k")), Err(CacheError::Closed { .. })));
}

#[test]
fn options_and_servers_out_of_their_range_are_refused() {
    let spec = |address: &str, weight| vec![ServerSpec { address: address.into(), weight }];
    let bad = [
        StringClient::new(spec("11211", 1), options()),
        StringClient::new(spec("host", 0), options()),
        StringClient::new(vec![], super::ClientOptions { timeout_ms: 0, ..options() }),
        StringClient::new(vec![], super::ClientOptions { spin: Some(Spin::Fixed { microseconds: 1001 }), ..options() }),
        StringClient::new(vec![], super::ClientOptions { key_prefix: key("a b"), ..options() }),
    ];
    for outcome in bad {
        assert!(matches!(outcome, Err(CacheError::InvalidArgument { .. })), "{outcome:?}");
    }
    let client = string_client::<&str>(&[]);
    assert!(matches!(client.touch(key("k"), 1 << 31), Err(CacheError::InvalidArgument { .. })));
    assert!(matches!(client.set_servers(spec("::1", 1)), Err(CacheError::InvalidArgument { .. })));
    assert!(matches!(client.with_timeout(0), Err(CacheError::InvalidArgument { .. })));
    assert!(matches!(client.stats(Some("a\nb".into())), Err(CacheError::InvalidArgument { .. })));
    assert!(matches!(client.mark_down("nobody:1".into(), 10), Err(CacheError::InvalidArgument { .. })));
}

#[test]
fn every_kind_of_error_has_its_own_type_and_keeps_its_words() {
    for kind in ErrorKind::ALL {
        let name: std::sync::Arc<str> = "10.0.0.1:11211".into();
        let error = CacheError::from(Error::new(kind, "what happened").at(&name, Phase::Read).after_sending());
        assert_eq!(error.to_string(), "what happened");
        let debug = format!("{error:?}");
        assert!(debug.starts_with(&format!("{kind:?} ")), "{debug}");
        let blames = !matches!(
            kind,
            ErrorKind::KeyTooLong
                | ErrorKind::KeyCharacter
                | ErrorKind::InvalidArgument
                | ErrorKind::NoServers
                | ErrorKind::Closed
        );
        assert_eq!(debug.contains("10.0.0.1:11211"), blames, "{debug}");
        let unknown = [ErrorKind::Timeout, ErrorKind::Disconnected, ErrorKind::Protocol, ErrorKind::Tls];
        let can_be_unknown = unknown.contains(&kind);
        assert_eq!(debug.contains("outcome_unknown: true"), can_be_unknown, "{debug}");
    }
}

#[test]
fn phases_are_words() {
    let peer = Peer::meta(|session| session.silence());
    let client = string_client(&[peer.address()]).with_timeout(100).unwrap();
    let Err(CacheError::Timeout { detail, server, phase, outcome_unknown }) = client.get(key("k")) else { panic!("a timeout") };
    assert_eq!((server, phase.as_deref(), outcome_unknown), (Some(peer.address()), Some("read"), true));
    assert!(detail.ends_with("after 100 ms"), "{detail}");
}
