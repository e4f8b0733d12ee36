"""The client for Python objects: a drop-in for python-memcached 1.62's."""

from __future__ import annotations

import pickle
import sys
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional, Union

from . import _packed, _restricted
from ._base import FAILED
from ._dialects import CODECS
from ._errors import (
    CacheError,
    InvalidArgumentError,
    NoServersError,
    ServerDownError,
    UnavailableError,
    ValueDecodeError,
    ValueTooLargeError,
)
from ._expiry import LAST_MOMENT, Expiry, seconds_of
from ._keys import MAX_KEY_LENGTH, KeyRules, cmemcache_hash, prefix_bytes
from ._legacy import LegacyClient
from ._numbers import whole
from ._options import Dialect, Errors, Failover, Placement, WireProtocol, choice, core_hash, core_options
from ._packed import GET_HEAD, SET_HEAD, read, store_fields
from ._servers import ServerSpec
from ._signing import Signer, SigningKeys
from ._tls import TlsOptions
from ._values import MAX_DECOMPRESSED_SIZE, Codec, Pickling, Serializer, SerializerCodec


class Client(LegacyClient):
    """A client that stores Python objects, shares its cache with python-memcached, and is called in the same way.

    Any number of threads may share one. No connection is opened before the first operation, and every operation ends within
    `socket_timeout`. Keys are str (sent as UTF-8) or bytes, 1 to 250 bytes long, without the bytes 0x00-0x20 and 0x7f; a
    tuple (hash, key) lets the hash choose the server. `time` is when a value expires: see `Expiry`. `min_compress_len` is
    the length in bytes above which a value is compressed, 0 being never. `noreply` is accepted, and the answer awaited
    nevertheless. `timeout`, in seconds, is another deadline for one call.

    When the cache fails, a quiet client answers as the methods say; with `errors="raise"` they raise `UnavailableError`,
    `ValueTooLargeError` and `ValueDecodeError`, and those for many keys `BatchError`. Keys and arguments that cannot be sent
    raise `InvalidInputError` or TypeError in both.

    The arguments of python-memcached, by position or keyword:

    - `servers`: a list of server strings or tuples (string, weight); see `set_servers`.
    - `debug`: whether failures are written to standard error.
    - `pickleProtocol`, `pickler`, `unpickler`, `pload`, `pid`: how objects are pickled; the last two are the persistent_load
      and persistent_id of the pickle module. `unpickler="restricted"` reads only what is `allowed`.
    - `compressor`, `decompressor`: functions from bytes to bytes.
    - `server_max_key_length`: a limit below the protocol's 250 bytes.
    - `server_max_value_length`: largest value in bytes that is sent, 0 for no limit; None is the module's
      `SERVER_MAX_VALUE_LENGTH`.
    - `dead_retry`: longest time in seconds, up to an hour, for which a failed server is left alone before it is tried again.
    - `socket_timeout`: deadline of a whole operation, and of connecting, in seconds, up to an hour (None).
    - `cache_cas`: `gets` remembers the token of each key, for this thread, and `cas` uses it.
    - `flush_on_reconnect`: empty a server on the first connection after it was down, so that it serves nothing stale.
    - `check_keys`: accepted; a key that cannot be sent is always refused.
    - `key_encoder`: called with every key, as it was given, before anything else.

    And by keyword only:

    - `errors`: `"quiet"` or `"raise"`.
    - `dialect`: whose encoding to read and write; see `Dialect`.
    - `portable`: store what has no form of its own as JSON for other languages, not as a pickle.
    - `serializer`: a `Serializer` in the place of all encoding and compression.
    - `signing_key`: bytes, 16 or more, or a list of such: values are signed with the first, and only values that one of them
      signed are read. `incr`, `decr`, `append` and `prepend` then raise UnsupportedError. See docs/security.md.
    - `allowed`: for `unpickler="restricted"`, the classes and functions that pickles may name beside those of builtins,
      collections, datetime, decimal, fractions and uuid that hold values.
    - `max_decompressed_size`: bytes, 1 to 2^30, beyond which a value is not decompressed; a `decompressor` of yours is not
      told.
    - `key_prefix`: put in front of every key, before it is hashed and sent.
    - `protocol`, `placement`, `failover`: see the enums of these names; their values are taken too.
    - `connect_timeout`: longest time for one attempt to connect, in seconds; `socket_timeout` if it is not given.
    - `failure_limit`, `max_connections`, `spin`, `tls`, `user`, `password`: as for `StringClient`.
    """

    def __init__(
        self,
        servers: Iterable[ServerSpec],
        debug: Any = 0,
        pickleProtocol: int = 0,
        pickler: Callable[..., Any] = pickle.Pickler,
        unpickler: Union[Callable[..., Any], str] = pickle.Unpickler,
        compressor: Callable[[bytes], bytes] = zlib.compress,
        decompressor: Callable[[bytes], bytes] = zlib.decompress,
        pload: Optional[Callable[[Any], Any]] = None,
        pid: Optional[Callable[[Any], Any]] = None,
        server_max_key_length: Optional[int] = None,
        server_max_value_length: Optional[int] = None,
        dead_retry: float = 30,
        socket_timeout: Optional[float] = 3,
        cache_cas: bool = False,
        flush_on_reconnect: Any = 0,
        check_keys: bool = True,
        key_encoder: Optional[Callable[[Any], Any]] = None,
        *,
        errors: Union[Errors, str] = Errors.QUIET,
        dialect: Union[Dialect, str] = Dialect.PYTHON_MEMCACHED,
        portable: bool = False,
        serializer: Optional[Serializer] = None,
        signing_key: Optional[SigningKeys] = None,
        allowed: Iterable[Any] = (),
        max_decompressed_size: int = MAX_DECOMPRESSED_SIZE,
        key_prefix: Union[str, bytes] = b"",
        connect_timeout: Optional[float] = None,
        failure_limit: int = 3,
        max_connections: int = 8,
        spin: Union[str, int] = "auto",
        tls: Optional[TlsOptions] = None,
        user: Optional[str] = None,
        password: Optional[str] = None,
        protocol: Union[WireProtocol, str] = WireProtocol.AUTO,
        placement: Union[Placement, str] = Placement.MODULO,
        failover: Union[Failover, str] = Failover.REHASH,
    ) -> None:
        self.debug = debug
        #: Whether `gets` remembers tokens for `cas`.
        self.cache_cas = cache_cas
        module = sys.modules[__package__]
        #: Largest value in bytes that is sent; 0 for no limit.
        self.server_max_value_length: int = (
            module.SERVER_MAX_VALUE_LENGTH if server_max_value_length is None else server_max_value_length
        )
        if serializer is None:
            pickling = Pickling(pickleProtocol, pickler, _unpickler(unpickler, allowed), pload, pid)
            kind = CODECS[choice(Dialect, "dialect", dialect)]
            cap = whole("max_decompressed_size", max_decompressed_size, 1, 1 << 30)
            codec: Codec = kind(pickling, compressor, decompressor, portable, cap)
        else:
            codec = SerializerCodec(serializer)
        self._codec = codec
        self._encode = codec.encode
        self._decode = codec.decode
        self._signer = None if signing_key is None else Signer(signing_key)
        options = core_options(
            protocol=protocol,
            placement=placement,
            failover=failover,
            timeout=socket_timeout,
            connect_timeout=socket_timeout if connect_timeout is None else connect_timeout,
            dead_retry=dead_retry,
            failure_limit=failure_limit,
            max_connections=max_connections,
            max_value_size=0,
            key_prefix=key_prefix,
            binary_keys=False,
            flush_on_reconnect=flush_on_reconnect,
            spin=spin,
            tls=tls,
            user=user,
            password=password,
        )
        limit = module.SERVER_MAX_KEY_LENGTH if server_max_key_length is None else server_max_key_length
        hash_function = module.serverHashFunction
        rules = KeyRules(
            encoder=key_encoder,
            max_length=limit if 0 < limit < MAX_KEY_LENGTH else None,
            hash_function=None if hash_function is cmemcache_hash else hash_function,
            core_hash=core_hash(placement),
            core_prefix=options.key_prefix,
        )
        super().__init__(servers, options, rules, errors)
        self._stores_plainly = self._rules_are_plain and self._signer is None

    # Reading

    def get(self, key: Any, default: Any = None, *, timeout: Optional[float] = None) -> Any:
        """Reads a value; `default` on a miss, and in a quiet client when the cache fails.

        In a quiet client a value that cannot be decoded reads as None.
        """
        # As `_read`: what is done between two calls, with the interpreter's lock, decides how many threads get on.
        if type(key) is str and timeout is None and self._rules_are_plain:
            try:
                found = read(self._handle, GET_HEAD, key, None)
            except UnavailableError as error:
                self._report(error)
                return default
        else:
            found = self._read(_packed.GET, key, timeout)
        return default if found is None else self._load(key, found[0], found[1])

    def gets(self, key: Any, default: Any = None, *, timeout: Optional[float] = None) -> Any:
        """Reads a value and, with `cache_cas`, remembers its token for `cas` in this thread; otherwise as `get`."""
        return self.gets_with_token(key, default, timeout=timeout)[0]

    def gets_with_token(
        self, key: Any, default: Any = None, *, timeout: Optional[float] = None
    ) -> tuple[Any, Optional[int]]:
        """Reads a value and its token, to be given to `cas`; `(default, None)` on a miss."""
        found = self._read(_packed.GETS, key, timeout)
        if found is None:
            return default, None
        data, flags, token = found
        if self.cache_cas:
            self.cas_ids.by_key[self._rules.read(key)[0]] = token
        return self._load(key, data, flags), token

    def gat(self, key: Any, time: Expiry, default: Any = None, *, timeout: Optional[float] = None) -> Any:
        """Reads a value and gives it a new expiry time; otherwise as `get`."""
        found = self._read(_packed.GAT, key, timeout, _packed.exptime_field(seconds_of(time)))
        return default if found is None else self._load(key, found[0], found[1])

    def get_multi(
        self, keys: Iterable[Any], key_prefix: Union[str, bytes] = "", *, timeout: Optional[float] = None
    ) -> dict[Any, Any]:
        """Reads many values at once, all servers at the same time; keys that miss are absent.

        `key_prefix` is put in front of every key; the result has the keys as they were given. Keys that are neither str nor
        bytes stand for what `str` makes of them.
        """
        originals = list(keys)
        batch = self._run_batch(_packed.GET_MULTI, originals, key_prefix, timeout)
        if batch.complete and self._signer is None:
            try:
                return dict(zip(originals, self._codec.decode_many(batch.values, batch.flags)))
            except ValueDecodeError:
                # Below it is found again, with its key.
                pass
        values: dict[Any, Any] = {}
        errors = batch.errors(originals)
        for key, status, data, flags in zip(originals, batch.statuses, batch.values, batch.flags):
            if status:
                continue
            try:
                if self._signer is None:
                    values[key] = self._decode(data, flags)
                else:
                    wire_key = self._wire_key_of_batch(key, key_prefix)
                    values[key] = self._decode(*self._signer.open(wire_key, data, flags))
            except ValueDecodeError as error:
                errors[key] = error.of(key, flags)
                values[key] = None
        if errors:
            self._finish({key: value for key, value in values.items() if key not in errors}, errors)
        return values

    def _load(self, key: object, data: bytes, flags: int) -> Any:
        try:
            if self._signer is None:
                return self._decode(data, flags)
            return self._decode(*self._signer.open(self._wire_key(key), data, flags))
        except ValueDecodeError as error:
            self._report(error.of(key, flags))
            return None

    def _wire_key(self, key: object) -> bytes:
        """The key as the server sees it, which signatures cover."""
        return self._rules.core_prefix + self._rules.read(key)[0]

    def _wire_key_of_batch(self, key: object, key_prefix: Union[str, bytes]) -> bytes:
        return self._rules.core_prefix + self._rules.read_of_batch(key, prefix_bytes(key_prefix))[0]

    # Storing

    def set(
        self,
        key: Any,
        val: Any,
        time: Expiry = 0,
        min_compress_len: int = 0,
        noreply: bool = False,
        *,
        portable: Optional[bool] = None,
        timeout: Optional[float] = None,
    ) -> int:
        """Stores a value, whatever is there: True, or 0 when the cache failed or the value is too large.

        A value over the client's maximum is not sent and the old item stays. One that the server refuses as too large
        removes the old item, so that nothing outdated stays.
        """
        # As `_set`; see `get`.
        if (
            type(key) is str
            and type(time) is int
            and 0 <= time <= LAST_MOMENT
            and timeout is None
            and self._stores_plainly
        ):
            data, flags = self._encode(val, min_compress_len, portable)
            if 0 < self.server_max_value_length < len(data):
                return self._refuse(data)
            status = self._send_store(SET_HEAD + store_fields(flags, time), key, data)
            return 0 if status == FAILED else status == _packed.OK
        return self._set(_packed.SET, key, val, time, min_compress_len, portable, timeout)

    def add(
        self,
        key: Any,
        val: Any,
        time: Expiry = 0,
        min_compress_len: int = 0,
        noreply: bool = False,
        *,
        portable: Optional[bool] = None,
        timeout: Optional[float] = None,
    ) -> int:
        """Stores a value if there is no item yet: True or False; otherwise as `set`."""
        return self._set(_packed.ADD, key, val, time, min_compress_len, portable, timeout)

    def replace(
        self,
        key: Any,
        val: Any,
        time: Expiry = 0,
        min_compress_len: int = 0,
        noreply: bool = False,
        *,
        portable: Optional[bool] = None,
        timeout: Optional[float] = None,
    ) -> int:
        """Stores a value if there is an item: True or False; otherwise as `set`."""
        return self._set(_packed.REPLACE, key, val, time, min_compress_len, portable, timeout)

    def append(
        self,
        key: Any,
        val: Any,
        time: Expiry = 0,
        min_compress_len: int = 0,
        noreply: bool = False,
        *,
        timeout: Optional[float] = None,
    ) -> int:
        """Puts the encoded value behind the present one: True, False if there is none, or 0 as `set`.

        Flags and expiry time of the item stay, so that this is for bytes and text; `time` is ignored by memcached.
        """
        return self._set(_packed.APPEND, key, val, time, min_compress_len, None, timeout)

    def prepend(
        self,
        key: Any,
        val: Any,
        time: Expiry = 0,
        min_compress_len: int = 0,
        noreply: bool = False,
        *,
        timeout: Optional[float] = None,
    ) -> int:
        """Puts the encoded value in front of the present one; otherwise as `append`."""
        return self._set(_packed.PREPEND, key, val, time, min_compress_len, None, timeout)

    def cas(
        self,
        key: Any,
        val: Any,
        time: Expiry = 0,
        min_compress_len: int = 0,
        noreply: bool = False,
        *,
        token: Optional[int] = None,
        portable: Optional[bool] = None,
        timeout: Optional[float] = None,
    ) -> int:
        """Stores a value if the item was not changed since its token was read: True or False; otherwise as `set`.

        The token is the one given, else the one that `gets` remembered for the key (`cache_cas`); without any this is `set`.
        """
        if token is None:
            token = self.cas_ids.by_key.get(self._rules.read(key)[0])
        return self._set(_packed.SET, key, val, time, min_compress_len, portable, timeout, token)

    def _set(
        self,
        operation: int,
        key: Any,
        value: Any,
        time: Expiry,
        min_compress_len: int,
        portable: Optional[bool],
        timeout: Optional[float],
        token: Optional[int] = None,
    ) -> int:
        data, flags = self._encode(value, min_compress_len, portable)
        if self._signer is not None:
            if operation in (_packed.APPEND, _packed.PREPEND):
                raise self._signer.refuse("append" if operation == _packed.APPEND else "prepend")
            data, flags = self._signer.seal(self._wire_key(key), data, flags)
        if 0 < self.server_max_value_length < len(data):
            return self._refuse(data)
        status = self._store(operation, key, data, flags, time, timeout, token)
        return 0 if status == FAILED else status == _packed.OK

    def _refuse(self, data: bytes) -> int:
        self._report(self._too_large(data))
        return 0

    def _too_large(self, data: bytes) -> ValueTooLargeError:
        return ValueTooLargeError(f"value of {len(data)} bytes is over the limit of {self.server_max_value_length}")

    def set_multi(
        self,
        mapping: Mapping[Any, Any],
        time: Expiry = 0,
        key_prefix: Union[str, bytes] = "",
        min_compress_len: int = 0,
        noreply: bool = False,
        *,
        portable: Optional[bool] = None,
        timeout: Optional[float] = None,
    ) -> list[Any]:
        """Stores many values at once, all servers at the same time; returns the keys that were not stored."""
        limit = self.server_max_value_length
        keys = list(mapping)
        values, flags = self._codec.encode_many(list(mapping.values()), min_compress_len, portable)
        if self._signer is not None:
            wire_keys = [self._wire_key_of_batch(key, key_prefix) for key in keys]
            values, flags = self._signer.seal_many(wire_keys, values, flags)
        missing: list[Any] = []
        errors: dict[Any, CacheError] = {}
        if 0 < limit < max(map(len, values), default=0):
            missing = [key for key, data in zip(keys, values) if len(data) > limit]
            errors = {key: self._too_large(data) for key, data in zip(keys, values) if len(data) > limit}
            fitting = [index for index, data in enumerate(values) if len(data) <= limit]
            keys, values = [keys[index] for index in fitting], [values[index] for index in fitting]
            flags = b"".join(flags[4 * index : 4 * index + 4] for index in fitting)
        batch = self._store_batch(keys, values, flags, time, key_prefix, timeout)
        if not batch.complete:
            missing += [key for key, status in zip(keys, batch.statuses) if status]
            errors.update(batch.errors(keys))
        if errors:
            self._finish({key: key not in missing for key in mapping if key not in errors}, errors)
        return missing

    # Removing and counting

    def delete(self, key: Any, noreply: bool = False, *, timeout: Optional[float] = None) -> int:
        """Deletes an item: 1, or 0 if there was none."""
        return int(self._change(_packed.DELETE, key, timeout) == _packed.OK)

    def delete_multi(
        self,
        keys: Iterable[Any],
        time: Optional[float] = None,
        key_prefix: Union[str, bytes] = "",
        noreply: bool = False,
        *,
        timeout: Optional[float] = None,
    ) -> int:
        """Deletes many items at once, all servers at the same time.

        1, whether there were items or not, and also when servers are down; 0 when one failed on the way. `time` is ignored:
        memcached delays no deletes.
        """
        originals = list(keys)
        batch = self._run_batch(_packed.DELETE_MULTI, originals, key_prefix, timeout)
        errors = batch.errors(originals)
        if errors:
            deleted = zip(originals, batch.statuses)
            self._finish({key: status == _packed.OK for key, status in deleted if key not in errors}, errors)
        return int(all(isinstance(error, (ServerDownError, NoServersError)) for error in errors.values()))

    def touch(self, key: Any, time: Expiry = 0, noreply: bool = False, *, timeout: Optional[float] = None) -> int:
        """Gives an item a new expiry time: 1, or 0 on a miss."""
        fields = _packed.exptime_field(seconds_of(time))
        return int(self._change(_packed.TOUCH, key, timeout, fields) == _packed.OK)

    def incr(
        self,
        key: Any,
        delta: Any = 1,
        noreply: bool = False,
        *,
        initial: Optional[int] = None,
        time: Expiry = 0,
        timeout: Optional[float] = None,
    ) -> Optional[int]:
        """Adds to a decimal number of 64 bits, wrapping at 2^64, and returns the sum; None on a miss.

        With `initial` a missing item is made with that value and `time`, and `initial` is returned. Raises a ValueError, in
        a quiet client too, if the value is no such number (NotNumericError) or `delta` is none of 0 to 2^64-1.
        """
        if self._signer is not None:
            raise self._signer.refuse("incr")
        return self._count(_packed.INCR, key, _number(delta), initial, time, timeout)

    def decr(
        self,
        key: Any,
        delta: Any = 1,
        noreply: bool = False,
        *,
        initial: Optional[int] = None,
        time: Expiry = 0,
        timeout: Optional[float] = None,
    ) -> Optional[int]:
        """Subtracts from a decimal number of 64 bits, stopping at 0, and returns the rest; otherwise as `incr`."""
        if self._signer is not None:
            raise self._signer.refuse("decr")
        return self._count(_packed.DECR, key, _number(delta), initial, time, timeout)


def _unpickler(given: Union[Callable[..., Any], str], allowed: Iterable[Any]) -> Callable[..., Any]:
    if given == "restricted":
        return _restricted.unpickler(allowed)
    if not callable(given):
        raise InvalidArgumentError(f"unpickler of {given!r} is neither 'restricted' nor a class")
    if list(allowed):
        raise InvalidArgumentError("allowed is for unpickler='restricted': another unpickler has its own rules")
    return given


def _number(delta: Any) -> Any:
    # python-memcached sends whatever the text of a delta is.
    return int(delta) if isinstance(delta, str) and delta.isdecimal() else delta
