"""The client for values that are strings of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any, Optional, TypeVar, Union, overload

from . import _packed
from ._base import BaseClient
from ._errors import UnavailableError
from ._expiry import LAST_MOMENT, Expiry, seconds_of
from ._keys import Key, KeyRules
from ._numbers import uint32
from ._options import Errors, Failover, Placement, WireProtocol, core_hash, core_options
from ._packed import GET_HEAD, SET_HEAD, read, store_fields
from ._results import Item
from ._servers import ServerSpec
from ._tls import TlsOptions

#: A value: text is stored as UTF-8. What is read is always bytes.
Value = Union[str, bytes, bytearray, memoryview]

_D = TypeVar("_D")


class StringClient(BaseClient):
    """A client whose values are strings of bytes with client flags: the first cmemcache's, and every operation beyond.

    Any number of threads may share one. No connection is opened before the first operation, and every operation ends within
    `timeout`. Keys are str (sent as UTF-8) or bytes, 1 to 250 bytes long with the prefix, without the bytes 0x00-0x20 and
    0x7f; a tuple (hash, key) lets the hash choose the server. Values are str (stored as UTF-8) or bytes, and come back as
    bytes. `time` is when a value expires: see `Expiry`.

    When the cache fails, a quiet client answers as for a miss; with `errors="raise"` the methods raise `UnavailableError`
    and `ValueTooLargeError`, and those for many keys `BatchError`. Keys and arguments that cannot be sent raise
    `InvalidInputError` or TypeError in both.

    Options, all by keyword:

    - `timeout`: deadline of a whole operation in seconds, 0.001 to 3600 (None): waiting, connecting and failover included.
    - `connect_timeout`: longest time for one attempt to connect, in seconds.
    - `dead_retry`: longest time in seconds, up to an hour, for which a failed server is left alone before it is tried again.
    - `failure_limit`: how many timeouts in a row put a server down, 1 to 1000.
    - `max_connections`: most connections per server, 1 to 1024, each opened when it is needed. When more threads than that call
      at once, small requests travel together on a few of them, and other calls wait within their deadline.
    - `max_value_size`: largest value in bytes that is sent; 0 leaves the limit to the server.
    - `key_prefix`: put in front of every key, before it is hashed and sent.
    - `binary_keys`: keys are any bytes, up to 186, sent as base64: needs the meta protocol.
    - `flush_on_reconnect`: empty a server on the first connection after it was down, so that it serves nothing stale.
    - `spin`: how to wait for a reply: `"auto"`, `"off"`, or microseconds (up to 1000) of polling before every sleep.
    - `tls`: how connections are secured, as `TlsOptions`; not at all when it is None. Nothing is ever sent in plain instead.
    - `user`, `password`: for servers that ask for them (memcached's `-Y`); sent once on each connection, only to servers that
      refuse to serve without. Both together are at most 254 bytes, without spaces and control characters.
    - `protocol`, `placement`, `failover`, `errors`: see the enums of these names; their values are taken too.
    """

    def __init__(
        self,
        servers: Iterable[ServerSpec] = (),
        *,
        timeout: Optional[float] = 1.0,
        connect_timeout: Optional[float] = 0.25,
        dead_retry: float = 30,
        failure_limit: int = 3,
        max_connections: int = 8,
        max_value_size: int = 1048576,
        key_prefix: Union[str, bytes] = b"",
        binary_keys: bool = False,
        flush_on_reconnect: bool = False,
        spin: Union[str, int] = "auto",
        tls: Optional[TlsOptions] = None,
        user: Optional[str] = None,
        password: Optional[str] = None,
        protocol: Union[WireProtocol, str] = WireProtocol.AUTO,
        placement: Union[Placement, str] = Placement.MODULO,
        failover: Union[Failover, str] = Failover.REHASH,
        errors: Union[Errors, str] = Errors.QUIET,
        debug: Any = 0,
    ) -> None:
        self.debug = debug
        options = core_options(
            protocol=protocol,
            placement=placement,
            failover=failover,
            timeout=timeout,
            connect_timeout=connect_timeout,
            dead_retry=dead_retry,
            failure_limit=failure_limit,
            max_connections=max_connections,
            max_value_size=max_value_size,
            key_prefix=key_prefix,
            binary_keys=binary_keys,
            flush_on_reconnect=flush_on_reconnect,
            spin=spin,
            tls=tls,
            user=user,
            password=password,
        )
        rules = KeyRules(core_hash=core_hash(placement), core_prefix=options.key_prefix, binary=binary_keys)
        super().__init__(servers, options, rules, errors)

    # Reading

    @overload
    def get(self, key: Key, default: None = None, *, timeout: Optional[float] = None) -> Optional[bytes]: ...
    @overload
    def get(self, key: Key, default: _D, *, timeout: Optional[float] = None) -> Union[bytes, _D]: ...
    def get(self, key: Key, default: Any = None, *, timeout: Optional[float] = None) -> Any:
        """Reads a value; `default` on a miss."""
        # As `_read`: what is done between two calls, with the interpreter's lock, decides how many threads get on.
        if type(key) is str and timeout is None and self._rules_are_plain:
            try:
                found = read(self._handle, GET_HEAD, key, None)
            except UnavailableError as error:
                self._report(error)
                return default
        else:
            found = self._read(_packed.GET, key, timeout)
        return default if found is None else found[0]

    def getflags(self, key: Key, *, timeout: Optional[float] = None) -> Optional[tuple[bytes, int]]:
        """Reads a value and its client flags; None on a miss."""
        found = self._read(_packed.GET, key, timeout)
        return None if found is None else found[:2]

    def gets(self, key: Key, *, timeout: Optional[float] = None) -> Optional[Item]:
        """Reads a value, its client flags and the token for `cas`; None on a miss."""
        found = self._read(_packed.GETS, key, timeout)
        return None if found is None else Item(*found)

    def gat(self, key: Key, time: Expiry, *, timeout: Optional[float] = None) -> Optional[bytes]:
        """Reads a value and gives it a new expiry time; None on a miss."""
        found = self._read(_packed.GAT, key, timeout, _packed.exptime_field(_seconds(time)))
        return None if found is None else found[0]

    def gats(self, key: Key, time: Expiry, *, timeout: Optional[float] = None) -> Optional[Item]:
        """Reads a value, its client flags and the token for `cas`, and gives it a new expiry time; None on a miss."""
        found = self._read(_packed.GATS, key, timeout, _packed.exptime_field(_seconds(time)))
        return None if found is None else Item(*found)

    def get_multi(
        self, keys: Iterable[Key], key_prefix: Union[str, bytes] = "", *, timeout: Optional[float] = None
    ) -> dict[Key, bytes]:
        """Reads many values at once, all servers at the same time; keys that miss are absent.

        `key_prefix` is put in front of every key; the result has the keys as they were given.
        """
        originals = list(keys)
        batch = self._run_batch(_packed.GET_MULTI, originals, key_prefix, timeout)
        if batch.complete:
            return dict(zip(originals, batch.values))
        values = {key: data for key, status, data in zip(originals, batch.statuses, batch.values) if not status}
        self._finish(values, batch.errors(originals))
        return values

    def get_multiflags(
        self, keys: Iterable[Key], key_prefix: Union[str, bytes] = "", *, timeout: Optional[float] = None
    ) -> dict[Key, tuple[bytes, int]]:
        """As `get_multi`, with the client flags: `{key: (value, flags)}`."""
        items = self._read_items(_packed.GET_MULTI, keys, key_prefix, timeout)
        return {key: item[:2] for key, item in items.items()}

    def gets_multi(
        self, keys: Iterable[Key], key_prefix: Union[str, bytes] = "", *, timeout: Optional[float] = None
    ) -> dict[Key, Item]:
        """As `get_multi`, with the client flags and the tokens for `cas`."""
        return self._read_items(_packed.GETS_MULTI, keys, key_prefix, timeout)

    def _read_items(
        self, operation: int, keys: Iterable[Key], key_prefix: Union[str, bytes], timeout: Optional[float]
    ) -> dict[Key, Item]:
        originals = list(keys)
        batch = self._run_batch(operation, originals, key_prefix, timeout)
        columns = zip(originals, batch.statuses, batch.values, batch.flags, batch.cas or repeat(0))
        items = {key: Item(data, flags, token) for key, status, data, flags, token in columns if not status}
        if not batch.complete:
            self._finish(items, batch.errors(originals))
        return items

    # Storing

    def set(self, key: Key, value: Value, time: Expiry = 0, flags: int = 0, *, timeout: Optional[float] = None) -> bool:
        """Stores a value, whatever is there.

        A value that the server refuses as too large also removes the old item, so that nothing outdated stays.
        """
        # As `_store_string`; see `get`.
        if (
            type(key) is str
            and type(time) is int
            and 0 <= time <= LAST_MOMENT
            and type(flags) is int
            and flags == 0
            and timeout is None
            and self._rules_are_plain
        ):
            return self._send_store(SET_HEAD + store_fields(0, time), key, _bytes_of(value)) == _packed.OK
        return self._store_string(_packed.SET, key, value, time, flags, timeout) == _packed.OK

    def add(self, key: Key, value: Value, time: Expiry = 0, flags: int = 0, *, timeout: Optional[float] = None) -> bool:
        """Stores a value if there is no item yet; tells whether it did."""
        return self._store_string(_packed.ADD, key, value, time, flags, timeout) == _packed.OK

    def replace(
        self, key: Key, value: Value, time: Expiry = 0, flags: int = 0, *, timeout: Optional[float] = None
    ) -> bool:
        """Stores a value if there is an item; tells whether it did."""
        return self._store_string(_packed.REPLACE, key, value, time, flags, timeout) == _packed.OK

    def append(self, key: Key, value: Value, *, timeout: Optional[float] = None) -> bool:
        """Puts bytes behind the present value; False if there is none. Flags and expiry time of the item stay."""
        return self._store_string(_packed.APPEND, key, value, 0, 0, timeout) == _packed.OK

    def prepend(self, key: Key, value: Value, *, timeout: Optional[float] = None) -> bool:
        """Puts bytes in front of the present value; False if there is none. Flags and expiry time of the item stay."""
        return self._store_string(_packed.PREPEND, key, value, 0, 0, timeout) == _packed.OK

    def cas(
        self,
        key: Key,
        value: Value,
        token: int,
        time: Expiry = 0,
        flags: int = 0,
        *,
        timeout: Optional[float] = None,
    ) -> Optional[bool]:
        """Stores a value if the item still has the token that `gets` read.

        True if it is stored, False if the item was changed since (or, in a quiet client, the cache failed), None if there
        is no such item any more.
        """
        status = self._store_string(_packed.CAS, key, value, time, flags, timeout, token)
        return None if status == _packed.MISS else status == _packed.OK

    def set_multi(
        self,
        mapping: Mapping[Key, Value],
        time: Expiry = 0,
        flags: int = 0,
        key_prefix: Union[str, bytes] = "",
        *,
        timeout: Optional[float] = None,
    ) -> list[Key]:
        """Stores many values at once, all servers at the same time; returns the keys that were not stored."""
        originals, given = list(mapping), list(mapping.values())
        values: Any = given if set(map(type, given)) == {bytes} else list(map(_bytes_of, given))
        column = _packed.flags_field(uint32("flags", flags)) * len(values)
        batch = self._store_batch(originals, values, column, _seconds(time), key_prefix, timeout)
        if batch.complete:
            return []
        errors = batch.errors(originals)
        self._finish({key: True for key in originals if key not in errors}, errors)
        return [key for key, status in zip(originals, batch.statuses) if status]

    def _store_string(
        self,
        operation: int,
        key: Key,
        value: Value,
        time: Expiry,
        flags: int,
        timeout: Optional[float],
        token: Optional[int] = None,
    ) -> int:
        data = _bytes_of(value)
        return self._store(operation, key, data, uint32("flags", flags), _seconds(time), timeout, token)

    # Removing and counting

    def delete(self, key: Key, time: int = 0, *, timeout: Optional[float] = None) -> bool:
        """Deletes an item at once; False if there was none. `time` is ignored: memcached delays no deletes."""
        return self._change(_packed.DELETE, key, timeout) == _packed.OK

    def delete_multi(
        self, keys: Iterable[Key], key_prefix: Union[str, bytes] = "", *, timeout: Optional[float] = None
    ) -> dict[Key, bool]:
        """Deletes many items at once, all servers at the same time; tells for each key whether there was one."""
        originals = list(keys)
        batch = self._run_batch(_packed.DELETE_MULTI, originals, key_prefix, timeout)
        deleted = {key: status == _packed.OK for key, status in zip(originals, batch.statuses)}
        if not batch.complete:
            errors = batch.errors(originals)
            self._finish({key: done for key, done in deleted.items() if key not in errors}, errors)
        return deleted

    def touch(self, key: Key, time: Expiry = 0, *, timeout: Optional[float] = None) -> bool:
        """Gives an item a new expiry time; False on a miss."""
        return self._change(_packed.TOUCH, key, timeout, _packed.exptime_field(_seconds(time))) == _packed.OK

    def incr(
        self,
        key: Key,
        delta: int = 1,
        *,
        initial: Optional[int] = None,
        time: Expiry = 0,
        timeout: Optional[float] = None,
    ) -> Optional[int]:
        """Adds to a decimal number of 64 bits, wrapping at 2^64, and returns the sum; None on a miss.

        With `initial` a missing item is made with that value and `time`, and `initial` is returned. Raises NotNumericError,
        a ValueError, if the value is no such number.
        """
        return self._count(_packed.INCR, key, delta, initial, _seconds(time), timeout)

    def decr(
        self,
        key: Key,
        delta: int = 1,
        *,
        initial: Optional[int] = None,
        time: Expiry = 0,
        timeout: Optional[float] = None,
    ) -> Optional[int]:
        """Subtracts from a decimal number of 64 bits, stopping at 0, and returns the rest; otherwise as `incr`."""
        return self._count(_packed.DECR, key, delta, initial, _seconds(time), timeout)


def _seconds(time: Expiry) -> int:
    # The first cmemcache cut expiry times to what memcached can express.
    return min(seconds_of(time), LAST_MOMENT)


def _bytes_of(value: object) -> bytes:
    if type(value) is bytes:
        return value
    if isinstance(value, str):
        return str.encode(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"value must be str or bytes, not {type(value).__name__}")
