"""Packed calls: an operation as flat bytes, in one crossing. The layout is described in core/src/ffi/packed.rs."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct, pack, unpack_from
from typing import Any, Callable, Optional

from ._errors import CacheError, from_packed
from ._native import crossing

GET = 1
GETS = 2
GAT = 3
GATS = 4
SET = 5
ADD = 6
REPLACE = 7
APPEND = 8
PREPEND = 9
CAS = 10
DELETE = 11
INCR = 12
DECR = 13
TOUCH = 14
GET_MULTI = 16
GETS_MULTI = 17
SET_MULTI = 18
DELETE_MULTI = 19

#: Bits of a request.
ROUTED = 1
HAS_INITIAL = 2
HAS_LENGTHS = 4

#: Status of a reply; what is above is an error.
OK = 0
MISS = 1
NOT_STORED = 2
EXISTS = 3

_LAYOUT = 2
_head = Struct("<BBHI").pack

#: Heads of requests without bits and with the client's own timeout, by operation.
HEADS = tuple(_head(_LAYOUT, operation, 0, 0) for operation in range(DELETE_MULTI + 1))

GET_HEAD = HEADS[GET]
SET_HEAD = HEADS[SET]

#: Fixed fields of the operations that have some.
count_field = Struct("<I").pack
flags_field = count_field
exptime_field = Struct("<q").pack
route_field = exptime_field
store_fields = Struct("<Iq").pack
cas_fields = Struct("<IqQ").pack
arith_fields = Struct("<QQq").pack

#: read(client, head, key, None) -> value, flags and cas token, or None on a miss. The head and the key, text or bytes, are one
#: request. Raises CacheError.
read: Callable[[int, bytes, Any, None], Optional[tuple[bytes, int, int]]] = crossing.read
#: call(client, head, key, value) -> status and number, of the operations that do not read.
call: Callable[[int, bytes, Any, Optional[bytes]], tuple[int, int]] = crossing.call


def head(operation: int, bits: int, timeout_ms: int) -> bytes:
    """The head of a request; a timeout of 0 is the client's own."""
    return _head(_LAYOUT, operation, bits, timeout_ms)


class Batch:
    """The reply to a batch: one status, flags, cas token (of gets) and value per key, in the keys' order."""

    __slots__ = ("_cas", "_failure", "_flags", "complete", "statuses", "values")

    def __init__(self, statuses: bytes, flags: bytes, cas: bytes, values: list[bytes]) -> None:
        self.statuses = statuses
        self._flags = flags
        self._cas = cas
        self.values = values
        #: Every key was found, stored or deleted.
        self.complete = statuses.count(0) == len(statuses)
        self._failure: Optional[CacheError] = None

    @classmethod
    def failed(cls, error: CacheError, count: int) -> Batch:
        """The reply to a batch of so many keys that failed as a whole."""
        batch = cls(b"\xff" * count, bytes(4 * count), b"", [b""] * count)
        batch._failure = error
        return batch

    @property
    def flags(self) -> tuple[int, ...]:
        return unpack_from(f"<{len(self.statuses)}I", self._flags)

    @property
    def cas(self) -> tuple[int, ...]:
        return unpack_from(f"<{len(self._cas) // 8}Q", self._cas)

    def errors(self, keys: Sequence[Any]) -> dict[Any, CacheError]:
        """The errors by key, where there are any."""
        if self.complete:
            return {}
        flags = self.flags
        return {
            keys[index]: self._failure or _entry_error(status, self.values[index], flags[index])
            for index, status in enumerate(self.statuses)
            if status > EXISTS
        }


def _entry_error(status: int, text: bytes, flags: int) -> CacheError:
    return from_packed(status, text, flags & 0xFFFF, flags >> 16 & 0xFF, bool(flags >> 24 & 1))


def call_batch(client: int, request: bytes, values: Optional[bytes], count: int, *, with_cas: bool = False) -> Batch:
    """Runs one operation on so many keys. Raises CacheError when it failed as a whole."""
    return Batch(*crossing.call_batch(client, request, values, count, with_cas))


def lengths_column(items: Sequence[bytes]) -> bytes:
    """The lengths of the items, as a column of a batch request."""
    return pack(f"<{len(items)}I", *map(len, items))
