//! The client flags by which the packages for other languages say how the bytes of a value are to be understood. This crate
//! stores flags as they are given; a program that shares values with those packages uses these. The registry is docs/flags.md.

/// Bytes as they are.
pub const BYTES: u32 = 0;
/// A Python pickle: read in Python only.
pub const PICKLE: u32 = 1;
/// An integer of any size as decimal ASCII digits, with `-` in front of negatives.
pub const INTEGER: u32 = 2;
/// As [`INTEGER`]; written by old Python programs, read everywhere.
pub const LONG: u32 = 4;
/// A zlib stream of the bytes; stands beside another flag.
pub const ZLIB: u32 = 8;
/// UTF-8.
pub const TEXT: u32 = 16;
/// JSON in UTF-8: null, booleans, floats, lists, maps and records.
pub const PORTABLE: u32 = 0x18000;
/// Java serialization: read in Kotlin and Java only.
pub const JAVA: u32 = 0x28000;
/// Marks an item under an anti-stampede lease: it holds no value. Reserved.
pub const LEASE: u32 = 0x48000;
/// A signed value, its own flags within: read with a signing key only; see [`Signer`](crate::Signer).
pub const SIGNED: u32 = 0x88000;
