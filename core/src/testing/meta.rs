//! The meta commands.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;

use super::command::{refuse, Answer, Body, Report as BodyReport, BAD_FORMAT, MAX_KEY};
use super::flags::{decode, Flags};
use super::item::{slab_class, Item};
use super::line::Line;
use super::store::{Look, Mode, Store, Stored, Sum};
use super::{classic, State};
use crate::proto::Version;

/// Most words of a meta command.
const MOST_WORDS: usize = 19;

/// Longest opaque, with its `O`.
const LONGEST_OPAQUE: usize = 32;

const OPAQUE_TOO_LONG: &str = "CLIENT_ERROR opaque token too long";

/// First version whose `N` has `ms` make the item that it appends to.
const APPEND_VIVIFIES: Version = Version { major: 1, minor: 6, patch: 20 };

/// First version whose `me` shows what is left of a lifetime as a positive number.
const COUNTS_UPWARDS: Version = Version { major: 1, minor: 6, patch: 24 };

/// First version whose `EN` echoes the opaque and the key.
const MISS_ECHOES: Version = Version { major: 1, minor: 6, patch: 18 };

pub(super) fn run(line: &Line<'_>, state: &mut State) -> Answer {
    let outcome = match line.command() {
        b"mn" => Ok(Answer::line("MN")),
        b"me" => Ok(debug(line, state)),
        b"mg" | b"ms" | b"md" | b"ma" if line.len() < 2 => Ok(Answer::line("ERROR")),
        b"mg" => get(line, state),
        b"ms" => store(line, state),
        b"md" => delete(line, state),
        b"ma" => arithmetic(line, state),
        _ => Ok(Answer::line("ERROR")),
    };
    outcome.unwrap_or_else(Answer::line)
}

fn check(line: &Line<'_>, too_many: &'static str) -> Result<(), &'static str> {
    if line.word(1).len() > MAX_KEY {
        return Err(BAD_FORMAT);
    }
    if line.len() > MOST_WORDS {
        return Err(too_many);
    }
    Ok(())
}

/// Adds ` <flag><text>`.
fn put(reply: &mut Vec<u8>, flag: u8, text: impl AsRef<[u8]>) {
    reply.extend_from_slice(&[b' ', flag]);
    reply.extend_from_slice(text.as_ref());
}

fn put_opaque(reply: &mut Vec<u8>, word: &[u8]) -> Result<(), &'static str> {
    if word.len() > LONGEST_OPAQUE {
        return Err(OPAQUE_TOO_LONG);
    }
    put(reply, b'O', &word[1..]);
    Ok(())
}

fn put_key(reply: &mut Vec<u8>, key: &[u8], is_binary: bool) {
    if is_binary {
        put(reply, b'k', STANDARD.encode(key));
        reply.extend_from_slice(b" b");
    } else {
        put(reply, b'k', key);
    }
}

/// A reply that tells nothing but a code: the opaque and the key, as they came.
fn echo(code: &str, words: &[&[u8]], flags: &Flags) -> Result<Vec<u8>, &'static str> {
    let mut reply = code.as_bytes().to_vec();
    for word in words {
        match word[0] {
            b'O' => put_opaque(&mut reply, word)?,
            b'k' => put_key(&mut reply, &flags.key, flags.has_binary_key),
            _ => {}
        }
    }
    Ok(reply)
}

