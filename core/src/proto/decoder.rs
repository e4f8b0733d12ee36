//! From bytes to replies, in pieces of any size.
//!
//! ```text
//! Head ──────────────> reply                    a line is the whole reply
//!  │
//!  ├─> Inline ───────> reply                    VALUE/VA: the value lies in the input buffer
//!  ├─> Own ──> End ──> reply                    VALUE/VA: the value has memory of its own; VALUE is followed by END
//!  └─> Stats ────────> reply                    STAT lines up to END
//! ```

use bytes::Bytes;
use memchr::memchr;

use super::{classic, fault, meta, number, Expect, Input, Reply, Shape, Value, Violation};

/// Longest line of a reply, in bytes.
const LINE: usize = 2048;

/// Longest line of the replies that carry text of the server's: stats and `me`.
const LONG_LINE: usize = 8192;

/// Longest value, 1 GiB: memcached's largest item.
const LONGEST_VALUE: u64 = 1 << 30;

/// Longest value of a counter, in bytes: 20 digits, and the spaces that pad them to a width some client once stored.
const LONGEST_NUMBER: u64 = LINE as u64;

/// Values longer than this get memory of their own, unless they have arrived already.
const INLINE: usize = 16 << 10;

/// Most memory that the list of a stats reply may take, in bytes, and what an entry takes besides its text.
const MOST_STATS: usize = 16 << 20;
const STATS_ENTRY: usize = 2 * size_of::<String>() + 32;

const CRLF: &[u8] = b"\r\n";

/// The state of decoding on one connection. After a [`Violation`] it is of no use any more.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
    /// How many bytes of the present line were searched for its end without success.
    searched: usize,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    /// The value begins `at` bytes behind the beginning of the reply, which is still in the buffer.
    Inline {
        body: Body,
        at: usize,
    },
    Own(Body),
    End {
        body: Body,
        value: Bytes,
    },
    /// The entries so far and the memory they take.
    Stats {
        list: Vec<(String, String)>,
        memory: usize,
    },
}

/// What the first line of a reply comes to.
pub(super) enum Head {
    /// The line is the whole reply.
    Reply(Reply<'static>),
    /// The line is the reply to `version`.
    Version,
    /// A value follows.
    Body(Body),
    /// The line belongs to a later key: this one is missing.
    Absent,
}

/// What the first line says of the value behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub(super) length: u64,
    pub(super) flags: u32,
    pub(super) cas: u64,
}

/// A value that stands in the buffer with all that belongs to it.
#[derive(Debug)]
pub(crate) struct Whole {
    body: Body,
    at: usize,
    total: usize,
}

impl Whole {
    /// Consumes the bytes of the reply.
    #[inline]
    pub(crate) fn take(self, input: &mut Input) -> Reply<'_> {
        let value = &input.consume(self.total)[self.at..][..self.body.length as usize];
        Reply::Value { value: Value::Inline(value), flags: self.body.flags, cas: self.body.cas }
    }
}

