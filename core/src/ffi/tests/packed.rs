//! The packed call against real servers: every operation, batches, kept payloads, errors, handles.

use super::{batch, call, options, reply_to, request, string_client, Answer};
use crate::ffi::{packed_call, packed_layout_version, packed_release, ServerSpec, StringClient};
use crate::support::{Memcached, Peer};

fn long(number: i64) -> [u8; 8] {
    number.to_le_bytes()
}

fn set(handle: u64, key: &[u8], value: &[u8], flags: u32) -> Answer {
    call(handle, &request(5, 0, 0, &[&flags.to_le_bytes(), &long(0), key]), value)
}

fn get(handle: u64, key: &[u8]) -> Answer {
    call(handle, &request(1, 0, 0, &[key]), b"")
}

#[test]
fn every_operation_has_its_place() {
    let server = Memcached::start();
    let client = string_client(&[server.address()]);
    let run = |operation, fields: &[&[u8]], value: &[u8]| call(client.handle(), &request(operation, 0, 0, fields), value);
    let store: [&[u8]; 3] = [&7u32.to_le_bytes(), &long(60), b"k"];
    assert_eq!(run(7, &store, b"x").status, 2, "replace");
    assert_eq!(run(6, &store, b"1").status, 0, "add");
    assert_eq!(run(6, &store, b"1").status, 2, "add again");
    assert_eq!(run(8, &[b"k"], b"2").status, 0, "append");
    assert_eq!(run(9, &[b"k"], b"0").status, 0, "prepend");
    let item = run(2, &[b"k"], b"");
    assert_eq!((item.status, item.flags, &item.payload[..]), (0, 7, &b"012"[..]), "gets");
    assert_ne!(item.number, 0);
    assert_eq!(run(1, &[b"k"], b"").number, 0, "get has no cas");
    let cas: [&[u8]; 4] = [&9u32.to_le_bytes(), &long(60), &item.number.to_le_bytes(), b"k"];
    assert_eq!(run(10, &cas, b"5").status, 0, "cas");
    assert_eq!(run(10, &cas, b"6").status, 3, "cas again");
    let count: [&[u8]; 4] = [&3u64.to_le_bytes(), &0u64.to_le_bytes(), &long(0), b"k"];
    assert_eq!(run(12, &count, b"").number, 8, "incr");
    assert_eq!(run(13, &count, b"").number, 5, "decr");
    assert_eq!(run(14, &[&long(100), b"k"], b"").status, 0, "touch");
    assert_eq!(run(3, &[&long(-1), b"k"], b"").payload, b"5", "gat");
    assert_eq!(run(1, &[b"k"], b"").status, 1, "it has expired");
    assert_eq!(run(4, &[&long(0), b"k"], b"").status, 1, "gats");
    assert_eq!(run(11, &[b"k"], b"").status, 1, "delete");
    let count: [&[u8]; 4] = [&3u64.to_le_bytes(), &40u64.to_le_bytes(), &long(100), b"n"];
    assert_eq!(run(12, &count, b"").status, 1, "no initial value without its bit");
    let create = request(13, 2, 0, &count);
    assert_eq!(call(client.handle(), &create, b"").number, 40);
    assert_eq!(call(client.handle(), &create, b"").number, 37);
    assert_eq!(packed_layout_version(), 2);
}

