//! Faults of replies: late, broken, doubled, missing, swapped, nonsense.

use cmemcache::{Config, ErrorKind, Phase, StoreOutcome, WireProtocol};

use crate::support::{client, config, eventually, failure, within, Asked, Memcached, Peer, SLACK};
use crate::{get_fails, millis, set, single, text};

/// The client closes the connection, and the next call is right on another.
fn recovers(peer: &Peer, client: &cmemcache::Client) {
    eventually(millis(5000), || peer.open() == 0);
    assert_eq!(text(client, "next"), "next");
    assert_eq!(peer.accepted(), 2);
}

/// A peer that answers the first request of its first connection with these bytes and every other request right.
fn once(broken: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Peer {
    Peer::meta(move |session| {
        if session.number == 0 {
            let asked = session.ask()?;
            session.send(&broken(&asked))?;
        }
        session.serve(&Asked::echo)
    })
}

/// The same in the classic protocol.
fn once_classic(broken: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Peer {
    Peer::classic(move |session| {
        if session.number == 0 {
            let asked = session.ask()?;
            session.send(&broken(&asked))?;
        }
        session.serve(&|asked| asked.block(asked.key().as_bytes()))
    })
}

#[test]
fn a_reply_that_never_comes_is_a_timeout_and_the_connection_is_closed() {
    let peer = Peer::meta(|session| session.silence());
    let client = single(&peer).with_timeout(millis(100)).unwrap();
    let caller = client.clone();
    let error = failure(within(millis(100) + SLACK, move || caller.get("k")), ErrorKind::Timeout);
    assert_eq!(error.message(), format!("timed out reading from {} after 100 ms", peer.address()));
    assert_eq!(error.phase(), Some(Phase::Read));
    assert!(error.is_outcome_unknown());
    eventually(millis(5000), || peer.open() == 0);
}

#[test]
fn late_replies_never_reach_the_next_caller() {
    let server = Memcached::start();
    for protocol in [WireProtocol::Meta, WireProtocol::Classic] {
        let client = client(Config { protocol, max_connections: 1, failure_limit: 1000, ..config(&server.address()) });
        let hasty = client.with_timeout(millis(20)).unwrap();
        for key in ["a", "b"] {
            set(&client, key, key).unwrap();
        }
        for _ in 0..15 {
            server.freeze();
            failure(hasty.get("a"), ErrorKind::Timeout);
            server.thaw();
            assert_eq!(text(&client, "b"), "b");
            server.freeze();
            assert!(hasty.get_multi(&["b", "a", "b"]).unwrap().iter().all(Result::is_err));
            server.thaw();
            assert_eq!(text(&client, "a"), "a");
        }
    }
}

#[test]
fn replies_in_pieces_of_one_byte_are_read_right() {
    let meta = Peer::start(|session| {
        session.ask()?;
        session.drip(b"VERSION 1.6.18\r\n")?;
        let probe = session.ask()?;
        session.drip(&probe.code("EN"))?;
        loop {
            let asked = session.ask()?;
            session.drip(&asked.echo())?;
        }
    });
    let client_of_meta = single(&meta);
    assert_eq!(text(&client_of_meta, "key"), "key");
    assert_eq!(set(&client_of_meta, "key", "x").unwrap(), StoreOutcome::Stored);
    for (item, key) in client_of_meta.get_multi(&["a", "bb", "ccc"]).unwrap().into_iter().zip(["a", "bb", "ccc"]) {
        assert_eq!(item.unwrap().unwrap().value, key);
    }
    let server = Memcached::start();
    let peer = Peer::proxy(&server, |session, bytes| session.drip(bytes));
    let classic = client(Config { protocol: WireProtocol::Classic, ..config(&peer.address()) });
    set(&classic, "key", &"value ".repeat(100)).unwrap();
    assert_eq!(text(&classic, "key"), "value ".repeat(100));
    assert_eq!(classic.get("none").unwrap(), None);
}

#[test]
fn an_end_within_a_reply_is_an_error_and_neither_a_miss_nor_part_of_a_value() {
    for part in
        ["", "VA", "VA 5 f0 ", "VA 5 f0 O3\r\n", "VA 5 f0 O3\r\nhel", "VA 5 f0 O3\r\nhello", "VA 5 f0 O3\r\nhello\r", "EN O3\r"]
    {
        let peer = Peer::meta(move |session| {
            session.ask()?;
            session.send(part.as_bytes())
        });
        let error = get_fails(&single(&peer), &peer, ErrorKind::Disconnected);
        assert!(error.is_outcome_unknown(), "{part:?}");
    }
    for part in ["VALUE k 0 5\r\nhello\r\n", "VALUE k 0 5\r\nhello\r\nEN", "VALUE k", "EN"] {
        let peer = Peer::classic(move |session| {
            session.ask()?;
            session.send(part.as_bytes())
        });
        get_fails(&single(&peer), &peer, ErrorKind::Disconnected);
    }
    let large = Peer::meta(|session| {
        let asked = session.ask()?;
        session.send(&asked.hit(&[b'x'; 500_000])[..300_000])
    });
    get_fails(&single(&large), &large, ErrorKind::Disconnected);
}

#[test]
fn a_reset_within_a_request_says_that_the_outcome_is_unknown() {
    let peer = Peer::meta(|session| {
        session.limit_buffers(4096)?;
        session.receive()?;
        session.reset()
    });
    let client = client(Config { max_value_size: 0, ..config(&peer.address()) });
    let error = failure(set(&client, "k", &"x".repeat(32 << 20)), ErrorKind::Disconnected);
    assert!(error.is_outcome_unknown());
    assert_eq!(error.phase(), Some(Phase::Write), "{error:?}");
    let peer = Peer::meta(|session| {
        session.ask()?;
        session.reset()
    });
    let error = failure(set(&single(&peer), "k", "x"), ErrorKind::Disconnected);
    assert!(error.is_outcome_unknown());
    assert_eq!(error.phase(), Some(Phase::Read), "{error:?}");
}

#[test]
fn a_reply_that_comes_twice_closes_the_connection() {
    let peer = once(|asked| [asked.echo(), asked.echo()].concat());
    let client = single(&peer);
    assert_eq!(text(&client, "first"), "first", "the reply that was asked for is there");
    recovers(&peer, &client);
    let peer = once_classic(|asked| asked.block(b"first").repeat(2));
    let client = single(&peer);
    assert_eq!(text(&client, "first"), "first");
    recovers(&peer, &client);
}

#[test]
fn a_reply_that_comes_again_later_is_seen_before_the_connection_is_used() {
    let peer = Peer::classic(|session| {
        let asked = session.ask()?;
        session.send(b"STORED\r\n")?;
        if session.number == 0 {
            session.pause(millis(100));
            session.send(b"STORED\r\n")?;
            session.silence()?;
        }
        drop(asked);
        session.serve(&|_| b"NOT_STORED\r\n".to_vec())
    });
    let client = single(&peer);
    assert_eq!(set(&client, "a", "x").unwrap(), StoreOutcome::Stored);
    eventually(SLACK, || peer.silent() == 1);
    std::thread::sleep(millis(50));
    assert_eq!(set(&client, "b", "x").unwrap(), StoreOutcome::Stored, "on a connection of its own");
    assert_eq!(client.add("c", "x", 0, cmemcache::Exptime::Never).unwrap(), StoreOutcome::NotStored);
    assert_eq!(peer.accepted(), 2);
}

#[test]
fn a_reply_that_is_missing_never_shifts_the_others() {
    let peer = Peer::meta(|session| {
        if session.number == 0 {
            session.ask()?;
        }
        session.serve(&Asked::echo)
    });
    let client = single(&peer);
    for outcome in client.delete_multi(&["a", "b", "c"]).unwrap() {
        assert!(failure(outcome, ErrorKind::Protocol).message().contains("opaque"));
    }
    recovers(&peer, &client);
}

#[test]
fn replies_that_are_swapped_never_reach_the_wrong_key() {
    let peer = Peer::meta(|session| {
        if session.number == 0 {
            let (first, second) = (session.ask()?, session.ask()?);
            session.send(&[second.echo(), first.echo()].concat())?;
        }
        session.serve(&Asked::echo)
    });
    let client = single(&peer);
    for outcome in client.delete_multi(&["a", "b"]).unwrap() {
        failure(outcome, ErrorKind::Protocol);
    }
    recovers(&peer, &client);
}

/// A batch of reads is one command, whose reply names the keys that are there, in their order.
#[test]
fn a_batch_takes_no_value_but_that_of_its_key() {
    let swapped = |blocks: &[Vec<u8>]| [&blocks[1][..], &blocks[0], b"END\r\n"].concat();
    let doubled = |blocks: &[Vec<u8>]| [&blocks[0][..], &blocks[0], &blocks[1], b"END\r\n"].concat();
    let foreign = |_: &[Vec<u8>]| b"VALUE x 0 1\r\nx\r\nEND\r\n".to_vec();
    let endless = |blocks: &[Vec<u8>]| [&blocks[0][..], &blocks[1], &blocks[0], b"END\r\n"].concat();
    let ended_twice = |blocks: &[Vec<u8>]| [&blocks[0][..], &blocks[1], b"END\r\nEND\r\n"].concat();
    type Break = fn(&[Vec<u8>]) -> Vec<u8>;
    let broken: [Break; 5] = [swapped, doubled, foreign, endless, ended_twice];
    for (number, reply) in broken.into_iter().enumerate() {
        let peer = once(move |asked| reply(&asked.blocks()));
        let client = single(&peer);
        let outcomes = client.get_multi(&["a", "b"]).unwrap();
        for (outcome, key) in outcomes.iter().zip(["a", "b"]) {
            match outcome {
                Ok(item) => assert!(item.as_ref().is_none_or(|item| item.value == key), "{number}: {outcomes:?}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Protocol, "{number}: {outcomes:?}"),
            }
        }
        if number < 4 {
            assert!(outcomes[1].is_err(), "{number}: {outcomes:?}");
        }
        recovers(&peer, &client);
    }
}

#[test]
fn an_error_in_the_place_of_a_batchs_values_fails_them_at_once() {
    for line in ["SERVER_ERROR out of memory writing get response", "CLIENT_ERROR line too long", "ERROR"] {
        for values in 0..2 {
            let peer = once(move |asked| [asked.blocks()[..values].concat(), format!("{line}\r\n").into_bytes()].concat());
            let client = single(&peer);
            let caller = client.clone();
            let outcomes = within(SLACK, move || caller.get_multi(&["a", "b", "c"])).unwrap();
            for outcome in &outcomes[values..] {
                failure(outcome.clone(), ErrorKind::ServerError);
            }
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), values);
            recovers(&peer, &client);
        }
    }
}

#[test]
fn a_value_of_another_key_is_refused() {
    for key in ["other", "K", "kk", ""] {
        let peer = once_classic(move |_| format!("VALUE {key} 0 5\r\nwrong\r\nEND\r\n").into_bytes());
        let client = single(&peer);
        get_fails(&client, &peer, ErrorKind::Protocol);
        recovers(&peer, &client);
    }
}

#[test]
fn what_is_no_reply_closes_the_connection() {
    let over = 1 << 30;
    let broken: Vec<String> = [
        "VA 5 f0 O#\r\nhelloXX",
        "VA 5 f0 O#\r\nhello\n\n",
        "VA 4 f0 O#\r\nhello\r\n",
        "VA 6 f0 O#\r\nhello\r\nEN O#\r\n",
        "VA 9223372036854775808 f0 O#\r\n",
        "VA 18446744073709551616 f0 O#\r\n",
        "VA -1 f0 O#\r\n",
        "VA five f0 O#\r\nhello\r\n",
        "VA  f0 O#\r\n",
        "VA\r\n",
        "VA 5 O#\r\nhello\r\n",
        "VA 5 f4294967296 O#\r\nhello\r\n",
        "VA 5 f0\r\nhello\r\n",
        "HD O#\r\n",
        "NF O#\r\n",
        "VALUE k 0 5\r\nhello\r\nEND\r\n",
        "END\r\n",
        "\r\n",
        "\n",
        "garbage\r\n",
        "\0\0\0\0\r\n",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("VA {} f0 O#\r\n", over + 1)])
    .collect();
    for line in broken {
        let reply = line.clone();
        let peer = once(move |asked| reply.replace("O#", asked.opaque()).into_bytes());
        let client = single(&peer);
        let error = within(SLACK, {
            let client = client.clone();
            move || client.get("k")
        });
        assert_eq!(failure(error, ErrorKind::Protocol).server(), Some(&*peer.address()), "{line:?}");
        recovers(&peer, &client);
    }
    let classic = [
        "VALUE k 0 5\r\nhelloXXEND\r\n",
        "VALUE k 0 5\r\nhello\r\nMORE\r\n",
        "VALUE k 0 -5\r\n",
        "VALUE k 0 99999999999999999999\r\n",
        "VALUE k 4294967296 1\r\nx\r\nEND\r\n",
        "VALUE k 0 5 1 2\r\nhello\r\nEND\r\n",
        "STORED\r\n",
        "VA 5 f0 O3\r\nhello\r\n",
    ];
    for line in classic {
        let peer = once_classic(move |_| line.as_bytes().to_vec());
        let client = single(&peer);
        get_fails(&client, &peer, ErrorKind::Protocol);
        recovers(&peer, &client);
    }
}

