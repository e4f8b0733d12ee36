//! Where a server is: parsed once, from the strings that python-memcached takes.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use crate::error::{Error, Result};

/// The port of a server that names none: memcached's own default.
pub const DEFAULT_PORT: u16 = 11211;

/// Largest [`ServerSpec::weight`].
pub const MAX_WEIGHT: u32 = 10_000;

/// Longest host name, in bytes: the limit of the domain name system.
const MAX_HOST_LENGTH: usize = 253;

/// Longest path of a unix socket, in bytes: `sun_path` holds 108 with the NUL at its end.
const MAX_SOCKET_PATH_LENGTH: usize = 107;

const FORMS: &str = "expected host, host:port, [ipv6]:port or unix:/path";

const IPV6_FORMS: &str = "an IPv6 address is written \"[::1]:11211\" or \"inet6:[::1]:11211\"";

/// What is wrong with an address, as the end of a sentence that began with the address.
type Fault = Cow<'static, str>;

type Parsed<T> = std::result::Result<T, Fault>;

/// Where a server listens, parsed from one of these forms:
///
/// ```text
/// host[:port]           a name or an IPv4 address; the port is 11211 unless given
/// inet:host[:port]      the same
/// [ipv6][:port]         an IPv6 address in brackets, with its zone if it needs one: [fe80::1%eth0]
/// inet6:[ipv6][:port]   the same
/// unix:/path            a unix socket, by its absolute path
/// ```
///
/// `Display` writes the canonical name, always with the port: `host:port`, `[ipv6]:port` or `unix:/path`.
///
/// The host stays as it was written: the ketama and rendezvous placements hash it, so `localhost` and `127.0.0.1` are
/// different servers to them, as they are to the clients that these placements come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A TCP port.
    #[non_exhaustive]
    Tcp {
        /// Host name, IPv4 address, or IPv6 address without brackets, as it was written.
        host: String,
        /// Port, never 0.
        port: u16,
    },
    /// A unix socket.
    #[non_exhaustive]
    Unix {
        /// Absolute path.
        path: PathBuf,
    },
}

/// A server of a cluster: its address, and its share of the keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ServerSpec {
    /// Where it listens.
    pub address: Address,
    /// How many keys it takes compared with the others, 1 to [`MAX_WEIGHT`]. Only `Modulo` and `KetamaWeighted` heed
    /// it.
    pub weight: u32,
}

impl ServerSpec {
    /// Parses an address and checks the weight.
    ///
    /// # Errors
    /// `InvalidArgument` quoting the text and saying what was expected, as [`Address::parse`]; or naming the weight
    /// when it is not in 1 to [`MAX_WEIGHT`].
    ///
    /// ```
    /// use cmemcache::ServerSpec;
    /// let server = ServerSpec::parse("10.0.0.1", 2)?;
    /// assert_eq!(server.address.to_string(), "10.0.0.1:11211");
    /// assert!(ServerSpec::parse("localhost", 11211).is_err());
    /// # Ok::<(), cmemcache::Error>(())
    /// ```
    pub fn parse(text: &str, weight: u32) -> Result<Self> {
        let address = Address::parse(text)?;
        if !(1..=MAX_WEIGHT).contains(&weight) {
            return Err(Error::invalid(format!(
                "weight {weight} of server {text:?} is not in 1 to {MAX_WEIGHT}; \
                 a port belongs into the address, as in \"host:11211\""
            )));
        }
        Ok(Self { address, weight })
    }
}

impl Address {
    /// Parses one of the forms above.
    ///
    /// # Errors
    /// `InvalidArgument` quoting the text and saying what is wrong with it and what was expected.
    ///
    /// ```
    /// use cmemcache::Address;
    /// assert_eq!(Address::parse("inet6:[::1]")?.to_string(), "[::1]:11211");
    /// let error = Address::parse("/run/memcached.sock").unwrap_err();
    /// assert!(error.message().contains("unix:/run/memcached.sock"));
    /// # Ok::<(), cmemcache::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        read(text).map_err(|fault| Error::invalid(format!("server {text:?}: {fault}")))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { path } => write!(f, "unix:{}", path.display()),
        }
    }
}

fn read(text: &str) -> Parsed<Address> {
    if text.is_empty() {
        return Err(format!("empty; {FORMS}").into());
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return read_socket_path(path);
    }
    if let Some(rest) = text.strip_prefix("inet6:") {
        return match rest.strip_prefix('[') {
            Some(rest) => read_ipv6(rest),
            None => Err(IPV6_FORMS.into()),
        };
    }
    match text.strip_prefix('[') {
        Some(rest) => read_ipv6(rest),
        None => read_named(text.strip_prefix("inet:").unwrap_or(text)),
    }
}

fn read_socket_path(path: &str) -> Parsed<Address> {
    if !path.starts_with('/') {
        return Err("the path of a unix socket is absolute, as in \"unix:/run/memcached.sock\"".into());
    }
    if path.len() > MAX_SOCKET_PATH_LENGTH {
        let length = path.len();
        return Err(format!("the path's {length} bytes are over the system's limit of {MAX_SOCKET_PATH_LENGTH}").into());
    }
    if path.contains(|c: char| c.is_control()) {
        return Err("control characters are not allowed in a path".into());
    }
    Ok(Address::Unix { path: path.into() })
}