#[test]
fn batches_have_a_row_for_each_key_and_say_which_server_failed() {
    let server = Memcached::start();
    let dead = Memcached::start().address();
    let client = string_client(&[server.address(), dead.clone()]);
    let route = |hashes: &[i64]| hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect::<Vec<u8>>();
    let lengths = |lengths: &[u32]| lengths.iter().flat_map(|length| length.to_le_bytes()).collect::<Vec<u8>>();
    let keys: [&[u8]; 2] = [&lengths(&[1, 2, 1]), b"abbc"];
    let fields: [&[u8]; 7] =
        [&3u32.to_le_bytes(), &long(0), &lengths(&[3, 0, 20_000]), &lengths(&[1, 2, 3]), &route(&[0, 1, -2]), keys[0], keys[1]];
    let values = [&b"one"[..], &[b'x'; 20_000]].concat();
    let stored = call(client.handle(), &request(18, 5, 0, &fields), &values).entries(false);
    assert_eq!((stored[0].0, stored[1].0, stored[2].0), (0, 70, 0));
    let routed = |operation, hashes: &[i64]| {
        call(client.handle(), &request(operation, 5, 0, &[&3u32.to_le_bytes(), &route(hashes), keys[0], keys[1]]), b"")
    };
    let read = routed(17, &[0, 1, -2]).entries(true);
    assert_eq!((read[0].0, read[0].1, &read[0].3[..]), (0, 1, &b"one"[..]));
    assert_eq!((read[2].0, read[2].1, read[2].3.len()), (0, 3, 20_000));
    assert!(read[0].2 > 0 && read[2].2 > read[0].2, "cas tokens in their order");
    let (status, bits, _, text) = &read[1];
    let name = (bits & 0xffff) as usize;
    assert_eq!((*status, &text[..name]), (70, dead.as_bytes()));
    assert!(text.len() > name + 10, "a message behind the name");
    assert_eq!((bits >> 16 & 0xff, bits >> 24), (2, 0), "connecting failed, and nothing was sent");
    assert_eq!(routed(16, &[0, 0, 0]).entries(false).iter().map(|entry| entry.0).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(routed(19, &[0, 0, 0]).entries(false).iter().map(|entry| entry.0).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(call(client.handle(), &batch(16, &[]), b"").entries(false), []);
}

#[test]
fn a_route_places_a_single_key_too() {
    let servers = [Memcached::start(), Memcached::start()];
    let client = string_client(&[servers[0].address(), servers[1].address()]);
    for (hash, at) in [(0, 0), (1, 1), (2, 0), (-1, 1), (i64::MAX, 1), (i64::MIN, 0)] {
        let read = || call(client.handle(), &request(1, 1, 0, &[&long(hash), b"k"]), b"");
        read();
        let before = servers[at].stat("cmd_get");
        read();
        assert_eq!(servers[at].stat("cmd_get"), before + 1, "{hash}");
    }
}

#[test]
fn a_payload_that_does_not_fit_is_kept_and_the_operation_not_repeated() {
    let server = Memcached::start();
    let client = string_client(&[server.address()]);
    for size in [25, 1000, 16_384, 20_000, 900_000] {
        let value: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        set(client.handle(), b"k", &value, 3);
        let before = server.stat("cmd_get");
        let answer = Answer::read(&reply_to(client.handle(), &request(1, 0, 0, &[b"k"]), b"", 40));
        assert!(answer.was_kept && answer.payload == value && answer.flags == 3, "{size}");
        let exact = Answer::read(&reply_to(client.handle(), &request(1, 0, 0, &[b"k"]), b"", 16 + size));
        assert!(!exact.was_kept && exact.payload == value, "{size}");
        let short = Answer::read(&reply_to(client.handle(), &request(1, 0, 0, &[b"k"]), b"", 15 + size));
        assert!(short.was_kept && short.payload == value, "{size}");
        assert_eq!(server.stat("cmd_get"), before + 3);
    }
    let keys = batch(16, &[b"k", b"none", b"k"]);
    let kept = Answer::read(&reply_to(client.handle(), &keys, b"", 64));
    assert!(kept.was_kept);
    assert_eq!(kept.entries(false), call(client.handle(), &keys, b"").entries(false));
    let error = Answer::read(&reply_to(client.handle(), &request(1, 0, 0, &[b"a b"]), b"", 40));
    assert!(error.was_kept);
    assert!(error.error().1.starts_with("key holds byte 0x20 at offset 1"), "{error:?}");
    for token in [0, 1, u64::MAX] {
        packed_release(token);
    }
}

/// Payloads are kept beside each other until each of them is released, in any order.
#[test]
fn kept_payloads_do_not_disturb_each_other() {
    let server = Memcached::start();
    let client = string_client(&[server.address()]);
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let client = &client;
            scope.spawn(move || {
                let (key, value) = ([b'a' + thread], vec![thread; 1000 + usize::from(thread)]);
                set(client.handle(), &key, &value, 0);
                for _ in 0..200 {
                    let answer = Answer::read(&reply_to(client.handle(), &request(1, 0, 0, &[&key]), b"", 64));
                    assert!(answer.was_kept && answer.payload == value);
                }
            });
        }
    });
}

