"""The embedded server of cmemcache.testing, as a user's tests have it."""

from __future__ import annotations

import gc
import inspect
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import cmemcache
import cmemcache.testing
from cmemcache.testing import Counts, Fault, Server
from servers import PATIENT, Memcached, free_port


@pytest.fixture
def embedded() -> Iterator[Server]:
    with Server() as one:
        yield one


def client_of(server: Server, **options: Any) -> cmemcache.Client:
    return cmemcache.Client([server.address], errors="raise", **options)


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_objects_are_stored_and_expire_when_the_clock_is_moved(embedded: Server, protocol: str) -> None:
    with client_of(embedded, protocol=protocol) as client:
        client.set("key", {"name": "Ada"}, time=60)
        assert client.get("key") == {"name": "Ada"}
        embedded.advance(30)
        assert client.get("key") is not None
        embedded.advance(timedelta(seconds=31))
        assert client.get("key") is None
        client.set("key", 1, time=0.5)
        embedded.advance(1.0)
        assert client.get("key") is None


def test_counts_are_the_same_in_every_protocol(embedded: Server, protocol: str) -> None:
    with client_of(embedded, protocol=protocol) as client:
        client.set("key", 1)
        client.get("key")
        client.get("missing")
        client.delete("key")
        assert embedded.counts() == Counts(
            connections=1, open_connections=1, commands=4, reads=2, hits=1, misses=1, stores=1, deletes=1
        )
        embedded.clear()
        assert embedded.counts().commands == 0
        assert embedded.counts().open_connections == 1


def test_a_stopped_server_is_down_and_a_restarted_one_is_empty(embedded: Server) -> None:
    with client_of(embedded, dead_retry=0.1) as client:
        client.set("key", 1)
        embedded.stop()
        embedded.stop()
        assert refuses(embedded.port)
        with pytest.raises(cmemcache.UnavailableError):
            client.get("key")
        embedded.restart()
        with client_of(embedded) as fresh:
            assert fresh.get("key") is None


def test_a_closed_server_is_gone_and_says_so() -> None:
    server = Server()
    port = server.port
    assert server.address == f"127.0.0.1:{port}"
    assert repr(server) == f"<cmemcache.testing.Server 127.0.0.1:{port}>"
    server.close()
    server.close()
    assert refuses(port)
    assert repr(server).endswith(", closed>")
    for call in (server.stop, server.restart, server.clear, server.counts, lambda: server.advance(1)):
        with pytest.raises(cmemcache.ClosedError):
            call()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in /proc")
def test_servers_leave_no_thread_and_no_descriptor() -> None:
    def holdings() -> tuple[int, int]:
        return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))

    Server().close()
    gc.collect()
    before = holdings()
    for _ in range(20):
        server = Server()
        with cmemcache.Client([server.address]) as client:
            client.set("key", 1)
        # Half of them end by themselves.
        if server.port % 2:
            server.close()
        del server, client
    gc.collect()
    # A thread is listed for a moment after it was waited for.
    deadline = time.monotonic() + 10
    while (now := holdings())[0] > before[0] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert now[0] <= before[0]
    assert now[1] <= before[1]


def test_limits_evict_and_refuse() -> None:
    with Server(item_size_max=2000, memory_limit=5000) as server, client_of(server) as client:
        for number in range(10):
            client.set(f"key{number}", "x" * 900)
        assert client.get("key0") is None
        assert client.get("key9") == "x" * 900
        with pytest.raises(cmemcache.ValueTooLargeError):
            client.set("key9", "x" * 3000)
        assert client.get("key9") is None


def test_an_old_version_is_spoken_to_in_the_classic_protocol() -> None:
    with Server(version="1.4.39") as server, client_of(server) as client:
        client.set("key", 1)
        assert client.get("key") == 1
        assert client.version()[0].reply == "1.4.39"
        with pytest.raises(cmemcache.UnsupportedError):
            client.metadata("key")


def test_a_server_that_wants_credentials_serves_nobody_without() -> None:
    with Server(user="ann", password="s3cret") as server:
        with client_of(server) as client, pytest.raises(cmemcache.CacheError):
            client.set("key", 1)
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(b"set auth 0 0 10\r\nann s3cret\r\nget key\r\n")
            received = b""
            while not received.endswith(b"END\r\n"):
                received += connection.recv(100)
            assert received == b"STORED\r\nEND\r\n"


