//! The face towards other languages: the only module that knows UniFFI.
//!
//! Two doors to one client: [`typed`] is the `StringClient` of the UDL, [`packed`] the same operations as flat bytes. The types
//! here are those of the UDL, field by field; what they mean is documented there.
#![allow(missing_docs, reason = "documented in cmemcache.udl, from which the documentation of every language is made")]
#![allow(unreachable_pub, reason = "the scaffolding that UniFFI generates asks for it")]

mod columns;
pub(crate) mod handles;
mod kept;
mod packed;
mod signer;
mod testing;
#[cfg(test)]
mod tests;
mod typed;

use std::sync::Arc;

use crate::client::ServerReply as Answer;
use crate::error::{Error, ErrorKind, Phase};
use crate::tls;

pub use crate::config::{Failover, Placement, WireProtocol};
pub use crate::item::{ItemMetadata, StoreOutcome};
pub use crate::metrics::{ServerMetrics, ServerState};
pub use signer::Signer;
pub use testing::{TestFault, TestServer, TestServerCounts, TestServerOptions};
pub use typed::StringClient;

uniffi::include_scaffolding!("cmemcache");

/// The version of this library.
#[must_use]
pub fn library_version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// The version of the packed layout.
#[must_use]
pub fn packed_layout_version() -> u32 {
    u32::from(packed::LAYOUT)
}

/// Runs one packed call.
#[must_use]
pub fn packed_call(
    client: u64,
    request: u64,
    request_length: u64,
    value: u64,
    value_length: u64,
    reply: u64,
    reply_capacity: u64,
) -> u64 {
    // SAFETY: that the three pieces of memory are the caller's and as long as it says is the contract of the packed call.
    unsafe {
        let request = foreign(request, request_length);
        let value = foreign(value, value_length);
        packed::call(client, request, value, foreign_mut(reply, reply_capacity)) as u64
    }
}

/// Frees a kept reply.
pub fn packed_release(token: u64) {
    kept::release(token);
}

/// # Safety
/// `address` is that of `length` readable bytes that nobody changes while the slice lives.
unsafe fn foreign<'a>(address: u64, length: u64) -> &'a [u8] {
    if address == 0 || length == 0 || length > isize::MAX as u64 {
        return &[];
    }
    // SAFETY: the caller's promise; null and lengths beyond any allocation were excluded above.
    unsafe { std::slice::from_raw_parts(address as usize as *const u8, length as usize) }
}

