//! Error lines: what a server answers in place of a reply.

use super::{Fault, FaultKind};

/// How much of an error line is kept, in bytes.
const KEPT: usize = 256;

/// Reads an error line. `None` when the line is none.
#[cold]
pub(super) fn parse(line: &[u8]) -> Option<Fault> {
    let (word, text) = match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &line[line.len()..]),
    };
    let kind = match word {
        b"ERROR" => error(text),
        b"CLIENT_ERROR" => client_error(text),
        b"SERVER_ERROR" => server_error(text),
        _ => return None,
    };
    Some(Fault { kind, line: String::from_utf8_lossy(&line[..line.len().min(KEPT)]).into_owned() })
}

fn error(text: &[u8]) -> FaultKind {
    if begins(text, "too many open connections") {
        FaultKind::TooManyConnections
    } else if begins(text, "unauthenticated") {
        FaultKind::Unauthenticated
    } else {
        FaultKind::UnknownCommand
    }
}

fn client_error(text: &[u8]) -> FaultKind {
    if begins(text, "cannot increment or decrement non-numeric value") {
        FaultKind::NotNumeric
    } else if begins(text, "unauthenticated") || begins(text, "authentication failure") {
        FaultKind::Unauthenticated
    } else {
        FaultKind::Client
    }
}

fn server_error(text: &[u8]) -> FaultKind {
    if begins(text, "object too large for cache") {
        FaultKind::TooLarge
    } else if begins(text, "out of memory reading request") || begins(text, "out of memory during read") {
        // These two come from the middle of a request: the connection is not in step.
        FaultKind::Server
    } else if begins(text, "out of memory") {
        FaultKind::OutOfMemory
    } else if begins(text, "too many connections") || begins(text, "too many open connections") {
        FaultKind::TooManyConnections
    } else {
        FaultKind::Server
    }
}

/// Whether `text` begins with `words`, whatever the case: servers of several versions differ in it.
fn begins(text: &[u8], words: &str) -> bool {
    text.get(..words.len()).is_some_and(|start| start.eq_ignore_ascii_case(words.as_bytes()))
}
