//! Keys of every kind: the longest, the strangest, with prefixes, in base64.

use cmemcache::{Client, Config, ErrorKind, Exptime, KeyEncoding, StoreOutcome, WireProtocol};

use crate::both_dialects;
use crate::support::{client, config, failure, Memcached};

/// Every operation on one key.
fn exercise(client: &Client, key: &[u8], meta: bool) {
    assert_eq!(client.set(key, key, 1, Exptime::Never).unwrap(), StoreOutcome::Stored);
    assert_eq!(client.get(key).unwrap().unwrap().value, key);
    assert_eq!(client.get_multi(&[key, key]).unwrap()[1].as_ref().unwrap().as_ref().unwrap().value, key);
    let token = client.gets(key).unwrap().unwrap().cas.unwrap();
    assert_eq!(client.cas(key, "5", token, 0, Exptime::Never).unwrap(), StoreOutcome::Stored);
    assert_eq!(client.incr(key, 1, None).unwrap(), Some(6));
    assert!(client.touch(key, Exptime::After(100)).unwrap());
    assert!(client.gat(key, Exptime::Never).unwrap().is_some());
    if meta {
        assert!(client.metadata(key).unwrap().is_some());
    }
    assert_eq!(client.append(key, "7").unwrap(), StoreOutcome::Stored);
    assert_eq!(client.get(key).unwrap().unwrap().value, "67");
    assert!(client.delete(key).unwrap());
}

#[test]
fn every_legal_byte_and_length_is_taken() {
    both_dialects(&[], |_, config| {
        let meta = config.protocol == WireProtocol::Meta;
        let client = client(config);
        let legal: Vec<u8> = (0x21..=0xff).filter(|byte| *byte != 0x7f).collect();
        assert_eq!(legal.len(), 222);
        exercise(&client, &legal, meta);
        exercise(&client, &[b'k'; 250], meta);
        for byte in legal {
            exercise(&client, &[byte], meta);
        }
        assert_eq!(client.metrics()[0].connects, 1);
    });
}

#[test]
fn a_prefix_is_part_of_the_key_on_the_server() {
    both_dialects(&[], |_, config| {
        let meta = config.protocol == WireProtocol::Meta;
        let bare = client(config.clone());
        let prefixed = client(Config { key_prefix: b"app:".to_vec(), ..config });
        exercise(&prefixed, b"k", meta);
        exercise(&prefixed, &[b'k'; 246], meta);
        failure(prefixed.get([b'k'; 247]), ErrorKind::KeyTooLong);
        prefixed.set("k", "x", 0, Exptime::Never).unwrap();
        assert_eq!(bare.get("app:k").unwrap().unwrap().value, "x");
        assert_eq!(bare.get("k").unwrap(), None);
    });
}

#[test]
fn base64_carries_keys_of_any_bytes() {
    let server = Memcached::start();
    let encoded = Config { key_encoding: KeyEncoding::Base64, ..config(&server.address()) };
    for key_prefix in [Vec::new(), b"\0\r\n \x7f".to_vec()] {
        let client = client(Config { key_prefix: key_prefix.clone(), ..encoded.clone() });
        for byte in 0..=255 {
            exercise(&client, &[byte], true);
        }
        let all: Vec<u8> = (0..=255).collect();
        exercise(&client, &all[..128], true);
        exercise(&client, &all[128..], true);
        exercise(&client, b"x\r\nset evil 0 0 1\r\n1\r\n", true);
        exercise(&client, &vec![0; 186 - key_prefix.len()], true);
        failure(client.get(vec![0; 187 - key_prefix.len()]), ErrorKind::KeyTooLong);
        assert_eq!(client.metrics()[0].connects, 1);
    }
}

#[test]
fn base64_needs_the_meta_protocol() {
    let server = Memcached::start();
    let encoded = Config { key_encoding: KeyEncoding::Base64, ..config(&server.address()) };
    let client = client(Config { protocol: WireProtocol::Classic, ..encoded });
    let error = failure(client.get("k"), ErrorKind::Unsupported);
    assert!(error.message().contains("meta protocol") && !error.is_outcome_unknown(), "{error:?}");
    failure(client.set("k", "x", 0, Exptime::Never), ErrorKind::Unsupported);
    for outcome in client.get_multi(&["a", "b"]).unwrap() {
        failure(outcome, ErrorKind::Unsupported);
    }
    assert_eq!(server.stat("cmd_get") + server.stat("cmd_set"), 0);
}
