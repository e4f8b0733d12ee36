//! Limits, time, versions, credentials and what is counted.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use cmemcache::testing::{Counts, Options, Server};
use cmemcache::{Config, ErrorKind, Exptime, StoreOutcome, WireProtocol};

use crate::compare::{pair, Wire};
use crate::support::{client, config, failure};

#[test]
fn time_moves_forward_on_demand() {
    let server = Server::start().unwrap();
    let client = client(config(&server.address()));
    let minute = Exptime::from_seconds(60).unwrap();
    client.set("short", "x", 0, minute).unwrap();
    client.set("ever", "x", 0, Exptime::Never).unwrap();
    // Longer than 30 days travels as a time since 1970.
    client.set("long", "x", 0, Exptime::from_seconds(40 * 86400).unwrap()).unwrap();
    server.advance(Duration::from_secs(30));
    assert!(client.get("short").unwrap().is_some());
    assert!(client.touch("short", minute).unwrap());
    server.advance(Duration::from_secs(45));
    assert!(client.get("short").unwrap().is_some());
    server.advance(Duration::from_secs(30));
    assert!(client.get("short").unwrap().is_none());
    server.advance(Duration::from_secs(39 * 86400));
    assert!(client.get("long").unwrap().is_some());
    server.advance(Duration::from_secs(86400));
    assert!(client.get("long").unwrap().is_none());
    assert!(client.get("ever").unwrap().is_some());
    server.advance(Duration::MAX);
    assert!(client.get("ever").unwrap().is_some());
}

#[test]
fn a_delayed_flush_happens_when_its_time_has_come() {
    let server = Server::start().unwrap();
    let client = client(config(&server.address()));
    client.set("k", "x", 0, Exptime::Never).unwrap();
    client.flush_all(100).unwrap();
    server.advance(Duration::from_secs(90));
    assert!(client.get("k").unwrap().is_some());
    server.advance(Duration::from_secs(10));
    assert!(client.get("k").unwrap().is_none());
    client.set("k", "x", 0, Exptime::Never).unwrap();
    assert!(client.get("k").unwrap().is_some());
}

#[test]
fn items_beyond_the_memory_push_out_the_longest_unused() {
    let server = Server::with(&Options { memory_limit: 10_000, ..Options::default() }).unwrap();
    let client = client(config(&server.address()));
    let value = vec![b'x'; 900];
    for number in 0..10 {
        client.set(format!("k{number}"), &value, 0, Exptime::Never).unwrap();
        assert!(client.get("k0").unwrap().is_some(), "it is used all the time");
    }
    for number in 10..14 {
        client.set(format!("k{number}"), &value, 0, Exptime::Never).unwrap();
    }
    let found = |number: usize| client.get(format!("k{number}")).unwrap().is_some();
    assert_eq!((1..14).filter(|number| found(*number)).count(), 9);
    assert!(!found(1) && found(13));
    let stats = client.stats(None).unwrap().remove(0).reply.unwrap();
    let number = |name: &str| stats.iter().find(|(other, _)| other == name).unwrap().1.parse::<u64>().unwrap();
    assert!(number("evictions") >= 4 && number("bytes") <= 10_000);
    // Larger than all of the memory, and not larger than an item may be.
    failure(client.set("k", vec![0; 20_000], 0, Exptime::Never), ErrorKind::ServerError);
}

#[test]
fn a_larger_item_than_allowed_is_refused_and_the_old_one_is_gone() {
    let server = Server::with(&Options { item_size_max: 2000, ..Options::default() }).unwrap();
    let client = client(config(&server.address()));
    client.set("k", vec![0; 1900], 0, Exptime::Never).unwrap();
    failure(client.set("k", vec![0; 2000], 0, Exptime::Never), ErrorKind::ValueTooLarge);
    assert!(client.get("k").unwrap().is_none());
}

