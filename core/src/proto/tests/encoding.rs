//! Requests, byte by byte.

use super::super::{Argument, Dialect, Expect, Initial, Request, Shape, Unsupported};
use crate::item::StoreMode;
use crate::key::{Key, KeyEncoding};

fn key(name: &str) -> Key<'_> {
    Key::parse(name.as_bytes()).unwrap()
}

fn encoded(request: &Request<'_>, dialect: Dialect) -> (String, Shape) {
    let mut out = b"before;".to_vec();
    let expect = request.encode(dialect, 7, &mut out).unwrap();
    assert_eq!(expect, Expect { shape: expect.shape, opaque: 7 });
    let text = String::from_utf8(out).unwrap();
    (text.strip_prefix("before;").unwrap().to_owned(), expect.shape)
}

fn check(request: &Request<'_>, meta: (&str, Shape), classic: (&str, Shape)) {
    assert_eq!(encoded(request, Dialect::Meta), (meta.0.to_owned(), meta.1));
    assert_eq!(encoded(request, Dialect::Classic), (classic.0.to_owned(), classic.1));
}

#[test]
fn reads_ask_for_value_and_flags_and_cas_where_it_is_wanted() {
    check(
        &Request::Get { key: key("k"), cas: false, exptime: None },
        ("mg k v f O7\r\n", Shape::MetaGet { cas: false }),
        ("get k\r\n", Shape::ClassicGet { cas: false }),
    );
    check(
        &Request::Get { key: key("k"), cas: true, exptime: None },
        ("mg k v f c O7\r\n", Shape::MetaGet { cas: true }),
        ("gets k\r\n", Shape::ClassicGet { cas: true }),
    );
    check(
        &Request::Get { key: key("k"), cas: false, exptime: Some(60) },
        ("mg k v f T60 O7\r\n", Shape::MetaGet { cas: false }),
        ("gat 60 k\r\n", Shape::ClassicGet { cas: false }),
    );
    check(
        &Request::Get { key: key("k"), cas: true, exptime: Some(-1) },
        ("mg k v f c T-1 O7\r\n", Shape::MetaGet { cas: true }),
        ("gats -1 k\r\n", Shape::ClassicGet { cas: true }),
    );
}

#[test]
fn stores_write_the_head_line_alone() {
    let store = |mode| Request::Store { key: key("k"), mode, value: b"hello", flags: 98_304, exptime: 60 };
    let cases = [
        (StoreMode::Set, "ms k 5 F98304 T60 O7\r\n", "set k 98304 60 5\r\n"),
        (StoreMode::Add, "ms k 5 F98304 T60 ME O7\r\n", "add k 98304 60 5\r\n"),
        (StoreMode::Replace, "ms k 5 F98304 T60 MR O7\r\n", "replace k 98304 60 5\r\n"),
        (StoreMode::Append, "ms k 5 MA O7\r\n", "append k 98304 60 5\r\n"),
        (StoreMode::Prepend, "ms k 5 MP O7\r\n", "prepend k 98304 60 5\r\n"),
        (
            StoreMode::Cas(u64::MAX),
            "ms k 5 F98304 T60 C18446744073709551615 O7\r\n",
            "cas k 98304 60 5 18446744073709551615\r\n",
        ),
    ];
    for (mode, meta, classic) in cases {
        assert_eq!(store(mode).body(), Some(&b"hello"[..]));
        check(&store(mode), (meta, Shape::MetaStore), (classic, Shape::ClassicStore));
    }
}

#[test]
fn the_numbers_of_a_store_reach_their_limits() {
    let request = Request::Store { key: key("k"), mode: StoreMode::Set, value: b"", flags: u32::MAX, exptime: i32::MAX };
    check(
        &request,
        ("ms k 0 F4294967295 T2147483647 O7\r\n", Shape::MetaStore),
        ("set k 4294967295 2147483647 0\r\n", Shape::ClassicStore),
    );
    let mut out = Vec::new();
    Request::Delete { key: key("k") }.encode(Dialect::Meta, u32::MAX, &mut out).unwrap();
    assert_eq!(out, b"md k O4294967295\r\n");
}