fn get(line: &Line<'_>, state: &mut State) -> Result<Answer, &'static str> {
    check(line, "CLIENT_ERROR options flags are too long")?;
    let words = line.from(2);
    let flags = Flags::parse(line.word(1), words, &state.items.clock, state.settings.number)?;
    let items = &mut state.items;
    let is_touch = flags.ttl.is_some() && !flags.wants_value;
    items.counts.read(is_touch);
    let mut is_new = false;
    if items.find(&flags.key, Look::Peek).is_none() {
        if flags.vivify.is_none() {
            let words = if state.settings.number >= MISS_ECHOES { words } else { &[] };
            let miss = echo("EN", words, &flags)?;
            return Ok(Answer::line_unless(flags.is_quiet, miss));
        }
        items.link(&flags.key, Item::default(), flags.given);
        is_new = true;
    } else {
        items.counts.hit(is_touch);
    }
    let reply = hit(words, &flags, is_new, state)?;
    if !flags.leaves_unused {
        state.items.used(&flags.key);
    }
    Ok(Answer::Reply(reply))
}

/// The reply of `mg` for an item that is there now. Flags act from left to right.
fn hit(words: &[&[u8]], flags: &Flags, is_new: bool, state: &mut State) -> Result<Vec<u8>, &'static str> {
    let Some(item) = state.items.find(&flags.key, Look::Peek) else { return Err("SERVER_ERROR out of memory") };
    let mut item = item.clone();
    let clock = &state.items.clock;
    let mut wins = false;
    let mut reply = if flags.wants_value { format!("VA {}", item.value.len()).into_bytes() } else { b"HD".to_vec() };
    let mut failed = None;
    for word in words {
        match word[0] {
            b'T' => item.expiry = flags.ttl.flatten(),
            b'N' if is_new => {
                item.expiry = flags.vivify.flatten();
                wins = true;
            }
            b'R' => {
                let left = item.expiry.map(|expiry| clock.until(expiry));
                let wanted = flags.recache.flatten().map_or(0, |at| clock.until(at));
                wins |= !item.is_promised && !is_new && left.is_some_and(|left| left < wanted);
            }
            b's' => put(&mut reply, b's', item.value.len().to_string()),
            b't' => put(&mut reply, b't', ttl(&item, state)),
            b'c' => put(&mut reply, b'c', item.cas.to_string()),
            b'f' => put(&mut reply, b'f', item.flags.to_string()),
            b'l' => put(&mut reply, b'l', clock.since(item.accessed).to_string()),
            b'h' => put(&mut reply, b'h', u8::from(item.is_fetched).to_string()),
            b'O' => failed = failed.or(put_opaque(&mut reply, word).err()),
            b'k' => put_key(&mut reply, &flags.key, item.has_binary_key),
            _ => {}
        }
        if failed.is_some() {
            break;
        }
    }
    if failed.is_none() {
        mark(&mut reply, &mut item, wins);
    }
    let value = if flags.wants_value { [&b"\r\n"[..], &item.value].concat() } else { Vec::new() };
    if let Some(kept) = state.items.find(&flags.key, Look::Peek) {
        *kept = item;
    }
    failed.map_or(Ok(()), Err)?;
    reply.extend_from_slice(&value);
    reply.extend_from_slice(b"\r\n");
    Ok(reply)
}

/// Adds who makes the item anew: `W` this reader, `Z` another one; and `X` when it is stale.
fn mark(reply: &mut Vec<u8>, item: &mut Item, wins: bool) {
    if item.is_promised {
        reply.extend_from_slice(b" Z");
    }
    if item.is_stale {
        reply.extend_from_slice(b" X");
    }
    if wins || item.is_stale && !item.is_promised {
        reply.extend_from_slice(b" W");
        item.is_promised = true;
    }
}

fn ttl(item: &Item, state: &State) -> String {
    item.expiry.map_or_else(|| "-1".into(), |expiry| state.items.clock.until(expiry).to_string())
}

