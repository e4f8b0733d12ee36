"""What servers and clients tell of themselves and of items, as plain data."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, NamedTuple, Optional

from ._errors import CacheError, from_generated


class Item(NamedTuple):
    """A value as memcached holds it, with its flags and its cas token."""

    value: bytes
    flags: int
    token: int


@dataclasses.dataclass(frozen=True)
class ItemMetadata:
    """What memcached knows of an item, without its value."""

    #: Seconds until it expires; None if it never does.
    ttl: Optional[int]
    #: Seconds since it was last read or written.
    idle: int
    #: Its cas token.
    cas: int
    #: Whether it was read since it was stored.
    fetched: bool
    #: Slab class it lives in.
    slab_class: int
    #: Bytes it takes in the server, header and key included.
    size: int


@dataclasses.dataclass(frozen=True)
class ServerReply:
    """One server's part of version or verbosity."""

    #: The server, as `host:port` or `unix:/path`.
    server: str
    #: What it answered: its version, or `OK`; None on an error.
    reply: Optional[str]
    #: The error; None when the server answered.
    error: Optional[CacheError]


@dataclasses.dataclass(frozen=True)
class ServerStats:
    """One server's statistics."""

    #: The server, as `host:port` or `unix:/path`.
    server: str
    #: Its weight.
    weight: int
    #: Name and value of each statistic; empty on an error.
    stats: dict[str, str]
    #: The error; None when the server answered.
    error: Optional[CacheError]


class ServerState(enum.Enum):
    """How a client sees a server."""

    #: It is used.
    UP = "up"
    #: It failed lately and is used still.
    SUSPECT = "suspect"
    #: It is left alone until its next probe.
    DOWN = "down"


@dataclasses.dataclass(frozen=True)
class ServerMetrics:
    """What a client counted for one server since it was made. Counters never fall."""

    #: The server, as `host:port` or `unix:/path`.
    server: str
    #: Its weight.
    weight: int
    #: How the client sees it now.
    state: ServerState
    #: Milliseconds until a server that is down is probed again, 0 otherwise.
    down_for_ms: int
    #: Requests answered; each key of a batch counts.
    operations: int
    #: Reads that found an item.
    hits: int
    #: Reads that found none.
    misses: int
    #: Requests that failed to reach the server: refused, unreachable, no such name.
    connect_errors: int
    #: Requests whose deadline passed.
    timeouts: int
    #: Requests that lost their connection.
    disconnects: int
    #: Requests that were answered with something that is not memcached's protocol.
    protocol_errors: int
    #: Requests that the server answered with an error of its own.
    server_errors: int
    #: Connections opened, the first ones included.
    connects: int
    #: Bytes received.
    bytes_read: int
    #: Bytes sent.
    bytes_written: int
    #: Connections open now.
    connections: int
    #: Requests under way now.
    in_flight: int


def item_metadata(raw: Any) -> ItemMetadata:
    """The public form of a generated ItemMetadata."""
    return ItemMetadata(**vars(raw))


def server_reply(raw: Any) -> ServerReply:
    """The public form of a generated ServerReply."""
    return ServerReply(raw.server, raw.reply, _error(raw.error))


def server_stats(raw: Any) -> ServerStats:
    """The public form of a generated ServerStats."""
    return ServerStats(raw.server, raw.weight, raw.stats, _error(raw.error))


def server_metrics(raw: Any) -> ServerMetrics:
    """The public form of a generated ServerMetrics."""
    return ServerMetrics(**{**vars(raw), "state": ServerState[raw.state.name]})


def _error(raw: Optional[Exception]) -> Optional[CacheError]:
    return None if raw is None else from_generated(raw)
