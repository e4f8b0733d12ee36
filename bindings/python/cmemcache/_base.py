"""What both clients are made of: the core and its servers, and the operations on bytes and flags."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Callable, NoReturn, Optional, TypeVar, Union

from . import _packed
from ._errors import (
    BatchError,
    CacheError,
    KeyTypeError,
    UnavailableError,
    UntrustedValueError,
    ValueDecodeError,
    ValueTooLargeError,
    from_generated,
)
from ._expiry import Expiry, seconds_of
from ._keys import Key, KeyRules, Requests, prefix_bytes
from ._native import generated
from ._numbers import milliseconds, uint32, uint64
from ._options import Errors, choice
from ._packed import Batch, call, call_batch, read
from ._results import (
    ItemMetadata,
    ServerMetrics,
    ServerReply,
    ServerStats,
    item_metadata,
    server_metrics,
    server_reply,
    server_stats,
)
from ._servers import Server, ServerSpec, core_specs

logger = logging.getLogger("cmemcache")

_Self = TypeVar("_Self", bound="BaseClient")
_T = TypeVar("_T")

#: The status of an operation that failed and was not raised.
FAILED = 255


class BaseClient:
    """A client of a set of servers: everything that does not depend on what values are."""

    #: Whether failures are written to standard error.
    debug: Any = 0
    #: The servers, in the order in which they were given.
    servers: list[Server]

    def __init__(
        self,
        servers: Iterable[ServerSpec],
        options: Any,
        rules: KeyRules,
        errors: Union[Errors, str],
    ) -> None:
        self._raising = choice(Errors, "errors", errors) is Errors.RAISE
        self._rules = rules
        self._rules_are_plain = rules.plain
        requests = Requests(rules)
        self._single = requests.single
        self._batch_request = requests.batch
        self._dead_retry_ms: int = options.dead_retry_ms
        self._core = _translated(generated.StringClient, core_specs(servers), options)
        self._handle: int = self._core.handle()
        self.servers = self._server_list()

    # Servers and connections

    def set_servers(self, servers: Iterable[ServerSpec]) -> None:
        """Replaces the servers. One that stays keeps its connections; calls under way on one that goes end normally.

        Raises TypeError for what is no list of server strings or (string, weight) tuples, and InvalidArgumentError for a
        string or weight that is malformed, naming it; the servers then stay as they were.
        """
        _translated(self._core.set_servers, core_specs(servers))
        self.servers = self._server_list()

    def forget_dead_hosts(self) -> None:
        """Uses servers that are down again at once."""
        self._core.forget_dead_hosts()

    def disconnect_all(self) -> None:
        """Closes the idle connections. The next call opens new ones."""
        self._core.disconnect_all()

    def close(self) -> None:
        """Ends the client: connections close, and every later operation raises ClosedError. Closing twice does no harm."""
        self._core.shutdown()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        name = type(self).__name__
        raise TypeError(f"cannot pickle or copy a {name}: it holds connections. Make one where it is needed.")

    def _server_list(self) -> list[Server]:
        return [Server(self, index, one.server, one.weight) for index, one in enumerate(self.metrics())]

    def _mark_down(self, server: str, down_for_ms: int) -> None:
        _translated(self._core.mark_down, server, down_for_ms)

    def _mark_dead(self, server: str, reason: object) -> None:
        self.debuglog(f"{server}: {reason}. Marking dead.")
        self._mark_down(server, max(self._dead_retry_ms, 1))

    # Asking the servers themselves

    def flush_all(self, delay: int = 0, *, timeout: Optional[float] = None) -> None:
        """Drops all items of all servers, after `delay` seconds."""
        replies = self._ask("flush_all", timeout, uint32("delay", delay))
        errors = {one.server: from_generated(one.error) for one in replies if one.error is not None}
        self._finish({one.server: one.reply for one in replies if one.error is None}, errors)

    def get_stats(
        self, stat_args: Optional[str] = None, *, timeout: Optional[float] = None
    ) -> list[tuple[str, dict[str, str]]]:
        """Statistics of every server that answers: `[('127.0.0.1:11211 (1)', {'pid': '4711', ...})]`.

        The number in brackets is the weight. `stat_args` asks for one kind: `items`, `slabs`, `settings`, ...
        """
        answers = self.server_stats(stat_args, timeout=timeout)
        return [(f"{one.server} ({one.weight})", one.stats) for one in answers if one.error is None]

    def server_stats(self, argument: Optional[str] = None, *, timeout: Optional[float] = None) -> list[ServerStats]:
        """Statistics of every server, with the error of each that does not answer."""
        return [server_stats(one) for one in self._ask("stats", timeout, argument or None)]

    def version(self, *, timeout: Optional[float] = None) -> list[ServerReply]:
        """The version of every server, with the error of each that does not answer."""
        return [server_reply(one) for one in self._ask("version", timeout)]

    def verbosity(self, level: int, *, timeout: Optional[float] = None) -> list[ServerReply]:
        """Sets how much every server writes to its log, 0 being the least."""
        return [server_reply(one) for one in self._ask("verbosity", timeout, uint32("level", level))]

    def metadata(self, key: Union[str, bytes], *, timeout: Optional[float] = None) -> Optional[ItemMetadata]:
        """What the server knows of an item, without reading its value; None on a miss.

        Needs the meta protocol: raises UnsupportedError on servers without it. The key must be placed by its own hash.
        """
        data, route = self._rules.read(key)
        if route is not None:
            raise KeyTypeError("metadata takes only keys that are placed by their own hash")
        try:
            found = _translated(self._core_within(timeout).metadata, data)
        except UnavailableError as error:
            self._report(error)
            return None
        return None if found is None else item_metadata(found)

    def metrics(self) -> list[ServerMetrics]:
        """What this client counted, one entry per server, in their order. Asks no server."""
        return [server_metrics(one) for one in self._core.metrics()]

    def _ask(self, operation: str, timeout: Optional[float], *arguments: Any) -> list[Any]:
        """What all servers answer to an operation of the core; empty when it failed as a whole."""
        try:
            return _translated(getattr(self._core_within(timeout), operation), *arguments)
        except UnavailableError as error:
            self._report(error)
            return []

    def _core_within(self, timeout: Optional[float]) -> Any:
        return self._core if timeout is None else _translated(self._core.with_timeout, milliseconds("timeout", timeout))

    # Failures

    def debuglog(self, str: object) -> None:
        """Writes a line to standard error if `debug` is set, and to the logger `cmemcache` at level DEBUG."""
        logger.debug("%s", str)
        if self.debug:
            sys.stderr.write(f"MemCached: {str}\n")

    def _report(self, error: CacheError) -> None:
        """Raises the error, or tells the debug log and returns. That somebody tampers with the cache is raised always."""
        if self._raising or _is_untrusted(error):
            raise error
        self.debuglog(error)

    def _finish(self, results: dict[Any, Any], errors: dict[Any, CacheError]) -> None:
        """Ends a batch of which some parts may have failed. What is the caller's fault is raised always."""
        for error in errors.values():
            if not isinstance(error, (UnavailableError, ValueTooLargeError, ValueDecodeError)):
                raise error
        if errors:
            self._report(BatchError(results, errors))

    # Operations on bytes and flags, for the public methods. A failure is reported here and answered as said.

    def _read(
        self, operation: int, key: Key, timeout: Optional[float], fields: bytes = b""
    ) -> Optional[tuple[bytes, int, int]]:
        """Value, flags and cas token of an item; None on a miss and on a failure."""
        try:
            return read(self._handle, *self._single(operation, key, timeout, fields), None)
        except UnavailableError as error:
            self._report(error)
            return None

    def _store(
        self,
        operation: int,
        key: Key,
        data: bytes,
        flags: int,
        time: Expiry,
        timeout: Optional[float],
        token: Optional[int] = None,
    ) -> int:
        """The status of storing a value, FAILED on a failure."""
        if operation in (_packed.APPEND, _packed.PREPEND):
            fields = b""
        elif token is None:
            fields = _packed.store_fields(flags, seconds_of(time))
        else:
            operation = _packed.CAS
            fields = _packed.cas_fields(flags, seconds_of(time), uint64("token", token))
        return self._send_store(*self._single(operation, key, timeout, fields), data)

    def _send_store(self, head: bytes, key: Union[str, bytes], data: bytes) -> int:
        """The status of a store whose request is this head and behind it the key, FAILED on a failure."""
        try:
            return call(self._handle, head, key, data)[0]
        except (UnavailableError, ValueTooLargeError) as error:
            self._report(error)
            return FAILED

    def _change(self, operation: int, key: Key, timeout: Optional[float], fields: bytes = b"") -> int:
        """The status of delete or touch, FAILED on a failure."""
        try:
            return call(self._handle, *self._single(operation, key, timeout, fields), None)[0]
        except UnavailableError as error:
            self._report(error)
            return FAILED

    def _count(
        self, operation: int, key: Key, delta: int, initial: Optional[int], time: Expiry, timeout: Optional[float]
    ) -> Optional[int]:
        """The number that incr or decr leaves; None on a miss and on a failure."""
        first = 0 if initial is None else uint64("initial", initial)
        fields = _packed.arith_fields(uint64("delta", delta), first, seconds_of(time))
        bits = 0 if initial is None else _packed.HAS_INITIAL
        try:
            status, number = call(self._handle, *self._single(operation, key, timeout, fields, bits), None)
        except UnavailableError as error:
            self._report(error)
            return None
        return None if status else number

    def _run_batch(
        self, operation: int, keys: list[Any], key_prefix: Union[str, bytes], timeout: Optional[float]
    ) -> Batch:
        """The reply to a batch without values. Failures stand in it."""
        request = self._batch_request(operation, keys, prefix_bytes(key_prefix), timeout)
        return self._send_batch(request, None, len(keys), operation == _packed.GETS_MULTI)

    def _store_batch(
        self,
        keys: list[Any],
        values: list[bytes],
        flags: bytes,
        time: Expiry,
        key_prefix: Union[str, bytes],
        timeout: Optional[float],
    ) -> Batch:
        """The reply to storing values under many keys, with a column of their flags. Failures stand in it."""
        exptime = _packed.exptime_field(seconds_of(time))
        columns = _packed.lengths_column(values) + flags
        request = self._batch_request(_packed.SET_MULTI, keys, prefix_bytes(key_prefix), timeout, exptime, columns)
        return self._send_batch(request, b"".join(values), len(values), False)

    def _send_batch(self, request: bytes, values: Optional[bytes], count: int, with_cas: bool) -> Batch:
        try:
            return call_batch(self._handle, request, values, count, with_cas=with_cas)
        except UnavailableError as error:
            if self._raising:
                raise
            return Batch.failed(error, count)


def _is_untrusted(error: CacheError) -> bool:
    if isinstance(error, BatchError):
        return any(isinstance(one, UntrustedValueError) for one in error.errors.values())
    return isinstance(error, UntrustedValueError)


def _translated(operation: Callable[..., _T], *arguments: Any) -> _T:
    """Calls the generated module; its errors become those of this package."""
    try:
        return operation(*arguments)
    except generated.CacheError as error:
        raise from_generated(error) from None
