"""Writes ../signing.json: signed values, and what must not pass for one. `python signing.py`.

The tags are those of Python's hmac module, over what docs/flags.md says.
"""

import hmac
from base64 import b64encode

from vectors import write

SIGNED, TEXT, BYTES, INTEGER, PICKLE, PORTABLE, ZLIB = 0x88000, 16, 0, 2, 1, 0x18000, 8
FIRST = b"first signing key"
SECOND = bytes(range(32))
LONG = b"longer than the block of the hash " * 3


def seal(secret, key, value, flags):
    signed = flags.to_bytes(4, "big") + value
    return hmac.digest(secret, bytes([len(key)]) + key + signed, "sha256") + signed


def base64(data):
    return {"base64": b64encode(data).decode()}


def case(name, keys, key, stored, flags=SIGNED, **more):
    return {
        "name": name,
        "signing_keys": [base64(one) for one in keys],
        "key": key.decode(),
        "stored": base64(stored),
        "flags": flags,
        **more,
    }


def sealed(name, secret, key, value, flags, keys=None):
    """A value that is read, and, where the secret is the first key, written just so."""
    keys = keys or [secret]
    stored = seal(secret, key, value, flags)
    return case(name, keys, key, stored, value=base64(value), value_flags=flags, writes=keys[0] == secret)


def refused(name, stored, flags=SIGNED, keys=(FIRST,)):
    return case(name, keys, b"key", stored, flags, error="UntrustedValue")


text = seal(FIRST, b"key", b"text", TEXT)
CASES = [
    sealed("text", FIRST, b"key", b"text", TEXT),
    sealed("an empty text", FIRST, b"key", b"", TEXT),
    sealed("bytes", FIRST, b"key", bytes(range(256)), BYTES),
    sealed("an integer", FIRST, b"key", b"-17", INTEGER),
    sealed("JSON", FIRST, b"key", b"[1,null]", PORTABLE),
    sealed("the longest key", FIRST, b"k" * 250, b"text", TEXT),
    sealed("a key beyond ASCII", FIRST, "schlüssel".encode(), b"text", TEXT),
    sealed("a signing key of any bytes", SECOND, b"key", b"text", TEXT),
    sealed("a signing key longer than a block", LONG, b"key", b"text", TEXT),
    sealed("64 KiB", FIRST, b"key", b"0123456789abcdef" * 4096, TEXT),
    sealed("the first of two keys signs", FIRST, b"key", b"text", TEXT, keys=[FIRST, SECOND]),
    sealed("the second of two keys verifies", SECOND, b"key", b"text", TEXT, keys=[FIRST, SECOND]),
    refused("signed with a key that is not given", text, keys=(SECOND, LONG)),
    refused("moved from another key", seal(FIRST, b"other", b"text", TEXT)),
    refused("moved from a key with a prefix", seal(FIRST, b"pre:key", b"text", TEXT)),
    refused("a key whose end is the value's beginning", seal(FIRST, b"ke", b"y" + text[32:], TEXT)),
    refused("one bit of the tag changed", bytes([text[0] ^ 1]) + text[1:]),
    refused("the last bit of the tag changed", text[:31] + bytes([text[31] ^ 0x80]) + text[32:]),
    refused("the flags changed", text[:35] + bytes([PICKLE]) + text[36:]),
    refused("one bit of the value changed", text[:-1] + bytes([text[-1] ^ 1])),
    refused("cut off in the value", text[:-1]),
    refused("cut off in the flags", text[:35]),
    refused("cut off in the tag", text[:31]),
    refused("appended to", text + b"!"),
    refused("empty", b""),
    refused("a tag of zeros", bytes(32) + text[32:]),
    refused("not signed: text", b"text", TEXT),
    refused("not signed: a pickle", b"\x80\x04N.", PICKLE),
    refused("not signed: flags 0", b"", BYTES),
    refused("signed, and under its own flags", text, TEXT),
    refused("signed, and as if it were compressed", text, SIGNED | ZLIB),
]
ABOUT = (
    "Signed values: tag, flags and value as docs/flags.md describes them. stored: what lies under the key, with these flags. "
    "It is read as value with value_flags, or refused with the error. writes: a client with these signing keys stores value "
    "with value_flags just so. Bytes are {base64}."
)
write("signing.json", ABOUT, CASES, ["rust", "python", "kotlin", "swift"])
