//! The `StringClient` of the UDL: conversions around the client, and nothing else.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

use super::{
    handles, split, CacheError, ClientOptions, DeleteResult, GetResult, Item, ServerMetrics, ServerReply, ServerSpec,
    ServerStats, Spin, StoreEntry, StoreResult,
};
use crate::client::{Client, Create};
use crate::config::{self, Config};
use crate::item::{Exptime, ItemMetadata, StoreMode, StoreOutcome};
use crate::key::KeyEncoding;

type Result<T> = std::result::Result<T, CacheError>;

/// The handle of a client that was shut down: no table is that long.
const NO_HANDLE: u64 = u64::MAX;

#[derive(Debug)]
pub struct StringClient {
    client: Client,
    handle: AtomicU64,
}

impl Drop for StringClient {
    fn drop(&mut self) {
        handles::leave(self.handle.load(Relaxed));
    }
}

fn config(servers: Vec<ServerSpec>, options: ClientOptions) -> Result<Config> {
    let millis = |millis: u32| Duration::from_millis(u64::from(millis));
    let spin = match options.spin {
        None | Some(Spin::Auto) => config::Spin::Auto,
        Some(Spin::Off) => config::Spin::Off,
        Some(Spin::Fixed { microseconds }) => config::Spin::Fixed(Duration::from_micros(u64::from(microseconds))),
    };
    Ok(Config {
        servers: parse(servers)?,
        protocol: options.protocol,
        placement: options.placement,
        failover: options.failover,
        timeout: millis(options.timeout_ms),
        connect_timeout: millis(options.connect_timeout_ms),
        dead_retry: millis(options.dead_retry_ms),
        failure_limit: options.failure_limit,
        max_connections: options.max_connections,
        max_value_size: options.max_value_size,
        key_prefix: options.key_prefix,
        key_encoding: if options.binary_keys { KeyEncoding::Base64 } else { KeyEncoding::Text },
        flush_on_reconnect: options.flush_on_reconnect,
        spin,
        tls: options.tls.map(Into::into),
        user: options.user,
        password: options.password.map(|password| password.0.clone()),
    })
}

fn parse(servers: Vec<ServerSpec>) -> Result<Vec<crate::address::ServerSpec>> {
    let parse = |spec: ServerSpec| Ok(crate::address::ServerSpec::parse(&spec.address, spec.weight)?);
    servers.into_iter().map(parse).collect()
}

fn exptime(seconds: i64) -> Result<Exptime> {
    Ok(Exptime::from_seconds(seconds).map_err(crate::client::too_late)?)
}

impl StringClient {
    pub fn new(servers: Vec<ServerSpec>, options: ClientOptions) -> Result<Self> {
        Ok(Self::of(Client::new(config(servers, options)?)?))
    }

    fn of(client: Client) -> Self {
        let handle = AtomicU64::new(handles::enter(&client));
        Self { client, handle }
    }

    pub fn handle(&self) -> u64 {
        self.handle.load(Relaxed)
    }

    pub fn with_timeout(&self, timeout_ms: u32) -> Result<Arc<Self>> {
        let client = self.client.with_timeout(Duration::from_millis(u64::from(timeout_ms)))?;
        Ok(Arc::new(Self::of(client)))
    }

    pub fn get(&self, key: Vec<u8>) -> Result<Option<Item>> {
        Ok(self.client.get(key)?.map(Item::from))
    }

    pub fn gets(&self, key: Vec<u8>) -> Result<Option<Item>> {
        Ok(self.client.gets(key)?.map(Item::from))
    }

    pub fn gat(&self, key: Vec<u8>, seconds: i64) -> Result<Option<Item>> {
        Ok(self.client.gat(key, exptime(seconds)?)?.map(Item::from))
    }

    pub fn gats(&self, key: Vec<u8>, seconds: i64) -> Result<Option<Item>> {
        Ok(self.client.gats(key, exptime(seconds)?)?.map(Item::from))
    }

    pub fn get_multi(&self, keys: Vec<Vec<u8>>) -> Result<Vec<GetResult>> {
        let items = self.client.get_multi(&keys)?;
        Ok(pair(keys, items))
    }

    pub fn gets_multi(&self, keys: Vec<Vec<u8>>) -> Result<Vec<GetResult>> {
        let items = self.client.gets_multi(&keys)?;
        Ok(pair(keys, items))
    }

    fn store(&self, mode: StoreMode, key: Vec<u8>, value: Vec<u8>, flags: u32, seconds: i64) -> Result<StoreOutcome> {
        Ok(self.client.store(mode, key, value, flags, exptime(seconds)?)?)
    }

    pub fn set(&self, key: Vec<u8>, value: Vec<u8>, flags: u32, seconds: i64) -> Result<StoreOutcome> {
        self.store(StoreMode::Set, key, value, flags, seconds)
    }

    pub fn add(&self, key: Vec<u8>, value: Vec<u8>, flags: u32, seconds: i64) -> Result<StoreOutcome> {
        self.store(StoreMode::Add, key, value, flags, seconds)
    }

    pub fn replace(&self, key: Vec<u8>, value: Vec<u8>, flags: u32, seconds: i64) -> Result<StoreOutcome> {
        self.store(StoreMode::Replace, key, value, flags, seconds)
    }

