//! The crate `async-memcached`: a connection of one server, driven by tokio's runtime for one thread.

use async_memcached::{AsciiProtocol, Client};
use tokio::runtime::{Builder, Runtime};

use super::Caller;
use crate::work::Pairs;
use crate::Outcome;

pub(super) struct TokioClient {
    runtime: Runtime,
    client: Client,
}

impl TokioClient {
    pub(super) fn open(ports: &[u16]) -> Outcome<Self> {
        let [port] = ports else { return Err("it knows one server only".into()) };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(Client::new(format!("tcp://127.0.0.1:{port}")))?;
        Ok(Self { runtime, client })
    }
}

impl Caller for TokioClient {
    fn get(&mut self, pairs: &Pairs, place: usize) -> Outcome<usize> {
        let found = self.runtime.block_on(self.client.get(&pairs.keys[place]))?.ok_or("a miss")?;
        Ok(found.data.ok_or("no data")?.len())
    }

    fn set(&mut self, pairs: &Pairs, place: usize) -> Outcome<usize> {
        let (key, value, _) = &pairs.entries[place];
        self.runtime.block_on(self.client.set(key, value.as_slice(), None, None))?;
        Ok(value.len())
    }

    fn get_multi(&mut self, pairs: &Pairs) -> Outcome<usize> {
        Ok(self.runtime.block_on(self.client.get_multi(&pairs.keys))?.len())
    }

    fn set_multi(&mut self, pairs: &Pairs) -> Outcome<()> {
        let entries: Vec<(&str, &[u8])> =
            pairs.entries.iter().map(|(key, value, _)| (key.as_str(), value.as_slice())).collect();
        for outcome in self.runtime.block_on(self.client.set_multi(&entries, None, None))?.into_values() {
            outcome?;
        }
        Ok(())
    }
}
