//! What a test has the server do wrong.

use std::collections::VecDeque;
use std::time::Duration;

/// Something that the server does wrong on demand.
///
/// Most faults befall the reply to a command. What a connection begins with is answered faithfully, so that a client gets as
/// far as its first command: credentials, `version`, and the `mg` by which a client finds out which protocol is spoken. A
/// classic `get` of many keys has one reply; in the meta protocol each key has one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The reply comes this much later. Replies behind it on the same connection wait too.
    Delay(Duration),
    /// The reply comes in pieces of so many bytes, each in a packet of its own. 0 counts as 1.
    Split(usize),
    /// Only so many bytes of the reply come, then the server closes the connection. With 0 it closes without a word.
    Truncate(usize),
    /// The reply comes twice.
    Duplicate,
    /// The reply does not come; the connection stays open, and later commands are answered.
    Drop,
    /// The reply comes after the next one on the same connection, or never if there is none.
    Swap,
    /// These bytes come instead of the reply.
    Garbage(Vec<u8>),
    /// The connection is reset instead of a reply.
    Reset,
    /// From this command on the connection is never answered again, and stays open.
    Silence,
    /// The reply comes, and then the server closes its side and goes on reading.
    HalfClose,
    /// The next value to store is refused: `SERVER_ERROR out of memory storing object`. The old item is gone, as with a real
    /// server.
    OutOfMemory,
    /// The next connection is refused as one too many: an error line, then it is closed.
    TooManyConnections,
}

/// The faults that are to come, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Faults(VecDeque<(Fault, u32)>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault, times: u32) {
        if times > 0 {
            self.0.push_back((fault, times));
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault of the next reply.
    pub(super) fn of_reply(&mut self) -> Option<Fault> {
        self.take(|fault| !matches!(fault, Fault::OutOfMemory | Fault::TooManyConnections))
    }

    /// Whether the next value to store is refused.
    pub(super) fn is_out_of_memory(&mut self) -> bool {
        self.take(|fault| *fault == Fault::OutOfMemory).is_some()
    }

    /// Whether the next connection is one too many.
    pub(super) fn is_too_many(&mut self) -> bool {
        self.take(|fault| *fault == Fault::TooManyConnections).is_some()
    }

    fn take(&mut self, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let index = self.0.iter().position(|(fault, _)| fits(fault))?;
        let (fault, times) = self.0.get_mut(index)?;
        *times -= 1;
        if *times > 0 {
            return Some(fault.clone());
        }
        self.0.remove(index).map(|(fault, _)| fault)
    }
}