/// # Safety
/// `address` is that of `capacity` writable bytes that nobody else uses while the slice lives.
unsafe fn foreign_mut<'a>(address: u64, capacity: u64) -> &'a mut [u8] {
    if address == 0 || capacity == 0 || capacity > isize::MAX as u64 {
        return &mut [];
    }
    // SAFETY: the caller's promise; null and capacities beyond any allocation were excluded above.
    unsafe { std::slice::from_raw_parts_mut(address as usize as *mut u8, capacity as usize) }
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum CacheError {
    #[error("{detail}")]
    KeyTooLong { detail: String },
    #[error("{detail}")]
    KeyCharacter { detail: String },
    #[error("{detail}")]
    InvalidArgument { detail: String },
    #[error("{detail}")]
    ValueTooLarge { detail: String, server: Option<String> },
    #[error("{detail}")]
    NoServers { detail: String },
    #[error("{detail}")]
    Closed { detail: String },
    #[error("{detail}")]
    ServerDown { detail: String, server: Option<String>, phase: Option<String> },
    #[error("{detail}")]
    Timeout { detail: String, server: Option<String>, phase: Option<String>, outcome_unknown: bool },
    #[error("{detail}")]
    Disconnected { detail: String, server: Option<String>, phase: Option<String>, outcome_unknown: bool },
    #[error("{detail}")]
    Protocol { detail: String, server: Option<String>, outcome_unknown: bool },
    #[error("{detail}")]
    ServerError { detail: String, server: Option<String> },
    #[error("{detail}")]
    Auth { detail: String, server: Option<String> },
    #[error("{detail}")]
    Unsupported { detail: String, server: Option<String> },
    #[error("{detail}")]
    NotNumeric { detail: String, server: Option<String> },
    #[error("{detail}")]
    Tls { detail: String, server: Option<String>, phase: Option<String>, outcome_unknown: bool },
}

impl From<Error> for CacheError {
    fn from(error: Error) -> Self {
        let detail = error.message().to_owned();
        let server = error.server().map(str::to_owned);
        let phase = error.phase().map(|phase| phase_name(phase).to_owned());
        let outcome_unknown = error.is_outcome_unknown();
        match error.kind() {
            ErrorKind::KeyTooLong => Self::KeyTooLong { detail },
            ErrorKind::KeyCharacter => Self::KeyCharacter { detail },
            ErrorKind::InvalidArgument => Self::InvalidArgument { detail },
            ErrorKind::ValueTooLarge => Self::ValueTooLarge { detail, server },
            ErrorKind::NoServers => Self::NoServers { detail },
            ErrorKind::Closed => Self::Closed { detail },
            ErrorKind::ServerDown => Self::ServerDown { detail, server, phase },
            ErrorKind::Timeout => Self::Timeout { detail, server, phase, outcome_unknown },
            ErrorKind::Disconnected => Self::Disconnected { detail, server, phase, outcome_unknown },
            ErrorKind::Protocol => Self::Protocol { detail, server, outcome_unknown },
            ErrorKind::ServerError => Self::ServerError { detail, server },
            ErrorKind::Auth => Self::Auth { detail, server },
            ErrorKind::Unsupported => Self::Unsupported { detail, server },
            ErrorKind::NotNumeric => Self::NotNumeric { detail, server },
            ErrorKind::Tls => Self::Tls { detail, server, phase, outcome_unknown },
        }
    }
}

/// A phase's name in the errors of all languages.
fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Resolve => "resolve",
        Phase::Connect => "connect",
        Phase::Handshake => "handshake",
        Phase::Queue => "queue",
        Phase::Write => "write",
        Phase::Read => "read",
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Spin {
    Auto,
    Off,
    Fixed { microseconds: u32 },
}

#[derive(Clone, Debug)]
pub struct ServerSpec {
    pub address: String,
    pub weight: u32,
}

#[derive(Clone, Debug)]
pub struct ClientOptions {
    pub protocol: WireProtocol,
    pub placement: Placement,
    pub failover: Failover,
    pub timeout_ms: u32,
    pub connect_timeout_ms: u32,
    pub dead_retry_ms: u32,
    pub failure_limit: u32,
    pub max_connections: u32,
    pub max_value_size: u64,
    pub key_prefix: Vec<u8>,
    pub binary_keys: bool,
    pub flush_on_reconnect: bool,
    pub spin: Option<Spin>,
    pub tls: Option<TlsOptions>,
    pub user: Option<String>,
    pub password: Option<Arc<Password>>,
}

#[derive(Clone, Debug)]
pub struct TlsOptions {
    pub ca: Option<Arc<Pem>>,
    pub certificate: Option<Arc<Pem>>,
    pub key: Option<Arc<Pem>>,
    pub server_name: Option<String>,
    pub danger_accept_any_certificate: bool,
}

impl From<TlsOptions> for tls::TlsOptions {
    fn from(options: TlsOptions) -> Self {
        let pem = |pem: Option<Arc<Pem>>| pem.map(|pem| pem.0.clone());
        Self {
            ca: pem(options.ca),
            certificate: pem(options.certificate),
            key: pem(options.key),
            server_name: options.server_name,
            danger_accept_any_certificate: options.danger_accept_any_certificate,
        }
    }
}

#[derive(Debug)]
pub struct Pem(tls::Pem);

impl Pem {
    #[must_use]
    pub fn file(path: String) -> Self {
        Self(tls::Pem::File(path.into()))
    }

    #[must_use]
    pub fn text(text: Vec<u8>) -> Self {
        Self(tls::Pem::Text(text))
    }
}

#[derive(Debug)]
pub struct Password(crate::credentials::Password);

impl Password {
    #[must_use]
    pub fn new(password: String) -> Self {
        Self(password.into())
    }
}

#[derive(Clone, Debug)]
pub struct Item {
    pub value: Vec<u8>,
    pub flags: u32,
    pub cas: Option<u64>,
}

impl From<crate::item::Item> for Item {
    fn from(item: crate::item::Item) -> Self {
        Self { value: item.value.into(), flags: item.flags, cas: item.cas }
    }
}

#[derive(Clone, Debug)]
pub struct StoreEntry {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub flags: u32,
}

#[derive(Clone, Debug)]
pub struct GetResult {
    pub key: Vec<u8>,
    pub item: Option<Item>,
    pub error: Option<CacheError>,
}

#[derive(Clone, Debug)]
pub struct StoreResult {
    pub key: Vec<u8>,
    pub outcome: Option<StoreOutcome>,
    pub error: Option<CacheError>,
}

#[derive(Clone, Debug)]
pub struct DeleteResult {
    pub key: Vec<u8>,
    pub deleted: Option<bool>,
    pub error: Option<CacheError>,
}

#[derive(Clone, Debug)]
pub struct ServerReply {
    pub server: String,
    pub reply: Option<String>,
    pub error: Option<CacheError>,
}

#[derive(Clone, Debug)]
pub struct ServerStats {
    pub server: String,
    pub weight: u32,
    pub stats: std::collections::HashMap<String, String>,
    pub error: Option<CacheError>,
}

/// An outcome as a pair of optional fields, which is how dictionaries say it.
fn split<T>(outcome: crate::Result<T>) -> (Option<T>, Option<CacheError>) {
    match outcome {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error.into())),
    }
}

impl ServerReply {
    fn of<T>(answer: Answer<T>, say: impl FnOnce(T) -> String) -> Self {
        let (reply, error) = split(answer.reply.map(say));
        Self { server: answer.server, reply, error }
    }
}
