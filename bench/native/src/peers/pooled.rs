//! The crate `memcache`: a client with a pool of one connection, which is all that a thread needs. No delay is its default.

use memcache::Client;

use super::Caller;
use crate::work::Pairs;
use crate::Outcome;

pub(super) struct Pooled(Client);

impl Pooled {
    pub(super) fn open(ports: &[u16]) -> Outcome<Self> {
        let urls: Vec<String> = ports.iter().map(|port| format!("memcache://127.0.0.1:{port}?tcp_nodelay=true")).collect();
        let mut builder = Client::builder().with_max_pool_size(1);
        for url in urls {
            builder = builder.add_server(url)?;
        }
        Ok(Self(builder.build()?))
    }
}

impl Caller for Pooled {
    fn get(&mut self, pairs: &Pairs, place: usize) -> Outcome<usize> {
        Ok(self.0.get::<Vec<u8>>(&pairs.keys[place])?.ok_or("a miss")?.len())
    }

    fn set(&mut self, pairs: &Pairs, place: usize) -> Outcome<usize> {
        let (key, value, _) = &pairs.entries[place];
        self.0.set(key, value.as_slice(), 0)?;
        Ok(value.len())
    }

    fn get_multi(&mut self, pairs: &Pairs) -> Outcome<usize> {
        let keys: Vec<&str> = pairs.keys.iter().map(String::as_str).collect();
        Ok(self.0.gets::<Vec<u8>>(&keys)?.len())
    }
}