    pub fn append(&self, key: Vec<u8>, value: Vec<u8>) -> Result<StoreOutcome> {
        self.store(StoreMode::Append, key, value, 0, 0)
    }

    pub fn prepend(&self, key: Vec<u8>, value: Vec<u8>) -> Result<StoreOutcome> {
        self.store(StoreMode::Prepend, key, value, 0, 0)
    }

    pub fn cas(&self, key: Vec<u8>, value: Vec<u8>, cas: u64, flags: u32, seconds: i64) -> Result<StoreOutcome> {
        self.store(StoreMode::Cas(cas), key, value, flags, seconds)
    }

    pub fn set_multi(&self, entries: Vec<StoreEntry>, seconds: i64) -> Result<Vec<StoreResult>> {
        let exptime = exptime(seconds)?;
        let borrowed: Vec<(&[u8], &[u8], u32)> =
            entries.iter().map(|entry| (entry.key.as_slice(), entry.value.as_slice(), entry.flags)).collect();
        let outcomes = self.client.set_multi(&borrowed, exptime)?;
        let result = |(entry, outcome): (StoreEntry, _)| {
            let (outcome, error) = split(outcome);
            StoreResult { key: entry.key, outcome, error }
        };
        Ok(entries.into_iter().zip(outcomes).map(result).collect())
    }

    pub fn delete(&self, key: Vec<u8>) -> Result<bool> {
        Ok(self.client.delete(key)?)
    }

    pub fn delete_multi(&self, keys: Vec<Vec<u8>>) -> Result<Vec<DeleteResult>> {
        let outcomes = self.client.delete_multi(&keys)?;
        let result = |(key, outcome): (Vec<u8>, _)| {
            let (deleted, error) = split(outcome);
            DeleteResult { key, deleted, error }
        };
        Ok(keys.into_iter().zip(outcomes).map(result).collect())
    }

    pub fn incr(&self, key: Vec<u8>, delta: u64, initial: Option<u64>, seconds: i64) -> Result<Option<u64>> {
        Ok(self.client.incr(key, delta, create(initial, seconds)?)?)
    }

    pub fn decr(&self, key: Vec<u8>, delta: u64, initial: Option<u64>, seconds: i64) -> Result<Option<u64>> {
        Ok(self.client.decr(key, delta, create(initial, seconds)?)?)
    }

    pub fn touch(&self, key: Vec<u8>, seconds: i64) -> Result<bool> {
        Ok(self.client.touch(key, exptime(seconds)?)?)
    }

    pub fn metadata(&self, key: Vec<u8>) -> Result<Option<ItemMetadata>> {
        Ok(self.client.metadata(key)?)
    }

    pub fn flush_all(&self, delay: u32) -> Result<Vec<ServerReply>> {
        Ok(self.client.flush_all(delay)?.into_iter().map(|answer| ServerReply::of(answer, said_ok)).collect())
    }

    pub fn stats(&self, argument: Option<String>) -> Result<Vec<ServerStats>> {
        let stats = |answer: super::Answer<Vec<(String, String)>>| {
            let (stats, error) = split(answer.reply);
            let stats = stats.unwrap_or_default().into_iter().collect();
            ServerStats { server: answer.server, weight: answer.weight, stats, error }
        };
        Ok(self.client.stats(argument.as_deref())?.into_iter().map(stats).collect())
    }

    pub fn version(&self) -> Result<Vec<ServerReply>> {
        Ok(self.client.version()?.into_iter().map(|answer| ServerReply::of(answer, |version| version)).collect())
    }

    pub fn verbosity(&self, level: u32) -> Result<Vec<ServerReply>> {
        Ok(self.client.verbosity(level)?.into_iter().map(|answer| ServerReply::of(answer, said_ok)).collect())
    }

    pub fn metrics(&self) -> Vec<ServerMetrics> {
        self.client.metrics()
    }

    pub fn set_servers(&self, servers: Vec<ServerSpec>) -> Result<()> {
        Ok(self.client.set_servers(parse(servers)?)?)
    }

    pub fn mark_down(&self, server: String, down_for_ms: u32) -> Result<()> {
        Ok(self.client.mark_down(&server, Duration::from_millis(u64::from(down_for_ms)))?)
    }

    pub fn forget_dead_hosts(&self) {
        self.client.forget_dead_hosts();
    }

    pub fn disconnect_all(&self) {
        self.client.disconnect_all();
    }

    pub fn shutdown(&self) {
        self.client.shutdown();
        handles::leave(self.handle.swap(NO_HANDLE, Relaxed));
    }
}

fn said_ok((): ()) -> String {
    "OK".into()
}

fn create(initial: Option<u64>, seconds: i64) -> Result<Option<Create>> {
    initial.map(|initial| Ok(Create { initial, exptime: exptime(seconds)? })).transpose()
}

fn pair(keys: Vec<Vec<u8>>, items: Vec<crate::Result<Option<crate::item::Item>>>) -> Vec<GetResult> {
    let result = |(key, outcome)| {
        let (item, error) = split(outcome);
        GetResult { key, item: item.flatten().map(Item::from), error }
    };
    keys.into_iter().zip(items).map(result).collect()
}
