//! Bytes that nobody wrote, and bytes cut where nobody would.

use super::super::{Decoder, Expect, Input, Reply, Shape};
use super::vectors::{self, Expected, Vector};
use super::{read, Connection, Outcome};

/// Xorshift: small, and the same on every run.
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
}

const SHAPES: [Shape; 19] = [
    Shape::MetaGet { cas: false },
    Shape::MetaGet { cas: true },
    Shape::MetaStore,
    Shape::MetaDelete,
    Shape::MetaArith,
    Shape::MetaMetadata,
    Shape::MetaTouch,
    Shape::Probe,
    Shape::ClassicGet { cas: false },
    Shape::ClassicGet { cas: true },
    Shape::ClassicGetMore { cas: false },
    Shape::ClassicGetMore { cas: true },
    Shape::ClassicStore,
    Shape::ClassicDelete,
    Shape::ClassicArith,
    Shape::ClassicTouch,
    Shape::Ok,
    Shape::Stats,
    Shape::Version,
];

/// Pieces from which something like a reply is put together now and then.
const WORDS: [&str; 40] = [
    "VA ",
    "HD",
    "EN",
    "NF",
    "NS",
    "EX",
    "ME k ",
    "MN",
    "VALUE k ",
    "END",
    "STORED",
    "NOT_STORED",
    "DELETED",
    "TOUCHED",
    "NOT_FOUND",
    "EXISTS",
    "OK",
    "STAT a b",
    "VERSION 1.6.18",
    "ERROR",
    "CLIENT_ERROR ",
    "SERVER_ERROR ",
    " ",
    " O1",
    " f0",
    " c9",
    " 0 ",
    "1",
    "5",
    "20000",
    "99999999999999999999",
    "-1",
    "hello",
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    "\0",
    "exp=-1 la=0 cas=1 fetch=no cls=1 size=64",
];

fn garbage(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.below(40) {
        match random.below(8) {
            0 => bytes.push(random.next() as u8),
            1 => bytes.extend((0..random.below(3000)).map(|_| random.next() as u8)),
            _ => bytes.extend_from_slice(WORDS[random.below(WORDS.len())].as_bytes()),
        }
    }
    bytes
}

/// Decodes until the bytes are used up or refused. Replies have to cost bytes, or this would not end.
fn drain(expect: &Expect, bytes: &[u8], random: &mut Random) -> usize {
    let (mut decoder, mut input) = (Decoder::default(), Input::default());
    let (mut rest, mut replies, mut expect) = (bytes, 0, *expect);
    loop {
        match decoder.decode(&expect, b"k", &mut input) {
            Ok(Some(reply)) => {
                replies += 1;
                // A key that is missing among several takes no byte: the line is the next key's.
                if let (Shape::ClassicGetMore { cas }, Reply::Miss) = (expect.shape, reply) {
                    expect.shape = Shape::ClassicGet { cas };
                }
            }
            Ok(None) if rest.is_empty() => return replies,
            Ok(None) => {
                let (chunk, behind) = rest.split_at(1 + random.below(rest.len()));
                let unread = read(&mut input, chunk).len();
                rest = &rest[chunk.len() - unread..];
                debug_assert!(rest.len() >= behind.len());
            }
            Err(_) => return replies,
        }
        assert!(replies <= bytes.len(), "replies out of nothing");
    }
}

#[test]
fn garbage_ends_in_replies_or_a_violation_and_never_panics() {
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut replies = 0;
    for _ in 0..20_000 {
        let bytes = garbage(&mut random);
        let shape = SHAPES[random.below(SHAPES.len())];
        replies += drain(&Expect { shape, opaque: 1 }, &bytes, &mut random);
    }
    assert!(replies > 100, "the garbage is too far from replies to test much: {replies}");
}

#[test]
fn a_reply_with_a_wrong_byte_never_panics_and_never_ends_in_a_loop() {
    let mut random = Random(0xfeed_beef_1234_5678);
    for vector in vectors::load().iter().filter(|vector| vector.bytes.len() < 1000) {
        for at in 0..vector.bytes.len() {
            let mut bytes = vector.bytes.clone();
            bytes[at] = random.next() as u8;
            drain(&vector.expect, &bytes, &mut random);
            bytes.remove(at);
            drain(&vector.expect, &bytes, &mut random);
        }
    }
}

/// Cuts bytes into chunks of random sizes, most of them small.
fn cut<'a>(bytes: &'a [u8], random: &mut Random) -> Vec<&'a [u8]> {
    let (mut chunks, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let most = [1, 4, 100, 5000, 100_000][random.below(5)];
        let (chunk, behind) = rest.split_at(1 + random.below(most.min(rest.len())));
        chunks.push(chunk);
        rest = behind;
    }
    chunks
}

#[test]
fn pipelined_replies_decode_the_same_however_they_are_cut() {
    let mut random = Random(0x0bad_cafe_dead_beef);
    let vectors = vectors::load();
    let complete = |vector: &&Vector| matches!(vector.result, Expected::Reply(_)) && vector.left == 0;
    let vectors: Vec<&Vector> = vectors.iter().filter(complete).collect();
    for _ in 0..200 {
        let sequence: Vec<&Vector> = (0..100).map(|_| vectors[random.below(vectors.len())]).collect();
        let bytes: Vec<u8> = sequence.iter().flat_map(|vector| vector.bytes.iter().copied()).collect();
        let mut connection = Connection::default();
        let chunks = cut(&bytes, &mut random);
        let mut chunks = chunks.into_iter();
        for vector in sequence {
            let outcome = connection.decode(&vector.expect, &vector.key, &mut chunks);
            let Expected::Reply(json) = &vector.result else { unreachable!() };
            assert_eq!(outcome, Outcome::Replied(vectors::reply(json)), "{}", vector.name);
        }
        assert!(chunks.next().is_none() && connection.input.is_empty());
    }
}
