//! What becomes of a command line.

use super::item::Item;
use super::line::Line;
use super::store::{NoRoom, Store, Stored};
use super::{classic, meta, State};

/// The answer to a line.
#[derive(Debug)]
pub(super) enum Answer {
    Reply(Vec<u8>),
    /// There is none: `noreply`, or a quiet flag.
    Silence,
    /// A value follows.
    Body(Body),
    /// A value follows that will not be stored; the reply comes behind it.
    Swallow {
        length: usize,
        reply: Vec<u8>,
    },
    /// The connection ends.
    Close,
}

impl Answer {
    pub(super) fn line(text: impl AsRef<[u8]>) -> Self {
        Self::Reply([text.as_ref(), b"\r\n"].concat())
    }

    pub(super) fn line_unless(silent: bool, text: impl AsRef<[u8]>) -> Self {
        if silent {
            Self::Silence
        } else {
            Self::line(text)
        }
    }
}

/// A value that is to come, and what to do with it.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) store: Store,
    pub(super) length: usize,
    pub(super) report: Report,
}

/// How a store is answered.
#[derive(Debug)]
pub(super) enum Report {
    Classic { noreply: bool },
    Meta(meta::Report),
}

/// The longest key.
pub(super) const MAX_KEY: usize = 250;

pub(super) const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format";

/// Carries a line out.
pub(super) fn run(line: &Line<'_>, state: &mut State) -> Answer {
    state.items.settle();
    state.items.counts.commands += 1;
    let is_meta = matches!(line.command(), [b'm', _]);
    if line.command().len() < 2 {
        Answer::line("ERROR")
    } else if is_meta && state.settings.knows_meta() {
        meta::run(line, state)
    } else {
        classic::run(line, state)
    }
}

/// Takes the value of a store, line end included.
pub(super) fn finish(body: Body, value: &[u8], state: &mut State) -> Answer {
    let Body { mut store, length, report } = body;
    let (value, end) = value.split_at(length.min(value.len()));
    if end != b"\r\n" {
        let noreply = matches!(report, Report::Classic { noreply: true });
        return Answer::line_unless(noreply, "CLIENT_ERROR bad data chunk");
    }
    store.item = Item { value: value.to_vec(), ..store.item };
    match report {
        Report::Classic { noreply } => {
            store.given = state.items.cas_of_attempt(store.given);
            let reply = match state.items.store(store) {
                Stored::Done(_) => "STORED",
                Stored::Failed => "NOT_STORED",
                Stored::Exists => "EXISTS",
                Stored::NotFound => "NOT_FOUND",
            };
            Answer::line_unless(noreply, reply)
        }
        Report::Meta(report) => {
            let key = store.key.clone();
            report.line(state.items.store(store), &key)
        }
    }
}

/// Says that there is no room, or that a fault wants it so. What was stored under the key is gone then, where `forgets`: it
/// would be older than what the client has.
pub(super) fn refuse(state: &mut State, store: &Store, length: usize, forgets: bool) -> Option<&'static str> {
    let fits = state.items.check_room(store.key.len(), store.item.flags, length);
    let refused = match fits {
        Err(NoRoom::TooLarge) => "SERVER_ERROR object too large for cache",
        Err(NoRoom::OutOfMemory) => OUT_OF_MEMORY,
        Ok(()) if state.faults.is_out_of_memory() => OUT_OF_MEMORY,
        Ok(()) => return None,
    };
    if forgets {
        state.items.remove(&store.key);
    }
    Some(refused)
}

const OUT_OF_MEMORY: &str = "SERVER_ERROR out of memory storing object";
