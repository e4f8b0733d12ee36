"""What programs of python-memcached name beside the operations: constants, exceptions, slabs, remembered tokens."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Union

from ._base import BaseClient
from ._errors import InvalidKeyError, KeyCharacterError, KeyNoneError, KeyTooLongError, KeyTypeError
from ._flags import FLAG_INTEGER, FLAG_LONG, FLAG_PICKLE, FLAG_TEXT, FLAG_ZLIB
from ._keys import KeyRules, check_key
from ._options import Errors
from ._servers import ServerSpec


class LegacyClient(BaseClient):
    """The part of `Client` that is there for the sake of old programs."""

    _FLAG_PICKLE = FLAG_PICKLE
    _FLAG_INTEGER = FLAG_INTEGER
    _FLAG_LONG = FLAG_LONG
    _FLAG_COMPRESSED = FLAG_ZLIB
    _FLAG_TEXT = FLAG_TEXT

    MemcachedKeyError = InvalidKeyError
    MemcachedKeyLengthError = KeyTooLongError
    MemcachedKeyCharacterError = KeyCharacterError
    MemcachedKeyNoneError = KeyNoneError
    MemcachedKeyTypeError = KeyTypeError

    class MemcachedStringEncodingError(Exception):
        """Never raised, as in python-memcached; programs name it."""

    def __init__(
        self, servers: Iterable[ServerSpec], options: Any, rules: KeyRules, errors: Union[Errors, str]
    ) -> None:
        self.cas_ids = CasIds()
        super().__init__(servers, options, rules, errors)

    def reset_cas(self) -> None:
        """Forgets the tokens that `gets` remembered in this thread."""
        self.cas_ids.by_key.clear()

    def quit_all(self) -> None:
        """Closes the idle connections, as `disconnect_all`."""
        self.disconnect_all()

    def get_slab_stats(self) -> list[tuple[str, dict[str, Any]]]:
        """Statistics of the slabs of every server that answers, by slab: `[('127.0.0.1:11211 (1)', {'1': {...}, ...})]`."""
        return [(name, _nested(stats, 0)) for name, stats in self.get_stats("slabs")]

    def get_slabs(self) -> list[tuple[str, dict[str, Any]]]:
        """Statistics of the items of every server that answers, by slab."""
        return [(name, _nested(stats, 1)) for name, stats in self.get_stats("items")]

    def check_key(self, key: Any, key_extra_len: int = 0) -> None:
        """Raises what an operation would raise for a key of bytes, behind a prefix of `key_extra_len` bytes."""
        check_key(key[1] if isinstance(key, tuple) else key, key_extra_len, self._rules.max_length)


class CasIds(threading.local):
    """Tokens by key, for each thread: what another thread has read later must not count as what this one saw."""

    def __init__(self) -> None:
        self.by_key: dict[bytes, int] = {}


def _nested(stats: dict[str, str], position: int) -> dict[str, Any]:
    """Statistics named `...:slab:name`, the slab standing at `position`, by slab; other names stay as they are."""
    nested: dict[str, Any] = {}
    for name, value in stats.items():
        parts = name.split(":")[position:]
        if len(parts) == 2:
            nested.setdefault(parts[0], {})[parts[1]] = value
        else:
            nested[name] = value
    return nested
