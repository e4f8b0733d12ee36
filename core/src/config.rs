//! Options of a client: plain data, checked once when the client is made.

use std::time::Duration;

use crate::address::ServerSpec;
use crate::credentials::{Credentials, Password};
use crate::error::{Error, Result};
use crate::key::{KeyEncoding, MAX_BINARY_KEY_LENGTH, MAX_KEY_LENGTH};

/// Which protocol to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WireProtocol {
    /// Ask each server on each new connection: meta from memcached 1.6.18 on, classic otherwise.
    #[default]
    Auto,
    /// Meta, without asking.
    Meta,
    /// Classic, without asking.
    Classic,
}

/// How a key chooses its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// python-memcached's: crc32 of the key modulo the servers, each counted by its weight.
    #[default]
    Modulo,
    /// libmemcached's default: one-at-a-time hash modulo the servers; weights are ignored.
    Modula,
    /// libmemcached's `KETAMA`: 100 points per server, hashed one-at-a-time; weights are ignored.
    Ketama,
    /// libmemcached's `KETAMA_WEIGHTED`: about 160 MD5 points per server and weight.
    KetamaWeighted,
    /// Highest random weight, murmur3 of `host:port-key`, as pymemcache's `HashClient`; weights are ignored.
    Rendezvous,
}

/// What becomes of a key whose server is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Failover {
    /// The call fails with [`ErrorKind::ServerDown`](crate::ErrorKind::ServerDown). Never reads a stale copy.
    #[default]
    FailFast,
    /// Another server is tried, as python-memcached does. A server that flaps can leave stale copies behind.
    Rehash,
}

/// How a call waits for a reply. Polling briefly before sleeping saves the cost of being woken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Spin {
    /// Poll only while that has paid lately and a processor is to spare.
    #[default]
    Auto,
    /// Always sleep.
    Off,
    /// Poll for this long before every sleep, up to one millisecond.
    Fixed(Duration),
}

/// Largest [`Config::max_value_size`]: memcached's own largest item, 1 GiB (`-I 1024m`).
pub const MAX_VALUE_SIZE: u64 = 1 << 30;

/// Longest of all timeouts: an hour.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// Options of a client. Every one has a default that suits a server in the same network.
///
/// ```
/// use cmemcache::{Config, Placement};
/// let config = Config { placement: Placement::KetamaWeighted, ..Config::new(["10.0.0.1", "10.0.0.2:11212"])? };
/// # Ok::<(), cmemcache::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The servers. An empty list is legal: every call then fails with `NoServers`.
    pub servers: Vec<ServerSpec>,
    /// Which protocol to speak.
    pub protocol: WireProtocol,
    /// How a key chooses its server.
    pub placement: Placement,
    /// What becomes of a key whose server is down.
    pub failover: Failover,
    /// Deadline of a whole call, 1 ms to 1 h: queueing, connecting, retries and failover included.
    pub timeout: Duration,
    /// Longest time for one attempt to connect, 1 ms to 1 h; never beyond the call's deadline.
    pub connect_timeout: Duration,
    /// Longest time, up to 1 h, for which a failed server is left alone before it is probed again.
    pub dead_retry: Duration,
    /// How many timeouts in a row put a server down, 1 to 1000.
    pub failure_limit: u32,
    /// Most connections per server, 1 to 1024, each opened when it is needed. When more callers than that are under way, small
    /// requests travel together on a few of them, and other callers wait within their deadline.
    pub max_connections: u32,
    /// Largest value in bytes that is sent; 0 leaves the limit to the server, up to 1 GiB.
    pub max_value_size: u64,
    /// Bytes put in front of every key, before it is hashed and sent.
    pub key_prefix: Vec<u8>,
    /// How keys travel; base64 needs the meta protocol.
    pub key_encoding: KeyEncoding,
    /// Empty a server (`flush_all`) on the first connection after it was down, so that it serves nothing stale.
    pub flush_on_reconnect: bool,
    /// How a call waits for a reply.
    pub spin: Spin,
    /// How connections are secured; not at all when unset.
    #[cfg(feature = "tls")]
    pub tls: Option<crate::tls::TlsOptions>,
    /// The user for servers that ask for one (memcached's `-Y`). Goes with `password`; the two are sent once on each connection,
    /// to servers that refuse to serve without only. Both together are at most 254 bytes, without spaces and control
    /// characters; the user without ':' too.
    pub user: Option<String>,
    /// The password of `user`.
    pub password: Option<Password>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            protocol: WireProtocol::default(),
            placement: Placement::default(),
            failover: Failover::default(),
            timeout: Duration::from_millis(1000),
            connect_timeout: Duration::from_millis(250),
            dead_retry: Duration::from_secs(30),
            failure_limit: 3,
            max_connections: 8,
            max_value_size: 1 << 20,
            key_prefix: Vec::new(),
            key_encoding: KeyEncoding::default(),
            flush_on_reconnect: false,
            spin: Spin::default(),
            #[cfg(feature = "tls")]
            tls: None,
            user: None,
            password: None,
        }
    }
}

