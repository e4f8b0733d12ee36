"""Keys: what callers may give, as the bytes that the core takes, and the requests that carry them.

What makes a key illegal on the wire is decided by the core. Here stand only the rules that it cannot know: types, the
caller's own encoder and limit, and the hash function that a program may have put in the place of python-memcached's.
"""

from __future__ import annotations

import binascii
import re
from struct import pack
from typing import Any, Callable, NamedTuple, Optional, Union

from ._errors import InvalidArgumentError, KeyCharacterError, KeyNoneError, KeyTooLongError, KeyTypeError
from ._numbers import timeout_ms
from ._packed import HAS_LENGTHS, HEADS, ROUTED, count_field, head, lengths_column, route_field

#: A key: text (sent as UTF-8) or bytes, or (hash, key) where the hash and not the key chooses the server.
Key = Union[str, bytes, "tuple[int, Union[str, bytes]]"]

MAX_KEY_LENGTH = 250

#: Matches the keys that memcached takes.
valid_key_chars_re = re.compile(rb"[\x21-\x7e\x80-\xff]+")


def cmemcache_hash(key: bytes) -> int:
    """python-memcached's hash of a key: 15 bits of its crc32."""
    return ((binascii.crc32(key) & 0xFFFFFFFF) >> 16) & 0x7FFF


class KeyRules(NamedTuple):
    """How a client reads keys."""

    #: Called with every key, as it was given, before anything else.
    encoder: Optional[Callable[[Any], Any]] = None
    #: A limit in bytes below the protocol's 250.
    max_length: Optional[int] = None
    #: Chooses the server in the place of the core's hash.
    hash_function: Optional[Callable[[bytes], int]] = None
    #: Chooses the server as the core does, for keys that stand in a batch beside keys with a hash of their own.
    core_hash: Optional[Callable[[bytes], int]] = None
    #: What the core puts in front of every key.
    core_prefix: bytes = b""
    #: Keys may hold any byte.
    binary: bool = False

    @property
    def plain(self) -> bool:
        """A str key needs no more than encoding."""
        return self.encoder is None and self.max_length is None and self.hash_function is None

    def read(self, key: object) -> tuple[bytes, Optional[int]]:
        """The bytes of a key of one operation and the hash that places it, if one was chosen."""
        if self.encoder is not None:
            key = self.encoder(key)
        route = None
        if isinstance(key, tuple):
            key, route = _split(key)
        data = _bytes_of(key)
        return data, self._checked_route(data, route)

    def read_of_batch(self, key: object, prefix: bytes) -> tuple[bytes, Optional[int]]:
        """The bytes of a key of a batch: other objects than text and bytes stand for what `str` makes of them."""
        route = None
        if isinstance(key, tuple):
            key, route = _split(key)
        if self.encoder is not None:
            key = self.encoder(key)
        if not isinstance(key, (str, bytes)) and key is not None:
            key = str(key)
        data = _bytes_of(key)
        if prefix:
            # The core sees only the whole, which is not empty.
            if not data:
                raise _empty_key()
            data = prefix + data
        return data, self._checked_route(data, route)

    def _checked_route(self, data: bytes, route: Optional[int]) -> Optional[int]:
        if self.max_length is not None and len(data) > self.max_length:
            raise KeyTooLongError(f"key of {len(data)} bytes is over the limit of {self.max_length}")
        if route is None and self.hash_function is not None:
            return self.hash_function(self.core_prefix + data)
        return route

    def routes(self, keys: list[bytes], routes: list[Optional[int]]) -> Optional[list[int]]:
        """The hashes that place the keys of a batch: for all of them, or for none."""
        if routes.count(None) == len(routes):
            return None
        return [self._core_route(key) if route is None else route for key, route in zip(keys, routes)]

    def _core_route(self, key: bytes) -> int:
        if self.core_hash is None:
            raise InvalidArgumentError("keys with and without a hash cannot stand in one batch under this placement")
        return self.core_hash(self.core_prefix + key)


