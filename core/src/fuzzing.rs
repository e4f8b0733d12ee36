//! What fuzzers may do with the private parsers: any bytes in, and nothing but what was asked for comes out.
//!
//! `core/fuzz` calls these with inputs that libFuzzer finds; the tests below with the same seeds, on the stable toolchain.

#[cfg(feature = "ffi")]
mod packed;

#[cfg(feature = "ffi")]
pub use packed::packed;

use crate::address::Address;
use crate::conn::machine::{Company, Machine, Slot};
use crate::key::Key;
use crate::proto::{Dialect, Reply, Request, Value};
use crate::{flags, Signer, MAX_KEY_LENGTH};

const KEYS: [&[u8]; 3] = [b"k", b"key", b"other"];

/// What a connection makes of replies. The first bytes choose the dialect and up to seven requests, the rest is what the server
/// sends.
///
/// # Panics
/// When it makes something else of them if they arrive byte by byte, or finds more replies than it has asked for.
pub fn replies(data: &[u8]) {
    let Some((plan, wire)) = data.split_first_chunk::<8>() else { return };
    let whole = receive(plan, wire, usize::MAX);
    let pieces = receive(plan, wire, 1);
    assert_eq!(whole, pieces, "cut into bytes it is something else");
}

/// The replies in the order in which they came, and whether the stream was given up behind them.
fn receive(plan: &[u8; 8], wire: &[u8], most: usize) -> (Vec<String>, bool) {
    let dialect = if plan[0] & 1 == 0 { Dialect::Meta } else { Dialect::Classic };
    let company = if plan[0] & 2 == 0 { Company::Alone } else { Company::Several };
    let mut machine = Machine::new(dialect);
    let mut owed = 0;
    for byte in &plan[1..] {
        let pushed = request(*byte).is_some_and(|request| machine.push(&request, Slot::Own, company).is_ok());
        owed += usize::from(pushed);
    }
    machine.clear_out();
    let (mut replies, mut rest) = (Vec::new(), wire);
    loop {
        loop {
            match machine.next() {
                Ok(Some((_, reply))) => replies.push(tell(&reply)),
                Ok(None) => break,
                Err(_) => return (replies, true),
            }
            assert!(replies.len() <= owed, "replies out of nothing");
        }
        if rest.is_empty() {
            return (replies, false);
        }
        let room = machine.input.spare();
        let count = room.len().min(rest.len()).min(most);
        assert!(count > 0, "there is always room for a read");
        for (to, from) in room.iter_mut().zip(&rest[..count]) {
            to.write(*from);
        }
        // SAFETY: the loop above has written `count` bytes.
        unsafe { machine.input.filled(count) };
        rest = &rest[count..];
    }
}

fn request(byte: u8) -> Option<Request<'static>> {
    let key = Key::parse(KEYS[usize::from(byte >> 4) % KEYS.len()]).ok()?;
    Some(match byte & 15 {
        0 => Request::Get { key, cas: false, exptime: None },
        1 => Request::Get { key, cas: true, exptime: None },
        2 => Request::Get { key, cas: false, exptime: Some(60) },
        3 => Request::Delete { key },
        4 => Request::Arith { key, up: true, delta: 1, initial: None },
        5 => Request::Touch { key, exptime: 60 },
        6 => Request::Metadata { key },
        7 => Request::Probe { key },
        8 => Request::FlushAll { delay: 0 },
        9 => Request::Stats { argument: None },
        10 => Request::Version,
        _ => return None,
    })
}

/// A reply by its content: where its value lies depends on how it arrived.
fn tell(reply: &Reply<'_>) -> String {
    match reply {
        Reply::Value { value, flags, cas } => {
            let bytes: &[u8] = match value {
                Value::Inline(bytes) => bytes,
                Value::Whole(bytes) => bytes,
            };
            format!("{flags} {cas} {bytes:?}")
        }
        other => format!("{other:?}"),
    }
}

/// What becomes of a server's address.
///
/// # Panics
/// When the canonical name of an address is not that address.
pub fn server_string(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(address) = Address::parse(text) {
        let name = address.to_string();
        assert_eq!(Address::parse(&name).ok().as_ref(), Some(&address), "{text:?} became {name:?}");
    }
}

