#![doc = include_str!("../README.md")]
//!
//! # Map
//! `key`, `item`, `error`, `config` and `address` are plain data. `proto` turns requests into bytes and bytes into replies
//! without doing any input or output; `placement` chooses a server for a key and knows nothing else. `conn` holds one
//! connection and the only place that sleeps; `server` one server's connections, health and counters; `cluster` all of them;
//! `drive` is the one loop that moves a call forward, `batch` and `client` the operations. `signing` is beside them: values
//! pass through it before and after a call. `ffi` is the face towards other
//! languages.

mod address;
mod batch;
mod client;
mod cluster;
mod config;
mod conn;
mod credentials;
mod drive;
mod error;
#[cfg(feature = "ffi")]
mod ffi;
pub mod flags;
mod fork;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod item;
mod key;
mod metrics;
mod placement;
mod proto;
mod reply;
mod server;
mod signing;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;

pub use address::{Address, ServerSpec, DEFAULT_PORT, MAX_WEIGHT};
pub use client::{Client, Create, Each, ServerReply};
pub use config::{Config, Failover, Placement, Spin, WireProtocol, MAX_TIMEOUT, MAX_VALUE_SIZE};
pub use credentials::Password;
pub use error::{Error, ErrorKind, KeyFault, Phase, Result};
pub use item::{Exptime, Item, ItemMetadata, StoreMode, StoreOutcome};
pub use item::{FIRST_ABSOLUTE_EXPTIME, LAST_EXPTIME, MAX_RELATIVE_EXPTIME};
pub use key::{Key, KeyEncoding, MAX_BINARY_KEY_LENGTH, MAX_KEY_LENGTH};
pub use metrics::{ServerMetrics, ServerState};
pub use signing::{Signer, MIN_SIGNING_KEY_LENGTH};
#[cfg(feature = "tls")]
pub use tls::{Pem, TlsOptions};

#[cfg(feature = "ffi")]
#[doc(hidden)]
pub use ffi::UniFfiTag;

// The tests' servers and peers name this crate as its users do.
#[cfg(test)]
extern crate self as cmemcache;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
#[path = "../tests/support/mod.rs"]
mod support;
