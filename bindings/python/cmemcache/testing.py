"""A memcached for the tests of programs that use a cache: no process to start, and failures on demand.

>>> from cmemcache.testing import Fault, Server
>>> with Server() as server:
...     client = cmemcache.Client([server.address])
...     client.set("key", "value", time=60)
...     server.advance(61)
...     client.get("key")

It answers as memcached 1.6.18 does, over TCP on 127.0.0.1, in the classic and the meta protocol. docs/testing.md tells what it
leaves out.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Any, Optional, Union

from ._errors import CacheError, ClosedError, InvalidArgumentError, from_generated
from ._native import generated

__all__ = ["Counts", "Fault", "Server"]

_LONGEST = 2**64 - 1


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that a `Server` does wrong on demand, made by one of the methods below.

    Most faults befall the reply to a command. What a connection begins with is answered faithfully, so that a client gets as
    far as its first command: credentials, `version`, and the `mg` by which a client finds out which protocol is spoken. A
    classic `get` of many keys has one reply; in the meta protocol each key has one.
    """

    #: Which fault it is.
    name: str
    #: How long, how many bytes, or which bytes.
    argument: Union[int, bytes, None] = None

    @staticmethod
    def delay(seconds: Union[float, timedelta]) -> Fault:
        """The reply comes this much later, in whole milliseconds. Replies behind it on the same connection wait too."""
        return Fault("delay", _milliseconds("seconds", seconds))

    @staticmethod
    def split(length: int) -> Fault:
        """The reply comes in pieces of so many bytes, each in a packet of its own. 0 counts as 1."""
        return Fault("split", _count("length", length, _LONGEST))

    @staticmethod
    def truncate(length: int) -> Fault:
        """Only so many bytes of the reply come, then the server closes the connection. With 0 it closes without a word."""
        return Fault("truncate", _count("length", length, _LONGEST))

    @staticmethod
    def duplicate() -> Fault:
        """The reply comes twice."""
        return Fault("duplicate")

    @staticmethod
    def drop() -> Fault:
        """The reply does not come; the connection stays open, and later commands are answered."""
        return Fault("drop")

    @staticmethod
    def swap() -> Fault:
        """The reply comes after the next one on the same connection, or never if there is none."""
        return Fault("swap")

    @staticmethod
    def garbage(reply: bytes) -> Fault:
        """These bytes come instead of the reply."""
        return Fault("garbage", bytes(memoryview(reply)))

    @staticmethod
    def reset() -> Fault:
        """The connection is reset instead of a reply."""
        return Fault("reset")

    @staticmethod
    def silence() -> Fault:
        """From this command on the connection is never answered again, and stays open."""
        return Fault("silence")

    @staticmethod
    def half_close() -> Fault:
        """The reply comes, and then the server closes its side and goes on reading."""
        return Fault("half_close")

    @staticmethod
    def out_of_memory() -> Fault:
        """The next value to store is refused as out of memory. The old item is gone, as with a real server."""
        return Fault("out_of_memory")

    @staticmethod
    def too_many_connections() -> Fault:
        """The next connection is refused as one too many: an error line, then it is closed."""
        return Fault("too_many_connections")

    def _generated(self) -> Any:
        kind = getattr(generated.TestFault, self.name.upper())
        return kind() if self.argument is None else kind(self.argument)


@dataclasses.dataclass(frozen=True)
class Counts:
    """What a `Server` has seen since it was made or last cleared.

    What a connection begins with, to find out which protocol is spoken, is not counted among the commands, so that the
    numbers are the same in every protocol.
    """

    #: Connections accepted.
    connections: int
    #: Connections open now.
    open_connections: int
    #: Commands carried out.
    commands: int
    #: Keys read.
    reads: int
    #: Reads that found an item.
    hits: int
    #: Reads that found none.
    misses: int
    #: Values that were sent to be stored, whatever became of them.
    stores: int
    #: Deletes, of a missing item too.
    deletes: int


