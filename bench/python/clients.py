"""The clients that are compared, each in its fastest documented mode: no delay, every reply awaited, no compression.

A client is measured through the four calls of `Calls`, bound directly to its own methods where they fit. Ours runs with its
defaults. `wire` is no client but the limit of what Python can do: it sends requests that were made beforehand and reads
replies of known length, which it does not look at.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Calls:
    """What is measured of a client."""

    get: Callable[[str], object]
    set: Callable[[str, bytes], object]
    get_multi: Callable[[list[str]], Any]
    set_multi: Callable[[dict[str, bytes]], object]


@dataclass(frozen=True)
class Subject:
    """A client: how it is made, whether threads share one or each have their own, whether it returns what it reads."""

    package: str
    module: str
    make: Callable[[list[int]], Calls]
    shared: bool
    reads: bool = True

    def version(self) -> str | None:
        """The installed version; None when it cannot be imported here."""
        try:
            importlib.import_module(self.module)
            return importlib.metadata.version(self.package) if self.package else ""
        except ImportError:
            return None


def cmemcache(ports: list[int]) -> Calls:
    """Makes ours, with its defaults."""
    from cmemcache import Client

    client = Client([f"{HOST}:{port}" for port in ports])
    return Calls(client.get, client.set, client.get_multi, client.set_multi)


def python_memcached(ports: list[int]) -> Calls:
    """Makes python-memcached; it has no options for speed."""
    from memcache import Client

    client = Client([f"{HOST}:{port}" for port in ports])
    return Calls(client.get, client.set, client.get_multi, client.set_multi)


def pymemcache(ports: list[int]) -> Calls:
    """Makes pymemcache with no delay. `default_noreply` would not wait for the server: nobody else does that here."""
    from pymemcache import Client, HashClient

    options = {"no_delay": True, "default_noreply": False}
    if len(ports) > 1:
        client = HashClient([(HOST, port) for port in ports], **options)
    else:
        client = Client((HOST, ports[0]), **options)
    return Calls(client.get, client.set, client.get_many, client.set_many)


def pylibmc(ports: list[int]) -> Calls:
    """Makes pylibmc with the two behaviors that its documentation recommends for speed."""
    from pylibmc import Client

    client = Client([f"{HOST}:{port}" for port in ports], behaviors={"tcp_nodelay": True, "no_block": True})
    return Calls(client.get, client.set, client.get_multi, client.set_multi)


def libmc(ports: list[int]) -> Calls:
    """Makes libmc; it sets no delay by itself."""
    from libmc import Client

    client = Client([f"{HOST}:{port}" for port in ports])
    return Calls(client.get, client.set, client.get_multi, client.set_multi)


def meta_memcache(ports: list[int]) -> Calls:
    """Makes meta-memcache on its Rust socket, with a read buffer for large batches, a connection per thread, no compression."""
    from meta_memcache import CacheClient, ServerAddress, connection_pool_factory_builder
    from meta_memcache.serializer import MixedSerializer

    class Uncompressed(MixedSerializer):
        COMPRESSION_THRESHOLD = 1 << 40

    pool = connection_pool_factory_builder(max_pool_size=64, read_buffer_size=1 << 21)
    client = CacheClient.cache_client_from_servers(
        [ServerAddress(HOST, port) for port in ports], pool, serializer=Uncompressed()
    )
    set_one = functools.partial(client.set, ttl=None)

    def set_multi(mapping: Mapping[str, bytes]) -> None:
        for key, value in mapping.items():
            set_one(key, value)

    return Calls(client.get, set_one, client.multi_get, set_multi)


class Wire:
    """One socket. Requests are made on first use, so that the measured calls only send and receive."""

    # The sizes of the stored values, of all sockets together.
    sizes: ClassVar[dict[str, int]] = {}

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = memoryview(bytearray(4 << 20))
        # What to send and how many bytes will come back, by the first key and the number of keys.
        self._reads: dict[tuple[str, int], tuple[bytes, int]] = {}
        self._writes: dict[tuple[str, int], tuple[bytes, int]] = {}

    def get(self, key: str) -> None:
        """Reads one value."""
        self._exchange(*(self._reads.get((key, 1)) or self._make_read([key])))

    def set(self, key: str, value: bytes) -> None:
        """Stores one value."""
        self._exchange(*(self._writes.get((key, 1)) or self._make_write({key: value})))

    def get_multi(self, keys: list[str]) -> None:
        """Reads many values with one request."""
        self._exchange(*(self._reads.get((keys[0], len(keys))) or self._make_read(keys)))

    def set_multi(self, mapping: Mapping[str, bytes]) -> None:
        """Stores many values with one write."""
        self._exchange(*(self._writes.get((next(iter(mapping)), len(mapping))) or self._make_write(mapping)))

    def _make_read(self, keys: list[str]) -> tuple[bytes, int]:
        length = sum(len(f"VALUE {key} 0 {self.sizes[key]}\r\n") + self.sizes[key] + 2 for key in keys)
        made = (f"get {' '.join(keys)}\r\n".encode(), length + len("END\r\n"))
        return self._reads.setdefault((keys[0], len(keys)), made)

    def _make_write(self, mapping: Mapping[str, bytes]) -> tuple[bytes, int]:
        self.sizes.update((key, len(value)) for key, value in mapping.items())
        parts = [b"set %s 0 0 %d\r\n%s\r\n" % (key.encode(), len(value), value) for key, value in mapping.items()]
        made = (b"".join(parts), len(mapping) * len("STORED\r\n"))
        return self._writes.setdefault((next(iter(mapping)), len(mapping)), made)

    def _exchange(self, request: bytes, length: int) -> None:
        self._socket.sendall(request)
        while length > 0:
            received = self._socket.recv_into(self._buffer, min(length, len(self._buffer)))
            if not received:
                raise ConnectionError("the server closed the connection")
            length -= received


def wire(ports: list[int]) -> Calls:
    """Makes the limit."""
    one = Wire(ports[0])
    return Calls(one.get, one.set, one.get_multi, one.set_multi)


SUBJECTS = {
    "cmemcache": Subject("", "cmemcache", cmemcache, shared=True),
    "python-memcached": Subject("python-memcached", "memcache", python_memcached, shared=True),
    "pymemcache": Subject("pymemcache", "pymemcache", pymemcache, shared=False),
    "pylibmc": Subject("pylibmc", "pylibmc", pylibmc, shared=False),
    "libmc": Subject("libmc", "libmc", libmc, shared=False),
    "meta-memcache": Subject("meta-memcache", "meta_memcache", meta_memcache, shared=True),
    "wire": Subject("", "socket", wire, shared=False, reads=False),
}