#[test]
fn a_line_without_end_is_given_up_at_a_limit() {
    let peer = Peer::meta(|session| {
        session.ask()?;
        loop {
            session.send(&[b'x'; 1000])?;
        }
    });
    let client = single(&peer);
    let caller = client.clone();
    let error = failure(within(SLACK, move || caller.get("k")), ErrorKind::Protocol);
    assert!(error.message().contains("line of more than 2048 bytes"), "{error}");
    assert!(client.metrics()[0].bytes_read < 100_000);
    eventually(millis(5000), || peer.open() == 0);
}

#[test]
fn return_flags_that_are_new_and_trailing_spaces_are_accepted() {
    let tails = [" Z", " W X", " k", " newflag123", "  ", " s5 t-1 h1 l0"];
    for tail in tails {
        let peer = Peer::answering(move |asked| match asked.command() {
            "mg" => format!("VA 5 f7 {}{tail}\r\nhello\r\n", asked.opaque()).into_bytes(),
            _ => format!("HD {}{tail}\r\n", asked.opaque()).into_bytes(),
        });
        let client = single(&peer);
        let item = client.get("k").unwrap().unwrap();
        assert_eq!((&item.value[..], item.flags), (&b"hello"[..], 7), "{tail:?}");
        assert_eq!(set(&client, "k", "x").unwrap(), StoreOutcome::Stored);
        assert_eq!(peer.accepted(), 1);
    }
}

