//! The classic commands.

use super::command::{refuse, Answer, Body, Report, BAD_FORMAT, MAX_KEY};
use super::item::Item;
use super::line::{self, Line};
use super::store::{Look, Mode, Store, Sum};
use super::{stats, State};

pub(super) fn run(line: &Line<'_>, state: &mut State) -> Answer {
    let words = line.len();
    let within = |least: usize, most: usize| (least..=most).contains(&words);
    match line.command() {
        b"get" | b"bget" if words >= 2 => get(line, state, false),
        b"gets" if words >= 2 => get(line, state, true),
        b"gat" if words >= 2 => touch_and_get(line, state, false),
        b"gats" if words >= 2 => touch_and_get(line, state, true),
        b"set" if within(5, 6) => store(line, state, Mode::Set),
        b"add" if within(5, 6) => store(line, state, Mode::Add),
        b"replace" if within(5, 6) => store(line, state, Mode::Replace),
        b"append" if within(5, 6) => store(line, state, Mode::Append(None)),
        b"prepend" if within(5, 6) => store(line, state, Mode::Prepend(None)),
        b"cas" if within(6, 7) => store(line, state, Mode::Cas),
        b"incr" if within(3, 4) => arithmetic(line, state, true),
        b"decr" if within(3, 4) => arithmetic(line, state, false),
        b"touch" if within(3, 4) => touch(line, state),
        b"delete" if within(2, 4) => delete(line, state),
        b"flush_all" if within(1, 3) => flush_all(line, state),
        b"verbosity" if within(2, 3) => verbosity(line),
        b"stats" => stats::run(line, state),
        b"version" => Answer::line(format!("VERSION {}", state.settings.version)),
        b"shutdown" => Answer::line("ERROR: shutdown not enabled"),
        b"quit" => Answer::Close,
        b"get" | b"set" | b"add" | b"cas" | b"gets" => Answer::line("ERROR"),
        // A browser, or somebody who makes one send commands: it gets no answer.
        _ if line.word(words.max(1) - 1).starts_with(b"HTTP/") => Answer::Close,
        _ => Answer::line("ERROR"),
    }
}

fn get(line: &Line<'_>, state: &mut State, cas: bool) -> Answer {
    values(line.from(1), state, cas, None)
}

fn touch_and_get(line: &Line<'_>, state: &mut State, cas: bool) -> Answer {
    let Some(exptime) = line::signed32(line.word(1)) else {
        return Answer::line("CLIENT_ERROR invalid exptime argument");
    };
    values(line.from(2), state, cas, Some(exptime))
}

/// One key that is too long costs all of them their answer.
fn values(keys: &[&[u8]], state: &mut State, cas: bool, exptime: Option<i32>) -> Answer {
    let mut reply = Vec::new();
    for key in keys {
        if key.len() > MAX_KEY {
            return Answer::line(BAD_FORMAT);
        }
        let expiry = exptime.map(|exptime| state.items.clock.expiry(exptime));
        state.items.counts.read(expiry.is_some());
        let Some(item) = state.items.find(key, Look::Use) else { continue };
        if let Some(expiry) = expiry {
            item.expiry = expiry;
        }
        reply.extend_from_slice(b"VALUE ");
        reply.extend_from_slice(key);
        let token = if cas { format!(" {}", item.cas) } else { String::new() };
        reply.extend_from_slice(format!(" {} {}{token}\r\n", item.flags, item.value.len()).as_bytes());
        reply.extend_from_slice(&item.value);
        reply.extend_from_slice(b"\r\n");
        state.items.counts.hit(expiry.is_some());
    }
    reply.extend_from_slice(b"END\r\n");
    Answer::Reply(reply)
}

fn store(line: &Line<'_>, state: &mut State, mode: Mode) -> Answer {
    let noreply = line.is_noreply();
    let Some((store, length)) = parse_store(line, state, mode) else {
        return Answer::line_unless(noreply, BAD_FORMAT);
    };
    state.items.counts.stores += 1;
    if let Some(refusal) = refuse(state, &store, length, mode == Mode::Set) {
        let reply = if noreply { Vec::new() } else { format!("{refusal}\r\n").into_bytes() };
        return Answer::Swallow { length, reply };
    }
    Answer::Body(Body { store, length, report: Report::Classic { noreply } })
}