/// What follows the opening bracket.
fn read_ipv6(text: &str) -> Parsed<Address> {
    let Some((host, rest)) = text.split_once(']') else {
        return Err("the closing bracket is missing; expected [ipv6]:port".into());
    };
    let (address, zone) = host.split_once('%').unwrap_or((host, "0"));
    if address.parse::<Ipv6Addr>().is_err() || zone.is_empty() || !zone.chars().all(is_host_char) {
        return Err(format!("{host:?} is no IPv6 address; only IPv6 stands in brackets").into());
    }
    let port = match rest.strip_prefix(':') {
        Some(port) => read_port(port)?,
        None if rest.is_empty() => DEFAULT_PORT,
        None => return Err("expected nothing or :port after the closing bracket".into()),
    };
    Ok(Address::Tcp { host: host.to_owned(), port })
}

/// `host` or `host:port`, where the host is a name or an IPv4 address.
fn read_named(text: &str) -> Parsed<Address> {
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(unknown_scheme(scheme));
    }
    if text.contains('/') {
        return Err(format!("no '/' in a host; a unix socket is written \"unix:{text}\"").into());
    }
    let (host, port) = match text.split_once(':') {
        None => (text, DEFAULT_PORT),
        Some((_, rest)) if rest.contains(':') => return Err(too_many_colons(text)),
        Some((host, port)) => (host, read_port(port)?),
    };
    check_host(host)?;
    Ok(Address::Tcp { host: host.to_owned(), port })
}

fn too_many_colons(text: &str) -> Fault {
    let (scheme, address) = (text.split(':').next().unwrap_or_default(), text.split('%').next().unwrap_or_default());
    if address.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '[' | ']')) {
        return IPV6_FORMS.into();
    }
    unknown_scheme(scheme)
}

fn unknown_scheme(scheme: &str) -> Fault {
    format!("unknown scheme {scheme:?}; the known ones are inet:, inet6: and unix:").into()
}

fn read_port(text: &str) -> Parsed<u16> {
    if text.is_empty() {
        return Err("the port after ':' is missing; expected host:port".into());
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("port {text:?} is not a number; expected host:port").into());
    }
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("port {text} is not in 1 to 65535").into()),
        Ok(port) => Ok(port),
    }
}

fn check_host(host: &str) -> Parsed<()> {
    if host.is_empty() {
        return Err(format!("the host is missing; {FORMS}").into());
    }
    if host.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("a number is no host; {FORMS}").into());
    }
    // As a host, its canonical name would read as something else.
    if matches!(host, "inet" | "inet6" | "unix") {
        return Err(format!("{host:?} is a scheme, not a host; {FORMS}").into());
    }
    if let Some(c) = host.chars().find(|c| !is_host_char(*c)) {
        return Err(format!("{c:?} in the host; a host is made of ASCII letters, digits, '-', '_' and '.'").into());
    }
    if host.len() > MAX_HOST_LENGTH {
        return Err(format!("the host's {} bytes are over the limit of {MAX_HOST_LENGTH}", host.len()).into());
    }
    let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err(format!("{host} is no IPv4 address; expected four numbers of 0 to 255").into());
    }
    Ok(())
}

fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::support::each_vector;

    fn text(value: &serde_json::Value) -> &str {
        value.as_str().expect("a text")
    }

    #[test]
    fn every_form_has_its_canonical_name_and_every_other_is_explained() {
        each_vector("addresses.json", |vector| {
            let given = text(&vector["text"]);
            if vector["refused"].is_null() {
                let address = Address::parse(given).expect("a legal address");
                assert_eq!(address.to_string(), text(&vector["canonical"]));
                assert_eq!(Address::parse(&address.to_string()).expect("a legal name"), address);
            } else {
                let error = Address::parse(given).expect_err(given);
                assert_eq!(error.kind(), ErrorKind::InvalidArgument);
                assert!(error.message().starts_with(&format!("server {given:?}: ")), "{error}");
                assert!(error.message().contains(text(&vector["refused"])), "{error}");
            }
        });
    }

    #[test]
    fn a_host_is_as_long_as_a_domain_name_may_be() {
        assert!(Address::parse(&"h".repeat(253)).is_ok());
        let error = Address::parse(&"h".repeat(254)).expect_err("too long");
        assert!(error.message().contains("254 bytes are over the limit of 253"), "{error}");
    }

    #[test]
    fn a_weight_is_in_its_range_and_a_port_is_none() {
        assert_eq!(ServerSpec::parse("localhost", 1).expect("legal").weight, 1);
        assert_eq!(ServerSpec::parse("localhost", 10_000).expect("legal").weight, 10_000);
        for weight in [0, 10_001, 11_211, u32::MAX] {
            let error = ServerSpec::parse("localhost", weight).expect_err("out of range");
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            let message = error.message();
            assert!(message.contains(&format!("weight {weight} of server \"localhost\" is not in 1 to 10000")), "{message}");
            assert!(message.contains("a port belongs into the address"), "{message}");
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic() {
        let pieces = ["", ":", "[", "]", "%", "/", ".", "1", "11211", "a", "é", "\0", " ", "inet:", "inet6:", "unix:", "::1"];
        let mut accepted = 0;
        for a in pieces {
            for b in pieces {
                for c in pieces {
                    for d in pieces {
                        let text = [a, b, c, d].concat();
                        let Ok(address) = Address::parse(&text) else { continue };
                        assert_eq!(Address::parse(&address.to_string()).expect(&text), address);
                        accepted += 1;
                    }
                }
            }
        }
        assert!(accepted > 100);
    }
}
