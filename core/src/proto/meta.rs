//! The meta dialect: `mg`, `ms`, `md`, `ma`, `me`, and the heads of their replies.
//!
//! Every command but `me` carries an opaque, `O<n>`, which the server echoes on every reply that is not an error line.

use std::io::Write;

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;

use super::decoder::{unexpected, Body, Head};
use super::{fault, number, Dialect, Expect, FaultKind, Initial, Reply, Shape, Violation};
use crate::item::{ItemMetadata, StoreMode};
use crate::key::{Key, KeyEncoding};

pub(super) fn get(key: &Key<'_>, cas: bool, exptime: Option<i32>, opaque: u32, out: &mut Vec<u8>) -> Shape {
    command(b"mg ", key, out);
    out.extend_from_slice(b" v f");
    if cas {
        out.extend_from_slice(b" c");
    }
    if let Some(exptime) = exptime {
        signed(b" T", exptime, out);
    }
    finish(opaque, out);
    Shape::MetaGet { cas }
}

/// What a store sends besides key and value.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) mode: StoreMode,
    pub(super) length: usize,
    pub(super) flags: u32,
    pub(super) exptime: i32,
}

/// The head line; the value and a line end have to follow.
pub(super) fn store(key: &Key<'_>, terms: Terms, opaque: u32, out: &mut Vec<u8>) -> Shape {
    out.extend_from_slice(b"ms ");
    write_key(key, out);
    unsigned(b" ", terms.length as u64, out);
    mark_encoding(key, out);
    // An item that is appended to keeps its flags and its exptime.
    if !matches!(terms.mode, StoreMode::Append | StoreMode::Prepend) {
        unsigned(b" F", u64::from(terms.flags), out);
        signed(b" T", terms.exptime, out);
    }
    match terms.mode {
        StoreMode::Set => {}
        StoreMode::Add => out.extend_from_slice(b" ME"),
        StoreMode::Replace => out.extend_from_slice(b" MR"),
        StoreMode::Append => out.extend_from_slice(b" MA"),
        StoreMode::Prepend => out.extend_from_slice(b" MP"),
        StoreMode::Cas(token) => unsigned(b" C", token, out),
    }
    finish(opaque, out);
    Shape::MetaStore
}

pub(super) fn delete(key: &Key<'_>, opaque: u32, out: &mut Vec<u8>) -> Shape {
    command(b"md ", key, out);
    finish(opaque, out);
    Shape::MetaDelete
}

pub(super) fn arith(key: &Key<'_>, up: bool, delta: u64, initial: Option<Initial>, opaque: u32, out: &mut Vec<u8>) -> Shape {
    command(b"ma ", key, out);
    out.extend_from_slice(if up { b" MI" } else { b" MD" });
    unsigned(b" D", delta, out);
    if let Some(Initial { value, exptime }) = initial {
        signed(b" N", exptime, out);
        unsigned(b" J", value, out);
    }
    out.extend_from_slice(b" v");
    finish(opaque, out);
    Shape::MetaArith
}

pub(super) fn touch(key: &Key<'_>, exptime: i32, opaque: u32, out: &mut Vec<u8>) -> Shape {
    command(b"mg ", key, out);
    signed(b" T", exptime, out);
    finish(opaque, out);
    Shape::MetaTouch
}

pub(super) fn metadata(key: &Key<'_>, out: &mut Vec<u8>) -> Shape {
    command(b"me ", key, out);
    out.extend_from_slice(b"\r\n");
    Shape::MetaMetadata
}

pub(super) fn probe(key: &Key<'_>, opaque: u32, out: &mut Vec<u8>) -> Shape {
    command(b"mg ", key, out);
    out.extend_from_slice(b" v");
    finish(opaque, out);
    Shape::Probe
}

/// Appends the key as it travels.
pub(super) fn write_key(key: &Key<'_>, out: &mut Vec<u8>) {
    match key.encoding() {
        KeyEncoding::Text => {
            out.extend_from_slice(key.prefix());
            out.extend_from_slice(key.name());
        }
        KeyEncoding::Base64 => {
            let mut encoder = EncoderWriter::new(out, &STANDARD);
            // Writing to a Vec cannot fail.
            let written = encoder.write_all(key.prefix()).and_then(|()| encoder.write_all(key.name()));
            let finished = written.and_then(|()| encoder.finish());
            debug_assert!(finished.is_ok());
        }
    }
}

fn command(word: &[u8; 3], key: &Key<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(word);
    write_key(key, out);
    mark_encoding(key, out);
}

fn mark_encoding(key: &Key<'_>, out: &mut Vec<u8>) {
    if key.encoding() == KeyEncoding::Base64 {
        out.extend_from_slice(b" b");
    }
}

fn unsigned(flag: &[u8], value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(flag);
    number::write(value, out);
}

fn signed(flag: &[u8], value: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(flag);
    number::write_signed(value, out);
}

fn finish(opaque: u32, out: &mut Vec<u8>) {
    unsigned(b" O", u64::from(opaque), out);
    out.extend_from_slice(b"\r\n");
}

/// The return flags that matter here; the others are passed over.
#[derive(Default)]
struct Returned {
    opaque: Option<u32>,
    flags: Option<u32>,
    cas: Option<u64>,
}

impl Returned {
    /// `None` when a flag occurs twice or is not the number it has to be.
    #[inline]
    fn parse(tokens: &[u8]) -> Option<Self> {
        let mut returned = Self::default();
        for token in tokens.split(|byte| *byte == b' ') {
            let Some((flag, digits)) = token.split_first() else { continue };
            let repeated = match flag {
                b'O' => returned.opaque.replace(number::parse_u32(digits)?).is_some(),
                b'f' => returned.flags.replace(number::parse_u32(digits)?).is_some(),
                b'c' => returned.cas.replace(number::parse(digits)?).is_some(),
                _ => false,
            };
            if repeated {
                return None;
            }
        }
        Some(returned)
    }
}

