//! TLS: what a user asks for, checked once when the client is made. `conn/session.rs` is what a connection does with it.

mod explain;
mod setup;

use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) use crate::conn::session::Session;
pub(crate) use explain::explain;
pub(crate) use setup::Tls;

/// Certificates or a key as PEM text: in a file, or in memory. `Debug` never shows the text.
#[derive(Clone)]
pub enum Pem {
    /// The path of a file that is read once, when the client is made.
    File(PathBuf),
    /// The text itself.
    Text(Vec<u8>),
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(text) => write!(f, "Text(<{} bytes>)", text.len()),
        }
    }
}

impl From<&Path> for Pem {
    fn from(path: &Path) -> Self {
        Self::File(path.into())
    }
}

/// How connections are secured. The defaults trust the system's CAs and demand that the certificate is the server's own.
///
/// TLS 1.2 and 1.3 are spoken. A server that does not speak TLS, or not to the client's liking, is an error of the kind
/// [`Tls`](crate::ErrorKind::Tls): nothing is ever sent in plain instead.
///
/// ```
/// use cmemcache::{Config, Pem, TlsOptions};
/// let tls = TlsOptions { ca: Some(Pem::File("/etc/ssl/cache-ca.pem".into())), ..TlsOptions::default() };
/// let config = Config { tls: Some(tls), ..Config::new(["cache.example.com:11211"])? };
/// # Ok::<(), cmemcache::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// The certificates of the CAs that are trusted; the system's own when there are none here.
    pub ca: Option<Pem>,
    /// The client's certificate and those between it and its CA, for servers that ask for one. Needs `key`.
    pub certificate: Option<Pem>,
    /// The private key of `certificate`, not encrypted.
    pub key: Option<Pem>,
    /// The name or IP address that the servers' certificates are for; each server's own host when there is none here.
    pub server_name: Option<String>,
    /// Danger: accepts any certificate of anybody, so that whoever sits between can read and change everything. For
    /// experiments only.
    pub danger_accept_any_certificate: bool,
}