#[test]
fn a_server_of_before_the_meta_protocol_is_served() {
    for version in ["1.4.39", "1.5.16", "1.5.22", "1.6.6", "1.6.17", "1.6.18", "1.6.40"] {
        let server = Server::with(&Options { version: version.into(), ..Options::default() }).unwrap();
        let client = client(config(&server.address()));
        assert_eq!(client.set("k", "x", 3, Exptime::Never).unwrap(), StoreOutcome::Stored);
        assert_eq!(client.get("k").unwrap().unwrap().flags, 3);
        assert_eq!(client.version().unwrap()[0].reply.as_ref().unwrap(), version);
        let metadata = client.metadata("k");
        assert_eq!(metadata.is_ok(), matches!(version, "1.6.18" | "1.6.40"), "{version}: {metadata:?}");
    }
}

#[test]
fn later_versions_know_more_flags() {
    let reply = |version: &str, step: &[u8]| {
        let server = Server::with(&Options { version: version.into(), ..Options::default() }).unwrap();
        String::from_utf8(Wire::to(server.port()).run(step)).unwrap()
    };
    assert_eq!(reply("1.6.26", b"ms k 1 E9 c\r\nx\r\n"), "CLIENT_ERROR invalid flag\r\n");
    assert_eq!(reply("1.6.27", b"ms k 1 E9 c\r\nx\r\n"), "HD c9\r\n");
    assert_eq!(reply("1.6.27", b"ma k N0 E9 c\r\nmd k I E5\r\nmg k c\r\n"), "HD c9\r\nHD\r\nHD c5 X W\r\n");
    assert_eq!(reply("1.6.27", b"ms k 1 F3 c\r\nx\r\nmd k x\r\nmg k v f c\r\n"), "HD c2\r\nHD\r\nVA 0 f0 c2\r\n\r\n");
    assert_eq!(reply("1.6.26", b"md k x\r\n"), "CLIENT_ERROR invalid or duplicate flag\r\n");
    assert!(reply("1.6.23", b"ms k 1 T30\r\nx\r\nme k\r\n").contains("exp=-30 "));
    assert!(reply("1.6.24", b"ms k 1 T30\r\nx\r\nme k\r\n").contains("exp=30 "));
    assert_eq!(reply("1.6.19", b"ms k 1 MA N30\r\nx\r\n"), "NS\r\n");
    assert_eq!(reply("1.6.20", b"ms k 1 MA N30\r\nx\r\nmg k v t\r\n"), "HD\r\nVA 1 t30\r\nx\r\n");
}

#[test]
fn nothing_is_done_before_the_credentials() {
    let credentials = Some(("ann".to_owned(), "s3cret".to_owned()));
    let server = Server::with(&Options { credentials, ..Options::default() }).unwrap();
    let ask = |commands: &[u8]| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(commands).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut replies = String::new();
        stream.read_to_string(&mut replies).unwrap();
        replies
    };
    assert_eq!(ask(b"version\r\nget k\r\n"), "CLIENT_ERROR unauthenticated\r\n".repeat(2));
    assert_eq!(
        ask(b"set auth 0 0 5\r\nann x\r\nget k\r\n"),
        "CLIENT_ERROR authentication failure\r\nCLIENT_ERROR unauthenticated\r\n"
    );
    assert_eq!(ask(b"set auth 0 0 3\r\nann\r\n"), "CLIENT_ERROR bad authentication token format\r\n");
    assert_eq!(ask(b"set auth 0 0 9\r\nann s3cretXX"), "CLIENT_ERROR bad command line termination\r\n");
    assert_eq!(
        ask(b"set auth 0 0 10\r\nann s3cret\r\nset k 0 0 1\r\nx\r\nget k\r\n"),
        "STORED\r\nSTORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n"
    );
}

