//! Signed values: what keeps a program from using what somebody else has put into its cache.
//!
//! A signed value is stored under [`flags::SIGNED`] and no other flag, so that a reader without the key refuses it:
//!
//! ```text
//! tag (32 bytes) | flags (4 bytes, big endian) | value
//! tag = HMAC-SHA256(signing key, length of the key (1 byte) | key | flags | value)
//! ```
//!
//! The key is the one on the wire, prefix included, so that a value cannot be moved under another key. The flags are those
//! that the value would have without a signature.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::error::{Error, Result};
use crate::flags;
use crate::key::MAX_KEY_LENGTH;

const TAG: usize = 32;
const HEAD: usize = TAG + 4;

/// Shortest signing key in bytes: shorter ones could be found by trying.
pub const MIN_SIGNING_KEY_LENGTH: usize = 16;

/// Signs values and verifies them, with the signing keys of one program.
///
/// ```
/// # fn main() -> cmemcache::Result<()> {
/// let signer = cmemcache::Signer::new(["a key of at least 16 bytes"])?;
/// let sealed = signer.seal(b"user:7", b"Ada", cmemcache::flags::TEXT)?;
/// assert_eq!(signer.open(b"user:7", &sealed, cmemcache::flags::SIGNED), Some((&b"Ada"[..], cmemcache::flags::TEXT)));
/// assert_eq!(signer.open(b"user:8", &sealed, cmemcache::flags::SIGNED), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Signer {
    /// They have taken in a signing key each, and are copied for each value.
    keyed: Vec<Hmac<Sha256>>,
}

impl Signer {
    /// A signer with these signing keys: the first signs, all verify.
    ///
    /// # Errors
    /// `InvalidInput` when there is none, or one is shorter than [`MIN_SIGNING_KEY_LENGTH`].
    pub fn new<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> Result<Self> {
        let keyed = keys.into_iter().map(|key| keyed(key.as_ref())).collect::<Result<Vec<_>>>()?;
        if keyed.is_empty() {
            return Err(Error::invalid("signing keys are an empty list: give at least one"));
        }
        Ok(Self { keyed })
    }

    /// The signed form of a value, to be stored under this key, prefix included, with [`flags::SIGNED`].
    ///
    /// # Errors
    /// `InvalidInput` when the key is longer than any key is.
    pub fn seal(&self, key: &[u8], value: &[u8], flags: u32) -> Result<Vec<u8>> {
        if key.len() > MAX_KEY_LENGTH {
            return Err(Error::invalid(format!("key of {} bytes is over the limit of {MAX_KEY_LENGTH}", key.len())));
        }
        let mut sealed = Vec::with_capacity(HEAD + value.len());
        sealed.extend_from_slice(&[0; TAG]);
        sealed.extend_from_slice(&flags.to_be_bytes());
        sealed.extend_from_slice(value);
        let tag = mac(&self.keyed[0], key, &sealed[TAG..]).finalize().into_bytes();
        sealed[..TAG].copy_from_slice(&tag);
        Ok(sealed)
    }

    /// The value and the flags that were signed for this key, prefix included; `None` unless one of the signing keys did it.
    ///
    /// `flags` are those of the stored value. Compares in constant time.
    #[must_use]
    pub fn open<'a>(&self, key: &[u8], sealed: &'a [u8], flags: u32) -> Option<(&'a [u8], u32)> {
        if flags != flags::SIGNED || key.len() > MAX_KEY_LENGTH {
            return None;
        }
        let (tag, signed) = sealed.split_at_checked(TAG)?;
        let (head, value) = signed.split_first_chunk::<4>()?;
        let is_ours = self.keyed.iter().any(|keyed| mac(keyed, key, signed).verify_slice(tag).is_ok());
        is_ours.then(|| (value, u32::from_be_bytes(*head)))
    }
}

impl std::fmt::Debug for Signer {
    /// Nothing of the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("keys", &self.keyed.len()).finish()
    }
}

fn keyed(key: &[u8]) -> Result<Hmac<Sha256>> {
    if key.len() < MIN_SIGNING_KEY_LENGTH {
        let message = format!("signing key of {} bytes is shorter than {MIN_SIGNING_KEY_LENGTH}", key.len());
        return Err(Error::invalid(message));
    }
    Hmac::new_from_slice(key).map_err(|error| Error::invalid(format!("signing key: {error}")))
}

/// What is signed: `signed` is the flags and the value.
fn mac(keyed: &Hmac<Sha256>, key: &[u8], signed: &[u8]) -> Hmac<Sha256> {
    // Callers have seen to it that the length fits.
    let length = key.len() as u8;
    keyed.clone().chain_update([length]).chain_update(key).chain_update(signed)
}
