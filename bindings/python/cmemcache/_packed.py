"""Packed calls: an operation as flat bytes, in one crossing. The layout is described in core/src/ffi/packed.rs.

A reply is written into memory that is taken from a stock and given back afterwards, instead of one buffer per thread: a
signal handler or a finalizer that uses a client in the middle of a call gets memory of its own and cannot change the
reply that is being read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from ctypes import string_at
from io import BytesIO
from itertools import accumulate
from struct import Struct, pack, unpack_from
from typing import Any, Optional

from ._errors import CacheError, InternalError, from_packed
from ._native import Reply, packed_call

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
_OUTCOME_UNKNOWN = 2

_HEAD_SIZE = 16
_LAYOUT = 2
_head = Struct("<BBHI").pack
_unpack_head = Struct("<BBHIQ").unpack_from

#: Heads of requests without bits and with the client's own timeout, by operation.
HEADS = tuple(_head(_LAYOUT, operation, 0, 0) for operation in range(DELETE_MULTI + 1))

#: Fixed fields of the operations that have some.
count_field = Struct("<I").pack
flags_field = count_field
exptime_field = Struct("<q").pack
route_field = exptime_field
store_fields = Struct("<Iq").pack
cas_fields = Struct("<IqQ").pack
arith_fields = Struct("<QQq").pack

_CAPACITY = Reply.CAPACITY

# Replies that nobody uses. pop and append of a list are atomic, so no lock is needed, which a fork could leave locked.
_idle: list[Reply] = []
# Memory of the parent's threads is of no use to a child, which has one thread.
os.register_at_fork(after_in_child=_idle.clear)


def head(operation: int, bits: int, timeout_ms: int) -> bytes:
    """The head of a request; a timeout of 0 is the client's own."""
    return _head(_LAYOUT, operation, bits, timeout_ms)


def call(client: int, request: bytes, value: Optional[bytes] = None) -> tuple[int, int, int, bytes]:
    """Runs one operation: status, flags, number (a cas token or a counter) and value. Raises CacheError."""
    # As `_exchange`: a call within Python costs as much as the packed call itself.
    try:
        reply = _idle.pop()
    except IndexError:
        reply = Reply()
    size = 0 if value is None else len(value)
    length: int = packed_call(
        client, request, len(request), value, size, reply.address, _CAPACITY, reply.status_address
    )
    status, bits, phase, flags, number = _unpack_head(reply.buffer)
    if bits or status > EXISTS or length < _HEAD_SIZE:
        payload = _unusual(reply, length)
        if status > EXISTS:
            raise from_packed(status, payload, flags, phase, bool(bits & _OUTCOME_UNKNOWN))
    else:
        payload = reply.buffer[_HEAD_SIZE:length]
        _idle.append(reply)
    return status, flags, number, payload


def _exchange(client: int, request: bytes, value: Optional[bytes]) -> tuple[Reply, int]:
    try:
        reply = _idle.pop()
    except IndexError:
        reply = Reply()
    length: int = packed_call(
        client,
        request,
        len(request),
        value,
        0 if value is None else len(value),
        reply.address,
        _CAPACITY,
        reply.status_address,
    )
    return reply, length


def _unusual(reply: Reply, length: int) -> bytes:
    """The payload of a reply that is an error or that the library keeps; gives the reply back."""
    if length < _HEAD_SIZE:
        raise InternalError(reply.panic())
    try:
        kept = reply.kept()
        payload: bytes = reply.buffer[_HEAD_SIZE:length] if kept is None else string_at(kept[0], kept[1])
    finally:
        reply.release()
    _idle.append(reply)
    return payload


class Batch:
    """The reply to a batch: one status, flags, cas token (of gets) and value per key, in the keys' order."""

    __slots__ = ("_failure", "_flags", "cas", "complete", "statuses", "values")

    def __init__(self, statuses: bytes, flags: bytes, cas: tuple[int, ...], values: list[bytes]) -> None:
        self.statuses = statuses
        self._flags = flags
        self.cas = cas
        self.values = values
        #: Every key was found, stored or deleted.
        self.complete = statuses.count(0) == len(statuses)
        self._failure: Optional[CacheError] = None

    @classmethod
    def failed(cls, error: CacheError, count: int) -> Batch:
        """The reply to a batch of so many keys that failed as a whole."""
        batch = cls(b"\xff" * count, bytes(4 * count), (), [b""] * count)
        batch._failure = error
        return batch

    @property
    def flags(self) -> tuple[int, ...]:
        return unpack_from(f"<{len(self.statuses)}I", self._flags)

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
    reply, length = _exchange(client, request, values)
    status, bits, phase, answered, _ = _unpack_head(reply.buffer)
    if length < _HEAD_SIZE or status > EXISTS:
        payload = _unusual(reply, length)
        raise from_packed(status, payload, answered, phase, bool(bits & _OUTCOME_UNKNOWN))
    if answered != count:
        raise InternalError(f"the library answered for {answered} keys of {count}")
    kept = reply.kept()
    if kept is None:
        batch = _columns(count, with_cas, reply.address + _HEAD_SIZE, length - _HEAD_SIZE)
    else:
        try:
            batch = _columns(count, with_cas, kept[0], kept[1])
        finally:
            reply.release()
    _idle.append(reply)
    return batch


def _columns(count: int, with_cas: bool, address: int, length: int) -> Batch:
    """Reads the payload of a batch's reply, which is so long and lies at this address."""
    row = 17 if with_cas else 9
    room = length - row * count
    if room < 0:
        raise InternalError(f"the library's reply of {length} bytes has no room for the columns of {count} keys")
    columns = string_at(address, row * count)
    cas: tuple[int, ...] = unpack_from(f"<{count}Q", columns, 5 * count) if with_cas else ()
    lengths = unpack_from(f"<{count}I", columns, (row - 4) * count)
    if sum(lengths) != room:
        raise InternalError(f"the library's reply has {room} bytes of values, and their lengths come to {sum(lengths)}")
    return Batch(columns[:count], columns[count : 5 * count], cas, _cut(address + row * count, lengths, room))


def _cut(address: int, lengths: tuple[int, ...], total: int) -> list[bytes]:
    """The values that stand end to end at this address. Each is copied once, or twice where that costs less than a call."""
    if total > 4096 * len(lengths):
        return list(map(string_at, accumulate(lengths, initial=address), lengths))
    return list(map(BytesIO(string_at(address, total)).read, lengths))


def lengths_column(items: Sequence[bytes]) -> bytes:
    """The lengths of the items, as a column of a batch request."""
    return pack(f"<{len(items)}I", *map(len, items))
