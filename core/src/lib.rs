//! A memcached client: one core for Rust, Python, Kotlin and Swift.

mod address;
mod config;
mod error;
mod item;
mod key;
mod placement;
mod proto;

pub use address::{Address, ServerSpec};
pub use config::{Config, Failover, Placement, Spin, WireProtocol};
pub use error::{Error, ErrorKind, KeyFault, Phase, Result};
pub use item::{Exptime, Item, StoreMode, StoreOutcome};
pub use key::{Key, KeyEncoding};