#[test]
fn deletes_counters_and_touches_are_one_line() {
    check(&Request::Delete { key: key("k") }, ("md k O7\r\n", Shape::MetaDelete), ("delete k\r\n", Shape::ClassicDelete));
    check(
        &Request::Arith { key: key("k"), up: true, delta: 1, initial: None },
        ("ma k MI D1 v O7\r\n", Shape::MetaArith),
        ("incr k 1\r\n", Shape::ClassicArith),
    );
    check(
        &Request::Arith { key: key("k"), up: false, delta: u64::MAX, initial: None },
        ("ma k MD D18446744073709551615 v O7\r\n", Shape::MetaArith),
        ("decr k 18446744073709551615\r\n", Shape::ClassicArith),
    );
    check(
        &Request::Touch { key: key("k"), exptime: -1 },
        ("mg k T-1 O7\r\n", Shape::MetaTouch),
        ("touch k -1\r\n", Shape::ClassicTouch),
    );
}

#[test]
fn what_only_meta_can_do_is_refused_in_classic_before_a_byte_is_written() {
    let binary = Key::parse_in(b"", b"a b", KeyEncoding::Base64).unwrap();
    let initial = Some(Initial { value: 10, exptime: 60 });
    let cases = [
        (Request::Arith { key: key("k"), up: true, delta: 1, initial }, "ma k MI D1 N60 J10 v O7\r\n", Shape::MetaArith),
        (Request::Metadata { key: key("k") }, "me k\r\n", Shape::MetaMetadata),
        (Request::Metadata { key: binary }, "me YSBi b\r\n", Shape::MetaMetadata),
        (Request::Probe { key: key("k") }, "mg k v O7\r\n", Shape::Probe),
        (Request::Get { key: binary, cas: true, exptime: Some(1) }, "mg YSBi b v f c T1 O7\r\n", Shape::MetaGet { cas: true }),
        (
            Request::Store { key: binary, mode: StoreMode::Add, value: b"x", flags: 1, exptime: 2 },
            "ms YSBi 1 b F1 T2 ME O7\r\n",
            Shape::MetaStore,
        ),
        (Request::Delete { key: binary }, "md YSBi b O7\r\n", Shape::MetaDelete),
        (Request::Touch { key: binary, exptime: 0 }, "mg YSBi b T0 O7\r\n", Shape::MetaTouch),
        (Request::Arith { key: binary, up: true, delta: 2, initial: None }, "ma YSBi b MI D2 v O7\r\n", Shape::MetaArith),
    ];
    for (request, meta, shape) in cases {
        assert_eq!(encoded(&request, Dialect::Meta), (meta.to_owned(), shape));
        let mut out = Vec::new();
        let refused: Result<_, Unsupported> = request.encode(Dialect::Classic, 7, &mut out);
        assert!(refused.is_err(), "{request:?}");
        assert!(out.is_empty());
    }
}

#[test]
fn administrative_requests_are_the_same_in_both_dialects() {
    let argument = Argument::parse("cachedump 1 10");
    let cases = [
        (Request::FlushAll { delay: 0 }, "flush_all\r\n", Shape::Ok),
        (Request::FlushAll { delay: 30 }, "flush_all 30\r\n", Shape::Ok),
        (Request::Stats { argument: None }, "stats\r\n", Shape::Stats),
        (Request::Stats { argument }, "stats cachedump 1 10\r\n", Shape::Stats),
        (Request::Version, "version\r\n", Shape::Version),
        (Request::Verbosity { level: 2 }, "verbosity 2\r\n", Shape::Ok),
    ];
    for (request, text, shape) in cases {
        check(&request, (text, shape), (text, shape));
        assert!(request.key().is_none() && request.body().is_none());
    }
}

