//! cmemcache: one client for all threads, with its defaults.

use std::sync::Arc;

use cmemcache::{Client, Config, Exptime, Spin, StoreOutcome};

use super::Caller;
use crate::work::Pairs;
use crate::Outcome;

pub(super) fn open(ports: &[u16], spin: Spin) -> Outcome<Arc<Client>> {
    let config = Config::new(ports.iter().map(|port| format!("127.0.0.1:{port}")))?;
    Ok(Arc::new(Client::new(Config { spin, ..config })?))
}

pub(super) struct Ours(pub(super) Arc<Client>);

impl Caller for Ours {
    fn get(&mut self, pairs: &Pairs, place: usize) -> Outcome<usize> {
        Ok(self.0.get(&pairs.keys[place])?.ok_or("a miss")?.value.len())
    }

    fn set(&mut self, pairs: &Pairs, place: usize) -> Outcome<usize> {
        let (key, value, flags) = &pairs.entries[place];
        match self.0.set(key, value, *flags, Exptime::Never)? {
            StoreOutcome::Stored => Ok(value.len()),
            other => Err(format!("{other:?}").into()),
        }
    }

    fn get_multi(&mut self, pairs: &Pairs) -> Outcome<usize> {
        let mut found = 0;
        for item in self.0.get_multi(&pairs.keys)? {
            found += usize::from(item?.is_some());
        }
        Ok(found)
    }

    fn set_multi(&mut self, pairs: &Pairs) -> Outcome<()> {
        for outcome in self.0.set_multi(&pairs.entries, Exptime::Never)? {
            outcome?;
        }
        Ok(())
    }
}