impl Config {
    /// Options with these servers, each of weight 1, and every default.
    ///
    /// # Errors
    /// `InvalidArgument` naming the address that is malformed.
    pub fn new<A: AsRef<str>>(addresses: impl IntoIterator<Item = A>) -> Result<Self> {
        let servers = addresses.into_iter().map(|address| ServerSpec::parse(address.as_ref(), 1)).collect::<Result<_>>()?;
        Ok(Self { servers, ..Self::default() })
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// `InvalidArgument` naming the option, its value and the limit.
    pub fn check(&self) -> Result<()> {
        check_time("timeout", self.timeout)?;
        check_time("connect_timeout", self.connect_timeout)?;
        if self.dead_retry > MAX_TIMEOUT {
            return Err(Error::invalid(format!("dead_retry of {} ms is over 3600000 ms", self.dead_retry.as_millis())));
        }
        if !(1..=1000).contains(&self.failure_limit) {
            return Err(Error::invalid(format!("failure_limit of {} is not in 1 to 1000", self.failure_limit)));
        }
        if !(1..=1024).contains(&self.max_connections) {
            return Err(Error::invalid(format!("max_connections of {} is not in 1 to 1024", self.max_connections)));
        }
        if self.max_value_size > MAX_VALUE_SIZE {
            return Err(Error::invalid(format!("max_value_size of {} is over {MAX_VALUE_SIZE}", self.max_value_size)));
        }
        if let Spin::Fixed(time) = self.spin {
            if time > Duration::from_millis(1) {
                return Err(Error::invalid(format!("spin of {} us is over 1000 us", time.as_micros())));
            }
        }
        Credentials::check(self)?;
        self.check_prefix()
    }

    fn check_prefix(&self) -> Result<()> {
        if self.key_prefix.is_empty() {
            return Ok(());
        }
        let limit = match self.key_encoding {
            KeyEncoding::Text => MAX_KEY_LENGTH,
            KeyEncoding::Base64 => MAX_BINARY_KEY_LENGTH,
        };
        if self.key_prefix.len() >= limit {
            let length = self.key_prefix.len();
            return Err(Error::invalid(format!("key_prefix of {length} bytes leaves no room in {limit} for a key")));
        }
        crate::key::Key::parse_in(b"", &self.key_prefix, self.key_encoding)
            .map(|_| ())
            .map_err(|fault| Error::invalid(format!("key_prefix: {fault}")))
    }
}

pub(crate) fn check_time(name: &str, time: Duration) -> Result<()> {
    if time < Duration::from_millis(1) || time > MAX_TIMEOUT {
        return Err(Error::invalid(format!("{name} of {} ms is not in 1 to 3600000 ms", time.as_millis())));
    }
    Ok(())
}
