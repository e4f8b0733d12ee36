//! Tests of the wire as a whole; the smaller parts have theirs next to them.

mod encoding;
mod random;
mod server;
mod vectors;

use bytes::Bytes;

use super::{Decoder, Expect, Input, Reply, Value, Violation};

/// Puts as much of `bytes` into the input as one read would and returns the rest.
fn read<'a>(input: &mut Input, bytes: &'a [u8]) -> &'a [u8] {
    let spare = input.spare();
    assert!(!spare.is_empty(), "there is always room for a read");
    let count = spare.len().min(bytes.len());
    for (to, from) in spare.iter_mut().zip(&bytes[..count]) {
        to.write(*from);
    }
    // SAFETY: the loop above has written `count` bytes.
    unsafe { input.filled(count) };
    &bytes[count..]
}

/// The same reply, free of the input, and with every value in memory of its own, so that replies compare by content.
fn own(reply: Reply<'_>) -> Reply<'static> {
    match reply {
        Reply::Value { value, flags, cas } => {
            let bytes = match value {
                Value::Inline(bytes) => Bytes::copy_from_slice(bytes),
                Value::Whole(bytes) => bytes,
            };
            Reply::Value { value: Value::Whole(bytes), flags, cas }
        }
        Reply::Version(text) => Reply::Version(Box::leak(text.to_owned().into_boxed_str())),
        Reply::Done => Reply::Done,
        Reply::Miss => Reply::Miss,
        Reply::NotStored => Reply::NotStored,
        Reply::Exists => Reply::Exists,
        Reply::Number(number) => Reply::Number(number),
        Reply::Stats(list) => Reply::Stats(list),
        Reply::Metadata(metadata) => Reply::Metadata(metadata),
        Reply::Probed(dialect) => Reply::Probed(dialect),
        Reply::Fault(fault) => Reply::Fault(fault),
    }
}

/// What a connection has come to.
#[derive(Debug, PartialEq)]
enum Outcome {
    Replied(Reply<'static>),
    Incomplete,
    Violated(Violation),
}

/// A connection without a socket.
#[derive(Default)]
struct Connection {
    decoder: Decoder,
    input: Input,
}

impl Connection {
    /// Decodes one reply from what is there and then from `chunks`, which a read each delivers, or more if there is no
    /// room for it. The chunks behind the reply are left alone.
    fn decode<'a>(&mut self, expect: &Expect, key: &[u8], chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        let mut chunks = chunks.into_iter();
        let mut chunk: &[u8] = &[];
        loop {
            match self.decoder.decode(expect, key, &mut self.input) {
                Ok(Some(reply)) => {
                    let reply = own(reply);
                    while !chunk.is_empty() {
                        chunk = read(&mut self.input, chunk);
                    }
                    return Outcome::Replied(reply);
                }
                Ok(None) => {}
                Err(violation) => return Outcome::Violated(violation),
            }
            if chunk.is_empty() {
                match chunks.next() {
                    Some(next) => chunk = next,
                    None => return Outcome::Incomplete,
                }
            }
            chunk = read(&mut self.input, chunk);
        }
    }
}
