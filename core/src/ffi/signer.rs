//! The `Signer` of the UDL: conversions around the one of the crate.

use super::{CacheError, Item};

#[derive(Debug)]
pub struct Signer(crate::signing::Signer);

impl Signer {
    pub fn new(keys: Vec<Vec<u8>>) -> Result<Self, CacheError> {
        Ok(Self(crate::signing::Signer::new(keys)?))
    }

    pub fn seal(&self, key: Vec<u8>, value: Vec<u8>, flags: u32) -> Result<Vec<u8>, CacheError> {
        Ok(self.0.seal(&key, &value, flags)?)
    }

    #[must_use]
    pub fn open(&self, key: Vec<u8>, value: Vec<u8>, flags: u32) -> Option<Item> {
        let (value, flags) = self.0.open(&key, &value, flags)?;
        Some(Item { value: value.into(), flags, cas: None })
    }
}