impl Decoder {
    /// Decodes the next reply and consumes its bytes, or returns `None` when they have not all arrived.
    ///
    /// `key` is what [`Request::write_echoed_key`](super::Request::write_echoed_key) has written for the request that the
    /// reply belongs to.
    ///
    /// # Errors
    /// [`Violation`] when the bytes cannot be the reply that `expect` describes.
    #[inline]
    pub(crate) fn decode<'b>(
        &mut self,
        expect: &Expect,
        key: &[u8],
        input: &'b mut Input,
    ) -> Result<Option<Reply<'b>>, Violation> {
        let State::Head = self.state else { return self.resume(expect.shape, input) };
        let limit = match expect.shape {
            Shape::Stats | Shape::MetaMetadata => LONG_LINE,
            _ => LINE,
        };
        if expect.shape == Shape::Stats {
            self.state = State::Stats { list: Vec::new(), memory: 0 };
            return self.resume(expect.shape, input);
        }
        let Some(length) = self.find_line(input, 0, limit)? else { return Ok(None) };
        let line = trim(&input.pending()[..length]);
        match head(line, expect, key)? {
            Head::Reply(reply) => {
                input.consume(length + CRLF.len());
                Ok(Some(reply))
            }
            Head::Version => {
                let line = &input.consume(length + CRLF.len())[..length];
                version(trim(line)).map(Some)
            }
            Head::Absent => {
                // The line is decoded again, for the next key; its end need not be searched again.
                self.searched = length + 1;
                Ok(Some(Reply::Miss))
            }
            Head::Body(body) => {
                self.begin(body, length + CRLF.len(), expect.shape, input)?;
                self.resume(expect.shape, input)
            }
        }
    }

    /// The value of a classic read, if it comes next and has all arrived: the usual case in a batch, without the detours of
    /// [`Decoder::decode`]. Whatever else there is, is left to that.
    #[inline]
    pub(crate) fn whole_value(&mut self, shape: Shape, key: &[u8], input: &Input) -> Option<Whole> {
        let (Shape::ClassicGet { cas } | Shape::ClassicGetMore { cas }, State::Head) = (shape, &self.state) else {
            return None;
        };
        let bytes = input.pending();
        let mut rest = classic::after_key(bytes, key)?;
        let body = classic::value_head(&mut rest, cas)?;
        rest = rest.strip_prefix(CRLF)?;
        let at = bytes.len() - rest.len();
        rest = rest.get(usize::try_from(body.length).ok()?..)?.strip_prefix(CRLF)?;
        if let Shape::ClassicGet { .. } = shape {
            rest = rest.strip_prefix(b"END\r\n")?;
        }
        self.searched = 0;
        Some(Whole { body, at, total: bytes.len() - rest.len() })
    }

    /// The key of the value that comes next in the reply to a classic read, `Some(None)` when it is no value, `None` when its
    /// first line has not all arrived. Consumes nothing; to be asked only where a reply begins.
    pub(crate) fn next_key<'b>(&mut self, input: &'b Input) -> Result<Option<Option<&'b [u8]>>, Violation> {
        let Some(length) = self.find_line(input, 0, LINE)? else { return Ok(None) };
        // The line's end need not be searched again.
        self.searched = length + 1;
        let value = input.pending()[..length].strip_prefix(b"VALUE ");
        Ok(Some(value.and_then(|value| value.split(|byte| *byte == b' ').next())))
    }

    /// Decides where the value is going to lie. It begins `at` bytes behind the beginning of the reply.
    fn begin(&mut self, body: Body, at: usize, shape: Shape, input: &mut Input) -> Result<(), Violation> {
        let most = if matches!(shape, Shape::MetaArith | Shape::Probe) { LONGEST_NUMBER } else { LONGEST_VALUE };
        if body.length > most {
            return Err(Violation(format!("value of {} bytes is over the limit of {most}", body.length)));
        }
        let total = body.length as usize + CRLF.len();
        let arrived = input.pending().len() - at;
        self.state = if total <= INLINE || arrived >= total + tail(shape) {
            State::Inline { body, at }
        } else {
            input.begin_body(at, total)?;
            State::Own(body)
        };
        Ok(())
    }

    #[inline]
    fn resume<'b>(&mut self, shape: Shape, input: &'b mut Input) -> Result<Option<Reply<'b>>, Violation> {
        match &self.state {
            &State::Inline { body, at } => self.inline(body, at, shape, input),
            &State::Own(body) => self.own(body, shape, input),
            State::End { .. } => self.end(input),
            State::Stats { .. } => self.stats(input),
            State::Head => Ok(None),
        }
    }

    #[inline]
    fn inline<'b>(
        &mut self,
        body: Body,
        at: usize,
        shape: Shape,
        input: &'b mut Input,
    ) -> Result<Option<Reply<'b>>, Violation> {
        let end = at + body.length as usize;
        let mut total = end + CRLF.len();
        let Some(crlf) = input.pending().get(end..total) else {
            input.want(total + tail(shape));
            return Ok(None);
        };
        check_crlf(crlf)?;
        if let Shape::ClassicGet { .. } = shape {
            let Some(length) = self.find_line(input, total, LINE)? else { return Ok(None) };
            check_end(&input.pending()[total..total + length])?;
            total += length + CRLF.len();
        }
        self.state = State::Head;
        let bytes = &input.consume(total)[at..end];
        let reply = match shape {
            Shape::MetaArith => Reply::Number(number::parse(trim(bytes)).ok_or_else(|| unexpected(bytes))?),
            Shape::Probe => Reply::Probed(Some(super::Dialect::Meta)),
            _ => Reply::Value { value: Value::Inline(bytes), flags: body.flags, cas: body.cas },
        };
        Ok(Some(reply))
    }

    fn own<'b>(&mut self, body: Body, shape: Shape, input: &'b mut Input) -> Result<Option<Reply<'b>>, Violation> {
        let Some(mut bytes) = input.take_body()? else { return Ok(None) };
        let length = body.length as usize;
        check_crlf(&bytes[length..])?;
        bytes.truncate(length);
        let value = Bytes::from(bytes);
        if let Shape::ClassicGet { .. } = shape {
            self.state = State::End { body, value };
            return self.end(input);
        }
        self.state = State::Head;
        Ok(Some(Reply::Value { value: Value::Whole(value), flags: body.flags, cas: body.cas }))
    }

    /// The END behind a value that has left the buffer already.
    fn end<'b>(&mut self, input: &'b mut Input) -> Result<Option<Reply<'b>>, Violation> {
        let Some(length) = self.find_line(input, 0, LINE)? else { return Ok(None) };
        check_end(&input.consume(length + CRLF.len())[..length])?;
        match std::mem::take(&mut self.state) {
            State::End { body, value } => {
                Ok(Some(Reply::Value { value: Value::Whole(value), flags: body.flags, cas: body.cas }))
            }
            _ => Ok(None),
        }
    }

    fn stats<'b>(&mut self, input: &'b mut Input) -> Result<Option<Reply<'b>>, Violation> {
        loop {
            let Some(length) = self.find_line(input, 0, LONG_LINE)? else { return Ok(None) };
            let State::Stats { list, memory } = &mut self.state else { return Ok(None) };
            let line = trim(&input.consume(length + CRLF.len())[..length]);
            let reply = match line {
                b"END" => Reply::Stats(std::mem::take(list)),
                // `stats reset` and `stats detail on` are answered with a word.
                b"RESET" | b"OK" if list.is_empty() => Reply::Stats(Vec::new()),
                _ => match stat(line) {
                    Some(entry) => {
                        *memory += line.len() + STATS_ENTRY;
                        if *memory > MOST_STATS {
                            return Err(Violation(format!("stats take more than {MOST_STATS} bytes")));
                        }
                        list.push(entry);
                        continue;
                    }
                    None => Reply::Fault(fault::parse(line).ok_or_else(|| unexpected(line))?),
                },
            };
            self.state = State::Head;
            return Ok(Some(reply));
        }
    }

    /// The length of the line that begins `from` bytes behind the beginning of the reply, without its line end.
    ///
    /// Searches no byte twice, as long as it is called with the same `from` until it has found the line.
    #[inline]
    fn find_line(&mut self, input: &Input, from: usize, limit: usize) -> Result<Option<usize>, Violation> {
        let bytes = &input.pending()[from..];
        let Some(found) = memchr(b'\n', &bytes[self.searched..]) else {
            self.searched = bytes.len();
            // The `\r` may be there already.
            return if bytes.len() > limit + 1 { Err(endless(bytes, limit)) } else { Ok(None) };
        };
        let end = self.searched + found;
        self.searched = 0;
        match bytes[..end].split_last() {
            Some((b'\r', line)) if line.len() <= limit => Ok(Some(line.len())),
            Some((b'\r', _)) => Err(endless(bytes, limit)),
            _ => Err(unexpected(&bytes[..end])),
        }
    }
}