fn store(line: &Line<'_>, state: &mut State) -> Result<Answer, &'static str> {
    if line.word(1).len() > MAX_KEY || line.len() < 3 {
        return Err(BAD_FORMAT);
    }
    check(line, "CLIENT_ERROR options flags too long")?;
    let length = classic::length(line.word(2)).ok_or(BAD_FORMAT)?;
    // From here on the value is known to follow.
    let refused = |message: &str| Answer::Swallow { length, reply: format!("{message}\r\n").into_bytes() };
    let (mut store, report) = match parse_store(line, state) {
        Ok(parsed) => parsed,
        Err(message) => return Ok(refused(message)),
    };
    state.items.counts.stores += 1;
    store.given = state.items.cas_of_attempt(store.given);
    if let Some(message) = refuse(state, &store, length, true) {
        return Ok(refused(message));
    }
    Ok(Answer::Body(Body { store, length, report: BodyReport::Meta(report) }))
}

fn parse_store(line: &Line<'_>, state: &State) -> Result<(Store, Report), &'static str> {
    let words = line.from(3);
    let flags = Flags::parse(line.word(1), words, &state.items.clock, state.settings.number)?;
    let vivify = flags.vivify.filter(|_| state.settings.number >= APPEND_VIVIFIES);
    let mode = match flags.mode {
        None | Some(b'S') if flags.compare.is_some() => Mode::Cas,
        Some(b'R') if flags.compare.is_some() => Mode::Cas,
        None | Some(b'S') => Mode::Set,
        Some(b'E') => Mode::Add,
        Some(b'A') => Mode::Append(vivify),
        Some(b'P') => Mode::Prepend(vivify),
        Some(b'R') => Mode::Replace,
        Some(_) => return Err("CLIENT_ERROR invalid mode for ms M token"),
    };
    let returns: Vec<Vec<u8>> = words.iter().filter(|word| b"Okc".contains(&word[0])).map(|word| word.to_vec()).collect();
    if returns.iter().any(|word| word[0] == b'O' && word.len() > LONGEST_OPAQUE) {
        return Err(OPAQUE_TOO_LONG);
    }
    let item = Item {
        flags: flags.client_flags,
        expiry: flags.ttl.flatten(),
        has_binary_key: flags.has_binary_key,
        ..Item::default()
    };
    let compare = flags.compare.unwrap_or(0);
    let allows_stale = flags.invalidates;
    let report = Report { is_quiet: flags.is_quiet, has_binary_key: flags.has_binary_key, returns };
    Ok((Store { key: flags.key, mode, item, compare, given: flags.given, allows_stale }, report))
}

/// How an `ms` is answered.
#[derive(Debug)]
pub(super) struct Report {
    is_quiet: bool,
    has_binary_key: bool,
    returns: Vec<Vec<u8>>,
}

impl Report {
    pub(super) fn line(&self, stored: Stored, key: &[u8]) -> Answer {
        let (code, cas) = match stored {
            Stored::Done(cas) => ("HD", cas),
            Stored::Failed => ("NS", 0),
            Stored::Exists => ("EX", 0),
            Stored::NotFound => ("NF", 0),
        };
        if code == "HD" && self.is_quiet {
            return Answer::Silence;
        }
        let mut reply = code.as_bytes().to_vec();
        for word in &self.returns {
            match word[0] {
                b'O' => put(&mut reply, b'O', &word[1..]),
                b'k' => put_key(&mut reply, key, self.has_binary_key),
                _ => put(&mut reply, b'c', cas.to_string()),
            }
        }
        Answer::line(reply)
    }
}

fn delete(line: &Line<'_>, state: &mut State) -> Result<Answer, &'static str> {
    check(line, "CLIENT_ERROR options flags too long")?;
    let words = line.from(2);
    let flags = Flags::parse(line.word(1), words, &state.items.clock, state.settings.number);
    let flags = flags.map_err(|_| "CLIENT_ERROR invalid or duplicate flag")?;
    // It says what it echoes before it does anything.
    echo("", words, &flags)?;
    state.items.counts.deletes += 1;
    let code = remove(&flags, state);
    let reply = echo(code, words, &flags)?;
    Ok(Answer::line_unless(flags.is_quiet && code == "HD", reply))
}

fn remove(flags: &Flags, state: &mut State) -> &'static str {
    let Some(item) = state.items.find(&flags.key, Look::Peek) else { return "NF" };
    if flags.compare.is_some_and(|compare| compare != item.cas) {
        return "EX";
    }
    if flags.empties {
        let cas = flags.given.unwrap_or(item.cas);
        let empty = Item { flags: flags.client_flags, expiry: flags.ttl.flatten(), ..Item::default() };
        state.items.link(&flags.key, empty, Some(cas));
    }
    if flags.invalidates {
        let cas = flags.given.unwrap_or_else(|| state.items.next_cas());
        let Some(item) = state.items.find(&flags.key, Look::Peek) else { return "HD" };
        item.expiry = flags.ttl.unwrap_or(item.expiry);
        item.is_stale = true;
        item.is_promised = false;
        item.cas = cas;
    } else if !flags.empties {
        state.items.remove(&flags.key);
    }
    "HD"
}

fn arithmetic(line: &Line<'_>, state: &mut State) -> Result<Answer, &'static str> {
    check(line, "CLIENT_ERROR options flags too long")?;
    let words = line.from(2);
    let flags = Flags::parse(line.word(1), words, &state.items.clock, state.settings.number);
    let flags = flags.map_err(|_| "CLIENT_ERROR invalid or duplicate flag")?;
    let up = match flags.mode {
        None | Some(b'I' | b'+') => true,
        Some(b'D' | b'-') => false,
        Some(_) => return Err("CLIENT_ERROR invalid mode for ma M token"),
    };
    state.items.counts.arithmetic += 1;
    let (compare, delta) = (flags.compare.unwrap_or(0), flags.delta.unwrap_or(1));
    match state.items.add(&flags.key, up, delta, compare) {
        Sum::Is(sum) => {
            let reply = total(sum, words, &flags, false, state)?;
            Ok(if flags.is_quiet { Answer::Silence } else { Answer::Reply(reply) })
        }
        Sum::NotNumeric => Err(classic::NOT_NUMERIC),
        Sum::Exists => Ok(Answer::line(echo("EX", words, &flags)?)),
        Sum::NotFound if flags.vivify.is_none() => Ok(Answer::line(echo("NF", words, &flags)?)),
        Sum::NotFound => {
            let value = flags.initial.to_string().into_bytes();
            state.items.link(&flags.key, Item { value, ..Item::default() }, flags.given);
            Ok(Answer::Reply(total(flags.initial, words, &flags, true, state)?))
        }
    }
}

/// The reply of `ma` for an item that is there now.
fn total(sum: u64, words: &[&[u8]], flags: &Flags, is_new: bool, state: &mut State) -> Result<Vec<u8>, &'static str> {
    let Some(item) = state.items.find(&flags.key, Look::Peek) else { return Err("SERVER_ERROR out of memory") };
    let mut item = item.clone();
    let sum = sum.to_string();
    let mut reply = if flags.wants_value { format!("VA {}", sum.len()).into_bytes() } else { b"HD".to_vec() };
    for word in words {
        match word[0] {
            b'T' => item.expiry = flags.ttl.flatten(),
            b'N' if is_new => item.expiry = flags.vivify.flatten(),
            b'c' => put(&mut reply, b'c', item.cas.to_string()),
            b't' => put(&mut reply, b't', ttl(&item, state)),
            b'O' => put_opaque(&mut reply, word)?,
            b'k' => put_key(&mut reply, &flags.key, flags.has_binary_key),
            _ => {}
        }
    }
    if let Some(kept) = state.items.find(&flags.key, Look::Peek) {
        *kept = item;
    }
    if flags.wants_value {
        reply.extend_from_slice(b"\r\n");
        reply.extend_from_slice(sum.as_bytes());
    }
    reply.extend_from_slice(b"\r\n");
    Ok(reply)
}

/// `me`: what is known of an item, for people.
fn debug(line: &Line<'_>, state: &mut State) -> Answer {
    let word = line.word(1);
    if line.len() < 2 || word.len() > MAX_KEY {
        return Answer::line(BAD_FORMAT);
    }
    let key = if line.word(2) == b"b" { decode(word) } else { Some(word.to_vec()) };
    let Some(key) = key else { return Answer::line(BAD_FORMAT) };
    let Some(item) = state.items.find(&key, Look::Peek) else { return Answer::line("EN") };
    let item = item.clone();
    let clock = &state.items.clock;
    let sign = if state.settings.number < COUNTS_UPWARDS { "-" } else { "" };
    let left = item.expiry.map_or_else(|| "-1".into(), |expiry| format!("{sign}{}", clock.until(expiry)));
    let shown = if item.has_binary_key { STANDARD.encode(&key).into_bytes() } else { key.clone() };
    let size = item.size(&key);
    let facts = format!(
        " exp={left} la={} cas={} fetch={} cls={} size={size}",
        clock.since(item.accessed),
        item.cas,
        if item.is_fetched { "yes" } else { "no" },
        slab_class(&state.items.slab_sizes, size),
    );
    Answer::line([b"ME ", &shown[..], facts.as_bytes()].concat())
}
