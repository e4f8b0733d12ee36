"""A tour of the Python package on a real memcached: `make demo`.

With MEMCACHED=host:port it uses that server, and leaves out the part that kills and restarts one. Where no memcached is
installed it runs on the embedded one of cmemcache.testing, and says so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, Callable, Optional, Union

import memcache

import cmemcache
import cmemcache.testing


@dataclasses.dataclass
class Order:
    """An object of the program's own."""

    number: int
    items: list[str]


class Server:
    """A memcached process on a free port."""

    name = "memcached"

    def __init__(self, program: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"
        user = ["-u", "root"] if os.geteuid() == 0 else []
        self._command = [program, "-l", "127.0.0.1", "-p", str(self.port), *user]
        self._process: Optional[subprocess.Popen[bytes]] = None

    def start(self) -> None:
        """Starts the process and waits until it accepts connections."""
        self._process = subprocess.Popen(self._command)
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.01)
        raise SystemExit("memcached does not accept connections")

    def kill(self) -> None:
        """Ends the process, without a word to its clients."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Embedded:
    """The same, within this program."""

    name = "the embedded server of cmemcache.testing"

    def __init__(self) -> None:
        self._server = cmemcache.testing.Server()
        self.address = self._server.address
        self.start = self._server.restart
        self.kill = self._server.stop


Own = Union[Server, Embedded]


@contextlib.contextmanager
def some_server() -> Iterator[tuple[str, Optional[Own]]]:
    """The address of a memcached, and the server if it is ours."""
    given = os.environ.get("MEMCACHED")
    if given:
        yield given, None
        return
    program = shutil.which("memcached")
    server: Own = Server(program) if program else Embedded()
    server.start()
    try:
        yield server.address, server
    finally:
        server.kill()


def title(text: str) -> None:
    """Prints a heading."""
    print(f"\n{text}\n{'-' * len(text)}")


def short(value: Any) -> str:
    """A value in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(value):,} long)"


def check(holds: bool, what: str) -> None:
    """Ends the demo when something is not as it is told."""
    if not holds:
        raise SystemExit(f"this is wrong: {what}")


def store_and_fetch(client: cmemcache.Client) -> None:
    """Objects of all kinds go in and come out as what they were."""
    title("Python objects, stored and fetched")
    objects: dict[str, Any] = {
        "a string": "grüße",
        "bytes": b"\x00\xff",
        "a number": 42,
        "a large number": 2**100,
        "a dict": {"user": {"id": 7, "tags": ["a", "b"]}},
        "a dataclass": Order(1001, ["pen", "paper"]),
        "a 600 KB object": [f"line {number}" for number in range(31_000)],
    }
    for number, (kind, value) in enumerate(objects.items()):
        key = f"demo:{number}"
        check(client.set(key, value, time=60) == 1, f"{kind} was not stored")
        fetched = client.get(key)
        check(fetched == value and type(fetched) is type(value), f"{kind} came back as {fetched!r}")
        print(f"  {kind:<16} {short(fetched)}")
    keys = [f"demo:{number}" for number in range(len(objects))]
    check(client.get_multi(keys) == dict(zip(keys, objects.values())), "get_multi gave something else")
    print(f"  get_multi        the same {len(keys)} objects in one call")
    client.set("demo:counter", 10)
    print(f"  incr, decr       10 + 5 = {client.incr('demo:counter', 5)}, - 1 = {client.decr('demo:counter')}")


def share(client: cmemcache.Client, address: str) -> None:
    """python-memcached reads what is written here, and the other way round."""
    title("One cache, shared with python-memcached")
    other = memcache.Client([address])
    order = Order(1002, ["ink"])
    client.set("demo:ours", order, time=60)
    check(other.get("demo:ours") == order, "python-memcached reads something else")
    print(f"  cmemcache writes, python-memcached reads: {other.get('demo:ours')}")
    other.set("demo:theirs", order, time=60)
    check(client.get("demo:theirs") == order, "cmemcache reads something else")
    print(f"  python-memcached writes, cmemcache reads: {client.get('demo:theirs')}")


def survive(client: cmemcache.Client, server: Optional[Own]) -> None:
    """A server that is killed costs misses, and is used again when it is back."""
    title("A server is killed and comes back")
    if server is None:
        print("  left out: MEMCACHED names a server that is not this demo's to kill")
        return
    client.set("demo:key", "before")
    server.kill()
    print(f"  killed           get -> {client.get('demo:key', 'the default')!r}, set -> {client.set('demo:key', 1)}")
    with cmemcache.Client([server.address], errors="raise") as strict:
        try:
            strict.get("demo:key")
        except cmemcache.ServerDownError as error:
            print(f"  errors='raise'   {type(error).__name__}: {error}")
    server.start()
    began = time.monotonic()
    while not client.set("demo:key", "after"):
        check(time.monotonic() - began < 10, "the server is back and is not used")
        time.sleep(0.01)
    print(f"  back             the same client stores again after {time.monotonic() - began:.2f} s")
    check(client.get("demo:key") == "after", "the value is not there")


def microseconds(operation: Callable[[], Any], calls: int) -> float:
    """The time of one call: the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(calls):
            operation()
        best = min(best, time.perf_counter() - began)
    return best / calls * 1e6


def race(client: cmemcache.Client, address: str) -> None:
    """A small table of speed; `make bench-python` measures with care."""
    title("Speed in this run, microseconds a call (best of 5)")
    other = memcache.Client([address])
    value = b"x" * 100
    batch = {f"demo:race:{number}": value for number in range(100)}
    keys = list(batch)
    rows: list[tuple[str, Callable[[Any], Callable[[], Any]], int]] = [
        ("set, 100 bytes", lambda one: lambda: one.set("demo:race", value), 1000),
        ("get, 100 bytes", lambda one: lambda: one.get("demo:race"), 1000),
        ("set_multi, 100 keys", lambda one: lambda: one.set_multi(batch), 100),
        ("get_multi, 100 keys", lambda one: lambda: one.get_multi(keys), 100),
    ]
    print(f"  {'':<22}{'cmemcache':>12}{'python-memcached':>20}{'times as fast':>16}")
    for name, make, calls in rows:
        ours, theirs = microseconds(make(client), calls), microseconds(make(other), calls)
        print(f"  {name:<22}{ours:>12.1f}{theirs:>20.1f}{theirs / ours:>16.1f}")


def main() -> None:
    """Runs all parts."""
    with some_server() as (address, server), cmemcache.Client([address]) as client:
        versions = [one.reply for one in client.version() if one.reply]
        if not versions:
            raise SystemExit(f"no memcached answers at {address}")
        python = sys.version.split()[0]
        if isinstance(server, Embedded):
            print("memcached is not installed: this is not a real one, and its speed says nothing")
        name = server.name if server else "memcached"
        print(f"cmemcache {cmemcache.__version__}, Python {python}, {name} {versions[0]} at {address}")
        store_and_fetch(client)
        share(client, address)
        race(client, address)
        survive(client, server)
        print("\nAll of it held.")


if __name__ == "__main__":
    main()