class Server:
    """A memcached on a loopback port, for tests.

    It runs from its making until `close`, the end of its `with` block or its own end, and leaves no thread and no socket
    behind. In a forked child it is not there: its sockets are closed, and its methods do nothing and tell nothing.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        version: str = "1.6.18",
        item_size_max: int = 1024 * 1024,
        memory_limit: int = 64 * 1024 * 1024,
        user: Optional[str] = None,
        password: Optional[str] = None,
    ) -> None:
        """Starts a server. Raises InvalidArgumentError for an argument out of its range, ServerDownError for a taken port.

        `port` is a TCP port on 127.0.0.1, 0 for any free one. `version` is the version that it answers as: before 1.5.19 it
        knows no meta commands, before 1.6.18 a miss echoes nothing. `item_size_max` is the largest item in bytes, key and
        header included, 1024 to 1 GiB; `memory_limit` is what all items may take, 1024 or more, beyond which the longest
        unused ones are evicted. With `user` and `password`, both without spaces, every connection has to begin with them.
        """
        options = generated.TestServerOptions(
            port=_count("port", port, 65535),
            version=_text("version", version),
            item_size_max=_count("item_size_max", item_size_max, _LONGEST),
            memory_limit=_count("memory_limit", memory_limit, _LONGEST),
            user=None if user is None else _text("user", user),
            password=None if password is None else _text("password", password),
        )
        self._server: Any = _translated(lambda: generated.TestServer(options))
        self._port: int = self._server.port()
        self._address: str = self._server.address()

    @property
    def port(self) -> int:
        """The TCP port. It stays the same when the server is stopped and started again."""
        return self._port

    @property
    def address(self) -> str:
        """The address as clients take it, such as `127.0.0.1:40123`."""
        return self._address

    def inject(self, fault: Fault, times: int = 1) -> None:
        """Has the server do something wrong the next `times` times that it could.

        Faults of one kind take place one after the other, in the order in which they were asked for; `clear` calls them off.
        """
        if not isinstance(fault, Fault):
            raise TypeError(f"fault must be a Fault, such as Fault.reset(), not {type(fault).__name__}")
        self._own().inject(fault._generated(), _count("times", times, 2**32 - 1))

    def advance(self, seconds: Union[float, timedelta]) -> None:
        """Moves the server's clock forward, so that items expire and delayed flushes happen."""
        self._own().advance(_milliseconds("seconds", seconds))

    def clear(self) -> None:
        """Drops all items, calls off all faults and counts from 0, as between two tests. Connections stay open."""
        self._own().clear()

    def counts(self) -> Counts:
        """What the server has seen."""
        counts = self._own().counts()
        return Counts(**{field.name: getattr(counts, field.name) for field in dataclasses.fields(Counts)})

    def stop(self) -> None:
        """Ends the server as a crash would: connections close, items are lost, and connecting is refused until `restart`.

        The port stays this server's. Does nothing if it is stopped already.
        """
        self._own().stop()

    def restart(self) -> None:
        """Stops the server if it runs, and starts it again at the same port, without items.

        Counts, faults and the clock stay. Raises ServerDownError if somebody else took the port, ClosedError in a forked
        child.
        """
        server = self._own()
        _translated(server.restart)

    def close(self) -> None:
        """Ends the server for good. Doing it twice does no harm; whatever else is done after it raises ClosedError."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def _own(self) -> Any:
        if self._server is None:
            raise ClosedError("the test server was closed")
        return self._server

    def __enter__(self) -> Server:
        """The server."""
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        """Ends the server."""
        self.close()

    def __repr__(self) -> str:
        return f"<cmemcache.testing.Server {self._address}{'' if self._server else ', closed'}>"


def _translated(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except generated.CacheError as error:
        translated: CacheError = from_generated(error)
        raise translated from None


def _count(name: str, number: int, limit: int) -> int:
    try:
        count = operator.index(number)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {type(number).__name__}") from None
    if not 0 <= count <= limit:
        raise InvalidArgumentError(f"{name} is {count} and has to be 0 to {limit}")
    return count


def _text(name: str, text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str, not {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"{name} of {text!r} is no text that can be sent") from None
    return text


def _milliseconds(name: str, time: Union[float, timedelta]) -> int:
    if not isinstance(time, (int, float, timedelta)):
        raise TypeError(f"{name} must be a number of seconds or a timedelta, not {type(time).__name__}")
    seconds = time.total_seconds() if isinstance(time, timedelta) else time
    if not math.isfinite(seconds) or not 0 <= seconds <= _LONGEST // 1000:
        raise InvalidArgumentError(f"{name} of {time!r} is not in 0 to {_LONGEST // 1000}")
    return math.ceil(seconds * 1000)
