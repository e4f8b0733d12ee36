//! A key that has been proven legal for the wire.
//!
//! A [`Key`] borrows its bytes and can only be made by [`Key::parse`], so code that holds one never checks again. What
//! memcached's protocol refuses, or worse, would run as another command, is refused here before a byte is sent.

use crate::error::KeyFault;

/// Longest key that memcached takes on the wire, in bytes, prefix included (`KEY_MAX_LENGTH` in memcached's source).
pub const MAX_KEY_LENGTH: usize = 250;

/// Longest key in [`KeyEncoding::Base64`], in raw bytes: 186 bytes make 248 characters of padded base64.
pub const MAX_BINARY_KEY_LENGTH: usize = 186;

/// How the bytes of a key travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyEncoding {
    /// As they are: 1 to 250 bytes, none of 0x00-0x20 and 0x7f.
    #[default]
    Text,
    /// Base64 with the meta protocol's `b` flag: 1 to 186 bytes of any value. The classic protocol has no such form.
    Base64,
}

/// A legal key: an optional prefix and a name, sent and hashed as one string.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    prefix: &'a [u8],
    name: &'a [u8],
    encoding: KeyEncoding,
    route: Option<i64>,
}

impl<'a> Key<'a> {
    /// Parses a textual key without prefix.
    ///
    /// # Errors
    /// [`KeyFault`] when the key is empty, longer than 250 bytes, or holds one of the bytes 0x00-0x20 and 0x7f.
    ///
    /// ```
    /// use cmemcache::{Key, KeyFault};
    /// assert!(Key::parse(b"user:42").is_ok());
    /// assert_eq!(Key::parse(b"two words").unwrap_err(), KeyFault::Character { byte: b' ', at: 3 });
    /// ```
    pub fn parse(name: &'a [u8]) -> Result<Self, KeyFault> {
        Self::parse_in(b"", name, KeyEncoding::Text)
    }

    /// Parses a key that stands behind a prefix, under an encoding. The limits hold for prefix and name together.
    ///
    /// # Errors
    /// As [`Key::parse`]; under [`KeyEncoding::Base64`] only the length (1 to 186 bytes) is checked.
    pub fn parse_in(prefix: &'a [u8], name: &'a [u8], encoding: KeyEncoding) -> Result<Self, KeyFault> {
        let length = prefix.len() + name.len();
        let limit = match encoding {
            KeyEncoding::Text => MAX_KEY_LENGTH,
            KeyEncoding::Base64 => MAX_BINARY_KEY_LENGTH,
        };
        if length == 0 {
            return Err(KeyFault::Empty);
        }
        if length > limit {
            return Err(KeyFault::TooLong { length, limit });
        }
        if encoding == KeyEncoding::Text && (any_illegal(prefix) || any_illegal(name)) {
            if let Some((at, byte)) = prefix.iter().chain(name).enumerate().find(|(_, byte)| is_illegal(**byte)) {
                return Err(KeyFault::Character { byte: *byte, at });
            }
        }
        Ok(Self { prefix, name, encoding, route: None })
    }

    /// The same key, placed by `hash` instead of by its own bytes: python-memcached's `(hash, key)` form.
    #[must_use]
    pub fn with_route(self, hash: i64) -> Self {
        Self { route: Some(hash), ..self }
    }

    /// The same key with its bytes in another place: prefix and name end to end, as one name.
    pub(crate) fn rebind<'b>(&self, name: &'b [u8]) -> Key<'b> {
        Key { prefix: b"", name, encoding: self.encoding, route: self.route }
    }

    /// The prefix, empty when there is none.
    #[must_use]
    pub fn prefix(&self) -> &'a [u8] {
        self.prefix
    }

    /// The name, without the prefix.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// How the key travels.
    #[must_use]
    pub fn encoding(&self) -> KeyEncoding {
        self.encoding
    }

    /// The hash that places this key, where the caller has chosen one.
    #[must_use]
    pub fn route(&self) -> Option<i64> {
        self.route
    }

    /// Raw length in bytes, prefix included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prefix.len() + self.name.len()
    }

    /// Always false: an empty key does not parse.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Whether `wire` is this key as the server sends it back in a classic reply.
    #[must_use]
    pub fn is_wire(&self, wire: &[u8]) -> bool {
        wire.len() == self.len() && wire.starts_with(self.prefix) && wire.ends_with(self.name)
    }
}

/// A byte that would end a key or a command.
#[inline]
fn is_illegal(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

/// Looks at all bytes without a branch for each, so that the compiler looks at many at a time.
#[inline]
fn any_illegal(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, byte| found | is_illegal(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_illegal_byte_is_refused_and_every_other_taken() {
        for byte in 0..=255u8 {
            let key = [b'a', byte];
            let legal = byte > 0x20 && byte != 0x7f;
            assert_eq!(Key::parse(&key).is_ok(), legal, "byte {byte:#x}");
            assert!(Key::parse_in(b"", &key, KeyEncoding::Base64).is_ok());
        }
    }

    #[test]
    fn lengths_count_the_prefix() {
        assert_eq!(Key::parse(b"").unwrap_err(), KeyFault::Empty);
        assert!(Key::parse(&[b'k'; 250]).is_ok());
        assert_eq!(Key::parse(&[b'k'; 251]).unwrap_err(), KeyFault::TooLong { length: 251, limit: 250 });
        assert!(Key::parse_in(b"p", &[b'k'; 250], KeyEncoding::Text).is_err());
        assert!(Key::parse_in(b"", &[0; 186], KeyEncoding::Base64).is_ok());
        assert!(Key::parse_in(b"", &[0; 187], KeyEncoding::Base64).is_err());
    }

    #[test]
    fn a_fault_in_the_prefix_names_its_place() {
        let fault = Key::parse_in(b"a b", b"c", KeyEncoding::Text).unwrap_err();
        assert_eq!(fault, KeyFault::Character { byte: b' ', at: 1 });
    }
}