def test_a_given_port_is_used_and_a_taken_one_is_refused(embedded: Server) -> None:
    with pytest.raises(cmemcache.ServerDownError, match=f"cannot listen on {embedded.address}"):
        Server(port=embedded.port)
    port = free_port()
    with Server(port=port) as given:
        assert given.port == port


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"port": 65536}, cmemcache.InvalidArgumentError, "port is 65536"),
        ({"port": -1}, cmemcache.InvalidArgumentError, "port is -1"),
        ({"port": "11211"}, TypeError, "port must be a whole number"),
        ({"version": "new"}, cmemcache.InvalidArgumentError, "version"),
        ({"version": 1}, TypeError, "version must be a str"),
        ({"version": "\ud800"}, cmemcache.InvalidArgumentError, "version"),
        ({"item_size_max": 10}, cmemcache.InvalidArgumentError, "item_size_max is 10"),
        ({"item_size_max": 2**64}, cmemcache.InvalidArgumentError, "item_size_max is"),
        ({"memory_limit": 0}, cmemcache.InvalidArgumentError, "memory_limit is 0"),
        ({"memory_limit": 1.5}, TypeError, "memory_limit must be a whole number"),
        ({"user": "ann"}, cmemcache.InvalidArgumentError, "user and password"),
        ({"user": "ann", "password": "two words"}, cmemcache.InvalidArgumentError, "user and password"),
    ],
)
def test_arguments_out_of_their_range_are_refused_by_name(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Server(**arguments)


def test_bad_faults_and_times_are_refused(embedded: Server) -> None:
    with pytest.raises(TypeError, match="fault must be a Fault"):
        embedded.inject("reset")  # type: ignore[arg-type]
    with pytest.raises(cmemcache.InvalidArgumentError, match="times is -1"):
        embedded.inject(Fault.reset(), -1)
    with pytest.raises(cmemcache.InvalidArgumentError, match="length is -1"):
        Fault.truncate(-1)
    for seconds in (-1, float("nan"), float("inf"), timedelta(days=-1)):
        with pytest.raises(cmemcache.InvalidArgumentError, match="seconds"):
            embedded.advance(seconds)
        with pytest.raises(cmemcache.InvalidArgumentError, match="seconds"):
            Fault.delay(seconds)
    with pytest.raises(TypeError, match="seconds must be"):
        embedded.advance("1")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Fault.garbage("text")  # type: ignore[arg-type]
    embedded.inject(Fault.reset(), 0)


def test_faults_are_plain_values() -> None:
    assert Fault.delay(0.0015) == Fault.delay(timedelta(milliseconds=2))
    assert pickle.loads(pickle.dumps(Fault.garbage(b"x"))) == Fault.garbage(b"x")
    assert Fault.split(1) != Fault.truncate(1)


def test_everything_public_is_listed_and_documented() -> None:
    for name in cmemcache.testing.__all__:
        kind = getattr(cmemcache.testing, name)
        assert inspect.getdoc(kind)
        for member, function in inspect.getmembers(kind, inspect.isfunction):
            if not member.startswith("_"):
                assert inspect.getdoc(function), f"{name}.{member}"


def test_a_forked_child_has_no_part_of_it(embedded: Server) -> None:
    with client_of(embedded) as client:
        client.set("key", 1)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            inert = embedded.counts() == Counts(0, 0, 0, 0, 0, 0, 0, 0)
            embedded.stop()
            embedded.close()
            os.write(write, b"y" if inert else b"n")
            os._exit(0)
        assert os.read(read, 1) == b"y"
        assert os.waitpid(pid, 0)[1] == 0
        os.close(read)
        os.close(write)
        assert client.get("key") == 1


def test_the_fixtures_of_the_guide_work_as_they_stand(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[1] / "docs" / "testing.md").read_text()
    (tmp_path / "test_prices.py").write_text(guide.split("```python\n")[1].split("```")[0])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "5 passed" in outcome.stdout, outcome.stdout + outcome.stderr


def test_it_answers_clients_as_the_real_server_does(embedded: Server, server: Memcached, protocol: str) -> None:
    def story(address: str) -> list[Any]:
        with cmemcache.StringClient([address], protocol=protocol, **PATIENT) as client:
            told: list[Any] = [client.set("k", b"5", time=100), client.add("k", b"x"), client.incr("k", 10)]
            told += [client.append("k", b"0"), client.get("k"), client.decr("k", 151), client.get("k")]
            told += [client.touch("k", 5), client.touch("none", 5), client.delete("k"), client.delete("k")]
            told += [client.set_multi({"a": b"1", "b": b"2"}), client.get_multi(["a", "b", "c"])]
            item = client.gets("a")
            assert item is not None
            told += [client.cas("a", b"3", item.token), client.cas("a", b"4", item.token)]
            told += [client.replace("none", b"x"), client.prepend("a", b"-"), client.get("a")]
            return told

    assert story(embedded.address) == story(server.address)
