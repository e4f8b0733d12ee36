//! The packed call: every hot operation as flat bytes, in one crossing.
//!
//! A typed call through generated bindings costs more in Python and on the JVM than the whole operation, because every
//! argument is a serialised object. Here the arguments are integers: addresses and lengths of memory that the caller owns.
//! The operations and their results are those of `StringClient`; there is no other difference.
//!
//! # Layout, version 1
//!
//! All numbers are little-endian, nothing is aligned or padded but as shown. A request begins with a head of 8 bytes:
//!
//! ```text
//! 0  u8   layout version, 1
//! 1  u8   operation
//! 2  u16  bits: 1 = route hashes are given   2 = an initial value is given (incr, decr)
//! 4  u32  timeout of this call in milliseconds, 0 = the client's
//! ```
//!
//! then the fields of the operation. `key` reaches to the end of the request; `value` is the call's second piece of memory,
//! so that a large value is never copied into a request. With bit 1 an `i64` per key stands before the key or the keys:
//! the hash that places it, instead of its own.
//!
//! ```text
//!  1 GET      2 GETS                      key
//!  3 GAT      4 GATS                      i64 exptime, key
//!  5 SET      6 ADD      7 REPLACE        u32 flags, i64 exptime, key                       value
//!  8 APPEND   9 PREPEND                   key                                               value
//! 10 CAS                                  u32 flags, i64 exptime, u64 cas, key              value
//! 11 DELETE                               key
//! 12 INCR    13 DECR                      u64 delta, u64 initial, i64 exptime, key
//! 14 TOUCH                                i64 exptime, key
//! 16 GET_MULTI  17 GETS_MULTI  19 DELETE_MULTI
//!      u32 count, count x u32 key length, keys end to end
//! 18 SET_MULTI
//!      u32 count, i64 exptime, count x u32 key length, count x u32 value length, count x u32 flags, keys end to end
//!                                                                                           values end to end
//! ```
//!
//! Where route hashes are given they stand behind the fixed fields of a single-key operation, directly before the key, and
//! behind all the columns of a batch, directly before the keys.
//!
//! A reply begins with a head of 16 bytes; what follows is the payload:
//!
//! ```text
//!  0  u8   status: 0 hit, stored, deleted, touched, number   1 miss, not found   2 not stored   3 exists   64.. an error kind
//!  1  u8   bits: 1 = the payload is kept   2 = outcome unknown (errors)
//!  2  u16  phase (errors; 0 = none)
//!  4  u32  flags of the item | batch: count of entries | error: length of the server's name
//!  8  u64  cas of the item (GETS, GATS) | number (INCR, DECR)
//! 16  payload: the value | nothing | error: the server's name, then the message, both UTF-8
//! ```
//!
//! The payload of a batch is in columns, in the order of the keys:
//!
//! ```text
//! count x u8 status, count x u32 flags, [GETS_MULTI: count x u64 cas,] count x u32 length, values end to end
//! ```
//!
//! An entry with an error status has the length of the server's name in its flags column and the name and the message as its
//! value. A batch whose status is an error as a whole (a malformed request, no servers) has the payload of an error.
//!
//! A payload that does not fit is kept by the library. Then the reply is 40 bytes long, and behind the head stand
//!
//! ```text
//! 16  u64  address of the payload
//! 24  u64  its length
//! 32  u64  a token: pass it to `packed_release` when the payload has been read
//! ```
//!
//! The operation is never repeated to fetch it, and a large value is copied once: into the caller's own object.
