//! One connection's commands, without its socket: bytes in, replies out.

use super::command::{self, Answer, Body};
use super::line::Line;
use super::State;

/// Without an end of line within so many bytes, what comes is a get of many keys, or nonsense.
const LONGEST_LINE: usize = 2048;

/// Not even a get of many keys is longer.
const LONGEST_GET: usize = 64 << 20;

/// What comes next of a connection.
#[derive(Debug)]
pub(super) enum Step {
    /// More bytes are needed.
    Wait,
    /// A command was carried out. The reply is empty when the command wants none.
    Reply(Reply),
    /// The connection ends.
    Close,
}

/// A reply, and whether it belongs to what a connection begins with.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) is_greeting: bool,
}

/// The commands of one connection.
#[derive(Debug)]
pub(super) struct Session {
    input: Vec<u8>,
    /// How much of the input has been used up.
    used: usize,
    expects: Expects,
    is_trusted: bool,
    greeting: Greeting,
}

#[derive(Debug)]
enum Expects {
    Line,
    Body(Body),
    /// The rest of a value that is thrown away, and the reply to come behind it.
    Rest(usize, Vec<u8>),
    /// User and password, in a value of this length.
    Credentials(usize),
}

/// How far a client has come with finding out what it speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    Begins,
    ToldVersion,
    Over,
}

impl Session {
    pub(super) fn new(is_trusted: bool) -> Self {
        Self { input: Vec::new(), used: 0, expects: Expects::Line, is_trusted, greeting: Greeting::Begins }
    }

    /// Takes bytes that came.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.input.drain(..self.used);
        self.used = 0;
        self.input.extend_from_slice(bytes);
    }

    /// Carries out the next command, if it has come whole.
    pub(super) fn step(&mut self, state: &mut State) -> Step {
        match std::mem::replace(&mut self.expects, Expects::Line) {
            Expects::Line => self.line(state),
            Expects::Body(body) => match self.take(body.length + 2) {
                Some(value) => {
                    let answer = command::finish(body, &value, state);
                    self.answer(answer, false)
                }
                None => self.wait(Expects::Body(body)),
            },
            Expects::Rest(left, reply) => {
                let count = left.min(self.input.len() - self.used);
                self.used += count;
                if count == left {
                    return Step::Reply(Reply { bytes: reply, is_greeting: false });
                }
                self.wait(Expects::Rest(left - count, reply))
            }
            Expects::Credentials(length) => match self.take(length + 2) {
                Some(value) => self.credentials(&value, state),
                None => self.wait(Expects::Credentials(length)),
            },
        }
    }

    fn wait(&mut self, expects: Expects) -> Step {
        self.expects = expects;
        Step::Wait
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let bytes = self.input.get(self.used..)?.get(..length)?.to_vec();
        self.used += length;
        Some(bytes)
    }

    fn line(&mut self, state: &mut State) -> Step {
        let input = &self.input[self.used..];
        let Some(end) = memchr::memchr(b'\n', input) else {
            let start = input.iter().position(|byte| *byte != b' ').unwrap_or(0);
            let is_get = [&b"get "[..], b"gets "].iter().any(|get| input[start..].starts_with(get)) && start <= 100;
            let limit = if is_get && self.is_trusted { LONGEST_GET } else { LONGEST_LINE };
            return if input.len() > limit { Step::Close } else { Step::Wait };
        };
        self.used += end + 1;
        let line = match &input[..end] {
            [line @ .., b'\r'] if !line.is_empty() => line.to_vec(),
            line => line.to_vec(),
        };
        let line = Line::parse(&line);
        if !self.is_trusted {
            return self.ask_credentials(&line);
        }
        let is_greeting = self.greets(line.command());
        let counts = state.items.counts;
        let answer = command::run(&line, state);
        if is_greeting {
            state.items.counts = counts;
        }
        self.answer(answer, is_greeting)
    }

    /// Whether a command is one with which a client finds out what it speaks to: `version`, and an `mg` behind it.
    fn greets(&mut self, command: &[u8]) -> bool {
        let (greets, next) = match (self.greeting, command) {
            (Greeting::Begins, b"version") => (true, Greeting::ToldVersion),
            (Greeting::ToldVersion, b"mg") => (true, Greeting::Over),
            _ => (false, Greeting::Over),
        };
        self.greeting = next;
        greets
    }

    fn answer(&mut self, answer: Answer, is_greeting: bool) -> Step {
        let reply = |bytes| Step::Reply(Reply { bytes, is_greeting });
        match answer {
            Answer::Reply(bytes) => reply(bytes),
            Answer::Silence => reply(Vec::new()),
            Answer::Close => Step::Close,
            // The value of a store may be here already.
            Answer::Body(body) => {
                self.expects = Expects::Body(body);
                reply(Vec::new())
            }
            Answer::Swallow { length, reply: behind } => {
                self.expects = Expects::Rest(length + 2, behind);
                reply(Vec::new())
            }
        }
    }

    /// Until a client has said who it is, it may say nothing else: `set <any> <any> <any> <length>`, then user and password.
    fn ask_credentials(&mut self, line: &Line<'_>) -> Step {
        let length = super::line::unsigned32(line.word(4)).and_then(|length| usize::try_from(length).ok());
        match length {
            Some(length) if line.command() == b"set" && length <= LONGEST_LINE => {
                self.expects = Expects::Credentials(length);
                Step::Reply(Reply { bytes: Vec::new(), is_greeting: true })
            }
            _ => Step::Reply(Reply { bytes: b"CLIENT_ERROR unauthenticated\r\n".to_vec(), is_greeting: true }),
        }
    }

    fn credentials(&mut self, value: &[u8], state: &State) -> Step {
        let bytes: &[u8] = match value.strip_suffix(b"\r\n") {
            None => b"CLIENT_ERROR bad command line termination\r\n",
            Some(value) => {
                let words = Line::parse(value);
                let told = (words.word(0), words.word(1));
                let wanted = state.settings.credentials.as_ref();
                if words.len() < 2 {
                    b"CLIENT_ERROR bad authentication token format\r\n"
                } else if wanted.is_some_and(|(user, password)| told == (user.as_bytes(), password.as_bytes())) {
                    self.is_trusted = true;
                    b"STORED\r\n"
                } else {
                    b"CLIENT_ERROR authentication failure\r\n"
                }
            }
        };
        Step::Reply(Reply { bytes: bytes.to_vec(), is_greeting: true })
    }
}
