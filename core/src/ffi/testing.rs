//! The `TestServer` of the UDL: conversions around [`Server`], and nothing else.

use std::time::Duration;

use super::CacheError;
use crate::error::Error;
use crate::testing::{Fault, Options, Server};

#[derive(Clone, Debug)]
pub enum TestFault {
    Delay { milliseconds: u64 },
    Split { length: u64 },
    Truncate { length: u64 },
    Duplicate,
    Drop,
    Swap,
    Garbage { reply: Vec<u8> },
    Reset,
    Silence,
    HalfClose,
    OutOfMemory,
    TooManyConnections,
}

impl From<TestFault> for Fault {
    fn from(fault: TestFault) -> Self {
        match fault {
            TestFault::Delay { milliseconds } => Self::Delay(Duration::from_millis(milliseconds)),
            TestFault::Split { length } => Self::Split(size(length)),
            TestFault::Truncate { length } => Self::Truncate(size(length)),
            TestFault::Duplicate => Self::Duplicate,
            TestFault::Drop => Self::Drop,
            TestFault::Swap => Self::Swap,
            TestFault::Garbage { reply } => Self::Garbage(reply),
            TestFault::Reset => Self::Reset,
            TestFault::Silence => Self::Silence,
            TestFault::HalfClose => Self::HalfClose,
            TestFault::OutOfMemory => Self::OutOfMemory,
            TestFault::TooManyConnections => Self::TooManyConnections,
        }
    }
}

/// A size that may be more than fits, and then is as good as the largest.
fn size(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[derive(Clone, Debug)]
pub struct TestServerOptions {
    pub port: u16,
    pub version: String,
    pub item_size_max: u64,
    pub memory_limit: u64,
    pub user: Option<String>,
    pub password: Option<String>,
}

#[derive(Clone, Debug)]
pub struct TestServerCounts {
    pub connections: u64,
    pub open_connections: u32,
    pub commands: u64,
    pub reads: u64,
    pub hits: u64,
    pub misses: u64,
    pub stores: u64,
    pub deletes: u64,
}

#[derive(Debug)]
pub struct TestServer(Server);

impl TestServer {
    pub fn new(options: TestServerOptions) -> Result<Self, CacheError> {
        let credentials = match (options.user, options.password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            _ => return Err(Error::invalid("user and password have to be given together").into()),
        };
        let options = Options {
            port: options.port,
            version: options.version,
            item_size_max: size(options.item_size_max),
            memory_limit: size(options.memory_limit),
            credentials,
        };
        Ok(Self(Server::with(&options)?))
    }

    pub fn port(&self) -> u16 {
        self.0.port()
    }

    pub fn address(&self) -> String {
        self.0.address()
    }

    pub fn inject(&self, fault: TestFault, times: u32) {
        self.0.inject(fault.into(), times);
    }

    pub fn advance(&self, milliseconds: u64) {
        self.0.advance(Duration::from_millis(milliseconds));
    }

    pub fn clear(&self) {
        self.0.clear();
    }

    pub fn counts(&self) -> TestServerCounts {
        let counts = self.0.counts();
        TestServerCounts {
            connections: counts.connections,
            open_connections: counts.open_connections,
            commands: counts.commands,
            reads: counts.reads,
            hits: counts.hits,
            misses: counts.misses,
            stores: counts.stores,
            deletes: counts.deletes,
        }
    }

    pub fn stop(&self) {
        self.0.stop();
    }

    pub fn restart(&self) -> Result<(), CacheError> {
        Ok(self.0.restart()?)
    }
}