/// What is signed, and what becomes of it when a bit of it is changed. The first bytes say which flags and key it has, and what
/// is changed where; the rest is key and value.
///
/// # Panics
/// When it is not read as it was written, or is read although it was changed or nobody has signed it.
pub fn signed(data: &[u8]) {
    let Some(([length, at, change, flags], rest)) = data.split_first_chunk::<4>() else { return };
    let (key, value) = rest.split_at(rest.len().min(usize::from(*length)));
    let Ok(signer) = Signer::new(["a key of sixteen bytes", "another of sixteen bytes"]) else { return };
    let flags = u32::from(*flags) << 12;
    let Ok(mut sealed) = signer.seal(key, value, flags) else {
        assert!(key.len() > MAX_KEY_LENGTH);
        return;
    };
    assert_eq!(signer.open(key, &sealed, flags::SIGNED), Some((value, flags)));
    assert_eq!(signer.open(key, value, flags::SIGNED), None, "nobody signed it");
    if *change != 0 {
        let at = usize::from(*at) % sealed.len();
        sealed[at] ^= change;
        assert_eq!(signer.open(key, &sealed, flags::SIGNED), None, "byte {at} was changed");
    }
}

/// What the embedded server answers. The first byte says in how large pieces the commands arrive.
///
/// # Panics
/// When it answers something else if they arrive at once.
#[cfg(feature = "testing")]
pub fn commands(data: &[u8]) {
    let Some((piece, commands)) = data.split_first() else { return };
    let commands = &commands[..commands.len().min(4096)];
    let whole = crate::testing::converse(commands, usize::MAX);
    let pieces = crate::testing::converse(commands, usize::from(piece % 64) + 1);
    // Time passes between the two, and these tell it.
    if !["stats", "me ", " t", " h", " l"].iter().any(|told| memchr::memmem::find(commands, told.as_bytes()).is_some()) {
        assert_eq!(whole, pieces, "cut into pieces of {} it is something else", piece % 64 + 1);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Numbers that look random, the same in every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % limit as u64) as usize
        }
    }

    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let seeds: Vec<_> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
        assert!(seeds.len() > 5, "{target} has too few seeds");
        seeds
    }

    /// Changes, removes, doubles and joins parts of the seeds.
    fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        for _ in 0..random.below(5) {
            let (at, kind) = (random.below(bytes.len() + 1), random.below(5));
            match kind {
                0 if at < bytes.len() => bytes[at] = random.below(256) as u8,
                1 => bytes.insert(at, b" \r\n0O:[]%/"[random.below(10)]),
                2 => drop(bytes.drain(at..bytes.len().min(at + 1 + random.below(8)))),
                3 => bytes.extend_from_within(at..),
                _ => bytes.extend_from_slice(&seeds[random.below(seeds.len())]),
            }
        }
        bytes
    }

    fn exercise(target: &str, rounds: usize, parse: fn(&[u8])) {
        let (seeds, mut random) = (seeds(target), Random(0x5eed_0003));
        seeds.iter().for_each(|seed| parse(seed));
        for _ in 0..rounds {
            parse(&mutate(&seeds, &mut random));
        }
    }

    #[test]
    fn replies_that_are_mutated_decode_the_same_however_they_arrive() {
        exercise("replies", 10_000, replies);
    }

    #[test]
    fn addresses_that_are_mutated_are_refused_or_keep_their_name() {
        exercise("server_string", 10_000, server_string);
    }

    #[test]
    fn values_that_are_mutated_are_read_as_they_were_signed_or_not_at_all() {
        exercise("signed", 10_000, signed);
    }

    #[test]
    #[cfg(feature = "testing")]
    fn commands_that_are_mutated_are_answered_the_same_however_they_arrive() {
        exercise("commands", 10_000, commands);
    }

    #[test]
    #[cfg(feature = "ffi")]
    fn packed_requests_that_are_mutated_have_whole_replies() {
        exercise("packed", 5000, packed);
    }
}
