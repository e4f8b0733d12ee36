"""Signed values: what keeps a program from reading what somebody else has put into its cache.

A signed value is stored under FLAG_SIGNED and no other flag, so that a reader without the key refuses it::

    tag (32 bytes) | flags (4 bytes, big endian) | value, compressed or not

    tag = HMAC-SHA256(signing key, length of the key (1 byte) | key | flags | value)

The key is the one on the wire, prefix included, so that a value cannot be moved under another key. The flags are those that
the value would have without a signature. The tag is checked before a byte behind it is looked at.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from struct import unpack
from typing import Union

from ._errors import InvalidArgumentError, UnsupportedError, UntrustedValueError
from ._flags import FLAG_SIGNED
from ._packed import flags_field

#: A key to sign with, or several: the first signs, all verify.
SigningKeys = Union[bytes, Iterable[bytes]]

_TAG = 32
_HEAD = _TAG + 4
#: Shorter ones could be found by trying.
_MIN_KEY = 16


class Signer:
    """Signs values and verifies them, with the keys of one client."""

    def __init__(self, keys: SigningKeys) -> None:
        secrets = [keys] if isinstance(keys, bytes) else list(keys)
        if not secrets:
            raise InvalidArgumentError("signing_key is an empty list: leave it out, or give at least one key")
        for secret in secrets:
            if not isinstance(secret, bytes):
                raise TypeError(f"signing_key must be bytes or a list of bytes, not {type(secret).__name__}")
            if len(secret) < _MIN_KEY:
                raise InvalidArgumentError(f"signing_key of {len(secret)} bytes is shorter than {_MIN_KEY}")
        # Copied for each value: they have already taken in the key.
        self._keyed = [hmac.new(secret, digestmod="sha256") for secret in secrets]

    def seal(self, key: bytes, data: bytes, flags: int) -> tuple[bytes, int]:
        """The signed form of bytes and flags, to be stored under this key of the wire."""
        head = flags.to_bytes(4, "big")
        return b"".join((_tag(self._keyed[0], key, head, data), head, data)), FLAG_SIGNED

    def seal_many(self, keys: list[bytes], values: list[bytes], flags: bytes) -> tuple[list[bytes], bytes]:
        """The signed forms of many values, and the column of their flags; `flags` is that of the values."""
        columns = unpack(f"<{len(values)}I", flags)
        sealed = [self.seal(key, data, one)[0] for key, data, one in zip(keys, values, columns)]
        return sealed, flags_field(FLAG_SIGNED) * len(sealed)

    def open(self, key: bytes, data: bytes, flags: int) -> tuple[bytes, int]:
        """The bytes and flags that were signed. Raises UntrustedValueError unless one of the keys signed them, for this key."""
        if flags != FLAG_SIGNED:
            raise UntrustedValueError(
                "it is not signed, and this client has a signing_key; delete it or store it anew, or read it with a client "
                "without signing_key",
                flags,
            )
        head, value = data[_TAG:_HEAD], data[_HEAD:]
        if len(head) == _HEAD - _TAG:
            for keyed in self._keyed:
                if hmac.compare_digest(_tag(keyed, key, head, value), data[:_TAG]):
                    return value, int.from_bytes(head, "big")
        raise UntrustedValueError(
            "its signature is of none of the signing keys for this key: it was tampered with or moved, or signed with a key "
            "that is not in signing_key; delete it, or add the key that signed it",
            flags,
        )

    def refuse(self, operation: str) -> UnsupportedError:
        """The error of an operation in which the server changes a value, which the client then cannot have signed."""
        return UnsupportedError(
            f"{operation} would leave a value without its signature: a client with signing_key cannot {operation}; use a "
            f"client without, under other keys"
        )


def _tag(keyed: hmac.HMAC, key: bytes, head: bytes, value: bytes) -> bytes:
    mac = keyed.copy()
    mac.update(b"%c%b%b" % (len(key), key, head))
    mac.update(value)
    return mac.digest()