#[test]
fn what_is_counted_is_the_same_in_both_protocols() {
    for protocol in [WireProtocol::Auto, WireProtocol::Meta, WireProtocol::Classic] {
        let server = Server::start().unwrap();
        let client = client(Config { protocol, ..config(&server.address()) });
        client.set("k", "x", 0, Exptime::Never).unwrap();
        client.get("k").unwrap();
        client.get("missing").unwrap();
        client.gat("k", Exptime::Never).unwrap();
        client.delete("k").unwrap();
        let counts = server.counts();
        let told = (counts.connections, counts.open_connections, counts.commands, counts.reads, counts.hits, counts.misses);
        assert_eq!(told, (1, 1, 5, 3, 2, 1), "{protocol:?}");
        assert_eq!((counts.stores, counts.deletes), (1, 1));
        server.clear();
        assert_eq!((server.counts().commands, server.counts().connections), (0, 0));
        drop(client);
        crate::support::eventually(Duration::from_secs(5), || server.counts() == Counts::default());
    }
}

#[test]
fn options_out_of_their_range_are_refused_by_name() {
    let refused = |options: Options, name: &str| {
        let error = failure(Server::with(&options), ErrorKind::InvalidArgument);
        assert!(error.message().contains(name), "{error}");
    };
    let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
    refused(Options { version: "new".into(), ..Options::default() }, "version \"new\"");
    refused(Options { version: "1.6.18\r\n".into(), ..Options::default() }, "version");
    refused(Options { item_size_max: 1023, ..Options::default() }, "item_size_max is 1023");
    refused(Options { item_size_max: (1 << 30) + 1, ..Options::default() }, "item_size_max");
    refused(Options { memory_limit: 0, ..Options::default() }, "memory_limit is 0");
    refused(Options { credentials: pair("", "x"), ..Options::default() }, "user and password");
    refused(Options { credentials: pair("ann", "two words"), ..Options::default() }, "user and password");
    let taken = Server::start().unwrap();
    let error = failure(Server::with(&Options { port: taken.port(), ..Options::default() }), ErrorKind::ServerDown);
    assert!(error.message().starts_with(&format!("cannot listen on {}: ", taken.address())), "{error}");
}

#[test]
fn statistics_have_the_names_of_the_real_ones() {
    let Some((real, ours)) = pair() else { return };
    let names = |port: u16, kind: &str| {
        let mut wire = Wire::to(port);
        wire.run(b"set k 0 0 5\r\nvalue\r\nget k missing\r\n");
        let text = String::from_utf8(wire.run(format!("stats {kind}\r\n").as_bytes())).unwrap();
        assert!(text.ends_with("END\r\n"), "{text}");
        text.lines().filter_map(|line| line.strip_prefix("STAT ")?.split(' ').next().map(str::to_owned)).collect::<Vec<_>>()
    };
    for kind in ["", "settings", "items", "slabs", "sizes"] {
        let (theirs, own) = (names(real.port(), kind), names(ours.port(), kind));
        assert!(!own.is_empty());
        let foreign: Vec<_> = own.iter().filter(|name| !theirs.contains(name)).collect();
        assert!(foreign.is_empty(), "stats {kind}: {foreign:?}");
    }
}

#[test]
fn statistics_have_the_numbers_of_the_real_ones() {
    let Some((real, ours)) = pair() else { return };
    let steps =
        b"set k 0 0 5\r\nvalue\r\nset l 3 0 0\r\n\r\nget k missing\r\ngat 0 k missing\r\ntouch k 0\r\nmg k v\r\ndelete l\r\n";
    let numbers = |port: u16| {
        let mut wire = Wire::to(port);
        wire.run(steps);
        let text = String::from_utf8(wire.run(b"stats\r\n")).unwrap();
        let wanted = ["bytes", "curr_items", "total_items", "cmd_set", "cmd_touch", "get_hits", "limit_maxbytes", "version"];
        let kept = text.lines().filter(|line| wanted.iter().any(|name| line.starts_with(&format!("STAT {name} "))));
        let mut kept: Vec<_> = kept.map(str::to_owned).collect();
        kept.sort();
        kept
    };
    assert_eq!(numbers(ours.port()), numbers(real.port()));
}