#[test]
fn an_argument_of_stats_cannot_begin_another_command() {
    for words in ["", "a\r\nflush_all", "a\n", "a\0", "é", "\x7f"] {
        assert_eq!(Argument::parse(words), None, "{words:?}");
    }
    assert!(Argument::parse(&"a".repeat(200)).is_some());
    assert!(Argument::parse(&"a".repeat(201)).is_none());
}

#[test]
fn base64_covers_prefix_and_name_as_one() {
    // Test vectors of RFC 4648, cut at every place.
    let cases = [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
    for (raw, encoded) in cases {
        for at in 0..=raw.len() {
            let (prefix, name) = raw.as_bytes().split_at(at);
            let key = Key::parse_in(prefix, name, KeyEncoding::Base64).unwrap();
            let mut out = Vec::new();
            Request::Delete { key }.encode(Dialect::Meta, 1, &mut out).unwrap();
            assert_eq!(out, format!("md {encoded} b O1\r\n").as_bytes());
        }
    }
    let longest = [0xff; 186];
    let key = Key::parse_in(&longest[..100], &longest[100..], KeyEncoding::Base64).unwrap();
    let mut out = Vec::new();
    Request::Metadata { key }.write_echoed_key(Dialect::Meta, &mut out);
    assert_eq!(out, "/".repeat(248).as_bytes());
}

#[test]
fn the_prefix_goes_in_front_of_the_name() {
    let key = Key::parse_in(b"app:", b"k", KeyEncoding::Text).unwrap();
    let request = Request::Get { key, cas: false, exptime: None };
    assert_eq!(encoded(&request, Dialect::Meta).0, "mg app:k v f O7\r\n");
    assert_eq!(encoded(&request, Dialect::Classic).0, "get app:k\r\n");
}

#[test]
fn a_key_is_kept_only_where_the_reply_is_told_by_it() {
    let echoed = |request: Request<'_>, dialect| {
        let mut out = Vec::new();
        request.write_echoed_key(dialect, &mut out);
        String::from_utf8(out).unwrap()
    };
    let get = Request::Get { key: key("k"), cas: false, exptime: None };
    assert_eq!(echoed(get, Dialect::Classic), "k");
    assert_eq!(echoed(get, Dialect::Meta), "");
    assert_eq!(echoed(Request::Metadata { key: key("k") }, Dialect::Meta), "k");
    assert_eq!(echoed(Request::Delete { key: key("k") }, Dialect::Classic), "");
    assert_eq!(echoed(Request::Version, Dialect::Classic), "");
}

#[test]
fn consecutive_classic_reads_become_one_command_and_nothing_else_does() {
    let get = |name, cas| Request::Get { key: key(name), cas, exptime: None };
    let mut out = b"before;".to_vec();
    let first = get("a", true).encode(Dialect::Classic, 7, &mut out).unwrap();
    let (first, second) = get("b", true).join(&first, &mut out).unwrap();
    let (second, third) = get("c", true).join(&second, &mut out).unwrap();
    assert_eq!(out, b"before;gets a b c\r\n");
    let shapes = [first.shape, second.shape, third.shape];
    let more = Shape::ClassicGetMore { cas: true };
    assert_eq!(shapes, [more, more, Shape::ClassicGet { cas: true }]);

    let meta = get("a", true).encode(Dialect::Meta, 7, &mut Vec::new()).unwrap();
    let binary = Key::parse_in(b"", b"a b", KeyEncoding::Base64).unwrap();
    let refused = [
        (get("d", false), third),
        (get("d", true), meta),
        (Request::Get { key: key("d"), cas: true, exptime: Some(1) }, third),
        (Request::Get { key: binary, cas: true, exptime: None }, third),
        (Request::Delete { key: key("d") }, third),
    ];
    for (request, before) in refused {
        assert_eq!(request.join(&before, &mut out), None, "{request:?}");
    }
    assert_eq!(out, b"before;gets a b c\r\n");
}
