//! The replies of `conformance/replies.json`, each whole, one byte at a time, and cut at every place.

use bytes::Bytes;
use serde_json::Value as Json;

use super::super::{Dialect, Expect, Fault, FaultKind, Reply, Shape, Value};
use super::{Connection, Outcome};
use crate::item::ItemMetadata;
use crate::support::{bytes, each_vector, vectors};

/// One case of the file.
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) expect: Expect,
    pub(super) key: Vec<u8>,
    pub(super) bytes: Vec<u8>,
    pub(super) result: Expected,
    /// How many bytes remain behind the reply.
    pub(super) left: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expected {
    Reply(Json),
    Violation,
    Incomplete,
}

pub(super) fn load() -> Vec<Vector> {
    vectors("replies.json").iter().map(vector).collect()
}

fn vector(case: &Json) -> Vector {
    let name = case["name"].as_str().unwrap().to_owned();
    let result = match (&case["expect"], case["violation"].as_bool(), case["incomplete"].as_bool()) {
        (Json::Object(_), None, None) => Expected::Reply(case["expect"].clone()),
        (Json::Null, Some(true), None) => Expected::Violation,
        (Json::Null, None, Some(true)) => Expected::Incomplete,
        _ => panic!("{name}: exactly one of expect, violation and incomplete"),
    };
    let shape = shape(case);
    let meta = case["dialect"].as_str().unwrap() == "meta";
    assert!(meta || case["opaque"].is_null(), "{name}: classic requests carry no opaque");
    Vector {
        expect: Expect { shape, opaque: case["opaque"].as_u64().unwrap_or(0).try_into().unwrap() },
        key: case["key"].as_str().unwrap_or("").into(),
        bytes: bytes(&case["bytes"]),
        left: case["left"].as_u64().unwrap_or(0).try_into().unwrap(),
        result,
        name,
    }
}

fn shape(case: &Json) -> Shape {
    let cas = case["cas"].as_bool().unwrap_or(false);
    match (case["dialect"].as_str().unwrap(), case["shape"].as_str().unwrap()) {
        ("meta", "get") => Shape::MetaGet { cas },
        ("meta", "store") => Shape::MetaStore,
        ("meta", "delete") => Shape::MetaDelete,
        ("meta", "arith") => Shape::MetaArith,
        ("meta", "metadata") => Shape::MetaMetadata,
        ("meta", "touch") => Shape::MetaTouch,
        ("meta", "probe") => Shape::Probe,
        ("classic", "get_more") => Shape::ClassicGetMore { cas },
        ("classic", "get") => Shape::ClassicGet { cas },
        ("classic", "store") => Shape::ClassicStore,
        ("classic", "delete") => Shape::ClassicDelete,
        ("classic", "arith") => Shape::ClassicArith,
        ("classic", "touch") => Shape::ClassicTouch,
        ("classic", "ok") => Shape::Ok,
        ("classic", "stats") => Shape::Stats,
        ("classic", "version") => Shape::Version,
        other => panic!("no such shape: {other:?}"),
    }
}

pub(super) fn reply(json: &Json) -> Reply<'static> {
    let number = |json: &Json| json.as_str().unwrap().parse::<u64>().unwrap();
    let (what, content) = json.as_object().unwrap().iter().next().unwrap();
    match what.as_str() {
        "value" => Reply::Value {
            value: Value::Whole(Bytes::from(bytes(&content["bytes"]))),
            flags: content["flags"].as_u64().unwrap().try_into().unwrap(),
            cas: number(&content["cas"]),
        },
        "outcome" => match content.as_str().unwrap() {
            "done" => Reply::Done,
            "miss" => Reply::Miss,
            "not_stored" => Reply::NotStored,
            "exists" => Reply::Exists,
            other => panic!("no such outcome: {other}"),
        },
        "number" => Reply::Number(number(content)),
        "version" => Reply::Version(Box::leak(content.as_str().unwrap().to_owned().into_boxed_str())),
        "stats" => Reply::Stats(serde_json::from_value(content.clone()).unwrap()),
        "metadata" => Reply::Metadata(ItemMetadata {
            ttl: content["ttl"].as_i64(),
            idle: content["idle"].as_u64().unwrap(),
            cas: number(&content["cas"]),
            fetched: content["fetched"].as_bool().unwrap(),
            slab_class: content["slab_class"].as_u64().unwrap().try_into().unwrap(),
            size: content["size"].as_u64().unwrap(),
        }),
        "probed" => Reply::Probed(match content.as_str().unwrap() {
            "meta" => Some(Dialect::Meta),
            "classic" => Some(Dialect::Classic),
            "unknown" => None,
            other => panic!("no such dialect: {other}"),
        }),
        "fault" => Reply::Fault(Fault {
            kind: fault_kind(content["kind"].as_str().unwrap()),
            line: String::from_utf8(bytes(&content["line"])).unwrap(),
        }),
        other => panic!("no such reply: {other}"),
    }
}

