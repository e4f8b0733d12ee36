//! The hashes that the placements are made of. Every one takes its text in parts and hashes them as one.

use md5::{Digest, Md5};

/// Bob Jenkins' one-at-a-time hash as libmemcached computes it on x86: bytes from 0x80 on count as negative.
pub(super) fn one_at_a_time(parts: &[&[u8]]) -> u32 {
    let mut hash = 0u32;
    for &byte in parts.iter().copied().flatten() {
        hash = hash.wrapping_add(byte as i8 as u32);
        hash = hash.wrapping_add(hash << 10);
        hash ^= hash >> 6;
    }
    hash = hash.wrapping_add(hash << 3);
    hash ^= hash >> 11;
    hash.wrapping_add(hash << 15)
}

/// MD5, its digest read as four little-endian numbers.
pub(super) fn md5(parts: &[&[u8]]) -> [u32; 4] {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    let digest: [u8; 16] = md5.finalize().into();
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(4)) {
        *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    words
}

/// python-memcached's hash: 15 bits of a CRC-32.
pub(super) fn crc(parts: &[&[u8]]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    for part in parts {
        crc.update(part);
    }
    crc_bits(crc)
}

/// The 15 bits that python-memcached takes of a CRC-32.
pub(super) fn crc_bits(crc: crc32fast::Hasher) -> u32 {
    crc.finalize() >> 16 & 0x7fff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_known_ones() {
        assert_eq!(one_at_a_time(&[b"a"]), 0xca2e_9442);
        assert_eq!(one_at_a_time(&[b"foo"]), 0x2386_78dd);
        assert_eq!(md5(&[b"foo"])[0], 0xdb18_bdac);
        assert_eq!(crc(&[b"foo"]), 3187);
        assert_eq!(crc(&[b"bar"]), 30463);
    }

    #[test]
    fn parts_hash_as_one_text() {
        assert_eq!(one_at_a_time(&[b"f", b"", b"oo"]), one_at_a_time(&[b"foo"]));
        assert_eq!(md5(&[b"f", b"", b"oo"]), md5(&[b"foo"]));
        assert_eq!(crc(&[b"f", b"", b"oo"]), crc(&[b"foo"]));
    }
}
