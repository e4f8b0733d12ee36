//! What a server's reply means to the caller: a value, an outcome, or an error that names the server.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Phase, Result};
use crate::item::{Item, StoreMode, StoreOutcome};
use crate::proto::{Fault, FaultKind, Reply, Value};

/// The error of a request that a server refused.
pub(crate) fn refusal(fault: Fault, server: &Arc<str>) -> Error {
    let (kind, message) = match fault.kind {
        FaultKind::TooLarge => (ErrorKind::ValueTooLarge, format!("{server}: value is larger than the server takes")),
        FaultKind::NotNumeric => (ErrorKind::NotNumeric, format!("{server}: value is not a decimal number")),
        FaultKind::Unauthenticated => (ErrorKind::Auth, format!("{server}: {}", fault.line)),
        FaultKind::TooManyConnections => (ErrorKind::ServerDown, format!("{server}: {}", fault.line)),
        _ => (ErrorKind::ServerError, format!("{server}: {}", fault.line)),
    };
    Error::new(kind, message).at(server, Phase::Read)
}

/// The error of a reply that no server gives to such a request.
pub(crate) fn unexpected() -> Error {
    Error::protocol("a reply does not belong to its request")
}

fn to_bytes(value: Value<'_>) -> Bytes {
    match value {
        Value::Inline(value) => Bytes::copy_from_slice(value),
        Value::Whole(value) => value,
    }
}

pub(crate) fn to_item(reply: Reply<'_>, with_cas: bool) -> Result<Option<Item>> {
    match reply {
        Reply::Value { value, flags, cas } => Ok(Some(Item { value: to_bytes(value), flags, cas: with_cas.then_some(cas) })),
        Reply::Miss => Ok(None),
        _ => Err(unexpected()),
    }
}

pub(crate) fn to_outcome(reply: &Reply<'_>, mode: StoreMode) -> Result<StoreOutcome> {
    match reply {
        Reply::Done => Ok(StoreOutcome::Stored),
        Reply::Exists => Ok(StoreOutcome::Exists),
        Reply::Miss if matches!(mode, StoreMode::Cas(_)) => Ok(StoreOutcome::NotFound),
        Reply::NotStored | Reply::Miss => Ok(StoreOutcome::NotStored),
        _ => Err(unexpected()),
    }
}

pub(crate) fn to_found(reply: &Reply<'_>) -> Result<bool> {
    match reply {
        Reply::Done => Ok(true),
        Reply::Miss => Ok(false),
        _ => Err(unexpected()),
    }
}

pub(crate) fn to_number(reply: &Reply<'_>) -> Result<Option<u64>> {
    match reply {
        Reply::Number(number) => Ok(Some(*number)),
        Reply::Miss => Ok(None),
        _ => Err(unexpected()),
    }
}