fn fault_kind(name: &str) -> FaultKind {
    match name {
        "too_large" => FaultKind::TooLarge,
        "out_of_memory" => FaultKind::OutOfMemory,
        "not_numeric" => FaultKind::NotNumeric,
        "too_many_connections" => FaultKind::TooManyConnections,
        "unauthenticated" => FaultKind::Unauthenticated,
        "client" => FaultKind::Client,
        "server" => FaultKind::Server,
        "unknown_command" => FaultKind::UnknownCommand,
        other => panic!("no such kind: {other}"),
    }
}

/// Decodes the case from these chunks and checks everything it says.
fn check(vector: &Vector, chunks: &[&[u8]]) {
    let name = &vector.name;
    let mut connection = Connection::default();
    let mut chunks = chunks.iter().copied();
    let outcome = connection.decode(&vector.expect, &vector.key, &mut chunks);
    match &vector.result {
        Expected::Reply(json) => {
            assert_eq!(outcome, Outcome::Replied(reply(json)), "{name}");
            for mut chunk in chunks {
                while !chunk.is_empty() {
                    chunk = super::read(&mut connection.input, chunk);
                }
            }
            assert_eq!(connection.input.pending().len(), vector.left, "{name}: bytes behind the reply");
            assert_eq!(connection.input.is_empty(), vector.left == 0, "{name}");
        }
        Expected::Violation => assert!(matches!(outcome, Outcome::Violated(_)), "{name}: {outcome:?}"),
        Expected::Incomplete => assert_eq!(outcome, Outcome::Incomplete, "{name}"),
    }
}

/// Where to cut so many bytes: everywhere. Inside a long reply one place is like another, so that a few hundred will do.
fn places(length: usize) -> impl Iterator<Item = usize> {
    let step = (length / 300) | 1;
    (0..=length).filter(move |at| *at < 300 || length - at < 300 || at % step == 0)
}

#[test]
fn every_reply_decodes_whole() {
    for vector in load() {
        check(&vector, &[&vector.bytes]);
    }
}

#[test]
fn every_reply_decodes_one_byte_at_a_time() {
    for vector in load() {
        let chunks: Vec<&[u8]> = vector.bytes.chunks(1).collect();
        check(&vector, &chunks);
    }
}

#[test]
fn every_reply_decodes_cut_at_every_place() {
    each_vector("replies.json", |case| {
        let vector = vector(case);
        for at in places(vector.bytes.len()) {
            let (front, back) = vector.bytes.split_at(at);
            check(&vector, &[front, back]);
        }
    });
}

#[test]
fn every_beginning_of_a_reply_is_incomplete() {
    for vector in load().iter().filter(|vector| matches!(vector.result, Expected::Reply(_))) {
        let length = vector.bytes.len() - vector.left;
        for end in places(length).filter(|end| *end < length) {
            let outcome = Connection::default().decode(&vector.expect, &vector.key, [&vector.bytes[..end]]);
            assert_eq!(outcome, Outcome::Incomplete, "{} cut at {end}", vector.name);
        }
    }
}

#[test]
fn a_reply_to_another_request_is_never_taken() {
    let mut checked = 0;
    for vector in load() {
        let Expected::Reply(json) = &vector.result else { continue };
        let (mut expect, mut key) = (vector.expect, vector.key.clone());
        let fault_or_probe = matches!(reply(json), Reply::Fault(_) | Reply::Probed(Some(Dialect::Classic) | None));
        match expect.shape {
            _ if fault_or_probe => continue,
            Shape::ClassicGet { .. } | Shape::MetaMetadata if reply(json) != Reply::Miss => key.push(b'x'),
            Shape::MetaGet { .. }
            | Shape::MetaStore
            | Shape::MetaDelete
            | Shape::MetaArith
            | Shape::MetaTouch
            | Shape::Probe => expect.opaque ^= 1,
            _ => continue,
        }
        let outcome = Connection::default().decode(&expect, &key, [&vector.bytes[..]]);
        assert!(matches!(outcome, Outcome::Violated(_)), "{}: {outcome:?}", vector.name);
        checked += 1;
    }
    assert!(checked > 20, "the file has too few such cases: {checked}");
}
