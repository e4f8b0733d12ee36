//! The test server of the UDL.

use super::string_client;
use crate::ffi::{CacheError, TestFault, TestServer, TestServerOptions};
use crate::item::StoreOutcome;

fn options() -> TestServerOptions {
    TestServerOptions {
        port: 0,
        version: "1.6.18".into(),
        item_size_max: 1 << 20,
        memory_limit: 64 << 20,
        user: None,
        password: None,
    }
}

#[test]
fn the_test_server_serves_counts_and_moves_its_clock() {
    let server = TestServer::new(options()).unwrap();
    assert_eq!(server.address(), format!("127.0.0.1:{}", server.port()));
    let client = string_client(&[server.address()]);
    assert_eq!(client.set(b"k".to_vec(), b"x".to_vec(), 0, 60).unwrap(), StoreOutcome::Stored);
    assert!(client.get(b"k".to_vec()).unwrap().is_some());
    server.advance(61_000);
    assert!(client.get(b"k".to_vec()).unwrap().is_none());
    client.delete(b"k".to_vec()).unwrap();
    let counts = server.counts();
    assert_eq!((counts.connections, counts.open_connections, counts.commands), (1, 1, 4));
    assert_eq!((counts.reads, counts.hits, counts.misses, counts.stores, counts.deletes), (2, 1, 1, 1, 1));
    server.clear();
    assert_eq!(server.counts().commands, 0);
}

#[test]
fn the_test_server_has_every_fault() {
    let server = TestServer::new(options()).unwrap();
    let client = string_client(&[server.address()]);
    let key = || b"k".to_vec();
    client.set(key(), b"x".to_vec(), 0, 0).unwrap();
    for harmless in [TestFault::Delay { milliseconds: 1 }, TestFault::Split { length: 1 }, TestFault::HalfClose] {
        server.inject(harmless, 1);
        assert_eq!(client.get(key()).unwrap().unwrap().value, b"x");
    }
    for fault in [
        TestFault::Truncate { length: 3 },
        TestFault::Drop,
        TestFault::Swap,
        TestFault::Garbage { reply: b"nonsense\r\n".to_vec() },
        TestFault::Reset,
        TestFault::Silence,
        TestFault::OutOfMemory,
    ] {
        let client = string_client(&[server.address()]).with_timeout(300).unwrap();
        client.get(key()).unwrap();
        server.inject(fault.clone(), 1);
        assert!(client.set(key(), b"x".to_vec(), 0, 0).is_err(), "{fault:?}");
        server.clear();
    }
    server.inject(TestFault::Duplicate, 1);
    client.disconnect_all();
    assert!(client.get(key()).is_ok());
    server.inject(TestFault::TooManyConnections, u32::MAX);
    client.disconnect_all();
    assert!(client.get(key()).is_err());
}

#[test]
fn the_test_server_stops_and_comes_back() {
    let server = TestServer::new(options()).unwrap();
    let client = string_client(&[server.address()]);
    server.stop();
    assert!(matches!(client.get(b"k".to_vec()), Err(CacheError::ServerDown { .. })));
    server.restart().unwrap();
    assert!(string_client(&[server.address()]).get(b"k".to_vec()).unwrap().is_none());
}

#[test]
fn the_test_server_refuses_options_by_name() {
    let refused = |options| TestServer::new(options).unwrap_err().to_string();
    assert!(refused(TestServerOptions { version: "x".into(), ..options() }).contains("version"));
    assert!(refused(TestServerOptions { item_size_max: u64::MAX, ..options() }).contains("item_size_max"));
    assert!(refused(TestServerOptions { user: Some("ann".into()), ..options() }).contains("user and password"));
}
