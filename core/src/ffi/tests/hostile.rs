//! Requests that no wrapper makes: an error each, never a panic, a hang, or a byte read beyond their end.

use super::vectors::{bytes, vectors};
use super::{batch, call, options, reply_to, request, string_client, Answer};
use crate::ffi::{ClientOptions, StringClient};
use crate::support::Memcached;

/// Numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| self.next() as u8).collect()
    }
}

fn refused(request: &[u8], words: &str) {
    let client = string_client::<&str>(&[]);
    let answer = call(client.handle(), request, b"");
    assert_eq!(answer.status, 66, "{answer:?}");
    assert!(answer.error().1.contains(words), "{answer:?}");
}

#[test]
fn a_malformed_request_is_named_as_what_it_is() {
    refused(b"", "ends 1 bytes early");
    refused(&[2, 1, 0, 0, 0], "ends 3 bytes early");
    refused(&[1, 1, 0, 0, 0, 0, 0, 0, b'k'], "layout 1 is not 2");
    refused(&[3, 1, 0, 0, 0, 0, 0, 0, b'k'], "layout 3 is not 2");
    for operation in [0, 15, 20, 255] {
        refused(&request(operation, 0, 0, &[b"k"]), &format!("operation {operation} is unknown"));
    }
    refused(&request(1, 1, 0, &[b"short"]), "bytes early");
    let count = |count: u32| count.to_le_bytes();
    refused(&request(16, 0, 0, &[&count(u32::MAX)]), "fewer keys than its count");
    refused(&request(16, 0, 0, &[&count(3), b"a\nb"]), "fewer keys than its count");
    refused(&request(16, 0, 0, &[&count(0), b"a"]), "1 bytes too many");
    refused(&request(16, 1, 0, &[&count(1), &[0; 7]]), "bytes early");
    refused(&request(16, 4, 0, &[&count(u32::MAX)]), "bytes early");
    refused(&request(16, 5, 0, &[&count(1), &[0; 8], &[1, 0, 0]]), "bytes early");
    refused(&request(16, 4, 0, &[&count(1), &count(1), b"kk"]), "1 bytes too many");
    refused(&request(16, 4, 0, &[&count(1), &count(u32::MAX), b"k"]), "bytes early");
    refused(&request(18, 0, 0, &[&count(1), &[0; 8], &count(5), &count(0), b"k"]), "bytes early");
}

#[test]
fn a_newline_in_a_key_never_makes_two_of_one() {
    let client = string_client::<&str>(&[]);
    for keys in [&["a\nb", "c"][..], &["a", "b\n"], &["\n"], &["a", "\n", "b"]] {
        let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        let answer = call(client.handle(), &batch(16, &keys), b"");
        assert_eq!(answer.status, 65, "{answer:?}");
    }
    let binary = StringClient::new(Vec::new(), ClientOptions { binary_keys: true, ..options() }).unwrap();
    let answer = call(binary.handle(), &batch(16, &[b"a", b"b"]), b"");
    assert_eq!((answer.status, answer.error().1), (66, "packed request has binary keys without their lengths"));
}

#[test]
fn random_bytes_are_errors() {
    let client = string_client::<&str>(&[]);
    let mut random = Random(0x5eed_0001);
    for _ in 0..60_000 {
        let mut bytes = random.bytes(80);
        // Most of them get past the first look.
        if random.below(8) > 0 && bytes.len() >= 8 {
            bytes[0] = 2;
            bytes[1] = random.below(21) as u8;
            bytes[2..8].fill(0);
            bytes[2] = random.below(8) as u8;
        }
        let value = random.bytes(40);
        let answer = Answer::read(&reply_to(client.handle(), &bytes, &value, 1024));
        assert!(matches!(answer.status, 64..=68), "{bytes:?}: {answer:?}");
    }
}

/// What gets through is carried out, and leaves the connection in step.
#[test]
fn mutated_requests_leave_the_connection_in_step() {
    let server = Memcached::start();
    let client = string_client(&[server.address()]);
    let seeds: Vec<Vec<u8>> = vectors().iter().map(|vector| bytes(&vector["request"])).collect();
    let mut random = Random(0x5eed_0002);
    let mut carried_out = 0;
    for _ in 0..20_000 {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        bytes[4..8].fill(0);
        for _ in 0..random.below(4) {
            let at = 8 + random.below(bytes.len() - 7);
            let Some(byte) = bytes.get_mut(at) else { continue };
            *byte = if random.below(2) == 0 { b'a' + random.below(26) as u8 } else { random.next() as u8 };
        }
        if random.below(4) == 0 {
            bytes.truncate(8 + random.below(bytes.len() - 7));
        }
        let value = random.bytes(100);
        let answer = Answer::read(&reply_to(client.handle(), &bytes, &value, 1024));
        assert!(matches!(answer.status, 0..=3 | 64..=67 | 77), "{bytes:?}: {answer:?}");
        carried_out += usize::from(answer.status < 4);
    }
    assert!(carried_out > 1000, "{carried_out}");
    let metrics = &client.metrics()[0];
    assert_eq!((metrics.connects, metrics.protocol_errors, metrics.timeouts), (1, 0, 0), "{metrics:?}");
}

/// The same lengths that a reply announces are never trusted by this side either.
#[test]
fn counts_that_no_memory_holds_are_errors() {
    let client = string_client::<&str>(&[]);
    for operation in [16, 17, 18, 19] {
        for count in [1u32, 2, 1000, u32::MAX / 8, u32::MAX] {
            let bytes = request(operation, 5, 0, &[&count.to_le_bytes(), &[0xff; 64]]);
            let answer = call(client.handle(), &bytes, &[0; 64]);
            assert!(matches!(answer.status, 65 | 66), "{count}: {answer:?}");
        }
    }
}