#[test]
fn a_buffer_that_holds_no_reply_at_all_gets_none_and_nothing_is_sent() {
    let server = Memcached::start();
    let client = string_client(&[server.address()]);
    let delete = request(11, 0, 0, &[b"k"]);
    for capacity in [0, 1, 16, 39] {
        assert_eq!(reply_to(client.handle(), &delete, b"", capacity), b"");
    }
    assert_eq!(packed_call(client.handle(), 0, 0, 0, 0, 0, 0), 0);
    assert_eq!(packed_call(client.handle(), 0, 100, 0, 100, 0, 100), 0);
    assert_eq!(server.stat("delete_misses").max(client.metrics()[0].connects), 0);
    assert_eq!(reply_to(client.handle(), &delete, b"", 40)[0], 1);
}

#[test]
fn errors_say_kind_phase_server_and_whether_the_outcome_is_known() {
    let peer = Peer::meta(|session| session.silence());
    let client = string_client(&[peer.address()]);
    let timed_out = call(client.handle(), &request(11, 0, 100, &[b"k"]), b"");
    assert_eq!((timed_out.status, timed_out.phase, timed_out.outcome_unknown), (71, 6, true));
    let message = format!("timed out reading from {} after 100 ms", peer.address());
    assert_eq!(timed_out.error(), (&*peer.address(), &*message));
    let refused = Memcached::start().address();
    let client = string_client(&[&refused]);
    let down = get(client.handle(), b"k");
    assert_eq!((down.status, down.phase, down.outcome_unknown), (70, 2, false));
    assert_eq!(down.error().0, refused);
    let none = string_client::<&str>(&[]);
    assert_eq!(get(none.handle(), b"k").status, 68);
    let long_key = get(none.handle(), &[b'k'; 251]);
    assert_eq!((long_key.status, long_key.phase, long_key.error().0), (64, 0, ""));
    let large = set(none.handle(), b"k", &vec![0; (1 << 20) + 1], 0);
    assert_eq!(large.status, 67);
    for exptime in [1 << 31, i64::MAX] {
        assert_eq!(call(none.handle(), &request(14, 0, 0, &[&long(exptime), b"k"]), b"").status, 66);
    }
    assert_eq!(call(none.handle(), &request(1, 0, 3_600_001, &[b"k"]), b"").status, 66);
}

#[test]
fn a_handle_is_of_one_client_and_dies_with_it() {
    let client = string_client::<&str>(&[]);
    let handle = client.handle();
    assert_eq!(get(handle, b"k").status, 68, "alive");
    let other = client.with_timeout(5).unwrap();
    assert_ne!(other.handle(), handle);
    assert_eq!(get(other.handle(), b"k").status, 68);
    drop(client);
    assert_eq!(get(handle, b"k").status, 69);
    assert_eq!(get(other.handle(), b"k").status, 68, "a client of its own handle");
    let handles: Vec<u64> = (0..100).map(|_| string_client::<&str>(&[]).handle()).collect();
    for stale in handles.iter().chain([&u64::MAX, &0xffff_ffff]) {
        assert_eq!(get(*stale, b"k").status, 69);
        assert_ne!(*stale, handle, "no handle is given out twice");
    }
    let (first, second) = (string_client::<&str>(&[]), string_client::<&str>(&[]));
    let ended = first.handle();
    first.shutdown();
    assert_eq!((get(ended, b"k").status, get(first.handle(), b"k").status), (69, 69));
    assert_eq!(get(second.handle(), b"k").status, 68);
    first.shutdown();
}

#[test]
fn handles_come_and_go_while_others_are_used() {
    let lasting = string_client::<&str>(&[]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..300 {
                    let client = string_client::<&str>(&[]);
                    assert_eq!(get(client.handle(), b"k").status, 68);
                    assert_eq!(get(lasting.handle(), b"k").status, 68);
                    let handle = client.handle();
                    drop(client);
                    assert_eq!(get(handle, b"k").status, 69);
                }
            });
        }
    });
}

#[test]
fn a_timeout_of_the_call_replaces_the_clients() {
    let peer = Peer::meta(|session| session.silence());
    let spec = ServerSpec { address: peer.address(), weight: 1 };
    let client = StringClient::new(vec![spec], super::ClientOptions { timeout_ms: 200, ..options() }).unwrap();
    let answer = call(client.handle(), &request(1, 0, 50, &[b"k"]), b"");
    assert_eq!(answer.status, 71);
    assert!(answer.error().1.ends_with("after 50 ms"), "{answer:?}");
    let answer = call(client.handle(), &request(1, 0, 0, &[b"k"]), b"");
    assert!(answer.error().1.ends_with("after 200 ms"), "{answer:?}");
}