#[inline]
fn head(line: &[u8], expect: &Expect, key: &[u8]) -> Result<Head, Violation> {
    match expect.shape {
        Shape::MetaGet { .. } | Shape::MetaStore | Shape::MetaDelete | Shape::MetaArith | Shape::MetaTouch | Shape::Probe => {
            meta::head(line, expect)
        }
        Shape::MetaMetadata => meta::metadata_head(line, key),
        _ => classic::head(line, expect, key),
    }
}

/// How many bytes have to follow a value and its line end.
#[inline]
fn tail(shape: Shape) -> usize {
    match shape {
        Shape::ClassicGet { .. } => b"END\r\n".len(),
        _ => 0,
    }
}

fn version(line: &[u8]) -> Result<Reply<'_>, Violation> {
    let text = line.strip_prefix(classic::VERSION).and_then(|text| std::str::from_utf8(text).ok());
    text.map(Reply::Version).ok_or_else(|| unexpected(line))
}

/// Reads `STAT name value`, `ITEM key [..]` of cachedump, or `PREFIX name ..` of a detail dump. The value may be empty.
fn stat(line: &[u8]) -> Option<(String, String)> {
    let text = [&b"STAT "[..], b"ITEM ", b"PREFIX "].into_iter().find_map(|word| line.strip_prefix(word))?;
    let text = String::from_utf8_lossy(text);
    let (name, value) = text.split_once(' ').unwrap_or((&text, ""));
    Some((name.to_owned(), value.to_owned()))
}