#[test]
fn a_server_that_forgot_the_meta_protocol_is_asked_again_on_the_next_connection() {
    let peer = Peer::start(|session| {
        if session.number == 0 {
            session.greet_meta()?;
            return session.serve(&|_| b"ERROR\r\n".to_vec());
        }
        session.greet_classic()?;
        session.serve(&|asked| asked.block(b"classic"))
    });
    let client = single(&peer);
    let error = get_fails(&client, &peer, ErrorKind::ServerError);
    assert!(error.message().ends_with("ERROR"), "{error}");
    assert_eq!(text(&client, "k"), "classic");
    assert_eq!(peer.accepted(), 2);
}

#[test]
fn out_of_memory_and_too_large_leave_the_connection_in_use() {
    let lines = [
        ("SERVER_ERROR out of memory storing object", ErrorKind::ServerError),
        ("SERVER_ERROR object too large for cache", ErrorKind::ValueTooLarge),
    ];
    for (line, kind) in lines {
        let peer = Peer::answering(move |asked| match asked.command() {
            "ms" => format!("{line}\r\n").into_bytes(),
            _ => asked.echo(),
        });
        let client = single(&peer);
        let error = failure(set(&client, "k", "x"), kind);
        assert!(!error.is_outcome_unknown());
        let entries = [("a", "1", 0), ("b", "2", 0)];
        for outcome in client.set_multi(&entries, cmemcache::Exptime::Never).unwrap() {
            failure(outcome, kind);
        }
        assert_eq!(text(&client, "k"), "k");
        assert_eq!(peer.accepted(), 1, "{line}");
    }
}

#[test]
fn any_other_error_line_closes_the_connection_and_is_passed_on() {
    for line in ["SERVER_ERROR backend gone", "CLIENT_ERROR bad data chunk", "CLIENT_ERROR bad command line format", "ERROR"] {
        let peer = once(move |_| format!("{line}\r\n").into_bytes());
        let client = single(&peer);
        let error = failure(set(&client, "k", "x"), ErrorKind::ServerError);
        assert!(error.message().ends_with(line), "{error}");
        recovers(&peer, &client);
    }
}

#[test]
fn an_error_within_a_batch_costs_its_key_and_those_behind_it() {
    let peer = Peer::answering(|asked| match asked.key() {
        "bad" => b"SERVER_ERROR temporary failure\r\n".to_vec(),
        _ => asked.echo(),
    });
    let client = single(&peer);
    let outcomes = client.delete_multi(&["a", "bad", "b"]).unwrap();
    assert!(outcomes[0].as_ref().unwrap());
    for outcome in &outcomes[1..] {
        failure(outcome.clone(), ErrorKind::ServerError);
    }
    assert_eq!(text(&client, "b"), "b");
}