/// Reads `<key> <flags> <exptime> <length> [<cas>]`.
fn parse_store(line: &Line<'_>, state: &State, mode: Mode) -> Option<(Store, usize)> {
    let key = line.word(1);
    if key.len() > MAX_KEY {
        return None;
    }
    let flags = line::unsigned32(line.word(2))?;
    let expiry = state.items.clock.expiry(line::signed32(line.word(3))?);
    let length = length(line.word(4))?;
    let compare = if mode == Mode::Cas { line::unsigned(line.word(5))? } else { 0 };
    let item = Item { flags, expiry, ..Item::default() };
    Some((Store { key: key.to_vec(), mode, item, compare, given: None, allows_stale: false }, length))
}

/// The length of a value, which has to leave room for its line end in a signed number.
pub(super) fn length(word: &[u8]) -> Option<usize> {
    let length = usize::try_from(line::signed32(word)?).ok()?;
    (length <= i32::MAX as usize - 2).then_some(length)
}

fn arithmetic(line: &Line<'_>, state: &mut State, up: bool) -> Answer {
    let noreply = line.is_noreply();
    let key = line.word(1);
    if key.len() > MAX_KEY {
        return Answer::line_unless(noreply, BAD_FORMAT);
    }
    let Some(delta) = line::unsigned(line.word(2)) else {
        return Answer::line_unless(noreply, "CLIENT_ERROR invalid numeric delta argument");
    };
    state.items.counts.arithmetic += 1;
    match state.items.add(key, up, delta, 0) {
        Sum::Is(sum) => Answer::line_unless(noreply, sum.to_string()),
        Sum::NotFound | Sum::Exists => Answer::line_unless(noreply, "NOT_FOUND"),
        Sum::NotNumeric => Answer::line_unless(noreply, NOT_NUMERIC),
    }
}

pub(super) const NOT_NUMERIC: &str = "CLIENT_ERROR cannot increment or decrement non-numeric value";

fn touch(line: &Line<'_>, state: &mut State) -> Answer {
    let noreply = line.is_noreply();
    let key = line.word(1);
    if key.len() > MAX_KEY {
        return Answer::line_unless(noreply, BAD_FORMAT);
    }
    let Some(exptime) = line::signed32(line.word(2)) else {
        return Answer::line_unless(noreply, "CLIENT_ERROR invalid exptime argument");
    };
    state.items.counts.touches += 1;
    let expiry = state.items.clock.expiry(exptime);
    match state.items.find(key, Look::Use) {
        Some(item) => {
            item.expiry = expiry;
            Answer::line_unless(noreply, "TOUCHED")
        }
        None => Answer::line_unless(noreply, "NOT_FOUND"),
    }
}

/// `delete <key> [0] [noreply]`: the 0 is what old clients sent for a time that no longer exists.
fn delete(line: &Line<'_>, state: &mut State) -> Answer {
    let words = line.len();
    let noreply = words > 2 && line.is_noreply();
    let zero = line.word(2) == b"0";
    if words > 2 && !(words == 3 && (zero || noreply) || words == 4 && zero && noreply) {
        return Answer::line_unless(noreply, "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]");
    }
    let key = line.word(1);
    if key.len() > MAX_KEY {
        return Answer::line_unless(noreply, BAD_FORMAT);
    }
    state.items.counts.deletes += 1;
    let deleted = state.items.find(key, Look::Peek).is_some();
    state.items.remove(key);
    Answer::line_unless(noreply, if deleted { "DELETED" } else { "NOT_FOUND" })
}

fn flush_all(line: &Line<'_>, state: &mut State) -> Answer {
    let noreply = line.is_noreply();
    let is_bare = line.len() == if noreply { 2 } else { 1 };
    let delay = if is_bare { Some(0) } else { line::signed32(line.word(1)) };
    match delay {
        Some(delay) => {
            state.items.flush(delay);
            Answer::line_unless(noreply, "OK")
        }
        None => Answer::line_unless(noreply, "CLIENT_ERROR invalid exptime argument"),
    }
}

/// Accepted, and without effect: there is no log.
fn verbosity(line: &Line<'_>) -> Answer {
    let noreply = line.is_noreply();
    match line::unsigned32(line.word(1)) {
        Some(_) => Answer::line_unless(noreply, "OK"),
        None => Answer::line_unless(noreply, BAD_FORMAT),
    }
}
