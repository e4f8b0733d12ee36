//! The classic dialect, which every server since 2003 speaks, and the administrative commands of both.
//!
//! Its replies carry no opaque. Where a reply names the key, the key is compared; elsewhere only the order tells.

use super::decoder::{unexpected, Body, Head};
use super::meta::Terms;
use super::{fault, number, Argument, Expect, FaultKind, Reply, Shape, Violation};
use crate::item::StoreMode;
use crate::key::Key;

pub(super) fn get(key: &Key<'_>, cas: bool, exptime: Option<i32>, out: &mut Vec<u8>) -> Shape {
    match exptime {
        None => out.extend_from_slice(if cas { b"gets " } else { b"get " }),
        Some(exptime) => {
            out.extend_from_slice(if cas { b"gats " } else { b"gat " });
            number::write_signed(exptime, out);
            out.push(b' ');
        }
    }
    write_key(key, out);
    out.extend_from_slice(b"\r\n");
    Shape::ClassicGet { cas }
}

/// Adds a key to the get that ends `out`.
pub(super) fn join(key: &Key<'_>, out: &mut Vec<u8>) {
    out.truncate(out.len() - b"\r\n".len());
    out.push(b' ');
    write_key(key, out);
    out.extend_from_slice(b"\r\n");
}

/// The head line; the value and a line end have to follow.
pub(super) fn store(key: &Key<'_>, terms: Terms, out: &mut Vec<u8>) -> Shape {
    let word: &[u8] = match terms.mode {
        StoreMode::Set => b"set ",
        StoreMode::Add => b"add ",
        StoreMode::Replace => b"replace ",
        StoreMode::Append => b"append ",
        StoreMode::Prepend => b"prepend ",
        StoreMode::Cas(_) => b"cas ",
    };
    out.extend_from_slice(word);
    write_key(key, out);
    out.push(b' ');
    number::write(u64::from(terms.flags), out);
    out.push(b' ');
    number::write_signed(terms.exptime, out);
    out.push(b' ');
    number::write(terms.length as u64, out);
    if let StoreMode::Cas(token) = terms.mode {
        out.push(b' ');
        number::write(token, out);
    }
    out.extend_from_slice(b"\r\n");
    Shape::ClassicStore
}

pub(super) fn delete(key: &Key<'_>, out: &mut Vec<u8>) -> Shape {
    out.extend_from_slice(b"delete ");
    write_key(key, out);
    out.extend_from_slice(b"\r\n");
    Shape::ClassicDelete
}

pub(super) fn arith(key: &Key<'_>, up: bool, delta: u64, out: &mut Vec<u8>) -> Shape {
    out.extend_from_slice(if up { b"incr " } else { b"decr " });
    write_key(key, out);
    out.push(b' ');
    number::write(delta, out);
    out.extend_from_slice(b"\r\n");
    Shape::ClassicArith
}

pub(super) fn touch(key: &Key<'_>, exptime: i32, out: &mut Vec<u8>) -> Shape {
    out.extend_from_slice(b"touch ");
    write_key(key, out);
    out.push(b' ');
    number::write_signed(exptime, out);
    out.extend_from_slice(b"\r\n");
    Shape::ClassicTouch
}

pub(super) fn flush_all(delay: u32, out: &mut Vec<u8>) -> Shape {
    out.extend_from_slice(b"flush_all");
    if delay > 0 {
        out.push(b' ');
        number::write(u64::from(delay), out);
    }
    out.extend_from_slice(b"\r\n");
    Shape::Ok
}

pub(super) fn stats(argument: Option<Argument<'_>>, out: &mut Vec<u8>) -> Shape {
    out.extend_from_slice(b"stats");
    if let Some(argument) = argument {
        out.push(b' ');
        out.extend_from_slice(argument.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Shape::Stats
}

pub(super) fn version(out: &mut Vec<u8>) -> Shape {
    out.extend_from_slice(b"version\r\n");
    Shape::Version
}

pub(super) fn verbosity(level: u32, out: &mut Vec<u8>) -> Shape {
    out.extend_from_slice(b"verbosity ");
    number::write(u64::from(level), out);
    out.extend_from_slice(b"\r\n");
    Shape::Ok
}

fn write_key(key: &Key<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(key.prefix());
    out.extend_from_slice(key.name());
}

/// Reads the first line of a reply to one of the commands above, `stats` excepted. `line` has no trailing spaces.
#[inline]
pub(super) fn head(line: &[u8], expect: &Expect, key: &[u8]) -> Result<Head, Violation> {
    if let Shape::ClassicGet { cas } | Shape::ClassicGetMore { cas } = expect.shape {
        if let Some(mut rest) = after_key(line, key) {
            let body = value_head(&mut rest, cas).filter(|_| rest.is_empty());
            return body.map(Head::Body).ok_or_else(|| unexpected(line));
        }
    }
    let reply = match (line, expect.shape) {
        (b"END", Shape::ClassicGet { .. }) => Reply::Miss,
        (_, Shape::ClassicGetMore { .. }) => return more_head(line),
        (b"STORED", Shape::ClassicStore) => Reply::Done,
        (b"NOT_STORED", Shape::ClassicStore) => Reply::NotStored,
        (b"EXISTS", Shape::ClassicStore) => Reply::Exists,
        (b"DELETED", Shape::ClassicDelete) => Reply::Done,
        (b"TOUCHED", Shape::ClassicTouch) => Reply::Done,
        (b"NOT_FOUND", Shape::ClassicStore | Shape::ClassicDelete | Shape::ClassicArith | Shape::ClassicTouch) => Reply::Miss,
        (b"OK", Shape::Ok) => Reply::Done,
        (_, Shape::Version) if line.starts_with(VERSION) => return Ok(Head::Version),
        (_, Shape::ClassicArith) if line.first().is_some_and(u8::is_ascii_digit) => {
            Reply::Number(number::parse(line).ok_or_else(|| unexpected(line))?)
        }
        _ => Reply::Fault(fault::parse(line).ok_or_else(|| unexpected(line))?),
    };
    Ok(Head::Reply(reply))
}

/// What stands before the version in the reply to `version`.
pub(super) const VERSION: &[u8] = b"VERSION ";

/// What stands behind `VALUE <key> ` in a line that begins so.
#[inline]
pub(super) fn after_key<'l>(line: &'l [u8], key: &[u8]) -> Option<&'l [u8]> {
    line.strip_prefix(b"VALUE ")?.strip_prefix(key)?.strip_prefix(b" ")
}

/// Takes `<flags> <length> [<cas>]` from the front of `rest`.
#[inline]
pub(super) fn value_head(rest: &mut &[u8], with_cas: bool) -> Option<Body> {
    let flags = u32::try_from(number::take(rest)?).ok()?;
    *rest = rest.strip_prefix(b" ")?;
    let length = number::take(rest)?;
    let mut cas = 0;
    if with_cas {
        *rest = rest.strip_prefix(b" ")?;
        cas = number::take(rest)?;
    }
    Some(Body { length, flags, cas })
}

/// Reads what stands in the place of a key's value while more keys follow and the key is missing.
fn more_head(line: &[u8]) -> Result<Head, Violation> {
    if line == b"END" || line.starts_with(b"VALUE ") {
        return Ok(Head::Absent);
    }
    let mut fault = fault::parse(line).ok_or_else(|| unexpected(line))?;
    // It takes the place of all that was still to come: nothing behind it can be told apart.
    fault.kind = FaultKind::Server;
    Ok(Head::Reply(Reply::Fault(fault)))
}