def _split(pair: tuple[Any, ...]) -> tuple[object, int]:
    if len(pair) != 2:
        raise KeyTypeError(f"a key that is a tuple must be (hash, key), not of {len(pair)} items")
    route, key = pair
    if not isinstance(route, int):
        raise KeyTypeError(f"the hash of a (hash, key) tuple must be an int, not {type(route).__name__}")
    if not -(2**63) <= route < 2**63:
        raise InvalidArgumentError(f"hash of {route} in a (hash, key) tuple does not fit in 64 bits")
    return key, route


def _bytes_of(key: object) -> bytes:
    if isinstance(key, bytes):
        return bytes(key)
    if isinstance(key, str):
        return str.encode(key)
    if key is None:
        raise KeyNoneError("key is None")
    raise KeyTypeError(f"key must be str or bytes, not {type(key).__name__}")


def _empty_key() -> KeyCharacterError:
    return KeyCharacterError("key is empty")


def check_key(key: object, extra_length: int, max_length: Optional[int]) -> None:
    """Raises what the core would raise for a key of bytes behind a prefix of so many bytes."""
    if key is None:
        raise KeyNoneError("key is None")
    if not isinstance(key, bytes):
        raise KeyTypeError(f"key must be bytes here, not {type(key).__name__}")
    limit = MAX_KEY_LENGTH if max_length is None else max_length
    if len(key) + extra_length > limit:
        raise KeyTooLongError(f"key of {len(key) + extra_length} bytes is over the limit of {limit}")
    if not valid_key_chars_re.fullmatch(key):
        raise KeyCharacterError(f"key {key!r} is empty or holds one of the bytes 0x00-0x20 and 0x7f")


def prefix_bytes(prefix: object) -> bytes:
    """The bytes of a key prefix: text or bytes, checked by the core with each key."""
    if isinstance(prefix, str):
        return str.encode(prefix)
    if isinstance(prefix, bytes):
        return bytes(prefix)
    raise TypeError(f"key_prefix must be str or bytes, not {type(prefix).__name__}")


class Requests:
    """Builds requests from keys as one client reads them."""

    def __init__(self, rules: KeyRules) -> None:
        self._rules = rules
        self._plain = rules.plain
        #: The keys of a batch can be joined without looking at each.
        self._joins = rules.plain and not rules.binary

    def single(
        self, operation: int, key: object, timeout: Optional[float] = None, fields: bytes = b"", bits: int = 0
    ) -> tuple[bytes, Union[str, bytes]]:
        """The request of an operation on one key: the part in front of the key, and the key, of which text is sent as UTF-8."""
        data: Union[str, bytes]
        if type(key) is str and self._plain:
            data, route = key, None
        else:
            data, route = self._rules.read(key)
        if timeout is None and route is None and not bits:
            return HEADS[operation] + fields, data
        if route is None:
            return head(operation, bits, timeout_ms(timeout)) + fields, data
        return head(operation, bits | ROUTED, timeout_ms(timeout)) + fields + route_field(route), data

    def batch(
        self,
        operation: int,
        originals: list[Any],
        prefix: bytes,
        timeout: Optional[float],
        fields: bytes = b"",
        columns: bytes = b"",
    ) -> bytes:
        """The request of an operation on many keys: `fields` and `columns` stand in front of the keys."""
        bits, keys = self._read_batch(originals, prefix)
        return b"".join(
            (head(operation, bits, timeout_ms(timeout)), count_field(len(originals)), fields, columns, keys)
        )

    def _read_batch(self, originals: list[Any], prefix: bytes) -> tuple[int, bytes]:
        """The bits of a batch and its keys as the layout has them, their hashes and lengths in front."""
        if self._joins:
            try:
                text = "\n".join(originals).encode()
            except TypeError:
                pass
            else:
                if prefix and originals:
                    if "" in originals:
                        raise _empty_key()
                    text = prefix + text.replace(b"\n", b"\n" + prefix)
                return 0, text
        pairs = [self._rules.read_of_batch(original, prefix) for original in originals]
        keys = [key for key, _ in pairs]
        routes = self._rules.routes(keys, [route for _, route in pairs])
        bits, hashes = (0, b"") if routes is None else (ROUTED, pack(f"<{len(routes)}q", *routes))
        if self._rules.binary:
            return bits | HAS_LENGTHS, b"".join((hashes, lengths_column(keys), *keys))
        return bits, hashes + b"\n".join(keys)