/// Reads the first line of a reply to one of the commands above, `me` excepted.
#[inline]
pub(super) fn head(line: &[u8], expect: &Expect) -> Result<Head, Violation> {
    let (code, rest) = match line {
        [first, second] => ([*first, *second], &[][..]),
        [first, second, b' ', rest @ ..] => ([*first, *second], rest),
        _ => return no_code(line, expect),
    };
    let reply = match (&code, expect.shape) {
        (b"VA", Shape::MetaGet { .. } | Shape::MetaArith | Shape::Probe) => return value_head(line, rest, expect),
        (b"HD", Shape::MetaStore | Shape::MetaDelete | Shape::MetaTouch) => Reply::Done,
        (b"EN", Shape::MetaGet { .. } | Shape::MetaTouch) => Reply::Miss,
        (b"NF", Shape::MetaStore | Shape::MetaDelete | Shape::MetaArith) => Reply::Miss,
        (b"NS", Shape::MetaStore | Shape::MetaArith) => Reply::NotStored,
        (b"EX", Shape::MetaStore) => Reply::Exists,
        // 1.5.19 to 1.6.17 know the command, but echo nothing on a miss.
        (b"EN", Shape::Probe) if rest.is_empty() => return Ok(Head::Reply(Reply::Probed(None))),
        (b"EN" | b"HD", Shape::Probe) => Reply::Probed(Some(Dialect::Meta)),
        _ => return no_code(line, expect),
    };
    let returned = Returned::parse(rest).ok_or_else(|| unexpected(line))?;
    check_opaque(&returned, expect, line)?;
    Ok(Head::Reply(reply))
}

#[inline]
fn value_head(line: &[u8], rest: &[u8], expect: &Expect) -> Result<Head, Violation> {
    let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
    let length = number::parse(&rest[..end]).ok_or_else(|| unexpected(line))?;
    let returned = Returned::parse(&rest[end..]).ok_or_else(|| unexpected(line))?;
    check_opaque(&returned, expect, line)?;
    let Shape::MetaGet { cas } = expect.shape else {
        return Ok(Head::Body(Body { length, flags: 0, cas: 0 }));
    };
    // A value without the flags that were asked for cannot be decoded: they say what its bytes mean.
    let flags = returned.flags.ok_or_else(|| unexpected(line))?;
    if cas && returned.cas.is_none() {
        return Err(unexpected(line));
    }
    Ok(Head::Body(Body { length, flags, cas: returned.cas.unwrap_or(0) }))
}

#[inline]
fn check_opaque(returned: &Returned, expect: &Expect, line: &[u8]) -> Result<(), Violation> {
    if returned.opaque == Some(expect.opaque) {
        return Ok(());
    }
    Err(wrong_opaque(expect.opaque, line))
}

#[cold]
fn wrong_opaque(opaque: u32, line: &[u8]) -> Violation {
    Violation(format!("expected opaque {opaque}: {}", unexpected(line)))
}

/// Error lines, and what fits nothing.
#[cold]
fn no_code(line: &[u8], expect: &Expect) -> Result<Head, Violation> {
    let fault = fault::parse(line).ok_or_else(|| unexpected(line))?;
    let unknown = matches!(fault.kind, FaultKind::UnknownCommand | FaultKind::Client);
    if expect.shape == Shape::Probe && unknown {
        return Ok(Head::Reply(Reply::Probed(Some(Dialect::Classic))));
    }
    Ok(Head::Reply(Reply::Fault(fault)))
}

/// Reads the reply to `me`, a single line. It echoes no opaque, but the key as it was sent.
pub(super) fn metadata_head(line: &[u8], key: &[u8]) -> Result<Head, Violation> {
    if line == b"EN" {
        return Ok(Head::Reply(Reply::Miss));
    }
    let Some(rest) = line.strip_prefix(b"ME ") else {
        let fault = fault::parse(line).ok_or_else(|| unexpected(line))?;
        return Ok(Head::Reply(Reply::Fault(fault)));
    };
    let pairs = rest.strip_prefix(key).and_then(|rest| rest.strip_prefix(b" "));
    let metadata = pairs.and_then(parse_metadata).ok_or_else(|| unexpected(line))?;
    Ok(Head::Reply(Reply::Metadata(metadata)))
}

/// Reads `exp=.. la=.. cas=.. fetch=.. cls=.. size=..`, in any order; names that are new are passed over.
fn parse_metadata(pairs: &[u8]) -> Option<ItemMetadata> {
    let (mut exp, mut la, mut cas, mut fetch, mut cls, mut size) = (None, None, None, None, None, None);
    for pair in std::str::from_utf8(pairs).ok()?.split_ascii_whitespace() {
        let (name, value) = pair.split_once('=')?;
        match name {
            "exp" => exp = Some(value.parse::<i64>().ok()?),
            "la" => la = Some(value.parse().ok()?),
            "cas" => cas = Some(value.parse().ok()?),
            "fetch" => fetch = Some(value == "yes"),
            "cls" => cls = Some(value.parse().ok()?),
            "size" => size = Some(value.parse().ok()?),
            _ => {}
        }
    }
    // -1 means never. Early servers, 1.6.18 among them, count what is left downwards from 0, so that their last second
    // looks like never.
    let ttl = exp.map(|exp| if exp == -1 { None } else { Some(exp.saturating_abs()) })?;
    Some(ItemMetadata { ttl, idle: la?, cas: cas?, fetched: fetch?, slab_class: cls?, size: size? })
}