/// Without trailing spaces.
#[inline]
fn trim(mut line: &[u8]) -> &[u8] {
    while let [rest @ .., b' '] = line {
        line = rest;
    }
    line
}

#[inline]
fn check_crlf(bytes: &[u8]) -> Result<(), Violation> {
    if bytes == CRLF {
        return Ok(());
    }
    Err(Violation("value is not followed by a line end".to_owned()))
}

#[inline]
fn check_end(line: &[u8]) -> Result<(), Violation> {
    if trim(line) == b"END" {
        return Ok(());
    }
    Err(unexpected(line))
}

#[cold]
fn endless(bytes: &[u8], limit: usize) -> Violation {
    Violation(format!("line of more than {limit} bytes: {}", unexpected(bytes)))
}

/// The line does not fit what was asked for.
#[cold]
pub(super) fn unexpected(line: &[u8]) -> Violation {
    const KEPT: usize = 80;
    Violation(format!("unexpected reply \"{}\"", line[..line.len().min(KEPT)].escape_ascii()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn receive(input: &mut Input, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let spare = input.spare();
            let count = spare.len().min(rest.len());
            for (to, from) in spare.iter_mut().zip(rest) {
                to.write(*from);
            }
            // SAFETY: the loop above has written `count` bytes.
            unsafe { input.filled(count) };
            rest = &rest[count..];
        }
    }

    #[test]
    fn no_byte_is_searched_twice_for_the_end_of_its_line() {
        let (mut decoder, mut input) = (Decoder::default(), Input::default());
        let expect = Expect { shape: Shape::MetaStore, opaque: 1 };
        for searched in 1..=LINE {
            receive(&mut input, b"x");
            assert_eq!(decoder.decode(&expect, b"", &mut input), Ok(None));
            assert_eq!(decoder.searched, searched);
        }
    }

    #[test]
    fn a_list_of_stats_without_end_is_refused_before_it_takes_much_memory() {
        let (mut decoder, mut input) = (Decoder::default(), Input::default());
        let expect = Expect { shape: Shape::Stats, opaque: 0 };
        let mut lines = 0;
        let violation = loop {
            receive(&mut input, b"STAT a b\r\n");
            match decoder.decode(&expect, b"", &mut input) {
                Ok(reply) => assert_eq!(reply, None),
                Err(violation) => break violation,
            }
            lines += 1;
            assert!(lines * (2 * size_of::<String>() + 2) < MOST_STATS);
        };
        assert!(lines > 100_000, "fewer than a server may send: {lines}");
        assert!(violation.0.contains("16777216"), "{violation}");
    }

    #[test]
    fn a_large_value_keeps_no_more_memory_than_it_needs() {
        let (mut decoder, mut input) = (Decoder::default(), Input::default());
        let expect = Expect { shape: Shape::MetaGet { cas: false }, opaque: 1 };
        let value = vec![b'x'; 3_000_000];
        receive(&mut input, b"VA 3000000 f0 O1\r\n");
        let mut rest: &[u8] = &[&value[..], b"\r\n"].concat();
        let reply = loop {
            if let Some(reply) = decoder.decode(&expect, b"", &mut input).unwrap() {
                break reply;
            }
            let count = input.spare().len().min(rest.len());
            receive(&mut input, &rest[..count]);
            rest = &rest[count..];
        };
        let Reply::Value { value: Value::Whole(bytes), .. } = reply else { panic!("{reply:?}") };
        assert_eq!(bytes, value);
        assert!(Vec::from(bytes).capacity() <= value.len() + CRLF.len());
    }
}
