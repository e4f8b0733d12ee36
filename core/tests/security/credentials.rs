//! User and password, against a real memcached with `-Y`.

use std::path::PathBuf;

use cmemcache::{Config, ErrorKind, Exptime, Password, Phase, ServerState, WireProtocol};

use crate::certificates::certificate;
use crate::support::{client, config, eventually, failure, keys, Memcached, Peer, SLACK};
use crate::{file, set_and_get, trusting};

const PASSWORD: &str = "p:ä-secret-word";

/// A file of users, gone with this guard.
struct Users(PathBuf);

impl Users {
    fn new(name: &str, line: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cmemcache-users-{}-{name}", std::process::id()));
        std::fs::write(&path, format!("{line}\n")).unwrap();
        Self(path)
    }

    fn server(&self, further: &[&str]) -> Memcached {
        Memcached::with(&[&["-Y", self.0.to_str().unwrap()], further].concat())
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn as_user(address: &str, password: &str) -> Config {
    Config { user: Some("ann".into()), password: Some(Password::from(password)), ..config(address) }
}

#[test]
fn a_user_is_let_in_whatever_the_protocol() {
    let users = Users::new("in", &format!("ann:{PASSWORD}"));
    let server = users.server(&[]);
    for protocol in [WireProtocol::Auto, WireProtocol::Meta, WireProtocol::Classic] {
        let client = client(Config { protocol, key_prefix: b"p:".to_vec(), ..as_user(&server.address(), PASSWORD) });
        set_and_get(&client, "k", b"value");
        assert!(client.get("auth").unwrap().is_none());
        assert!(client.get_multi(&keys("none", 100)).unwrap().iter().all(|item| matches!(item, Ok(None))));
    }
}

#[test]
fn the_longest_credentials_are_those_of_memcacheds_own_file() {
    let password = "x".repeat(251);
    let users = Users::new("long", &format!("ann:{password}"));
    let server = users.server(&[]);
    set_and_get(&client(as_user(&server.address(), &password)), "k", b"value");
}

#[test]
fn rejected_and_missing_credentials_are_told_apart_and_the_server_is_left_alone() {
    let users = Users::new("out", &format!("ann:{PASSWORD}"));
    let server = users.server(&[]);
    let cases = [
        (as_user(&server.address(), "wrong-word"), "user and password were rejected: CLIENT_ERROR authentication failure"),
        (config(&server.address()), "user and password are wanted: CLIENT_ERROR unauthenticated"),
    ];
    for (config, why) in cases {
        let client = client(config);
        let error = failure(client.get("k"), ErrorKind::Auth);
        assert_eq!(error.message(), format!("{}: {why}", server.address()));
        assert_eq!(error.phase(), Some(Phase::Handshake));
        assert!(!error.is_outcome_unknown());
        assert_eq!(client.metrics()[0].state, ServerState::Down);
        // A machine that is busy may come to the next call when a probe is due.
        let mut again = error.clone();
        eventually(SLACK, || {
            again = client.get("k").unwrap_err();
            again.kind() == ErrorKind::ServerDown
        });
        assert!(again.message().ends_with(error.message()), "{again}");
        for secret in ["wrong", "secret"] {
            assert!(!format!("{client:?} {error:?} {again:?}").contains(secret), "the password");
        }
    }
}

#[test]
fn rejected_credentials_do_not_hammer_the_server() {
    let users = Users::new("storm", &format!("ann:{PASSWORD}"));
    let server = users.server(&[]);
    let options = as_user(&server.address(), "wrong");
    let at_once = u64::from(options.max_connections);
    let client = client(options);
    let begun = std::time::Instant::now();
    let call = || client.clone();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let client = call();
            std::thread::spawn(move || (0..2000).for_each(|_| drop(client.get("k").unwrap_err())))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    // Those that were opened at the same time, and one for each probe.
    let allowed = at_once + begun.elapsed().as_millis() as u64 / 180;
    assert!(client.metrics()[0].connects <= allowed, "{}", client.metrics()[0].connects);
}

#[test]
fn a_server_that_asks_for_no_credentials_never_sees_them() {
    let real = Memcached::start();
    let front = Peer::proxy(&real, |session, bytes| session.send(bytes));
    for protocol in [WireProtocol::Auto, WireProtocol::Meta, WireProtocol::Classic] {
        let client = client(Config { protocol, ..as_user(&front.address(), PASSWORD) });
        set_and_get(&client, "k", b"value");
        let heard = String::from_utf8_lossy(&front.received()).into_owned();
        assert!(heard.contains("set k") || heard.contains("ms k"), "{heard}");
        assert!(!heard.contains("secret"), "{heard}");
    }
    assert!(client(config(&real.address())).get("auth").unwrap().is_none());
}

#[test]
fn credentials_are_sent_once_on_each_connection() {
    let users = Users::new("once", &format!("ann:{PASSWORD}"));
    let server = users.server(&[]);
    let front = Peer::proxy(&server, |session, bytes| session.send(bytes));
    let client = client(Config { max_connections: 1, ..as_user(&front.address(), PASSWORD) });
    for _ in 0..50 {
        set_and_get(&client, "k", b"value");
    }
    assert_eq!(client.metrics()[0].connects, 1);
    let heard = String::from_utf8_lossy(&front.received()).into_owned();
    assert_eq!(heard.matches("secret").count(), 1);
    client.disconnect_all();
    set_and_get(&client, "k", b"value");
    assert_eq!(client.metrics()[0].connects, 2);
}

#[test]
fn a_server_that_rejects_in_its_own_words_does_not_let_the_client_in() {
    for words in ["ERROR", "SERVER_ERROR out of memory", "CLIENT_ERROR bad data chunk"] {
        let peer = Peer::start(move |session| {
            session.ask()?;
            session.send(b"CLIENT_ERROR unauthenticated\r\n")?;
            session.ask()?;
            session.send(format!("{words}\r\n").as_bytes())?;
            session.silence()
        });
        let client = client(as_user(&peer.address(), PASSWORD));
        let error = failure(client.set("k", "value", 0, Exptime::Never), ErrorKind::Auth);
        assert!(error.message().ends_with(&format!("user and password were rejected: {words}")), "{error}");
    }
}

#[test]
fn a_restarted_server_gets_the_credentials_again() {
    let users = Users::new("again", &format!("ann:{PASSWORD}"));
    let mut server = users.server(&[]);
    let client = client(as_user(&server.address(), PASSWORD));
    set_and_get(&client, "k", b"value");
    server.restart();
    assert!(client.get("k").unwrap().is_none());
    set_and_get(&client, "k", b"value");
}

#[test]
fn credentials_and_tls_go_together() {
    let users = Users::new("both", &format!("ann:{PASSWORD}"));
    let (chain, key) = (certificate("server.pem"), certificate("server.key"));
    let options = format!("ssl_chain_cert={},ssl_key={}", chain.display(), key.display());
    let server = users.server(&["-Z", "-o", &options]);
    let front = Peer::proxy(&server, |session, bytes| session.send(bytes));
    let right = client(Config { tls: Some(trusting()), ..as_user(&front.address(), PASSWORD) });
    set_and_get(&right, "k", b"value");
    assert!(!String::from_utf8_lossy(&front.received()).contains("secret"));
    let wrong = client(Config { tls: Some(trusting()), ..as_user(&front.address(), "wrong") });
    failure(wrong.get("k"), ErrorKind::Auth);
    let stranger = cmemcache::TlsOptions { ca: file("stranger.pem"), ..trusting() };
    let stranger = client(Config { tls: Some(stranger), ..as_user(&front.address(), PASSWORD) });
    failure(stranger.get("k"), ErrorKind::Tls);
}
